//! Points that are constants of the circuit.
//!
//! The offsets `H` (in every entry of the table of a signature's points) and
//! `H0` (the accumulator's start) exist in [`VARIANTS`] independent families,
//! of which a chain uses one. They are hashed to the curve:
//! `x = keccak256(DOMAIN ‖ label ‖ counter)`, big endian, counter 0, 1, 2, …
//! (4 bytes, big endian) until `x < p` is an abscissa; the even ordinate.
//! Nobody knows a relation between them and G, which is why one of the families
//! proves any signature: see the [module's header](super). The generator's
//! table is the same for both families; its offset is the first family's `H`.
//! Soundness does not rest on this: every addition proves that its abscissas
//! differ.

use super::native::{Affine, Fe, GENERATOR, LazyValue, scalar_from_i128, words_from_be};
use super::{K_WORDS, ROUNDS};
use crate::Scalar;
use ff::Field;
use sha3::{Digest, Keccak256};
use std::sync::OnceLock;

const DOMAIN: &[u8] = b"crowdfold secp256k1 ecdsa offset point";
/// Columns of the generator table: eight limbs of x, then y's residue in the
/// proof's field and y modulo 2^64.
pub(super) const COLUMNS: usize = 10;

/// Families of offsets, one per value of a chain's variant bit.
pub(super) const VARIANTS: usize = 2;

/// The offsets of one variant of the chain.
pub(super) struct Family {
    /// `H`: offset of every entry of the table of a signature's points.
    pub(super) offset: Affine,
    /// `H0`: where the accumulator starts.
    pub(super) start: Affine,
    /// Where it ends if the signature is valid: the sum of all offsets.
    pub(super) end: Affine,
}

/// Everything that is computed once per process.
pub(super) struct Constants {
    /// The offsets by variant; `false` is the first.
    families: [Family; VARIANTS],
    /// Entry `i`: `H - Σ_j (i_{2j} + 2·i_{2j+1})·2^(2·ROUNDS·j)·G`.
    pub(super) generator: Vec<Affine>,
    /// `partial[low][high][column]`: the table as polynomial in the four low
    /// index bits (monomial `low`), for given high bits.
    pub(super) partial: Vec<[[Scalar; COLUMNS]; 16]>,
    /// `coefficients[low][high][column]`: the table as polynomial in all bits.
    pub(super) coefficients: Vec<[[Scalar; COLUMNS]; 16]>,
}

impl Constants {
    /// The offsets of a variant.
    pub(super) fn family(&self, variant: bool) -> &Family {
        &self.families[usize::from(variant)]
    }

    /// A point of each family, first family first.
    pub(super) fn both(&self, point: impl Fn(&Family) -> Affine) -> [Affine; VARIANTS] {
        [point(&self.families[0]), point(&self.families[1])]
    }
}

fn hash_to_curve(label: &[u8]) -> Affine {
    (0u32..)
        .find_map(|counter| {
            let digest = Keccak256::new()
                .chain_update(DOMAIN)
                .chain_update(label)
                .chain_update(counter.to_be_bytes())
                .finalize();
            Affine::lift(Fe::from_words(words_from_be(&digest.into()))?)
        })
        .expect("invariant: half of all numbers are abscissas")
}

/// The scalar columns of a point as the circuit holds it.
pub(super) fn columns(point: Affine) -> [Scalar; COLUMNS] {
    let limbs = point.x.limbs();
    let y = LazyValue::from_limbs(&point.y.limbs());
    core::array::from_fn(|i| match i {
        0..8 => scalar_from_i128(i128::from(limbs[i])),
        8 => y.int.to_scalar(),
        _ => scalar_from_i128(y.low),
    })
}

fn build() -> Constants {
    let add = |a: Affine, b: Affine| a.add(b).expect("invariant: offsets are independent of the generator");

    let generator_offset = hash_to_curve(b"H");
    let mut generator = vec![generator_offset];
    let mut base = GENERATOR;
    for _ in 0..K_WORDS {
        for _ in 0..2 {
            let extended: Vec<Affine> = generator.iter().map(|p| add(*p, base.neg())).collect();
            generator.extend(extended);
            base = base.double();
        }
        // Two doublings are done; the next word starts 2·ROUNDS bits higher.
        for _ in 2..2 * ROUNDS {
            base = base.double();
        }
    }

    let family = |offset_label: &[u8], start_label: &[u8]| {
        let (offset, start) = (hash_to_curve(offset_label), hash_to_curve(start_label));
        // The loop of the circuit with all scalars zero.
        let end = (0..ROUNDS).fold(start, |acc, _| {
            let once = add(add(acc, offset), acc);
            let twice = add(add(once, offset), once);
            add(twice, generator_offset)
        });
        Family { offset, start, end }
    };
    let families = [family(b"H", b"H0"), family(b"H'", b"H0'")];
    let mut partial = vec![[[Scalar::ZERO; COLUMNS]; 16]; 16];
    for (index, point) in generator.iter().enumerate() {
        partial[index % 16][index / 16] = columns(*point);
    }
    // Möbius transform over the low bits, then over the high bits.
    for bit in 0..4 {
        for low in (0..16).filter(|l| l >> bit & 1 == 1) {
            let below = partial[low ^ (1 << bit)];
            for (row, other) in partial[low].iter_mut().zip(&below) {
                for (a, b) in row.iter_mut().zip(other) {
                    *a -= *b;
                }
            }
        }
    }
    let mut coefficients = partial.clone();
    for rows in &mut coefficients {
        for bit in 0..4 {
            for high in (0..16).filter(|h| h >> bit & 1 == 1) {
                let below = rows[high ^ (1 << bit)];
                for (a, b) in rows[high].iter_mut().zip(&below) {
                    *a -= *b;
                }
            }
        }
    }
    Constants { families, generator, partial, coefficients }
}

/// The constants, computed at the first call (a few milliseconds).
pub(super) fn constants() -> &'static Constants {
    static CONSTANTS: OnceLock<Constants> = OnceLock::new();
    CONSTANTS.get_or_init(build)
}
