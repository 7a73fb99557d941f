//! One change to a journal, with and without the hashes after it made to fit.

use crowdfold::audit::{Divergence, Options, Reason, Report};
use crowdfold_events::{Event, EventSeq, Height, StoredEvent, Zkpow, encode_event};
use proptest::prelude::*;

use super::chains::{acts, eventful, rehash, run, stored, world::World};

/// How the hashes after a change look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// As they were.
    Left,
    /// Made to fit, by somebody without the validator's key.
    Recomputed,
    /// Made to fit and signed again, by the validator itself.
    Resigned,
}

const ALL: [After; 3] = [After::Left, After::Recomputed, After::Resigned];

fn audited(world: &World, events: &[StoredEvent], after: After) -> Report {
    let events = match after {
        After::Left => events.to_vec(),
        After::Recomputed => rehash(world.state.genesis_hash(), events, None),
        After::Resigned => rehash(world.state.genesis_hash(), events, Some(&world.validator)),
    };
    run(world.state.genesis(), &events, Options::default())
}

fn divergence(world: &World, events: &[StoredEvent], after: After) -> Divergence {
    let report = audited(world, events, after);
    assert!(!report.good, "{after:?}");
    report.divergence.unwrap_or_else(|| panic!("{after:?}: the change was not found"))
}

/// Height of the block that each event is in.
fn heights(events: &[StoredEvent]) -> Vec<Height> {
    let mut height = Height(0);
    let step = |e: &StoredEvent| {
        if let Ok(Event::BlockDecided { header, .. }) = e.decode() {
            height = header.height;
        }
        height
    };
    events.iter().map(step).collect()
}

fn find(events: &[StoredEvent], wanted: impl Fn(&Event) -> bool) -> usize {
    events.iter().position(|e| wanted(&e.decode().unwrap())).unwrap()
}

/// Indices of one event of each kind, late in the chain.
fn of_each_kind(events: &[StoredEvent]) -> Vec<usize> {
    let mut last = std::collections::BTreeMap::new();
    // Not in the last blocks, so that others follow.
    for (i, event) in events[..events.len() - 40].iter().enumerate().skip(1) {
        last.insert(event.event_type(), i);
    }
    last.into_values().collect()
}

fn flipped(event: &StoredEvent, from_end: usize) -> StoredEvent {
    let mut bytes = event.as_bytes().to_vec();
    let at = bytes.len() - 1 - from_end.min(bytes.len() - 11);
    bytes[at] ^= 1;
    StoredEvent::from_bytes(bytes).unwrap()
}

#[test]
fn an_altered_event_of_any_kind_is_named() {
    let world = eventful();
    let events = stored(&world.log);
    let heights = heights(&events);
    let places = of_each_kind(&events);
    assert!(places.len() > 25, "{} kinds", places.len());
    for at in places {
        for after in ALL {
            let mut changed = events.clone();
            changed[at] = flipped(&changed[at], 0);
            let found = divergence(&world, &changed, after);
            assert_eq!((found.seq, found.height), (EventSeq(at as u64), heights[at]), "{after:?} {found:?}");
            let is_start = events[at].event_type() == 2;
            if !is_start {
                assert_eq!(found.reason, Reason::Altered, "{after:?} {found:?}");
                assert_eq!(found.expected.as_ref().unwrap().text, format!("{:?}", world.log[at]));
                assert_eq!(found.around.len(), 7.min(found.around.len()));
                assert!(found.around.iter().any(|e| e.seq == found.seq));
            }
        }
    }
}

#[test]
fn a_dropped_event_of_any_kind_is_named() {
    let world = eventful();
    let events = stored(&world.log);
    let heights = heights(&events);
    for at in of_each_kind(&events) {
        for after in ALL {
            let mut changed = events.clone();
            changed.remove(at);
            let found = divergence(&world, &changed, after);
            assert_eq!((found.seq, found.height), (EventSeq(at as u64), heights[at]), "{after:?} {found:?}");
            assert_eq!(found.reason, Reason::Dropped, "{after:?} {found:?}");
        }
    }
}

#[test]
fn reordered_events_are_named() {
    let world = eventful();
    let events = stored(&world.log);
    let heights = heights(&events);
    let inside = |at: usize| heights[at] == heights[at + 1] && events[at].event_type() != 2;
    for at in of_each_kind(&events).into_iter().filter(|at| inside(*at) && events[at + 1].event_type() != 3) {
        for after in ALL {
            let mut changed = events.clone();
            changed.swap(at, at + 1);
            let found = divergence(&world, &changed, after);
            assert_eq!((found.seq, found.height), (EventSeq(at as u64), heights[at]), "{after:?} {found:?}");
            assert_eq!(found.reason, Reason::Reordered, "{after:?} {found:?}");
        }
    }
}

