//! Item proofs: complete, deterministic, and broken by every change.

use super::*;
use crate::proof::{
    canonical::{check_canonical, check_recommitted},
    error::{FormError, ProveError, VerifyError},
    item::verify_item,
    params::VerifierParams,
    shape::Dims,
};
use ff::Field;

#[test]
fn items_of_one_to_four_leaves_verify() {
    for count in 1..=4 {
        let leaves = leaves(1, count);
        let proof = prove(&leaves);
        assert_eq!(proof.comm_t.len() as u64, count - 1);
        let accepted = verify(&leaves, &proof).unwrap();
        assert_eq!(accepted.node().weights().len() as u64, count);
        check_canonical(WORLD.params.verifier(), &leaves, &accepted).unwrap();
        check_recommitted(&WORLD.params, &leaves, &proof).unwrap();
    }
}

#[test]
fn a_verifier_needs_only_the_header_of_the_key() {
    let leaves = leaves(1, 2);
    let proof = prove(&leaves);
    let prover = WORLD.params.verifier();
    let setup = crate::proof::key::Setup::Development { digest: prover.key_header().digest() };
    let shape = PaddedShape::new(&WORLD.synthetic.shape, LOG_SIZE).unwrap();
    let header = crate::proof::key::KeyHeader::from_bytes(&prover.key_header().to_bytes()).unwrap();
    let params = VerifierParams::new(&shape, &header, &setup).unwrap();
    assert_eq!(params.vk_digest(), prover.vk_digest());
    verify_item(&params, &inputs(&leaves), &proof).unwrap();
}

#[test]
fn proving_is_deterministic() {
    let leaves = leaves(2, 3);
    assert_eq!(prove(&leaves).encode(), prove(&leaves).encode());
}

#[test]
fn every_changed_public_input_is_rejected() {
    let leaves = leaves(3, 3);
    let proof = prove(&leaves);
    for leaf in 0..3 {
        for index in 0..PLAN.io {
            let mut changed = leaves.clone();
            changed[leaf].x[index] += Scalar::ONE;
            assert!(verify(&changed, &proof).is_err(), "leaf {leaf} input {index}");
        }
    }
}

#[test]
fn every_changed_proof_element_is_rejected() {
    let leaves = leaves(4, 3);
    let proof = prove(&leaves);
    for (name, root) in tampered_roots(&proof.root) {
        let changed = ItemProof { root, ..proof.clone() };
        assert!(verify(&leaves, &changed).is_err(), "{name}");
    }
    for index in 0..3 {
        let mut changed = proof.clone();
        changed.comm_w[index] = other_point(changed.comm_w[index]);
        assert!(verify(&leaves, &changed).is_err(), "comm_w {index}");
        changed.comm_w[index] = Commitment::infinity();
        assert!(verify(&leaves, &changed).is_err(), "comm_w {index} infinity");
    }
    for index in 0..2 {
        let mut changed = proof.clone();
        changed.comm_t[index] = other_point(changed.comm_t[index]);
        assert!(verify(&leaves, &changed).is_err(), "comm_t {index}");
        changed.comm_t[index] = Commitment::infinity();
        assert!(verify(&leaves, &changed).is_err(), "comm_t {index} infinity");
    }
}

#[test]
fn order_repetition_and_exchange_are_rejected() {
    let leaves = leaves(5, 3);
    let proof = prove(&leaves);
    let mut swapped = leaves.clone();
    swapped.swap(0, 1);
    assert!(verify(&swapped, &proof).is_err());
    let mut both = proof.clone();
    both.comm_w.swap(0, 1);
    assert!(verify(&leaves, &both).is_err());
    // Inputs and commitments moved together are another item with another fold.
    assert!(verify(&swapped, &both).is_err());
    let mut cross = proof.clone();
    cross.comm_t.swap(0, 1);
    assert!(verify(&leaves, &cross).is_err());
    let mut repeated = leaves.clone();
    repeated[2] = repeated[1].clone();
    assert!(verify(&repeated, &proof).is_err());
    let mut repeated_w = proof.clone();
    repeated_w.comm_w[2] = repeated_w.comm_w[1];
    assert!(verify(&repeated, &repeated_w).is_err());
}

