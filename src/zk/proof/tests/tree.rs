//! Aggregates and whole trees.

use super::*;
use crate::proof::{
    aggregate::{AggregateProof, prove_aggregate, prove_aggregate_with, verify_aggregate},
    canonical::check_canonical,
    error::{FormError, ProveError, VerifyError},
    fold::{FoldedNode, HEIGHT_MAX},
    node::{ProofTree, verify_tree},
    witness::NodeWitness,
};
use ff::Field;

struct Item {
    leaves: Vec<LeafWitness>,
    proof: ItemProof,
    accepted: VerifiedNode,
}

impl Item {
    fn new(seed: u64, count: u64) -> Self {
        let leaves = leaves(seed, count);
        let proof = prove(&leaves);
        let accepted = verify(&leaves, &proof).unwrap();
        Self { leaves, proof, accepted }
    }

    fn witness(&self) -> NodeWitness {
        NodeWitness::from_leaves(&WORLD.params, &self.accepted, &self.leaves).unwrap()
    }

    fn tree(&self) -> ProofTree {
        ProofTree::Item { leaves: self.proof.leaves(&inputs(&self.leaves)).unwrap(), comm_t: self.proof.comm_t.clone() }
    }
}

fn aggregate(witnesses: Vec<NodeWitness>) -> AggregateProof {
    prove_aggregate(&WORLD.params, witnesses, &mut keep_going).unwrap()
}

fn accept(nodes: &[&FoldedNode], proof: &AggregateProof) -> Result<VerifiedNode, VerifyError> {
    verify_aggregate(WORLD.params.verifier(), nodes, proof)
}

fn tree_of(children: Vec<ProofTree>, proof: &AggregateProof) -> ProofTree {
    ProofTree::Aggregate { children, comm_t: proof.comm_t.clone() }
}

#[test]
fn two_levels_of_aggregation_verify_from_the_leaves_alone() {
    let params = WORLD.params.verifier();
    let items: Vec<_> = [(1, 3), (2, 1), (3, 3), (4, 2)].map(|(s, n)| Item::new(s, n)).into();
    let lower: Vec<_> = items
        .chunks(2)
        .map(|pair| {
            let proof = aggregate(pair.iter().map(Item::witness).collect());
            let nodes: Vec<_> = pair.iter().map(|item| item.accepted.node()).collect();
            let accepted = accept(&nodes, &proof).unwrap();
            assert_eq!(accepted.node().height(), 1);
            let leaves: Vec<_> = pair.iter().flat_map(|item| item.leaves.clone()).collect();
            check_canonical(params, &leaves, &accepted).unwrap();
            let tree = tree_of(pair.iter().map(Item::tree).collect(), &proof);
            assert_eq!(verify_tree(params, &tree, &proof.root).unwrap(), accepted);
            (leaves, accepted, tree)
        })
        .collect();
    let witnesses =
        lower.iter().map(|(leaves, accepted, _)| NodeWitness::from_leaves(&WORLD.params, accepted, leaves).unwrap());
    let top = aggregate(witnesses.collect());
    let nodes: Vec<_> = lower.iter().map(|l| l.1.node()).collect();
    let accepted = accept(&nodes, &top).unwrap();
    assert_eq!((accepted.node().height(), accepted.node().weights().len()), (2, 9));
    let tree = tree_of(lower.iter().map(|l| l.2.clone()).collect(), &top);
    assert_eq!(verify_tree(params, &tree, &top.root).unwrap(), accepted);

    // Every public value anywhere in the tree is bound by the root.
    for item in 0..4 {
        for change in 0..4 {
            let mut changed = tree.clone();
            let ProofTree::Aggregate { children, .. } = &mut changed else { unreachable!() };
            let ProofTree::Aggregate { children, comm_t } = &mut children[item / 2] else { unreachable!() };
            let ProofTree::Item { leaves, comm_t: item_t } = &mut children[item % 2] else { unreachable!() };
            match change {
                0 => leaves[0].x[0] += Scalar::ONE,
                1 => leaves[0].comm_w = other_point(leaves[0].comm_w),
                2 => comm_t[0] = other_point(comm_t[0]),
                _ => match item_t.first_mut() {
                    Some(t) => *t = other_point(*t),
                    None => continue,
                },
            }
            assert!(verify_tree(params, &changed, &top.root).is_err(), "{item} {change}");
        }
    }
    // A lower root is no proof of the upper tree, nor the reverse.
    assert!(verify_tree(params, &lower[0].2, &top.root).is_err());
}

#[test]
fn aggregates_are_bound_to_order_and_children() {
    let items: Vec<_> = (10..13).map(|s| Item::new(s, 2)).collect();
    let proof = aggregate(items.iter().map(Item::witness).collect());
    let nodes: Vec<_> = items.iter().map(|item| item.accepted.node()).collect();
    accept(&nodes, &proof).unwrap();
    let [a, b, c] = nodes[..] else { unreachable!() };
    for wrong in [[b, a, c], [a, c, b], [a, a, c], [a, b, b], [c, b, a]] {
        assert!(accept(&wrong, &proof).is_err());
    }
    let mut swapped = proof.clone();
    swapped.comm_t.swap(0, 1);
    assert!(accept(&nodes, &swapped).is_err());
    for (name, root) in tampered_roots(&proof.root) {
        let changed = AggregateProof { root, ..proof.clone() };
        assert!(accept(&nodes, &changed).is_err(), "{name}");
    }
    for count in [0, 1, 3] {
        let mut changed = proof.clone();
        changed.comm_t.resize(count, Commitment::infinity());
        let result = accept(&nodes, &changed);
        assert!(matches!(result, Err(VerifyError::Form(FormError::CrossTerms { .. }))));
    }
    let again = aggregate(items.iter().map(Item::witness).collect());
    assert_eq!(again.encode(), proof.encode());
}

