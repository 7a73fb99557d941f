//! Restarts, failing fsyncs, damage. Power cuts are not shown here: what the
//! process wrote stays visible to it whether synced or not.

use std::{
    fs::{self, File},
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crowdfold_events::EventSeq;
use crowdfold_journal::{Damage, Disk, JournalError, JournalStore, Options, RealDisk, SledJournal};

use crate::{block, genesis, wide_block};

/// Fails from the n-th sync on; counts them.
struct FailingDisk {
    left: Arc<AtomicUsize>,
    once: bool,
}

impl FailingDisk {
    fn step(&self) -> io::Result<()> {
        let left = self.left.load(Ordering::SeqCst);
        if left == 0 {
            if self.once {
                self.left.store(usize::MAX, Ordering::SeqCst);
            }
            return Err(io::Error::other("the disk is gone"));
        }
        self.left.store(left.saturating_sub(1), Ordering::SeqCst);
        Ok(())
    }
}

impl Disk for FailingDisk {
    fn sync_data(&self, file: &File, path: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.sync_data(file, path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.sync_dir(dir)
    }
}

fn filled(dir: &Path, blocks: u64) -> SledJournal {
    let mut journal = SledJournal::open(dir).unwrap();
    if journal.head().next == EventSeq(0) {
        journal.append(&[genesis()], EventSeq(0)).unwrap();
    }
    for height in 1..=blocks {
        let end = journal.head().next;
        journal.append(&[block(height, 5)], end).unwrap();
    }
    journal
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_restart_continues_where_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = vec![];
    let mut head = None;
    for round in 0..4 {
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
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let first = filled(dir.path(), 1);
    assert!(matches!(SledJournal::open(dir.path()), Err(JournalError::InUse { .. })));
    drop(first);
    SledJournal::open(dir.path()).unwrap();
}

#[test]
fn every_sync_failure_is_final_and_loses_nothing_acknowledged() {
    // An append syncs sled's file, the new HEAD and the directory.
    for failing in 0..3 {
        for once in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let acknowledged = filled(dir.path(), 3).head();
            let left = Arc::new(AtomicUsize::new(usize::MAX));
            let disk = FailingDisk { left: left.clone(), once };
            let mut journal = SledJournal::open_with(dir.path(), Options::default(), Arc::new(disk)).unwrap();
            left.store(failing, Ordering::SeqCst);
            let error = journal.append(&[block(4, 5)], acknowledged.next).unwrap_err();
            assert!(matches!(error, JournalError::Io { .. }) && !error.is_callers());
            // Sticky, although the disk may work again; the head does not move.
            assert_eq!(journal.append(&[block(4, 5)], acknowledged.next), Err(error.clone()));
            assert_eq!(journal.read(EventSeq(0), 1), Err(error));
            assert_eq!(journal.head(), acknowledged);
            drop(journal);
            let mut journal = SledJournal::open(dir.path()).unwrap();
            let end = journal.head().next;
            assert!(end == acknowledged.next || end.0 == acknowledged.next.0 + 5);
            journal.append(&[block(9, 2)], end).unwrap();
            assert_eq!(journal.read(EventSeq(0), 1000).unwrap().len() as u64, end.0 + 2);
        }
    }
}

#[test]
fn an_append_makes_three_syncs() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), 1);
    let left = Arc::new(AtomicUsize::new(1000));
    let disk = FailingDisk { left: left.clone(), once: false };
    let mut journal = SledJournal::open_with(dir.path(), Options::default(), Arc::new(disk)).unwrap();
    let before = left.load(Ordering::SeqCst);
    let end = journal.head().next;
    journal.append(&[block(2, 2), block(3, 2)], end).unwrap();
    assert_eq!(before - left.load(Ordering::SeqCst), 3);
}

#[test]
fn a_store_behind_head_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let old = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 2));
    copy(&dir.path().join("sled"), &old.path().join("sled"));
    let end = filled(dir.path(), 2).head().next;
    fs::remove_dir_all(dir.path().join("sled")).unwrap();
    let gone = SledJournal::open(dir.path()).unwrap_err();
    assert_eq!(gone, JournalError::Behind { file: dir.path().to_owned(), acknowledged: end, found: EventSeq(0) });
    copy(&old.path().join("sled"), &dir.path().join("sled"));
    let behind = SledJournal::open(dir.path()).unwrap_err();
    assert_eq!(behind, JournalError::Behind { file: dir.path().to_owned(), acknowledged: end, found: EventSeq(11) });
}

#[test]
fn another_history_of_the_same_length_is_refused() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(filled(one.path(), 2));
    let mut journal = filled(two.path(), 1);
    let end = journal.head().next;
    journal.append(&[block(7, 5)], end).unwrap();
    drop(journal);
    fs::copy(one.path().join("HEAD"), two.path().join("HEAD")).unwrap();
    assert!(matches!(SledJournal::open(two.path()), Err(JournalError::OtherHistory { .. })));
}

