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

/// Changes one event of each kind at a time, with all that can be done to the
/// hashes after it: each change is named with its place.
fn each_is_named(
    is_changed: impl Fn(&[StoredEvent], usize) -> bool,
    change: impl Fn(&mut Vec<StoredEvent>, usize),
    looks_right: impl Fn(&World, usize, &Divergence) -> bool,
) {
    let world = eventful();
    let events = stored(&world.log);
    let heights = heights(&events);
    let kinds = of_each_kind(&events);
    assert!(kinds.len() > 25, "{} kinds", kinds.len());
    let places: Vec<usize> = kinds.into_iter().filter(|at| is_changed(&events, *at)).collect();
    assert!(places.len() > 10, "{} places", places.len());
    for at in places {
        let mut changed = events.clone();
        change(&mut changed, at);
        for after in ALL {
            let found = divergence(&world, &changed, after);
            // Before a block's first event something stands between two blocks.
            assert_eq!((found.seq, found.height), (EventSeq(at as u64), heights[at]), "{after:?} {found:?}");
            assert!(looks_right(&world, at, &found), "{after:?} {found:?}");
        }
    }
}

#[test]
fn an_altered_event_of_any_kind_is_named() {
    each_is_named(
        |_, _| true,
        |events, at| events[at] = flipped(&events[at], 0),
        |world, at, found| {
            let is_start = matches!(world.log[at], Event::BlockDecided { .. });
            let expected = found.expected.as_ref().map(|event| event.text.clone());
            let shown = found.around.len() <= 7 && found.around.iter().any(|event| event.seq == found.seq);
            is_start || found.reason == Reason::Altered && expected == Some(format!("{:?}", world.log[at])) && shown
        },
    );
}

#[test]
fn a_dropped_event_of_any_kind_is_named() {
    each_is_named(|_, _| true, |events, at| drop(events.remove(at)), |_, _, found| found.reason == Reason::Dropped);
}

#[test]
fn reordered_events_are_named() {
    // Inside a block: neither its first event nor its last.
    let inside = |events: &[StoredEvent], at: usize| {
        let (this, next) = (events[at].event_type(), events[at + 1].event_type());
        this != 2 && this != 3 && next != 3
    };
    each_is_named(inside, |events, at| events.swap(at, at + 1), |_, _, found| found.reason == Reason::Reordered);
}

#[test]
fn an_inserted_event_is_named() {
    let forged = encode_event(&Event::RewardAccrued {
        plugin: super::chains::world::signer(1).address(),
        task: crowdfold_events::TaskId(1),
        amount: Zkpow(5),
        from_fees: Zkpow(5),
        from_issuance: Zkpow(0),
        to_debt: Zkpow(0),
    });
    let forged = forged.unwrap();
    each_is_named(
        |_, _| true,
        |events, at| events.insert(at, forged.clone()),
        |_, _, found| found.reason == Reason::Inserted,
    );
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
