//! Restarts, HEAD, rolling of segments, large frames.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crowdfold_events::EventSeq;
use crowdfold_journal::{Head, JournalError, JournalStore, SledJournal, stats, verify};

use crate::{
    block,
    damage::{copy, exported, fill, open},
    genesis, scratch, wide_block,
};

#[test]
fn a_restart_continues_where_it_ended() {
    let dir = scratch();
    let mut expected = vec![];
    let mut head = None;
    for round in 0..6 {
        let mut journal = SledJournal::open(dir.path()).unwrap();
        assert_eq!(head.unwrap_or(journal.head()), journal.head());
        let end = journal.head().next;
        let frame = if round == 0 { genesis() } else { wide_block(round, 200_000) };
        expected.extend(frame.events().to_vec());
        head = Some(journal.append(&[frame], end).unwrap());
        assert_eq!(journal.read(EventSeq(0), 1000).unwrap(), expected);
    }
}

#[test]
fn segments_roll_and_the_windows_follow() {
    let dir = scratch();
    let journal = fill(dir.path(), 80);
    let (head, events) = (journal.head(), journal.read(EventSeq(0), usize::MAX).unwrap());
    assert_eq!(events.len() as u64, head.next.0);
    drop(journal);
    let stats = stats(dir.path()).unwrap();
    assert!(stats.segments > 5, "{stats:?}");
    assert_eq!((stats.head, stats.events, stats.frames), (head, head.next.0, 81));
    assert_eq!(stats.payload_bytes, events.iter().map(|e| e.as_bytes().len() as u64).sum::<u64>());
    for _ in 0..3 {
        // An open fills a new window and removes the old one.
        let journal = open(dir.path()).unwrap();
        assert_eq!((journal.head(), journal.read(EventSeq(0), usize::MAX).unwrap()), (head, events.clone()));
        let windows = fs::read_dir(dir.path().join("sled")).unwrap().count();
        assert!(windows <= 2, "{windows}");
    }
    // Other sizes: the same events.
    let journal = SledJournal::open(dir.path()).unwrap();
    assert_eq!(journal.read(EventSeq(0), usize::MAX).unwrap(), events);
    drop(journal);
    assert!(verify(dir.path(), &mut |_, _| ()).unwrap().is_good());
}

fn head_file(dir: &Path) -> PathBuf {
    dir.join("HEAD")
}

/// Either slot may be damaged: the other one and the frames tell the end.
#[test]
fn one_damaged_slot_of_head_is_reported_and_loses_nothing() {
    let dir = scratch();
    let head = fill(dir.path(), 5).head();
    let good = fs::read(head_file(dir.path())).unwrap();
    for at in (0..1024).step_by(17).chain([511, 1023]) {
        let other = scratch();
        copy(dir.path(), other.path());
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(head_file(other.path()), bad).unwrap();
        assert!(!verify(other.path(), &mut |_, _| ()).unwrap().is_good(), "byte {at}");
        assert!(exported(other.path()).is_err(), "byte {at}");
        assert_eq!(open(other.path()).unwrap().head(), head, "byte {at}");
        assert!(verify(other.path(), &mut |_, _| ()).unwrap().is_good(), "byte {at}");
    }
}

#[test]
fn a_head_that_says_nothing_is_refused() {
    let dir = scratch();
    drop(fill(dir.path(), 5));
    let good = fs::read(head_file(dir.path())).unwrap();
    let mut both = good.clone();
    both[100] ^= 1;
    both[700] ^= 1;
    for bad in [&both[..], &good[..1000], &good[..20], &[], &[0; 1024]] {
        fs::write(head_file(dir.path()), bad).unwrap();
        assert!(matches!(open(dir.path()), Err(JournalError::BadHead { .. })));
    }
    fs::remove_file(head_file(dir.path())).unwrap();
    assert!(matches!(open(dir.path()), Err(JournalError::BadHead { .. })));
    fs::write(head_file(dir.path()), &good).unwrap();
    open(dir.path()).unwrap();
}

