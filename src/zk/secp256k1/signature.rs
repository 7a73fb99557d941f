//! Chunk 0's checks: the signature's ranges, the curve, the scalars.
//!
//! Everything is multiplied by the gate (`is_first`): zeros satisfy it in the
//! other chunks, and whatever it yields is multiplied by the gate again.

use super::field::{
    Bit, Limbs, P_MINUS_1, Term, add_bits, alloc_bit, alloc_bits, enforce_at_most, enforce_nonzero, multiply,
};
use super::native::{ENDO_LAMBDA, Fe, HALF_N, N, limbs_of, scalar_from_i128};
use super::order::OrderSum;
use super::plan::SignatureValues;
use super::point::reduce;
use super::relation::{Lazy, Product, Sum};
use super::{K_WORDS, ROUNDS, STEP_BITS};
use crate::Scalar;
use ff::Field;
use nova_snark::frontend::{ConstraintSystem, SynthesisError, Variable};

/// A point's signed ordinate (residue and low part) and the relative sign of
/// its image under the endomorphism.
pub(super) struct SignedOrdinate {
    pub(super) residue: Variable,
    pub(super) low: Variable,
    pub(super) flip: Variable,
}

/// What the state of chunk 0 is made of.
pub(super) struct Signature {
    pub(super) z: Limbs,
    pub(super) q_x: Limbs,
    pub(super) q_y: Limbs,
    pub(super) r_x: Limbs,
    pub(super) p1: SignedOrdinate,
    pub(super) p3: SignedOrdinate,
    /// For every step its bits, `None` where there is none.
    pub(super) steps: Vec<[Option<Bit>; STEP_BITS]>,
}

/// `±(a + b·λ)`'s parts: magnitude bits, sign and signed limbs of both.
struct Multiplier {
    bits: [Vec<Bit>; 2],
    signs: [Bit; 2],
    /// The residue modulo n, a number below 2^256.
    residue: Limbs,
}

/// `r` is 0 modulo nothing below `2^35`: the sum of the limbs is not 0.
fn enforce_limbs_nonzero<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    gate: Bit,
    limbs: &Limbs,
) -> Result<(), SynthesisError> {
    let sum = limbs.value.iter().map(|l| i128::from(*l)).sum();
    enforce_nonzero(cs, gate, scalar_from_i128(sum), |lc| {
        limbs.terms.iter().fold(lc, |lc, t| t.add_to(lc, Scalar::ONE))
    })
}

/// `y² = x³ + 7` modulo p.
pub(super) fn enforce_on_curve<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    gate: Bit,
    (x, x_value): (&Limbs, Fe),
    y: &Limbs,
) -> Result<(), SynthesisError> {
    let square = Product::new(cs, &[(1, x)], &[(1, x)])?;
    let xx = reduce(cs, gate, x_value.square(), Sum { products: &[(1, &square)], ..Sum::default() })?;
    let xxx = Product::new(cs, &[(1, &xx)], &[(1, x)])?;
    let yy = Product::new(cs, &[(1, y)], &[(1, y)])?;
    Sum { products: &[(1, &xxx), (-1, &yy)], lazies: &[(1, &Lazy::constant(gate, Fe::from_u64(7)))], values: &[] }
        .enforce_zero_mod_p(cs, gate)
}

/// `gate - 2·sign`, the factor 1 or -1 of a sign bit.
fn sign_factor(gate: Bit, sign: Bit) -> i64 {
    i64::from(gate.val) - 2 * i64::from(sign.val)
}

fn multiplier<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    gate: Bit,
    values: &SignatureValues,
    which: usize,
) -> Result<Multiplier, SynthesisError> {
    let mut bits = [Vec::new(), Vec::new()];
    let mut signs = [gate; 2];
    let mut signed = Vec::with_capacity(2);
    for i in 0..2 {
        let component = values.components[2 * which + i];
        let magnitude = u128::from(component.magnitude);
        bits[i] = alloc_bits(cs, magnitude, 2 * ROUNDS)?;
        signs[i] = alloc_bit(cs, component.negative)?;
        let factor = sign_factor(gate, signs[i]);
        let mut limbs = Limbs::constant(gate, [0; 8]);
        for (l, chunk) in bits[i].chunks(32).enumerate() {
            let limb = factor * (magnitude >> (32 * l) & 0xffff_ffff) as i64;
            let var = multiply(
                cs,
                scalar_from_i128(i128::from(limb)),
                |lc| lc + gate.var - (Scalar::from(2), signs[i].var),
                |lc| add_bits(lc, chunk, Scalar::ONE),
            )?;
            limbs.terms[l] = Term::one(var);
            limbs.value[l] = limb;
        }
        signed.push(limbs);
    }
    let residue = Limbs::alloc(cs, limbs_of(if which == 0 { &values.alpha } else { &values.beta }))?;
    let lambda = Limbs::constant(gate, limbs_of(&ENDO_LAMBDA));
    let product = Product::new(cs, &[(1, &signed[1])], &[(1, &lambda)])?;
    OrderSum { products: &[(1, &product)], values: &[(1, &signed[0]), (-1, &residue)] }.enforce_zero_mod_n(cs, gate)?;
    Ok(Multiplier { bits, signs, residue })
}

