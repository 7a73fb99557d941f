//! Bits flipped and files cut, everywhere: noticed or harmless, and mended.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use crowdfold_events::{EventSeq, StoredEvent};
use crowdfold_journal::{
    Damage, FileKind, Head, JournalError, JournalStore, Options, Reader, RealDisk, RepairSource, SledJournal, Snapshot,
    SnapshotMeta, backup, export, repair, verify,
};

use crate::{block, genesis, power::Rng, scratch, wide_block};

pub(crate) const SIZES: Options = Options { segment_bytes: 6000, sled_segment_bytes: 64 << 10, snapshots_kept: 2 };

pub(crate) fn open(dir: &Path) -> Result<SledJournal, JournalError> {
    SledJournal::open_with(dir, SIZES, Arc::new(RealDisk))
}

pub(crate) fn snapshot(journal: &mut SledJournal, bytes: usize) {
    let meta = SnapshotMeta { head: journal.head(), state_root: Default::default(), code_version: 1 };
    journal.put_snapshot(&Snapshot { meta, bytes: vec![9; bytes] }).unwrap();
}

/// A journal of some segments, windows and snapshots.
pub(crate) fn fill(dir: &Path, blocks: u64) -> SledJournal {
    let mut journal = open(dir).unwrap();
    if journal.head().next == EventSeq(0) {
        journal.append(&[genesis()], EventSeq(0)).unwrap();
    }
    for height in 1..=blocks {
        let end = journal.head().next;
        let frame = if height % 7 == 0 { wide_block(height, 2500) } else { block(height, 3 + height as usize % 9) };
        journal.append(&[frame], end).unwrap();
        if height % 25 == 20 {
            snapshot(&mut journal, 700);
        }
    }
    journal
}

