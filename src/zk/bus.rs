//! The bus: how the slots of an item's segments talk to each other.
//!
//! A *port* of a slot says one message or nothing: a boolean selector and a
//! payload of fixed width. Every message that is sent must be received exactly
//! once, anywhere in the same item; this is shown by a sum of fractions:
//!
//! ```text
//!   Σ_ports  side · selector / (γ + fingerprint)  =  0
//!   fingerprint = kind + β·m_1 + β²·m_2 + … + β^n·m_n
//! ```
//!
//! Rules, each of which closes a forgery:
//! - every port, used or not, is absorbed whole (selector and payload) into the
//!   chain `h` before (γ, β) exist ([`absorb`]), and both are full-field squeezes
//!   of the finished chain ([`challenges`]);
//! - kind and side are constants of the shape; kinds are non-zero and are the
//!   constant coordinate of the fingerprint;
//! - selectors are boolean and each denominator is inverted on its own:
//!   `inverse · (γ + fingerprint) = selector`, so there are no multiplicities.
//!
//! With n ports in the item, a false balance passes with probability at most
//! about `25 n / |F|` over (γ, β) (a non-zero rational function's zeros). A
//! multiset has no order: what needs an order carries a sequence number.
//!
//! Cost: one Poseidon permutation of arity 24 per 23 absorbed elements, plus
//! one constraint per element and two per port for the fingerprint, the
//! inverse and the selector.

use ff::Field;
use nova_snark::frontend::{ConstraintSystem, LinearCombination, SynthesisError, num::AllocatedNum};

use crate::{
    Scalar,
    poseidon::{self, Domain},
};

/// What a message says; coordinate 0 of its fingerprint. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Kind {
    /// A keccak-f\[1600\] permutation: input and output state, packed.
    Keccak = 1,
    /// A valid secp256k1 signature exists for (hash, key).
    Signature = 2,
    /// State between the chunks of one signature verification.
    CurveState = 3,
    /// One operation on the state tree.
    Tree = 4,
    /// State between the chunks of one settlement.
    Settlement = 5,
}

/// Which side of the balance a port is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Adds the message.
    Send,
    /// Takes the message away.
    Receive,
}

/// A place where a slot may say one message.
pub struct Port {
    /// The kind of message that this port always says.
    pub kind: Kind,
    /// Its side of the balance.
    pub side: Side,
    /// Boolean (the slot's duty): whether the message is said.
    pub selector: AllocatedNum<Scalar>,
    /// The message without its kind.
    pub payload: Vec<AllocatedNum<Scalar>>,
}

/// Elements of the chain that one permutation absorbs beside the chain itself.
pub const ABSORB_RATE: usize = 23;

/// Absorbs all ports whole into the chain: `h' = H24(h, next 23 elements)`,
/// repeated; the last group is filled with zeros (the layout is fixed by the
/// shape, so the filling is unambiguous).
///
/// # Errors
/// Those of the constraint system.
pub fn absorb<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    h: &AllocatedNum<Scalar>,
    ports: &[Port],
) -> Result<AllocatedNum<Scalar>, SynthesisError> {
    let elements: Vec<&AllocatedNum<Scalar>> =
        ports.iter().flat_map(|port| std::iter::once(&port.selector).chain(&port.payload)).collect();
    let zero = constant_zero(cs)?;
    let mut h = h.clone();
    for (i, group) in elements.chunks(ABSORB_RATE).enumerate() {
        let mut input = Vec::with_capacity(ABSORB_RATE + 1);
        input.push(h);
        input.extend(group.iter().map(|&element| element.clone()));
        input.resize(ABSORB_RATE + 1, zero.clone());
        let input: [AllocatedNum<Scalar>; ABSORB_RATE + 1] =
            input.try_into().map_err(|_| SynthesisError::Unsatisfiable("group is one rate long".to_string()))?;
        h = poseidon::gadget::hash24(cs.namespace(|| format!("absorb {i}")), Domain::Bus, &input)?;
    }
    Ok(h)
}

/// A variable that is constrained to be zero.
pub(crate) fn constant_zero<CS: ConstraintSystem<Scalar>>(cs: &mut CS) -> Result<AllocatedNum<Scalar>, SynthesisError> {
    let zero = AllocatedNum::alloc(cs.namespace(|| "zero"), || Ok(Scalar::ZERO))?;
    cs.enforce(|| "zero", |lc| lc + zero.get_variable(), |lc| lc + CS::one(), |lc| lc);
    Ok(zero)
}

/// The challenges of a finished chain, natively.
#[must_use]
pub fn challenges(h: Scalar) -> (Scalar, Scalar) {
    let squeeze = |tag| poseidon::hash2(Domain::Challenge, &[h, Scalar::from(tag)]);
    (squeeze(0), squeeze(1))
}

