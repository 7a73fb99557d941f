//! Emulated arithmetic modulo `p = 2^256 - k`, `k = 2^32 + 977`.
//!
//! A value is eight limbs of 32 bits, `W = 2^32`, each limb the sum of 32
//! bits, not necessarily below p. A product of two operands (sums or
//! differences of values) is its 15 coefficients `c_i`, proven by equality of
//! polynomials at 15 points. Folded once with `2^256 = k mod p` it is the integer
//!
//! ```text
//! T = Σ_{i<8} c_i·W^i + k·Σ_{i<7} c_{i+8}·W^i = Σ_{i<8} t_i·W^i,
//! t_i = c_i + 977·c_{i+8} + c_{i+7} (the last for i >= 1)
//! ```
//!
//! A relation says `Z = Σ ±T + Σ ±(unreduced) + Σ ±(values) - q·p = 0` over
//! the integers, shown modulo the proof's field order N and modulo `W² = 2^64`.
//!
//! **Bounds.** Let one unit be a product whose operands' limbs are below
//! `2^32` in absolute value. `c_i` has at most 8 terms `< 2^64`, so
//! `|c_i| < 2^67` per unit: far from N, the coefficients are those of the
//! integers. `t_0` has `1 + 977·7 = 6840` terms, `t_1` `2 + 977·6 + 7 = 5871`,
//! …, `t_7` `8 + 1 = 9`; so per unit
//! `|T| < 9.001·2^64·W^7 = 9.001·2^288` and `|t_0 + W·t_1| < 5872·2^96`.
//! Relations have at most [`MAX_UNITS`]` = 6` units and 8 values or constants
//! (`< 2^256` each, `< 2^64` in their low part). Therefore
//! - `|q| <= (54.01·2^288 + 2^259)/p < 2^38`: 39 bits with offset `2^38`;
//! - `p = -k mod 2^64`; `|low + k·q| < 6·5872·2^96 + 2^72 < 2^111.2`, a
//!   multiple of `2^64`: the carry is below `2^48`: 49 bits with offset. Both
//!   sides of the low equation are below `2^113`, so it holds over the integers;
//! - `|Z| < 2^294 + 2^259 + 2^38·p < 2^296 < N·2^64`, so `Z = 0` follows from
//!   `Z = 0 mod N` and `Z = 0 mod 2^64` (N is odd).
//!
//! Cost: product 15 constraints; relation 39 + 49 + 2; value 8·33.

use super::field::{Bit, LIMBS, Lc, Limbs, Term, add_bits, alloc, alloc_bits, enforce_zero, p_scalar, pow2};
use super::native::{Fe, K, LazyValue, multiply_limbs, scalar_from_i128};
use crate::Scalar;
use ff::Field;
use nova_snark::frontend::{ConstraintSystem, SynthesisError, Variable};

/// Coefficients of a product.
const COEFFICIENTS: usize = 2 * LIMBS - 1;
/// The weight that a relation may have, see the header.
const MAX_UNITS: u32 = 6;
/// The quotient's bits, its offset is half of the range.
const QUOTIENT_BITS: usize = 39;
/// The carry's bits, its offset is half of the range.
const CARRY_BITS: usize = 49;

/// An integer that stands for a base field element, known by its residues
/// modulo the proof's field order and modulo `2^64` (an integer of bounded size).
#[derive(Clone, Debug)]
pub(super) struct Lazy {
    pub(super) residue: Term,
    pub(super) low: Term,
    pub(super) value: LazyValue,
    /// Units of products in it, see the header.
    pub(super) weight: u32,
}

impl Lazy {
    /// A constant, multiplied by the gate.
    pub(super) fn constant(gate: Bit, value: Fe) -> Lazy {
        let lazy = LazyValue::from_limbs(&value.limbs());
        Lazy {
            residue: Term { var: gate.var, coef: lazy.int.to_scalar() },
            low: Term { var: gate.var, coef: scalar_from_i128(lazy.low) },
            value: if gate.val { lazy } else { LazyValue::default() },
            weight: 0,
        }
    }
}