pub(crate) fn copy(from: &Path, to: &Path) {
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

pub(crate) fn exported(dir: &Path) -> Result<Vec<u8>, JournalError> {
    let mut bytes = Vec::new();
    export(dir, &mut bytes, &mut |_, _| ()).map(|_| bytes)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else if entry.metadata().unwrap().len() > 0 {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// Flips a bit or cuts the file.
fn harm(path: &Path, rng: &mut Rng) -> String {
    let mut bytes = fs::read(path).unwrap();
    let at = rng.below(bytes.len() as u64) as usize;
    if rng.below(2) == 0 {
        let bit = rng.below(8);
        bytes[at] ^= 1 << bit;
        fs::write(path, bytes).unwrap();
        format!("bit {bit} of byte {at} of {}", path.display())
    } else {
        File::options().write(true).open(path).unwrap().set_len(at as u64).unwrap();
        format!("{} cut at {at}", path.display())
    }
}

struct Whole {
    dir: tempfile::TempDir,
    backup: PathBuf,
    export_file: PathBuf,
    head: Head,
    export: Vec<u8>,
    events: Vec<StoredEvent>,
}

/// A journal that has everything: pruned, two windows, snapshots, a backup.
fn whole() -> Whole {
    let dir = scratch();
    let path = dir.path().join("journal");
    let mut journal = fill(&path, 60);
    journal.prune(EventSeq(journal.head().next.0 / 3)).unwrap();
    assert!(journal.floor().next > EventSeq(0));
    let (head, events) = (journal.head(), journal.read(journal.floor().next, usize::MAX).unwrap());
    drop(journal);
    let (backup_dir, export_file) = (dir.path().join("backup"), dir.path().join("export"));
    backup(&path, &backup_dir, &mut |_, _| ()).unwrap();
    let export = exported(&path).unwrap();
    fs::write(&export_file, &export).unwrap();
    let report = verify(&path, &mut |_, _| ()).unwrap();
    assert!(report.is_good(), "{:?}", report.findings);
    assert_eq!((report.verified, report.acknowledged), (head, Some(head)));
    Whole { backup: backup_dir, export_file, dir, head, export, events }
}

/// The path inside a journal's directory.
fn inside(path: &Path, dir: &Path) -> PathBuf {
    path.strip_prefix(dir).unwrap().to_owned()
}

#[test]
fn a_thousand_flips_and_cuts_are_noticed_or_harmless_and_mended() {
    let whole = whole();
    let journal = whole.dir.path().join("journal");
    let names: Vec<PathBuf> = files(&journal).iter().map(|path| inside(path, &journal)).collect();
    let segments: Vec<&PathBuf> = names.iter().filter(|name| name.starts_with("segments")).collect();
    assert!(segments.len() > 3 && names.iter().any(|name| name.ends_with("FLOOR")));
    // What exists twice in the directory itself: all but older segments.
    let twice = |name: &Path| !segments[..segments.len() - 2].iter().any(|segment| *segment == name);
    let cases = std::env::var("FLIPS").map_or(1000, |cases| cases.parse::<u64>().unwrap());
    let (mut noticed, mut refused, mut mended) = (0, 0, 0);
    for seed in 0..cases {
        let mut rng = Rng(seed);
        let dir = scratch();
        let dir = dir.path().join("journal");
        copy(&journal, &dir);
        let name = &names[rng.below(names.len() as u64) as usize];
        let what = harm(&dir.join(name), &mut rng);
        let context = |step: &str| format!("seed {seed}: {what}: {step}");

        let report = verify(&dir, &mut |_, _| ()).unwrap_or_else(|e| panic!("{}: {e}", context("verify")));
        let found = exported(&dir);
        if report.is_good() {
            assert_eq!(found.as_ref(), Ok(&whole.export), "{}", context("not noticed"));
        } else {
            noticed += 1;
            assert!(report.findings.iter().any(|f| f.file.starts_with(&dir)), "{}", context("place"));
        }
        if let Ok(found) = &found {
            assert!(*found == whole.export, "{}", context("another export"));
        }
        // Repair, first from what is there, then from elsewhere.
        let mending = scratch();
        let mending = mending.path().join("journal");
        copy(&dir, &mending);
        let outside = match seed % 2 {
            0 => RepairSource::Directory(whole.backup.clone()),
            _ => RepairSource::Export(whole.export_file.clone()),
        };
        let own = repair(&mending, None, &mut |_, _| ());
        if twice(name) {
            assert!(own.is_ok(), "{}: {own:?}", context("own repair"));
        }
        let repaired = own.or_else(|_| repair(&mending, Some(&outside), &mut |_, _| ()));
        let repaired = repaired.unwrap_or_else(|e| panic!("{}: {e}", context("repair")));
        mended += u64::from(!repaired.actions.is_empty());
        assert_eq!(repaired.head, whole.head, "{}", context("repaired head"));
        assert_eq!(exported(&mending).as_ref(), Ok(&whole.export), "{}", context("repaired export"));
        let journal = open(&mending).unwrap_or_else(|e| panic!("{}: {e}", context("open repaired")));
        assert_eq!(journal.read(journal.floor().next, usize::MAX).unwrap(), whole.events);
        drop(journal);
        // Opening the damaged one: refused with nothing changed, or the same events.
        let before = verify(&dir, &mut |_, _| ()).unwrap();
        match open(&dir) {
            Ok(journal) => {
                assert_eq!(journal.head(), whole.head, "{}", context("opened"));
                // Damage in an old segment shows when it is read.
                if let Ok(events) = journal.read(journal.floor().next, usize::MAX) {
                    assert_eq!(events, whole.events, "{}", context("other events"));
                } else {
                    assert!(!report.is_good(), "{}", context("read"));
                }
            }
            Err(error) => {
                refused += 1;
                assert!(!error.is_callers(), "{}: {error}", context("open"));
                assert_eq!(verify(&dir, &mut |_, _| ()).unwrap(), before, "{}", context("touched"));
            }
        }
    }
    eprintln!("of {cases}: {noticed} noticed, {refused} refused at open, {mended} mended");
    assert!(noticed > cases / 2 && refused > 0 && mended > 0);
}

#[test]
fn the_first_bad_frame_is_named_and_the_rest_stays_readable() {
    let dir = scratch();
    let journal = fill(dir.path(), 60);
    let head = journal.head();
    drop(journal);
    let reader = Reader::open(dir.path()).unwrap();
    let bad = reader.locate(EventSeq(40)).unwrap();
    let mut bytes = fs::read(&bad.file).unwrap();
    bytes[bad.offset as usize + 80] ^= 4;
    fs::write(&bad.file, bytes).unwrap();
    let report = verify(dir.path(), &mut |_, _| ()).unwrap();
    let finding = &report.findings[0];
    assert_eq!((finding.kind, finding.file.as_path()), (FileKind::Segment, &*bad.file));
    assert_eq!((finding.offset, finding.at), (Some(bad.offset), Some(bad.before.next)));
    assert!(matches!(finding.error, JournalError::Damaged { detail: Damage::Checksum { .. }, .. }));
    assert_eq!(report.first_bad(), Some(bad.before.next));
    assert_eq!(report.verified, bad.before);
    assert_eq!(report.readable, vec![EventSeq(0)..bad.before.next, bad.after.next..head.next]);
    // Older frames can be read, the bad one not.
    assert_eq!(reader.read(EventSeq(0), bad.before.next.0 as usize).unwrap().len() as u64, bad.before.next.0);
    assert_eq!(reader.read(bad.before.next, 1).unwrap_err(), finding.error);
    assert!(reader.read(bad.after.next, 5).is_ok());
}

/// Rewrites a frame and every later one with their hashes: the chain itself
/// does not notice, HEAD does.
#[test]
fn another_history_of_the_same_length_is_refused() {
    let (one, two) = (scratch(), scratch());
    drop(fill(one.path(), 3));
    let mut journal = open(two.path()).unwrap();
    journal.append(&[genesis(), block(1, 4), block(9, 5), block(3, 6)], EventSeq(0)).unwrap();
    drop(journal);
    assert_eq!(fs::metadata(segment(one.path())).unwrap().len(), fs::metadata(segment(two.path())).unwrap().len());
    fs::copy(segment(two.path()), segment(one.path())).unwrap();
    assert!(matches!(open(one.path()), Err(JournalError::OtherHistory { .. })));
    assert!(matches!(exported(one.path()), Err(JournalError::OtherHistory { .. })));
    assert!(!verify(one.path(), &mut |_, _| ()).unwrap().is_good());
}

fn segment(dir: &Path) -> PathBuf {
    dir.join("segments/00000000000000000000.cfs")
}

#[test]
fn a_missing_file_is_named() {
    let dir = scratch();
    drop(fill(dir.path(), 60));
    let names: Vec<PathBuf> = files(dir.path()).into_iter().filter(|path| path.extension().is_some()).collect();
    for path in names.iter().filter(|path| path.extension().is_some_and(|e| e == "cfs")) {
        let other = scratch();
        copy(dir.path(), other.path());
        let gone = other.path().join(inside(path, dir.path()));
        fs::remove_file(&gone).unwrap();
        let report = verify(other.path(), &mut |_, _| ()).unwrap();
        assert!(report.findings.iter().any(|f| f.file == gone), "{:?}", report.findings);
        assert!(exported(other.path()).is_err());
        assert!(open(other.path()).is_err());
    }
}

#[test]
fn any_missing_file_is_mended_from_a_backup_or_an_export() {
    let whole = whole();
    let journal = whole.dir.path().join("journal");
    for name in files(&journal).iter().map(|path| inside(path, &journal)) {
        for from in [RepairSource::Directory(whole.backup.clone()), RepairSource::Export(whole.export_file.clone())] {
            let dir = scratch();
            let dir = dir.path().join("journal");
            copy(&journal, &dir);
            fs::remove_file(dir.join(&name)).unwrap();
            let found = verify(&dir, &mut |_, _| ()).unwrap();
            if name.starts_with("snapshots")
                || name.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"snap."))
            {
                continue;
            }
            assert!(!found.is_good(), "{name:?}");
            let report = repair(&dir, Some(&from), &mut |_, _| ()).unwrap_or_else(|e| panic!("{name:?}: {e}"));
            assert_eq!(report.head, whole.head);
            assert_eq!(exported(&dir).as_ref(), Ok(&whole.export), "{name:?}");
            assert_eq!(open(&dir).unwrap().head(), whole.head);
        }
    }
}

/// A footer that was rewritten with a right checksum.
#[test]
fn a_footer_that_lies_is_found() {
    let dir = scratch();
    drop(fill(dir.path(), 60));
    let path = segment(dir.path());
    let good = fs::read(&path).unwrap();
    let footer = good.len() - u32::from_le_bytes(good[good.len() - 8..good.len() - 4].try_into().unwrap()) as usize;
    // Frames, bytes of events, the head after the last frame.
    for field in [footer + 24, footer + 32, footer + 80] {
        let mut bad = good.clone();
        bad[field] ^= 1;
        let end = bad.len() - 4;
        let checksum = crc32c::crc32c(&bad[footer..end]);
        bad[end..].copy_from_slice(&checksum.to_le_bytes());
        fs::write(&path, bad).unwrap();
        let report = verify(dir.path(), &mut |_, _| ()).unwrap();
        assert!(report.findings.iter().any(|finding| finding.file == path), "{:?}", report.findings);
        if field == footer + 80 {
            assert!(matches!(exported(dir.path()), Err(JournalError::OtherHistory { file, .. }) if file == path));
        }
    }
}

/// A frame with another number of events and a right checksum.
#[test]
fn a_frame_that_miscounts_is_found() {
    let dir = scratch();
    drop(fill(dir.path(), 3));
    let reader = Reader::open(dir.path()).unwrap();
    let frame = reader.locate(EventSeq(1)).unwrap();
    let (start, end) = (frame.offset as usize, (frame.offset + frame.bytes) as usize);
    let mut bytes = fs::read(&frame.file).unwrap();
    bytes[start + 14] ^= 1;
    let checksum = crc32c::crc32c(&bytes[start..end - 4]);
    bytes[end - 4..end].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&frame.file, bytes).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, JournalError::Damaged { detail: Damage::Count { .. }, .. }), "{error}");
}

/// A slot of HEAD that is whole and too old: the one in between was lost.
#[test]
fn a_slot_from_long_ago_is_reported() {
    let dir = scratch();
    let mut journal = fill(dir.path(), 3);
    let old = fs::read(dir.path().join("HEAD")).unwrap();
    for height in 4..8 {
        let end = journal.head().next;
        journal.append(&[block(height, 3)], end).unwrap();
    }
    drop(journal);
    let new = fs::read(dir.path().join("HEAD")).unwrap();
    for (mixed, name) in [([&old[..512], &new[512..]].concat(), "even"), ([&new[..512], &old[512..]].concat(), "odd")] {
        fs::write(dir.path().join("HEAD"), mixed).unwrap();
        assert!(!verify(dir.path(), &mut |_, _| ()).unwrap().is_good(), "{name}");
        assert!(exported(dir.path()).is_err(), "{name}");
    }
}
