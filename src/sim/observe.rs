//! What a checker sees of a simulated world, and how it says what is wrong.
//!
//! ```text
//! opening (once) ─► committed (each block on each validator, in order of virtual time) ─► end (once, healed)
//! ```
//!
//! A validator that lost unsynced blocks in a crash commits them again, and is
//! seen again. The states before and after belong to the validator, not to the
//! world: when they differ between validators, that is for a checker to find.

use std::collections::BTreeMap;

use crowdfold_config::ValidGenesis;
use crowdfold_events::{Address, Block, Commit, Event, Height};
use crowdfold_kernel::State;

use super::{faults::FaultCounts, prover::Behaviour};

/// Who takes part. Fixed for a run; the order of plugins is that of their numbers.
#[derive(Clone, Debug)]
pub struct Cast {
    /// Addresses of the validators, by their numbers in the world.
    pub validators: Vec<Address>,
    /// Addresses of the plugins and what they are up to until the faults heal.
    pub plugins: Vec<(Address, Behaviour)>,
    /// Addresses of the users that send transactions.
    pub users: Vec<Address>,
}

/// The world before its first block.
#[derive(Clone, Debug)]
pub struct Opening<'a> {
    /// The chain's genesis.
    pub genesis: &'a ValidGenesis,
    /// Who takes part.
    pub cast: &'a Cast,
    /// The state on which the first block is built; height 0 unless the world goes on from a journal.
    pub state: &'a State,
    /// The events that open the journal.
    pub events: &'a [Event],
}

/// A block that a validator has just committed.
#[derive(Clone, Debug)]
pub struct Committed<'a> {
    /// Number of the validator.
    pub validator: usize,
    /// Virtual time in milliseconds since the world began.
    pub now_ms: u64,
    /// True the first time that anybody commits this height: costly checks belong here.
    pub is_first: bool,
    /// The validator's state before.
    pub before: &'a State,
    /// The block.
    pub block: &'a Block,
    /// Its certificate, as this validator got it.
    pub commit: &'a Commit,
    /// Its events as the validator's journal has them.
    pub events: &'a [Event],
    /// The validator's state after.
    pub after: &'a State,
}

/// A validator at the end.
#[derive(Clone, Debug)]
pub struct ValidatorEnd<'a> {
    /// Its last state.
    pub state: &'a State,
    /// Hash of all bytes of its journal.
    pub journal_hash: crowdfold_events::B256,
    /// Transactions that wait in its pool.
    pub pooled_transactions: usize,
}

/// The world after the faults have healed and the users have stopped.
#[derive(Clone, Debug)]
pub struct End<'a> {
    /// Virtual time in milliseconds since the world began.
    pub now_ms: u64,
    /// When the faults ended.
    pub healed_at_ms: u64,
    /// Height of the highest validator when the faults ended.
    pub healed_at: Height,
    /// Who took part.
    pub cast: &'a Cast,
    /// The validators, by number.
    pub validators: Vec<ValidatorEnd<'a>>,
    /// What was injected.
    pub faults: &'a FaultCounts,
    /// Transactions that a validator has acknowledged to a user and that were never refused later, by hash, with the time.
    pub acknowledged: &'a BTreeMap<crowdfold_events::B256, u64>,
}

/// A rule that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule} at block {height}{}: {detail}", validator.map(|v| format!(" of validator {v}")).unwrap_or_default())]
pub struct Violation {
    /// Name of the rule, stable: shrinking keeps a failure of the same rule.
    pub rule: &'static str,
    /// The validator at which it shows, if it is of one.
    pub validator: Option<usize>,
    /// The block.
    pub height: Height,
    /// What was expected and what was found.
    pub detail: String,
}

/// Watches a world. One is made per run; it keeps what it needs.
pub trait Checker {
    /// The world begins.
    fn opening(&mut self, opening: &Opening<'_>) -> Result<(), Violation> {
        let _ = opening;
        Ok(())
    }

    /// A validator has committed a block.
    ///
    /// # Errors
    /// The first rule that does not hold.
    fn committed(&mut self, seen: &Committed<'_>) -> Result<(), Violation>;

    /// The world is over, its faults healed.
    ///
    /// # Errors
    /// The first rule that does not hold.
    fn end(&mut self, end: &End<'_>) -> Result<(), Violation> {
        let _ = end;
        Ok(())
    }
}
