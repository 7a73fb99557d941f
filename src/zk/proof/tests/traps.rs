//! One test per trap of the design that concerns this layer, and per item of
//! the argument why a root proof covers every leaf.

use super::*;
use crate::proof::{
    canonical::{check_canonical, check_recommitted},
    error::{KeyError, ProveError, ShapeError, VerifyError},
    fold::RelaxedInstance,
    key::{Key, Setup},
    params::VerifierParams,
    root::RootProof,
    transcript::{Position, StepKind, challenge, challenge_preimage, keccak, reduce},
    witness::NodeWitness,
};
use ff::Field;

fn instance(seed: u64) -> RelaxedInstance {
    let commit = |k: u64| WORLD.params.commit(&[Scalar::from(seed + k)]);
    let x = (0..PLAN.io as u64).map(|i| Scalar::from(seed * 7 + i)).collect();
    RelaxedInstance::from_parts(commit(1), commit(2), Scalar::from(seed + 3), x)
}

/// Trap 5: the challenge depends on every field, in one fixed order.
#[test]
fn trap_5_every_input_of_a_fold_moves_its_challenge() {
    let vk = WORLD.params.verifier().vk_digest();
    let position = Position { height: 1, parts: 4, index: 2 };
    let (left, right) = (instance(10), instance(20));
    let t = WORLD.params.commit(&[Scalar::from(99)]);
    let base = challenge(&vk, &position, &left, &right, &t);
    let mut seen = vec![base];
    let mut push = |value: Scalar, what: &str| {
        assert!(!seen.contains(&value), "{what} does not reach the challenge");
        seen.push(value);
    };
    push(challenge(&(vk + Scalar::ONE), &position, &left, &right, &t), "vk");
    for (what, position) in [
        ("height", Position { height: 2, ..position }),
        ("kind", Position { height: 0, ..position }),
        ("parts", Position { parts: 5, ..position }),
        ("index", Position { index: 1, ..position }),
    ] {
        push(challenge(&vk, &position, &left, &right, &t), what);
    }
    push(challenge(&vk, &position, &right, &left, &t), "order");
    push(challenge(&vk, &position, &left, &right, &other_point(t)), "comm_t");
    push(challenge(&vk, &position, &left, &right, &Commitment::infinity()), "infinite comm_t");
    for side in 0..2 {
        let source = if side == 0 { &left } else { &right };
        let mut variants = Vec::new();
        let (w, e, u) = (*source.comm_w(), *source.comm_e(), source.u());
        let x = source.x().to_vec();
        let make = RelaxedInstance::from_parts;
        variants.push(make(other_point(w), e, u, x.clone()));
        variants.push(make(w, other_point(e), u, x.clone()));
        variants.push(make(w, Commitment::infinity(), u, x.clone()));
        variants.push(make(e, w, u, x.clone()));
        variants.push(make(w, e, u + Scalar::ONE, x.clone()));
        for index in 0..x.len() {
            let mut changed = x.clone();
            changed[index] += Scalar::ONE;
            variants.push(make(w, e, u, changed));
        }
        let mut longer = x.clone();
        longer.push(Scalar::ZERO);
        variants.push(make(w, e, u, longer));
        variants.push(make(w, e, u, x[..x.len() - 1].to_vec()));
        for (index, variant) in variants.iter().enumerate() {
            let (left, right) = if side == 0 { (variant, &right) } else { (&left, variant) };
            push(challenge(&vk, &position, left, right, &t), &format!("{side}/{index}"));
        }
    }
}

/// Trap 5: moving a value across a border of two vectors changes the bytes.
#[test]
fn trap_5_lengths_separate_the_vectors() {
    let vk = Scalar::ONE;
    let position = Position { height: 1, parts: 2, index: 0 };
    let make = |x: &[u64]| {
        let x = x.iter().map(|v| Scalar::from(*v)).collect();
        RelaxedInstance::from_parts(Commitment::infinity(), Commitment::infinity(), Scalar::ZERO, x)
    };
    let t = Commitment::infinity();
    // (0,0) · (0,0) · u = 0 looks like five inputs of value 0.
    let a = challenge_preimage(&vk, &position, &make(&[]), &make(&[0; 5]), &t);
    let b = challenge_preimage(&vk, &position, &make(&[0; 5]), &make(&[]), &t);
    assert_eq!(a.len(), b.len());
    assert_ne!(a, b);
}

