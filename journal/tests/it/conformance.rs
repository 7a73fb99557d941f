//! What every store promises.

use crowdfold_events::{B256, EventSeq, StoredEvent, hash};
use crowdfold_journal::{Frame, FrameError, Head, JournalError, JournalStore, MemoryJournal, SledJournal};

use crate::{block, genesis, sealed, wide_block};

fn check(store: &mut dyn JournalStore) {
    assert_eq!(store.head(), Head::EMPTY);
    assert_eq!(store.read(EventSeq(0), 10), Ok(vec![]));
    assert_eq!(store.append(&[], EventSeq(0)), Ok(Head::EMPTY));

    // The genesis is first and only first; errors of the caller change nothing.
    let at = EventSeq(0);
    assert_eq!(store.append(&[block(1, 2)], at), Err(JournalError::Genesis { at, genesis: false }));
    let at = EventSeq(1);
    assert_eq!(store.append(&[genesis(), genesis()], EventSeq(0)), Err(JournalError::Genesis { at, genesis: true }));
    assert_eq!(store.head(), Head::EMPTY);
    store.append(&[genesis()], EventSeq(0)).unwrap();

    let frames = [block(1, 3), block(2, 1), wide_block(3, 300_000), block(4, 40)];
    let all: Vec<StoredEvent> = [genesis()].iter().chain(&frames).flat_map(|f| f.events().iter().cloned()).collect();
    assert_eq!(
        store.append(&frames[..1], EventSeq(0)),
        Err(JournalError::WrongPlace { expected: EventSeq(0), found: EventSeq(1) })
    );
    assert!(store.append(&frames[..1], EventSeq(2)).is_err());
    let head = store.append(&frames[..1], EventSeq(1)).unwrap();
    assert_eq!(head.next, EventSeq(4));
    let head = store.append(&frames[1..], head.next).unwrap();
    assert_eq!(head, store.head());
    assert_eq!(head.next.0 as usize, all.len());
    assert_eq!(head.hash, all.iter().fold(B256::ZERO, |h, e| hash::chain(&h, e.as_bytes())));

    // Every range reads back, whatever frames it crosses.
    for from in 0..=all.len() {
        for limit in [0, 1, 2, 7, 1000] {
            let expected = &all[from..(from + limit).min(all.len())];
            assert_eq!(store.read(EventSeq(from as u64), limit).unwrap(), expected, "{from} {limit}");
        }
    }
    let (from, end) = (EventSeq(head.next.0 + 1), head.next);
    assert_eq!(store.read(from, 1), Err(JournalError::BeyondEnd { from, end }));
}

#[test]
fn memory() {
    check(&mut MemoryJournal::default());
}

#[test]
fn sled() {
    let dir = tempfile::tempdir().unwrap();
    check(&mut SledJournal::open(dir.path()).unwrap());
}

#[test]
fn grouping_of_appends_does_not_change_the_bytes() {
    let frames = [genesis(), block(1, 3), block(2, 9)];
    let (mut one, mut many) = (MemoryJournal::default(), MemoryJournal::default());
    one.append(&frames, EventSeq(0)).unwrap();
    for frame in &frames {
        let end = many.head().next;
        many.append(std::slice::from_ref(frame), end).unwrap();
    }
    assert_eq!(one.to_bytes(), many.to_bytes());
    // Pinned: the format of a frame changes only with its format number.
    let digest = alloy_primitives::keccak256(one.to_bytes());
    assert_eq!(digest.to_string(), "0x7bec7fb6ecc225718cc3fb655fd94986745b0533caa001dbb3e4283bdc572b4b");
}

#[test]
fn frames_are_cut_at_block_ends() {
    let events = block(1, 3).into_events();
    assert_eq!(Frame::new(vec![]), Err(FrameError::Empty));
    assert_eq!(Frame::new(events[..2].to_vec()), Err(FrameError::NotAtBlockEnd { found: 36 }));
    let two = [events.clone(), vec![sealed(2)]].concat();
    assert_eq!(Frame::new(two), Err(FrameError::BlockEndInside { at: 2 }));
}
