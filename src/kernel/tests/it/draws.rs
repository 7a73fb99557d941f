//! Draws can be recomputed; candidates are fixed before the beacon; nobody gets more than its slots.

use std::collections::BTreeSet;

use crowdfold_events::{Address, Event, MessageBody, TaskId, event::DrawReceipt};
use crowdfold_kernel::{
    draw::{DrawInputs, ReceiptFault, slots_root, verify_receipt},
    model::TaskStatus,
};

use crate::world::{ALICE, BOB, World, signer};

fn assignments(world: &World) -> Vec<(TaskId, Address, u32, DrawReceipt)> {
    world
        .events_of_last()
        .iter()
        .filter_map(|e| match e {
            Event::TaskAssigned { task, plugin, attempt, receipt, .. } => {
                Some((*task, *plugin, *attempt, receipt.clone()))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn a_task_is_drawn_draw_lag_blocks_after_it_opened_over_the_slots_frozen_then() {
    let mut world = World::new();
    world.admit(4);
    for _ in 0..3 {
        world.transfer(ALICE, signer(BOB).address(), 1);
    }
    world.step();
    let opened = world.state.height();
    let (root, slots) = world.state.frozen_slots(opened).unwrap();
    assert_eq!(slots.len(), 4);
    world.step();
    assert!(assignments(&world).is_empty());
    world.step();
    let drawn = assignments(&world);
    assert_eq!(drawn.len(), 3);
    assert_eq!(drawn.iter().map(|(_, p, ..)| *p).collect::<BTreeSet<_>>().len(), 3, "without replacement");
    let (mut earlier, nobody) = (Vec::new(), BTreeSet::new());
    for (task, plugin, attempt, receipt) in &drawn {
        assert_eq!(
            (receipt.set_root, receipt.beacon, receipt.beacon_height),
            (root, world.state.beacon(), world.state.height())
        );
        let inputs =
            DrawInputs { task: *task, attempt: *attempt, slots: &slots, earlier: &earlier, ineligible: &nobody };
        verify_receipt(&inputs, receipt, *plugin).unwrap();
        let forged = DrawReceipt { index: (receipt.index + 1) % receipt.candidates, ..receipt.clone() };
        assert!(matches!(verify_receipt(&inputs, &forged, *plugin), Err(ReceiptFault::Differs { .. })));
        assert!(matches!(verify_receipt(&inputs, receipt, Address::ZERO), Err(ReceiptFault::Differs { .. })));
        let fewer = DrawInputs { slots: &slots[1..], ..inputs };
        assert!(matches!(verify_receipt(&fewer, receipt, *plugin), Err(ReceiptFault::SetRoot { .. })));
        let all: BTreeSet<Address> = slots.iter().copied().collect();
        let none = DrawInputs { ineligible: &all, ..inputs };
        assert_eq!(verify_receipt(&none, receipt, *plugin), Err(ReceiptFault::NobodyEligible));
        earlier.push(receipt.index);
    }
    let beyond = DrawInputs { task: drawn[0].0, attempt: 1, slots: &slots, earlier: &[9], ineligible: &nobody };
    assert_eq!(verify_receipt(&beyond, &drawn[0].3, drawn[0].1), Err(ReceiptFault::Earlier));
    assert_eq!(slots_root(&slots), root);
}

#[test]
fn whoever_joins_after_the_freeze_is_not_drawn() {
    let mut world = World::new();
    world.admit(1);
    world.step();
    let late = signer(2);
    let body = world.register_message(&late);
    world.send(&late, body);
    world.step();
    let task = world.state.plugin(&late.address()).unwrap().admission;
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.step();
    world.submit(task, &late);
    world.step();
    assert!(world.state.plugin(&late.address()).unwrap().active);
    world.step();
    let drawn = assignments(&world);
    assert_eq!(drawn.iter().map(|(_, p, ..)| *p).collect::<Vec<_>>(), [signer(1).address()]);
    world.step();
    assert_eq!(assignments(&world).len(), 1, "the second task follows with the list frozen later");
}

#[test]
fn whoever_left_since_the_freeze_is_skipped() {
    let mut world = World::new();
    world.admit(2);
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.step();
    world.send(&signer(1), MessageBody::GoInactive);
    world.steps(2);
    assert_eq!(assignments(&world)[0].1, signer(2).address());
}

#[test]
fn nobody_holds_more_tasks_than_slots() {
    let mut world = World::new();
    world.admit(2);
    for _ in 0..6 {
        world.transfer(ALICE, signer(BOB).address(), 1);
    }
    world.steps(6);
    let held = world.state.open_tasks().filter(|(_, t)| matches!(t.status, TaskStatus::Assigned(_))).count();
    assert_eq!(held, 2);
    assert!(world.state.plugins().all(|(_, p)| p.open.len() == 1));
}

#[test]
fn draws_are_about_uniform() {
    let slots: Vec<Address> = (1..=5).map(Address::repeat_byte).collect();
    let root = slots_root(&slots);
    let mut wins = [0u32; 5];
    for task in 0..2_000 {
        let nobody = BTreeSet::new();
        let inputs = DrawInputs { task: TaskId(task), attempt: 1, slots: &slots, earlier: &[], ineligible: &nobody };
        let receipt = DrawReceipt {
            beacon_height: Default::default(),
            beacon: Default::default(),
            set_root: root,
            candidates: 5,
            index: 9,
            rejected: 0,
        };
        let Err(ReceiptFault::Differs { expected, .. }) = verify_receipt(&inputs, &receipt, slots[0]) else { panic!() };
        wins[expected.index as usize] += 1;
    }
    assert!(wins.iter().all(|n| (320..480).contains(n)), "{wins:?}");
}

#[test]
fn trust_grows_slots_and_a_failure_resets_them() {
    let mut world = World::with(|g| {
        g.params.trust.valid_per_slot = 2;
        g.params.trust.max_slots = 3;
    });
    world.admit(1);
    for _ in 0..8 {
        world.transfer(ALICE, signer(BOB).address(), 1);
    }
    world.run(1, 30);
    let slots = |world: &World| world.state.active_set().map(|(_, n)| n).sum::<u32>();
    assert_eq!(slots(&world), 3, "capped");
    world.lazy.insert(signer(1).address());
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.run(1, 25);
    assert_eq!(slots(&world), 1);
    assert!(world.log.iter().any(|e| matches!(e, Event::TrustChanged { consecutive_valid: 0, slots: 1, .. })));
}
