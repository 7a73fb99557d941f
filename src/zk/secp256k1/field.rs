//! Bits, 32-bit limbs and numbers below `2^256` in the circuit, and their
//! comparisons. A number is eight limbs, each the sum of 32 bits; it stands for
//! its residue modulo p (or n) and need not be the least one.

use super::native::{K, LazyValue, P, Wide, scalar_from_i128};
use crate::Scalar;
use ff::{Field, PrimeField};
use nova_snark::frontend::{ConstraintSystem, LinearCombination, SynthesisError, Variable};

/// Limbs of a value.
pub(super) const LIMBS: usize = 8;

pub(super) type Lc = LinearCombination<Scalar>;

/// A boolean variable and its value; also a slot's gate, which multiplies all
/// constants, so that zeros satisfy what is switched off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bit {
    pub(super) var: Variable,
    pub(super) val: bool,
}

/// `coef · var`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Term {
    pub(super) var: Variable,
    pub(super) coef: Scalar,
}

impl Term {
    pub(super) fn one(var: Variable) -> Term {
        Term { var, coef: Scalar::ONE }
    }

    pub(super) fn add_to(&self, lc: Lc, factor: Scalar) -> Lc {
        lc + (self.coef * factor, self.var)
    }
}

/// `2^exponent` in the proof's field.
pub(super) fn pow2(exponent: u64) -> Scalar {
    Scalar::from(2).pow_vartime([exponent])
}

pub(super) fn alloc<CS: ConstraintSystem<Scalar>>(cs: &mut CS, value: Scalar) -> Result<Variable, SynthesisError> {
    cs.alloc(|| "secp256k1", || Ok(value))
}

/// Enforces that a linear combination is zero.
pub(super) fn enforce_zero<CS: ConstraintSystem<Scalar>>(cs: &mut CS, lc: impl FnOnce(Lc) -> Lc) {
    cs.enforce(|| "zero", lc, |one| one + CS::one(), |zero| zero);
}

/// A boolean variable: 1 constraint.
pub(super) fn alloc_bit<CS: ConstraintSystem<Scalar>>(cs: &mut CS, val: bool) -> Result<Bit, SynthesisError> {
    let var = alloc(cs, if val { Scalar::ONE } else { Scalar::ZERO })?;
    cs.enforce(|| "boolean", |lc| lc + var, |lc| lc + CS::one() - var, |lc| lc);
    Ok(Bit { var, val })
}

/// The low `count` bits of a number, little-endian: `count` constraints.
pub(super) fn alloc_bits<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    value: u128,
    count: usize,
) -> Result<Vec<Bit>, SynthesisError> {
    (0..count).map(|i| alloc_bit(cs, value >> i & 1 == 1)).collect()
}

/// `lc + factor·Σ bits·2^i`.
pub(super) fn add_bits(mut lc: Lc, bits: &[Bit], factor: Scalar) -> Lc {
    let mut weight = factor;
    for bit in bits {
        lc = lc + (weight, bit.var);
        weight = weight.double();
    }
    lc
}

/// A product of two variables: 1 constraint.
pub(super) fn multiply<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    value: Scalar,
    a: impl FnOnce(Lc) -> Lc,
    b: impl FnOnce(Lc) -> Lc,
) -> Result<Variable, SynthesisError> {
    let var = alloc(cs, value)?;
    cs.enforce(|| "product", a, b, |lc| lc + var);
    Ok(var)
}

/// `var` is not zero if the gate is open: 1 constraint, `inv·x = gate`.
pub(super) fn enforce_nonzero<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    gate: Bit,
    value: Scalar,
    x: impl FnOnce(Lc) -> Lc,
) -> Result<(), SynthesisError> {
    let inverse = match (gate.val, Option::from(value.invert())) {
        (true, Some(inverse)) => inverse,
        _ => Scalar::ZERO,
    };
    let inverse = alloc(cs, inverse)?;
    cs.enforce(|| "nonzero", x, |lc| lc + inverse, |lc| lc + gate.var);
    Ok(())
}

/// A number in eight limbs; signed limbs only where said.
#[derive(Clone, Debug)]
pub(super) struct Limbs {
    pub(super) terms: [Term; LIMBS],
    pub(super) value: [i64; LIMBS],
}

impl Limbs {
    /// A constant, multiplied by the gate: no constraint.
    pub(super) fn constant(gate: Bit, limbs: [i64; LIMBS]) -> Limbs {
        Limbs {
            terms: limbs.map(|l| Term { var: gate.var, coef: scalar_from_i128(i128::from(l)) }),
            value: if gate.val { limbs } else { [0; LIMBS] },
        }
    }

    /// A witnessed number below `2^256`: 8·33 constraints.
    pub(super) fn alloc<CS: ConstraintSystem<Scalar>>(
        cs: &mut CS,
        value: [i64; LIMBS],
    ) -> Result<Limbs, SynthesisError> {
        Ok(Limbs::alloc_with_bits(cs, value)?.0)
    }

