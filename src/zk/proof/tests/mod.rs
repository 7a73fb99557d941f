//! Tests of the proof layer on a synthetic shape of 2^6: every rule of the
//! design has a test that turns red when its check is deleted.
//!
//! They do not establish the soundness of Spartan or HyperKZG, and they do not
//! see the real circuits.

mod codec;
mod fold;
mod keys;
mod proofs;
mod traps;
mod tree;

use super::{
    curve::Commitment,
    item::{ItemProof, Stage, prove_item},
    node::VerifiedNode,
    params::ProofParams,
    shape::PaddedShape,
    synthetic::{Plan, Synthetic},
    witness::LeafWitness,
};
use crate::Scalar;
use std::{ops::ControlFlow, sync::LazyLock};

pub(super) const LOG_SIZE: u32 = 6;
pub(super) const PLAN: Plan = Plan { vars: 50, free: 20, bits: 12, io: 5, width: 4 };

/// Parameters and generator shared by all tests.
pub(super) struct World {
    pub(super) synthetic: Synthetic,
    pub(super) params: ProofParams,
}

pub(super) static WORLD: LazyLock<World> = LazyLock::new(|| {
    let synthetic = Synthetic::new(PLAN, 7);
    let shape = PaddedShape::new(&synthetic.shape, LOG_SIZE).unwrap();
    let params = ProofParams::development(shape).unwrap();
    World { synthetic, params }
});

pub(super) fn keep_going(_: Stage) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Leaf number `index` of the item `item`.
pub(super) fn leaf(item: u64, index: u64) -> LeafWitness {
    let x: Vec<_> = (0..PLAN.io as u64).map(|i| Scalar::from(1000 * item + 100 * index + i + 1)).collect();
    let w = WORLD.synthetic.witness(&x, Some(31 * item + index));
    LeafWitness { w, x }
}

pub(super) fn leaves(item: u64, count: u64) -> Vec<LeafWitness> {
    (0..count).map(|index| leaf(item, index)).collect()
}

pub(super) fn inputs(leaves: &[LeafWitness]) -> Vec<Vec<Scalar>> {
    leaves.iter().map(|leaf| leaf.x.clone()).collect()
}

pub(super) fn prove(leaves: &[LeafWitness]) -> ItemProof {
    prove_item(&WORLD.params, leaves, &mut keep_going).unwrap()
}

pub(super) fn verify(leaves: &[LeafWitness], proof: &ItemProof) -> Result<VerifiedNode, super::error::VerifyError> {
    super::item::verify_item(WORLD.params.verifier(), &inputs(leaves), proof)
}

/// A point that is not the one given.
pub(super) fn other_point(point: Commitment) -> Commitment {
    point.add_scaled(WORLD.params.commit(&[Scalar::one()]), &Scalar::one())
}

/// Every way to change one element of a root proof, as (name, changed proof).
pub(super) fn tampered_roots(root: &super::root::RootProof) -> Vec<(String, super::root::RootProof)> {
    let mut all = Vec::new();
    let one = Scalar::one();
    let scalars = |root: &mut super::root::RootProof, name: &str, index: usize| match name {
        "outer" => root.outer.as_flattened_mut()[index] += one,
        "claims" => root.claims[index] += one,
        "inner" => root.inner.as_flattened_mut()[index] += one,
        "eval_w" => root.eval_w += one,
        "batch" => root.batch.as_flattened_mut()[index] += one,
        "evals_batch" => root.evals_batch[index] += one,
        "com" => root.com[index] = other_point(root.com[index]),
        "w" => root.w[index] = other_point(root.w[index]),
        _ => root.v.as_flattened_mut()[index] += one,
    };
    let lengths = [
        ("outer", 3 * root.outer.len()),
        ("claims", 4),
        ("inner", 2 * root.inner.len()),
        ("eval_w", 1),
        ("batch", 2 * root.batch.len()),
        ("evals_batch", 2),
        ("com", root.com.len()),
        ("w", 3),
        ("v", 3 * root.v.len()),
    ];
    for (name, length) in lengths {
        for index in 0..length {
            let mut changed = root.clone();
            scalars(&mut changed, name, index);
            all.push((format!("{name}[{index}]"), changed));
        }
    }
    all
}
