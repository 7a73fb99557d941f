//! Proofs at rest and their verification.

pub mod store;
