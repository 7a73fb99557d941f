//! Fees pay the base; age and missing capacity raise it; issuance caps it; it is fixed at assignment.

use crowdfold_events::{Event, TaskId, Zkpow};
use crowdfold_kernel::{model::TaskStatus, split};

use crate::world::{ALICE, BOB, World, signer};

fn first_task(world: &World) -> TaskId {
    world.state.open_tasks().next().unwrap().0
}

#[test]
fn a_fee_is_split_without_losing_or_making_a_unit() {
    let world = World::new();
    let params = world.state.parameters();
    for fee in [0, 1, 9_999, 10_001, 6_300_000_000_000_001, u128::from(u64::MAX) * 21_000] {
        let s = split(params, fee);
        assert_eq!(s.proposer.0 + s.proving.0 + s.aggregation.0 + s.settlement.0 + s.posting.0, fee);
        assert!(s.proving.0 <= params.bounty.max_base.units());
    }
}

#[test]
fn the_base_bounty_is_the_proving_share_of_the_fee() {
    let mut world = World::new();
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.step();
    let fee = world
        .log
        .iter()
        .find_map(|e| match e {
            Event::TransactionExecuted { fee, shares, .. } => Some((fee.0, *shares)),
            _ => None,
        })
        .unwrap();
    assert_eq!(fee.1.proving.0, fee.0 * 6_000 / 10_000);
    assert_eq!(world.state.task(first_task(&world)).unwrap().base, fee.1.proving);
    assert_eq!(world.state.account_info(&world.validator.address()).accrued, fee.1.proposer);
}

#[test]
fn a_fee_that_cannot_cover_the_least_bounty_is_refused() {
    // Base fee 1 unit: whatever a relation of the parameters guarantees is taken away by hand.
    let world = World::new();
    let least = world.state.min_fee(3);
    let params = world.state.parameters();
    assert!(split(params, least).proving.0 >= crowdfold_kernel::least_base(params, 3));
    assert!(split(params, least - 1).proving.0 < crowdfold_kernel::least_base(params, 3));
}

#[test]
fn the_bounty_rises_with_age_up_to_its_cap_and_issuance_pays_the_rise() {
    let mut world = World::new();
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.step();
    let task = first_task(&world);
    let base = world.state.task(task).unwrap().base;
    world.steps(5);
    assert_eq!(world.state.task(task).unwrap().bumped.0, base.0 * 11 / 10);
    world.steps(100);
    assert_eq!(world.state.task(task).unwrap().bumped.0, base.0 * 2);
    let bumps = world.log.iter().filter(|e| matches!(e, Event::BountyBumped { .. })).count();
    assert_eq!(bumps, 10, "nothing rises past the cap");
    let (bounty, from_issuance) = world.state.bounty_now(world.state.task(task).unwrap());
    assert_eq!(bounty.0, base.0 * 4, "no capacity at all: the largest capacity multiple");
    assert_eq!(bounty.0 - from_issuance.0, base.0);
}

#[test]
fn the_bounty_is_fixed_at_assignment() {
    let mut world = World::new();
    world.admit(1);
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.steps(3);
    let task = first_task(&world);
    let bounty = |world: &World| match &world.state.task(task).unwrap().status {
        TaskStatus::Assigned(a) => a.bounty,
        other => panic!("{other:?}"),
    };
    let fixed = bounty(&world);
    let before = world.state.task(task).unwrap().bumped;
    world.steps(8);
    assert!(world.state.task(task).unwrap().bumped > before);
    assert_eq!(bounty(&world), fixed);
    world.submit(task, &signer(1));
    world.step();
    assert_eq!(world.state.account_info(&signer(1).address()).accrued, fixed);
}

#[test]
fn an_exhausted_issuance_allowance_cuts_the_bounty_to_what_fees_paid() {
    let mut world = World::with(|g| g.params.epoch.issuance_allowance = Default::default());
    world.admit(1);
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.steps(3);
    let task = world.state.task(first_task(&world)).unwrap();
    let TaskStatus::Assigned(a) = &task.status else { panic!() };
    assert_eq!((a.bounty, task.issuance_held), (task.base, Zkpow::ZERO));
}

#[test]
fn capacity_is_smoothed_so_that_leaving_together_does_not_raise_bounties_at_once() {
    let mut world = World::with(|g| g.params.bounty.target_slots = 2);
    world.admit(3);
    for _ in 0..20 {
        for n in 1..=3 {
            world.heartbeat(n);
        }
        world.steps(5);
    }
    assert_eq!(world.state.capacity_multiple_bp(), 10_000);
    for n in 1..=3 {
        world.send(&signer(n), crowdfold_events::MessageBody::GoInactive);
    }
    world.step();
    assert_eq!(world.state.capacity_multiple_bp(), 10_000, "one block later nothing has changed");
    world.steps(100);
    assert_eq!(world.state.capacity_multiple_bp(), 20_000, "much later it is at its cap");
}

#[test]
fn self_spam_never_earns_more_than_fees_and_the_allowance() {
    let allowance = 1_000_000_000_000_000u128;
    let mut world = World::with(|g| {
        g.params.epoch.issuance_allowance.0.0 = allowance;
        g.params.epoch.length = 1_000_000;
    });
    world.admit(2);
    for _ in 0..10 {
        world.transfer(ALICE, signer(ALICE).address(), 1);
    }
    world.run(2, 60);
    let sum = |pick: fn(&Event) -> Option<u128>| world.log.iter().filter_map(pick).sum::<u128>();
    let issued = sum(|e| match e {
        Event::RewardAccrued { from_issuance, .. } => Some(from_issuance.0),
        _ => None,
    });
    let rewards = sum(|e| match e {
        Event::RewardAccrued { amount, .. } => Some(amount.0),
        _ => None,
    });
    let fees = sum(|e| match e {
        Event::TransactionExecuted { fee, .. } => Some(fee.0),
        _ => None,
    });
    assert!(issued <= allowance);
    assert!(rewards <= fees + allowance);
}