/// Adds the fractions of `ports` to `bus_in`.
///
/// # Errors
/// Those of the constraint system; with a witness also
/// [`SynthesisError::DivisionByZero`] where γ hits a used fingerprint, which
/// honest challenges do with negligible probability.
pub fn sum<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    ports: &[Port],
    gamma: &AllocatedNum<Scalar>,
    beta: &AllocatedNum<Scalar>,
    bus_in: &AllocatedNum<Scalar>,
) -> Result<(LinearCombination<Scalar>, Option<Scalar>), SynthesisError> {
    let inverses = fractions(ports, gamma, beta)?;
    let mut total = LinearCombination::from_variable(bus_in.get_variable());
    let mut value = bus_in.get_value();
    for (i, port) in ports.iter().enumerate() {
        let inverse_value = inverses.as_ref().map(|v| v[i]);
        // Horner: β·(m_1 + β·(m_2 + …)); the innermost product is of β and m_n.
        let mut tail: Option<AllocatedNum<Scalar>> = None;
        for element in port.payload.iter().rev() {
            let product = AllocatedNum::alloc(cs.namespace(|| "power"), || {
                let inner = match &tail {
                    Some(t) => t.get_value().ok_or(SynthesisError::AssignmentMissing)?,
                    None => Scalar::ZERO,
                };
                let m = element.get_value().ok_or(SynthesisError::AssignmentMissing)?;
                let b = beta.get_value().ok_or(SynthesisError::AssignmentMissing)?;
                Ok((m + inner) * b)
            })?;
            cs.enforce(
                || "product",
                |lc| {
                    let lc = lc + element.get_variable();
                    match &tail {
                        Some(t) => lc + t.get_variable(),
                        None => lc,
                    }
                },
                |lc| lc + beta.get_variable(),
                |lc| lc + product.get_variable(),
            );
            tail = Some(product);
        }
        let inverse =
            AllocatedNum::alloc(cs.namespace(|| "inverse"), || inverse_value.ok_or(SynthesisError::AssignmentMissing))?;
        let kind = Scalar::from(port.kind as u64);
        cs.enforce(
            || "inverse times denominator is the selector",
            |lc| lc + inverse.get_variable(),
            |lc| {
                let lc = lc + gamma.get_variable() + (kind, CS::one());
                match &tail {
                    Some(t) => lc + t.get_variable(),
                    None => lc,
                }
            },
            |lc| lc + port.selector.get_variable(),
        );
        let sign = match port.side {
            Side::Send => Scalar::ONE,
            Side::Receive => -Scalar::ONE,
        };
        total = total + (sign, inverse.get_variable());
        value = match (value, inverse.get_value()) {
            (Some(sum), Some(inverse)) => Some(sum + sign * inverse),
            _ => None,
        };
    }
    Ok((total, value))
}

/// `selector / (γ + fingerprint)` of every port, or `None` without a witness.
fn fractions(
    ports: &[Port],
    gamma: &AllocatedNum<Scalar>,
    beta: &AllocatedNum<Scalar>,
) -> Result<Option<Vec<Scalar>>, SynthesisError> {
    let (Some(gamma), Some(beta)) = (gamma.get_value(), beta.get_value()) else {
        return Ok(None);
    };
    let mut denominators = Vec::with_capacity(ports.len());
    let mut selectors = Vec::with_capacity(ports.len());
    for port in ports {
        let mut payload = Vec::with_capacity(port.payload.len());
        for element in &port.payload {
            payload.push(element.get_value().ok_or(SynthesisError::AssignmentMissing)?);
        }
        denominators.push(gamma + fingerprint(port.kind, &payload, beta));
        selectors.push(port.selector.get_value().ok_or(SynthesisError::AssignmentMissing)?);
    }
    let mut out = Vec::with_capacity(ports.len());
    for (denominator, selector) in denominators.into_iter().zip(selectors) {
        if selector == Scalar::ZERO {
            out.push(Scalar::ZERO);
        } else {
            let inverse: Option<Scalar> = denominator.invert().into();
            out.push(selector * inverse.ok_or(SynthesisError::DivisionByZero)?);
        }
    }
    Ok(Some(out))
}

/// `kind + β·m_1 + β²·m_2 + …`, natively.
#[must_use]
pub fn fingerprint(kind: Kind, payload: &[Scalar], beta: Scalar) -> Scalar {
    let tail = payload.iter().rev().fold(Scalar::ZERO, |acc, m| (acc + m) * beta);
    Scalar::from(kind as u64) + tail
}
