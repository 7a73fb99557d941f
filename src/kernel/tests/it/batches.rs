//! Batches, their trees and certificates.

use crowdfold_events::{BatchIndex, CommitSignature, Event, MessageBody, event::TaskKind};
use crowdfold_kernel::{
    AggregateChild, CommitFault, Dropped, MessageFault, Refusal, Work, child_range, item_range, level_nodes, root_level,
};

use crate::world::{ALICE, BOB, World, signer};

#[test]
fn the_tree_covers_every_item_once() {
    for arity in [2, 3, 8] {
        for items in 1..=70 {
            let root = root_level(items, arity);
            assert_eq!(level_nodes(items, arity, root), 1);
            for level in 0..=root {
                let mut next = 0;
                for position in 0..level_nodes(items, arity, level) {
                    let (first, count) = item_range(items, arity, level, position);
                    assert_eq!(first, next);
                    assert!(count > 0);
                    next = first + count;
                    let (child, children) = child_range(items, arity, level, position);
                    assert_eq!(child, position * arity);
                    assert!((1..=arity).contains(&children));
                }
                assert_eq!(next, items);
            }
        }
    }
}

fn proven(transfers: u32) -> World {
    let mut world = World::with(|g| g.params.batches.aggregation_arity = 2);
    world.admit(3);
    for _ in 0..transfers {
        world.transfer(ALICE, signer(BOB).address(), 1);
    }
    world
}

#[test]
fn a_batch_of_one_item_has_a_node() {
    let mut world = proven(1);
    world.run(3, 30);
    let batch = world.state.batch(BatchIndex(0)).unwrap();
    assert_eq!((batch.items, batch.nodes.len()), (1, 1));
    assert!(batch.certified.is_some());
}

#[test]
fn inner_nodes_open_when_their_children_are_accepted_and_the_root_proves_the_batch() {
    let mut world = proven(5);
    world.run(3, 60);
    let batch = world.state.batch(BatchIndex(0)).unwrap();
    assert_eq!(batch.items, 5);
    let keys: Vec<_> = batch.nodes.keys().copied().collect();
    assert_eq!(keys, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)]);
    assert_eq!(batch.proof, batch.nodes[&(2, 0)].accepted.map(|a| a.proof));
    let root = batch.nodes[&(2, 0)];
    let Some(Work::Aggregate(node)) = world.state.work(root.task, root.accepted.unwrap().worker) else { panic!() };
    assert_eq!((node.pre_root, node.post_root), (batch.pre_root, batch.post_root));
    assert_eq!(node.children.len(), 2);
    let leaf = batch.nodes[&(0, 2)];
    let Some(Work::Aggregate(node)) = world.state.work(leaf.task, leaf.accepted.unwrap().worker) else { panic!() };
    assert!(matches!(&node.children[..], [AggregateChild::Item { statement, .. }] if statement.position == 4));
}

#[test]
fn a_batch_closes_at_its_segments_without_waiting() {
    let mut world = World::with(|g| {
        g.params.batches.max_segments = 17;
        g.params.batches.max_age = 1_000;
    });
    world.admit(6);
    for _ in 0..9 {
        world.transfer(ALICE, signer(BOB).address(), 1);
    }
    world.run(6, 30);
    let batch = world.state.batch(BatchIndex(0)).unwrap();
    assert_eq!((batch.items, batch.segments), (8, 16), "a ninth item does not fit");
    assert!(world.state.batch(BatchIndex(1)).is_none(), "the rest waits for its age");
}

#[test]
fn a_batch_is_contiguous_an_unproven_item_stops_it() {
    let mut world = proven(3);
    world.steps(3);
    let tasks: Vec<_> = world
        .state
        .open_tasks()
        .filter_map(|(id, t)| match t.kind {
            TaskKind::Prove { item } => Some((item.0, id, t.status.clone())),
            _ => None,
        })
        .collect();
    for (item, task, status) in tasks {
        let crowdfold_kernel::model::TaskStatus::Assigned(a) = status else { panic!() };
        let who = (1..=3).map(signer).find(|s| s.address() == a.plugin).unwrap();
        if item != 1 {
            world.submit(task, &who);
        }
    }
    world.steps(8);
    assert_eq!(world.state.batch(BatchIndex(0)).unwrap().items, 1);
    assert!(world.state.batch(BatchIndex(1)).is_none());
}

#[test]
fn a_certificate_needs_the_validators_signature_over_this_batch() {
    let mut world = proven(1);
    for _ in 0..40 {
        if world.state.certifiable().is_some() {
            break;
        }
        world.work(3);
        world.messages.retain(|m| !matches!(m.message.body, MessageBody::CertifyBatch { .. }));
        world.step();
    }
    let batch = world.state.certifiable().unwrap();
    let digest = world.state.certificate_digest(batch).unwrap();
    let validator = world.validator.clone();
    let fault = |world: &World| match world.dropped() {
        [Dropped::Message { fault, .. }] => fault.clone(),
        other => panic!("{other:?}"),
    };
    let good = CommitSignature { validator: validator.address(), signature: validator.sign(&digest).to_vec() };
    let mut bad = good.clone();
    bad.signature[7] ^= 1;
    world.send(&validator, MessageBody::CertifyBatch { batch, signatures: vec![bad] });
    world.step();
    assert!(matches!(fault(&world), MessageFault::Certificate(CommitFault::BadSignature(_))));
    world.send(&validator, MessageBody::CertifyBatch { batch, signatures: vec![] });
    world.step();
    assert!(matches!(fault(&world), MessageFault::Certificate(CommitFault::NotEnough { .. })));
    world.send(&validator, MessageBody::CertifyBatch { batch, signatures: vec![good.clone(), good.clone()] });
    world.step();
    assert!(matches!(fault(&world), MessageFault::CertificateSize { found: 2, most: 1 }));
    world.send(&signer(1), MessageBody::CertifyBatch { batch, signatures: vec![good.clone()] });
    world.step();
    assert!(matches!(fault(&world), MessageFault::UnknownSender(_)));
    world.send(&validator, MessageBody::CertifyBatch { batch, signatures: vec![good.clone()] });
    world.step();
    assert!(world.events_of_last().iter().any(|e| matches!(e, Event::BatchCertified { .. })));
    world.send(&validator, MessageBody::CertifyBatch { batch, signatures: vec![good.clone()] });
    world.step();
    assert_eq!(world.last.as_ref().unwrap().receipts.messages[0].refused, Some(Refusal::AlreadyCertified.code()));
    world.send(&validator, MessageBody::CertifyBatch { batch: BatchIndex(5), signatures: vec![good] });
    world.step();
    assert_eq!(world.last.as_ref().unwrap().receipts.messages[0].refused, Some(Refusal::BatchNotProven.code()));
}
