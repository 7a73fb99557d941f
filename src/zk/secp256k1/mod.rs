//! secp256k1 ECDSA verification, a third per circuit slot.
//!
//! Statement of a whole chain of [`PARTS`] chunks: for the hash `z` (256-bit
//! integer), the public key `Q` (affine, canonical, on the curve) there are
//! `1 <= r < n`, `1 <= s <= (n-1)/2` (EIP-2) and a curve point `R` with
//! `x(R) = r` and `R = (z/s)·G + (r/s)·Q`. Sources: SEC 1 v2 section 4.1.4,
//! EIP-2; Ethereum's recovery ids 2 and 3 (`x(R) >= n`) are not accepted.
//!
//! How: the prover shows `α·R - β·Q - k·G = O` for `α = a0 + a1·λ`,
//! `β = b0 + b1·λ` (`λ` of the curve's endomorphism, components below
//! `2^(2·ROUNDS)` in absolute value), `α·r = β·s` and `α·z = k·s` mod n. The
//! pair `α, β` always exists ([`decompose`]). `α` is invertible mod n: were
//! `α = 0 mod n`, then n would divide the norm `a0² - a0·a1 + a1²`, which is
//! positive (`(a0, a1) != (0, 0)` is enforced) and below
//! `3·2^(4·ROUNDS) <= 3·2^132 < n`. So the sum is `O` exactly if
//! `R = (β/α)·Q + (k/α)·G = (r/s)·Q + (z/s)·G`.
//!
//! ```text
//! chunk 0: signature, scalars ─┐ state        state
//!          table, STEPS steps ─┴───▶ chunk 1 ───▶ … ───▶ chunk PARTS-1: end = constant
//! ```
//!
//! A step: `acc = 2·acc + T[bits]` twice, then `acc = acc + U[bits of k]`.
//! `T` holds `H + Σ ±(R, λR, -Q, -λQ)`, `U` constants; see [`constants`] for
//! `H`. All chunks have the same shape; what a chunk is, is witness.
//!
//! **Exceptions.** Two summands of one abscissa cannot be added, and a chain
//! that meets them has no proof. Nobody who signs with a key and a nonce gets
//! there (that rests on discrete logarithms), but who chooses R first, say
//! `R = H`, and recovers the key from it does, for any hash and with an address
//! that can be funded. So [`check_signature`] is a rule of the chain: what it
//! refuses must not be admitted.

mod chunk;
mod constants;
mod decompose;
mod field;
mod native;
mod order;
mod plan;
mod point;
mod relation;
mod signature;
#[cfg(test)]
mod tests;

pub use chunk::{ChunkPorts, synthesize_chunk};
pub use plan::{ChunkWitness, EcdsaPlan, SignatureError, check_signature};

/// Chunks per signature; changing it (2 with `STEPS = 16`, 3 with 11) is
/// enough to cut the work differently.
pub const PARTS: usize = 2;
/// Steps (two doublings each) per chunk.
pub const STEPS: usize = 16;
/// Elements of a state message.
pub const STATE_WIDTH: usize = 15 + (PARTS - 1) * WORDS;
/// Elements of a signature message.
pub const SIG_WIDTH: usize = 6;

/// Steps of a whole verification; twice as many bits per component.
const ROUNDS: usize = PARTS * STEPS;
/// Pieces that the generator's scalar is cut into.
const K_WORDS: usize = 4;
/// Bits that one step consumes: two of each of the four components and of
/// each piece of the generator's scalar.
const STEP_BITS: usize = 16;
/// Steps whose bits share a field element (at most 240 bits).
const STEPS_PER_WORD: usize = STEPS.div_ceil(STEPS.div_ceil(15));
/// Elements that hold a chunk's bits.
const WORDS: usize = STEPS.div_ceil(STEPS_PER_WORD);

// Components are below 2^64; the generator's scalar has 256 bits.
const _: () = assert!(2 * ROUNDS >= 64 && 2 * ROUNDS <= 66 && PARTS >= 2);
