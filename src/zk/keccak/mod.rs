//! keccak-f[1600] (FIPS 202, section 3) in R1CS, one constraint per output bit
//! of every XOR and of χ, and its native twin.
//!
//! Over the field, for boolean a, b, c:
//!
//! - a ⊕ b ⊕ c: `(6 − 5a − 3b − 4c)·(5·out − 4b − 3c) = 5a + 3b + 4c`
//! - a ⊕ (¬b ∧ c): `(6 − 4a − b − 4c)·(4·out − b − 4c) = 8a − 5b`
//!
//! The left factors do not vanish on {0, 1}³, so `out` is the only solution and
//! is boolean without a check of its own. Coefficients with the fewest non-zero
//! entries (10 and 9) were chosen: a Spartan proof pays for entries.
//!
//! Cost: 1600 (input bits) + 24·(640 (θ parities) + 1600 (θ) + 1600 (χ)) + 18
//! (packing) = 93,778 constraints. ρ, π and ι are free: ι negates bits of lane 0
//! as `sel − bit`, so that an idle slot has the all-zero witness.

mod circuit;
mod native;
#[cfg(test)]
mod tests;

pub use circuit::{KeccakPorts, synthesize_keccak_f};
pub use native::{KeccakBlock, MAX_BLOCK_BYTES, PORT_ELEMENTS, State, keccak_f, keccak256_block, pack_state};
