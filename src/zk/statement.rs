//! The public statement of an item, and the public inputs of a segment.
//!
//! A statement says: *starting from state root `pre`, item `data` at `position`,
//! executed in block environment `env` by the chain's rules, ends in `post`; the
//! work was done for `task` by `worker`*. It is made of plain bytes here, so that
//! kernel, node, L1 and circuits agree on one encoding: field elements are
//! canonical (below the BN254 scalar modulus) big-endian 32-byte strings.
//!
//! Each segment's public inputs are the flags `first` and `last`, the statement,
//! the running values [`Z`] before and after it, and the bus challenges (γ, β).
//! [`SegmentPublic::to_vec`] has their order, which is the order in which the
//! circuit (module `segment`) comes to know them.

use ff::{Field, PrimeField};
use serde::{Deserialize, Serialize};

use crate::Scalar;

/// Segments of a transfer: an ECDSA verification takes two chunks.
pub const SEGMENTS_PER_TRANSFER: u32 = 2;
/// Entries that one segment of a settlement handles.
pub const SETTLEMENT_ENTRIES_PER_SEGMENT: u32 = 2;
/// Most segments that an item may have.
pub const MAX_SEGMENTS_PER_ITEM: u32 = 64;

/// Number of segments of a settlement with `entries` entries (at least one segment).
#[must_use]
pub const fn settlement_segments(entries: u32) -> u32 {
    let n = entries.div_ceil(SETTLEMENT_ENTRIES_PER_SEGMENT);
    if n == 0 { 1 } else { n }
}

/// A statement that does not encode field elements; the fault is its author's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// A 32-byte string is not below the field's modulus.
    #[error("{field} is not a canonical field element")]
    NotCanonical {
        /// Which field of the statement.
        field: &'static str,
    },
    /// The segment count is zero or above [`MAX_SEGMENTS_PER_ITEM`].
    #[error("an item cannot have {segments} segments")]
    Segments {
        /// The count that was stated.
        segments: u32,
    },
}

/// What an item's proof proves; see the module's header.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemStatement {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// L1 contract that the chain posts to (zero where there is none).
    pub contract: [u8; 20],
    /// Index of the item in the chain's order.
    pub position: u64,
    /// State root before the item.
    pub pre_root: [u8; 32],
    /// State root after the item.
    pub post_root: [u8; 32],
    /// Transfer: high half of keccak256(signing payload). Settlement: number of entries.
    pub data_hi: [u8; 32],
    /// Transfer: low half of keccak256(signing payload). Settlement: digest of the entries.
    pub data_lo: [u8; 32],
    /// Transfer: the signer. Settlement: zero.
    pub sender: [u8; 20],
    /// Digest of the block environment.
    pub env: [u8; 32],
    /// Address that is paid for the proof.
    pub worker: [u8; 20],
    /// Task that the proof answers.
    pub task: u64,
    /// Number of segments.
    pub segments: u32,
}

/// Number of field elements of a statement, the shape's digest included.
pub const STATEMENT_LEN: usize = 13;

/// Places of the statement's elements; `vk` is the digest of the shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementElements {
    /// In the order vk, chain, contract, position, pre, post, data_hi, data_lo,
    /// sender, env, worker, task, segments.
    pub elements: [Scalar; STATEMENT_LEN],
}

/// Index of an element in [`StatementElements`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[allow(missing_docs)] // The names are the fields of `ItemStatement`.
pub enum StatementIndex {
    Vk = 0,
    Chain = 1,
    Contract = 2,
    Position = 3,
    Pre = 4,
    Post = 5,
    DataHi = 6,
    DataLo = 7,
    Sender = 8,
    Env = 9,
    Worker = 10,
    Task = 11,
    Segments = 12,
}

impl ItemStatement {
    /// The statement as field elements, under the shape with digest `vk`.
    ///
    /// # Errors
    /// [`StatementError`] when a string is not canonical or the count is out of range.
    pub fn elements(&self, vk: Scalar) -> Result<StatementElements, StatementError> {
        if self.segments == 0 || self.segments > MAX_SEGMENTS_PER_ITEM {
            return Err(StatementError::Segments { segments: self.segments });
        }
        let field = |name, bytes| scalar_from_be(bytes).ok_or(StatementError::NotCanonical { field: name });
        Ok(StatementElements {
            elements: [
                vk,
                Scalar::from(self.chain_id),
                scalar_from_address(&self.contract),
                Scalar::from(self.position),
                field("pre_root", &self.pre_root)?,
                field("post_root", &self.post_root)?,
                field("data_hi", &self.data_hi)?,
                field("data_lo", &self.data_lo)?,
                scalar_from_address(&self.sender),
                field("env", &self.env)?,
                scalar_from_address(&self.worker),
                Scalar::from(self.task),
                Scalar::from(u64::from(self.segments)),
            ],
        })
    }
}

/// A canonical big-endian field element, or `None` at or above the modulus.
#[must_use]
pub fn scalar_from_be(bytes: &[u8; 32]) -> Option<Scalar> {
    let mut repr = *bytes;
    repr.reverse();
    Option::from(Scalar::from_repr(repr.into()))
}

/// A field element as a canonical big-endian string.
#[must_use]
pub fn scalar_to_be(scalar: &Scalar) -> [u8; 32] {
    let mut bytes: [u8; 32] = scalar.to_repr().into();
    bytes.reverse();
    bytes
}

