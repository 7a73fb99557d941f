//! Poseidon over [`Scalar`]: one permutation per hash, domain-separated.
//!
//! `H_n(domain, x_1..x_n)` is element 1 of `permute(cap, x_1, .., x_n)`, where
//! `cap` is the tag that the SAFE-style sponge API derives from the pattern
//! "absorb n, squeeze 1" and the domain number. It equals nova-snark's
//! `Sponge` and `SpongeCircuit` with the same pattern bit for bit (tested), so
//! either side may be replaced by that crate's.
//!
//! The permutation is the optimised form of the Poseidon paper (eprint
//! 2019/458, appendix B): `RF` full rounds around `RP` partial rounds, x^5,
//! round keys moved behind the S-boxes, partial rounds with sparse matrices.
//! The numbers (Cauchy matrix, Grain keys, round counts at 128 bits) are
//! nova-snark's, read once through its serialised [`PoseidonConstants`].
//!
//! [`gadget`] is the same in a circuit.
//!
//! The tests establish equality with nova-snark, not the security of its
//! parameters.

pub mod gadget;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use ff::{Field, PrimeField};
use nova_snark::frontend::gadgets::poseidon::{IOPattern, PoseidonConstants, SpongeOp};
use serde::{Deserialize, Serialize};
use typenum::{U2, U4, U8, U24};

use crate::Scalar;

/// What a digest stands for. The number enters the capacity of the sponge, so
/// digests of different domains never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Domain {
    /// A leaf of the state tree (arity 8).
    Leaf = 1,
    /// An inner node of the state tree (arity 4).
    Node = 2,
    /// The leaf position that was never used (arity 8).
    Empty = 3,
    /// An account's code hash and storage root (arity 4).
    Rest = 4,
    /// The chain's state root: tree root and leaf count (arity 4).
    Root = 5,
    /// The chain that absorbs the ports of a segment (arity 24).
    Bus = 6,
    /// The statement of an item (arity 24).
    Statement = 7,
    /// The challenges drawn from a finished chain (arity 2).
    Challenge = 8,
    /// The block environment of an item (arity 8).
    Env = 9,
    /// The running digest of a settlement's entries (arity 4).
    Settlement = 10,
}

impl Domain {
    /// Every domain, in the order of its number.
    pub const ALL: [Self; 10] = [
        Self::Leaf,
        Self::Node,
        Self::Empty,
        Self::Rest,
        Self::Root,
        Self::Bus,
        Self::Statement,
        Self::Challenge,
        Self::Env,
        Self::Settlement,
    ];

    const fn slot(self) -> usize {
        self as usize - 1
    }
}

/// The sparse matrix behind one partial round: first column and first row
/// dense, identity elsewhere.
struct Sparse<const T: usize> {
    column: [Scalar; T],
    /// Entry 0 is unused.
    row: [Scalar; T],
}

/// Keys and matrices of the permutation of width `T`.
struct Parameters<const T: usize> {
    /// Half of the full rounds.
    half: usize,
    /// Keys added before the first S-box.
    first_keys: [Scalar; T],
    /// Keys added behind each full round's S-boxes; the last round has none.
    full_keys: Vec<[Scalar; T]>,
    /// Key added behind each partial round's S-box.
    partial_keys: Vec<Scalar>,
    /// `out[j] = Σ_i mds[j][i]·in[i]`.
    mds: [[Scalar; T]; T],
    /// Replaces `mds` in the last full round before the partial ones.
    pre_sparse: [[Scalar; T]; T],
    sparse: Vec<Sparse<T>>,
    /// The capacity element of every domain, by [`Domain::slot`].
    capacity: [Scalar; Domain::ALL.len()],
}

/// The leading fields of nova-snark's serialised constants.
#[derive(Deserialize)]
struct Exported {
    /// m, m⁻¹ and four derived matrices; only m is used.
    mds: [Vec<Vec<Scalar>>; 6],
    keys: Vec<Scalar>,
    pre_sparse: Vec<Vec<Scalar>>,
    sparse: Vec<(Vec<Scalar>, Vec<Scalar>)>,
    _strength: u32,
    full_rounds: u64,
    partial_rounds: u64,
}

fn export(constants: &impl Serialize) -> Exported {
    let codec = bincode::config::standard();
    let bytes =
        bincode::serde::encode_to_vec(constants, codec).expect("invariant: plain vectors of field elements serialise");
    bincode::serde::decode_from_slice::<Exported, _>(&bytes, codec)
        .expect("invariant: the pinned nova-snark writes these fields in this order")
        .0
}

