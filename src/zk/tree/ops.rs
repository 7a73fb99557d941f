//! One low-level operation with everything that proves it.
//!
//! A prover gets these from a node it does not trust: [`OpWitness::verify`]
//! checks every rule that the circuit enforces, so that a verified witness can
//! always be proven.

use ff::{Field, PrimeField};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    ARITY, Account, Address, DEPTH, LEAF_COUNT_MAX, Leaf, Malformed, Rule, Side, TreeError, empty_hash, empty_rest,
    key_scalar, node_hash,
};
use crate::Scalar;

/// What an operation does; the number is the `mode` of its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OpMode {
    /// Gives a leaf a nonce and a balance.
    Update = 0,
    /// Gives a low leaf a new successor.
    Link = 1,
    /// Fills the next unused position.
    Insert = 2,
}

/// A low-level operation and its witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpWitness {
    /// What it does.
    pub mode: OpMode,
    /// Its number within the item, from 0.
    pub seq: u32,
    /// Position of the leaf.
    pub index: u32,
    /// The leaf before; [`Leaf::ZERO`] for an insert.
    pub old: Leaf,
    /// The leaf after.
    pub new: Leaf,
    /// From the leaves upwards, the three siblings in position order.
    pub siblings: [[Scalar; ARITY - 1]; DEPTH],
    /// The tree's root before.
    pub root_before: Scalar,
    /// The tree's root after.
    pub root_after: Scalar,
    /// Used positions before.
    pub leaf_count_before: u64,
}

/// Bytes of an encoded leaf: key, next, nonce, balance, rest.
const LEAF_LEN: usize = 20 + 20 + 8 + 16 + 32;

impl OpWitness {
    /// Bytes of every encoded witness.
    pub const ENCODED_LEN: usize = 1 + 4 + 4 + 8 + 2 * LEAF_LEN + 32 * (2 + DEPTH * (ARITY - 1));

    /// The TREE payload: seq, mode, key, next, nonce before, balance before,
    /// nonce after, balance after. What a mode does not say is 0.
    pub fn message(&self) -> [Scalar; 8] {
        let (key, next, before, after) = match self.mode {
            OpMode::Update => (self.old.key, [0; 20], self.old.account, self.new.account),
            OpMode::Link => (self.new.next, self.old.next, Account::default(), Account::default()),
            OpMode::Insert => (self.new.key, self.new.next, Account::default(), self.new.account),
        };
        [
            Scalar::from(u64::from(self.seq)),
            Scalar::from(self.mode as u64),
            key_scalar(&key),
            key_scalar(&next),
            Scalar::from(before.nonce),
            Scalar::from_u128(before.balance),
            Scalar::from(after.nonce),
            Scalar::from_u128(after.balance),
        ]
    }

    /// Used positions after.
    pub const fn leaf_count_after(&self) -> u64 {
        match self.mode {
            OpMode::Update | OpMode::Link => self.leaf_count_before,
            OpMode::Insert => self.leaf_count_before.saturating_add(1),
        }
    }

    /// Checks every rule of the mode and both paths.
    ///
    /// # Errors
    /// [`TreeError::Rule`] or [`TreeError::Path`]: whoever made the witness is
    /// at fault.
    pub fn verify(&self) -> Result<(), TreeError> {
        self.check_rules().map_err(|rule| TreeError::Rule { mode: self.mode, index: self.index, rule })?;
        let before = match self.mode {
            OpMode::Insert => empty_hash(0),
            OpMode::Update | OpMode::Link => self.old.hash(),
        };
        for (which, leaf, root) in
            [(Side::Before, before, self.root_before), (Side::After, self.new.hash(), self.root_after)]
        {
            if self.climb(leaf) != root {
                return Err(TreeError::Path { index: self.index, which });
            }
        }
        Ok(())
    }

    fn check_rules(&self) -> Result<(), Rule> {
        let (old, new) = (&self.old, &self.new);
        match self.mode {
            OpMode::Update => {
                ensure(new.key == old.key, Rule::FieldChanged)?;
                ensure(new.next == old.next, Rule::FieldChanged)?;
                ensure(new.rest == old.rest, Rule::FieldChanged)
            }
            OpMode::Link => {
                ensure(new.key == old.key, Rule::FieldChanged)?;
                ensure(new.account == old.account, Rule::FieldChanged)?;
                ensure(new.rest == old.rest, Rule::FieldChanged)?;
                let key = new.next;
                ensure(old.key < key, Rule::Order)?;
                ensure(old.next == [0; 20] || key < old.next, Rule::Order)
            }
            OpMode::Insert => {
                ensure(*old == Leaf::ZERO, Rule::NotUnused)?;
                ensure(new.rest == empty_rest(), Rule::Rest)?;
                ensure(self.leaf_count_before < LEAF_COUNT_MAX, Rule::Index)?;
                ensure(u64::from(self.index) == self.leaf_count_before, Rule::Index)
            }
        }
    }

    /// The root over `leaf` at this index with these siblings.
    fn climb(&self, leaf: Scalar) -> Scalar {
        let mut position = self.index as usize;
        self.siblings.iter().fold(leaf, |digest, siblings| {
            let own = position % ARITY;
            position /= ARITY;
            let mut others = siblings.iter();
            let children = std::array::from_fn(|i| match i == own {
                true => digest,
                false => *others.next().expect("invariant: three siblings, four children"),
            });
            node_hash(&children)
        })
    }