/// A sum of values with small coefficients.
pub(super) type Operand<'a> = &'a [(i64, &'a Limbs)];

/// The coefficients of a product of two operands.
#[derive(Clone, Debug)]
pub(super) struct Product {
    pub(super) vars: [Variable; COEFFICIENTS],
    pub(super) value: [i128; COEFFICIENTS],
    weight: u32,
}

fn operand_value(operand: Operand<'_>) -> [i64; LIMBS] {
    core::array::from_fn(|i| operand.iter().map(|(f, l)| f * l.value[i]).sum())
}

/// How often `2^32` the limbs can be in absolute value.
fn operand_weight(operand: Operand<'_>) -> u32 {
    let side = |sign: i64| -> i64 { operand.iter().map(|(f, _)| (sign * f).max(0)).sum() };
    side(1).max(side(-1)) as u32
}

/// `lc + Σ coefficient_i·x^i` of an operand; at infinity its top limb.
fn evaluate_operand(mut lc: Lc, operand: Operand<'_>, x: Option<i64>) -> Lc {
    for (factor, limbs) in operand {
        let factor = scalar_from_i128(i128::from(*factor));
        match x {
            None => lc = limbs.terms[LIMBS - 1].add_to(lc, factor),
            Some(x) => {
                let x = scalar_from_i128(i128::from(x));
                let mut weight = factor;
                for term in &limbs.terms {
                    lc = term.add_to(lc, weight);
                    weight *= x;
                }
            }
        }
    }
    lc
}

impl Product {
    /// The product of two operands: 15 constraints.
    pub(super) fn new<CS: ConstraintSystem<Scalar>>(
        cs: &mut CS,
        a: Operand<'_>,
        b: Operand<'_>,
    ) -> Result<Product, SynthesisError> {
        let value = multiply_limbs(&operand_value(a), &operand_value(b));
        let mut vars = Vec::with_capacity(COEFFICIENTS);
        for c in value {
            vars.push(alloc(cs, scalar_from_i128(c))?);
        }
        let vars: [Variable; COEFFICIENTS] =
            vars.try_into().expect("invariant: one variable per coefficient was pushed");
        for x in (-7..7).map(Some).chain([None]) {
            cs.enforce(
                || "product at a point",
                |lc| evaluate_operand(lc, a, x),
                |lc| evaluate_operand(lc, b, x),
                |mut lc| match x {
                    None => lc + vars[COEFFICIENTS - 1],
                    Some(x) => {
                        let x = scalar_from_i128(i128::from(x));
                        let mut weight = Scalar::ONE;
                        for var in vars {
                            lc = lc + (weight, var);
                            weight *= x;
                        }
                        lc
                    }
                },
            );
        }
        Ok(Product { vars, value, weight: operand_weight(a) * operand_weight(b) })
    }

    /// `lc + factor·T`.
    fn add_residue(&self, mut lc: Lc, factor: Scalar) -> Lc {
        let shift = Scalar::from(1 << 32);
        let mut weight = factor;
        for (i, var) in self.vars.iter().enumerate() {
            if i == LIMBS {
                weight = factor * Scalar::from(K);
            }
            lc = lc + (weight, *var);
            weight *= shift;
        }
        lc
    }

    /// `lc + factor·(t_0 + W·t_1)`.
    fn add_low(&self, lc: Lc, factor: Scalar) -> Lc {
        let c = &self.vars;
        let w = factor * Scalar::from(1 << 32);
        lc + (factor, c[0]) + (factor * Scalar::from(977) + w, c[8]) + (w, c[1]) + (w * Scalar::from(977), c[9])
    }
}

/// A sum of products, unreduced numbers and values.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum<'a> {
    pub(super) products: &'a [(i64, &'a Product)],
    pub(super) lazies: &'a [(i64, &'a Lazy)],
    pub(super) values: Operand<'a>,
}

