//! The faulty store against its own promises: what it does to whom, and that
//! it counts what it did.

use crowdfold_events::EventSeq;
use crowdfold_journal::{
    AppendFault, FaultCounts, FaultyDisk, FaultyJournal, JournalError, JournalStore, MemoryJournal,
};
use proptest::prelude::*;

use crate::{block, genesis};

fn filled(disk: &FaultyDisk, blocks: u64) -> FaultyJournal {
    let mut journal = disk.open().unwrap();
    if journal.head().next == EventSeq(0) {
        journal.append(&[genesis()], EventSeq(0)).unwrap();
    }
    for height in 1..=blocks {
        let end = journal.head().next;
        journal.append(&[block(height, 5)], end).unwrap();
    }
    journal
}

#[test]
fn a_failed_append_is_final_and_acknowledges_nothing() {
    let faults = [
        AppendFault::Io { written: 100 },
        AppendFault::Full { written: 0 },
        AppendFault::Sync,
        AppendFault::Io { written: usize::MAX },
    ];
    for fault in faults {
        for power_fails in [false, true] {
            let disk = FaultyDisk::default();
            let mut journal = filled(&disk, 2);
            let head = journal.head();
            disk.fail_append(fault);
            let error = journal.append(&[block(3, 5)], head.next).unwrap_err();
            assert!(matches!(error, JournalError::Io { .. }));
            assert_eq!(journal.append(&[block(3, 5)], head.next), Err(error.clone()));
            assert_eq!(journal.read(EventSeq(0), 1), Err(error.clone()));
            assert_eq!(journal.subscribe(EventSeq(0)).map(drop), Err(error));
            assert_eq!(journal.head(), head);
            if power_fails {
                disk.power_cut(0)
            } else {
                disk.restart()
            }
            let mut journal = disk.open().unwrap();
            let end = journal.head().next;
            // What was written whole may be kept if the machine went on.
            assert!(end == head.next || (!power_fails && end.0 == head.next.0 + 5));
            journal.append(&[block(4, 2)], end).unwrap();
            let counts = disk.counts();
            assert_eq!(counts.io + counts.full + counts.sync, 1);
            assert_eq!(counts.acknowledged_lost, 0);
        }
    }
}

#[test]
fn a_lie_loses_what_it_acknowledged_and_is_counted() {
    let disk = FaultyDisk::default();
    let mut journal = filled(&disk, 2);
    let before = journal.head();
    disk.fail_append(AppendFault::Lie);
    let told = journal.append(&[block(3, 5)], before.next).unwrap();
    assert_eq!(journal.read(before.next, 100).unwrap().len(), 5);
    disk.power_cut(0);
    assert_eq!(disk.open().unwrap().head(), before);
    let expected =
        FaultCounts { lies: 1, power_cuts: 1, frames_lost: 1, acknowledged_lost: 5, ..FaultCounts::default() };
    assert_eq!(disk.counts(), expected);

    // A later honest sync makes up for it.
    let mut journal = disk.open().unwrap();
    disk.fail_append(AppendFault::Lie);
    let after = journal.append(&[block(3, 5)], before.next).unwrap();
    assert_eq!(after, told);
    let end = journal.append(&[block(4, 5)], after.next).unwrap();
    disk.power_cut(0);
    assert_eq!(disk.open().unwrap().head(), end);
    assert_eq!(disk.counts().acknowledged_lost, 5);

    // A HEAD that outlives its frames is noticed.
    let mut journal = disk.open().unwrap();
    disk.fail_append(AppendFault::LieBeforeHead);
    let told = journal.append(&[block(5, 5)], end.next).unwrap();
    disk.power_cut(10);
    let refused = disk.open().unwrap_err();
    assert!(matches!(refused, JournalError::Damaged { at, .. } if at == end.next), "{refused}");
    assert_eq!(disk.counts().torn_tails, 1);
    let disk = FaultyDisk::default();
    let mut journal = filled(&disk, 1);
    disk.fail_append(AppendFault::LieBeforeHead);
    let end = journal.head().next;
    let lost = journal.append(&[block(5, 5)], end).unwrap().next;
    disk.power_cut(0);
    assert!(matches!(disk.open(), Err(JournalError::Behind { acknowledged, .. }) if acknowledged == lost));
    assert!(told.next > lost);
}

