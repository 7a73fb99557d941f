//! Small gadgets that the slots share.
//!
//! | Gadget | Equation | Constraints |
//! |---|---|---|
//! | [`enforce_bits`] | Σ 2^i·bᵢ = x, bᵢ·(1 − bᵢ) = 0 | n + 1 |
//! | [`pack`] | out = Σ 2^i·bᵢ | 1 |
//! | [`select`] | bit·(a − b) = out − b | 1 |
//! | [`is_zero`] | a·inv = 1 − z, a·z = 0 | 2 |
//! | [`enforce_non_zero_if`] | a·inv = sel | 1 |
//! | [`enforce_equal_if`] | sel·(a − b) = 0 | 1 |
//! | [`and`], [`or`] | a·b = out, (1 − a)·(1 − b) = 1 − out | 1 |
//! | [`enforce_implies`] | a·(1 − b) = 0 | 1 |
//!
//! A booleanity that follows from a gadget's equation is not checked again.
//! Values are computed natively; linear combinations are built only where the
//! constraint system asks for them, so that a witness costs field additions.
//!
//! The inverses in [`is_zero`] (a = 0) and [`enforce_non_zero_if`] (a = 0 and
//! sel = 0) are free; honest witnesses set them to zero.

use ff::{Field, PrimeField};
use nova_snark::frontend::{
    AllocatedBit, ConstraintSystem, LinearCombination, SynthesisError, Variable, num::AllocatedNum,
};

use crate::Scalar;

/// The largest width at which a bit decomposition is unique: 2^253 < r < 2^254.
pub const MAX_BITS: usize = 253;

/// 0 or 1 as a field element.
pub fn bit_scalar(bit: bool) -> Scalar {
    if bit { Scalar::ONE } else { Scalar::ZERO }
}

/// Allocates a private variable from a value that is missing while a shape is
/// built. No constraint.
pub fn alloc<CS>(cs: &mut CS, value: Option<Scalar>) -> Result<AllocatedNum<Scalar>, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    AllocatedNum::alloc(cs, || value.ok_or(SynthesisError::AssignmentMissing))
}

/// The same variable, seen as a number. No constraint.
pub fn bit_as_num(bit: &AllocatedBit) -> AllocatedNum<Scalar> {
    AllocatedNum::from_parts(bit.get_variable(), bit.get_value().map(bit_scalar))
}

/// Decomposes the linear combination `lc`, whose value is `value`, into `n`
/// boolean-checked bits, lowest first; so it is below 2^n. `n` is at most
/// [`MAX_BITS`]. Cost: n + 1.
pub fn enforce_bits<CS, L>(
    cs: &mut CS,
    value: Option<Scalar>,
    n: usize,
    lc: L,
) -> Result<Vec<AllocatedBit>, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
    L: FnOnce(LinearCombination<Scalar>) -> LinearCombination<Scalar>,
{
    assert!(n <= MAX_BITS, "invariant: a decomposition is unique");
    let repr = value.map(|value| value.to_repr());
    let bits = (0..n)
        .map(|i| {
            let bit = repr.map(|repr| repr.as_ref()[i / 8] >> (i % 8) & 1 == 1);
            AllocatedBit::alloc(&mut *cs, bit)
        })
        .collect::<Result<Vec<_>, _>>()?;
    cs.enforce(
        || "recompose",
        |one| one + CS::one(),
        |packed| weighted(packed, bits.iter().map(AllocatedBit::get_variable)),
        lc,
    );
    Ok(bits)
}

/// [`enforce_bits`] of one number.
pub fn range_check<CS>(cs: &mut CS, a: &AllocatedNum<Scalar>, n: usize) -> Result<Vec<AllocatedBit>, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    enforce_bits(cs, a.get_value(), n, |lc| lc + a.get_variable())
}

/// `lc` + Σ 2^i·variableᵢ.
pub fn weighted(
    mut lc: LinearCombination<Scalar>,
    variables: impl IntoIterator<Item = Variable>,
) -> LinearCombination<Scalar> {
    let mut weight = Scalar::ONE;
    for variable in variables {
        lc = lc + (weight, variable);
        weight = weight.double();
    }
    lc
}

/// Packs at most [`MAX_BITS`] bits, lowest first, into one number. Cost: 1.
pub fn pack<CS>(cs: &mut CS, bits: &[AllocatedBit]) -> Result<AllocatedNum<Scalar>, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    assert!(bits.len() <= MAX_BITS, "invariant: a packing is injective");
    let value = bits.iter().rev().try_fold(Scalar::ZERO, |sum, bit| Some(sum.double() + bit_scalar(bit.get_value()?)));
    let out = alloc(cs, value)?;
    cs.enforce(
        || "pack",
        |one| one + CS::one(),
        |lc| weighted(lc, bits.iter().map(AllocatedBit::get_variable)),
        |lc| lc + out.get_variable(),
    );
    Ok(out)
}