/// A slot that is damaged and frames that are not whole behind the other one:
/// acknowledged events may be among them, so nothing is cut.
#[test]
fn a_damaged_slot_before_damaged_frames_is_refused() {
    let dir = scratch();
    let mut journal = open(dir.path()).unwrap();
    journal.append(&[genesis()], EventSeq(0)).unwrap();
    let end = journal.append(&[block(1, 5)], EventSeq(1)).unwrap().next;
    journal.append(&[block(2, 5)], end).unwrap();
    drop(journal);
    // The newest slot is the one whose events are most.
    let bytes = fs::read(head_file(dir.path())).unwrap();
    let generation = |slot: usize| u64::from_le_bytes(bytes[slot * 512 + 8..][..8].try_into().unwrap());
    let newest = usize::from(generation(1) > generation(0));
    let file = File::options().write(true).open(head_file(dir.path())).unwrap();
    file.write_all_at(&[0xff], newest as u64 * 512 + 60).unwrap();
    let segment = dir.path().join("segments/00000000000000000000.cfs");
    let length = fs::metadata(&segment).unwrap().len();
    File::options().write(true).open(&segment).unwrap().set_len(length - 3).unwrap();
    assert!(matches!(open(dir.path()), Err(JournalError::BadFile { what: "a slot", .. })));
}

#[test]
fn a_store_behind_head_is_refused() {
    let dir = scratch();
    let old = scratch();
    drop(fill(dir.path(), 2));
    copy(dir.path(), old.path());
    let end = fill(dir.path(), 2).head().next;
    let segments = Path::new("segments/00000000000000000000.cfs");
    let newest = fs::read(dir.path().join(segments)).unwrap();
    fs::copy(old.path().join(segments), dir.path().join(segments)).unwrap();
    let behind = open(dir.path()).unwrap_err();
    assert!(matches!(behind, JournalError::Behind { acknowledged, .. } if acknowledged == end), "{behind}");
    // The same for the window.
    fs::write(dir.path().join(segments), newest).unwrap();
    let window = |dir: &Path| fs::read_dir(dir.join("sled")).unwrap().next().unwrap().unwrap().path();
    let live = window(dir.path());
    fs::remove_dir_all(&live).unwrap();
    assert!(matches!(open(dir.path()), Err(JournalError::Missing { .. })));
    copy(&window(old.path()), &live);
    let behind = open(dir.path()).unwrap_err();
    assert!(matches!(behind, JournalError::Behind { acknowledged, .. } if acknowledged == end), "{behind}");
}

#[test]
fn large_frames_stay_in_the_synced_file() {
    let dir = scratch();
    let mut journal = SledJournal::open(dir.path()).unwrap();
    journal.append(&[genesis()], EventSeq(0)).unwrap();
    for height in 1..40 {
        let end = journal.head().next;
        journal.append(&[wide_block(height, 900_000)], end).unwrap();
    }
    for window in fs::read_dir(dir.path().join("sled")).unwrap() {
        assert_eq!(fs::read_dir(window.unwrap().path().join("blobs")).unwrap().count(), 0);
    }
    let head = journal.head();
    drop(journal);
    assert_eq!(SledJournal::open(dir.path()).unwrap().head(), head);
}

#[test]
fn half_a_frame_behind_head_is_cut_off() {
    let dir = scratch();
    let head = fill(dir.path(), 4).head();
    let segment = dir.path().join("segments/00000000000000000000.cfs");
    let length = fs::metadata(&segment).unwrap().len();
    let file = File::options().write(true).open(&segment).unwrap();
    file.write_all_at(b"half a frame", length).unwrap();
    let mut journal = open(dir.path()).unwrap();
    assert_eq!(journal.head(), head);
    assert_eq!(fs::metadata(&segment).unwrap().len(), length);
    journal.append(&[block(3, 2)], head.next).unwrap();
    drop(journal);
    assert_eq!(open(dir.path()).unwrap().head().next.0, head.next.0 + 2);
}

#[test]
fn an_empty_journal_opens_again() {
    let dir = scratch();
    for _ in 0..3 {
        assert_eq!(open(dir.path()).unwrap().head(), Head::EMPTY);
    }
    assert!(verify(dir.path(), &mut |_, _| ()).unwrap().is_good());
    assert!(verify(&dir.path().join("elsewhere"), &mut |_, _| ()).is_err());
}
