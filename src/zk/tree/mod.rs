//! The state tree: an indexed Merkle tree over accounts.
//!
//! Arity 4, depth [`DEPTH`], so 2^32 leaf positions, used at consecutive
//! indices. A leaf `(key, next, nonce, balance, rest)` names the next greater
//! key in `next` (0 at the end): the leaves form one list sorted by key, which
//! is what proves that a key is absent. A key's value has no influence on its
//! position, so no grinding of keys can make an account unreachable.
//!
//! ```text
//! state root = H4(Root; tree root, leaf count, 0, 0)
//! node       = H4(Node; four children)
//! leaf       = H8(Leaf; key, next, nonce, balance, rest, 0, 0, 0)
//! unused     = H8(Empty; 0, ..)
//! rest       = H4(Rest; code hash hi, lo, storage root, 0)
//! ```
//!
//! Index 0 holds key 0, the head of the list. It is also the account of the
//! zero address, which therefore exists from the beginning and is never
//! created; with nonce and balance 0 the EVM cannot tell it from an absent one.
//!
//! A change is one of three operations ([`OpMode`]): *update* of a leaf's
//! nonce and balance; *link*, which puts a new key between a low leaf and its
//! successor; *insert*, which fills the position `leaf_count` with the new
//! leaf. An account comes into being by a link and then an insert of the same
//! key and next.
//!
//! [`native`] keeps the tree, [`ops`] states one operation with its witness
//! and checks it, [`circuit`] is the slot that proves it. [`StateTree::to_bytes`]
//! and [`TreeDelta`] keep a tree and its earlier versions on a disk.

pub mod circuit;
mod delta;
pub mod native;
pub mod ops;
mod snapshot;
mod store;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use ff::{Field, PrimeField};

pub use crate::accounts::Address;
use crate::{
    Scalar,
    poseidon::{Domain, hash4, hash8},
};
pub use delta::TreeDelta;
pub use native::StateTree;
pub use ops::{OpMode, OpWitness};

/// Children of an inner node.
pub const ARITY: usize = 4;
/// Levels of inner nodes between a leaf and the root.
pub const DEPTH: usize = 16;
/// Leaf positions: 4^16.
pub const LEAF_COUNT_MAX: u64 = 1 << (2 * DEPTH);
/// Bits of a key.
pub const KEY_BITS: usize = 160;

/// What the chain knows of an account without code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Transactions sent.
    pub nonce: u64,
    /// In the smallest unit of ZKPoW.
    pub balance: u128,
}

/// A leaf of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The account's address.
    pub key: Address,
    /// The next greater key in the tree; zero at the end of the list.
    pub next: Address,
    /// Nonce and balance.
    pub account: Account,
    /// Digest of code hash and storage root.
    pub rest: Scalar,
}

impl Leaf {
    /// All zero: what stands in an insert's witness for the leaf before.
    pub const ZERO: Self =
        Self { key: [0; 20], next: [0; 20], account: Account { nonce: 0, balance: 0 }, rest: Scalar::ZERO };

    /// The leaf's five field elements, in the order in which they are hashed.
    pub fn elements(&self) -> [Scalar; 5] {
        [
            key_scalar(&self.key),
            key_scalar(&self.next),
            Scalar::from(self.account.nonce),
            Scalar::from_u128(self.account.balance),
            self.rest,
        ]
    }

    /// The leaf's digest.
    pub fn hash(&self) -> Scalar {
        let [key, next, nonce, balance, rest] = self.elements();
        let zero = Scalar::ZERO;
        hash8(Domain::Leaf, &[key, next, nonce, balance, rest, zero, zero, zero])
    }
}

/// One change that an item makes to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateOp {
    /// Gives an existing account a nonce and a balance.
    Set {
        /// Whose.
        address: Address,
        /// New values.
        account: Account,
    },
    /// Adds an account that does not exist.
    Create {
        /// Whose.
        address: Address,
        /// First values.
        account: Account,
    },
}

/// Why a change or a witness is refused. The first three are the caller's
/// fault, the others that of whoever made the witness.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// `Set` of an account that does not exist.
    #[error("no account {}", hex_key(.0))]
    Missing(Address),
    /// `Create` of an account that exists, or a key given twice.
    #[error("account {} exists", hex_key(.0))]
    Exists(Address),
    /// All positions are used.
    #[error("all {LEAF_COUNT_MAX} leaf positions are used")]
    Full,
    /// A witness breaks a rule of its mode.
    #[error("{mode:?} of leaf {index}: {rule}")]
    Rule {
        /// The operation.
        mode: OpMode,
        /// The leaf's index.
        index: u32,
        /// What does not hold.
        rule: Rule,
    },
    /// A path does not lead to the root that the witness names.
    #[error("leaf {index}: path leads to another root {which}")]
    Path {
        /// The leaf's index.
        index: u32,
        /// Which of the two roots.
        which: Side,
    },
    /// Consecutive witnesses do not fit together.
    #[error("operation {position} does not continue the one before")]
    Chain {
        /// Position of the second of the two.
        position: usize,
    },
    /// Bytes that do not encode a witness.
    #[error("malformed witness: {0}")]
    Malformed(Malformed),
    /// Bytes that do not encode a tree or a delta.
    #[error("malformed tree: {0}")]
    Bytes(MalformedTree),
}