impl Sum<'_> {
    fn value(&self) -> LazyValue {
        let mut sum = LazyValue::default();
        for (f, p) in self.products {
            sum = sum.add_times(*f, &LazyValue::from_product(&p.value));
        }
        for (f, l) in self.lazies {
            sum = sum.add_times(*f, &l.value);
        }
        for (f, v) in self.values {
            sum = sum.add_times(*f, &v.lazy_value());
        }
        sum
    }

    fn weight(&self) -> u32 {
        let products = self.products.iter().map(|(f, p)| (f, p.weight));
        let lazies = self.lazies.iter().map(|(f, l)| (f, l.weight));
        products.chain(lazies).map(|(f, w)| f.unsigned_abs() as u32 * w).sum()
    }

    /// Numbers below `2^256` in the sum; an unreduced number has at most one.
    fn summands(&self) -> u64 {
        let lazies = self.lazies.iter().map(|(f, _)| f.unsigned_abs());
        let values = self.values.iter().map(|(f, _)| f.unsigned_abs());
        lazies.chain(values).sum()
    }

    fn add_residue(&self, mut lc: Lc) -> Lc {
        for (f, p) in self.products {
            lc = p.add_residue(lc, scalar_from_i128(i128::from(*f)));
        }
        for (f, l) in self.lazies {
            lc = l.residue.add_to(lc, scalar_from_i128(i128::from(*f)));
        }
        for (f, v) in self.values {
            lc = v.add_all(lc, scalar_from_i128(i128::from(*f)));
        }
        lc
    }

    fn add_low(&self, mut lc: Lc) -> Lc {
        for (f, p) in self.products {
            lc = p.add_low(lc, scalar_from_i128(i128::from(*f)));
        }
        for (f, l) in self.lazies {
            lc = l.low.add_to(lc, scalar_from_i128(i128::from(*f)));
        }
        for (f, v) in self.values {
            lc = v.add_range(lc, 0, 2, scalar_from_i128(i128::from(*f)));
        }
        lc
    }

    /// Enforces that the sum is 0 modulo p: 90 constraints.
    pub(super) fn enforce_zero_mod_p<CS: ConstraintSystem<Scalar>>(
        &self,
        cs: &mut CS,
        gate: Bit,
    ) -> Result<(), SynthesisError> {
        assert!(
            self.weight() <= MAX_UNITS && self.summands() <= 8,
            "invariant: the relation is within the header's bounds"
        );
        let value = self.value();
        let q = value.int.quotient_by_p();
        let carry = value.low.wrapping_add(q.wrapping_mul(i128::from(K))) >> 64;
        let offset = |bits: usize| if gate.val { 1i128 << (bits - 1) } else { 0 };
        let q = q.wrapping_add(offset(QUOTIENT_BITS));
        let carry = carry.wrapping_add(offset(CARRY_BITS));
        let q = alloc_bits(cs, q as u128, QUOTIENT_BITS)?;
        let carry = alloc_bits(cs, carry as u128, CARRY_BITS)?;

        // Σ - (q_bits - 2^38·gate)·p = 0 in the proof's field.
        enforce_zero(cs, |lc| {
            let p = p_scalar();
            let lc = add_bits(self.add_residue(lc), &q, -p);
            lc + (p * pow2(QUOTIENT_BITS as u64 - 1), gate.var)
        });
        // low + k·q = 2^64·carry over the integers.
        enforce_zero(cs, |lc| {
            let k = Scalar::from(K);
            let lc = add_bits(self.add_low(lc), &q, k);
            let lc = lc - (k * pow2(QUOTIENT_BITS as u64 - 1), gate.var);
            let lc = add_bits(lc, &carry, -pow2(64));
            lc + (pow2(63 + CARRY_BITS as u64), gate.var)
        });
        Ok(())
    }

    /// The sum as an unreduced number: 2 constraints.
    pub(super) fn as_lazy<CS: ConstraintSystem<Scalar>>(&self, cs: &mut CS) -> Result<Lazy, SynthesisError> {
        let value = self.value();
        let residue = alloc(cs, value.int.to_scalar())?;
        let low = alloc(cs, scalar_from_i128(value.low))?;
        enforce_zero(cs, |lc| self.add_residue(lc) - residue);
        enforce_zero(cs, |lc| self.add_low(lc) - low);
        Ok(Lazy { residue: Term::one(residue), low: Term::one(low), value, weight: self.weight() })
    }
}
