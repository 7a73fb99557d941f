//! Circuits, folding and proofs of the statements that the chain makes.
//!
//! This crate has no IO, clock or thread of its own (rayon inside field and
//! curve arithmetic excepted), so that a browser can run it.

pub mod accounts;
pub mod bus;
pub mod gadgets;
pub mod item;
pub mod keccak;
pub mod poseidon;
pub mod proof;
pub mod secp256k1;
pub mod segment;
pub mod settlement;
pub mod statement;
#[cfg(test)]
pub(crate) mod testing;
pub mod transfer;
pub mod tree;

pub use statement::{
    ItemStatement, MAX_SEGMENTS_PER_ITEM, SEGMENTS_PER_TRANSFER, SETTLEMENT_ENTRIES_PER_SEGMENT, settlement_segments,
};

/// The curve cycle half that everything is proven on: BN254 with KZG commitments.
pub type Engine = nova_snark::provider::Bn256EngineKZG;
/// BN254's scalar field, the field of every constraint.
pub type Scalar = <Engine as nova_snark::traits::Engine>::Scalar;
