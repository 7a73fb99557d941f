//! Powers of a *declared* tau times the generator of G1, for development.
//!
//! Anyone who knows tau can open a commitment to any value. These keys exist so
//! that everything runs without a ceremony file; [`key`](super::key) keeps them
//! off a chain whose genesis names a ceremony.
//!
//! Method: fixed-base windows. With tables of d·2^(wb)·G for all digits d of
//! window w, a multiple of G is a sum of one table entry per window; the sums
//! of a whole block of multiples share their inversions.

use crate::{
    Scalar,
    proof::{curve::add_pairs, transcript},
};
use ff::{Field, PrimeField};
use nova_snark::provider::{
    bn256_grumpkin::bn256::{Affine, Base, Point},
    traits::DlogGroup,
};
use rayon::prelude::*;

/// Bits per window. Tables hold 2^13 points for each of 20 windows: 10 MB.
const WINDOW_BITS: u32 = 13;
/// Multiples computed together by one rayon task.
const BLOCK: usize = 1 << 12;

/// The declared tau: `uint256(keccak256("crowdfold.development-tau.v1")) mod r`.
#[must_use]
pub(crate) fn development_tau() -> Scalar {
    transcript::reduce(&transcript::keccak(&[b"crowdfold.development-tau.v1"]))
}

/// `[G, tau·G, …, tau^(count-1)·G]`.
pub(crate) fn powers_of(tau: &Scalar, count: usize) -> Vec<Affine> {
    // Small keys do not repay whole tables.
    let bits = if count >= BLOCK { WINDOW_BITS } else { 6 };
    let tables = tables(bits);
    let infinity = Affine { x: Base::ZERO, y: Base::ZERO };
    let mut points = vec![infinity; count];
    points.par_chunks_mut(BLOCK).enumerate().for_each(|(block, points)| {
        let mut power = tau.pow_vartime([(block * BLOCK) as u64]);
        let scalars: Vec<_> = points
            .iter()
            .map(|_| {
                let repr = power.to_repr();
                power *= tau;
                repr
            })
            .collect();
        let mut summands = vec![infinity; points.len()];
        for (window, table) in tables.iter().enumerate() {
            for (summand, scalar) in summands.iter_mut().zip(&scalars) {
                *summand = table[digit(scalar.as_ref(), window as u32 * bits, bits)];
            }
            add_pairs(points, &summands);
        }
    });
    points
}

/// `bits` bits of a little-endian number from bit `from` on.
fn digit(bytes: &[u8], from: u32, bits: u32) -> usize {
    let start = (from / 8) as usize;
    let mut word = 0u64;
    for (index, byte) in bytes.iter().skip(start).take(4).enumerate() {
        word |= u64::from(*byte) << (8 * index);
    }
    ((word >> (from % 8)) & ((1 << bits) - 1)) as usize
}

/// For each window w the points d·2^(w·bits)·G for d in 0..2^bits.
fn tables(bits: u32) -> Vec<Vec<Affine>> {
    let windows = Scalar::NUM_BITS.div_ceil(bits);
    let mut bases = Vec::with_capacity(windows as usize);
    let mut base = Point::r#gen();
    for _ in 0..windows {
        bases.push(base.affine());
        for _ in 0..bits {
            base = base + base;
        }
    }
    bases.into_par_iter().map(|base| multiples(base, bits)).collect()
}

/// `[0, B, 2B, …, (2^bits - 1)B]`.
fn multiples(base: Affine, bits: u32) -> Vec<Affine> {
    let infinity = Affine { x: Base::ZERO, y: Base::ZERO };
    // Each round appends the known part shifted by its own length.
    let mut known = vec![infinity];
    let mut shift = base;
    for _ in 0..bits {
        let mut shifted = known.clone();
        add_pairs(&mut shifted, &vec![shift; known.len()]);
        known.extend_from_slice(&shifted);
        let mut doubled = [shift];
        add_pairs(&mut doubled, &[shift]);
        shift = doubled[0];
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_those_of_the_group() {
        let tau = development_tau();
        for count in [1, 2, 100, BLOCK + 3] {
            let points = powers_of(&tau, count);
            assert_eq!(points.len(), count);
            for index in [0, count / 2, count - 1] {
                let expected = Point::r#gen() * tau.pow_vartime([index as u64]);
                assert_eq!(points[index], expected.affine(), "{index} of {count}");
            }
        }
    }
}