/// `a` if the bit is set, else `b`. Cost: 1.
pub fn select<CS>(
    cs: &mut CS,
    bit: &AllocatedBit,
    a: &AllocatedNum<Scalar>,
    b: &AllocatedNum<Scalar>,
) -> Result<AllocatedNum<Scalar>, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    let value = match bit.get_value() {
        Some(true) => a.get_value(),
        Some(false) => b.get_value(),
        None => None,
    };
    let out = alloc(cs, value)?;
    cs.enforce(
        || "select",
        |lc| lc + bit.get_variable(),
        |lc| lc + a.get_variable() - b.get_variable(),
        |lc| lc + out.get_variable() - b.get_variable(),
    );
    Ok(out)
}

/// Whether `a` is zero. Cost: 2; boolean by its equations.
pub fn is_zero<CS>(cs: &mut CS, a: &AllocatedNum<Scalar>) -> Result<AllocatedBit, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    let inverse = alloc(cs, a.get_value().map(inverse_or_zero))?;
    let value = a.get_value().map(|a| a == Scalar::ZERO);
    let zero = alloc(cs, value.map(bit_scalar))?;
    cs.enforce(
        || "non-zero has an inverse",
        |lc| lc + a.get_variable(),
        |lc| lc + inverse.get_variable(),
        |lc| lc + CS::one() - zero.get_variable(),
    );
    cs.enforce(|| "non-zero is not zero", |lc| lc + a.get_variable(), |lc| lc + zero.get_variable(), |lc| lc);
    Ok(AllocatedBit::from_parts_unchecked(zero.get_variable(), value))
}

/// `a` is not zero if `sel` is set. Cost: 1.
pub fn enforce_non_zero_if<CS>(cs: &mut CS, sel: &AllocatedBit, a: &AllocatedNum<Scalar>) -> Result<(), SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    let value = a.get_value().zip(sel.get_value()).map(|(a, sel)| if sel { inverse_or_zero(a) } else { Scalar::ZERO });
    let inverse = alloc(cs, value)?;
    cs.enforce(
        || "non-zero",
        |lc| lc + a.get_variable(),
        |lc| lc + inverse.get_variable(),
        |lc| lc + sel.get_variable(),
    );
    Ok(())
}

/// The linear combinations are equal if `sel` is set: pass `a − b`. Cost: 1.
pub fn enforce_zero_if<CS, L>(cs: &mut CS, sel: &AllocatedBit, difference: L)
where
    CS: ConstraintSystem<Scalar>,
    L: FnOnce(LinearCombination<Scalar>) -> LinearCombination<Scalar>,
{
    cs.enforce(|| "zero if", |lc| lc + sel.get_variable(), difference, |lc| lc);
}

/// `a` = `b` if `sel` is set. Cost: 1.
pub fn enforce_equal_if<CS>(cs: &mut CS, sel: &AllocatedBit, a: &AllocatedNum<Scalar>, b: &AllocatedNum<Scalar>)
where
    CS: ConstraintSystem<Scalar>,
{
    enforce_zero_if(cs, sel, |lc| lc + a.get_variable() - b.get_variable());
}

/// `a` and `b`. Cost: 1; boolean by its equation.
pub fn and<CS>(cs: &mut CS, a: &AllocatedBit, b: &AllocatedBit) -> Result<AllocatedBit, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    AllocatedBit::and(cs, a, b)
}

/// `a` or `b`. Cost: 1; boolean by its equation.
pub fn or<CS>(cs: &mut CS, a: &AllocatedBit, b: &AllocatedBit) -> Result<AllocatedBit, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    let value = a.get_value().zip(b.get_value()).map(|(a, b)| a || b);
    let out = alloc(cs, value.map(bit_scalar))?.get_variable();
    cs.enforce(
        || "or",
        |lc| lc + CS::one() - a.get_variable(),
        |lc| lc + CS::one() - b.get_variable(),
        |lc| lc + CS::one() - out,
    );
    Ok(AllocatedBit::from_parts_unchecked(out, value))
}

/// `b` is set wherever `a` is. Cost: 1.
pub fn enforce_implies<CS>(cs: &mut CS, a: &AllocatedBit, b: &AllocatedBit)
where
    CS: ConstraintSystem<Scalar>,
{
    cs.enforce(|| "implies", |lc| lc + a.get_variable(), |lc| lc + CS::one() - b.get_variable(), |lc| lc);
}