/// Trap 5: the documented layout, word by word: what a contract replays.
#[test]
fn trap_5_the_preimage_is_the_documented_one() {
    let position = Position { height: 0, parts: 3, index: 0 };
    assert_eq!(position.kind(), StepKind::StrictStrict);
    assert_eq!(Position { index: 1, ..position }.kind(), StepKind::RelaxedStrict);
    assert_eq!(Position { height: 1, ..position }.kind(), StepKind::RelaxedRelaxed);
    let x = vec![Scalar::from(5), -Scalar::ONE];
    let w = WORLD.params.commit(&[Scalar::ONE]);
    let infinity = Commitment::infinity();
    let left = RelaxedInstance::from_parts(w, infinity, Scalar::ONE, x);
    let right = RelaxedInstance::from_parts(infinity, infinity, Scalar::ONE, vec![]);
    let bytes = challenge_preimage(&Scalar::from(77), &position, &left, &right, &w);
    let word = |n: u64| {
        let mut word = [0; 32];
        word[24..].copy_from_slice(&n.to_be_bytes());
        word
    };
    let minus_one = "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000000";
    let minus_one: [u8; 32] = hex::decode(minus_one).unwrap().try_into().unwrap();
    // The commitment to (1) is the generator (1, 2).
    let expected = [
        keccak(&[b"crowdfold.fold.v1"]),
        word(77),
        word(1),
        word(0),
        word(3),
        word(0),
        word(2),
        word(0),
        word(1),
        word(2),
        word(0),
        word(0),
        word(1),
        word(5),
        minus_one,
        word(0),
        word(0),
        word(0),
        word(0),
        word(1),
        word(1),
        word(2),
    ];
    assert_eq!(bytes, expected.as_flattened());
    let r = challenge(&Scalar::from(77), &position, &left, &right, &w);
    assert_eq!(r, reduce(&keccak(&[&bytes])));
}

/// Trap 7: the point at which W is opened follows every commitment and input.
#[test]
fn trap_7_the_opening_point_follows_every_commitment() {
    let a = leaves(1, 2);
    let mut b = a.clone();
    b[1] = leaf(1, 9);
    // Same inputs, another satisfying witness: only comm_W differs.
    let mut c = a.clone();
    c[1].w = WORLD.synthetic.witness(&a[1].x, Some(555));
    let points: Vec<_> =
        [a, b, c].iter().map(|leaves| verify(leaves, &prove(leaves)).unwrap().opening().point.clone()).collect();
    for i in 0..3 {
        assert_eq!(points[i].len(), LOG_SIZE as usize);
        for j in 0..i {
            for k in 0..LOG_SIZE as usize {
                assert_ne!(points[i][k], points[j][k]);
            }
        }
    }
}

/// Trap 7: whoever knows higher powers of tau cannot hide a vector beyond the
/// shape's size in a commitment.
#[test]
fn trap_7_powers_beyond_the_size_are_of_no_use() {
    let key = Key::development(LOG_SIZE).unwrap();
    assert_eq!(key.header().log_size(), LOG_SIZE);
    let bytes = key.to_bytes();
    let higher = Key::development(LOG_SIZE + 1).unwrap();
    assert_eq!(higher.to_bytes().len() - bytes.len(), 64 << LOG_SIZE);
    // A key with more powers than the shape needs is not accepted.
    let setup = Setup::Development { digest: higher.digest() };
    let shape = PaddedShape::new(&WORLD.synthetic.shape, LOG_SIZE).unwrap();
    let refused = ProofParams::new(shape, higher.clone(), &setup);
    assert!(matches!(refused, Err(ShapeError::KeySize { .. })));
    // comm_W plus tau^n times a value: a witness with more values than variables.
    let leaves = leaves(2, 2);
    let mut proof = prove(&leaves);
    let wide = PaddedShape::new(&WORLD.synthetic.shape, LOG_SIZE + 1).unwrap();
    let wide = ProofParams::new(wide, higher, &setup).unwrap();
    let mut vector = vec![Scalar::ZERO; (1 << LOG_SIZE) + 1];
    vector[1 << LOG_SIZE] = Scalar::from(3);
    proof.comm_w[0] = proof.comm_w[0].add_scaled(wide.commit(&vector), &Scalar::ONE);
    assert!(verify(&leaves, &proof).is_err());
}