/// An address as an integer below 2^160.
#[must_use]
pub fn scalar_from_address(address: &[u8; 20]) -> Scalar {
    let mut bytes = [0u8; 32];
    bytes[12..].copy_from_slice(address);
    scalar_from_be(&bytes).unwrap_or(Scalar::ZERO) // below 2^160, hence below the modulus
}

/// The running values between segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Z {
    /// 0 before the item logic, 1 inside a settlement, 2 after the item logic.
    pub phase: Scalar,
    /// Poseidon chain over the statement and every port of every segment so far.
    pub h: Scalar,
    /// Sum of the bus's fractions so far.
    pub bus: Scalar,
    /// Number of tree operations done so far.
    pub next_seq: Scalar,
    /// Root of the account tree.
    pub root: Scalar,
    /// Next free leaf index of the account tree.
    pub leaf_count: Scalar,
}

/// Number of running values.
pub const Z_LEN: usize = 6;

impl Z {
    /// The values in the order of the public inputs.
    #[must_use]
    pub fn to_array(&self) -> [Scalar; Z_LEN] {
        [self.phase, self.h, self.bus, self.next_seq, self.root, self.leaf_count]
    }

    /// From the values in the order of the public inputs.
    #[must_use]
    pub fn from_array(v: [Scalar; Z_LEN]) -> Self {
        let [phase, h, bus, next_seq, root, leaf_count] = v;
        Self { phase, h, bus, next_seq, root, leaf_count }
    }
}

/// The public inputs of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentPublic {
    /// This is the item's first segment.
    pub first: bool,
    /// This is the item's last segment.
    pub last: bool,
    /// Running values before it.
    pub z_in: Z,
    /// The item's statement, the same in all of its segments.
    pub statement: StatementElements,
    /// Bus challenge γ, the same in all segments of the item.
    pub gamma: Scalar,
    /// Bus challenge β, the same in all segments of the item.
    pub beta: Scalar,
    /// Running values after it.
    pub z_out: Z,
}

/// Number of public inputs of a segment.
pub const PUBLIC_LEN: usize = 2 + Z_LEN + STATEMENT_LEN + 2 + Z_LEN;

impl SegmentPublic {
    /// The vector X of the R1CS instance.
    #[must_use]
    pub fn to_vec(&self) -> Vec<Scalar> {
        let flag = |b: bool| if b { Scalar::ONE } else { Scalar::ZERO };
        let mut x = Vec::with_capacity(PUBLIC_LEN);
        x.extend([flag(self.first), flag(self.last)]);
        x.extend(self.statement.elements);
        for z in [&self.z_in, &self.z_out] {
            x.extend([z.phase, z.next_seq, z.root, z.leaf_count]);
        }
        x.extend([self.z_in.h, self.z_out.h, self.gamma, self.beta, self.z_in.bus, self.z_out.bus]);
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> ItemStatement {
        ItemStatement {
            chain_id: 1,
            contract: [2; 20],
            position: 3,
            pre_root: [4; 32],
            post_root: [5; 32],
            data_hi: [6; 32],
            data_lo: [7; 32],
            sender: [8; 20],
            env: [9; 32],
            worker: [10; 20],
            task: 11,
            segments: 3,
        }
    }

    #[test]
    fn every_field_has_its_own_element() {
        let base = statement().elements(Scalar::ONE).unwrap().elements;
        let changed: [(&str, ItemStatement); 12] = [
            ("chain_id", ItemStatement { chain_id: 99, ..statement() }),
            ("contract", ItemStatement { contract: [99; 20], ..statement() }),
            ("position", ItemStatement { position: 99, ..statement() }),
            ("pre_root", ItemStatement { pre_root: [1; 32], ..statement() }),
            ("post_root", ItemStatement { post_root: [1; 32], ..statement() }),
            ("data_hi", ItemStatement { data_hi: [1; 32], ..statement() }),
            ("data_lo", ItemStatement { data_lo: [1; 32], ..statement() }),
            ("sender", ItemStatement { sender: [99; 20], ..statement() }),
            ("env", ItemStatement { env: [1; 32], ..statement() }),
            ("worker", ItemStatement { worker: [99; 20], ..statement() }),
            ("task", ItemStatement { task: 99, ..statement() }),
            ("segments", ItemStatement { segments: 4, ..statement() }),
        ];
        for (i, (name, other)) in changed.iter().enumerate() {
            let other = other.elements(Scalar::ONE).unwrap().elements;
            for j in 0..STATEMENT_LEN {
                assert_eq!(base[j] == other[j], j != i + 1, "{name}, element {j}");
            }
        }
        assert_ne!(statement().elements(Scalar::ZERO).unwrap().elements[0], base[0]);
    }

    #[test]
    fn a_string_at_or_above_the_modulus_is_refused() {
        let modulus_be = scalar_to_be(&-Scalar::ONE);
        let mut at = modulus_be;
        at[31] += 1; // r is odd, so r - 1 ends in an even byte
        assert!(scalar_from_be(&modulus_be).is_some());
        let bad = ItemStatement { post_root: at, ..statement() };
        assert_eq!(bad.elements(Scalar::ONE), Err(StatementError::NotCanonical { field: "post_root" }));
        let bad = ItemStatement { segments: 0, ..statement() };
        assert_eq!(bad.elements(Scalar::ONE), Err(StatementError::Segments { segments: 0 }));
    }
}
