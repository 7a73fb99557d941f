//! `repair`, `import` and `backup`, stopped by a power cut at each of their
//! operations: a journal that is being mended is never worse off, a copy is
//! whole or not there, and running the same thing again finishes it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use crowdfold_events::{EventSeq, StoredEvent};
use crowdfold_journal::{
    Disk, Head, JournalError, JournalStore, RealDisk, RepairSource, backup, backup_with, import_with, repair,
    repair_with, verify,
};

use crate::{
    damage::{copy, exported, fill, open, snapshot},
    power::{PowerDisk, Rng},
    scratch,
};

fn quiet(_: u64, _: u64) {}

struct Source {
    _dir: tempfile::TempDir,
    journal: PathBuf,
    backup: PathBuf,
    head: Head,
    export: Vec<u8>,
    events: Vec<StoredEvent>,
}

/// A journal that has everything: pruned, two windows, snapshots, a backup.
fn source() -> Source {
    let dir = scratch();
    let path = dir.path().join("journal");
    let mut journal = fill(&path, 60);
    snapshot(&mut journal, 900);
    journal.prune(EventSeq(journal.head().next.0 / 3)).unwrap();
    let (head, events) = (journal.head(), journal.read(journal.floor().next, usize::MAX).unwrap());
    drop(journal);
    let to = dir.path().join("backup");
    backup(&path, &to, &mut quiet).unwrap();
    let export = exported(&path).unwrap();
    Source { _dir: dir, journal: path, backup: to, head, export, events }
}

fn is_cut(error: &JournalError) -> bool {
    matches!(error, JournalError::Io { .. }) && error.to_string().contains("the power is gone")
}

/// What a cut left.
struct Left<'a> {
    image: &'a Path,
    /// Whether it was cut only after it had returned.
    finished: bool,
    context: String,
}

