//! Poseidon in a circuit: the digests of [`super::hash2`] .. [`super::hash24`].
//!
//! Every S-box is three constraints (`x·x = x2`, `x2·x2 = x4`,
//! `x4·x = y - key`); matrices and keys are linear and cost nothing. The
//! S-boxes of constant inputs (the capacity, padding) are folded. With `T`
//! lanes, `c` of them constant, `RF` full and `RP` partial rounds:
//!
//! ```text
//! constraints = 3·(T·RF - c + RP) + (T - 1)·[T <= REFRESH_WIDTH_MAX]
//! ```
//!
//! and one more where the digest is allocated. In the partial rounds the lanes
//! without an S-box are growing sums; narrow permutations allocate them once
//! half way, which halves the non-zeros for `T - 1` constraints.
//!
//! **Gate.** All constants are multiplied by a gate, a variable that is 0 or 1.
//! Behind a gate of 1 the digest is Poseidon's. Behind a gate of 0 it means
//! nothing, and inputs of 0 give a witness of zeros.

use ff::Field;
use nova_snark::frontend::{
    AllocatedBit, ConstraintSystem, LinearCombination, SynthesisError, Variable, num::AllocatedNum,
};

use super::{Domain, Parameters, parameters2, parameters4, parameters8, parameters24, power5};
use crate::Scalar;

/// The widest permutation that allocates its lanes half way.
const REFRESH_WIDTH_MAX: usize = 9;

/// A linear combination of variables with its value. Where only a witness is
/// made, the combination is not built.
#[derive(Clone, Debug)]
pub struct Wire {
    value: Option<Scalar>,
    lc: Option<LinearCombination<Scalar>>,
}

impl Wire {
    /// The variable itself.
    pub fn of<CS: ConstraintSystem<Scalar>>(cs: &CS, number: &AllocatedNum<Scalar>) -> Self {
        Self::scaled(cs, Scalar::ONE, number.get_variable(), number.get_value())
    }

    fn scaled<CS: ConstraintSystem<Scalar>>(
        cs: &CS,
        coefficient: Scalar,
        variable: Variable,
        value: Option<Scalar>,
    ) -> Self {
        let lc = match cs.is_witness_generator() {
            true => None,
            false => Some(LinearCombination::from_coeff(variable, coefficient)),
        };
        Self { value: value.map(|v| coefficient * v), lc }
    }

    /// The value, if there is a witness.
    pub const fn value(&self) -> Option<Scalar> {
        self.value
    }

    /// The combination, for `enforce` closures.
    pub fn lc(&self) -> LinearCombination<Scalar> {
        self.lc.clone().unwrap_or_default()
    }

    /// `self + coefficient·other`.
    #[must_use]
    pub fn plus(self, coefficient: Scalar, other: &Self) -> Self {
        Self {
            value: self.value.zip(other.value).map(|(a, b)| a + coefficient * b),
            lc: self.lc.zip(other.lc.as_ref()).map(|(a, b)| a + (coefficient, b)),
        }
    }

    /// `self + other`.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        Self {
            value: self.value.zip(other.value).map(|(a, b)| a + b),
            lc: self.lc.zip(other.lc.as_ref()).map(|(a, b)| a + b),
        }
    }

    /// `self - other`.
    #[must_use]
    pub fn minus(self, other: &Self) -> Self {
        Self {
            value: self.value.zip(other.value).map(|(a, b)| a - b),
            lc: self.lc.zip(other.lc.as_ref()).map(|(a, b)| a - b),
        }
    }

    /// A fresh variable with the wire's value: one constraint.
    ///
    /// # Errors
    /// As [`AllocatedNum::alloc`].
    pub fn allocate<CS: ConstraintSystem<Scalar>>(&self, mut cs: CS) -> Result<AllocatedNum<Scalar>, SynthesisError> {
        let number =
            AllocatedNum::alloc(cs.namespace(|| "value"), || self.value.ok_or(SynthesisError::AssignmentMissing))?;
        cs.enforce(|| "equals", |_| self.lc(), |lc| lc + CS::one(), |lc| lc + number.get_variable());
        Ok(number)
    }
}