fn inverse_or_zero(a: Scalar) -> Scalar {
    a.invert().unwrap_or(Scalar::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Instance, KitCS};

    fn num(cs: &mut KitCS, value: Scalar) -> Result<AllocatedNum<Scalar>, SynthesisError> {
        let value = cs.given(value);
        alloc(cs, value)
    }

    fn bit(cs: &mut KitCS, value: bool) -> Result<AllocatedBit, SynthesisError> {
        let value = cs.given(value);
        AllocatedBit::alloc(cs, value)
    }

    fn checked(value: Scalar, n: usize) -> Instance<Vec<AllocatedBit>> {
        Instance::of(|cs| {
            let a = num(cs, value)?;
            range_check(cs, &a, n)
        })
    }

    fn power(n: u64) -> Scalar {
        Scalar::from(2).pow_vartime([n])
    }

    #[test]
    fn range_check_accepts_exactly_the_range() {
        for n in [1, 8, 64, 128, MAX_BITS] {
            let top = power(n as u64);
            checked(top - Scalar::ONE, n).assert_satisfied();
            checked(Scalar::ZERO, n).assert_satisfied();
            checked(top, n).assert_refused_by("recompose");
            checked(-Scalar::ONE, n).assert_refused_by("recompose");
        }
        let instance = checked(Scalar::from(0b1011), 8);
        let bits: Vec<_> = instance.output.iter().map(AllocatedBit::get_value).collect();
        assert_eq!(&bits[..4], [Some(true), Some(true), Some(false), Some(true)]);
        instance.assert_determined(1, |_| false);
        assert_eq!(instance.pin().constraints, 9);
    }

    #[test]
    fn range_check_needs_boolean_bits() {
        let mut instance = checked(Scalar::from(2), 2);
        instance.set(instance.output[0].get_variable(), Scalar::from(2));
        instance.set(instance.output[1].get_variable(), Scalar::ZERO);
        instance.assert_refused_by("boolean");
    }

    #[test]
    fn pack_is_the_inverse_of_range_check() {
        let value = power(200) + Scalar::from(77);
        let instance = Instance::of(|cs| {
            let a = num(cs, value)?;
            let bits = range_check(cs, &a, 201)?;
            pack(cs, &bits)
        });
        instance.assert_determined(1, |_| false);
        assert_eq!(instance.output.get_value(), Some(value));
    }

    #[test]
    fn select_takes_a_if_set() {
        for set in [false, true] {
            let instance = Instance::of(|cs| {
                let sel = bit(cs, set)?;
                let (a, b) = (num(cs, Scalar::from(5))?, num(cs, Scalar::from(7))?);
                let out = select(cs, &sel, &a, &b)?;
                Ok((a, b, out))
            });
            instance.assert_satisfied();
            let (a, b, out) = &instance.output;
            let (taken, other) = if set { (a, b) } else { (b, a) };
            assert_eq!(out.get_value(), taken.get_value());
            let other = other.get_variable();
            instance.assert_determined(1, |i| other.get_unchecked() == nova_snark::frontend::Index::Aux(i));
        }
    }

    #[test]
    fn is_zero_knows_zero_only() {
        for (value, expected) in [(0, true), (1, false), (9, false)] {
            let mut instance = Instance::of(|cs| {
                let a = num(cs, Scalar::from(value))?;
                is_zero(cs, &a)
            });
            assert_eq!(instance.output.get_value(), Some(expected));
            // The inverse of zero is free.
            instance.assert_determined(1, |i| expected && i == 1);
            instance.set(instance.output.get_variable(), bit_scalar(!expected));
            assert!(!instance.is_satisfied());
        }
    }

    #[test]
    fn non_zero_is_asked_for_only_if_selected() {
        for (sel, value, ok) in [(true, 3, true), (true, 0, false), (false, 0, true), (false, 3, true)] {
            let instance = Instance::of(|cs| {
                let sel = bit(cs, sel)?;
                let a = num(cs, Scalar::from(value))?;
                enforce_non_zero_if(cs, &sel, &a)
            });
            assert_eq!(instance.is_satisfied(), ok, "{sel} {value}");
        }
    }

    #[test]
    fn equality_is_asked_for_only_if_selected() {
        for (sel, a, ok) in [(true, 4, true), (true, 3, false), (false, 3, true)] {
            let instance = Instance::of(|cs| {
                let sel = bit(cs, sel)?;
                let (a, b) = (num(cs, Scalar::from(a))?, num(cs, Scalar::from(4))?);
                enforce_equal_if(cs, &sel, &a, &b);
                Ok(())
            });
            assert_eq!(instance.is_satisfied(), ok, "{sel} {a}");
        }
    }

    #[test]
    fn boolean_operations_follow_their_truth_tables() {
        for (a, b) in [(false, false), (false, true), (true, false), (true, true)] {
            let instance = Instance::of(|cs| {
                let (a, b) = (bit(cs, a)?, bit(cs, b)?);
                Ok((and(cs, &a, &b)?, or(cs, &a, &b)?))
            });
            instance.assert_satisfied();
            let (both, either) = &instance.output;
            assert_eq!(both.get_value(), Some(a && b));
            assert_eq!(either.get_value(), Some(a || b));
            for out in [both, either] {
                let mut changed = Instance::of(|cs| {
                    let (a, b) = (bit(cs, a)?, bit(cs, b)?);
                    Ok((and(cs, &a, &b)?, or(cs, &a, &b)?))
                });
                let flipped = out.get_value().map(|v| bit_scalar(!v));
                changed.set(out.get_variable(), flipped.expect("a value"));
                assert!(!changed.is_satisfied());
            }
            let implied = Instance::of(|cs| {
                let (a, b) = (bit(cs, a)?, bit(cs, b)?);
                enforce_implies(cs, &a, &b);
                Ok(())
            });
            assert_eq!(implied.is_satisfied(), !a || b);
        }
    }
}
