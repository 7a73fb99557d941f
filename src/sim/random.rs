//! Randomness: one ChaCha stream per concern, all from one seed.
//!
//! A stream is named by what it decides and for whom. Nobody else draws from
//! it, so taking a plugin or a kind of fault out of a world leaves everybody
//! else's luck as it was: that is what makes a failure shrink.

use alloy_primitives::{B256, Keccak256};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The seed of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// 32 bytes for a concern and a number.
    #[must_use]
    pub fn bytes(self, concern: &str, number: u64) -> B256 {
        let mut hasher = Keccak256::new();
        hasher.update(b"crowdfold/simulation/1\0");
        hasher.update(self.0.to_be_bytes());
        hasher.update(number.to_be_bytes());
        hasher.update(concern.as_bytes());
        hasher.finalize()
    }

    /// The stream of a concern and a number.
    #[must_use]
    pub fn stream(self, concern: &str, number: u64) -> Stream {
        Stream(ChaCha8Rng::from_seed(self.bytes(concern, number).0))
    }
}

/// Random numbers for one concern.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// A number below `end`; 0 when `end` is 0. The bias of at most `end` / 2^64 is no concern of a world.
    pub fn below(&mut self, end: u64) -> u64 {
        let word = u128::from(self.0.next_u64());
        // The high half of the product: a number below `end`, hence of 64 bits.
        ((word * u128::from(end)) >> 64) as u64
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least).saturating_add(1))
    }

    /// True in `per_million` of a million cases.
    pub fn chance(&mut self, per_million: u32) -> bool {
        // No draw for what never happens: an absent kind of fault costs nothing.
        per_million > 0 && self.below(1_000_000) < u64::from(per_million)
    }

    /// 32 bytes.
    pub fn bytes(&mut self) -> B256 {
        let mut bytes = B256::ZERO;
        self.0.fill_bytes(bytes.as_mut_slice());
        bytes
    }
}
