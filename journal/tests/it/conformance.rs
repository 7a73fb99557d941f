//! What every store promises, as one suite over whatever makes stores.

use crowdfold_events::{B256, EventSeq, StoredEvent, hash};
use crowdfold_journal::{
    FaultyDisk, Frame, FrameError, Head, JournalError, JournalStore, MemoryJournal, SledJournal, Snapshot, SnapshotMeta,
};

use crate::{block, genesis, sealed, wide_block};

type Store = Box<dyn JournalStore>;

/// The suite; `make` gives a new, empty store.
fn conforms(make: &mut dyn FnMut() -> Store) {
    the_caller_is_checked(make());
    every_range_reads_back(make());
    subscribers_see_everything_once(make());
    a_slow_subscriber_holds_nobody_up(make());
    a_subscriber_on_another_thread(make());
    snapshots_lie_on_the_chain(make());
}

/// What stores that outlive their process promise as well; `open` opens the same one.
fn survives(open: &mut dyn FnMut() -> Store) {
    let mut expected: Vec<StoredEvent> = Vec::new();
    let (mut head, mut snapshot) = (Head::EMPTY, None);
    for round in 0..5u64 {
        let mut store = open();
        assert_eq!((store.head(), store.floor()), (head, Head::EMPTY));
        assert_eq!(store.snapshot(head.next).unwrap(), snapshot);
        assert_eq!(store.read(EventSeq(0), 1000).unwrap(), expected);
        let mut from_start = store.subscribe(EventSeq(0)).unwrap();
        assert_eq!(from_start.poll(1000).unwrap(), expected);
        let frame = if round == 0 { genesis() } else { wide_block(round, 100_000) };
        expected.extend(frame.events().iter().cloned());
        head = store.append(&[frame], head.next).unwrap();
        // It goes on where it was.
        assert_eq!(from_start.poll(1000).unwrap().as_slice(), &expected[expected.len() - from_start_len(round)..]);
        snapshot = Some(snapshot_at(head, round as u8));
        store.put_snapshot(snapshot.as_ref().unwrap()).unwrap();
    }
}

fn from_start_len(round: u64) -> usize {
    if round == 0 { 1 } else { 2 }
}

fn the_caller_is_checked(mut store: Store) {
    assert_eq!((store.head(), store.floor()), (Head::EMPTY, Head::EMPTY));
    assert_eq!(store.read(EventSeq(0), 10).unwrap(), vec![]);
    assert_eq!(store.append(&[], EventSeq(0)), Ok(Head::EMPTY));

    // The genesis is first and only first; errors of the caller change nothing.
    let at = EventSeq(0);
    assert_eq!(store.append(&[block(1, 2)], at), Err(JournalError::Genesis { at, genesis: false }));
    let at = EventSeq(1);
    assert_eq!(store.append(&[genesis(), genesis()], EventSeq(0)), Err(JournalError::Genesis { at, genesis: true }));
    assert_eq!(store.head(), Head::EMPTY);
    store.append(&[genesis()], EventSeq(0)).unwrap();
    for expected in [EventSeq(0), EventSeq(2), EventSeq(u64::MAX)] {
        let found = EventSeq(1);
        let refused = store.append(&[block(1, 3)], expected);
        assert_eq!(refused, Err(JournalError::WrongPlace { expected, found }));
        assert!(refused.unwrap_err().is_callers());
    }
    assert_eq!(store.append(&[], EventSeq(1)), Ok(store.head()));
    let head = store.append(&[block(1, 3)], EventSeq(1)).unwrap();
    assert_eq!((head, head.next), (store.head(), EventSeq(4)));
    let (from, end) = (EventSeq(5), EventSeq(4));
    assert_eq!(store.read(from, 1), Err(JournalError::BeyondEnd { from, end }));
    assert_eq!(store.subscribe(from).map(drop), Err(JournalError::BeyondEnd { from, end }));
}

fn history() -> (Vec<Frame>, Vec<StoredEvent>) {
    let frames = vec![genesis(), block(1, 3), block(2, 1), wide_block(3, 300_000), block(4, 40)];
    let events = frames.iter().flat_map(|f| f.events().iter().cloned()).collect();
    (frames, events)
}

fn every_range_reads_back(mut store: Store) {
    let (frames, all) = history();
    store.append(&frames[..1], EventSeq(0)).unwrap();
    let head = store.append(&frames[1..2], EventSeq(1)).unwrap();
    let head = store.append(&frames[2..], head.next).unwrap();
    assert_eq!(head, store.head());
    assert_eq!(head.next.0 as usize, all.len());
    assert_eq!(head.hash, all.iter().fold(B256::ZERO, |h, e| hash::chain(&h, e.as_bytes())));
    for from in 0..=all.len() {
        for limit in [0, 1, 2, 7, 1000] {
            let expected = &all[from..(from + limit).min(all.len())];
            assert_eq!(store.read(EventSeq(from as u64), limit).unwrap(), expected, "{from} {limit}");
        }
    }
}

