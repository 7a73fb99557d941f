//! The slot's constraints; see the module's header for the equations.

use ff::Field;
use nova_snark::frontend::{
    AllocatedBit, ConstraintSystem, LinearCombination, SynthesisError, Variable, num::AllocatedNum,
};

use super::native::{PORT_ELEMENTS, ROTATIONS, ROUND_CONSTANTS, Round, State, Step, pack_state, pi_source, round_with};
use crate::Scalar;
use crate::gadgets::{alloc, bit_scalar};

/// The payload of a KECCAK port: input and output state, packed as in
/// [`pack_state`]. The slot provides it with selector `sel`.
#[derive(Clone, Debug)]
pub struct KeccakPorts {
    /// The state before the permutation, 192 bits per element, 64 in the last.
    pub input: [AllocatedNum<Scalar>; PORT_ELEMENTS],
    /// The state after the permutation.
    pub output: [AllocatedNum<Scalar>; PORT_ELEMENTS],
}

/// A bit of the state: a variable, or `sel` minus it where ι negates it.
#[derive(Clone, Copy)]
struct Bit {
    variable: Variable,
    negated: bool,
}

/// 64 bits, lowest first.
type Lane = [Bit; 64];

/// Enforces `output = keccak_f(input)` if `sel` is set. If it is not, the slot
/// ignores `input` and has the all-zero witness; its ports then say nothing
/// about keccak-f.
///
/// `sel` must already be boolean. `input` may be missing while a shape is built
/// and in an idle slot. Cost: 93,778 constraints.
pub fn synthesize_keccak_f<CS>(
    cs: &mut CS,
    sel: &AllocatedBit,
    input: Option<&State>,
) -> Result<KeccakPorts, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    synthesize_with(cs, sel, input, |_, _, _| {})
}

/// [`synthesize_keccak_f`] with a witness that `change` may alter after each step
/// of each round: the way to a dishonest one.
pub(super) fn synthesize_with<CS>(
    cs: &mut CS,
    sel: &AllocatedBit,
    input: Option<&State>,
    mut change: impl FnMut(usize, Step, &mut [u64]),
) -> Result<KeccakPorts, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    let active = sel.get_value();
    let mut value = match active {
        Some(false) => Some([0; 25]),
        _ => input.copied(),
    };
    let mut state = Vec::with_capacity(25);
    for lane in 0..25 {
        let bits = alloc_lane(cs, value.map(|value| value[lane]))?;
        for bit in &bits {
            cs.enforce(|| "input bit", |lc| lc + CS::one() - bit.variable, |lc| lc + bit.variable, |lc| lc);
        }
        state.push(bits);
    }
    let input = pack(cs, sel, &state, value.as_ref())?;
    for (number, constant) in ROUND_CONSTANTS.into_iter().enumerate() {
        let round = value.map(|value| round_with(&value, &mut |step, lanes| change(number, step, lanes)));
        state = synthesize_round(cs, sel, &state, round.as_ref())?;
        for (z, bit) in state[0].iter_mut().enumerate() {
            bit.negated = constant >> z & 1 == 1;
        }
        value = round.map(|round| {
            let mut next = round.chi;
            if active == Some(true) {
                next[0] ^= constant;
            }
            next
        });
    }
    let output = pack(cs, sel, &state, value.as_ref())?;
    Ok(KeccakPorts { input, output })
}

/// θ, ρ, π and χ of one round.
fn synthesize_round<CS>(
    cs: &mut CS,
    sel: &AllocatedBit,
    a: &[Lane],
    value: Option<&Round>,
) -> Result<Vec<Lane>, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    let sel = sel.get_variable();

    let mut parity = Vec::with_capacity(5);
    for x in 0..5 {
        let partial = alloc_lane(cs, value.map(|value| value.partial[x]))?;
        let whole = alloc_lane(cs, value.map(|value| value.parity[x]))?;
        for z in 0..64 {
            let first = [a[x][z], a[x + 5][z], a[x + 10][z]];
            let rest = [partial[z], a[x + 15][z], a[x + 20][z]];
            enforce_xor3(cs, "partial parity", sel, first, partial[z].variable);
            enforce_xor3(cs, "column parity", sel, rest, whole[z].variable);
        }
        parity.push(whole);
    }

    let mut theta = Vec::with_capacity(25);
    for i in 0..25 {
        let out = alloc_lane(cs, value.map(|value| value.theta[i]))?;
        let (left, right) = (&parity[(i + 4) % 5], &parity[(i + 1) % 5]);
        for z in 0..64 {
            let rotated = right[(z + 63) % 64];
            enforce_xor3(cs, "theta", sel, [a[i][z], left[z], rotated], out[z].variable);
        }
        theta.push(out);
    }

    let moved = |to: usize, z: usize| {
        let from = pi_source(to);
        theta[from][(z + 64 - ROTATIONS[from] as usize) % 64]
    };
    let mut chi = Vec::with_capacity(25);
    for i in 0..25 {
        let out = alloc_lane(cs, value.map(|value| value.chi[i]))?;
        let row = i - i % 5;
        for (z, bit) in out.iter().enumerate() {
            let bits = [i, row + (i + 1) % 5, row + (i + 2) % 5].map(|lane| moved(lane, z));
            enforce_chi(cs, sel, bits, bit.variable);
        }
        chi.push(out);
    }
    Ok(chi)
}

/// 64 variables without a constraint.
fn alloc_lane<CS>(cs: &mut CS, value: Option<u64>) -> Result<Lane, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    let mut lane = [Bit { variable: CS::one(), negated: false }; 64];
    for (z, bit) in lane.iter_mut().enumerate() {
        bit.variable = cs.alloc(
            || "bit",
            || match value {
                Some(value) => Ok(bit_scalar(value >> z & 1 == 1)),
                None => Err(SynthesisError::AssignmentMissing),
            },
        )?;
    }
    Ok(lane)
}

