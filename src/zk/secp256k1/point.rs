//! Points in the circuit: incomplete affine additions that prove that they
//! are no exception, and the two table lookups.
//!
//! An abscissa is a value ([`Limbs`]), an ordinate is unreduced ([`Lazy`]): it
//! only ever occurs linearly, so `slope·(x_base - x) - y_base` is kept as it
//! is. Formulas (chord of `P`, `Q`, `x_P != x_Q`):
//!
//! ```text
//! slope·(x_Q - x_P) = y_Q - y_P     x = slope² - x_P - x_Q     y = slope·(x_Q - x) - y_Q
//! ```
//!
//! and for `2P + Q = (P + Q) + P` with `P + Q = (x', ·)`, `x' != x_P`:
//!
//! ```text
//! l1·(x_Q - x_P) = y_Q - y_P        x' = l1² - x_P - x_Q
//! (l1 + l2)·(x_P - x') = 2·y_P      x  = l2² - x_P - x'        y = l2·(x_P - x) - y_P
//! ```
//!
//! (`x' != x_P` also follows from the relation of l2, since no point has
//! `y = 0`; it is enforced all the same.)
//!
//! Weights (units of [`relation`](super::relation)): the accumulator has 1 after an
//! addition (y is taken from the addend's side), then 2 and 3 after two
//! doublings; table entries have 0 or 1. The heaviest relation is the second
//! doubling's `(l1 + l2)·(x_P - x') - 2·y_P`: 2 + 2·2 = 6.
//!
//! Cost: addition 2·(264 + 15 + 90) + 15 + 2 + 3; doubling step
//! 4·(264 + 15 + 90) + 15 + 2 + 6.

use super::constants::{COLUMNS, columns, constants};
use super::field::{Bit, LIMBS, Limbs, Term, alloc, enforce_different, enforce_zero, multiply};
use super::native::{Affine, Fe, LazyValue, scalar_from_i128};
use super::relation::{Lazy, Product, Sum};
use crate::Scalar;
use ff::Field;
use nova_snark::frontend::{ConstraintSystem, SynthesisError};

/// A point: abscissa, ordinate, and its native twin.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) x: Limbs,
    pub(super) y: Lazy,
    pub(super) at: Affine,
}

/// A reduced value `sum mod p`: 264 + 90 constraints.
pub(super) fn reduce<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    gate: Bit,
    value: Fe,
    sum: Sum<'_>,
) -> Result<Limbs, SynthesisError> {
    let out = Limbs::alloc(cs, value.limbs())?;
    let mut values = sum.values.to_vec();
    values.push((-1, &out));
    Sum { values: &values, ..sum }.enforce_zero_mod_p(cs, gate)?;
    Ok(out)
}

impl Point {
    /// A constant, multiplied by the gate.
    pub(super) fn constant(gate: Bit, at: Affine) -> Point {
        Point {
            x: Limbs::constant(gate, at.x.limbs()),
            y: Lazy::constant(gate, at.y),
            at: if gate.val { at } else { Affine::default() },
        }
    }

    /// One of two constants, the second if `variant` is 1 (it must be 0 where
    /// the gate is): 10 constraints.
    pub(super) fn one_of<CS: ConstraintSystem<Scalar>>(
        cs: &mut CS,
        gate: Bit,
        variant: Bit,
        points: [Affine; 2],
    ) -> Result<Point, SynthesisError> {
        let [first, second] = points.map(|at| Point::constant(gate, at));
        let chosen = if variant.val { second } else { first };
        let values = Point::column_values(&chosen.x.value, &chosen.y.value);
        let [from, to] = points.map(columns);
        let mut terms = chosen.terms();
        for (i, term) in terms.iter_mut().enumerate() {
            let var = alloc(cs, values[i])?;
            enforce_zero(cs, |lc| lc + (from[i], gate.var) + (to[i] - from[i], variant.var) - var);
            *term = Term::one(var);
        }
        Ok(Point::from_terms(terms, chosen.x.value, chosen.y.value, 0, chosen.at))
    }