fn row<const T: usize>(values: &[Scalar]) -> [Scalar; T] {
    values.try_into().expect("invariant: rows of the exported constants are one width long")
}

fn transposed<const T: usize>(matrix: &[Vec<Scalar>]) -> [[Scalar; T]; T] {
    std::array::from_fn(|j| std::array::from_fn(|i| matrix[i][j]))
}

impl<const T: usize> Parameters<T> {
    fn new(exported: &Exported) -> Self {
        let half = exported.full_rounds as usize / 2;
        let partial = exported.partial_rounds as usize;
        let (first, rest) = exported.keys.split_at(T);
        let (before, rest) = rest.split_at(T * half);
        let (middle, after) = rest.split_at(partial);
        let pattern = IOPattern(vec![SpongeOp::Absorb(T as u32 - 1), SpongeOp::Squeeze(1)]);
        Self {
            half,
            first_keys: row(first),
            full_keys: before.chunks(T).chain(after.chunks(T)).map(row).collect(),
            partial_keys: middle.to_vec(),
            mds: transposed(&exported.mds[0]),
            pre_sparse: transposed(&exported.pre_sparse),
            sparse: exported
                .sparse
                .iter()
                .map(|(column, rest)| Sparse {
                    column: row(column),
                    row: std::array::from_fn(|i| if i == 0 { Scalar::ZERO } else { rest[i - 1] }),
                })
                .collect(),
            capacity: Domain::ALL.map(|d| Scalar::from_u128(pattern.value(d as u32))),
        }
    }

    /// `H(domain, inputs)`; `inputs` holds `T - 1` elements.
    fn hash(&self, domain: Domain, inputs: &[Scalar]) -> Scalar {
        debug_assert_eq!(inputs.len(), T - 1);
        let mut state = [self.capacity[domain.slot()]; T];
        state[1..].copy_from_slice(inputs);
        self.permute(&mut state)
    }

    /// Permutes `state` up to the last matrix, of which only the row of the
    /// digest is applied, and returns the digest.
    fn permute(&self, state: &mut [Scalar; T]) -> Scalar {
        for (x, key) in state.iter_mut().zip(&self.first_keys) {
            *x += key;
        }
        for (round, keys) in self.full_keys[..self.half].iter().enumerate() {
            for (x, key) in state.iter_mut().zip(keys) {
                *x = power5(x) + key;
            }
            let last = round + 1 == self.half;
            *state = apply(if last { &self.pre_sparse } else { &self.mds }, state);
        }
        for (key, matrix) in self.partial_keys.iter().zip(&self.sparse) {
            state[0] = power5(&state[0]) + key;
            let head = dot(&matrix.column, state);
            for j in 1..T {
                state[j] += matrix.row[j] * state[0];
            }
            state[0] = head;
        }
        for keys in &self.full_keys[self.half..] {
            for (x, key) in state.iter_mut().zip(keys) {
                *x = power5(x) + key;
            }
            *state = apply(&self.mds, state);
        }
        for x in state.iter_mut() {
            *x = power5(x);
        }
        dot(&self.mds[1], state)
    }
}

fn power5(x: &Scalar) -> Scalar {
    x.square().square() * x
}

fn dot<const T: usize>(a: &[Scalar; T], b: &[Scalar; T]) -> Scalar {
    let mut sum = a[0] * b[0];
    for i in 1..T {
        sum += a[i] * b[i];
    }
    sum
}

fn apply<const T: usize>(matrix: &[[Scalar; T]; T], state: &[Scalar; T]) -> [Scalar; T] {
    std::array::from_fn(|j| dot(&matrix[j], state))
}

macro_rules! arity {
    ($hash:ident, $parameters:ident, $n:literal, $width:literal, $marker:ty) => {
        fn $parameters() -> &'static Parameters<$width> {
            static CELL: OnceLock<Parameters<$width>> = OnceLock::new();
            CELL.get_or_init(|| Parameters::new(&export(&PoseidonConstants::<Scalar, $marker>::default())))
        }

        #[doc = concat!("The Poseidon digest of ", $n, " field elements under `domain`.")]
        pub fn $hash(domain: Domain, inputs: &[Scalar; $n]) -> Scalar {
            $parameters().hash(domain, inputs)
        }
    };
}

arity!(hash2, parameters2, 2, 3, U2);
arity!(hash4, parameters4, 4, 5, U4);
arity!(hash8, parameters8, 8, 9, U8);
arity!(hash24, parameters24, 24, 25, U24);