    /// Verifies the operations of one item: each one, numbers from 0, that each
    /// begins where the one before ended, and that link and insert come in
    /// pairs of the same key and next.
    ///
    /// # Errors
    /// As [`OpWitness::verify`], and [`TreeError::Chain`].
    pub fn verify_all(ops: &[Self]) -> Result<(), TreeError> {
        for (position, op) in ops.iter().enumerate() {
            let last = position.checked_sub(1).map(|p| &ops[p]);
            let follows = last.is_none_or(|last| {
                last.root_after == op.root_before && last.leaf_count_after() == op.leaf_count_before
            });
            let paired = match last.filter(|last| last.mode == OpMode::Link) {
                Some(link) => op.mode == OpMode::Insert && (op.new.key, op.new.next) == (link.new.next, link.old.next),
                None => op.mode != OpMode::Insert,
            };
            let left_alone = op.mode == OpMode::Link && position + 1 == ops.len();
            if !follows || !paired || left_alone || op.seq as usize != position {
                return Err(TreeError::Chain { position });
            }
            op.verify()?;
        }
        Ok(())
    }

    /// The one encoding: mode, seq, index, leaf count, old and new leaf
    /// (addresses as they are, integers little-endian), roots, siblings; field
    /// elements as 32 bytes little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::ENCODED_LEN);
        out.push(self.mode as u8);
        out.extend(self.seq.to_le_bytes());
        out.extend(self.index.to_le_bytes());
        out.extend(self.leaf_count_before.to_le_bytes());
        for leaf in [&self.old, &self.new] {
            out.extend(leaf.key);
            out.extend(leaf.next);
            out.extend(leaf.account.nonce.to_le_bytes());
            out.extend(leaf.account.balance.to_le_bytes());
            out.extend(leaf.rest.to_repr().as_ref());
        }
        out.extend(self.root_before.to_repr().as_ref());
        out.extend(self.root_after.to_repr().as_ref());
        for sibling in self.siblings.as_flattened() {
            out.extend(sibling.to_repr().as_ref());
        }
        out
    }

    /// Reads [`OpWitness::to_bytes`]; nothing is verified.
    ///
    /// # Errors
    /// [`TreeError::Malformed`] for another length, an unknown mode or a field
    /// element that is not canonical.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TreeError> {
        if bytes.len() != Self::ENCODED_LEN {
            return Err(TreeError::Malformed(Malformed::Length(bytes.len())));
        }
        let mut reader = Reader { bytes, at: 0 };
        let [mode] = reader.take();
        let mode = match mode {
            0 => OpMode::Update,
            1 => OpMode::Link,
            2 => OpMode::Insert,
            other => return Err(TreeError::Malformed(Malformed::Mode(other))),
        };
        let seq = u32::from_le_bytes(reader.take());
        let index = u32::from_le_bytes(reader.take());
        let leaf_count_before = u64::from_le_bytes(reader.take());
        let (old, new) = (reader.leaf()?, reader.leaf()?);
        let (root_before, root_after) = (reader.scalar()?, reader.scalar()?);
        let mut siblings = [[Scalar::ZERO; ARITY - 1]; DEPTH];
        for sibling in siblings.as_flattened_mut() {
            *sibling = reader.scalar()?;
        }
        Ok(Self { mode, seq, index, old, new, siblings, root_before, root_after, leaf_count_before })
    }
}

fn ensure(holds: bool, rule: Rule) -> Result<(), Rule> {
    if holds { Ok(()) } else { Err(rule) }
}

/// Reads from bytes whose length was checked.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let from = self.at;
        self.at += N;
        self.bytes[from..self.at].try_into().expect("invariant: a range of N bytes")
    }

    fn scalar(&mut self) -> Result<Scalar, TreeError> {
        let at = self.at;
        let mut repr = <Scalar as PrimeField>::Repr::default();
        repr.as_mut().copy_from_slice(&self.take::<32>());
        Option::from(Scalar::from_repr(repr)).ok_or(TreeError::Malformed(Malformed::Scalar(at)))
    }

    fn leaf(&mut self) -> Result<Leaf, TreeError> {
        let key: Address = self.take();
        let next: Address = self.take();
        let nonce = u64::from_le_bytes(self.take());
        let balance = u128::from_le_bytes(self.take());
        let rest = self.scalar()?;
        Ok(Leaf { key, next, account: Account { nonce, balance }, rest })
    }
}

impl Serialize for OpWitness {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for OpWitness {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> de::Visitor<'de> for Bytes {
            type Value = OpWitness;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{} bytes", OpWitness::ENCODED_LEN)
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<OpWitness, E> {
                OpWitness::from_bytes(bytes).map_err(E::custom)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<OpWitness, A::Error> {
                let mut bytes = Vec::with_capacity(OpWitness::ENCODED_LEN);
                while let Some(byte) = seq.next_element()? {
                    if bytes.len() == OpWitness::ENCODED_LEN {
                        return Err(de::Error::invalid_length(bytes.len() + 1, &self));
                    }
                    bytes.push(byte);
                }
                OpWitness::from_bytes(&bytes).map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