/// Trap 8: a development key is refused where the genesis names a ceremony.
#[test]
fn trap_8_development_keys_are_refused_by_a_ceremony_genesis() {
    let key = Key::development(LOG_SIZE).unwrap();
    let ceremony = Setup::Ceremony { digest: key.digest() };
    let shape = || PaddedShape::new(&WORLD.synthetic.shape, LOG_SIZE).unwrap();
    let refused =
        |result: Result<(), ShapeError>| matches!(result, Err(ShapeError::Key(KeyError::DevelopmentKeyOnCeremony)));
    assert!(refused(ProofParams::new(shape(), key.clone(), &ceremony).map(|_| ())));
    assert!(refused(VerifierParams::new(&shape(), key.header(), &ceremony).map(|_| ())));
    // Bytes that call themselves a ceremony's do not load with the declared tau.
    let mut bytes = key.to_bytes();
    bytes[4] = 1;
    assert!(matches!(Key::from_bytes(&bytes), Err(KeyError::TauH)));
    // The genesis' digest decides which development key.
    let other = Setup::Development { digest: [1; 32] };
    assert!(matches!(ProofParams::new(shape(), key, &other), Err(ShapeError::Key(KeyError::Digest { .. }))));
}

/// Section 3.2: another satisfying witness of the same inputs is valid but not
/// canonical, by both checks.
#[test]
fn trap_another_satisfying_witness_is_not_canonical() {
    let params = &WORLD.params;
    let canonical = leaves(3, 3);
    for index in 0..3 {
        let mut other = canonical.clone();
        other[index].w = WORLD.synthetic.witness(&canonical[index].x, Some(777));
        assert_ne!(other[index], canonical[index]);
        let proof = prove(&other);
        let accepted = verify(&canonical, &proof).unwrap();
        assert!(matches!(check_canonical(params.verifier(), &canonical, &accepted), Err(VerifyError::NotCanonical)));
        assert!(matches!(check_recommitted(params, &canonical, &proof), Err(ProveError::WitnessMismatch)));
        assert!(matches!(NodeWitness::from_leaves(params, &accepted, &canonical), Err(ProveError::WitnessMismatch)));
        check_canonical(params.verifier(), &other, &accepted).unwrap();
        check_recommitted(params, &other, &proof).unwrap();
    }
}

/// Section 3.2: the canonical check compares the public inputs as well.
#[test]
fn trap_canonical_inputs_are_compared() {
    let canonical = leaves(9, 2);
    let accepted = verify(&canonical, &prove(&canonical)).unwrap();
    let params = WORLD.params.verifier();
    let mut changed = canonical.clone();
    changed[1].x[2] += Scalar::ONE;
    assert!(matches!(check_canonical(params, &changed, &accepted), Err(VerifyError::NotCanonical)));
    for wrong in [&canonical[..1], &[]] {
        assert!(matches!(check_canonical(params, wrong, &accepted), Err(VerifyError::Form(_))));
    }
}

/// Section 3.2: a free variable that no row uses (padding) is pinned as well.
#[test]
fn trap_padding_variables_are_pinned_too() {
    // Nothing multiplies the last of the 2^k variables; the prover sets it anyway.
    let params = &WORLD.params;
    let canonical = leaves(4, 1);
    let mut padded = canonical[0].w.clone();
    padded.resize(1 << LOG_SIZE, Scalar::ZERO);
    padded[(1 << LOG_SIZE) - 1] = Scalar::from(42);
    let x = canonical[0].x.clone();
    let products = crate::proof::witness::Products::new(params, &padded, Scalar::ONE, &x).unwrap();
    assert_eq!(products.first_violation(), None);
    let comm_w = params.commit(&padded);
    let leaf = crate::proof::fold::LeafInstance { comm_w, x };
    let root = RootProof::prove(params, &leaf.relax(), padded, products.error(Scalar::ONE)).unwrap();
    let proof = ItemProof { comm_w: vec![comm_w], comm_t: vec![], root };
    let accepted = verify(&canonical, &proof).unwrap();
    assert!(check_canonical(params.verifier(), &canonical, &accepted).is_err());
    assert!(check_recommitted(params, &canonical, &proof).is_err());
}

