//! Shared helpers of this folder's tests: a constraint checker that is fast
//! enough for sweeps, and signatures made by `k256`, the independent twin.

mod circuit;
mod forgery;
mod gadgets;
mod native;
mod offsets;

use super::*;
use crate::{Engine, Scalar};
use ff::Field;
use k256::elliptic_curve::PrimeField as _;
use k256::elliptic_curve::ops::Reduce;
use k256::elliptic_curve::sec1::ToEncodedPoint;
use nova_snark::frontend::gadgets::boolean::AllocatedBit;
use nova_snark::frontend::shape_cs::ShapeCS;
use nova_snark::frontend::solver::SatisfyingAssignment;
use nova_snark::frontend::{ConstraintSystem, Index, SynthesisError};
use std::sync::OnceLock;

type Row = Vec<(usize, Scalar)>;

/// All constraints; variable 0 is the constant one, then the witness.
pub(super) struct Checker {
    pub(super) rows: Vec<[Row; 3]>,
    /// Constraints that each variable occurs in.
    pub(super) columns: Vec<Vec<usize>>,
}

impl Checker {
    pub(super) fn new(cs: &ShapeCS<Engine>) -> Checker {
        let mut columns = vec![Vec::new(); cs.num_aux() + 1];
        let mut rows = Vec::with_capacity(cs.constraints.len());
        for (i, (a, b, c)) in cs.constraints.iter().enumerate() {
            rows.push([a, b, c].map(|lc| {
                lc.iter()
                    .filter(|(_, coef)| **coef != Scalar::ZERO)
                    .map(|(var, coef)| {
                        let index = match var.0 {
                            Index::Input(i) => i,
                            Index::Aux(i) => i + 1,
                        };
                        if columns[index].last() != Some(&i) {
                            columns[index].push(i);
                        }
                        (index, *coef)
                    })
                    .collect()
            }));
        }
        Checker { rows, columns }
    }

    pub(super) fn nonzeros(&self) -> usize {
        self.rows.iter().flatten().map(Vec::len).sum()
    }

    pub(super) fn holds(&self, row: usize, z: &[Scalar]) -> bool {
        let [a, b, c] = [0, 1, 2].map(|m| self.rows[row][m].iter().map(|(i, coef)| z[*i] * coef).sum::<Scalar>());
        a * b == c
    }

    pub(super) fn failures(&self, z: &[Scalar]) -> Vec<usize> {
        assert_eq!(z.len(), self.columns.len());
        (0..self.rows.len()).filter(|i| !self.holds(*i, z)).collect()
    }

    /// Whether changing one variable breaks a constraint.
    pub(super) fn notices(&self, z: &mut [Scalar], variable: usize, value: Scalar) -> bool {
        let honest = std::mem::replace(&mut z[variable], value);
        let noticed = self.columns[variable].iter().any(|r| !self.holds(*r, z));
        z[variable] = honest;
        noticed
    }
}

/// Variables in the checker's order.
pub(super) fn assignment(cs: &SatisfyingAssignment<Engine>) -> Vec<Scalar> {
    let mut z = vec![Scalar::ONE];
    z.extend_from_slice(cs.aux_assignment());
    z
}

fn slot<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    sel: bool,
    witness: Option<&ChunkWitness>,
) -> Result<ChunkPorts, SynthesisError> {
    let sel = AllocatedBit::alloc(&mut *cs, Some(sel))?;
    synthesize_chunk(cs, &sel, witness)
}

/// The slot's constraints, made once. `AllocatedBit::alloc` is given a value,
/// so the shape's selector is 0 here, which the shape must not depend on.
pub(super) fn shape() -> &'static Checker {
    static SHAPE: OnceLock<Checker> = OnceLock::new();
    SHAPE.get_or_init(|| {
        let mut cs = ShapeCS::<Engine>::new();
        slot(&mut cs, false, None).unwrap();
        Checker::new(&cs)
    })
}

/// The assignment of a slot with this witness, and its ports.
pub(super) fn synthesize(witness: &ChunkWitness) -> (Vec<Scalar>, ChunkPorts) {
    let mut cs = SatisfyingAssignment::<Engine>::new();
    let ports = slot(&mut cs, true, Some(witness)).unwrap();
    (assignment(&cs), ports)
}

pub(super) fn is_satisfied(witness: &ChunkWitness) -> bool {
    shape().failures(&synthesize(witness).0).is_empty()
}

/// A signature as bytes.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) hash: [u8; 32],
    pub(super) r: [u8; 32],
    pub(super) s: [u8; 32],
    pub(super) key: ([u8; 32], [u8; 32]),
}

impl Signed {
    pub(super) fn plan(&self) -> Result<EcdsaPlan, SignatureError> {
        EcdsaPlan::new(self.hash, self.r, self.s, self.key)
    }
}

pub(super) fn coordinates(point: &k256::ProjectivePoint) -> ([u8; 32], [u8; 32]) {
    let encoded = point.to_affine().to_encoded_point(false);
    ((*encoded.x().unwrap()).into(), (*encoded.y().unwrap()).into())
}

pub(super) fn scalar(bytes: [u8; 32]) -> k256::Scalar {
    <k256::Scalar as Reduce<k256::U256>>::reduce_bytes(&bytes.into())
}

/// The key for which `(point, s)` signs the hash, `(s·R - z·G)/r`: a valid
/// signature for whoever chooses R first. `s` must be low.
pub(super) fn recovered(hash: [u8; 32], point: k256::ProjectivePoint, s: k256::Scalar) -> Signed {
    let (r, _) = coordinates(&point);
    let key = (point * s - k256::ProjectivePoint::GENERATOR * scalar(hash)) * scalar(r).invert().unwrap();
    Signed { hash, r, s: s.to_repr().into(), key: coordinates(&key) }
}

/// Signs with a chosen nonce; `s` is made low.
pub(super) fn sign(hash: [u8; 32], secret: k256::Scalar, nonce: k256::Scalar) -> Signed {
    let point = k256::ProjectivePoint::GENERATOR * nonce;
    let (r, _) = coordinates(&point);
    let s = nonce.invert().unwrap() * (scalar(hash) + scalar(r) * secret);
    let low: bool = !bool::from(k256::elliptic_curve::scalar::IsHigh::is_high(&s));
    let s = if low { s } else { -s };
    Signed { hash, r, s: s.to_repr().into(), key: coordinates(&(k256::ProjectivePoint::GENERATOR * secret)) }
}

pub(super) fn random_signature(rng: &mut impl rand::RngCore) -> Signed {
    let mut bytes = [[0u8; 32]; 3];
    for b in &mut bytes {
        rng.fill_bytes(b);
    }
    sign(bytes[0], scalar(bytes[1]), scalar(bytes[2]))
}
