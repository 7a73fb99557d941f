//! The journal's table: `cargo bench -p crowdfold-journal`, with `-- --large`
//! also at 10^7 events (some 5 GB of disk), with `-- --small` only at 10^5.
//!
//! Every figure stands next to a raw file on the same disk in the same run: the
//! same bytes, one `fdatasync` per group. Commits and raw writes alternate, so
//! that both see the same disk. `CROWDFOLD_BENCH_DIR` says where to write; it
//! must not be a memory file system, on which an fsync costs nothing.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    hint::black_box,
    io::{Read, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crowdfold_events::{B256, Event, EventSeq, Height, StoredEvent, Zkpow, encode_event, hash};
use crowdfold_journal::{
    Frame, JournalStore, JournalTree, Reader, SledJournal, Snapshot, SnapshotMeta, backup, export, verify,
};

/// Bytes of an event, envelope included.
const EVENT: usize = 200;
/// Events of a block, which is a frame.
const BLOCK: u64 = 100;
/// Blocks under one fsync, for the throughput of a node that catches up.
const GROUPS: [u64; 2] = [10, 100];
/// Raw writes and commits alternate in runs of so many.
const RUN: u64 = 10;
/// Commits of one block each, for the latency.
const COMMITS: u64 = 1_000;
/// Bytes of the snapshot that a start reads.
const SNAPSHOT: usize = 4 << 20;

fn event(n: u64) -> StoredEvent {
    // Envelope 10, length 8, the rest differs by number.
    let mut bitmap = vec![0; EVENT - 18];
    let mut seed = n;
    for chunk in bitmap.chunks_mut(8) {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        chunk.copy_from_slice(&seed.to_le_bytes()[..chunk.len()]);
    }
    encode_event(&Event::HeartbeatsRecorded { bitmap }).unwrap()
}

fn block(height: u64) -> Frame {
    let seal = Event::BlockSealed { height: Height(height), state_root: B256::ZERO, market_root: B256::ZERO };
    let events = (1..BLOCK).map(|n| event(height * BLOCK + n)).chain([encode_event(&seal).unwrap()]);
    Frame::new(events.collect()).unwrap()
}

fn genesis() -> Frame {
    let event = Event::GenesisLoaded {
        genesis_hash: B256::ZERO,
        chain_id: 1,
        rules_version: 1,
        state_root: B256::ZERO,
        supply: Zkpow(1),
        time_ms: 0,
    };
    Frame::new(vec![encode_event(&event).unwrap()]).unwrap()
}

fn payload(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|f| f.events()).flat_map(|e| e.as_bytes().iter().copied()).collect()
}

/// Bytes that a directory occupies on disk.
fn occupied(path: &Path) -> u64 {
    let metadata = fs::symlink_metadata(path).unwrap();
    let inside = match metadata.is_dir() {
        true => fs::read_dir(path).unwrap().map(|entry| occupied(&entry.unwrap().path())).sum(),
        false => 0,
    };
    metadata.blocks() * 512 + inside
}

fn timed<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = run();
    (value, start.elapsed())
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}

fn rate(events: u64, duration: Duration) -> String {
    let rate = events as f64 / duration.as_secs_f64();
    if rate >= 1e6 { format!("{:.2} M/s", rate / 1e6) } else { format!("{:.0} k/s", rate / 1e3) }
}

fn memory_mib() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    field("VmHWM:").map_or_else(|| "?".to_owned(), |kib: u64| format!("{} MiB", kib / 1024))
}

/// Time that this thread has run on a processor, where the system says it.
fn processor_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// Events per second by the clock, and by this thread's own processor time:
/// they differ when other programs want the processor too.
fn rates(events: u64, run: impl FnOnce()) -> String {
    let before = processor_time();
    let ((), taken) = timed(run);
    let own = before.and_then(|before| processor_time()?.checked_sub(before)).filter(|own| !own.is_zero());
    let own = own.map_or_else(String::new, |own| format!(" ({} of CPU time)", rate(events, own)));
    rate(events, taken) + &own
}

/// Rows by name, columns by size.
#[derive(Default)]
struct Table {
    columns: Vec<String>,
    rows: Vec<(String, String)>,
    cells: BTreeMap<(usize, usize), String>,
}