    /// `self + other`. `other`'s ordinate has weight 0.
    pub(super) fn add<CS: ConstraintSystem<Scalar>>(
        &self,
        cs: &mut CS,
        gate: Bit,
        other: &Point,
    ) -> Result<Point, SynthesisError> {
        enforce_different(cs, gate, &self.x, &other.x)?;
        let (slope, at) = self.at.chord(other.at);
        let slope = Limbs::alloc(cs, slope.limbs())?;
        let run = Product::new(cs, &[(1, &slope)], &[(1, &other.x), (-1, &self.x)])?;
        Sum { products: &[(1, &run)], lazies: &[(-1, &other.y), (1, &self.y)], values: &[] }
            .enforce_zero_mod_p(cs, gate)?;
        let square = Product::new(cs, &[(1, &slope)], &[(1, &slope)])?;
        let x = reduce(
            cs,
            gate,
            at.x,
            Sum { products: &[(1, &square)], lazies: &[], values: &[(-1, &self.x), (-1, &other.x)] },
        )?;
        let rise = Product::new(cs, &[(1, &slope)], &[(1, &other.x), (-1, &x)])?;
        let y = Sum { products: &[(1, &rise)], lazies: &[(-1, &other.y)], values: &[] }.as_lazy(cs)?;
        Ok(Point { x, y, at })
    }

    /// `2·self + other`.
    pub(super) fn double_add<CS: ConstraintSystem<Scalar>>(
        &self,
        cs: &mut CS,
        gate: Bit,
        other: &Point,
    ) -> Result<Point, SynthesisError> {
        enforce_different(cs, gate, &self.x, &other.x)?;
        let (slope1, middle) = self.at.chord(other.at);
        let (slope2, at) = self.at.chord(middle);
        let slope1 = Limbs::alloc(cs, slope1.limbs())?;
        let run = Product::new(cs, &[(1, &slope1)], &[(1, &other.x), (-1, &self.x)])?;
        Sum { products: &[(1, &run)], lazies: &[(-1, &other.y), (1, &self.y)], values: &[] }
            .enforce_zero_mod_p(cs, gate)?;
        let square = Product::new(cs, &[(1, &slope1)], &[(1, &slope1)])?;
        let middle_x = reduce(
            cs,
            gate,
            middle.x,
            Sum { products: &[(1, &square)], lazies: &[], values: &[(-1, &self.x), (-1, &other.x)] },
        )?;
        enforce_different(cs, gate, &self.x, &middle_x)?;
        let slope2 = Limbs::alloc(cs, slope2.limbs())?;
        let run = Product::new(cs, &[(1, &slope1), (1, &slope2)], &[(1, &self.x), (-1, &middle_x)])?;
        Sum { products: &[(1, &run)], lazies: &[(-2, &self.y)], values: &[] }.enforce_zero_mod_p(cs, gate)?;
        let square = Product::new(cs, &[(1, &slope2)], &[(1, &slope2)])?;
        let x = reduce(
            cs,
            gate,
            at.x,
            Sum { products: &[(1, &square)], lazies: &[], values: &[(-1, &self.x), (-1, &middle_x)] },
        )?;
        let rise = Product::new(cs, &[(1, &slope2)], &[(1, &self.x), (-1, &x)])?;
        let y = Sum { products: &[(1, &rise)], lazies: &[(-1, &self.y)], values: &[] }.as_lazy(cs)?;
        Ok(Point { x, y, at })
    }

    /// The ten terms of a point.
    fn terms(&self) -> [Term; COLUMNS] {
        core::array::from_fn(|i| match i {
            0..LIMBS => self.x.terms[i],
            LIMBS => self.y.residue,
            _ => self.y.low,
        })
    }

    fn column_values(x: &[i64; LIMBS], y: &LazyValue) -> [Scalar; COLUMNS] {
        let residue = y.int.to_scalar();
        core::array::from_fn(|i| match i {
            0..LIMBS => scalar_from_i128(i128::from(x[i])),
            LIMBS => residue,
            _ => scalar_from_i128(y.low),
        })
    }

    fn from_terms(terms: [Term; COLUMNS], x: [i64; LIMBS], y: LazyValue, weight: u32, at: Affine) -> Point {
        Point {
            x: Limbs { terms: core::array::from_fn(|i| terms[i]), value: x },
            y: Lazy { residue: terms[LIMBS], low: terms[LIMBS + 1], value: y, weight },
            at,
        }
    }

