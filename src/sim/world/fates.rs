//! When which fault strikes whom.
//!
//! Each kind has its own stream: the time between two strikes is random with a
//! mean that shrinks with the intensity. Faults that could make validators
//! forget or sign twice strike one validator at a time, and only when all of
//! them have gone on since the last: less than a third of stake is ever at
//! fault in one height. Worlds of fewer than four validators have none.

use std::collections::BTreeMap;

use crowdfold_events::Height;
use crowdfold_journal::AppendFault;

use super::{Happening, World, node::Conduct};
use crate::sim::{
    disk::Death,
    faults::{FaultKind, FaultPlan},
    network::Peer,
    random::{Seed, Stream},
};

/// Mean time between two strikes at full intensity, and their shortest and longest duration, in milliseconds.
const TIMES: &[(FaultKind, u64, (u64, u64))] = &[
    (FaultKind::Partition, 400_000, (10_000, 120_000)),
    (FaultKind::ValidatorCrash, 180_000, (2_000, 60_000)),
    (FaultKind::ProverCrash, 30_000, (1_000, 120_000)),
    (FaultKind::TornWrite, 400_000, (0, 0)),
    (FaultKind::FailedSync, 400_000, (0, 0)),
    (FaultKind::LyingDisk, 500_000, (1, 4)),
    (FaultKind::SilentValidator, 500_000, (20_000, 180_000)),
    (FaultKind::WithholdingValidator, 400_000, (20_000, 180_000)),
    (FaultKind::EquivocatingValidator, 400_000, (20_000, 180_000)),
    (FaultKind::EquivocatingProposer, 500_000, (20_000, 90_000)),
];

/// Validators below which no validator may be at fault.
const LEAST_FOR_FAULTY: usize = 4;

/// Streams and what is going on.
pub(super) struct Fates {
    streams: BTreeMap<FaultKind, Stream>,
    /// No validator may be at fault before all are above this height.
    quiet_until: Height,
    /// A validator is at fault until its end comes.
    is_faulty: bool,
}

impl Fates {
    pub(super) fn new(seed: Seed) -> Self {
        let stream = |(kind, _, _): &(FaultKind, u64, (u64, u64))| (*kind, seed.stream(kind.name(), 1 << 40));
        Self { streams: TIMES.iter().map(stream).collect(), quiet_until: Height(0), is_faulty: false }
    }

    /// Time until the next strike of a kind; `None` when it never strikes.
    fn next(&mut self, kind: FaultKind, plan: &FaultPlan) -> Option<u64> {
        let (_, mean, _) = TIMES.iter().find(|(of, ..)| *of == kind)?;
        let intensity = u64::from(plan.intensity(kind));
        if intensity == 0 {
            return None;
        }
        let mean = mean * u64::from(FaultPlan::FULL) / intensity;
        Some(self.streams.get_mut(&kind)?.between(mean / 4, mean * 7 / 4))
    }

    fn between(&mut self, kind: FaultKind, least: u64, most: u64) -> u64 {
        self.streams.get_mut(&kind).map_or(least, |stream| stream.between(least, most))
    }

    /// Bytes of a frame that reach the disk: some of them, rarely all.
    pub(super) fn kept(&mut self) -> usize {
        self.between(FaultKind::TornWrite, 1, 4_096) as usize
    }

    fn duration(&mut self, kind: FaultKind) -> u64 {
        let found = TIMES.iter().find(|(of, ..)| *of == kind).map_or((0, 0), |(.., times)| *times);
        self.between(kind, found.0, found.1)
    }
}

impl World {
    /// Schedules the first strike of each kind.
    pub(super) fn begin_fates(&mut self) {
        for (kind, ..) in TIMES {
            self.schedule(*kind);
        }
    }

    fn schedule(&mut self, kind: FaultKind) {
        if let Some(in_ms) = self.fates.next(kind, &self.plan) {
            self.queue.put(self.now_ms + in_ms, Happening::Fault(kind));
        }
    }

    /// Whether a validator may be made to forget or to sign twice now.
    fn may_be_faulty(&self) -> bool {
        let all_up = self.validators.iter().all(|v| v.node.is_some());
        let enough = self.validators.len() >= LEAST_FOR_FAULTY;
        enough && all_up && !self.fates.is_faulty && self.lowest() > self.fates.quiet_until
    }