/// `lc` + coefficient · bit.
fn add(lc: LinearCombination<Scalar>, sel: Variable, coefficient: Scalar, bit: Bit) -> LinearCombination<Scalar> {
    if bit.negated { lc + (coefficient, sel) - (coefficient, bit.variable) } else { lc + (coefficient, bit.variable) }
}

/// out = a ⊕ b ⊕ c: (6 − 5a − 3b − 4c)·(5·out − 4b − 3c) = 5a + 3b + 4c.
fn enforce_xor3<CS>(cs: &mut CS, name: &'static str, sel: Variable, [a, b, c]: [Bit; 3], out: Variable)
where
    CS: ConstraintSystem<Scalar>,
{
    let sum = |lc, [x, y, z]: [i64; 3]| {
        let lc = add(lc, sel, small(x), a);
        let lc = add(lc, sel, small(y), b);
        add(lc, sel, small(z), c)
    };
    let pair = |lc, [y, z]: [i64; 2]| add(add(lc, sel, small(y), b), sel, small(z), c);
    cs.enforce(
        || name,
        |lc| sum(lc + (small(6), CS::one()), [-5, -3, -4]),
        |lc| pair(lc + (small(5), out), [-4, -3]),
        |lc| sum(lc, [5, 3, 4]),
    );
}

/// out = a ⊕ (¬b ∧ c): (6 − 4a − b − 4c)·(4·out − b − 4c) = 8a − 5b.
fn enforce_chi<CS>(cs: &mut CS, sel: Variable, [a, b, c]: [Bit; 3], out: Variable)
where
    CS: ConstraintSystem<Scalar>,
{
    let sum = |lc, [x, y, z]: [i64; 3]| {
        let lc = add(lc, sel, small(x), a);
        let lc = add(lc, sel, small(y), b);
        add(lc, sel, small(z), c)
    };
    cs.enforce(
        || "chi",
        |lc| sum(lc + (small(6), CS::one()), [-4, -1, -4]),
        |lc| {
            let lc = add(lc + (small(4), out), sel, small(-1), b);
            add(lc, sel, small(-4), c)
        },
        |lc| add(add(lc, sel, small(8), a), sel, small(-5), b),
    );
}

/// A small signed integer as a field element.
fn small(n: i64) -> Scalar {
    let magnitude = Scalar::from(n.unsigned_abs());
    if n < 0 { -magnitude } else { magnitude }
}

/// Packs 25 lanes into nine numbers. Cost: 9.
fn pack<CS>(
    cs: &mut CS,
    sel: &AllocatedBit,
    state: &[Lane],
    value: Option<&State>,
) -> Result<[AllocatedNum<Scalar>; PORT_ELEMENTS], SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    let value = value.map(pack_state);
    let mut packed = Vec::with_capacity(PORT_ELEMENTS);
    for (i, lanes) in state.chunks(3).enumerate() {
        let out = alloc(cs, value.map(|value| value[i]))?;
        cs.enforce(
            || "pack",
            |lc| {
                let mut weight = Scalar::ONE;
                lanes.iter().flatten().fold(lc, |lc, bit| {
                    let lc = add(lc, sel.get_variable(), weight, *bit);
                    weight = weight.double();
                    lc
                })
            },
            |lc| lc + CS::one(),
            |lc| lc + out.get_variable(),
        );
        packed.push(out);
    }
    Ok(packed.try_into().expect("invariant: 25 lanes make nine elements"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Instance, KitCS};

    /// One gadget on given bits, negated or not, with a given output.
    fn gadget(
        enforce: impl Fn(&mut KitCS, Variable, [Bit; 3], Variable),
        inputs: [bool; 3],
        negated: [bool; 3],
        out: Scalar,
    ) -> Instance<Variable> {
        Instance::of(|cs| {
            let sel = alloc(cs, Some(Scalar::ONE))?.get_variable();
            let mut bits = Vec::new();
            for (input, negated) in inputs.into_iter().zip(negated) {
                let variable = alloc(cs, Some(bit_scalar(input ^ negated)))?.get_variable();
                bits.push(Bit { variable, negated });
            }
            let out = alloc(cs, Some(out))?.get_variable();
            enforce(cs, sel, [bits[0], bits[1], bits[2]], out);
            Ok(out)
        })
    }

    fn follows_its_truth_table(
        enforce: impl Fn(&mut KitCS, Variable, [Bit; 3], Variable),
        native: impl Fn(bool, bool, bool) -> bool,
    ) {
        for row in 0..64u8 {
            let bit = |i: u8| row >> i & 1 == 1;
            let (inputs, negated) = ([bit(0), bit(1), bit(2)], [bit(3), bit(4), bit(5)]);
            let expected = bit_scalar(native(bit(0), bit(1), bit(2)));
            let instance = gadget(&enforce, inputs, negated, expected);
            instance.assert_satisfied();
            // The constraint is linear in `out`, so a second value that fails
            // shows that its coefficient is not zero and the solution is unique.
            let wrong = gadget(&enforce, inputs, negated, Scalar::ONE - expected);
            assert!(!wrong.is_satisfied(), "row {row}");
        }
    }

    #[test]
    fn xor3_has_one_solution_in_every_row() {
        let xor3 = |cs: &mut KitCS, sel, bits, out| enforce_xor3(cs, "xor3", sel, bits, out);
        follows_its_truth_table(xor3, |a, b, c| a ^ b ^ c);
    }

    #[test]
    fn chi_has_one_solution_in_every_row() {
        follows_its_truth_table(enforce_chi, |a, b, c| a ^ (!b & c));
    }
}