#[test]
fn an_inserted_event_is_named() {
    let world = eventful();
    let events = stored(&world.log);
    let heights = heights(&events);
    for at in of_each_kind(&events) {
        for after in ALL {
            let mut changed = events.clone();
            let false_event = encode_event(&Event::RewardAccrued {
                plugin: super::chains::world::signer(1).address(),
                task: crowdfold_events::TaskId(1),
                amount: Zkpow(5),
                from_fees: Zkpow(5),
                from_issuance: Zkpow(0),
                to_debt: Zkpow(0),
            });
            changed.insert(at, false_event.unwrap());
            let found = divergence(&world, &changed, after);
            assert_eq!(found.seq, EventSeq(at as u64), "{after:?} {found:?}");
            // Before a block's first event it stands between two blocks.
            assert_eq!(found.height, heights[at], "{after:?} {found:?}");
            assert_eq!(found.reason, Reason::Inserted, "{after:?} {found:?}");
        }
    }
}

/// A whole block is taken out, or two change places.
#[test]
fn missing_and_swapped_blocks_are_named() {
    let world = eventful();
    let events = stored(&world.log);
    let start = |height: u64| {
        find(&events, |e| matches!(e, Event::BlockDecided { header, .. } if header.height == Height(height)))
    };
    let (a, b, c) = (start(30), start(31), start(32));
    for after in ALL {
        let dropped = [&events[..a], &events[b..]].concat();
        let found = divergence(&world, &dropped, after);
        assert_eq!(found.reason, Reason::Height { expected: Height(30), found: Height(31) }, "{after:?}");
        assert_eq!((found.seq, found.height), (EventSeq(a as u64), Height(30)));
        let swapped = [&events[..a], &events[b..c], &events[a..b], &events[c..]].concat();
        let found = divergence(&world, &swapped, after);
        assert_eq!((found.seq, found.height), (EventSeq(a as u64), Height(30)), "{after:?}");
    }
}

/// A block that the rules allow, but that nobody signed.
#[test]
fn a_valid_block_that_was_not_decided_is_named() {
    let world = eventful();
    // Of a block without items and heartbeats only the header depends on its time.
    let lonely = world.blocks.iter().find(|b| b.body.messages.is_empty() && b.body.transactions.is_empty()).unwrap();
    let height = lonely.header.height;
    let events = stored(&world.log);
    let at = find(&events, |e| matches!(e, Event::BlockDecided { header, .. } if header.height == height));
    let mut changed = events.clone();
    let Ok(Event::BlockDecided { mut header, body }) = changed[at].decode() else { panic!() };
    header.time_ms += 1;
    changed[at] = encode_event(&Event::BlockDecided { header, body }).unwrap();
    let found = divergence(&world, &changed, After::Recomputed);
    assert_eq!((found.seq, found.height), (EventSeq(at as u64), height), "{found:?}");
    let by = height.next();
    assert!(matches!(found.reason, Reason::NotCertified { carried_by: Some(h), .. } if h == by), "{found:?}");
    // Without new hashes it is another block than the one that was signed.
    let found = divergence(&world, &changed, After::Left);
    assert_eq!((found.seq, found.height), (EventSeq(at as u64), height), "{found:?}");
}

/// A commit whose signature was changed, and nothing else.
#[test]
fn an_altered_commit_is_named_where_it_is() {
    let world = eventful();
    let events = stored(&world.log);
    let at = find(&events, |e| matches!(e, Event::BlockDecided { header, .. } if header.height == Height(40)));
    let mut changed = events.clone();
    let Ok(Event::BlockDecided { header, mut body }) = changed[at].decode() else { panic!() };
    body.last_commit.signatures[0].signature[9] ^= 1;
    changed[at] = encode_event(&Event::BlockDecided { header, body }).unwrap();
    let found = divergence(&world, &changed, After::Left);
    assert_eq!((found.seq, found.height), (EventSeq(at as u64), Height(40)), "{found:?}");
    assert!(matches!(found.reason, Reason::Invalid { .. }));
    // With hashes that fit, block 39 is the one that nobody signed.
    let found = divergence(&world, &changed, After::Recomputed);
    assert_eq!(found.height, Height(39));
    let carried = EventSeq(at as u64);
    assert!(matches!(found.reason, Reason::NotCertified { at: Some(seq), .. } if seq == carried), "{found:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 0, ..ProptestConfig::default() })]

    /// Any flip of any byte's bit of any event is found at that event.
    #[test]
    fn any_flip_is_found(
        acts in prop::collection::vec(acts::act(), 10..30),
        at in any::<prop::sample::Index>(),
        from_end in 0usize..400,
        after in prop::sample::select(&ALL[..]),
    ) {
        let world = acts::chain(&acts);
        let events = stored(&world.log);
        let at = at.index(events.len());
        let mut changed = events.clone();
        changed[at] = flipped(&changed[at], from_end);
        let genesis = world.state.genesis_hash();
        let changed = match after {
            After::Left => changed,
            After::Recomputed => rehash(genesis, &changed, None),
            After::Resigned => rehash(genesis, &changed, Some(&world.validator)),
        };
        // What can be recomputed of a header may be as it was again. A valid header that was signed again is decided.
        prop_assume!(changed[at] != events[at] && !(after != After::Left && events[at].event_type() == 2));
        let found = run(world.state.genesis(), &changed, Options::default()).divergence.unwrap();
        prop_assert_eq!(found.seq, EventSeq(at as u64), "{:?}", found);
    }
}
