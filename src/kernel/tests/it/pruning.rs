//! What is finished is forgotten, and nobody can tell by the chain's decisions.

use crowdfold_events::{BatchIndex, ItemIndex, MessageBody, TaskId};
use crowdfold_kernel::{FINISHED_BLOCKS_KEPT, Finished, Refusal, State};

use crate::world::{ALICE, BOB, World, signer};

fn refusal(world: &World) -> Option<u16> {
    world.last.as_ref().unwrap().receipts.messages[0].refused
}

/// A transfer every third block, for as long as it takes.
fn work(world: &mut World, blocks: u64) -> Vec<Finished> {
    let mut finished = Vec::new();
    for n in 0..blocks {
        if n % 3 == 0 {
            world.transfer(ALICE, signer(BOB).address(), 1 + u128::from(n));
        }
        let before = world.state.clone();
        world.run(2, 1);
        finished.extend(before.pruned_by(&world.state));
    }
    finished
}

fn kept(state: &State) -> [usize; 3] {
    let tasks = (1..5_000).filter(|id| state.task(TaskId(*id)).is_some()).count();
    [tasks, (0..5_000).filter(|i| state.item(ItemIndex(*i)).is_some()).count(), state.batches().count()]
}

/// The state is as large after three windows as after two, and what left it is complete and in order.
#[test]
fn a_state_does_not_grow_with_its_history() {
    let mut world = World::new();
    world.admit(2);
    let admission = world.state.plugin(&signer(1).address()).unwrap().admission;
    let first = world.transfer(ALICE, signer(BOB).address(), 7);
    let mut finished = work(&mut world, 2 * FINISHED_BLOCKS_KEPT);
    let (bytes, at_two) = (world.state.to_snapshot().unwrap().len(), kept(&world.state));
    finished.extend(work(&mut world, FINISHED_BLOCKS_KEPT));
    let (later, at_three) = (world.state.to_snapshot().unwrap().len(), kept(&world.state));
    assert!(later.abs_diff(bytes) * 10 < bytes, "{bytes} then {later} bytes");
    assert!(at_three.iter().zip(at_two).all(|(a, b)| a.abs_diff(b) * 10 <= b + 20), "{at_two:?} then {at_three:?}");

    assert!(world.state.item_of(&first).is_none() && world.state.task(admission).is_none());
    let batches: Vec<_> =
        finished.iter().filter_map(|f| if let Finished::Batch(b) = f { Some(b) } else { None }).collect();
    let mut next = ItemIndex(0);
    for (index, batch) in (0..).zip(&batches) {
        assert_eq!((batch.index, batch.batch.first_item), (BatchIndex(index), next));
        assert_eq!(batch.items.len(), batch.batch.items as usize);
        assert_eq!(batch.tasks.len(), batch.items.len() + batch.batch.nodes.len());
        assert!(batch.items.iter().all(|i| i.batch == Some(batch.index) && i.stages.certified.is_some()));
        next.0 += u64::from(batch.batch.items);
    }
    assert_eq!(world.state.batches().next().unwrap().1.first_item, next, "what is left goes on there");
    assert!(finished.iter().any(|f| matches!(f, Finished::Admission(id, _) if *id == admission)));
    let item = finished.iter().find_map(|f| f.item(ItemIndex(0))).unwrap();
    let task = finished.iter().find_map(|f| f.task(item.task.unwrap())).unwrap();
    assert_eq!(task.opened_at, item.stages.committed.height);
    world.state.audit().unwrap();
}

/// The same message is refused in the same way before and after its task was forgotten.
#[test]
fn a_forgotten_task_is_refused_like_a_closed_one() {
    let mut world = World::new();
    world.admit(2);
    let admission = world.state.plugin(&signer(1).address()).unwrap().admission;
    work(&mut world, 30);
    let proven = world.state.item(ItemIndex(0)).unwrap().task.unwrap();
    let ask = |world: &mut World| {
        let mut answers = Vec::new();
        for task in [admission, proven] {
            let (proof_hash, who) = (Default::default(), signer(1));
            for body in [
                MessageBody::SubmitProof { task, proof_hash },
                MessageBody::SubmitAggregate { task, proof_hash },
                MessageBody::HandBack { task },
            ] {
                world.send(&who, body);
                world.step();
                answers.push(refusal(world));
            }
        }
        answers
    };
    let closed = ask(&mut world);
    work(&mut world, FINISHED_BLOCKS_KEPT + 20);
    assert!(world.state.task(admission).is_none() && world.state.task(proven).is_none());
    assert_eq!(ask(&mut world), closed);
    assert_eq!(closed[0], Some(Refusal::AlreadyProven.code()));
}

/// A batch that waits for its certificate keeps everything, however long.
#[test]
fn what_is_not_certified_is_kept() {
    let mut world = World::new();
    world.admit(2);
    let hash = world.transfer(ALICE, signer(BOB).address(), 7);
    while world.state.certifiable().is_none() {
        world.work(2);
        world.messages.retain(|m| !matches!(m.message.body, MessageBody::CertifyBatch { .. }));
        world.step();
    }
    world.steps(FINISHED_BLOCKS_KEPT + 10);
    let (_, item) = world.state.item_of(&hash).unwrap();
    assert!(world.state.task(item.task.unwrap()).is_some());
    assert!(world.state.certificate_digest(BatchIndex(0)).is_some());
    world.certify();
    world.steps(FINISHED_BLOCKS_KEPT);
    assert!(world.state.item_of(&hash).is_some(), "one block less than it takes");
    world.step();
    assert!(world.state.item_of(&hash).is_none());
}