    /// The same, and its 256 bits.
    pub(super) fn alloc_with_bits<CS: ConstraintSystem<Scalar>>(
        cs: &mut CS,
        value: [i64; LIMBS],
    ) -> Result<(Limbs, Vec<Bit>), SynthesisError> {
        let mut all = Vec::with_capacity(32 * LIMBS);
        let mut terms = Vec::with_capacity(LIMBS);
        for limb in value {
            let var = alloc(cs, scalar_from_i128(i128::from(limb)))?;
            let bits = alloc_bits(cs, limb as u128, 32)?;
            enforce_zero(cs, |lc| add_bits(lc, &bits, Scalar::ONE) - var);
            terms.push(Term::one(var));
            all.extend(bits);
        }
        let terms = terms.try_into().expect("invariant: one term per limb was pushed");
        Ok((Limbs { terms, value }, all))
    }

    /// `lc + factor·Σ_{from <= i < to} limb_i·2^(32(i - from))`.
    pub(super) fn add_range(&self, mut lc: Lc, from: usize, to: usize, factor: Scalar) -> Lc {
        let shift = Scalar::from(1 << 32);
        let mut weight = factor;
        for term in &self.terms[from..to] {
            lc = term.add_to(lc, weight);
            weight *= shift;
        }
        lc
    }

    /// `lc + factor·value`, the value as an element of the proof's field.
    pub(super) fn add_all(&self, lc: Lc, factor: Scalar) -> Lc {
        self.add_range(lc, 0, LIMBS, factor)
    }

    /// The value in the proof's field.
    pub(super) fn scalar(&self) -> Scalar {
        self.lazy_value().int.to_scalar()
    }

    pub(super) fn lazy_value(&self) -> LazyValue {
        LazyValue::from_limbs(&self.value)
    }
}

/// p in the proof's field.
pub(super) fn p_scalar() -> Scalar {
    Wide::from_i128(1, 8).add(Wide::from_i128(i128::from(K), 0).neg()).to_scalar()
}

/// Enforces that two values are different modulo p: 3 constraints.
///
/// The integer `D = a - b` has `|D| < 2^256 < 2p`; it is 0 modulo p exactly if
/// it is one of `0, p, -p`, and then `D·(D - p)·(D + p) = D·(D² - p²)` is 0 in
/// every field.
pub(super) fn enforce_different<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    gate: Bit,
    a: &Limbs,
    b: &Limbs,
) -> Result<(), SynthesisError> {
    let pp = p_scalar().square();
    let d = a.scalar() - b.scalar();
    let difference = |lc| b.add_all(a.add_all(lc, Scalar::ONE), -Scalar::ONE);
    let square = multiply(cs, d.square(), difference, difference)?;
    let product_value = d * (d.square() - pp);
    let product = multiply(cs, if gate.val { product_value } else { Scalar::ZERO }, difference, |lc| {
        lc + square - (pp, gate.var)
    })?;
    enforce_nonzero(cs, gate, product_value, |lc| lc + product)
}

/// Enforces `value <= bound` over the integers: 257 + 2 + 8 constraints.
///
/// The witness is `bound - value` in limbs and the carry between 128-bit halves.
pub(super) fn enforce_at_most<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    gate: Bit,
    value: &Limbs,
    bound: &[u64; 4],
) -> Result<(), SynthesisError> {
    let limbs = super::native::limbs_of(bound);
    let mut difference = [0i64; LIMBS];
    let mut borrow = 0;
    let mut middle = false;
    if gate.val {
        for i in 0..LIMBS {
            let d = limbs[i] - value.value[i] - borrow;
            borrow = i64::from(d < 0);
            difference[i] = d + (borrow << 32);
            if i == 3 {
                middle = borrow == 1;
            }
        }
    }
    let difference = Limbs::alloc(cs, difference)?;
    let carry = alloc_bit(cs, middle)?;
    let half = |h: usize| Scalar::from_u128(u128::from(bound[2 * h]) | (u128::from(bound[2 * h + 1]) << 64));
    enforce_zero(cs, |lc| {
        let lc = value.add_range(lc, 0, 4, Scalar::ONE);
        let lc = difference.add_range(lc, 0, 4, Scalar::ONE);
        lc - (half(0), gate.var) - (pow2(128), carry.var)
    });
    enforce_zero(cs, |lc| {
        let lc = value.add_range(lc, 4, 8, Scalar::ONE);
        let lc = difference.add_range(lc, 4, 8, Scalar::ONE);
        lc - (half(1), gate.var) + carry.var
    });
    Ok(())
}

/// `2^256 - k` as words less one, the largest canonical coordinate.
pub(super) const P_MINUS_1: [u64; 4] = [P[0] - 1, P[1], P[2], P[3]];