impl Table {
    fn put(&mut self, name: &str, goal: &str, value: String) {
        let row = self.rows.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.rows.push((name.to_owned(), goal.to_owned()));
            self.rows.len() - 1
        });
        eprintln!("{:>10}  {name}: {value}", self.columns.last().unwrap());
        self.cells.insert((row, self.columns.len() - 1), value);
    }

    fn print(&self) {
        println!("| {EVENT}-byte events | goal | {} |", self.columns.join(" | "));
        println!("|---|---|{}", "---|".repeat(self.columns.len()));
        for (row, (name, goal)) in self.rows.iter().enumerate() {
            let cells = (0..self.columns.len()).map(|c| self.cells.get(&(row, c)).map_or("", String::as_str));
            println!("| {name} | {goal} | {} |", cells.collect::<Vec<_>>().join(" | "));
        }
    }
}

/// A raw file: the yardstick.
struct Raw(File);

impl Raw {
    fn write(&mut self, bytes: &[u8]) -> Duration {
        timed(|| {
            self.0.write_all(bytes).unwrap();
            self.0.sync_data().unwrap();
        })
        .1
    }
}

/// Appends until the journal has `events` events, `group` blocks under one
/// fsync, and the same bytes to the raw file.
fn appends(table: &mut Table, journal: &mut SledJournal, raw: &mut Raw, group: u64, events: u64) {
    let (from, mut ours, mut theirs) = (journal.head().next.0, Vec::new(), Vec::new());
    let mut height = 1 + from / BLOCK;
    while journal.head().next.0 < events {
        let groups: Vec<Vec<Frame>> = (0..RUN)
            .map(|_| {
                height += group;
                (height - group..height).map(block).collect()
            })
            .collect();
        theirs.extend(groups.iter().map(|group| raw.write(&payload(group))));
        for group in &groups {
            let end = journal.head().next;
            ours.push(timed(|| journal.append(group, end).unwrap()).1);
        }
    }
    let written = journal.head().next.0 - from;
    let by = format!(", {} events per fsync", BLOCK * group);
    table.put(&format!("durable appends{by}"), "≥ 100 k/s", rate(written, ours.iter().sum()));
    table.put(&format!("raw file, the same bytes{by}"), "", rate(written, theirs.iter().sum()));
}

fn commits(table: &mut Table, journal: &mut SledJournal, raw: &mut Raw) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for run in 0..COMMITS / RUN {
        let frames: Vec<Frame> = (0..RUN).map(|n| block(1_000_000_000 + run * RUN + n)).collect();
        theirs.extend(frames.iter().map(|frame| raw.write(&payload(std::slice::from_ref(frame)))));
        for frame in &frames {
            let end = journal.head().next;
            ours.push(timed(|| journal.append(std::slice::from_ref(frame), end).unwrap()).1);
        }
    }
    for percent in [50, 99] {
        let (commit, fsync) = (percentile(&ours, percent), percentile(&theirs, percent));
        let times = commit.as_secs_f64() / fsync.as_secs_f64();
        let value = format!("{} / {} = {times:.1}", ms(commit), ms(fsync));
        let goal = if percent == 99 { "≤ 3" } else { "" };
        table.put(&format!("commit of {BLOCK} events / raw fsync, p{percent}"), goal, value);
    }
}

fn scans(table: &mut Table, dir: &Path, raw: &Path) {
    let reader = Reader::open(dir).unwrap();
    let events = reader.head().next.0;
    let mut seen = 0u64;
    let scanned = rates(events, || {
        reader.scan(EventSeq(0), &mut |_, event| seen += u64::from(black_box(event)[0] > 0)).unwrap();
    });
    assert_eq!(seen, events);
    table.put("verified scan (CRC and hash chain)", "≥ 1 M/s", scanned);
    let length = fs::metadata(raw).unwrap().len();
    let read = rates(length / EVENT as u64, || {
        let (mut file, mut buffer, mut crc) = (File::open(raw).unwrap(), vec![0; 1 << 20], 0);
        while let Some(read) = file.read(&mut buffer).ok().filter(|read| *read > 0) {
            crc = crc32c::crc32c_append(crc, &buffer[..read]);
        }
        black_box(crc);
    });
    table.put("raw file read with CRC only", "", read);
    let (one, hashed) = (event(1), events.min(1_000_000));
    let chain = rates(hashed, || {
        black_box((0..hashed).fold(B256::ZERO, |head, _| hash::chain(&head, black_box(one.as_bytes()))));
    });
    table.put("hash chain alone, in memory", "", chain);
    let decoded = rates(events, || {
        for frame in reader.frames(EventSeq(0)).unwrap() {
            frame.unwrap().frame.events().iter().for_each(|event| drop(black_box(event.decode().unwrap())));
        }
    });
    table.put("verified scan and decoding", "", decoded);
}

