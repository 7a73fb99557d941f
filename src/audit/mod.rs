//! The audit: everything that a journal says, decided again.
//!
//! An audit reads the events of a journal in order and trusts none of them.
//! Each block is executed on the state that the blocks before it gave, with the
//! kernel of the live node, and its events must come out byte for byte. Beside
//! that, two bookkeepings that share nothing with the kernel's state recompute
//! draws ([`Standing`]) and money ([`Books`]) from the events.
//!
//! ```text
//! stored events ──Groups──► one block ──Kernel::execute──► same bytes? ─no─► first differing event
//!                               │                              │yes
//!                               │                    commit of the parent signed? (part of execute)
//!                               ├──► Standing: every draw from its receipt
//!                               ├──► Books: every amount, conservation
//!                               └──► proofs, when asked: from the store, really verified
//! ```
//!
//! The state before a block is always one that was recomputed, so the block at
//! which heads first differ is the first wrong one, and nothing is read twice
//! to find it: after each block one hash is compared, and only inside the block
//! where it differs are events compared.
//!
//! There is no IO, clock or thread pool of its own here except in `proofs`,
//! which reads the proof store; progress goes to a callback.
//!
//! An audit may begin at a snapshot ([`Base`]); then it says nothing about what
//! came before, and the report says so.
//!
//! What an audit cannot see: a history that ends early, unless it is told the
//! stated end; and whether the last block was decided, because its commit is in
//! the next one, unless it is given.

pub mod base;
mod blocks;
pub mod books;
pub mod chain;
mod compare;
pub mod counterfactual;
mod counts;
pub mod explain;
mod proofs;
pub mod replay;
pub mod report;
mod run;
pub mod settings;
pub mod source;
pub mod standing;
mod standing_after;

pub use base::Base;
pub use books::Books;
pub use counts::Counts;
pub use proofs::Proofs;
pub use report::{Divergence, Reason, Report};
pub use run::{Options, Progress, audit, audit_from};
pub use source::{SourceFault, Stored, from_reader, from_store};
pub use standing::Standing;
