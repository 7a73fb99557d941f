//! Volumes: what was written is found, and damage is never answered from.

use std::{fs, path::PathBuf};

use crowdfold_events::{Zkpow, event::TaskKind};
use crowdfold_journal::MemoryJournal;
use crowdfold_kernel::{
    FinishedBatch,
    model::{Batch, Item, ItemKind, Stage, Stages, Task, TaskStatus},
};
use imbl::{OrdMap, OrdSet, Vector};

use super::*;

const STAGE: Stage = Stage { height: Height(3), time_ms: 9 };

fn hash(n: u64) -> B256 {
    alloy_primitives::keccak256(n.to_be_bytes())
}

fn task(kind: TaskKind) -> Task {
    Task {
        kind,
        segments: 1,
        base: Zkpow(5),
        funded: Zkpow(5),
        issuance_held: Zkpow::ZERO,
        bumped: Zkpow(5),
        opened_at: Height(1),
        attempts: 1,
        status: TaskStatus::Lapsed,
        failed: OrdSet::new(),
        penalties: Vector::new(),
    }
}

fn batch(index: u64, first: u64, items: u32) -> Finished {
    let zero = B256::ZERO;
    let item = |i: u64| Item {
        kind: ItemKind::Transaction { hash: hash(i) },
        pre_root: hash(100 + i),
        post_root: hash(101 + i),
        data_hi: zero,
        data_lo: zero,
        sender: Default::default(),
        env: zero,
        segments: 1,
        aggregation: Zkpow::ZERO,
        task: Some(TaskId(10 + i)),
        accepted: None,
        batch: Some(BatchIndex(index)),
        stages: Stages { committed: STAGE, assigned: None, proven: None, aggregated: None, certified: Some(STAGE) },
    };
    let numbers = first..first + u64::from(items);
    Finished::Batch(FinishedBatch {
        index: BatchIndex(index),
        batch: Batch {
            first_item: ItemIndex(first),
            items,
            segments: items,
            pre_root: zero,
            post_root: zero,
            budget: Zkpow::ZERO,
            nodes: OrdMap::new(),
            last_header: zero,
            closed: STAGE,
            proof: None,
            proven: None,
            certificate: None,
            certified: Some(STAGE),
        },
        items: numbers.clone().map(item).collect(),
        tasks: numbers.map(|i| (TaskId(10 + i), task(TaskKind::Prove { item: ItemIndex(i) }))).collect(),
    })
}

fn admission(id: u64) -> Finished {
    let kind = TaskKind::Admission { plugin: Default::default(), admission_item: 0 };
    Finished::Admission(TaskId(id), task(kind))
}

fn past() -> Arc<Past> {
    Arc::new(Past::of(&MemoryJournal::default()).unwrap())
}

fn open(dir: &Path, end: u64) -> Result<History, HistoryError> {
    History::open(dir, hash(0), Height(end), past())
}

fn contents(first: u64, blocks: u64, finished: Vec<Finished>) -> Contents {
    Contents {
        first: Height(first),
        blocks: (first..first + blocks).map(|h| (EventSeq(10 * h), hash(h << 8))).collect(),
        transactions: (first..first + blocks).map(|h| (hash(h << 16 | 1), Height(h))).collect(),
        finished: finished.into_iter().map(Arc::new).collect(),
    }
}

/// Two volumes with what their blocks have finished.
fn two(dir: &Path) -> History {
    let mut history = open(dir, 0).unwrap();
    history.seal(&contents(1, 5, vec![admission(3), batch(0, 0, 4), batch(1, 4, 1)])).unwrap();
    history.seal(&contents(6, 7, vec![batch(2, 5, 3), admission(1)])).unwrap();
    history
}

