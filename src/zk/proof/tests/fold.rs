//! The instance side and the witness side of a fold agree, and prover and
//! verifier draw the same challenges.

use super::*;
use crate::proof::{
    fold::{fold_item, leaf_part, start_item},
    item::fold_in,
    transcript::{Position, challenge},
    witness::Products,
};
use ff::Field;

#[test]
fn prover_and_verifier_fold_to_the_same_instance_and_it_is_satisfied() {
    let params = &WORLD.params;
    let leaves = leaves(1, 4);
    let instances: Vec<_> = leaves.iter().enumerate().map(|(i, l)| l.commit(params, i).unwrap()).collect();
    let products = |i: usize| Products::new(params, &leaves[i].w, Scalar::ONE, &leaves[i].x).unwrap();
    let mut folding = start_item(params.verifier(), &instances).unwrap();
    let mut running = products(0);
    let mut comm_t = Vec::new();
    for (index, instance) in instances.iter().enumerate().skip(1) {
        let before = folding.instance().clone();
        let part = leaf_part(instance);
        comm_t.push(fold_in(params, &mut folding, &mut running, &part, &products(index)));
        // u moved by exactly this step's challenge.
        let position = Position { height: 0, parts: 4, index: index as u32 - 1 };
        let vk = params.verifier().vk_digest();
        let r = challenge(&vk, &position, &before, &instance.relax(), &comm_t[index - 1]);
        assert_eq!(folding.instance().u(), before.u() + r);
    }
    let node = folding.finish();
    assert_eq!(node, fold_item(params.verifier(), &instances, &comm_t).unwrap());
    let instance = node.instance();
    // Commitments are those of the folded vectors.
    assert_eq!(params.commit(&running.w), *instance.comm_w());
    assert_eq!(params.commit(&running.error(instance.u())), *instance.comm_e());
    // Weights: u, X and W are the weighted sums.
    assert_eq!(node.weights()[0], Scalar::ONE);
    assert_eq!(node.weights().iter().sum::<Scalar>(), instance.u());
    for index in 0..PLAN.io {
        let sum: Scalar = leaves.iter().zip(node.weights()).map(|(l, w)| l.x[index] * w).sum();
        assert_eq!(sum, instance.x()[index]);
    }
    let again = Products::new(params, &running.w, instance.u(), instance.x()).unwrap();
    assert_eq!(again.error(instance.u()), running.error(instance.u()));
}

#[test]
fn nova_snark_folds_to_the_same_vectors() {
    use nova_snark::r1cs::{R1CSInstance, R1CSWitness, RelaxedR1CSInstance, RelaxedR1CSWitness};
    use rand::SeedableRng;
    let params = &WORLD.params;
    let shape = &params.shape.shape;
    let leaves = leaves(2, 2);
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    let nova: Vec<_> = leaves
        .iter()
        .map(|leaf| {
            let (w, _) = R1CSWitness::<crate::Engine>::new(shape, &leaf.w, &mut rng).unwrap().derandomize();
            let u = R1CSInstance::new(shape, &w.commit(&params.ck), &leaf.x).unwrap();
            shape.is_sat(&params.ck, &u, &w).unwrap();
            (u, w)
        })
        .collect();
    let u = RelaxedR1CSInstance::from_r1cs_instance(&params.ck, shape, &nova[0].0);
    let w = RelaxedR1CSWitness::from_r1cs_witness(shape, &nova[0].1);
    let zero = Scalar::ZERO;
    let (t, comm_t) = shape.commit_T(&params.ck, &u, &w, &nova[1].0, &nova[1].1, &zero).unwrap();
    let r = Scalar::from(12345);
    let u = u.fold(&nova[1].0, &comm_t, &r);
    let w = w.fold(&nova[1].1, &t, &zero, &r).unwrap();
    shape.is_sat_relaxed(&params.ck, &u, &w).unwrap();

    let product = |leaf: &LeafWitness| Products::new(params, &leaf.w, Scalar::ONE, &leaf.x).unwrap();
    let (mut running, incoming) = (product(&leaves[0]), product(&leaves[1]));
    let ours = running.cross_term(Scalar::ONE, &incoming, Scalar::ONE);
    assert_eq!(ours, t);
    running.fold(&incoming, &r);
    assert_eq!(running.w, w.W());
    assert_eq!(running.error(Scalar::ONE + r), w.E());
    let mut instance = leaves[0].commit(params, 0).unwrap().relax();
    let second = leaves[1].commit(params, 1).unwrap().relax();
    instance.fold(&second, &params.commit(&ours), &r);
    assert_eq!(instance.comm_w().to_nova(), *u.comm_W());
    assert_eq!(instance.comm_e().to_nova(), *u.comm_E());
    assert_eq!(instance.u(), u.u());
    assert_eq!(instance.x(), u.X());
}
