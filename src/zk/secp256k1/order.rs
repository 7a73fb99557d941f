//! Relations modulo the group's order n.
//!
//! `Z = Σ ±A·B + Σ ±values - Q·n = 0` over the integers, with an unfolded
//! quotient: `Q = Q' - 2^257`, `Q'` in `[0, 2^258)`. Written as polynomial in
//! `W = 2^32` it has coefficients `e_0 … e_15`; shown modulo the proof's field
//! order N and modulo `2^288` by three carries over groups of three limbs.
//!
//! **Bounds.** At most two products of operands with limbs below `2^32` in
//! absolute value: `|Σ| < 2·2^512·(1 + 2^-31) + 2^260`. Honest provers have
//! `|Q| < 2^257`: the sum of a relation is a difference of two products of
//! numbers below `2^256` or a product of one with a number below `2^67`.
//! `|e_i| < 2·2^67 + 2^67 + 2^34 < 2^69`; a group of three is below
//! `2^(69+64)·(1+2^-31)`, so carries are below `2^38`: 39 bits with offset. All sides are
//! below `2^136`. `|Z| < 2^515 < N·2^288`.

use super::decompose::order;
use super::field::{Bit, LIMBS, Lc, Limbs, Term, add_bits, alloc_bits, enforce_zero, pow2};
use super::native::{N, limbs_of, scalar_from_i128};
use super::relation::{Operand, Product};
use crate::Scalar;
use ff::Field;
use nova_snark::frontend::{ConstraintSystem, SynthesisError};
use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{One, Zero};

const CARRY_BITS: usize = 39;
const GROUP: usize = 3;
const GROUPS: usize = 3;

/// A sum that is a multiple of n.
pub(super) struct OrderSum<'a> {
    pub(super) products: &'a [(i64, &'a Product)],
    pub(super) values: Operand<'a>,
}

impl OrderSum<'_> {
    fn coefficients(&self) -> [i128; 16] {
        let mut e = [0i128; 16];
        for (f, p) in self.products {
            for (e, c) in e.iter_mut().zip(&p.value) {
                *e += i128::from(*f) * c;
            }
        }
        for (f, v) in self.values {
            for (e, l) in e.iter_mut().zip(&v.value) {
                *e += i128::from(*f) * i128::from(*l);
            }
        }
        e
    }

    /// `Q'` in nine limbs.
    fn quotient(&self, gate: Bit) -> [i64; LIMBS + 1] {
        if !gate.val {
            return [0; LIMBS + 1];
        }
        let sum = self.coefficients().iter().rev().fold(BigInt::zero(), |acc, e| (acc << 32u32) + *e);
        let shifted = sum.div_floor(&BigInt::from(order())) + (BigInt::one() << 257u32);
        let digits = shifted.magnitude().to_u32_digits();
        core::array::from_fn(|i| i64::from(digits.get(i).copied().unwrap_or(0)))
    }

    /// `lc + factor·e_i` without the quotient's part.
    fn add_coefficient(&self, mut lc: Lc, i: usize, factor: Scalar) -> Lc {
        for (f, p) in self.products {
            if let Some(var) = p.vars.get(i) {
                lc = lc + (factor * scalar_from_i128(i128::from(*f)), *var);
            }
        }
        for (f, v) in self.values {
            if let Some(term) = v.terms.get(i) {
                lc = term.add_to(lc, factor * scalar_from_i128(i128::from(*f)));
            }
        }
        lc
    }

    /// Enforces that the sum is 0 modulo n: 8·33 + 2 + 3·40 + 1 constraints.
    pub(super) fn enforce_zero_mod_n<CS: ConstraintSystem<Scalar>>(
        &self,
        cs: &mut CS,
        gate: Bit,
    ) -> Result<(), SynthesisError> {
        let q_value = self.quotient(gate);
        let q = Limbs::alloc(cs, core::array::from_fn(|i| q_value[i]))?;
        let q_top = alloc_bits(cs, q_value[LIMBS] as u128, 2)?;
        let n = limbs_of(&N);

        // e_i: the sum's part, minus Q'·n, plus 2·W^8·n.
        let mut e = self.coefficients();
        for (i, qi) in q_value.iter().enumerate() {
            for (j, nj) in n.iter().enumerate() {
                e[i + j] -= i128::from(*qi) * i128::from(*nj);
            }
        }
        if gate.val {
            for (e, nj) in e[LIMBS..].iter_mut().zip(&n) {
                *e += 2 * i128::from(*nj);
            }
        }
        let add = |lc: Lc, i: usize, factor: Scalar| -> Lc {
            let mut lc = self.add_coefficient(lc, i, factor);
            for (j, nj) in n.iter().enumerate() {
                let weight = -factor * scalar_from_i128(i128::from(*nj));
                match i.checked_sub(j) {
                    Some(l) if l < LIMBS => lc = q.terms[l].add_to(lc, weight),
                    Some(LIMBS) => lc = add_bits(lc, &q_top, weight),
                    _ => {}
                }
            }
            if i >= LIMBS {
                let constant = Scalar::from(2) * scalar_from_i128(i128::from(n[i - LIMBS]));
                lc = Term { var: gate.var, coef: constant }.add_to(lc, factor);
            }
            lc
        };

        let offset = pow2(CARRY_BITS as u64 - 1);
        let mut incoming: Option<(Vec<Bit>, i128)> = None;
        for group in 0..GROUPS {
            let low = incoming.as_ref().map_or(0, |(_, c)| *c);
            // 3 coefficients below 2^69 may exceed i128 at 2^133: carry stepwise.
            let carry = e[GROUP * group..GROUP * (group + 1)].iter().fold(low, |acc, e| (acc + e) >> 32);
            let biased = carry.wrapping_add(if gate.val { 1 << (CARRY_BITS - 1) } else { 0 });
            let bits = alloc_bits(cs, biased as u128, CARRY_BITS)?;
            enforce_zero(cs, |mut lc| {
                for i in 0..GROUP {
                    lc = add(lc, GROUP * group + i, pow2(32 * i as u64));
                }
                if let Some((bits, _)) = &incoming {
                    lc = add_bits(lc, bits, Scalar::ONE) - (offset, gate.var);
                }
                let shift = pow2(32 * GROUP as u64);
                add_bits(lc, &bits, -shift) + (offset * shift, gate.var)
            });
            incoming = Some((bits, carry));
        }
        enforce_zero(cs, |mut lc| {
            let mut weight = Scalar::ONE;
            for i in 0..16 {
                lc = add(lc, i, weight);
                weight *= Scalar::from(1 << 32);
            }
            lc
        });
        Ok(())
    }
}
