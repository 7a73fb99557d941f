//! What can go wrong in a world, how often, and how often it did.

use std::collections::BTreeMap;

use serde::Serialize;

use super::random::Seed;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum FaultKind { $($(#[$doc])* $name,)+ }

        impl FaultKind {
            /// All kinds that can be injected.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

kinds! {
    /// A message between validators, or from a user, never arrives; a prover's connection breaks.
    MessageLoss = "message-loss",
    /// A message takes seconds instead of milliseconds.
    MessageDelay = "message-delay",
    /// A message between validators, or from a user, arrives twice.
    MessageDuplicate = "message-duplicate",
    /// A message overtakes the one before it.
    MessageReorder = "message-reorder",
    /// A group of validators and provers cannot reach the others for a while.
    Partition = "partition",
    /// A validator's process dies and is started again.
    ValidatorCrash = "validator-crash",
    /// A prover's process dies and is started again, its session forgotten.
    ProverCrash = "prover-crash",
    /// A crash finds a write half done.
    TornWrite = "torn-write",
    /// The disk said that a write was durable, and a crash shows that it was not.
    LyingDisk = "lying-disk",
    /// The disk refuses a write or a sync: the validator has to stop and start again.
    FailedSync = "failed-sync",
    /// A prover works several times slower than it thinks.
    SlowPlugin = "slow-plugin",
    /// A prover is gone for good in the middle of its work.
    DeadPlugin = "dead-plugin",
    /// A prover says that it is there and proves nothing.
    LazyPlugin = "lazy-plugin",
    /// A prover submits bytes that are no proof.
    LyingPlugin = "lying-plugin",
    /// A prover submits somebody else's proof.
    StealingPlugin = "stealing-plugin",
    /// A validator takes part in nothing.
    SilentValidator = "silent-validator",
    /// A validator executes and does not sign.
    WithholdingValidator = "withholding-validator",
    /// A validator signs two blocks of one height.
    EquivocatingValidator = "equivocating-validator",
    /// A proposer sends two blocks of one height.
    EquivocatingProposer = "equivocating-proposer",
}

/// Faults of the L1, which the chain does not post to yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum L1FaultKind {
    /// A posted batch is reorganised away.
    L1Reorg,
    /// Gas costs many times more for a while.
    GasSpike,
    /// The agent of a slot does not post.
    AbsentAgent,
}

impl L1FaultKind {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::L1Reorg, Self::GasSpike, Self::AbsentAgent];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::L1Reorg => "l1-reorg",
            Self::GasSpike => "gas-spike",
            Self::AbsentAgent => "absent-agent",
        }
    }
}

/// A fault cannot be asked for. The caller's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultRequestError {
    /// Posting to L1 is not built, so its faults are not either.
    #[error("`{}` is not supported: there is no L1 to inject it into", .0.name())]
    Unsupported(L1FaultKind),
    /// No such kind.
    #[error("`{0}` is no kind of fault")]
    Unknown(String),
}

impl std::str::FromStr for FaultKind {
    type Err = FaultRequestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(kind) = L1FaultKind::ALL.iter().find(|k| k.name() == text) {
            return Err(FaultRequestError::Unsupported(*kind));
        }
        let found = Self::ALL.iter().find(|k| k.name() == text).copied();
        found.ok_or_else(|| FaultRequestError::Unknown(text.to_owned()))
    }
}

/// How much goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum FaultLevel {
    /// Nothing.
    None,
    /// Every kind, seldom.
    Mild,
    /// Every kind, often.
    Harsh,
    /// A random subset of kinds with random intensities, from the seed.
    Swarm,
}

impl FaultLevel {
    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Mild => "mild",
            Self::Harsh => "harsh",
            Self::Swarm => "swarm",
        }
    }
}

/// Intensity of a kind: 0 is never, [`FaultPlan::FULL`] is harsh. What it means is up to the kind.
pub type Intensity = u32;

/// How often each kind is to happen in one world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    intensities: BTreeMap<FaultKind, Intensity>,
}

impl FaultPlan {
    /// The intensity of every kind at the level `harsh`.
    pub const FULL: Intensity = 1_000;
    /// The intensity of every kind at the level `mild`.
    const MILD: Intensity = 150;

    /// The plan of a level, less the kinds that are excluded.
    #[must_use]
    pub fn new(level: FaultLevel, seed: Seed, without: &[FaultKind]) -> Self {
        let intensity = |(number, kind): (usize, &FaultKind)| {
            // One stream per kind: excluding one leaves the others as they were.
            let mut luck = seed.stream("faults.plan", number as u64);
            let intensity = match level {
                FaultLevel::None => 0,
                FaultLevel::Mild => Self::MILD,
                FaultLevel::Harsh => Self::FULL,
                FaultLevel::Swarm if luck.chance(400_000) => luck.between(20, Self::FULL.into()) as Intensity,
                FaultLevel::Swarm => 0,
            };
            (*kind, intensity)
        };
        let all = FaultKind::ALL.iter().enumerate().map(intensity);
        let intensities = all.filter(|(kind, intensity)| *intensity > 0 && !without.contains(kind)).collect();
        Self { intensities }
    }

    /// The intensity of a kind.
    #[must_use]
    pub fn intensity(&self, kind: FaultKind) -> Intensity {
        self.intensities.get(&kind).copied().unwrap_or_default()
    }

    /// The share of a whole that is `per_million` at full intensity.
    #[must_use]
    pub fn per_million(&self, kind: FaultKind, at_full: u32) -> u32 {
        (u64::from(self.intensity(kind)) * u64::from(at_full) / u64::from(Self::FULL)) as u32
    }

    /// Kinds that are to happen.
    pub fn kinds(&self) -> impl Iterator<Item = FaultKind> + '_ {
        self.intensities.keys().copied()
    }
}

/// How often each kind was injected: counted when it took effect, not when it was planned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FaultCounts(BTreeMap<FaultKind, u64>);

impl FaultCounts {
    /// One more.
    pub fn add(&mut self, kind: FaultKind) {
        *self.0.entry(kind).or_default() += 1;
    }

    /// How many of a kind.
    #[must_use]
    pub fn of(&self, kind: FaultKind) -> u64 {
        self.0.get(&kind).copied().unwrap_or_default()
    }

    /// Kinds that happened, with how often.
    pub fn iter(&self) -> impl Iterator<Item = (FaultKind, u64)> + '_ {
        self.0.iter().map(|(kind, count)| (*kind, *count))
    }

    /// Of all kinds together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}