#[test]
fn head_must_be_there_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 2));
    let path = dir.path().join("HEAD");
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(&path, bad).unwrap();
        assert!(matches!(SledJournal::open(dir.path()), Err(JournalError::BadHead { .. })), "byte {at}");
    }
    fs::write(&path, &good[..20]).unwrap();
    assert!(matches!(SledJournal::open(dir.path()), Err(JournalError::BadHead { .. })));
    fs::remove_file(&path).unwrap();
    assert!(matches!(SledJournal::open(dir.path()), Err(JournalError::BadHead { .. })));
    fs::write(&path, &good).unwrap();
    SledJournal::open(dir.path()).unwrap();
}

/// Changes frames behind the store's back, as sled itself would serve them.
/// Sled's own handle; a journal that was just dropped may hold its lock for a moment.
fn open_sled(dir: &Path) -> sled::Db {
    let config = sled::Config::new().path(dir.join("sled")).segment_size(16 << 20);
    for _ in 0..100 {
        if let Ok(db) = config.open() {
            return db;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    config.open().unwrap()
}

fn tamper(dir: &Path, change: impl Fn(&sled::Db)) -> Result<SledJournal, JournalError> {
    let db = open_sled(dir);
    change(&db);
    db.flush().unwrap();
    drop(db);
    SledJournal::open(dir)
}

#[test]
fn any_changed_byte_of_a_frame_is_found() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 2));
    let key = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0];
    let db = open_sled(dir.path());
    let good = db.get(key).unwrap().unwrap();
    drop(db);
    // A sample of positions over header, payload and trailer.
    for at in (0..54).step_by(6).chain((54..good.len()).step_by(23)).chain([good.len() - 1]) {
        let mut bad = good.to_vec();
        bad[at] ^= 1;
        let found = tamper(dir.path(), |db| drop(db.insert(key, bad.clone()).unwrap()));
        assert!(matches!(found, Err(JournalError::Damaged { at: EventSeq(1), .. })), "byte {at}: {found:?}");
    }
    tamper(dir.path(), |db| drop(db.insert(key, good.clone()).unwrap())).unwrap();
}

#[test]
fn a_removed_or_moved_frame_is_found() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path(), 3));
    let key = |first: u8| [0, 0, 0, 0, 0, 0, 0, first, 0, 0];
    let copied = tamper(dir.path(), |db| {
        let other = db.get(key(6)).unwrap().unwrap();
        db.insert(key(1), other).unwrap();
    });
    let expected = JournalError::Damaged {
        file: dir.path().to_owned(),
        offset: 0,
        at: EventSeq(1),
        detail: Damage::Place { found: EventSeq(6) },
    };
    assert_eq!(copied.unwrap_err(), expected);
    let removed = tamper(dir.path(), |db| drop(db.remove(key(1)).unwrap()));
    assert_eq!(
        removed.unwrap_err(),
        JournalError::Behind { file: dir.path().to_owned(), acknowledged: EventSeq(16), found: EventSeq(1) }
    );
}

#[test]
fn an_unfinished_frame_behind_head_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let head = filled(dir.path(), 2).head();
    let mut key = [0; 10];
    key[..8].copy_from_slice(&head.next.0.to_be_bytes());
    let mut journal = tamper(dir.path(), |db| drop(db.insert(key, b"half a frame").unwrap())).unwrap();
    assert_eq!(journal.head(), head);
    journal.append(&[block(3, 2)], head.next).unwrap();
    drop(journal);
    assert_eq!(SledJournal::open(dir.path()).unwrap().head().next.0, head.next.0 + 2);
}

#[test]
fn large_frames_stay_in_the_synced_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = SledJournal::open(dir.path()).unwrap();
    journal.append(&[genesis()], EventSeq(0)).unwrap();
    for height in 1..40 {
        let end = journal.head().next;
        journal.append(&[wide_block(height, 900_000)], end).unwrap();
    }
    assert_eq!(fs::read_dir(dir.path().join("sled/blobs")).unwrap().count(), 0);
    let head = journal.head();
    drop(journal);
    assert_eq!(SledJournal::open(dir.path()).unwrap().head(), head);
}

#[test]
fn bytes_flipped_or_cut_from_sleds_file_never_pass() {
    let dir = tempfile::tempdir().unwrap();
    let journal = filled(dir.path(), 8);
    let (head, events) = (journal.head(), journal.read(EventSeq(0), 1000).unwrap());
    drop(journal);
    let length = fs::metadata(dir.path().join("sled/db")).unwrap().len();
    let mut refused = 0;
    for step in 0..24 {
        let other = tempfile::tempdir().unwrap();
        copy(dir.path(), other.path());
        let path = other.path().join("sled/db");
        let at = length * step / 24;
        if step % 2 == 0 {
            File::options().write(true).open(&path).unwrap().set_len(at).unwrap();
        } else {
            let mut bytes = fs::read(&path).unwrap();
            bytes[at as usize] ^= 0x40;
            fs::write(&path, bytes).unwrap();
        }
        match SledJournal::open(other.path()) {
            Ok(journal) => {
                assert_eq!((journal.head(), journal.read(EventSeq(0), 1000).unwrap()), (head, events.clone()));
            }
            Err(error) => {
                assert!(!error.is_callers(), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "some damage must have hit a frame");
}
