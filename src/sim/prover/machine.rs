//! A simulated machine that runs a prover's core.

use std::collections::BTreeMap;

use alloy_primitives::Bytes;
use crowdfold_events::{Signer, TaskId, event::TaskKind};
use crowdfold_prover::{ProverConfig, ProverCore, WorkError};

use super::Behaviour;
use crate::{
    proofs::SimulatedChecker,
    sim::{
        adversaries::{Deed, Role},
        faults::{FaultKind, FaultPlan},
        random::{Seed, Stream},
    },
};

/// Fastest and slowest machine, in milliseconds per segment.
const MS_PER_SEGMENT: (u64, u64) = (3_000, 10_000);
/// By how much a slow plugin is slower than it believes.
const SLOWER: u64 = 12;
/// Folding proofs costs so much less than making them.
const FOLD_FASTER: u64 = 8;

/// What becomes of work that a core has asked for.
#[derive(Clone, Debug)]
pub enum Work {
    /// It ends after so many milliseconds.
    Ends {
        /// How long it takes.
        in_ms: u64,
        /// What comes out.
        result: Result<Vec<u8>, WorkError>,
        /// The fault that this is.
        fault: Option<FaultKind>,
    },
    /// It never ends; the fault that this is.
    Never(Option<FaultKind>),
}

/// A prover by number.
pub struct Prover {
    /// Its key.
    pub signer: Signer,
    /// What it is up to.
    pub behaviour: Behaviour,
    /// The process; `None` while there is none.
    pub core: Option<ProverCore>,
    /// Counts the processes.
    pub life: u32,
    /// Its connection, as far as it knows.
    pub connection: Option<u64>,
    /// When it is woken next.
    pub wake_ms: u64,
    /// It is about to leave with its group.
    pub leaves: bool,
    /// When it dies for good.
    pub dies_ms: Option<u64>,
    ms_per_segment: u64,
    luck: Stream,
    seed: u64,
    /// Work asked for so far.
    asked: u64,
}

impl Prover {
    /// Plugin `number` of a world; the first is always honest, so that a world never lacks one.
    #[must_use]
    pub fn new(
        seed: Seed,
        number: u64,
        signer: Signer,
        plan: &FaultPlan,
        duration_ms: u64,
        role: Option<Role>,
    ) -> Self {
        let mut luck = seed.stream("plugin", number);
        let ms_per_segment = luck.between(MS_PER_SEGMENT.0, MS_PER_SEGMENT.1);
        let kinds = [
            (FaultKind::SlowPlugin, Behaviour::Slow),
            (FaultKind::DeadPlugin, Behaviour::Dead),
            (FaultKind::LazyPlugin, Behaviour::Lazy),
            (FaultKind::LyingPlugin, Behaviour::Liar),
            (FaultKind::StealingPlugin, Behaviour::Thief),
        ];
        // One stream for each kind: taking a kind out leaves the others' plugins as they were.
        let is = |kind: FaultKind| {
            let chance = plan.per_million(kind, 80_000);
            seed.stream(kind.name(), number).chance(chance)
        };
        let found = kinds.into_iter().filter(|_| number > 0).find(|(kind, _)| is(*kind));
        let behaviour = found.map_or(Behaviour::Honest, |(_, behaviour)| behaviour);
        let behaviour = role.map_or(behaviour, Behaviour::Adversary);
        let dies_ms = (behaviour == Behaviour::Dead).then(|| luck.between(duration_ms / 10, duration_ms / 2));
        let (core, connection) = (None, None);
        Self {
            signer,
            behaviour,
            core,
            life: 0,
            connection,
            wake_ms: u64::MAX,
            leaves: false,
            dies_ms,
            ms_per_segment,
            luck,
            seed: number,
            asked: 0,
        }
    }

    /// Starts the process anew; it remembers its key only.
    pub fn start(&mut self, now_ms: u64) {
        self.life += 1;
        self.leaves = false;
        self.connection = None;
        self.wake_ms = u64::MAX;
        let config = ProverConfig {
            agent: "crowdfold simulation".to_owned(),
            lanes: 1,
            expected: None,
            ms_per_segment: Some(self.ms_per_segment),
            seed: self.seed << 16 | u64::from(self.life),
            registers: true,
        };
        self.core = Some(ProverCore::new(config, self.signer.clone(), now_ms));
    }

