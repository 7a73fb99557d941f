//! User lane limits and the system lane's envelopes, sequences, refusals.

use crowdfold_events::{Event, MessageBody, TaskId};
use crowdfold_kernel::{BlockFault, Dropped, MessageFault, ProofFault, Refusal, TransactionFault};

use crate::world::{ALICE, BOB, World, signer};

fn message_fault(world: &World) -> MessageFault {
    match world.dropped() {
        [Dropped::Message { fault, .. }] => fault.clone(),
        other => panic!("{other:?}"),
    }
}

fn transaction_fault(world: &World) -> TransactionFault {
    match world.dropped() {
        [Dropped::Transaction { fault, .. }] => fault.clone(),
        other => panic!("{other:?}"),
    }
}

fn refusal(world: &World) -> u16 {
    let receipts = &world.last.as_ref().unwrap().receipts.messages;
    receipts.last().unwrap().refused.unwrap()
}

#[test]
fn a_block_takes_no_more_segments_than_its_limit() {
    let mut world = World::with(|g| (g.params.block.max_segments, g.params.fees.segments_target) = (17, 8));
    for _ in 0..9 {
        world.transfer(ALICE, signer(BOB).address(), 1);
    }
    world.step();
    assert_eq!(world.state.item_count(), 8);
    let fault = transaction_fault(&world);
    assert_eq!(fault, TransactionFault::BlockSegments { needed: 2, left: 1 });
    assert!(fault.is_temporary());
}

#[test]
fn beyond_max_unproven_segments_no_user_transaction_is_included() {
    let mut world = World::with(|g| (g.params.block.max_unproven_segments, g.params.fees.backlog_target) = (6, 6));
    for _ in 0..4 {
        world.transfer(ALICE, signer(BOB).address(), 1);
    }
    world.step();
    assert_eq!(transaction_fault(&world), TransactionFault::Backlog { backlog: 8, max: 6 });
}

#[test]
fn the_base_fee_follows_the_fullest_of_gas_segments_and_backlog() {
    let mut world = World::with(|g| (g.params.fees.segments_target, g.params.fees.backlog_target) = (2, 600));
    let least = world.state.parameters().fees.min_base_fee.units();
    world.step();
    assert_eq!(world.state.next_base_fee(), least, "an empty block does not raise it");
    for _ in 0..2 {
        world.transfer(ALICE, signer(BOB).address(), 1);
    }
    world.step();
    assert_eq!(world.state.next_base_fee(), least + least / 8, "twice the segments' target");
    world.step();
    assert!(world.state.next_base_fee() < least + least / 8);
    let mut world = World::with(|g| g.params.fees.backlog_target = 3);
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.step();
    let full = world.state.next_base_fee();
    world.step();
    assert!(world.state.next_base_fee() > full, "the backlog alone keeps it rising");
}

#[test]
fn a_replayed_message_is_not_in_a_block() {
    let mut world = World::new();
    world.admit(1);
    world.heartbeat(1);
    let again = world.messages.clone();
    world.step();
    world.messages = again.clone();
    assert!(matches!(
        world.execute_changed(|b| b.body.messages = again),
        Err(BlockFault::Message { index: 0, fault: MessageFault::StaleSequence { .. } })
    ));
    world.step();
    assert!(matches!(message_fault(&world), MessageFault::StaleSequence { found: 3, last: 3 }));
}

#[test]
fn sequences_may_have_gaps() {
    let mut world = World::new();
    world.admit(1);
    for _ in 0..5 {
        world.sign(&signer(1), MessageBody::Heartbeat);
    }
    world.heartbeat(1);
    world.step();
    assert!(world.dropped().is_empty());
    assert_eq!(world.state.account_info(&signer(1).address()).sequence, 8);
}

#[test]
fn a_message_signed_for_another_chain_or_changed_has_another_sender() {
    let mut world = World::new();
    world.admit(1);
    world.heartbeat(1);
    world.messages[0].message.sequence += 1;
    world.step();
    assert!(matches!(message_fault(&world), MessageFault::UnknownSender(_) | MessageFault::Signature(_)));
    world.heartbeat(1);
    world.messages[0].signature[64] = 7;
    world.step();
    assert!(matches!(message_fault(&world), MessageFault::Signature(_)));
}

#[test]
fn strangers_cannot_fill_blocks() {
    let mut world = World::new();
    world.admit(1);
    for body in [
        MessageBody::Heartbeat,
        MessageBody::Withdraw,
        MessageBody::HandBack { task: TaskId(1) },
        MessageBody::SubmitProof { task: TaskId(1), proof_hash: Default::default() },
    ] {
        world.send(&signer(77), body);
        world.step();
        assert_eq!(message_fault(&world), MessageFault::UnknownSender(signer(77).address()));
    }
}