#[test]
fn the_number_of_children_and_the_height_are_bounded() {
    let item = Item::new(20, 1);
    let node = item.accepted.node();
    let empty = AggregateProof { comm_t: vec![], root: item.proof.root.clone() };
    let form = |result| match result {
        Err(VerifyError::Form(form)) => form,
        other => panic!("{other:?}"),
    };
    form(accept(&[], &empty));
    form(accept(&[node; 65], &empty));
    // A chain of one-child aggregates: the instance stays, the height grows.
    let mut tree = item.tree();
    for height in 1..=HEIGHT_MAX {
        tree = ProofTree::Aggregate { children: vec![tree], comm_t: vec![] };
        let node = tree.fold(WORLD.params.verifier()).unwrap();
        assert_eq!(node.height(), height);
    }
    let top = tree.fold(WORLD.params.verifier()).unwrap();
    assert_eq!(form(accept(&[&top], &empty)), FormError::Height { max: HEIGHT_MAX, found: HEIGHT_MAX + 1 });
    for _ in 0..3 {
        tree = ProofTree::Aggregate { children: vec![tree], comm_t: vec![] };
        let error = tree.fold(WORLD.params.verifier()).unwrap_err();
        assert!(matches!(error, FormError::Height { .. }));
    }
    // One child: the fold is empty and the item's own root proof proves it.
    accept(&[node], &empty).unwrap();
}

#[test]
fn wrong_witnesses_are_typed_errors() {
    let (a, b) = (Item::new(30, 2), Item::new(31, 2));
    let params = &WORLD.params;
    let from = |leaves: &[LeafWitness]| NodeWitness::from_leaves(params, &a.accepted, leaves);
    assert!(matches!(from(&b.leaves), Err(ProveError::WitnessMismatch)));
    assert!(matches!(from(&a.leaves[..1]), Err(ProveError::Form(_))));
    assert!(matches!(from(&[]), Err(ProveError::Form(_))));
    let mut short = a.leaves.clone();
    short[0].w.pop();
    assert!(matches!(from(&short), Err(ProveError::Form(_))));
    let mut short = a.leaves.clone();
    short[0].x.pop();
    assert!(matches!(from(&short), Err(ProveError::Form(_))));
    let mut wrong = a.leaves.clone();
    wrong[1].x[0] += Scalar::ONE;
    assert!(matches!(from(&wrong), Err(ProveError::WitnessMismatch)));
    // A witness of another node than the one announced.
    let nodes = [a.accepted.node(), b.accepted.node()];
    let result = prove_aggregate_with(params, &nodes, &mut |_| Ok(a.witness()), &mut keep_going);
    assert!(matches!(result, Err(ProveError::WitnessMismatch)));
    let cancelled = prove_aggregate(params, vec![a.witness(), b.witness()], &mut |stage| {
        if stage == Stage::Spartan { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(cancelled, Err(ProveError::Cancelled(Stage::Spartan))));
}

#[test]
fn the_number_of_leaves_under_a_node_is_bounded() {
    use crate::proof::fold::{LEAVES_MAX, LeafInstance, PARTS_MAX, fold_aggregate, fold_item};
    let params = WORLD.params.verifier();
    let infinity = Commitment::infinity();
    let leaf = LeafInstance { comm_w: infinity, x: vec![Scalar::ZERO; PLAN.io] };
    let t = [infinity; PARTS_MAX - 1];
    let item = fold_item(params, &vec![leaf; PARTS_MAX], &t).unwrap();
    let lower = fold_aggregate(params, &[&item; PARTS_MAX], &t).unwrap();
    let fits = LEAVES_MAX / lower.weights().len();
    fold_aggregate(params, &vec![&lower; fits], &t[..fits - 1]).unwrap();
    let error = fold_aggregate(params, &vec![&lower; fits + 1], &t[..fits]).unwrap_err();
    assert!(matches!(error, FormError::Parts { max: LEAVES_MAX, .. }));
}

#[test]
fn nodes_of_another_shape_are_refused() {
    use crate::proof::fold::{LeafInstance, fold_item};
    let plan = Plan { io: PLAN.io + 1, ..PLAN };
    let shape = PaddedShape::new(&Synthetic::new(plan, 1).shape, LOG_SIZE).unwrap();
    let other = ProofParams::development(shape).unwrap();
    let leaf = LeafInstance { comm_w: Commitment::infinity(), x: vec![Scalar::ZERO; plan.io] };
    let foreign = fold_item(other.verifier(), &[leaf], &[]).unwrap();
    let item = Item::new(40, 1);
    let proof = AggregateProof { comm_t: vec![Commitment::infinity()], root: item.proof.root };
    let result = accept(&[item.accepted.node(), &foreign], &proof);
    assert!(matches!(result, Err(VerifyError::Form(FormError::PublicInputs { leaf: 1, .. }))));
}
