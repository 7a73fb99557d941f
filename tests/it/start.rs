//! Starting from a snapshot: the same chain as a full replay, whatever happened to snapshots and volumes.

use std::{
    fs,
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy_primitives::{B256, Bytes};
use crowdfold::{
    actors::ledger::{Keeping, LedgerCore, LedgerError},
    node::Snapshot,
    rpc::{
        ChainView,
        kernel_view::{Archive, KernelView},
    },
};
use crowdfold_events::{BatchIndex, Event, EventSeq, Height, ItemIndex, TaskId, encode_event};
use crowdfold_journal::{Frame, JournalStore, MemoryJournal, SledJournal};
use serde_json::{Value, json};

use crate::audit::chains::world::{ALICE, BOB, World, signer};

const EVERY: u64 = 64;

pub(crate) struct NoFiles;

impl Archive for NoFiles {
    fn proof(&self, _: &B256) -> Option<Bytes> {
        None
    }
    fn batch_file(&self, _: BatchIndex) -> Option<Bytes> {
        None
    }
}

fn keeping(dir: &Path) -> Keeping {
    Keeping { dir: dir.join("index"), every: NonZeroU64::new(EVERY).unwrap() }
}

pub(crate) fn open(world: &World, dir: &Path) -> Result<LedgerCore, LedgerError> {
    let journal = SledJournal::open(&dir.join("journal")).unwrap();
    LedgerCore::open_keeping(world.state.genesis(), Box::new(journal), keeping(dir))
}

/// The journal of events, replayed from the beginning, everything in memory.
fn replayed(world: &World) -> Arc<Snapshot> {
    let mut journal = MemoryJournal::default();
    let mut frame = Vec::new();
    for event in &world.log {
        frame.push(encode_event(event).unwrap());
        if matches!(event, Event::GenesisLoaded { .. } | Event::BlockSealed { .. }) {
            let next = journal.head().next;
            journal.append(&[Frame::new(std::mem::take(&mut frame)).unwrap()], next).unwrap();
        }
    }
    LedgerCore::open(world.state.genesis(), Box::new(journal)).unwrap().snapshot().clone()
}

/// The world goes on, and the ledger with it; snapshots are written when they are due.
fn go_on(world: &mut World, core: &mut LedgerCore, blocks: u64) -> Vec<Height> {
    let mut saved = Vec::new();
    for n in 0..blocks {
        if n % 4 == 0 {
            world.transfer(ALICE, signer(BOB).address(), 1 + u128::from(n));
        }
        world.work(2);
        let outcome = world.step().clone();
        let hash = outcome.block.hash();
        assert!(core.adopt(outcome));
        core.commit(&hash).unwrap();
        if let Some(save) = core.due() {
            saved.push(core.saved(save.run()).unwrap());
        }
    }
    saved
}

/// A world whose history is longer than what any state remembers, and its data directory.
fn long(dir: &Path) -> (World, Vec<Height>) {
    let mut world = World::new();
    let mut core = open(&world, dir).unwrap();
    // What `admit` does before, block by block into the ledger.
    world.admit(2);
    core = catch_up(&world, core, dir);
    let saved = go_on(&mut world, &mut core, 420);
    assert!(core.snapshot().index.in_memory() <= 256 + EVERY as usize, "old blocks have left the memory");
    (world, saved)
}

/// Appends what the ledger does not have and opens it again.
fn catch_up(world: &World, core: LedgerCore, dir: &Path) -> LedgerCore {
    drop(core);
    append(world, SledJournal::open(&dir.join("journal")).unwrap());
    open(world, dir).unwrap()
}

pub(crate) fn append(world: &World, mut journal: SledJournal) {
    let mut frame = Vec::new();
    for event in &world.log[journal.head().next.0 as usize..] {
        frame.push(encode_event(event).unwrap());
        if matches!(event, Event::GenesisLoaded { .. } | Event::BlockSealed { .. }) {
            let next = journal.head().next;
            journal.append(&[Frame::new(std::mem::take(&mut frame)).unwrap()], next).unwrap();
        }
    }
}

/// Everything that the RPC says, about everything.
fn answers(snapshot: &Arc<Snapshot>) -> Vec<Value> {
    let view = KernelView::new(snapshot.clone(), Arc::new(NoFiles));
    let mut said = vec![view.supply(), json!(snapshot.state.hash().unwrap()), json!(snapshot.event_count())];
    for height in (0..=view.head().0).map(Height) {
        let block = view.block(height).unwrap();
        said.push(json!(format!("{block:?}")));
        said.push(json!(view.height_of(&block.hash)));
        for transaction in &block.transactions {
            let (of, at) = view.transaction(&transaction.hash).unwrap();
            assert_eq!((of.header.height, &of.transactions[at]), (height, transaction));
            said.push(json!(view.item_of(&transaction.hash)));
            assert_eq!(view.height_of(&transaction.hash), None);
        }
    }
    said.extend((0..snapshot.state.item_count() + 2).map(|i| json!(view.item(ItemIndex(i)))));
    said.extend((0..600).map(|i| json!(view.task(TaskId(i)))));
    said.extend((0..200).map(|i| json!(view.batch(BatchIndex(i)))));
    said.push(json!(view.transaction(&B256::repeat_byte(7)).is_none()));
    said
}

fn same(a: &Arc<Snapshot>, b: &Arc<Snapshot>) {
    assert_eq!(a.state, b.state);
    assert_eq!(a.state.hash().unwrap(), b.state.hash().unwrap());
    let (a, b) = (answers(a), answers(b));
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        assert_eq!(a, b);
    }
}

pub(crate) fn files(dir: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(suffix));
    files.sort();
    files
}

pub(crate) fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
}