    /// `bit ? other : self`: 10 constraints.
    fn select<CS: ConstraintSystem<Scalar>>(
        &self,
        cs: &mut CS,
        bit: Bit,
        other: &Point,
    ) -> Result<Point, SynthesisError> {
        let chosen = if bit.val { other } else { self };
        let values = Point::column_values(&chosen.x.value, &chosen.y.value);
        let mut terms = self.terms();
        for ((term, to), value) in terms.iter_mut().zip(other.terms()).zip(values) {
            let from = *term;
            let var = alloc(cs, value)?;
            cs.enforce(
                || "select",
                |lc| lc + bit.var,
                |lc| from.add_to(to.add_to(lc, Scalar::ONE), -Scalar::ONE),
                |lc| from.add_to(lc + var, -Scalar::ONE),
            );
            *term = Term::one(var);
        }
        Ok(Point::from_terms(terms, chosen.x.value, chosen.y.value, self.y.weight.max(other.y.weight), chosen.at))
    }
}

/// The table of `offset + Σ b_i·P_i`, index bit i for `P_i`, with the offset of
/// the variant: 10 constraints and 15 additions.
pub(super) fn build_table<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    gate: Bit,
    variant: Bit,
    points: &[Point; 4],
) -> Result<Vec<Point>, SynthesisError> {
    let mut table = vec![Point::one_of(cs, gate, variant, constants().both(|family| family.offset))?];
    for point in points {
        for i in 0..table.len() {
            let sum = table[i].add(cs, gate, point)?;
            table.push(sum);
        }
    }
    Ok(table)
}

/// The entry whose index bits are `bits`, little-endian: 150 constraints.
pub(super) fn lookup<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    table: &[Point],
    bits: &[Bit],
) -> Result<Point, SynthesisError> {
    let mut level: Vec<Point> = table.to_vec();
    for bit in bits {
        let mut next = Vec::with_capacity(level.len() / 2);
        for pair in level.chunks_exact(2) {
            next.push(pair[0].select(cs, *bit, &pair[1])?);
        }
        level = next;
    }
    Ok(level.pop().expect("invariant: a table has 2^(number of bits) entries"))
}

/// All 16 products of four bits; index 0 is the gate: 11 constraints.
fn monomials<CS: ConstraintSystem<Scalar>>(cs: &mut CS, gate: Bit, bits: &[Bit]) -> Result<Vec<Bit>, SynthesisError> {
    let mut out = vec![gate];
    for bit in bits {
        out.push(*bit);
        for i in 1..out.len() - 1 {
            let (a, b) = (out[i], *bit);
            let val = a.val && b.val;
            let var = multiply(cs, Scalar::from(u64::from(val)), |lc| lc + a.var, |lc| lc + b.var)?;
            out.push(Bit { var, val });
        }
    }
    Ok(out)
}

/// The entry of the generator's constant table: `Σ_low m_low·L_low(high bits)`
/// with a linear form per low monomial; 22 + 10·15 constraints.
pub(super) fn lookup_generator<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    gate: Bit,
    bits: &[Bit],
) -> Result<Point, SynthesisError> {
    let constants = constants();
    let low = monomials(cs, gate, &bits[..4])?;
    let high = monomials(cs, gate, &bits[4..8])?;
    let index = |bits: &[Bit]| -> usize { bits.iter().enumerate().map(|(i, b)| usize::from(b.val) << i).sum() };
    let (row, column) = (index(&bits[..4]), index(&bits[4..8]));
    let at = if gate.val { constants.generator[row + 16 * column] } else { Affine::default() };
    let (x, y) = (at.x.limbs(), LazyValue::from_limbs(&at.y.limbs()));
    let values = Point::column_values(&x, &y);
    let mut terms = [Term::one(gate.var); COLUMNS];
    for (c, term) in terms.iter_mut().enumerate() {
        let form = |lc, l: usize, factor: Scalar| {
            high.iter().enumerate().fold(lc, |lc, (h, m)| lc + (factor * constants.coefficients[l][h][c], m.var))
        };
        let mut parts = Vec::with_capacity(14);
        for (l, monomial) in low.iter().enumerate().take(15).skip(1) {
            let value = if monomial.val && gate.val { constants.partial[l][column][c] } else { Scalar::ZERO };
            parts.push(multiply(cs, value, |lc| lc + monomial.var, |lc| form(lc, l, Scalar::ONE))?);
        }
        let out = alloc(cs, values[c])?;
        cs.enforce(
            || "table entry",
            |lc| lc + low[15].var,
            |lc| form(lc, 15, Scalar::ONE),
            |lc| {
                let lc = form(lc + out, 0, -Scalar::ONE);
                parts.iter().fold(lc, |lc, v| lc - *v)
            },
        );
        *term = Term::one(out);
    }
    Ok(Point::from_terms(terms, x, y, 0, at))
}