fn volumes(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn check_answers(history: &History) {
    history.check().unwrap();
    for (height, volume) in (1..=12).map(|h| (Height(h), &history.volumes[usize::from(h > 5)])) {
        assert_eq!(volume.block(height).unwrap(), (EventSeq(10 * height.0), hash(height.0 << 8)));
        for name in [hash(height.0 << 8), hash(height.0 << 16 | 1)] {
            let found: Vec<_> = history.volumes.iter().flat_map(|volume| volume.places(&name).unwrap()).collect();
            assert_eq!(found, [height]);
        }
    }
    assert!(history.volumes.iter().all(|volume| volume.places(&hash(77)).unwrap().is_empty()));
    for (index, first, items) in [(0, 0, 4), (1, 4, 1), (2, 5, 3)] {
        let expected = batch(index, first, items);
        assert_eq!(history.batch(BatchIndex(index)).unwrap().as_ref(), Some(&expected));
        for item in first..first + u64::from(items) {
            assert_eq!(history.item(ItemIndex(item)).unwrap().as_ref(), Some(&expected));
            assert_eq!(history.task(TaskId(10 + item)).unwrap().as_ref(), Some(&expected));
        }
    }
    for id in [1, 3] {
        assert_eq!(history.task(TaskId(id)).unwrap(), Some(admission(id)));
    }
    assert_eq!(history.task(TaskId(2)).unwrap(), None);
    assert_eq!(history.item(ItemIndex(8)).unwrap(), None);
    assert_eq!(history.batch(BatchIndex(3)).unwrap(), None);
}

#[test]
fn what_was_sealed_is_found_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    check_answers(&two(dir.path()));
    let again = open(dir.path(), 12).unwrap();
    assert_eq!(again.end(), Height(12));
    check_answers(&again);
    assert_eq!(again.block(Height(13)).unwrap(), None);
    // The journal of this test is empty: an answer is never made from the index alone.
    assert!(matches!(again.block(Height(1)), Err(HistoryError::Journal(_) | HistoryError::NoBlock(_))));
}

#[test]
fn blocks_are_sealed_in_order_and_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = two(dir.path());
    for first in [1, 12, 14] {
        let fault = HistoryError::Order { end: Height(12), found: Height(first) };
        assert_eq!(history.seal(&contents(first, 2, Vec::new())), Err(fault));
    }
    assert!(matches!(history.seal(&contents(13, 0, Vec::new())), Err(HistoryError::Order { .. })));
}

/// An earlier end removes what comes after it; an end inside a volume, or a missing volume, is a gap.
#[test]
fn an_open_takes_exactly_the_blocks_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    two(dir.path());
    fs::write(dir.path().join("00000000000000000001-00000000000000000005.tmp"), b"half").unwrap();
    assert_eq!(open(dir.path(), 13).unwrap_err(), HistoryError::Gap { from: Height(13), end: Height(13) });
    assert_eq!(open(dir.path(), 5).unwrap().end(), Height(5));
    assert_eq!(open(dir.path(), 12).unwrap_err(), HistoryError::Gap { from: Height(6), end: Height(12) });
    two(dir.path());
    assert_eq!(open(dir.path(), 8).unwrap_err(), HistoryError::Gap { from: Height(6), end: Height(8) });
    two(dir.path());
    fs::remove_file(&volumes(dir.path())[0]).unwrap();
    assert_eq!(open(dir.path(), 12).unwrap_err(), HistoryError::Gap { from: Height(1), end: Height(12) });
}

/// Every byte of a volume: after a flip or a cut, an answer is the right one or an error, never another.
#[test]
fn damage_is_never_answered_from() {
    let dir = tempfile::tempdir().unwrap();
    two(dir.path());
    let file = volumes(dir.path()).remove(1);
    let good = fs::read(&file).unwrap();
    let expected = batch(2, 5, 3);
    let mut errors = 0;
    let mut look = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let volume = Volume::new(dir.path(), hash(0), Height(6), Height(12));
        let answers = [volume.item(ItemIndex(6)), volume.task(TaskId(15)), volume.batch(BatchIndex(2))];
        for answer in answers {
            match answer {
                Ok(found) => assert_eq!(found.as_ref(), Some(&expected)),
                Err(HistoryError::Damaged { .. }) => errors += 1,
                Err(other) => panic!("{other}"),
            }
        }
        if let Ok(found) = volume.block(Height(9)) {
            assert_eq!(found, (EventSeq(90), hash(9 << 8)));
        }
    };
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 1 << (at % 8);
        look(&flipped);
    }
    for cut in (0..good.len()).step_by(7) {
        look(&good[..cut]);
    }
    assert!(errors > good.len(), "damage is noticed");
}

