//! Deterministic simulation: the live cores under virtual time, from one seed.

pub mod checkers;
pub mod faults;
pub mod observe;
pub mod prover;
pub mod random;
