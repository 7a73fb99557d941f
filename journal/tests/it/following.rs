//! Subscriptions and readers beside a writer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crowdfold_events::{EventSeq, StoredEvent};
use crowdfold_journal::{JournalError, JournalStore, MemoryJournal, Reader, Subscription};

use crate::{
    block,
    damage::{fill, open, snapshot},
    genesis, scratch,
};

const BLOCKS: u64 = 300;

fn write(store: &mut dyn JournalStore, acknowledged: &AtomicU64) {
    for height in 1..=BLOCKS {
        let end = store.head().next;
        let head = store.append(&[block(height, 1 + height as usize % 30)], end).unwrap();
        acknowledged.store(head.next.0, Ordering::SeqCst);
    }
}

/// Polls until `end` events are there; checks that what comes is durable.
fn follow(mut subscription: Subscription, acknowledged: &AtomicU64, end: u64, limit: usize) -> Vec<StoredEvent> {
    let mut events = Vec::new();
    while (events.len() as u64) < end {
        let before = subscription.position();
        let portion = subscription.poll(limit).unwrap();
        assert!(portion.len() <= limit);
        assert_eq!(subscription.position().0, before.0 + portion.len() as u64);
        events.extend(portion);
        // An event may be heard of just before the writer has returned from its append.
        assert!(events.len() as u64 <= acknowledged.load(Ordering::SeqCst) + 30);
    }
    events
}

fn followed(mut store: Box<dyn JournalStore>) {
    store.append(&[genesis()], EventSeq(0)).unwrap();
    let end = 1 + (1..=BLOCKS).map(|height| 1 + height % 30).sum::<u64>();
    let acknowledged = Arc::new(AtomicU64::new(1));
    // One that never polls while the writer works, two that do.
    let mut slow = store.subscribe(EventSeq(0)).unwrap();
    let followers: Vec<_> = [1000, 3]
        .into_iter()
        .map(|limit| {
            let (subscription, acknowledged) = (store.subscribe(EventSeq(0)).unwrap(), acknowledged.clone());
            thread::spawn(move || follow(subscription, &acknowledged, end, limit))
        })
        .collect();
    write(&mut *store, &acknowledged);
    let expected = store.read(EventSeq(0), usize::MAX).unwrap();
    assert_eq!(expected.len() as u64, end);
    for follower in followers {
        assert!(follower.join().unwrap() == expected);
    }
    // Resumed in the middle, from a position that was kept.
    let first = slow.poll(77).unwrap();
    let position = slow.position();
    drop(slow);
    let rest = store.subscribe(position).unwrap().poll(usize::MAX).unwrap();
    assert!([first, rest].concat() == expected);
    // At the head there is nothing yet, beyond it nothing to wait for.
    assert_eq!(store.subscribe(EventSeq(end)).unwrap().poll(10), Ok(vec![]));
    let beyond = store.subscribe(EventSeq(end + 1)).map(drop);
    assert_eq!(beyond, Err(JournalError::BeyondEnd { from: EventSeq(end + 1), end: EventSeq(end) }));
}

#[test]
fn sled_subscriptions_are_ordered_and_without_gaps() {
    let dir = scratch();
    followed(Box::new(open(dir.path()).unwrap()));
}

#[test]
fn memory_subscriptions_are_ordered_and_without_gaps() {
    followed(Box::new(MemoryJournal::default()));
}

#[test]
fn a_reader_needs_no_lock_and_sees_only_what_is_acknowledged() {
    let dir = scratch();
    let mut journal = fill(dir.path(), 20);
    let mut reader = Reader::open(dir.path()).unwrap();
    assert_eq!(reader.head(), journal.head());
    let old = reader.head();
    for height in 0..50 {
        let end = journal.head().next;
        journal.append(&[block(height, 20)], end).unwrap();
        assert_eq!(reader.head(), old, "until it looks again");
    }
    let seen: u64 = reader.frames(EventSeq(0)).unwrap().map(|frame| frame.unwrap().frame.events().len() as u64).sum();
    assert_eq!(seen, old.next.0);
    assert_eq!(reader.refresh(), Ok(journal.head()));
    // Frames from anywhere, each behind the one before.
    let all = journal.read(EventSeq(0), usize::MAX).unwrap();
    for from in (0..all.len()).step_by(13) {
        let mut at = None;
        for frame in reader.frames(EventSeq(from as u64)).unwrap().map(Result::unwrap).take(3) {
            assert!(at.is_none_or(|at| at == frame.before));
            let first = frame.before.next.0 as usize;
            assert_eq!(frame.frame.events(), &all[first..frame.after.next.0 as usize]);
            at = Some(frame.after);
        }
        let found = reader.locate(EventSeq(from as u64)).unwrap();
        assert!((found.before.next.0..found.after.next.0).contains(&(from as u64)));
        assert_eq!(reader.read(EventSeq(from as u64), 5).unwrap(), all[from..(from + 5).min(all.len())]);
    }
    let mut scanned = Vec::new();
    reader
        .scan(EventSeq(0), &mut |at, bytes| {
            assert_eq!(at.0 as usize, scanned.len());
            scanned.push(StoredEvent::from_bytes(bytes.to_vec()).unwrap());
        })
        .unwrap();
    assert_eq!(scanned, all);
}

#[test]
fn a_subscription_that_is_too_late_is_told() {
    let dir = scratch();
    let mut journal = fill(dir.path(), 40);
    let mut late = journal.subscribe(EventSeq(3)).unwrap();
    snapshot(&mut journal, 10);
    let floor = journal.prune(EventSeq(200)).unwrap().floor.head.next;
    assert!(floor > EventSeq(3));
    let error = late.poll(10).unwrap_err();
    assert!(matches!(error, JournalError::Pruned { .. }), "{error}");
    assert_eq!(late.position(), EventSeq(3));
}

#[test]
fn a_snapshot_is_written_beside_the_writer() {
    let dir = scratch();
    let mut journal = fill(dir.path(), 5);
    let head = journal.head();
    let write = journal.snapshot_writer().unwrap();
    let elsewhere = journal.snapshot_writer().unwrap();
    journal.append(&[block(6, 4)], head.next).unwrap();
    let meta = crowdfold_journal::SnapshotMeta { head, state_root: Default::default(), code_version: 1 };
    let snapshot = crowdfold_journal::Snapshot { meta, bytes: vec![3; 100] };
    let mut other = snapshot.clone();
    other.meta.head.hash.0[0] ^= 1;
    let written = thread::spawn(move || {
        assert!(matches!(elsewhere(&other), Err(JournalError::SnapshotPlace { .. })));
        write(&snapshot).map(|()| snapshot)
    });
    let snapshot = written.join().unwrap().unwrap();
    assert_eq!(journal.snapshot(journal.head().next), Ok(Some(snapshot)));
}