/// A damaged volume is put aside by whoever finds it, so that the next start replays.
#[test]
fn a_damaged_volume_is_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    two(dir.path());
    let file = volumes(dir.path()).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[110] ^= 1;
    fs::write(&file, bytes).unwrap();
    let history = open(dir.path(), 12).unwrap();
    assert!(matches!(history.batch(BatchIndex(0)), Err(HistoryError::Damaged { .. })));
    assert!(!file.exists() && file.with_extension("bad").exists());
    assert!(matches!(open(dir.path(), 12), Err(HistoryError::Gap { from: Height(1), .. })));
}

/// A volume of another chain is not this one's.
#[test]
fn another_chains_volume_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    two(dir.path());
    let other = History::open(dir.path(), hash(1), Height(12), past()).unwrap();
    assert!(matches!(other.check(), Err(HistoryError::Damaged { what: "it is of other blocks", .. })));
}

/// Many volumes become few, and every answer stays; files that were merged go with a later volume.
#[test]
fn volumes_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = open(dir.path(), 0).unwrap();
    for n in 0..150 {
        let (first, items) = (1 + 3 * n, (2 * n, 2));
        history.seal(&contents(first, 3, vec![batch(n, items.0, items.1), admission(5_000 + 7 * n % 150)])).unwrap();
        let files = volumes(dir.path()).len();
        assert!(history.volumes.len() <= 6 + 8 + 8 && files <= 6 + 8 + 8 + 8, "{n}: {files}");
    }
    for history in [history, open(dir.path(), 450).unwrap()] {
        history.check().unwrap();
        for n in 0..150 {
            let (expected, height) = (batch(n, 2 * n, 2), Height(1 + 3 * n));
            assert_eq!(history.batch(BatchIndex(n)).unwrap().as_ref(), Some(&expected));
            assert_eq!(history.item(ItemIndex(2 * n + 1)).unwrap().as_ref(), Some(&expected));
            assert_eq!(history.task(TaskId(11 + 2 * n)).unwrap().as_ref(), Some(&expected));
            assert_eq!(history.task(TaskId(5_000 + 7 * n % 150)).unwrap(), Some(admission(5_000 + 7 * n % 150)));
            let found: Vec<_> =
                history.volumes.iter().flat_map(|v| v.places(&hash(height.0 << 16 | 1)).unwrap()).collect();
            assert_eq!(found, [height]);
            let volume = history.volumes.iter().find(|v| v.first <= height && height <= v.last).unwrap();
            assert_eq!(volume.block(height).unwrap(), (EventSeq(10 * height.0), hash(height.0 << 8)));
        }
        assert_eq!((history.item(ItemIndex(300)).unwrap(), history.task(TaskId(9)).unwrap()), (None, None));
    }
    // A snapshot that is a few volumes old still finds its end.
    assert_eq!(open(dir.path(), 450 - 4 * 3).unwrap().end(), Height(438));
}

/// A crash between a merged volume and the removal of its parts.
#[test]
fn parts_beside_their_whole_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = two(dir.path());
    let files: Vec<_> = volumes(dir.path()).iter().map(|path| fs::read(path).unwrap()).collect();
    let whole = Volume::new(dir.path(), hash(0), Height(1), Height(12));
    fs::write(whole.path(), merge::merge(&files).unwrap()).unwrap();
    history = History { volumes: imbl::Vector::unit(Arc::new(whole)), ..history };
    history.check().unwrap();
    let mut again = open(dir.path(), 12).unwrap();
    assert_eq!((again.volumes.len(), again.merged.len()), (1, 2));
    for (index, first, items) in [(0, 0, 4), (1, 4, 1), (2, 5, 3)] {
        assert_eq!(again.batch(BatchIndex(index)).unwrap(), Some(batch(index, first, items)));
    }
    again.seal(&contents(13, 2, Vec::new())).unwrap();
    assert_eq!(volumes(dir.path()).len(), 2, "the parts are gone");
    let mut damaged = files.clone();
    damaged[1][105] ^= 1;
    assert!(merge::merge(&damaged).is_none());
}
