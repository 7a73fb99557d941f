//! The actors: everything that talks, waits or writes.
//!
//! ```text
//!  RPC ─► Sequencer ─► Ledger ─► CommittedBlock ─► Assigner ─► sessions ─► provers
//!             ▲            │ journal           ├─► Submitter ─► batch files
//!             │            └ snapshots (watch)  └─► (Sequencer's own answer)
//!             └── system messages ── sessions ◄── proofs ─► Gate
//! ```

pub mod aggregator;
pub mod assigner;
pub mod gate;
pub mod ledger;
pub mod library;
pub mod sequencer;
pub mod session;
pub mod submitter;
