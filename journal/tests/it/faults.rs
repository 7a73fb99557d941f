//! A full or broken disk at every operation in turn, and other processes.

use std::{
    fs::File,
    io,
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use crowdfold_events::{EventSeq, StoredEvent};
use crowdfold_journal::{Disk, JournalError, JournalStore, RealDisk, SledJournal, verify};

use crate::{
    block,
    damage::{SIZES, fill, open, snapshot},
    genesis, scratch,
};

/// Fails at one operation, or from it on; counts them.
#[derive(Default)]
struct Failing {
    done: AtomicU64,
    at: u64,
    for_good: bool,
    full: bool,
    /// Names of the operations, in order.
    log: Mutex<Vec<String>>,
}

impl Failing {
    fn step(&self, what: &str, path: &Path) -> io::Result<()> {
        let done = self.done.fetch_add(1, Ordering::SeqCst);
        self.log.lock().unwrap().push(format!("{what} {}", path.display()));
        if done == self.at || self.for_good && done > self.at {
            let number = if self.full { 28 } else { 5 };
            return Err(io::Error::from_raw_os_error(number));
        }
        Ok(())
    }
}

impl Disk for Failing {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.step("create_dir", path)?;
        RealDisk.create_dir(path)
    }

    fn create_file(&self, path: &Path) -> io::Result<File> {
        self.step("create_file", path)?;
        RealDisk.create_file(path)
    }

    fn write_at(&self, file: &File, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.step("write_at", path) {
            // A full disk takes what fits.
            RealDisk.write_at(file, path, offset, &bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        RealDisk.write_at(file, path, offset, bytes)
    }

    fn set_len(&self, file: &File, path: &Path, length: u64) -> io::Result<()> {
        self.step("set_len", path)?;
        RealDisk.set_len(file, path, length)
    }

    fn sync_data(&self, file: &File, path: &Path) -> io::Result<()> {
        self.step("sync_data", path)?;
        RealDisk.sync_data(file, path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step("sync_dir", path)?;
        RealDisk.sync_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("rename", to)?;
        RealDisk.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("hard_link", to)?;
        RealDisk.hard_link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step("remove_file", path)?;
        RealDisk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.step("remove_dir", path)?;
        RealDisk.remove_dir(path)
    }

    fn is_parallel(&self) -> bool {
        false
    }

    fn before_sled(&self, path: &Path, _: usize) -> io::Result<()> {
        self.step("sled", path)
    }
}

/// Appends, rolls, snapshots and prunes; returns what was acknowledged and the error.
fn work(dir: &Path, disk: Arc<dyn Disk>) -> (Vec<StoredEvent>, u64, Option<JournalError>) {
    let (mut events, mut floor) = (Vec::new(), 0);
    let mut journal = match SledJournal::open_with(dir, SIZES, disk) {
        Ok(journal) => journal,
        Err(error) => return (events, floor, Some(error)),
    };
    for height in 0..30 {
        let frame = if height == 0 { genesis() } else { block(height, 12) };
        let expected = journal.head().next;
        if let Err(error) = journal.append(std::slice::from_ref(&frame), expected) {
            // Final, although the disk may work again; the head does not move.
            assert_eq!(journal.append(&[frame], expected), Err(error.clone()));
            assert_eq!(journal.read(EventSeq(0), 1), Err(error.clone()));
            assert_eq!(journal.head().next, expected);
            return (events, floor, Some(error));
        }
        events.extend(frame.into_events());
        if height == 20 {
            let meta = crowdfold_journal::SnapshotMeta {
                head: journal.head(),
                state_root: Default::default(),
                code_version: 1,
            };
            if let Err(error) = journal.put_snapshot(&crowdfold_journal::Snapshot { meta, bytes: vec![1; 300] }) {
                assert_eq!(journal.append(&[], journal.head().next), Err(error.clone()));
                return (events, floor, Some(error));
            }
        }
    }
    match journal.prune(EventSeq(200)) {
        Ok(report) => floor = report.floor.head.next.0,
        Err(error) => {
            assert_eq!(journal.append(&[], journal.head().next), Err(error.clone()));
            return (events, floor, Some(error));
        }
    }
    (events, floor, None)
}

#[test]
fn a_failure_of_any_operation_is_final_and_loses_nothing() {
    let mut operations = 0;
    for full in [true, false] {
        for for_good in [true, false] {
            for at in 0.. {
                let dir = scratch();
                let disk = Arc::new(Failing { at, for_good, full, ..Failing::default() });
                let (events, floor, error) = work(dir.path(), disk.clone());
                let Some(error) = error else {
                    operations = at;
                    break;
                };
                let log = disk.log.lock().unwrap();
                let what = &log[at as usize];
                let words = if full { "No space left on device" } else { "Input/output error" };
                assert!(
                    matches!(error, JournalError::Io { .. }) && error.to_string().contains(words),
                    "{what}: {error}"
                );
                assert!(!error.is_callers());
                // A clean start afterwards: all that was acknowledged, at most one append more.
                let mut journal = open(dir.path()).unwrap_or_else(|e| panic!("{what}: {e}"));
                let start = journal.floor().next;
                assert!(start.0 >= floor);
                let read = journal.read(start, usize::MAX).unwrap();
                let acknowledged = &events[(start.0 as usize).min(events.len())..];
                assert!(read.starts_with(acknowledged) && read.len() <= acknowledged.len() + 12, "{what}");
                let end = journal.head().next;
                let next = if end == EventSeq(0) { genesis() } else { block(99, 2) };
                journal.append(&[next], end).unwrap();
                drop(journal);
                let report = verify(dir.path(), &mut |_, _| ()).unwrap();
                assert!(report.is_good(), "{what}: {:?}", report.findings);
            }
        }
    }
    eprintln!("{operations} operations, each failed in four ways");
    assert!(operations > 150);
}

#[test]
fn an_append_syncs_segment_window_and_head_and_nothing_else() {
    let dir = scratch();
    drop(fill(dir.path(), 1));
    let disk = Arc::new(Failing { at: u64::MAX, ..Failing::default() });
    let mut journal = SledJournal::open_with(dir.path(), SIZES, disk.clone()).unwrap();
    disk.log.lock().unwrap().clear();
    let end = journal.head().next;
    journal.append(&[block(2, 2), block(3, 2)], end).unwrap();
    let log = disk.log.lock().unwrap();
    let syncs: Vec<&str> =
        log.iter().filter(|l| l.starts_with("sync")).map(|l| l.rsplit('/').next().unwrap()).collect();
    assert_eq!(syncs, ["00000000000000000000.cfs", "db", "HEAD"]);
}

/// Pruning stopped at each of its steps, then resumed by the next open.
#[test]
fn pruning_is_resumed_wherever_it_was_stopped() {
    let prune_at = |dir: &Path, at: u64| {
        let mut journal = fill(dir, 60);
        snapshot(&mut journal, 50);
        drop(journal);
        let disk = Arc::new(Failing { at: u64::MAX, ..Failing::default() });
        let before = {
            let journal = SledJournal::open_with(dir, SIZES, disk.clone()).unwrap();
            drop(journal);
            disk.done.load(Ordering::SeqCst)
        };
        // The same steps again, now with a failure at `at` of the pruning's.
        let disk = Arc::new(Failing { at: before + at, for_good: true, ..Failing::default() });
        let mut journal = SledJournal::open_with(dir, SIZES, disk.clone()).unwrap();
        let pruned = journal.prune(EventSeq(300));
        (pruned, disk.done.load(Ordering::SeqCst) - before)
    };
    let whole = scratch();
    let (report, _) = prune_at(whole.path(), u64::MAX / 2);
    let report = report.unwrap();
    assert!(report.segments > 2 && report.bytes > 0);
    let expected = open(whole.path()).unwrap().read(report.floor.head.next, usize::MAX).unwrap();
    let mut steps = 0;
    for at in 0.. {
        let dir = scratch();
        let (pruned, _) = prune_at(dir.path(), at);
        let finished = pruned.is_ok();
        // What remains can be checked before anything else happens.
        let found = verify(dir.path(), &mut |_, _| ()).unwrap();
        assert!(found.is_good(), "step {at}: {:?}", found.findings);
        let mut journal = open(dir.path()).unwrap();
        let floor = journal.floor();
        assert!(floor == report.floor.head || floor.next == EventSeq(0), "step {at}");
        let again = journal.prune(EventSeq(300)).unwrap();
        assert_eq!(again.floor, report.floor);
        assert_eq!(journal.read(again.floor.head.next, usize::MAX).unwrap(), expected);
        assert!(matches!(journal.read(EventSeq(0), 1), Err(JournalError::Pruned { .. })));
        let segments = std::fs::read_dir(dir.path().join("segments")).unwrap().count();
        assert_eq!(segments, std::fs::read_dir(whole.path().join("segments")).unwrap().count());
        steps = at;
        if finished {
            break;
        }
    }
    assert!(steps > 5, "{steps}");
}

const CHILD: &str = "JOURNAL_DIRECTORY_OF_ANOTHER_PROCESS";

/// What the other process does; nothing when nobody asked for it.
#[test]
fn as_another_process() {
    if let Some(dir) = std::env::var_os(CHILD) {
        match open(Path::new(&dir)) {
            Ok(_) => println!("opened it"),
            Err(error) => println!("{error}"),
        }
    }
}

#[test]
fn a_second_process_is_refused_until_the_first_is_gone() {
    let dir = scratch();
    let other = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "faults::as_another_process", "--nocapture"]).env(CHILD, dir.path());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let mut first = fill(dir.path(), 3);
    assert!(matches!(open(dir.path()), Err(JournalError::InUse { .. })));
    let said = other();
    assert!(said.contains("LOCK is in use by another process"), "{said}");
    let end = first.head().next;
    first.append(&[block(4, 2)], end).unwrap();
    drop(first);
    let said = other();
    assert!(said.contains("opened it"), "{said}");
}

/// Appends until the disk refuses; nothing when nobody asked for it.
#[test]
fn as_a_writer_on_a_full_disk() {
    let Some(dir) = std::env::var_os(FULL) else { return };
    // Sizes at which a segment and its window grow beyond any of the limits.
    let mut journal = SledJournal::open(Path::new(&dir)).unwrap();
    for _ in 0..10_000 {
        let end = journal.head().next;
        let frame = if end == EventSeq(0) { genesis() } else { block(end.0, 20) };
        match journal.append(&[frame], end) {
            Ok(head) => println!("acknowledged {}", head.next.0),
            Err(error) => {
                println!("stopped: {error}");
                assert_eq!(journal.append(&[], end), Err(error));
                return;
            }
        }
    }
}

const FULL: &str = "JOURNAL_DIRECTORY_ON_A_FULL_DISK";

/// The system itself refuses to let a file grow, sled's first.
#[test]
fn a_disk_that_is_really_full_stops_the_writer() {
    for kib in [1, 5, 40, 100, 200, 500] {
        let dir = scratch();
        let child = format!(
            "trap '' XFSZ; ulimit -f {kib}; exec \"{}\" --exact faults::as_a_writer_on_a_full_disk --nocapture",
            std::env::current_exe().unwrap().display()
        );
        let output = Command::new("bash").args(["-c", &child]).env(FULL, dir.path()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let acknowledged = said.lines().rev().find_map(|line| line.rsplit_once("acknowledged ")?.1.parse().ok());
        let stopped = said.lines().find(|line| line.contains("stopped"));
        assert!(stopped.is_some_and(|line| line.contains("File too large")), "{kib} KiB: {stopped:?}");
        let journal = open(dir.path()).unwrap();
        let acknowledged: u64 = acknowledged.unwrap_or(0);
        assert!(journal.head().next.0 >= acknowledged, "{kib} KiB");
        assert_eq!(journal.read(EventSeq(0), usize::MAX).unwrap().len() as u64, journal.head().next.0);
        drop(journal);
        assert!(verify(dir.path(), &mut |_, _| ()).unwrap().is_good());
    }
}