    /// The process is gone.
    pub fn crash(&mut self) {
        self.life += 1;
        self.core = None;
        self.connection = None;
        self.wake_ms = u64::MAX;
    }

    /// What becomes of a piece of work. `others` are the newest proofs of others.
    pub fn work(&mut self, package: &Bytes, segments: u32, kind: &TaskKind, others: &Newest) -> Work {
        let is_fold = matches!(kind, TaskKind::Aggregate { .. });
        let whole = u64::from(segments) * self.ms_per_segment;
        let in_ms = self.luck.between(whole * 9 / 10, whole) / if is_fold { FOLD_FASTER } else { 1 };
        let honest = SimulatedChecker::prove(package).ok_or_else(|| WorkError::BadPackage("not a digest".to_owned()));
        match self.behaviour {
            Behaviour::Honest | Behaviour::Dead => Work::Ends { in_ms, result: honest, fault: None },
            Behaviour::Slow => Work::Ends { in_ms: in_ms * SLOWER, result: honest, fault: Some(FaultKind::SlowPlugin) },
            Behaviour::Lazy => Work::Never(Some(FaultKind::LazyPlugin)),
            Behaviour::Liar => self.lie(Some(FaultKind::LyingPlugin)),
            Behaviour::Thief => self.steal(others, Some(FaultKind::StealingPlugin)),
            Behaviour::Adversary(role) => {
                let is_admission = matches!(kind, TaskKind::Admission { .. });
                self.asked += u64::from(!is_admission);
                match role.work(self.asked, segments, is_admission) {
                    Deed::Prove(shares) => Work::Ends { in_ms: in_ms * u64::from(shares), result: honest, fault: None },
                    Deed::Fail(error) => Work::Ends { in_ms: 1_000, result: Err(error), fault: None },
                    Deed::Lie => self.lie(None),
                    Deed::Steal => self.steal(others, None),
                    Deed::Nothing => Work::Never(None),
                }
            }
        }
    }

    fn lie(&mut self, fault: Option<FaultKind>) -> Work {
        let lie = SimulatedChecker::prove(self.luck.bytes().as_slice());
        Work::Ends { in_ms: 1_000, result: lie.ok_or(WorkError::Cancelled), fault }
    }

    fn steal(&self, others: &Newest, fault: Option<FaultKind>) -> Work {
        match others.by_another(&self.signer.address()) {
            Some(stolen) => Work::Ends { in_ms: 1_000, result: Ok(stolen), fault },
            None => Work::Never(fault),
        }
    }

    /// From now on it does what it should.
    pub fn heal(&mut self) {
        self.behaviour = Behaviour::Honest;
    }
}

/// The newest verified proof of each plugin: what a thief can get hold of.
#[derive(Clone, Debug, Default)]
pub struct Newest {
    by: BTreeMap<crowdfold_events::Address, Bytes>,
    last: Vec<crowdfold_events::Address>,
}

impl Newest {
    /// A plugin's proof was verified.
    pub fn put(&mut self, plugin: crowdfold_events::Address, proof: Bytes) {
        self.by.insert(plugin, proof);
        self.last.retain(|p| *p != plugin);
        self.last.push(plugin);
        if self.last.len() > 2 {
            let oldest = self.last.remove(0);
            self.by.remove(&oldest);
        }
    }

    fn by_another(&self, than: &crowdfold_events::Address) -> Option<Vec<u8>> {
        let other = self.last.iter().rev().find(|p| *p != than)?;
        self.by.get(other).map(|proof| proof.to_vec())
    }
}

/// A piece of work that runs.
#[derive(Clone, Debug)]
pub struct Running {
    /// The task.
    pub task: TaskId,
    /// Which attempt.
    pub attempt: u32,
    /// What will come out.
    pub result: Result<Vec<u8>, WorkError>,
    /// The fault that this is, counted when it comes out.
    pub fault: Option<FaultKind>,
}
