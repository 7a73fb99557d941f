//! Power cuts at random operations, of appends, of rolling segments, of
//! pruning and of the recovery from the cut before.

use std::{path::Path, sync::Arc};

use crowdfold_events::{EventSeq, StoredEvent};
use crowdfold_journal::{
    Disk, Frame, JournalError, JournalStore, Options, SledJournal, Snapshot, SnapshotMeta, verify,
};

use crate::{
    block, genesis,
    power::{Lie, PowerDisk, Rng},
    scratch, wide_block,
};

/// Small, so that segments roll all the time.
pub(crate) const SMALL: Options = Options { segment_bytes: 3000, sled_segment_bytes: 64 << 10, snapshots_kept: 2 };

/// What must be there after a cut.
#[derive(Default)]
struct Model {
    /// Acknowledged events.
    events: Vec<StoredEvent>,
    /// Events of the append that was cut, if one was.
    attempt: Vec<StoredEvent>,
    floor: u64,
    /// Blocks made so far, so that no two are equal.
    blocks: u64,
}

impl Model {
    fn frames(&mut self, rng: &mut Rng) -> Vec<Frame> {
        let mut frames = if self.events.is_empty() { vec![genesis()] } else { vec![] };
        for _ in 0..=rng.below(3) {
            self.blocks += 1;
            frames.push(match rng.below(8) {
                0 => wide_block(self.blocks, 1 + rng.below(2000) as usize),
                _ => block(self.blocks, 1 + rng.below(9) as usize),
            });
        }
        frames
    }

    /// Compares an opened journal; it becomes the truth.
    fn check(&mut self, journal: &SledJournal) -> Result<(), String> {
        let (floor, head) = (journal.floor().next.0, journal.head().next.0);
        let end = self.events.len() as u64;
        if floor < self.floor || head < end {
            return Err(format!("floor {floor} of {}, head {head} of {end}", self.floor));
        }
        let read = journal.read(EventSeq(floor), usize::MAX).map_err(|e| format!("read: {e}"))?;
        let all: Vec<StoredEvent> = self.events.iter().chain(&self.attempt).cloned().collect();
        if head as usize > all.len() || read != all[floor as usize..head as usize] {
            return Err(format!("other events from {floor} to {head}, acknowledged {end}"));
        }
        self.events = all[..head as usize].to_vec();
        self.attempt.clear();
        self.floor = floor;
        Ok(())
    }
}

/// Works on a journal until the power goes. `Ok` also when it goes while opening.
fn live(dir: &Path, model: &mut Model, rng: &mut Rng, disk: Arc<dyn Disk>) -> Result<(), String> {
    let cut = |error: JournalError| match error {
        JournalError::Io { .. } if error.to_string().contains("the power is gone") => Ok(()),
        error => Err(format!("refused: {error}")),
    };
    let mut journal = match SledJournal::open_with(dir, SMALL, disk) {
        Ok(journal) => journal,
        Err(error) => return cut(error),
    };
    model.check(&journal)?;
    loop {
        if rng.below(12) == 0 {
            let meta = SnapshotMeta { head: journal.head(), state_root: Default::default(), code_version: 1 };
            let bytes = vec![7; rng.below(1500) as usize];
            if let Err(error) = journal.put_snapshot(&Snapshot { meta, bytes }) {
                return cut(error);
            }
            if rng.below(3) == 0 {
                let before = EventSeq(model.floor + rng.below(journal.head().next.0 - model.floor + 1));
                match journal.prune(before) {
                    Ok(report) => model.floor = report.floor.head.next.0,
                    Err(error) => return cut(error),
                }
            }
        }
        let frames = model.frames(rng);
        let expected = journal.head().next;
        let events: Vec<StoredEvent> = frames.iter().flat_map(|frame| frame.events().to_vec()).collect();
        match journal.append(&frames, expected) {
            Ok(_) => model.events.extend(events),
            Err(error) => {
                model.attempt = events;
                return cut(error);
            }
        }
    }
}

/// Some cuts in a row, each on what the one before left.
fn lineage(seed: u64, cuts: u64, lie: Option<Lie>) -> Result<(), String> {
    let scratch = scratch();
    let (mut rng, mut model) = (Rng(seed), Model::default());
    let mut dir = scratch.path().join("0");
    std::fs::create_dir(&dir).unwrap();
    for cut in 1..=cuts {
        let image = scratch.path().join(cut.to_string());
        // Most cuts soon, so that many hit the recovery.
        let left = if rng.below(3) == 0 { rng.below(20) } else { rng.below(150) };
        let disk = Arc::new(PowerDisk::new(&dir, &image, left, rng.next(), lie));
        live(&dir, &mut model, &mut rng, disk.clone()).map_err(|e| format!("seed {seed}, cut {cut}: {e}"))?;
        disk.cut();
        std::fs::remove_dir_all(&dir).unwrap();
        dir = image;
    }
    let place = |e: &dyn std::fmt::Display| format!("seed {seed}, after the last cut: {e}");
    let journal = SledJournal::open_with(&dir, SMALL, Arc::new(crowdfold_journal::RealDisk)).map_err(|e| place(&e))?;
    model.check(&journal).map_err(|e| place(&e))?;
    drop(journal);
    let report = verify(&dir, &mut |_, _| ()).map_err(|e| place(&e))?;
    if report.is_good() { Ok(()) } else { Err(place(&report.findings[0].error)) }
}

const CUTS: u64 = 5;

#[test]
fn a_thousand_power_cuts_lose_nothing() {
    let lineages = std::env::var("POWER_CUTS").map_or(1000, |cuts| cuts.parse::<u64>().unwrap()) / CUTS;
    let from = std::env::var("POWER_SEED").map_or(0, |seed| seed.parse().unwrap());
    for seed in from..lineages {
        lineage(seed, CUTS, None).unwrap();
    }
}

#[test]
fn a_missing_sync_is_noticed() {
    for lie in [Lie::Sled, Lie::Segment, Lie::Head, Lie::Names] {
        let noticed = (0..40).filter(|seed| lineage(*seed, CUTS, Some(lie)).is_err()).count();
        assert!(noticed > 0, "{lie:?} can be left out");
        eprintln!("without {lie:?}: {noticed} of 40");
    }
}