/// From the newest snapshot, from an older one when the newest is damaged, and
/// from nothing when all are: the same state, hash and answers, about old blocks, too.
#[test]
fn a_start_from_a_snapshot_is_a_full_replay() {
    let dir = tempfile::tempdir().unwrap();
    let (world, saved) = long(dir.path());
    assert!(saved.len() >= 5, "{saved:?}");
    let full = replayed(&world);
    let state = &full.state;
    assert!(state.batch(BatchIndex(0)).is_none() && state.item(ItemIndex(0)).is_none(), "the state has forgotten");
    assert!(full.item(ItemIndex(0)).is_some() && full.batch(BatchIndex(0)).is_some());
    same(open(&world, dir.path()).unwrap().snapshot(), &full);

    let snapshots = dir.path().join("journal/snapshots");
    let kept = files(&snapshots, ".snap");
    assert_eq!(kept.len(), 3);
    flip(&kept[2], 5_000);
    same(open(&world, dir.path()).unwrap().snapshot(), &full);
    for path in &kept {
        fs::write(path, b"nothing").unwrap();
    }
    let core = open(&world, dir.path()).unwrap();
    same(core.snapshot(), &full);
    assert!(core.snapshot().index.in_memory() <= 256 + EVERY as usize, "a full replay keeps memory bounded, too");
}

/// The chain goes on after a start from a snapshot, with work that was open before it.
#[test]
fn the_chain_goes_on_after_every_start() {
    let dir = tempfile::tempdir().unwrap();
    let (mut world, _) = long(dir.path());
    for _ in 0..3 {
        let mut core = open(&world, dir.path()).unwrap();
        // More than one snapshot apart, so that the next start has other volumes.
        go_on(&mut world, &mut core, EVERY + 7);
    }
    same(open(&world, dir.path()).unwrap().snapshot(), &replayed(&world));
}

/// Volumes that are gone, damaged or too many cost time, never an answer.
#[test]
fn volumes_are_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _) = long(dir.path());
    let full = replayed(&world);
    let index = dir.path().join("index");
    fs::remove_file(&files(&index, ".vol")[1]).unwrap();
    same(open(&world, dir.path()).unwrap().snapshot(), &full);
    // A crash after a volume, before its snapshot, and one while a file was written.
    let volumes = files(&index, ".vol");
    fs::copy(&volumes[0], index.join(format!("{:020}-{:020}.vol", 9_000, 9_063))).unwrap();
    fs::write(index.join("x.tmp"), b"half a volume").unwrap();
    fs::create_dir_all(dir.path().join("journal/snapshots")).unwrap();
    fs::write(dir.path().join("journal/snapshots/00000000000000000009.tmp"), b"half a snapshot").unwrap();
    same(open(&world, dir.path()).unwrap().snapshot(), &full);

    // Damage that is found by a question is put aside; the next start makes the volume again.
    let volume = files(&index, ".vol").remove(0);
    flip(&volume, 120);
    let core = open(&world, dir.path()).unwrap();
    assert!(core.snapshot().block(Height(1)).is_none(), "not answered from damage");
    drop(core);
    assert!(!volume.exists());
    same(open(&world, dir.path()).unwrap().snapshot(), &full);
}

/// A snapshot whose bytes are whole but that is not of the block at its place is passed over.
#[test]
fn a_snapshot_of_another_place_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let (world, _) = long(dir.path());
    let full = replayed(&world);
    let mut journal = SledJournal::open(&dir.path().join("journal")).unwrap();
    let newest = journal.snapshot(journal.head().next).unwrap().unwrap();
    let before = journal.snapshot(EventSeq(newest.meta.head.next.0 - 1)).unwrap().unwrap();
    let forged = crowdfold_journal::Snapshot { meta: newest.meta.clone(), bytes: before.bytes };
    journal.put_snapshot(&forged).unwrap();
    drop(journal);
    same(open(&world, dir.path()).unwrap().snapshot(), &full);
}

/// A pruned journal starts from a snapshot at or after its floor, answers for
/// finished work, and not for the blocks that are gone; without a snapshot it
/// does not start.
#[test]
fn a_pruned_journal_starts_from_its_snapshot_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let journal_dir = dir.path().join("journal");
    let options = crowdfold_journal::Options { segment_bytes: 64 << 10, ..Default::default() };
    let disk = || Arc::new(crowdfold_journal::RealDisk);
    let mut world = World::new();
    world.admit(2);
    for n in 0..320 {
        if n < 8 {
            world.transfer(ALICE, signer(BOB).address(), 1 + n);
        }
        world.run(2, 1);
    }
    append(&world, SledJournal::open_with(&journal_dir, options, disk()).unwrap());
    let mut core = open(&world, dir.path()).unwrap();
    let save = core.due().unwrap().run();
    core.saved(save).unwrap();
    let place = EventSeq(core.snapshot().event_count());
    let (full, item) = (core.snapshot().clone(), core.snapshot().item(ItemIndex(0)).unwrap());
    drop(core);
    assert!(full.state.item(ItemIndex(0)).is_none());

    let report = crowdfold_journal::prune(&journal_dir, place).unwrap();
    assert!(report.floor.head.next > EventSeq(500), "{report:?}");
    let core = open(&world, dir.path()).unwrap();
    assert_eq!(core.snapshot().state, full.state);
    assert!(core.snapshot().block(Height(1)).is_none(), "it is gone");
    assert!(core.snapshot().block(full.height()).is_some());
    assert_eq!(core.snapshot().item(ItemIndex(0)), Some(item));
    drop(core);
    for path in files(&journal_dir.join("snapshots"), ".snap") {
        flip(&path, 1_000);
    }
    assert!(
        matches!(open(&world, dir.path()), Err(LedgerError::NoSnapshot { floor }) if floor == report.floor.head.next)
    );
}