/// Section 3.3: a root with u = 0 is refused, although Spartan would accept it.
#[test]
fn trap_a_root_with_u_zero_is_rejected() {
    let params = &WORLD.params;
    let zero = vec![Scalar::ZERO; 1 << LOG_SIZE];
    let x = vec![Scalar::ZERO; PLAN.io];
    let infinity = Commitment::infinity();
    let with_u = |u| RelaxedInstance::from_parts(infinity, infinity, u, x.clone());
    let root = RootProof::prove(params, &with_u(Scalar::ZERO), zero.clone(), zero.clone()).unwrap();
    let result = root.verify(params.verifier(), &with_u(Scalar::ZERO));
    assert!(matches!(result, Err(VerifyError::ZeroU)));
    // The same vectors are fine with u = 1, so u is what was refused.
    let root = RootProof::prove(params, &with_u(Scalar::ONE), zero.clone(), zero).unwrap();
    root.verify(params.verifier(), &with_u(Scalar::ONE)).unwrap();
}

/// Section 3: infinity is honest. All-idle segments and identical segments.
#[test]
fn trap_idle_and_identical_segments_fold() {
    let idle = LeafWitness { w: vec![Scalar::ZERO; PLAN.vars], x: vec![Scalar::ZERO; PLAN.io] };
    let busy = leaf(5, 0);
    let infinity = Commitment::infinity();
    let all_idle = vec![idle.clone(); 3];
    let proof = prove(&all_idle);
    assert!(proof.comm_w.iter().chain(&proof.comm_t).all(|c| *c == infinity));
    let accepted = verify(&all_idle, &proof).unwrap();
    check_canonical(WORLD.params.verifier(), &all_idle, &accepted).unwrap();
    assert_eq!(ItemProof::decode(&proof.encode(), LOG_SIZE).unwrap(), proof);
    // Two equal leaves: T = 2(Az∘Bz - Cz) = 0.
    let twice = vec![busy.clone(), busy.clone()];
    let proof = prove(&twice);
    assert_eq!(proof.comm_t, [infinity]);
    verify(&twice, &proof).unwrap();
    for mixed in [[&idle, &busy], [&busy, &idle]] {
        let mixed: Vec<_> = mixed.into_iter().cloned().collect();
        verify(&mixed, &prove(&mixed)).unwrap();
    }
}

/// Section 3: an unsatisfied leaf cannot hide in a fold, whatever the prover
/// commits to: here the prover skips its own check and folds honestly.
#[test]
fn trap_one_bad_leaf_spoils_the_root() {
    use crate::proof::fold::{LeafInstance, fold_item, leaf_part, start_item};
    use crate::proof::item::{fold_in, prove_root};
    use crate::proof::witness::Products;
    let params = &WORLD.params;
    for bad in 0..3 {
        let mut leaves = leaves(6, 3);
        leaves[bad].w[PLAN.free + 2] += Scalar::ONE;
        let instances: Vec<LeafInstance> =
            leaves.iter().enumerate().map(|(i, l)| l.commit(params, i).unwrap()).collect();
        let products = |i: usize| Products::new(params, &leaves[i].w, Scalar::ONE, &leaves[i].x).unwrap();
        let mut folding = start_item(params.verifier(), &instances).unwrap();
        let mut running = products(0);
        let mut comm_t = Vec::new();
        for (index, instance) in instances.iter().enumerate().skip(1) {
            let part = leaf_part(instance);
            comm_t.push(fold_in(params, &mut folding, &mut running, &part, &products(index)));
        }
        let node = folding.finish();
        // The error vector that makes the root satisfied is not the one committed to.
        let root = prove_root(params, &node, running).unwrap();
        assert_eq!(fold_item(params.verifier(), &instances, &comm_t).unwrap(), node);
        let proof = ItemProof { comm_w: instances.iter().map(|i| i.comm_w).collect(), comm_t, root };
        assert!(verify(&leaves, &proof).is_err(), "leaf {bad}");
    }
}