/// `direction·sign·y` and the product of both signs: 3 constraints.
fn signed_ordinate<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    gate: Bit,
    signs: &[Bit; 2],
    direction: i64,
    y: &Limbs,
) -> Result<SignedOrdinate, SynthesisError> {
    let factor = i128::from(direction * sign_factor(gate, signs[0]));
    let direction = scalar_from_i128(i128::from(direction));
    let factor_of = |lc, sign: Bit, direction: Scalar| lc + (direction, gate.var) - (direction.double(), sign.var);
    let lazy = y.lazy_value();
    let residue = multiply(
        cs,
        scalar_from_i128(factor) * lazy.int.to_scalar(),
        |lc| factor_of(lc, signs[0], direction),
        |lc| y.add_all(lc, Scalar::ONE),
    )?;
    let low = multiply(
        cs,
        scalar_from_i128(factor * lazy.low),
        |lc| factor_of(lc, signs[0], direction),
        |lc| y.add_range(lc, 0, 2, Scalar::ONE),
    )?;
    let flip = sign_factor(gate, signs[0]) * sign_factor(gate, signs[1]);
    let flip = multiply(
        cs,
        scalar_from_i128(i128::from(flip)),
        |lc| factor_of(lc, signs[0], Scalar::ONE),
        |lc| factor_of(lc, signs[1], Scalar::ONE),
    )?;
    Ok(SignedOrdinate { residue, low, flip })
}

/// The bits of `a0, a1, b0, b1` and of k in the order of the steps; the same
/// layout as [`step_bits`](super::plan::step_bits).
fn schedule(alpha: &Multiplier, beta: &Multiplier, k: &[Bit]) -> Vec<[Option<Bit>; STEP_BITS]> {
    let components = [&alpha.bits[0], &alpha.bits[1], &beta.bits[0], &beta.bits[1]];
    let piece = |j: usize, bit: usize| k.get(2 * ROUNDS * j + bit).copied();
    (0..ROUNDS)
        .rev()
        .map(|round| {
            let (high, low) = (2 * round + 1, 2 * round);
            let mut step = [None; STEP_BITS];
            for (i, bits) in components.iter().enumerate() {
                step[i] = Some(bits[high]);
                step[4 + i] = Some(bits[low]);
            }
            for j in 0..K_WORDS {
                step[8 + 2 * j] = piece(j, low);
                step[9 + 2 * j] = piece(j, high);
            }
            step
        })
        .collect()
}

/// Synthesizes the checks.
pub(super) fn synthesize<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    gate: Bit,
    values: &SignatureValues,
) -> Result<Signature, SynthesisError> {
    let z = Limbs::alloc(cs, limbs_of(&values.z))?;
    let s = Limbs::alloc(cs, limbs_of(&values.s))?;
    let r_x = Limbs::alloc(cs, values.r.x.limbs())?;
    let r_y = Limbs::alloc(cs, values.r.y.limbs())?;
    let q_x = Limbs::alloc(cs, values.q.x.limbs())?;
    let q_y = Limbs::alloc(cs, values.q.y.limbs())?;

    let n_minus_1 = [N[0] - 1, N[1], N[2], N[3]];
    enforce_at_most(cs, gate, &r_x, &n_minus_1)?;
    enforce_limbs_nonzero(cs, gate, &r_x)?;
    enforce_at_most(cs, gate, &s, &HALF_N)?;
    enforce_limbs_nonzero(cs, gate, &s)?;
    enforce_at_most(cs, gate, &q_x, &P_MINUS_1)?;
    enforce_at_most(cs, gate, &q_y, &P_MINUS_1)?;
    enforce_on_curve(cs, gate, (&r_x, values.r.x), &r_y)?;
    enforce_on_curve(cs, gate, (&q_x, values.q.x), &q_y)?;

    let alpha = multiplier(cs, gate, values, 0)?;
    let beta = multiplier(cs, gate, values, 1)?;
    // (a0, a1) != (0, 0): the sum of two magnitudes is below 2^67.
    let sum: u128 = values.components[..2].iter().map(|c| u128::from(c.magnitude)).sum();
    enforce_nonzero(cs, gate, scalar_from_i128(sum as i128), |lc| {
        let lc = add_bits(lc, &alpha.bits[0], Scalar::ONE);
        add_bits(lc, &alpha.bits[1], Scalar::ONE)
    })?;
    let (k, k_bits) = Limbs::alloc_with_bits(cs, limbs_of(&values.k))?;

    // α·r = β·s and α·z = k·s modulo n.
    let product = |cs: &mut CS, a: &Limbs, b: &Limbs| Product::new(cs, &[(1, a)], &[(1, b)]);
    let left = product(cs, &alpha.residue, &r_x)?;
    let right = product(cs, &beta.residue, &s)?;
    OrderSum { products: &[(1, &left), (-1, &right)], values: &[] }.enforce_zero_mod_n(cs, gate)?;
    let left = product(cs, &alpha.residue, &z)?;
    let right = product(cs, &k, &s)?;
    OrderSum { products: &[(1, &left), (-1, &right)], values: &[] }.enforce_zero_mod_n(cs, gate)?;

    Ok(Signature {
        p1: signed_ordinate(cs, gate, &alpha.signs, 1, &r_y)?,
        p3: signed_ordinate(cs, gate, &beta.signs, -1, &q_y)?,
        steps: schedule(&alpha, &beta, &k_bits),
        z,
        q_x,
        q_y,
        r_x,
    })
}