fn starts(table: &mut Table, dir: &Path) {
    let (mut journal, taken) = timed(|| SledJournal::open(dir).unwrap());
    table.put("open", "", ms(taken));
    let meta = SnapshotMeta { head: journal.head(), state_root: B256::ZERO, code_version: 1 };
    let (_, taken) = timed(|| journal.put_snapshot(&Snapshot { meta, bytes: vec![5; SNAPSHOT] }).unwrap());
    table.put(&format!("write a snapshot of {} MiB", SNAPSHOT >> 20), "", ms(taken));
    // A second of blocks after it.
    for n in 0..10 {
        let end = journal.head().next;
        journal.append(&[block(2_000_000_000 + n)], end).unwrap();
    }
    drop(journal);
    let (_, taken) = timed(|| {
        let journal = SledJournal::open(dir).unwrap();
        let snapshot = journal.snapshot(journal.head().next).unwrap().unwrap();
        let rest = journal.read(snapshot.meta.head.next, usize::MAX).unwrap();
        assert_eq!(rest.len() as u64, 10 * BLOCK);
    });
    table.put("start: open, newest snapshot, events after it", "≤ 1 s", ms(taken));
}

fn tools(table: &mut Table, dir: &Path, scratch: &Path) {
    let reader = Reader::open(dir).unwrap();
    let events = reader.head().next.0;
    let (tree, taken) = timed(|| JournalTree::of(&reader, &mut |_, _| {}).unwrap());
    table.put("Merkle tree from all events", "", rate(events, taken));
    tree.save(dir).unwrap();
    let (proof, taken) = timed(|| {
        let tree = JournalTree::of(&reader, &mut |_, _| {}).unwrap();
        tree.prove_inclusion(&reader, EventSeq(events / 3), events).unwrap()
    });
    table.put("inclusion proof from the tiles", "", format!("{} ({} hashes)", ms(taken), proof.path.len()));
    let (report, taken) = timed(|| verify(dir, &mut |_, _| {}).unwrap());
    assert!(report.is_good(), "{report:?}");
    table.put("`verify`", "", rate(events, taken));
    let (_, taken) = timed(|| {
        let mut file = File::create(scratch.join("export")).unwrap();
        export(dir, &mut file, &mut |_, _| {}).unwrap();
        file.sync_data().unwrap();
    });
    table.put("`export`", "", rate(events, taken));
    fs::remove_file(scratch.join("export")).unwrap();
    let (_, taken) = timed(|| backup(dir, &scratch.join("backup"), &mut |_, _| {}).unwrap());
    table.put("`backup`", "", rate(events, taken));
}

fn measure(table: &mut Table, base: &Path, events: u64) {
    table.columns.push(format!("10^{} events", events.ilog10()));
    let scratch = tempfile::tempdir_in(base).unwrap();
    let (dir, raw_path) = (scratch.path().join("journal"), scratch.path().join("raw"));
    let mut raw = Raw(File::create(&raw_path).unwrap());
    let mut journal = SledJournal::open(&dir).unwrap();
    journal.append(&[genesis()], EventSeq(0)).unwrap();
    for (group, part) in GROUPS.into_iter().zip([3, 1]) {
        appends(table, &mut journal, &mut raw, group, events / part);
    }
    let factor = occupied(&dir) as f64 / (journal.head().next.0 * EVENT as u64) as f64;
    table.put("disk, times the payload", "≤ 1.5", format!("{factor:.2}"));
    commits(table, &mut journal, &mut raw);
    drop(journal);
    scans(table, &dir, &raw_path);
    starts(table, &dir);
    table.put("memory, highest so far", "", memory_mib());
    fs::remove_file(raw_path).unwrap();
    tools(table, &dir, scratch.path());
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let base =
        std::env::var_os("CROWDFOLD_BENCH_DIR").map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
    let mut table = Table::default();
    for events in [100_000, 1_000_000, 10_000_000] {
        if (events <= 100_000 || !has("--small")) && (events <= 1_000_000 || has("--large")) {
            measure(&mut table, &base, events);
        }
    }
    table.print();
}
