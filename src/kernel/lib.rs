//! The pure kernel: state and block in, events and next state out.
//!
//! It decides everything that the chain decides: which transactions and
//! messages may be in a block, who proves what, what that pays or costs, when
//! a batch closes. It has no IO, clock, thread or randomness of its own; time,
//! beacon input and verdicts on proofs are arguments. It never sees a proof's
//! bytes, only their hash and an oracle's verdict.
//!
//! [`Kernel::propose`] and [`Kernel::execute`] are one run with two attitudes;
//! [`State::apply`] is all that replay calls. Live and replayed states are
//! equal, which tests check on random chains.
//!
//! Money lives in two places: balances in the state tree, and the market's
//! sums, which the escrow and issuance accounts cover. See `invariants`.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod apply;
mod apply_money;
mod apply_work;
mod batches;
mod bounty;
pub mod certificate;
pub mod commit;
#[cfg(test)]
mod damage;
pub mod draw;
mod epoch;
mod faults;
mod fees;
mod fork;
mod header;
mod invariants;
mod kernel;
mod messages;
pub mod model;
mod penalty;
#[cfg(not(feature = "planted-bugs"))]
mod planted;
#[cfg(feature = "planted-bugs")]
pub mod planted;
mod prune;
mod queries;
mod run;
mod sessions;
mod settlement;
mod snapshot;
mod state;
mod users;
mod vm;
mod work;

pub use batches::{child_range, item_range, level_nodes, root_level};
pub use faults::*;
pub use fees::{least_base, split};
pub use header::{Receipts, TransactionReceipt};
pub use kernel::{Kernel, Outcome, ProposalInput, RULES_VERSION, StartFault};
pub use prune::{FINISHED_BLOCKS_KEPT, Finished, FinishedBatch};
pub use queries::{AccountInfo, MarketSums, SupplyReport, Trust};
pub use run::Dropped;
pub use sessions::admission_index;
pub use snapshot::{SNAPSHOT_LAYOUT, SNAPSHOT_VERSION, SnapshotFault};
pub use state::State;
pub use vm::{ESCROW, ISSUANCE, REPAY, STAKE};
pub use work::{AggregateChild, AggregateNode, ProofOracle, Work};