/// What all constants of a hash are multiplied by; its value is 0 or 1.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    variable: Variable,
    value: Option<Scalar>,
}

impl Gate {
    /// Always 1.
    pub fn open<CS: ConstraintSystem<Scalar>>() -> Self {
        Self { variable: CS::one(), value: Some(Scalar::ONE) }
    }

    /// 1 where `sel` is.
    pub fn selected(sel: &AllocatedBit) -> Self {
        Self { variable: sel.get_variable(), value: sel.get_value().map(|b| Scalar::from(u64::from(b))) }
    }

    /// `constant` behind the gate.
    pub fn times<CS: ConstraintSystem<Scalar>>(&self, cs: &CS, constant: Scalar) -> Wire {
        Wire::scaled(cs, constant, self.variable, self.value)
    }
}

/// An input of a hash.
#[derive(Clone, Debug)]
pub enum Input {
    /// A constant; behind a gate of 0 it is 0.
    Constant(Scalar),
    /// Anything else.
    Wire(Wire),
}

/// `y = x^5 + gate·key`, allocated.
fn sbox<CS: ConstraintSystem<Scalar>>(
    mut cs: CS,
    gate: &Gate,
    x: &Wire,
    key: Option<Scalar>,
) -> Result<Wire, SynthesisError> {
    let alloc = |cs: &mut CS, name: &'static str, value: Option<Scalar>| {
        cs.alloc(|| name, || value.ok_or(SynthesisError::AssignmentMissing))
    };
    let square = x.value.map(|v| v.square());
    let fourth = square.map(|v| v.square());
    let mut value = fourth.zip(x.value).map(|(a, b)| a * b);
    if let Some(key) = key {
        value = value.zip(gate.value).map(|(v, g)| v + key * g);
    }
    let x2 = alloc(&mut cs, "x2", square)?;
    cs.enforce(|| "x·x", |_| x.lc(), |_| x.lc(), |lc| lc + x2);
    let x4 = alloc(&mut cs, "x4", fourth)?;
    cs.enforce(|| "x2·x2", |lc| lc + x2, |lc| lc + x2, |lc| lc + x4);
    let y = alloc(&mut cs, "y", value)?;
    cs.enforce(
        || "x4·x",
        |lc| lc + x4,
        |_| x.lc(),
        |lc| match key {
            Some(key) => lc + y - (key, gate.variable),
            None => lc + y,
        },
    );
    Ok(Wire::scaled(&cs, Scalar::ONE, y, value))
}

fn dot<const T: usize>(coefficients: &[Scalar; T], wires: &[Wire; T]) -> Wire {
    let first = Wire {
        value: wires[0].value.map(|v| coefficients[0] * v),
        lc: wires[0].lc.as_ref().map(|lc| LinearCombination::zero() + (coefficients[0], lc)),
    };
    coefficients.iter().zip(wires).skip(1).fold(first, |sum, (c, wire)| sum.plus(*c, wire))
}

fn apply<const T: usize>(matrix: &[[Scalar; T]; T], wires: &[Wire; T]) -> [Wire; T] {
    std::array::from_fn(|j| dot(&matrix[j], wires))
}

