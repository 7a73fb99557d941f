//! secp256k1 ECDSA verification, [`STEPS`] steps of it per circuit slot.
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
//! `H` and `H0`, the accumulator's start. All chunks have the same shape; what a chunk is, is witness.
//!
//! **Every valid signature can be proven.** Two summands of one abscissa cannot
//! be added, and a chain that meets them has no proof. Who chooses R first, say
//! `R = H`, and recovers the key from it has a valid signature of any hash, by
//! an address that can be funded, whose chain does. So there are two families
//! of offsets, `(H_0, H0_0)` and `(H_1, H0_1)`, and the prover says with one
//! bit, the variant, which one a chain uses (`U` always has `H_0`).
//!
//! Both chains exceptional would be a discrete logarithm. All summands are
//! known combinations of the offsets, R, Q and G (`λP` counts as a multiple of
//! P), and `Q = (s·R - z·G)/r`. So an exception of variant v is an equation
//!
//! ```text
//! c·H_v + d·H0_v + u·H_0 + m·R + g·G = O                              (v)
//! ```
//!
//! whose coefficients mod n follow from the signature and the place of the
//! addition. `(c, d) != (0, 0)`, and no other family's H0 occurs, because of
//! what is added where:
//!
//! - building T, `T[i] + P`: `T[i] = ±P`, where c = 1, d = 0 and u = 0 (no
//!   entry is without H, and no sum of the points alone is ever formed);
//! - doubling, `acc + T[i]`, then `(acc + T[i]) + acc`: `acc = ±T[i]` or
//!   `2·acc + T[i] = O` (their other solution, `T[i] = O`, is no point);
//! - the generator's, `acc + U[i]`: `acc = ±U[i]`.
//!
//! The accumulator holds `2^j·H0_v` after j doublings and neither table holds
//! any H0_v, so `d = 2^j` or `2^(j+1)` in the last two, which is not 0 mod n.
//! The end is compared, not added. If the m of equation (0) is 0, that is a
//! relation between `H_0`, `H0_0` and G: a combination that is not trivial,
//! since u = 0 where d = 0. Otherwise take R from it and put it into (1): there
//! `H_1` and `H0_1` keep their c and d, so this is one between all offsets and
//! G. The offsets are hashed to the curve ([`constants`]); a relation between
//! such points is as hard to find as a logarithm.
//!
//! The planner takes the first variant unless it is exceptional, so a signature
//! has one witness. Soundness needs none of this: either variant's chain proves
//! the same equation.

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
pub use plan::{ChunkWitness, EcdsaPlan, SignatureError};

/// Chunks per signature; changing it (2 with `STEPS = 16`, 3 with 11) is
/// enough to cut the work differently.
pub const PARTS: usize = 2;
/// Steps (two doublings each) per chunk.
pub const STEPS: usize = 16;
/// Elements of a state message.
pub const STATE_WIDTH: usize = 16 + (PARTS - 1) * WORDS;
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