#[test]
fn every_flipped_bit_is_found_and_the_next_read_is_whole() {
    let disk = FaultyDisk::default();
    let journal = filled(&disk, 1);
    let whole = journal.read(EventSeq(0), 100).unwrap();
    for byte in 0..400 {
        disk.flip_on_read(byte, (byte % 8) as u8);
        let found = journal.read(EventSeq(2), 100);
        assert!(matches!(found, Err(JournalError::Damaged { at: EventSeq(1), .. })), "{byte} {found:?}");
        assert_eq!(journal.read(EventSeq(0), 100).unwrap(), whole);
    }
    assert_eq!(disk.counts().read_flips, 400);
    // A flip waits until there is something to read.
    disk.flip_on_read(1, 1);
    let end = journal.head().next;
    assert_eq!(journal.read(end, 5).unwrap(), vec![]);
    assert_eq!(disk.counts().read_flips, 400);
}

#[test]
fn every_rotten_bit_is_found_at_the_start() {
    for byte in (0..2000).step_by(7) {
        let disk = FaultyDisk::default();
        assert!(!disk.rot(byte, 1));
        drop(filled(&disk, 3));
        assert!(disk.rot(byte, 1));
        assert!(matches!(disk.open(), Err(JournalError::Damaged { .. })), "byte {byte}");
        assert_eq!(disk.counts().rotten, 1);
        disk.rot(byte, 1);
        disk.open().unwrap();
    }
}

#[test]
fn a_killed_process_writes_no_more() {
    let disk = FaultyDisk::default();
    let mut old = filled(&disk, 1);
    assert!(matches!(disk.open(), Err(JournalError::InUse { .. })));
    disk.restart();
    let end = old.head().next;
    assert!(old.append(&[block(2, 5)], end).is_err());
    let mut new = disk.open().unwrap();
    assert!(old.append(&[block(2, 5)], end).is_err());
    assert!(old.read(EventSeq(0), 1).is_err());
    new.append(&[block(2, 4)], end).unwrap();
    drop(old);
    assert!(matches!(disk.open(), Err(JournalError::InUse { .. })), "the old one's end is not the new one's");
    drop(new);
    disk.open().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any history of honest faults keeps what was acknowledged, and the same
    /// arguments make the same bytes.
    #[test]
    fn honest_disks_lose_nothing(steps in proptest::collection::vec((0u8..6, 0usize..2000), 1..40)) {
        let run = || {
            let disk = FaultyDisk::default();
            let mut acknowledged = MemoryJournal::default();
            let mut journal = filled(&disk, 0);
            acknowledged.append(&[genesis()], EventSeq(0)).unwrap();
            for (height, (kind, size)) in (1..).zip(&steps) {
                match kind {
                    0 => disk.fail_append(AppendFault::Io { written: *size }),
                    1 => disk.fail_append(AppendFault::Full { written: *size }),
                    2 => disk.fail_append(AppendFault::Sync),
                    _ => {}
                }
                let frame = block(height, 1 + size % 7);
                let end = journal.head().next;
                let result = journal.append(std::slice::from_ref(&frame), end);
                if result.is_ok() {
                    acknowledged.append(&[frame], end).unwrap();
                }
                if result.is_err() || *kind == 3 {
                    if size % 2 == 0 { disk.power_cut(*size) } else { disk.restart() }
                    journal = disk.open().unwrap();
                    let all = acknowledged.read(EventSeq(0), usize::MAX).unwrap();
                    let found = journal.read(EventSeq(0), usize::MAX).unwrap();
                    assert_eq!(&found[..all.len()], &all);
                    // What was not acknowledged and is there nevertheless counts from now on.
                    for rest in found[all.len()..].chunk_by(|e, _| e.event_type() != 3) {
                        let end = acknowledged.head().next;
                        acknowledged.append(&[crowdfold_journal::Frame::new(rest.to_vec()).unwrap()], end).unwrap();
                    }
                }
            }
            (disk.to_bytes(), disk.counts())
        };
        let (bytes, counts) = run();
        prop_assert_eq!(run(), (bytes, counts));
        prop_assert_eq!((counts.acknowledged_lost, counts.lies), (0, 0));
    }
}