/// Before or after an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Side {
    /// The root before.
    #[error("before")]
    Before,
    /// The root after.
    #[error("after")]
    After,
}

/// A rule that an operation must keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// Key, next or rest may not change.
    #[error("a field changes that must stay")]
    FieldChanged,
    /// A link must put the new key strictly between low key and next.
    #[error("the new key is not strictly between low key and next")]
    Order,
    /// An insert fills the position `leaf_count`.
    #[error("the index is not the leaf count")]
    Index,
    /// An insert starts from the unused leaf.
    #[error("the leaf before is not the unused one")]
    NotUnused,
    /// A new account has no code and no storage.
    #[error("a new account has code or storage")]
    Rest,
    /// The first key after 0 cannot be 0.
    #[error("key zero cannot be inserted")]
    ZeroKey,
}

/// What is wrong with encoded bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not the one length that a witness has.
    #[error("{0} bytes")]
    Length(usize),
    /// No such mode.
    #[error("mode {0}")]
    Mode(u8),
    /// A field element that is not below the modulus.
    #[error("non-canonical field element at byte {0}")]
    Scalar(usize),
}

/// What is wrong with the bytes of a tree or of a delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedTree {
    /// Not the one length that the counts in front give.
    #[error("{found} bytes, the counts give {expected}")]
    Length {
        /// Bytes given.
        found: usize,
        /// Bytes that the counts give.
        expected: u64,
    },
    /// No leaf, or more than there are positions.
    #[error("{0} leaves")]
    Leaves(u32),
    /// The first leaf is not that of the zero address.
    #[error("the first leaf is not that of the zero address")]
    Head,
    /// A key stands twice.
    #[error("leaf {0} has the key of another")]
    TwiceKey(u32),
    /// A field element that is not below the modulus.
    #[error("non-canonical field element at byte {0}")]
    Scalar(usize),
    /// A delta for a tree of another size, or an entry outside its tree.
    #[error("entry {entry} of the delta is outside a tree of {leaves} leaves")]
    Outside {
        /// Which entry; the leaf count itself is entry 0.
        entry: u32,
        /// Leaves of the tree.
        leaves: u64,
    },
    /// A digest is not that of what is below it.
    #[error("digest {position} of level {level} is not that of what is below it")]
    Digest {
        /// Levels above the leaves.
        level: usize,
        /// Position in its level.
        position: usize,
    },
}

fn hex_key(key: &Address) -> String {
    key.iter().map(|b| format!("{b:02x}")).collect()
}

/// The integer that an address is, as a field element.
pub fn key_scalar(key: &Address) -> Scalar {
    let mut repr = <Scalar as PrimeField>::Repr::default();
    for (to, from) in repr.as_mut().iter_mut().zip(key.iter().rev()) {
        *to = *from;
    }
    Option::from(Scalar::from_repr(repr)).expect("invariant: 160 bits are below the modulus")
}

/// `H4(Node; children)`.
pub fn node_hash(children: &[Scalar; ARITY]) -> Scalar {
    hash4(Domain::Node, children)
}

/// The state root that the chain shows: the tree's root and the next free index.
pub fn state_root(tree_root: Scalar, leaf_count: u64) -> Scalar {
    hash4(Domain::Root, &[tree_root, Scalar::from(leaf_count), Scalar::ZERO, Scalar::ZERO])
}

/// Digest of an unused subtree whose top is `level` levels above the leaves
/// (0 is an unused leaf, [`DEPTH`] a whole unused tree).
pub fn empty_hash(level: usize) -> Scalar {
    static CELL: OnceLock<[Scalar; DEPTH + 1]> = OnceLock::new();
    CELL.get_or_init(|| {
        let mut digests = [hash8(Domain::Empty, &[Scalar::ZERO; 8]); DEPTH + 1];
        for level in 1..=DEPTH {
            digests[level] = node_hash(&[digests[level - 1]; ARITY]);
        }
        digests
    })[level]
}

/// The `rest` of an account without code: the Keccak-256 of nothing, split in
/// its 128-bit halves, and storage root 0.
pub fn empty_rest() -> Scalar {
    static CELL: OnceLock<Scalar> = OnceLock::new();
    *CELL.get_or_init(|| {
        let hi = 0xc5d2_4601_86f7_233c_927e_7db2_dcc7_03c0;
        let lo = 0xe500_b653_ca82_273b_7bfa_d804_5d85_a470;
        let halves = [hi, lo].map(Scalar::from_u128);
        hash4(Domain::Rest, &[halves[0], halves[1], Scalar::ZERO, Scalar::ZERO])
    })
}
