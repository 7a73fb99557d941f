//! The settlement-logic slot: credits to anyone, debits from the chain's own
//! accounts only, sum zero (protocol, section 2).
//!
//! A settlement is a list of entries (address, amount, credit or debit), executed
//! in order. The statement names its length (`data_hi`) and its digest
//! (`data_lo`): `d₀ = start()`, `d' = H4(Settlement; d, address, amount, flags)` with
//! flags 1 for a credit and 0 for a debit. A *chunk* is one slot's share of the
//! list, two entries; only the last chunk of an odd list has one:
//!
//! ```text
//!            SETTLE                SETTLE
//!  first ──[1, d, n, sum, seq]──► chunk ──[2, …]──► final: d, n = statement, sum = 0
//!    │                              │
//!    └─ TREE seq 0, 1, …            └─ TREE …
//! ```
//!
//! - An entry to an existing account is one TREE update: same nonce, balance ±
//!   amount, both below 2^128. An entry to a new account, a credit only, is link
//!   then insert. Which of the two it is follows from the tree alone.
//! - An amount is in (0, 2^128). The running sum is a field element: it cannot
//!   wrap, since it grows by less than 2^128 per entry and every entry takes a
//!   real slot.
//! - Chunks cannot be reordered, left out or run twice: the SETTLE messages count
//!   up from the constants of the first chunk, the digest is a hash chain, and
//!   every TREE `seq` is consumed exactly once.
//!
//! What the slot leaves to others: exactly one first and one final chunk in an
//! item (a second pair would send `seq` 0 twice, which the tree slots refuse too),
//! the final `seq` equal to the number of tree operations done, and the invariant
//! that every leaf of the tree before the item holds a balance below 2^128.

mod circuit;
mod native;
mod plan;
#[cfg(test)]
mod tests;

pub use circuit::{SettlementPort, SettlementPorts, synthesize_settlement};
pub use native::{
    CHUNK_ENTRIES, CHUNK_TREE_PORTS, DEBITABLE, EntryWitness, SETTLE_ELEMENTS, SettlementChunkWitness, SettlementEntry,
    SettlementPortValues, SettlementState, TREE_ELEMENTS, settlement_digest, start,
};
pub use plan::{AccountView, PlanError, SettlementPlan, plan_settlement};