#[test]
fn a_sender_has_a_limit_per_block() {
    let mut world = World::with(|g| g.params.block.max_messages_per_sender = 2);
    world.admit(1);
    for _ in 0..3 {
        world.heartbeat(1);
    }
    world.step();
    assert_eq!(message_fault(&world), MessageFault::SenderLimit(signer(1).address()));
}

#[test]
fn a_block_has_a_limit_of_messages() {
    let mut world = World::with(|g| g.params.block.max_messages = 2);
    world.admit(3);
    for n in 1..=3 {
        world.heartbeat(n);
    }
    world.step();
    assert_eq!(message_fault(&world), MessageFault::BlockLimit);
}

#[test]
fn a_block_has_a_budget_for_verifying_proofs() {
    let mut world = World::with(|g| g.params.block.max_proofs = 1);
    world.admit(2);
    for _ in 0..2 {
        world.transfer(ALICE, signer(BOB).address(), 1);
    }
    world.steps(3);
    world.work(2);
    *world.oracle.asked.borrow_mut() = 0;
    world.step();
    assert_eq!(message_fault(&world), MessageFault::ProofBudget);
    assert_eq!(*world.oracle.asked.borrow(), 2, "one proof, proposed and executed");
}

#[test]
fn a_block_with_an_invalid_proof_is_invalid() {
    let mut world = World::new();
    world.admit(1);
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.steps(3);
    let (task, _) = world.state.open_tasks().next().unwrap();
    let body = world.submit_body(task, signer(1).address());
    world.send(&signer(1), body);
    let proof = match world.messages[0].message.body {
        MessageBody::SubmitProof { proof_hash, .. } => proof_hash,
        _ => panic!(),
    };
    let block = crowdfold_kernel::Kernel::propose(&world.state, world.input(), &world.oracle).unwrap().block;
    world.oracle.items.borrow_mut().get_mut(&proof).unwrap().segments += 1;
    let refused = crowdfold_kernel::Kernel::execute(&world.state, &block, &world.oracle);
    assert!(matches!(
        refused,
        Err(BlockFault::Message { fault: MessageFault::InvalidProof { fault: ProofFault::Rejected, .. }, .. })
    ));
    world.step();
    let fault = message_fault(&world);
    assert!(matches!(fault, MessageFault::InvalidProof { .. }));
    assert!(!fault.is_temporary());
    let before = world.state.account_info(&signer(1).address());
    assert_eq!(before.accrued.0, 0, "nothing is paid");
}

#[test]
fn a_stolen_proof_is_worthless() {
    let mut world = World::new();
    world.admit(2);
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.steps(3);
    let (task, plugin) = world
        .state
        .open_tasks()
        .find_map(|(id, t)| match &t.status {
            crowdfold_kernel::model::TaskStatus::Assigned(a) => Some((id, a.plugin)),
            _ => None,
        })
        .unwrap();
    let proof_hash = world.prove(task, plugin);
    let thief = if plugin == signer(1).address() { signer(2) } else { signer(1) };
    world.send(&thief, MessageBody::SubmitProof { task, proof_hash });
    world.step();
    assert_eq!(refusal(&world), Refusal::NotAssigned.code());
}

#[test]
fn pointless_messages_are_refused_with_stable_codes_and_use_up_their_sequence() {
    let mut world = World::new();
    world.admit(1);
    let who = signer(1);
    let admission = world.state.plugin(&who.address()).unwrap().admission;
    let register = world.register_message(&who);
    let cases = [
        (MessageBody::HandBack { task: TaskId(99) }, Refusal::UnknownTask),
        (MessageBody::SubmitProof { task: TaskId(99), proof_hash: Default::default() }, Refusal::UnknownTask),
        (MessageBody::SubmitProof { task: admission, proof_hash: Default::default() }, Refusal::AlreadyProven),
        (MessageBody::HandBack { task: admission }, Refusal::NotAssigned),
        (MessageBody::Withdraw, Refusal::NothingToWithdraw),
        (register, Refusal::AlreadyRegistered),
    ];
    for (body, expected) in cases {
        world.send(&who, body);
        let sequence = world.messages[0].message.sequence;
        world.step();
        assert_eq!(refusal(&world), expected.code(), "{expected}");
        assert_eq!(world.state.account_info(&who.address()).sequence, sequence);
        assert!(
            world
                .events_of_last()
                .iter()
                .any(|e| matches!(e, Event::MessageRefused { reason, .. } if *reason == expected.code()))
        );
    }
}

#[test]
fn refusal_codes_never_change() {
    assert_eq!(Refusal::ALL.map(Refusal::code), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(Refusal::from_code(9), Some(Refusal::WithdrawPending));
    assert_eq!([0, 12, u16::MAX].map(Refusal::from_code), [None; 3]);
}
