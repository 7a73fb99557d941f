//! Plugins that attack the market, by name, and what becomes of them.
//!
//! Each runs the real prover's core on a machine that decides what it proves
//! ([`Role::work`]) or in a world that acts for it after each block
//! (`world/schemes.rs`). What each earned is counted from the events alone
//! ([`Earnings`]) and shown beside an honest plugin's of the same world.
//!
//! Not here: attacks on the beacon, on L1 and on validators, for which a world
//! has faults of its own or which need what is not built.

mod earnings;

use crowdfold_prover::WorkError;
use serde::Serialize;

pub use earnings::{Earned, Earnings, EarningsReport};

/// An attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Adversary {
    /// Many identities share one machine.
    Sybils,
    /// Never works; when it is suspended it leaves its debt behind with its identity.
    DebtAbandoner,
    /// Keeps its heartbeat, proves nothing.
    HeartbeatOnly,
    /// Proves the small tasks, hands the others back.
    CherryPicker,
    /// Submits proofs of others.
    ProofThief,
    /// One lets its tasks grow old, so that the other may earn the risen bounty.
    Staller,
    /// Pays for transactions to earn their bounties.
    SelfSpammer,
    /// A group that leaves together, to raise the capacity multiple, and comes back.
    DropOuts,
    /// Submits bytes that are no proofs.
    InvalidFlood,
    /// Hands everything back at once.
    HandBackAbuser,
    /// Works on every second task only.
    Lazy,
}

impl Adversary {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Sybils,
        Self::DebtAbandoner,
        Self::HeartbeatOnly,
        Self::CherryPicker,
        Self::ProofThief,
        Self::Staller,
        Self::SelfSpammer,
        Self::DropOuts,
        Self::InvalidFlood,
        Self::HandBackAbuser,
        Self::Lazy,
    ];

    /// The name in arguments and reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sybils => "sybils",
            Self::DebtAbandoner => "debt-abandoner",
            Self::HeartbeatOnly => "heartbeat-only",
            Self::CherryPicker => "cherry-picker",
            Self::ProofThief => "proof-thief",
            Self::Staller => "staller",
            Self::SelfSpammer => "self-spammer",
            Self::DropOuts => "drop-outs",
            Self::InvalidFlood => "invalid-flood",
            Self::HandBackAbuser => "hand-back-abuser",
            Self::Lazy => "lazy",
        }
    }

    /// The rule that answers it.
    #[must_use]
    pub fn answer(self) -> &'static str {
        match self {
            Self::Sybils => "admission work per identity; a proof is paid once, whoever makes it",
            Self::DebtAbandoner => {
                "a penalty is only ever debt here: suspension, and admission work for the next identity"
            }
            Self::HeartbeatOnly => "timeout penalty, trust 0, suspension",
            Self::CherryPicker => "handing back costs a quarter of the penalty and the trust",
            Self::ProofThief => "worker and task are in the statement",
            Self::Staller => "bounty fixed at assignment, rise below the penalty, a random next assignee",
            Self::SelfSpammer => "base bounty below the fee, drawn among all free slots",
            Self::DropOuts => "smoothed capacity, a cap on its multiple, no pay while away",
            Self::InvalidFlood => "proofs are checked before they are messages; the task runs on",
            Self::HandBackAbuser => "handing back costs a quarter of the penalty and the trust",
            Self::Lazy => "timeout penalty above what a task pays",
        }
    }

    /// Identities in a world of so many plugins.
    #[must_use]
    pub fn identities(self, plugins: u32) -> u32 {
        match self {
            Self::Sybils => 4,
            Self::Staller => 2,
            Self::DropOuts => (plugins / 5).max(2),
            _ => 1,
        }
    }
}

/// A plugin's part in an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Role {
    /// The attack.
    pub adversary: Adversary,
    /// Its place among the attackers.
    pub place: u32,
}

/// What a machine does with a piece of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Proves it, so many times slower than alone.
    Prove(u32),
    /// Fails at once, for which the core hands it back.
    Fail(WorkError),
    /// Makes up a proof.
    Lie,
    /// Takes somebody else's.
    Steal,
    /// Nothing.
    Nothing,
}

/// Segments of the largest task that a cherry picker proves: a plain transfer's.
const CHERRY_SEGMENTS: u32 = 2;

impl Role {
    /// What it does with the `count`-th task that it was given. Nobody gets in without proving the admission.
    #[must_use]
    pub fn work(self, count: u64, segments: u32, is_admission: bool) -> Deed {
        if is_admission {
            return Deed::Prove(1);
        }
        let fail = || Deed::Fail(WorkError::Failed("not worth it".to_owned()));
        match self.adversary {
            Adversary::Sybils => Deed::Prove(Adversary::Sybils.identities(0)),
            Adversary::DebtAbandoner | Adversary::HeartbeatOnly => Deed::Nothing,
            Adversary::CherryPicker if segments > CHERRY_SEGMENTS => fail(),
            Adversary::ProofThief => Deed::Steal,
            Adversary::Staller if self.place == 0 => Deed::Nothing,
            Adversary::InvalidFlood => Deed::Lie,
            Adversary::HandBackAbuser => fail(),
            Adversary::Lazy if count % 2 == 1 => Deed::Nothing,
            Adversary::CherryPicker
            | Adversary::Staller
            | Adversary::SelfSpammer
            | Adversary::DropOuts
            | Adversary::Lazy => Deed::Prove(1),
        }
    }
}

/// The parts of the plugins of a world, by their numbers: the last ones attack.
#[must_use]
pub fn roles(adversaries: &[Adversary], plugins: u32) -> Vec<Option<Role>> {
    let mut roles: Vec<Option<Role>> = adversaries
        .iter()
        .flat_map(|a| (0..a.identities(plugins)).map(|place| Some(Role { adversary: *a, place })))
        .collect();
    roles.truncate(plugins as usize);
    let honest = plugins as usize - roles.len();
    let mut all = vec![None; honest];
    all.append(&mut roles);
    all
}
