//! kill -9 at any moment: nothing that was acknowledged is lost.
//!
//! The child appends frames and prints each acknowledged end after the
//! acknowledgement; the parent kills it, opens the journal and compares all of
//! it with what the child must have written. `scripts/kill9 1000` runs many.
//!
//! What this cannot show is a missing fsync: the page cache survives a killed
//! process. Power cuts are tested with a disk that keeps only what was synced.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use crowdfold_events::{B256, EventSeq};
use crowdfold_journal::{
    Frame, Head, JournalError, JournalStore, Options, RealDisk, SledJournal, Snapshot, SnapshotMeta,
};

use crate::{block, genesis, wide_block};

const DIR: &str = "CROWDFOLD_KILL9_DIR";
/// Kills in one directory before a new one is begun.
const KILLS_PER_DIR: u64 = 50;

/// The frame of a height: small ones, and now and then one of several parts.
fn frame(height: u64) -> Frame {
    match height {
        0 => genesis(),
        height if height % 41 == 0 => wide_block(height, 150_000),
        height => block(height, 1 + (height % 9) as usize),
    }
}

/// Segments small enough to be sealed several times between two kills.
fn open(dir: &Path) -> SledJournal {
    let options = Options { segment_bytes: 100_000, sled_segment_bytes: 1 << 20, ..Options::default() };
    SledJournal::open_with(dir, options, Arc::new(RealDisk)).unwrap()
}

/// Where the chain of [`frame`]s is.
#[derive(Clone, Copy)]
struct Place {
    height: u64,
    head: Head,
}

impl Place {
    const START: Self = Self { height: 0, head: Head::EMPTY };

    fn step(&mut self) -> Frame {
        let frame = frame(self.height);
        self.head = frame.head_after(&self.head);
        self.height += 1;
        frame
    }

    /// Goes on to where a journal ends; that must be the end of a frame.
    fn to(mut self, end: Head) -> Self {
        while self.head.next < end.next {
            self.step();
        }
        assert_eq!(self.head, end, "the journal does not end where a block does");
        self
    }
}

/// Not a test by itself: what [`killed`] starts and kills.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let mut journal = open(Path::new(&dir));
    let mut place = Place::START.to(journal.head());
    let mut out = std::io::stdout().lock();
    loop {
        let before = place;
        // One to four frames under one acknowledgement.
        let frames: Vec<Frame> = (0..=place.height / 5 % 4).map(|_| place.step()).collect();
        let head = journal.append(&frames, before.head.next).unwrap();
        writeln!(out, "acknowledged {}", head.next).unwrap();
        out.flush().unwrap();
        let crosses = |step: u64| before.height / step != place.height / step;
        if crosses(64) {
            let meta = SnapshotMeta { head, state_root: B256::ZERO, code_version: 1 };
            journal.put_snapshot(&Snapshot { meta, bytes: vec![7; 5_000] }).unwrap();
        }
        if crosses(256) {
            // Leaves at least the newer half, and the snapshots in it.
            match journal.prune(EventSeq(head.next.0 / 2)) {
                Ok(_) | Err(JournalError::NeedsSnapshot { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Runs the child until `lifetime` after its first sign of life (or start);
/// returns the last end that it acknowledged.
fn killed(dir: &Path, lifetime: Duration, from_start: bool) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill9::child", "--nocapture", "--test-threads", "1"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (alive, sign) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut last = 0;
        // A killed writer's last line may be cut; then it is not an acknowledgement.
        for line in lines.map_while(Result::ok) {
            if let Some(end) = line.strip_prefix("acknowledged ") {
                last = end.parse().unwrap();
                alive.send(()).unwrap_or_default();
            }
        }
        last
    });
    if !from_start {
        sign.recv_timeout(Duration::from_secs(30)).expect("the child acknowledges nothing");
    }
    std::thread::sleep(lifetime);
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

#[test]
fn no_acknowledged_event_is_lost() {
    let kills: u64 = std::env::var("CROWDFOLD_KILLS").map_or(20, |n| n.parse().unwrap());
    let (mut dir, mut checked) = (tempfile::tempdir().unwrap(), Place::START);
    let (mut acknowledged, mut events, mut pruned, started) = (0, 0, 0, Instant::now());
    for kill in 0..kills {
        if kill % KILLS_PER_DIR == KILLS_PER_DIR - 1 {
            (dir, checked) = (tempfile::tempdir().unwrap(), Place::START);
        }
        // Moments from a fixed sequence; the machine's own timing does the rest.
        let spread = kill.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let told = killed(dir.path(), Duration::from_micros(spread % 60_000), kill % 4 == 3);
        let journal = open(dir.path());
        let (end, known) = (journal.head(), checked.head.next);
        assert!(end.next.0 >= told, "kill {kill}: event {told} was acknowledged, the journal ends at {}", end.next);
        assert!(end.next >= known, "kill {kill}: the journal went back");
        let at_end = checked.to(end);
        // All that is new, event by event; everything, now and then and at the end.
        let is_last = kill + 1 == kills || kill % KILLS_PER_DIR == KILLS_PER_DIR - 2;
        let mut place = if is_last { Place::START } else { checked };
        while place.head.next < end.next {
            let from: EventSeq = place.head.next;
            let frame = place.step();
            if from < journal.floor().next {
                pruned += frame.events().len();
                continue;
            }
            assert_eq!(journal.read(from, frame.events().len()).unwrap(), frame.events(), "kill {kill}");
        }
        events += end.next.0 - known.0;
        acknowledged += told.saturating_sub(known.0);
        checked = at_end;
    }
    println!(
        "{kills} kills: {acknowledged} events acknowledged, {events} found, 0 lost ({pruned} were pruned), in {:.0} s",
        started.elapsed().as_secs_f64()
    );
}