fn subscribers_see_everything_once(mut store: Store) {
    let (frames, all) = history();
    // Before there is anything, and from the middle of a frame that does not exist yet.
    let mut one = store.subscribe(EventSeq(0)).unwrap();
    assert_eq!((one.poll(10).unwrap(), one.position()), (vec![], EventSeq(0)));
    let (mut seen, mut steps) = (Vec::new(), [1usize, 2, 5, 0, 1000].into_iter().cycle());
    for frame in &frames {
        let end = store.head().next;
        store.append(std::slice::from_ref(frame), end).unwrap();
        for _ in 0..2 {
            let limit = steps.next().unwrap();
            let events = one.poll(limit).unwrap();
            assert!(events.len() <= limit);
            seen.extend(events);
            assert_eq!(one.position().0 as usize, seen.len());
            // Nobody sees what is not acknowledged.
            assert!(one.position() <= store.head().next);
        }
    }
    loop {
        let events = one.poll(4).unwrap();
        if events.is_empty() {
            break;
        }
        seen.extend(events);
    }
    assert_eq!(seen, all);
    // Resumed at every place, by somebody who kept nothing but the place.
    for from in 0..=all.len() {
        let mut other = store.subscribe(EventSeq(from as u64)).unwrap();
        let mut rest = other.poll(3).unwrap();
        let mut again = store.subscribe(other.position()).unwrap();
        rest.extend(again.poll(1000).unwrap());
        assert_eq!(rest, &all[from..]);
    }
}

fn a_slow_subscriber_holds_nobody_up(mut store: Store) {
    store.append(&[genesis()], EventSeq(0)).unwrap();
    let mut slow = store.subscribe(EventSeq(1)).unwrap();
    assert_eq!(slow.poll(1).unwrap(), vec![]);
    let mut written = Vec::new();
    for height in 1..=200 {
        let end = store.head().next;
        let frame = block(height, 4);
        written.extend(frame.events().iter().cloned());
        store.append(&[frame], end).unwrap();
    }
    let mut seen = Vec::new();
    while seen.len() < written.len() {
        seen.extend(slow.poll(7).unwrap());
    }
    assert_eq!(seen, written);
    assert_eq!(slow.poll(7).unwrap(), vec![]);
}

fn a_subscriber_on_another_thread(mut store: Store) {
    store.append(&[genesis()], EventSeq(0)).unwrap();
    let mut follower = store.subscribe(EventSeq(0)).unwrap();
    let total = 1 + 60 * 3;
    let reader = std::thread::spawn(move || {
        let mut seen = Vec::new();
        while seen.len() < total {
            let events = follower.poll(11).unwrap();
            if events.is_empty() {
                std::thread::yield_now();
            }
            seen.extend(events);
        }
        seen
    });
    let mut written = genesis().into_events();
    for height in 1..=60 {
        let frame = block(height, 3);
        written.extend(frame.events().iter().cloned());
        let end = store.head().next;
        store.append(&[frame], end).unwrap();
    }
    assert_eq!(reader.join().unwrap(), written);
}

fn snapshot_at(head: Head, byte: u8) -> Snapshot {
    let meta = SnapshotMeta { head, state_root: B256::repeat_byte(byte), code_version: u32::from(byte) };
    Snapshot { meta, bytes: vec![byte; 1000 + usize::from(byte)] }
}

fn snapshots_lie_on_the_chain(mut store: Store) {
    assert_eq!(store.snapshot(EventSeq(u64::MAX)).unwrap(), None);
    let first = store.append(&[genesis(), block(1, 3)], EventSeq(0)).unwrap();
    let second = store.append(&[block(2, 3)], first.next).unwrap();
    let bad = |head: Head| Err(JournalError::SnapshotPlace { at: head.next, found: head.hash });
    let beyond = Head { next: EventSeq(second.next.0 + 1), hash: second.hash };
    let other = Head { hash: B256::repeat_byte(9), ..first };
    for head in [beyond, other] {
        assert_eq!(store.put_snapshot(&snapshot_at(head, 1)), bad(head));
    }
    store.put_snapshot(&snapshot_at(first, 1)).unwrap();
    let newest = |store: &Store, at: u64| store.snapshot(EventSeq(at)).unwrap();
    assert_eq!(newest(&store, u64::MAX), Some(snapshot_at(first, 1)));
    store.put_snapshot(&snapshot_at(second, 2)).unwrap();
    assert_eq!(newest(&store, u64::MAX), Some(snapshot_at(second, 2)));
    assert_eq!(newest(&store, second.next.0), Some(snapshot_at(second, 2)));
    assert_eq!(newest(&store, second.next.0 - 1), Some(snapshot_at(first, 1)));
    assert_eq!(newest(&store, first.next.0), Some(snapshot_at(first, 1)));
    assert_eq!(newest(&store, first.next.0 - 1), None);
    // A snapshot is beside the chain.
    assert_eq!(store.head(), second);
}

#[test]
fn memory() {
    conforms(&mut || Box::new(MemoryJournal::default()));
}

#[test]
fn faulty_memory_without_faults() {
    conforms(&mut || Box::new(FaultyDisk::default().open().unwrap()));
    let disk = FaultyDisk::default();
    survives(&mut || Box::new(disk.open().unwrap()));
}

#[test]
fn sled() {
    let mut dirs = Vec::new();
    conforms(&mut || {
        dirs.push(tempfile::tempdir().unwrap());
        Box::new(SledJournal::open(dirs.last().unwrap().path()).unwrap())
    });
    let dir = tempfile::tempdir().unwrap();
    survives(&mut || Box::new(SledJournal::open(dir.path()).unwrap()));
}

#[test]
fn all_stores_hold_the_same_bytes() {
    let (frames, _) = history();
    let disk = FaultyDisk::default();
    let mut faulty = disk.open().unwrap();
    let mut memory = MemoryJournal::default();
    faulty.append(&frames, EventSeq(0)).unwrap();
    for frame in &frames {
        let end = memory.head().next;
        memory.append(std::slice::from_ref(frame), end).unwrap();
    }
    assert_eq!(memory.to_bytes(), disk.to_bytes());
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