/// Runs something on `root` with the power going after 0, 1, 2, … operations
/// until it finishes; `after` looks at what each cut left.
fn cut_everywhere(
    root: &dyn Fn(&Path),
    run: &dyn Fn(&Path, Arc<dyn Disk>) -> Result<(), JournalError>,
    after: &dyn Fn(Left<'_>),
) -> u64 {
    for left in 0.. {
        let mut all_finished = true;
        for seed in 0..3 {
            let (dir, image) = (scratch(), scratch());
            let (dir, image) = (dir.path().join("root"), image.path().join("root"));
            fs::create_dir(&dir).unwrap();
            root(&dir);
            let disk = Arc::new(PowerDisk::new(&dir, &image, left, left * 3 + seed, None));
            let context = format!("cut after {left} operations, seed {seed}");
            let run = run(&dir, disk.clone());
            let finished = run.is_ok();
            all_finished &= finished;
            assert!(run.as_ref().err().is_none_or(is_cut), "{context}: {run:?}");
            disk.cut();
            after(Left { image: &image, finished, context });
        }
        if all_finished {
            return left;
        }
    }
    unreachable!("it finishes")
}

/// What harms a journal in one place or more.
struct Harm {
    name: &'static str,
    /// What happened to the backup, if one is at hand.
    backup: Option<fn(&Path)>,
    apply: fn(&Path),
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
}

fn sorted(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    sorted(&dir.join("segments"))
}

const HARMS: [Harm; 5] = [
    Harm { name: "newest segment", backup: None, apply: |dir| flip(segments(dir).last().unwrap(), 200) },
    Harm {
        // Only both together have every frame.
        name: "old segments, and the backup elsewhere",
        backup: Some(|dir| flip(&segments(dir)[0], 4000)),
        apply: |dir| segments(dir).iter().take(2).for_each(|path| flip(path, 300)),
    },
    Harm {
        name: "head and a snapshot",
        backup: None,
        apply: |dir| {
            fs::remove_file(dir.join("HEAD")).unwrap();
            flip(&sorted(&dir.join("snapshots"))[0], 50);
        },
    },
    Harm {
        name: "both files of the floor, and an old segment is gone",
        backup: Some(|_| ()),
        apply: |dir| {
            flip(&dir.join("FLOOR"), 20);
            flip(&dir.join("FLOOR.copy"), 30);
            fs::remove_file(&segments(dir)[1]).unwrap();
        },
    },
    Harm {
        name: "one file of the floor and a window",
        backup: None,
        apply: |dir| {
            flip(&dir.join("FLOOR"), 20);
            fs::remove_dir_all(sorted(&dir.join("sled")).last().unwrap()).unwrap();
        },
    },
];

#[test]
fn a_repair_that_is_cut_short_can_be_run_again() {
    let whole = source();
    for harm in &HARMS {
        let dir = scratch();
        let (backup, harmed) = (dir.path().join("backup"), dir.path().join("harmed"));
        copy(&whole.backup, &backup);
        harm.backup.iter().for_each(|apply| apply(&backup));
        let outside = harm.backup.map(|_| RepairSource::Directory(backup));
        copy(&whole.journal, &harmed);
        (harm.apply)(&harmed);
        let evidence = changed(&whole.journal, &harmed);
        let steps = cut_everywhere(
            &|root| copy(&harmed, &root.join("journal")),
            &|root, disk| repair_with(&root.join("journal"), outside.as_ref(), &*disk, &mut quiet).map(drop),
            &|Left { image, finished, context }| {
                let dir = image.join("journal");
                let context = format!("{}: {context}", harm.name);
                for (name, bytes) in &evidence {
                    let mut kept = vec![dir.join(name)];
                    kept.extend(fs::read_dir(dir.join("damaged")).into_iter().flatten().map(|e| e.unwrap().path()));
                    let is_kept = kept.iter().any(|path| fs::read(path).is_ok_and(|found| found == *bytes));
                    assert!(is_kept, "{context}: {} is lost", name.display());
                }
                let report = repair(&dir, outside.as_ref(), &mut quiet).unwrap_or_else(|e| panic!("{context}: {e}"));
                assert!(!finished || report.actions.is_empty(), "{context}: {:?}", report.actions);
                assert_eq!(report.head, whole.head, "{context}");
                assert_eq!(exported(&dir).as_ref(), Ok(&whole.export), "{context}");
                let journal = open(&dir).unwrap_or_else(|e| panic!("{context}: {e}"));
                assert_eq!(journal.read(journal.floor().next, usize::MAX).unwrap(), whole.events, "{context}");
            },
        );
        assert!(steps > 5, "{}: {steps}", harm.name);
    }
}

/// Files of `dir` that are in `good` with another content; databases apart.
fn changed(good: &Path, dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let names = [segments(dir), sorted(&dir.join("snapshots")), vec![dir.join("FLOOR"), dir.join("FLOOR.copy")]];
    let names = names.into_iter().flatten().map(|path| path.strip_prefix(dir).unwrap().to_owned());
    let read = names.map(|name| (fs::read(dir.join(&name)).unwrap(), name));
    read.filter(|(bytes, name)| fs::read(good.join(name)).unwrap() != *bytes)
        .map(|(bytes, name)| (name, bytes))
        .collect()
}

/// Either nothing has the name, or a whole journal does; in the first case a second attempt works.
fn copied(left: &Left<'_>, whole: &Source, again: &dyn Fn(&Path) -> Result<(), JournalError>) -> PathBuf {
    let Left { image, finished, context } = left;
    let to = image.join("made");
    assert!(!finished || to.exists(), "{context}");
    if !to.exists() {
        again(&to).unwrap_or_else(|e| panic!("{context}: {e}"));
        assert!(!image.join("made.unfinished").exists(), "{context}");
    }
    let report = verify(&to, &mut quiet).unwrap();
    assert!(report.is_good(), "{context}: {:?}", report.findings);
    assert_eq!(exported(&to).as_ref(), Ok(&whole.export), "{context}");
    assert_eq!(open(&to).unwrap().head(), whole.head, "{context}");
    to
}

#[test]
fn an_import_that_is_cut_short_leaves_nothing_or_all() {
    let whole = source();
    let run = |to: &Path, disk| import_with(&mut whole.export.as_slice(), to, disk, &mut quiet).map(drop);
    let steps = cut_everywhere(&|_| (), &|root, disk| run(&root.join("made"), disk), &|left| {
        copied(&left, &whole, &|to| run(to, Arc::new(RealDisk)));
    });
    assert!(steps > 20, "{steps}");
}

#[test]
fn a_backup_that_is_cut_short_leaves_nothing_or_all() {
    let whole = source();
    let run = |to: &Path, disk| backup_with(&whole.journal, to, disk, &mut quiet).map(drop);
    let steps = cut_everywhere(&|_| (), &|root, disk| run(&root.join("made"), disk), &|left| {
        let to = copied(&left, &whole, &|to| run(to, Arc::new(RealDisk)));
        let snapshots = |dir: &Path| fs::read_dir(dir.join("snapshots")).unwrap().count();
        assert_eq!(snapshots(&to), snapshots(&whole.journal), "{}", left.context);
    });
    assert!(steps > 20, "{steps}");
}

/// One slot of HEAD is lost, and a frame that the other one names is nowhere:
/// nothing is replaced, least of all by a shorter journal.
#[test]
fn a_repair_never_gives_up_what_the_readable_head_names() {
    let dir = scratch();
    let path = dir.path().join("journal");
    let head = fill(&path, 10).head();
    // The older slot.
    let bytes = fs::read(path.join("HEAD")).unwrap();
    let generation = |slot: usize| u64::from_le_bytes(bytes[slot * 512 + 8..][..8].try_into().unwrap());
    flip(&path.join("HEAD"), if generation(0) < generation(1) { 40 } else { 552 });
    let last = crowdfold_journal::Reader::open(&path).unwrap().locate(EventSeq(head.next.0 - 1)).unwrap();
    flip(&last.file, last.offset as usize + 70);
    fs::remove_dir_all(path.join("sled")).unwrap();
    let before: Vec<Vec<u8>> = [path.join("HEAD"), last.file.to_path_buf()].map(|p| fs::read(p).unwrap()).into();
    let error = repair(&path, None, &mut quiet).unwrap_err();
    assert!(matches!(error, JournalError::Unrepairable { at, .. } if at == last.before.next), "{error}");
    let after: Vec<Vec<u8>> = [path.join("HEAD"), last.file.to_path_buf()].map(|p| fs::read(p).unwrap()).into();
    assert!(before == after && !path.join("damaged").exists());
    assert!(segments(&path).iter().all(|path| path.extension().is_some_and(|suffix| suffix == "cfs")));
}

/// The floor is there twice: neither damage of one file nor its loss takes the
/// journal away, and the next open writes both again.
#[test]
fn one_file_of_the_floor_is_enough() {
    let whole = source();
    let good = fs::read(whole.journal.join("FLOOR")).unwrap();
    assert_eq!(fs::read(whole.journal.join("FLOOR.copy")).unwrap(), good);
    for name in ["FLOOR", "FLOOR.copy"] {
        for seed in 0..40 {
            let mut rng = Rng(seed);
            let dir = scratch();
            let dir = dir.path().join("journal");
            copy(&whole.journal, &dir);
            let path = dir.join(name);
            let at = rng.below(good.len() as u64) as usize;
            match seed % 3 {
                0 => fs::remove_file(&path).unwrap(),
                1 => fs::write(&path, &good[..at]).unwrap(),
                _ => flip(&path, at),
            }
            let report = verify(&dir, &mut quiet).unwrap();
            assert!(report.findings.iter().any(|finding| finding.file == path), "{name} {seed}");
            assert_eq!((report.verified, report.first_bad()), (whole.head, None), "{name} {seed}");
            assert_eq!(exported(&dir).as_ref(), Ok(&whole.export), "{name} {seed}");
            let journal = open(&dir).unwrap();
            assert_eq!(journal.read(journal.floor().next, usize::MAX).unwrap(), whole.events, "{name} {seed}");
            drop(journal);
            assert_eq!(fs::read(&path).unwrap(), good, "{name} {seed}");
            assert!(verify(&dir, &mut quiet).unwrap().is_good());
        }
    }
}

/// An older floor in one file: what it says was kept is gone already.
#[test]
fn the_newer_file_of_the_floor_counts() {
    let dir = scratch();
    let mut journal = fill(dir.path(), 60);
    snapshot(&mut journal, 10);
    let end = journal.head().next;
    journal.prune(EventSeq(end.0 / 4)).unwrap();
    let old = fs::read(dir.path().join("FLOOR")).unwrap();
    let floor = journal.prune(EventSeq(end.0 / 2)).unwrap().floor.head;
    drop(journal);
    let new = fs::read(dir.path().join("FLOOR")).unwrap();
    assert!(old != new);
    for name in ["FLOOR", "FLOOR.copy"] {
        fs::write(dir.path().join(name), &old).unwrap();
        assert!(!verify(dir.path(), &mut quiet).unwrap().is_good());
        assert_eq!(open(dir.path()).unwrap().floor(), floor);
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), new);
    }
}