    /// A fault strikes.
    pub(super) fn strike(&mut self, kind: FaultKind) {
        if self.healed_at.is_some() {
            return;
        }
        self.schedule(kind);
        let count = self.validators.len() as u64;
        let victim = self.fates.between(kind, 0, count - 1) as usize;
        let duration = self.fates.duration(kind);
        let end = self.now_ms + duration;
        match kind {
            FaultKind::Partition => self.partition(duration),
            FaultKind::ValidatorCrash if self.validators[victim].node.is_some() => {
                self.counts.add(kind);
                let power = self.fates.between(kind, 0, 1) == 1;
                let death = if power { Death::Power { kept: 0 } } else { Death::Process };
                self.crash_validator(victim, death, duration);
            }
            FaultKind::ProverCrash => {
                let prover = self.fates.between(kind, 0, self.provers.len() as u64 - 1) as usize;
                if self.provers[prover].core.is_some() {
                    self.counts.add(kind);
                    self.crash_prover(prover);
                    self.queue.put(end, Happening::StartProver { prover });
                }
            }
            FaultKind::TornWrite => {
                let written = self.fates.kept();
                self.validators[victim].armed = Some((AppendFault::Io { written }, kind));
            }
            FaultKind::FailedSync => {
                let written = self.fates.kept();
                let fault = match self.fates.between(kind, 0, 2) {
                    0 => AppendFault::Io { written },
                    1 => AppendFault::Full { written },
                    _ => AppendFault::Sync,
                };
                self.validators[victim].armed = Some((fault, kind));
            }
            FaultKind::LyingDisk if self.may_be_faulty() => {
                self.fates.quiet_until = self.tip.next().next();
                self.validators[victim].lies = duration as u32;
            }
            FaultKind::SilentValidator | FaultKind::WithholdingValidator | FaultKind::EquivocatingValidator
                if self.may_be_faulty() =>
            {
                let conduct = match kind {
                    FaultKind::SilentValidator => Conduct::Silent,
                    FaultKind::WithholdingValidator => Conduct::Withholding,
                    _ => Conduct::Equivocating,
                };
                // Whoever proposes has no vote to withhold or to double: it is silent or honest.
                let is_proposer = victim == self.gateway();
                let victim = if is_proposer && conduct != Conduct::Silent { victim + 1 } else { victim };
                self.misbehave(kind, victim, conduct, end);
            }
            FaultKind::EquivocatingProposer if self.may_be_faulty() => {
                self.misbehave(kind, self.gateway(), Conduct::Equivocating, end);
            }
            _ => {}
        }
    }

    fn misbehave(&mut self, kind: FaultKind, validator: usize, conduct: Conduct, end: u64) {
        self.validators[validator].conduct = conduct;
        self.fates.is_faulty = true;
        self.queue.put(end, Happening::EndOf { kind, validator });
    }

    fn partition(&mut self, duration: u64) {
        let kind = FaultKind::Partition;
        let luck = &mut self.fates;
        let mut side = Vec::new();
        let share = luck.between(kind, 100, 500);
        for validator in 0..self.validators.len() {
            if luck.between(kind, 0, 999) < share {
                side.push(Peer::Validator(validator));
            }
        }
        for prover in 0..self.provers.len() {
            if luck.between(kind, 0, 999) < share {
                side.push(Peer::Prover(prover));
            }
        }
        if !side.is_empty() {
            self.counts.add(kind);
            self.weather.cut(side);
            self.queue.put(self.now_ms + duration, Happening::EndOf { kind, validator: 0 });
        }
    }

    /// A fault with a duration ends.
    pub(super) fn relent(&mut self, kind: FaultKind, validator: usize) {
        if kind == FaultKind::Partition {
            self.weather.cut(Vec::new());
        } else {
            self.validators[validator].conduct = Conduct::Honest;
            self.fates.is_faulty = false;
            self.fates.quiet_until = self.tip.next().next();
        }
    }

    /// All faults end: whoever is down is started by what is scheduled already.
    pub(super) fn heal(&mut self) {
        self.healed_at = Some((self.now_ms, self.tip));
        if let Some(node) = self.validators.iter().find_map(|v| v.node.as_ref()) {
            self.earnings.close(&node.ledger.snapshot().state);
        }
        self.weather.heal();
        for validator in &mut self.validators {
            validator.conduct = Conduct::Honest;
            validator.lies = 0;
            validator.armed = None;
        }
        self.provers.iter_mut().for_each(|prover| prover.heal());
    }
}
