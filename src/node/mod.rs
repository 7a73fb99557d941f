//! A node: journal, kernel, actors and servers put together, behind one handle.
//!
//! ```text
//!  NodeHandle ── starts ──► a thread with the actix system
//!      ▲                       ├─ Ledger (its own thread) ── journal
//!      │ snapshot, events      ├─ Sequencer, Assigner, Aggregator, Submitter, Gate
//!      └───────────────────────┴─ HTTP server: `/` JSON-RPC, `/plugin` WebSocket
//! ```
//!
//! The handle can be used from any thread and any async runtime. Dropping it
//! without [`NodeHandle::stop`] ends the node as a crash would: nothing that
//! was acknowledged is lost, because the journal is written first.

mod assembly;
mod event;
mod handle;
mod saved;
mod snapshot;
pub mod tip;

pub(crate) use assembly::session_config;
pub use event::{NodeEvent, ProofCheck, TaskReport, TaskReports};
pub use handle::{DEFAULT_SNAPSHOT_EVERY, Node, NodeConfig, NodeError, NodeHandle, PluginAccess, run};
pub use saved::SavedFault;
pub(crate) use saved::verified_state;
pub use snapshot::{Committed, Snapshot};