fn permute<const T: usize, CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    gate: &Gate,
    parameters: &Parameters<T>,
    inputs: &[Input; T],
) -> Result<Wire, SynthesisError> {
    let half = parameters.half;
    let mut state: [Wire; T] = std::array::from_fn(|i| match &inputs[i] {
        Input::Constant(constant) => {
            let after = power5(&(*constant + parameters.first_keys[i]));
            gate.times(cs, after + parameters.full_keys[0][i])
        }
        Input::Wire(wire) => wire.clone().and(&gate.times(cs, parameters.first_keys[i])),
    });
    for (round, keys) in parameters.full_keys[..half].iter().enumerate() {
        for (i, lane) in state.iter_mut().enumerate() {
            if round > 0 || matches!(inputs[i], Input::Wire(_)) {
                let cs = cs.namespace(|| format!("full {round} lane {i}"));
                *lane = sbox(cs, gate, lane, Some(keys[i]))?;
            }
        }
        let last = round + 1 == half;
        let matrix = if last { &parameters.pre_sparse } else { &parameters.mds };
        state = apply(matrix, &state);
    }
    let middle = parameters.sparse.len() / 2;
    for (round, (key, matrix)) in parameters.partial_keys.iter().zip(&parameters.sparse).enumerate() {
        if round == middle && T <= REFRESH_WIDTH_MAX {
            for (i, lane) in state.iter_mut().enumerate().skip(1) {
                let number = lane.allocate(cs.namespace(|| format!("refresh {i}")))?;
                *lane = Wire::of(cs, &number);
            }
        }
        let cs = cs.namespace(|| format!("partial {round}"));
        state[0] = sbox(cs, gate, &state[0], Some(*key))?;
        let head = dot(&matrix.column, &state);
        let first = std::mem::replace(&mut state[0], head);
        for (lane, coefficient) in state.iter_mut().zip(&matrix.row).skip(1) {
            *lane = lane.clone().plus(*coefficient, &first);
        }
    }
    for (round, keys) in parameters.full_keys[half..].iter().enumerate() {
        for (i, lane) in state.iter_mut().enumerate() {
            let cs = cs.namespace(|| format!("full {} lane {i}", half + round));
            *lane = sbox(cs, gate, lane, Some(keys[i]))?;
        }
        state = apply(&parameters.mds, &state);
    }
    for (i, lane) in state.iter_mut().enumerate() {
        let cs = cs.namespace(|| format!("last lane {i}"));
        *lane = sbox(cs, gate, lane, None)?;
    }
    Ok(dot(&parameters.mds[1], &state))
}

macro_rules! arity {
    ($hash:ident, $wires:ident, $parameters:ident, $n:literal, $width:literal) => {
        #[doc = concat!("The digest of ", $n, " inputs behind `gate`, not allocated.")]
        ///
        /// # Errors
        /// [`SynthesisError::AssignmentMissing`] where a witness is made and an
        /// input has no value.
        pub fn $wires<CS: ConstraintSystem<Scalar>>(
            mut cs: CS,
            gate: &Gate,
            domain: Domain,
            inputs: &[Input; $n],
        ) -> Result<Wire, SynthesisError> {
            let parameters = $parameters();
            let all: [Input; $width] = std::array::from_fn(|i| match i {
                0 => Input::Constant(parameters.capacity[domain.slot()]),
                _ => inputs[i - 1].clone(),
            });
            permute(&mut cs, gate, parameters, &all)
        }

        #[doc = concat!("The digest of ", $n, " variables, allocated.")]
        ///
        /// # Errors
        /// [`SynthesisError::AssignmentMissing`] where a witness is made and an
        /// input has no value.
        pub fn $hash<CS: ConstraintSystem<Scalar>>(
            mut cs: CS,
            domain: Domain,
            inputs: &[AllocatedNum<Scalar>; $n],
        ) -> Result<AllocatedNum<Scalar>, SynthesisError> {
            let inputs: [Input; $n] = std::array::from_fn(|i| Input::Wire(Wire::of(&cs, &inputs[i])));
            let gate = Gate::open::<CS>();
            let digest = $wires(cs.namespace(|| "permutation"), &gate, domain, &inputs)?;
            digest.allocate(cs.namespace(|| "digest"))
        }
    };
}

arity!(hash2, hash2_wires, parameters2, 2, 3);
arity!(hash4, hash4_wires, parameters4, 4, 5);
arity!(hash8, hash8_wires, parameters8, 8, 9);
arity!(hash24, hash24_wires, parameters24, 24, 25);
