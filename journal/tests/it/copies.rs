//! Exports, imports and backups.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crowdfold_events::EventSeq;
use crowdfold_journal::{
    JournalError, JournalStore, Options, Reader, RealDisk, SledJournal, backup, export, import, snapshots, verify,
};

use crate::{
    block,
    damage::{SIZES, exported, fill, open, snapshot},
    power::Rng,
    scratch,
};

fn quiet(_: u64, _: u64) {}

#[test]
fn exports_are_the_same_however_the_journal_was_written() {
    let (one, two, three) = (scratch(), scratch(), scratch());
    let journal = fill(one.path(), 50);
    let first = exported(one.path()).unwrap();
    assert_eq!(first, exported(one.path()).unwrap());
    // Other segments, other groups.
    let options = Options { segment_bytes: 900, ..SIZES };
    let mut other = SledJournal::open_with(two.path(), options, Arc::new(RealDisk)).unwrap();
    let reader = Reader::open(one.path()).unwrap();
    let frames: Vec<_> = reader.frames(EventSeq(0)).unwrap().map(|frame| frame.unwrap().frame).collect();
    for group in frames.chunks(4) {
        let end = other.head().next;
        other.append(group, end).unwrap();
    }
    assert_eq!(exported(two.path()).unwrap(), first);
    let target = three.path().join("made");
    let report = import(&mut first.as_slice(), &target, &mut quiet).unwrap();
    assert_eq!((report.head, report.bytes), (journal.head(), first.len() as u64));
    assert_eq!(exported(&target).unwrap(), first);
    assert!(verify(&target, &mut quiet).unwrap().is_good());
    // Pinned: the format of an export changes only with its format number.
    let digest = alloy_primitives::keccak256(&first);
    assert_eq!(digest.to_string(), "0xeb3ad7e76fca9ce79050bdc0c44142674eccc6fbb6b0b430024b588c38fd35b2");
}

#[test]
fn a_pruned_journal_can_be_exported_and_imported() {
    let (one, two) = (scratch(), scratch());
    let mut journal = fill(one.path(), 50);
    snapshot(&mut journal, 10);
    let floor = journal.prune(EventSeq(200)).unwrap().floor;
    assert!(floor.head.next > EventSeq(0) && floor.peaks.len() == floor.head.next.0.count_ones() as usize);
    let bytes = exported(one.path()).unwrap();
    let target = two.path().join("made");
    import(&mut bytes.as_slice(), &target, &mut quiet).unwrap();
    assert_eq!(Reader::open(&target).unwrap().floor(), &floor);
    assert_eq!(exported(&target).unwrap(), bytes);
    let mut made = open(&target).unwrap();
    assert_eq!(made.head(), journal.head());
    let end = made.head().next;
    made.append(&[block(77, 3)], end).unwrap();
    // Nothing to start from: no snapshot came along.
    assert!(matches!(made.prune(end), Err(JournalError::NeedsSnapshot { .. })));
    assert!(verify(&target, &mut quiet).unwrap().is_good());
}

#[test]
fn a_damaged_or_cut_export_is_never_imported() {
    let dir = scratch();
    drop(fill(&dir.path().join("journal"), 20));
    let bytes = exported(&dir.path().join("journal")).unwrap();
    let target = dir.path().join("made");
    for seed in 0..400 {
        let mut rng = Rng(seed);
        let mut bad = bytes.clone();
        let at = rng.below(bytes.len() as u64) as usize;
        match seed % 3 {
            0 => bad.truncate(at),
            1 => bad[at] ^= 1 << rng.below(8),
            _ => bad.push(0),
        }
        let error = import(&mut bad.as_slice(), &target, &mut quiet).unwrap_err();
        assert!(matches!(error, JournalError::Damaged { .. } | JournalError::BadFile { .. }), "{error}");
        assert!(!target.exists() && fs::read_dir(dir.path()).unwrap().count() == 1, "nothing is left");
    }
    fs::create_dir(&target).unwrap();
    import(&mut bytes.as_slice(), &target, &mut quiet).unwrap();
    let again = import(&mut bytes.as_slice(), &target, &mut quiet);
    assert_eq!(again, Err(JournalError::NotEmpty { path: target }));
}

#[test]
fn a_backup_is_taken_while_the_writer_goes_on() {
    let dir = scratch();
    let source = dir.path().join("journal");
    let mut journal = fill(&source, 45);
    snapshot(&mut journal, 500);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = thread::spawn({
        let stop = stop.clone();
        move || {
            let mut height = 1000;
            while !stop.load(Ordering::SeqCst) {
                let end = journal.head().next;
                journal.append(&[block(height, 7)], end).unwrap();
                height += 1;
            }
            journal
        }
    });
    for round in 0..5 {
        let target = dir.path().join(format!("backup {round}"));
        let report = backup(&source, &target, &mut quiet).unwrap();
        let found = verify(&target, &mut quiet).unwrap();
        assert!(found.is_good(), "{:?}", found.findings);
        assert_eq!(found.verified, report.head);
        assert!(report.bytes > 0);
        assert_eq!(snapshots(&target).unwrap().len(), 2);
        assert_eq!(open(&target).unwrap().head(), report.head);
    }
    stop.store(true, Ordering::SeqCst);
    let journal = writer.join().unwrap();
    let last = dir.path().join("last");
    backup(&source, &last, &mut quiet).unwrap();
    assert_eq!(exported(&last).unwrap(), exported(&source).unwrap());
    assert_eq!(open(&last).unwrap().head(), journal.head());
    assert!(matches!(backup(&source, &last, &mut quiet), Err(JournalError::NotEmpty { .. })));
}

/// A writer that fails leaves an export that no import accepts.
#[test]
fn an_export_that_is_cut_off_is_not_a_journal() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or_else(|| std::io::Error::other("full"))?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let dir = scratch();
    drop(fill(dir.path(), 5));
    let whole = exported(dir.path()).unwrap().len();
    assert!(export(dir.path(), &mut Full(whole), &mut quiet).is_ok());
    assert!(matches!(export(dir.path(), &mut Full(whole - 1), &mut quiet), Err(JournalError::Io { .. })));
}