#[test]
fn wrong_lengths_are_typed_errors() {
    let leaves = leaves(6, 3);
    let proof = prove(&leaves);
    let params = WORLD.params.verifier();
    let io = PLAN.io;
    for found in [0, io - 1, io + 1, 1000] {
        let mut x = inputs(&leaves);
        x[1].resize(found, Scalar::ZERO);
        let error = verify_item(params, &x, &proof).unwrap_err();
        let expected = FormError::PublicInputs { leaf: 1, expected: io, found };
        assert!(matches!(error, VerifyError::Form(form) if form == expected));
    }
    let x = inputs(&leaves);
    for count in [0, 1, 2, 65, 1000] {
        let mut changed = x.clone();
        changed.resize(count, x[0].clone());
        assert!(matches!(verify_item(params, &changed, &proof), Err(VerifyError::Form(_))));
        let mut fewer = proof.clone();
        fewer.comm_w.resize(count, Commitment::infinity());
        assert!(matches!(verify_item(params, &x, &fewer), Err(VerifyError::Form(_))));
    }
    for count in [0, 1, 3, 100] {
        let mut changed = proof.clone();
        changed.comm_t.resize(count, Commitment::infinity());
        let error = verify_item(params, &x, &changed).unwrap_err();
        let expected = FormError::CrossTerms { expected: 2, found: count };
        assert!(matches!(error, VerifyError::Form(form) if form == expected));
    }
    let resize: [fn(&mut ItemProof, usize); 5] = [
        |p, n| p.root.outer.resize(n, [Scalar::ZERO; 3]),
        |p, n| p.root.inner.resize(n, [Scalar::ZERO; 2]),
        |p, n| p.root.batch.resize(n, [Scalar::ZERO; 2]),
        |p, n| p.root.com.resize(n, Commitment::infinity()),
        |p, n| p.root.v.resize(n, [Scalar::ZERO; 3]),
    ];
    for change in resize {
        for length in [0, 1, 4, 8, 100] {
            let mut changed = proof.clone();
            change(&mut changed, length);
            let error = verify_item(params, &x, &changed).unwrap_err();
            assert!(matches!(error, VerifyError::RootLength { .. }), "{error}");
        }
    }
}

#[test]
fn provers_check_lengths_and_satisfaction() {
    let params = &WORLD.params;
    let good = leaves(7, 2);
    let run = |leaves: &[LeafWitness]| prove_item(params, leaves, &mut keep_going);
    assert!(matches!(run(&[]), Err(ProveError::Form(_))));
    assert!(matches!(run(&vec![good[0].clone(); 65]), Err(ProveError::Form(_))));
    for length in [0, PLAN.vars - 1, PLAN.vars + 1, 1 << LOG_SIZE, 1000] {
        let mut bad = good.clone();
        bad[1].w.resize(length, Scalar::ZERO);
        assert!(matches!(run(&bad), Err(ProveError::Form(FormError::Witness { leaf: 1, .. }))));
    }
    let mut bad = good.clone();
    bad[0].x.pop();
    assert!(matches!(run(&bad), Err(ProveError::Form(FormError::PublicInputs { leaf: 0, .. }))));
    // A changed computed variable violates its own row at least.
    let mut bad = good.clone();
    bad[1].w[PLAN.free] += Scalar::ONE;
    assert!(matches!(run(&bad), Err(ProveError::Unsatisfied { leaf: 1, constraint: 0 })));
    let mut bad = good;
    bad[0].x[0] += Scalar::ONE;
    assert!(matches!(run(&bad), Err(ProveError::Unsatisfied { leaf: 0, .. })));
}

#[test]
fn progress_names_every_stage_and_cancels_at_each() {
    let leaves = leaves(8, 3);
    let mut stages = Vec::new();
    prove_item(&WORLD.params, &leaves, &mut |stage| {
        stages.push(stage);
        ControlFlow::Continue(())
    })
    .unwrap();
    let expected = [
        Stage::Commit { index: 0, of: 3 },
        Stage::Commit { index: 1, of: 3 },
        Stage::Commit { index: 2, of: 3 },
        Stage::Fold { index: 0, of: 2 },
        Stage::Fold { index: 1, of: 2 },
        Stage::Spartan,
        Stage::Done,
    ];
    assert_eq!(stages, expected);
    for stop in expected {
        let result = prove_item(&WORLD.params, &leaves, &mut |stage| {
            if stage == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(matches!(result, Err(ProveError::Cancelled(stage)) if stage == stop));
    }
}

#[test]
fn padding_keeps_satisfaction_at_every_boundary() {
    // Only constraints padded, only variables padded, both, none.
    for (vars, cons_log) in [(64, 6), (50, 6), (64, 7)] {
        let plan = Plan { vars, free: 20, bits: 12, io: 3, width: 3 };
        let synthetic = Synthetic::new(plan, 3);
        let shape = PaddedShape::new(&synthetic.shape, cons_log).unwrap();
        let expected = Dims { log_size: cons_log, vars, cons: vars - 8, io: 3 };
        assert_eq!(shape.dims(), expected);
        let params = ProofParams::development(shape).unwrap();
        let x = vec![Scalar::from(9), Scalar::from(8), Scalar::from(7)];
        let w = synthetic.witness(&x, Some(1));
        let proof = prove_item(&params, &[LeafWitness { w, x: x.clone() }], &mut keep_going).unwrap();
        verify_item(params.verifier(), &[x], &proof).unwrap();
    }
    assert!(PaddedShape::new(&WORLD.synthetic.shape, 5).is_err());
    assert!(PaddedShape::new(&WORLD.synthetic.shape, 0).is_err());
    assert!(PaddedShape::new(&WORLD.synthetic.shape, 64).is_err());
}
