//! The hashcash of a registration.
//!
//! ```text
//! H = keccak-256(domain ‖ chain id (8, big-endian) ‖ sender ‖ block hash ‖ nonce (8, big-endian))
//! ```
//!
//! Its first 8 bytes as a number are at most `(2^64 - 1) / expected` for a
//! solution of `expected` expected hashes. Smaller numbers rank higher.

use alloy_primitives::Keccak256;

use crate::{Address, B256};

const DOMAIN: &[u8] = b"crowdfold/registration/1\0";

/// The number of a nonce; the smaller, the more work it shows.
#[must_use]
pub fn score(chain_id: u64, sender: Address, block_hash: B256, nonce: u64) -> u64 {
    let mut hasher = Keccak256::new();
    hasher.update(DOMAIN);
    hasher.update(chain_id.to_be_bytes());
    hasher.update(sender);
    hasher.update(block_hash);
    hasher.update(nonce.to_be_bytes());
    let hash = hasher.finalize();
    let [a, b, c, d, e, f, g, h, ..] = hash.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Largest score that shows `expected` expected hashes (at least 1).
#[must_use]
pub fn threshold(expected: u64) -> u64 {
    u64::MAX / expected.max(1)
}

/// The first solution among `attempts` nonces from `start` on.
#[must_use]
pub fn solve(
    chain_id: u64,
    sender: Address,
    block_hash: B256,
    expected: u64,
    start: u64,
    attempts: u64,
) -> Option<u64> {
    let limit = threshold(expected);
    (0..attempts).map(|i| start.wrapping_add(i)).find(|nonce| score(chain_id, sender, block_hash, *nonce) <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solution_is_bound_to_everything_and_costs_what_is_expected() {
        let (sender, hash) = (Address::repeat_byte(1), B256::repeat_byte(2));
        let nonce = solve(3, sender, hash, 500, 0, 100_000).expect("in 200 times the expectation");
        let own = score(3, sender, hash, nonce);
        assert!(own <= threshold(500));
        assert_ne!(own, score(4, sender, hash, nonce));
        assert_ne!(own, score(3, Address::ZERO, hash, nonce));
        assert_ne!(own, score(3, sender, B256::ZERO, nonce));
        assert_ne!(own, score(3, sender, hash, nonce + 1));
        assert_eq!(solve(3, sender, hash, 500, 0, nonce), None, "the first solution was found");
        let found = (0..50_000).filter(|n| score(3, sender, hash, *n) <= threshold(500)).count();
        assert!((60..150).contains(&found), "{found} of 100 expected");
        assert_eq!(threshold(0), u64::MAX);
    }
}
