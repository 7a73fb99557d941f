//! Linear combinations that know their value, and the small constraints over them.
//!
//! A [`Lin`] is Σ cᵢ·xᵢ over existing variables together with its value (`None`
//! while a shape is built). It costs nothing until a constraint names it.

use ff::{Field, PrimeField};
use nova_snark::frontend::{
    AllocatedBit, ConstraintSystem, LinearCombination, SynthesisError, Variable, num::AllocatedNum,
};

use crate::{Scalar, gadgets::alloc};

/// Σ cᵢ·xᵢ with its value.
#[derive(Clone, Debug)]
pub(super) struct Lin {
    terms: Vec<(Variable, Scalar)>,
    value: Option<Scalar>,
}

impl Lin {
    /// The empty sum.
    pub(super) fn zero() -> Self {
        Self { terms: Vec::new(), value: Some(Scalar::ZERO) }
    }

    /// The constant 1.
    pub(super) fn one<CS: ConstraintSystem<Scalar>>() -> Self {
        Self { terms: vec![(CS::one(), Scalar::ONE)], value: Some(Scalar::ONE) }
    }

    /// The value, `None` while a shape is built.
    pub(super) fn value(&self) -> Option<Scalar> {
        self.value
    }

    /// `self + coefficient · other`.
    pub(super) fn plus(mut self, coefficient: Scalar, other: &Self) -> Self {
        self.terms.extend(other.terms.iter().map(|(v, c)| (*v, *c * coefficient)));
        self.value = self.value.zip(other.value).map(|(a, b)| a + coefficient * b);
        self
    }

    /// `self + other`.
    pub(super) fn add(mut self, other: &Self) -> Self {
        self.terms.extend_from_slice(&other.terms);
        self.value = self.value.zip(other.value).map(|(a, b)| a + b);
        self
    }

    /// `self - other`.
    pub(super) fn sub(self, other: &Self) -> Self {
        self.plus(-Scalar::ONE, other)
    }

    /// `coefficient · self`.
    pub(super) fn times(&self, coefficient: Scalar) -> Self {
        Self::zero().plus(coefficient, self)
    }

    fn append(&self, mut lc: LinearCombination<Scalar>) -> LinearCombination<Scalar> {
        for (variable, coefficient) in &self.terms {
            lc = lc + (*coefficient, *variable);
        }
        lc
    }
}

impl From<&AllocatedNum<Scalar>> for Lin {
    fn from(num: &AllocatedNum<Scalar>) -> Self {
        Self { terms: vec![(num.get_variable(), Scalar::ONE)], value: num.get_value() }
    }
}

impl From<&AllocatedBit> for Lin {
    fn from(bit: &AllocatedBit) -> Self {
        Self {
            terms: vec![(bit.get_variable(), Scalar::ONE)],
            value: bit.get_value().map(|b| Scalar::from(u64::from(b))),
        }
    }
}

/// Σ baseⁱ·itemᵢ.
pub(super) fn weighted<'a>(base: u64, items: impl IntoIterator<Item = &'a Lin>) -> Lin {
    let mut weight = Scalar::ONE;
    let mut sum = Lin::zero();
    for item in items {
        sum = sum.plus(weight, item);
        weight *= Scalar::from(base);
    }
    sum
}

/// `a · b = c`. One constraint.
pub(super) fn enforce<CS: ConstraintSystem<Scalar>>(cs: &mut CS, name: &'static str, a: &Lin, b: &Lin, c: &Lin) {
    cs.enforce(|| name, |lc| a.append(lc), |lc| b.append(lc), |lc| c.append(lc));
}

/// `a · b = 0`. One constraint.
pub(super) fn annihilate<CS: ConstraintSystem<Scalar>>(cs: &mut CS, name: &'static str, a: &Lin, b: &Lin) {
    enforce(cs, name, a, b, &Lin::zero());
}

/// `a = b`. One constraint.
pub(super) fn equal<CS: ConstraintSystem<Scalar>>(cs: &mut CS, name: &'static str, a: &Lin, b: &Lin) {
    enforce(cs, name, a, &Lin::one::<CS>(), b);
}

/// A variable equal to `lin`. One constraint.
pub(super) fn materialize<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    name: &'static str,
    lin: &Lin,
) -> Result<AllocatedNum<Scalar>, SynthesisError> {
    let num = alloc(cs, lin.value)?;
    equal(cs, name, lin, &Lin::from(&num));
    Ok(num)
}

/// A variable equal to `a · b`. One constraint.
pub(super) fn product<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    name: &'static str,
    a: &Lin,
    b: &Lin,
) -> Result<Lin, SynthesisError> {
    let num = alloc(cs, a.value.zip(b.value).map(|(a, b)| a * b))?;
    let num = Lin::from(&num);
    enforce(cs, name, a, b, &num);
    Ok(num)
}

/// A fresh variable in {0, 1}. One constraint.
pub(super) fn boolean<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    name: &'static str,
    value: Option<bool>,
) -> Result<Lin, SynthesisError> {
    let num = alloc(cs, value.map(|b| Scalar::from(u64::from(b))))?;
    let bit = Lin::from(&num);
    annihilate(cs, name, &bit, &Lin::one::<CS>().sub(&bit));
    Ok(bit)
}

/// `n` booleans, little-endian, of the low bits of a value. `n` constraints.
///
/// Nothing ties them to the value yet.
pub(super) fn booleans<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    name: &'static str,
    n: usize,
    value: Option<Scalar>,
) -> Result<Vec<Lin>, SynthesisError> {
    let repr = value.map(|v| v.to_repr());
    let bytes = repr.as_ref().map(AsRef::<[u8]>::as_ref);
    (0..n).map(|i| boolean(cs, name, bytes.map(|b| b[i / 8] >> (i % 8) & 1 == 1))).collect()
}

/// `lin` in `[0, 2^n)`, as its bits. `n + 1` constraints; `n` at most 253.
pub(super) fn range<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    name: &'static str,
    n: usize,
    lin: &Lin,
) -> Result<Vec<Lin>, SynthesisError> {
    let bits = booleans(cs, "bit", n, lin.value)?;
    equal(cs, name, &weighted(2, &bits), lin);
    Ok(bits)
}

/// `[x ≠ 0]`. Two constraints.
pub(super) fn is_non_zero<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    name: &'static str,
    x: &Lin,
) -> Result<Lin, SynthesisError> {
    let flag = x.value.map(|x| Scalar::from(u64::from(x != Scalar::ZERO)));
    let flag = Lin::from(&alloc(cs, flag)?);
    let inverse = inverse_or_zero(cs, x, flag.value)?;
    enforce(cs, name, x, &inverse, &flag);
    annihilate(cs, name, &Lin::one::<CS>().sub(&flag), x);
    Ok(flag)
}

/// `when = 1` implies `x ≠ 0`, for `when` in {0, 1}. One constraint.
pub(super) fn non_zero_when<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    name: &'static str,
    x: &Lin,
    when: &Lin,
) -> Result<(), SynthesisError> {
    let inverse = inverse_or_zero(cs, x, when.value)?;
    enforce(cs, name, x, &inverse, when);
    Ok(())
}

/// `flag / x`, or 0 where `x` is 0.
pub(super) fn inverse_or_zero<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    x: &Lin,
    flag: Option<Scalar>,
) -> Result<Lin, SynthesisError> {
    let quotient = x
        .value
        .zip(flag)
        .map(|(x, flag)| if flag == Scalar::ZERO { Scalar::ZERO } else { flag * x.invert().unwrap_or(Scalar::ZERO) });
    Ok(Lin::from(&alloc(cs, quotient)?))
}
