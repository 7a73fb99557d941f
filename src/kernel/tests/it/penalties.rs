//! Timeouts, hand-backs, debt, suspension, quarantine.

use crowdfold_events::{Address, Event, MessageBody, SignedZkpow, TaskId, event::PenaltyReason};
use crowdfold_kernel::{Dropped, REPAY, Refusal, TransactionFault, model::TaskStatus};

use crate::world::{ALICE, BOB, VALIDATOR, World, signer, zkpow};

fn assigned(world: &World) -> Option<(TaskId, Address, u64)> {
    world.state.open_tasks().find_map(|(id, t)| match &t.status {
        TaskStatus::Assigned(a) => Some((id, a.plugin, a.deadline.0)),
        _ => None,
    })
}

/// One transfer's task, assigned to the only plugin, which does not work.
fn idle_worker() -> (World, TaskId, u64) {
    let mut world = World::new();
    world.admit(1);
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.steps(3);
    let (task, _, deadline) = assigned(&world).unwrap();
    (world, task, deadline)
}

#[test]
fn a_proof_counts_up_to_deadline_plus_grace_and_not_later() {
    let (mut world, task, deadline) = idle_worker();
    let grace = world.state.parameters().proving.inclusion_grace;
    let last = deadline + grace;
    while world.state.height().0 < last - 1 {
        world.step();
    }
    world.submit(task, &signer(1));
    world.step();
    assert!(matches!(world.state.task(task).unwrap().status, TaskStatus::Done { .. }));
    assert_eq!(world.state.account_info(&signer(1).address()).debt.0, 0);

    let (mut world, task, deadline) = idle_worker();
    while world.state.height().0 < deadline + grace {
        world.step();
    }
    assert!(
        world.events_of_last().iter().any(|e| matches!(e, Event::AssignmentTimedOut { task: t, .. } if *t == task))
    );
    world.submit(task, &signer(1));
    world.step();
    assert_eq!(world.last.as_ref().unwrap().receipts.messages[0].refused, Some(Refusal::NotAssigned.code()));
}

#[test]
fn a_timeout_makes_a_new_plugin_negative_and_the_task_goes_to_another() {
    let mut world = World::new();
    world.admit(2);
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.steps(3);
    let (task, saboteur, _) = assigned(&world).unwrap();
    world.lazy.insert(saboteur);
    world.run(2, 40);
    let penalty = zkpow("1");
    let charged = world.log.iter().find_map(|e| match e {
        Event::PenaltyCharged {
            plugin,
            reason: PenaltyReason::Timeout,
            amount,
            from_accrued,
            to_debt,
            holding_after,
            ..
        } => Some((*plugin, amount.0, from_accrued.0, to_debt.0, *holding_after)),
        _ => None,
    });
    assert_eq!(charged, Some((saboteur, penalty, 0, penalty, SignedZkpow(-(penalty as i128)))));
    assert_eq!(world.state.account_info(&saboteur).holding, SignedZkpow(-(penalty as i128)));
    assert!(world.log.iter().any(|e| matches!(e, Event::BountyBumped { task: t, .. } if *t == task)));
    let TaskStatus::Done { plugin, .. } = world.state.task(task).unwrap().status else { panic!("not proven") };
    assert_ne!(plugin, saboteur);
    assert_eq!(world.state.task(task).unwrap().attempts, 2);
    assert!(world.state.supply_report().conserved);
}

#[test]
fn earnings_repay_debt_first() {
    let (mut world, task, _) = idle_worker();
    world.steps(20);
    let who = signer(1).address();
    let debt = world.state.account_info(&who).debt.0;
    assert_eq!(debt, zkpow("1"));
    assert!(world.state.task(task).unwrap().failed.contains(&who));
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.run(1, 8);
    let after = world.state.account_info(&who);
    let earned: u128 = world
        .log
        .iter()
        .filter_map(|e| match e {
            Event::RewardAccrued { plugin, amount, to_debt, .. } if *plugin == who => {
                assert_eq!(amount, to_debt);
                Some(amount.0)
            }
            _ => None,
        })
        .sum();
    assert!(earned > 0);
    assert_eq!((after.debt.0, after.accrued.0), (debt - earned, 0));
}

#[test]
fn the_next_slot_comes_with_the_proof_that_trust_names() {
    let mut world = World::new();
    world.admit(1);
    let plugin = signer(1).address();
    assert_eq!(world.state.trust(&Address::ZERO), None);
    let mut state = world.state.clone();
    let rule = state.parameters().trust.clone();
    let mut before = None;
    for consecutive_valid in 0..rule.valid_per_slot * rule.max_slots {
        let slots = (1 + consecutive_valid / rule.valid_per_slot).min(rule.max_slots);
        state.apply(&Event::TrustChanged { plugin, consecutive_valid, slots });
        let trust = state.trust(&plugin).unwrap();
        assert_eq!((trust.consecutive_valid, trust.slots), (consecutive_valid, slots));
        assert_eq!(trust.next_slot_at.is_none(), slots == rule.max_slots);
        if before.is_some_and(|(slots, _)| slots < trust.slots) {
            assert_eq!(before.unwrap().1, Some(consecutive_valid));
        }
        before = Some((trust.slots, trust.next_slot_at));
    }
    // A debt keeps it at one slot, whatever it proves.
    let (mut world, ..) = idle_worker();
    world.steps(20);
    let trust = world.state.trust(&signer(1).address()).unwrap();
    assert_eq!((trust.slots, trust.next_slot_at), (1, None));
}

#[test]
fn anybody_may_repay_a_debt_and_never_more_than_it() {
    let (mut world, ..) = idle_worker();
    world.steps(20);
    let debtor = signer(1).address();
    world.transfer_with(ALICE, REPAY, zkpow("0.25"), debtor.as_slice(), None);
    world.step();
    assert!(world.dropped().is_empty(), "{:?}", world.dropped());
    assert_eq!(world.state.account_info(&debtor).debt.0, zkpow("0.75"));
    assert!(world.events_of_last().iter().any(|e| matches!(e, Event::DebtRepaid { plugin, payer, .. } if *plugin == debtor && *payer == signer(ALICE).address())));
    for (value, memo) in [(zkpow("0.76"), debtor.to_vec()), (0, debtor.to_vec()), (1, Vec::new())] {
        let mut other = World::new();
        other.state = world.state.clone();
        other.commit = world.commit.clone();
        let raw = {
            let nonce = world.state.account_info(&signer(ALICE).address()).nonce;
            crate::transactions::transfer(
                &crate::transactions::wallet(ALICE),
                world.state.genesis().chain_id,
                nonce,
                REPAY,
                value,
                world.state.next_base_fee(),
                &memo,
            )
        };
        other.transactions.push(raw);
        let outcome = crowdfold_kernel::Kernel::propose(&other.state, other.input(), &other.oracle).unwrap();
        assert!(
            matches!(outcome.dropped[..], [Dropped::Transaction { fault: TransactionFault::Repay { .. }, .. }]),
            "{:?}",
            outcome.dropped
        );
    }
}

#[test]
fn debt_encumbers_the_balance() {
    // A plugin that is also a user: its debt cannot be spent.
    let mut world = World::with(|g| {
        g.allocations
            .push(crowdfold_config::Allocation { account: signer(1).address(), balance: "1.5 ZKPoW".parse().unwrap() });
        g.allocations.sort_by_key(|a| a.account);
    });
    world.admit(1);
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.steps(25);
    let info = world.state.account_info(&signer(1).address());
    assert_eq!((info.debt.0, info.holding.0), (zkpow("1"), zkpow("0.5") as i128));
    world.transfer(1, signer(BOB).address(), zkpow("0.6"));
    world.step();
    assert!(matches!(world.dropped(), [Dropped::Transaction { fault: TransactionFault::Admission(_), .. }]));
    // It may spend the same money on the debt itself. The refused transaction used no nonce.
    let raw = crate::transactions::transfer(
        &crate::transactions::wallet(1),
        world.state.genesis().chain_id,
        0,
        REPAY,
        zkpow("1"),
        world.state.next_base_fee(),
        &[],
    );
    world.transactions.push(raw);
    world.step();
    assert!(world.dropped().is_empty(), "{:?}", world.dropped());
    assert_eq!(world.state.account_info(&signer(1).address()).debt.0, 0);
}

#[test]
fn beyond_max_debt_a_plugin_is_suspended_until_somebody_repays() {
    let mut world = World::with(|g| g.params.proving.max_debt = "1.5 ZKPoW".parse().unwrap());
    world.admit(1);
    let who = signer(1);
    world.lazy.insert(who.address());
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.run(1, 45);
    let plugin = world.state.plugin(&who.address()).unwrap();
    assert!(plugin.suspended && !plugin.active);
    assert_eq!(world.state.account_info(&who.address()).debt.0, zkpow("2"));
    world.send(&who, MessageBody::Heartbeat);
    world.step();
    assert_eq!(world.last.as_ref().unwrap().receipts.messages[0].refused, Some(Refusal::Suspended.code()));
    world.transfer_with(ALICE, REPAY, zkpow("0.5"), who.address().as_slice(), None);
    world.step();
    assert!(world.events_of_last().iter().any(|e| matches!(e, Event::PluginReinstated { .. })));
    world.send(&who, MessageBody::Heartbeat);
    world.step();
    assert!(world.state.plugin(&who.address()).unwrap().active);
}

#[test]
fn handing_back_costs_a_quarter_early_and_all_of_it_late() {
    for (wait, expected) in [(0, zkpow("0.25")), (8, zkpow("1"))] {
        let (mut world, task, _) = idle_worker();
        world.steps(wait);
        world.send(&signer(1), MessageBody::HandBack { task });
        world.step();
        assert_eq!(world.state.account_info(&signer(1).address()).debt.0, expected);
        let record = world.state.task(task).unwrap();
        assert!(matches!(record.status, TaskStatus::Waiting { .. }));
        assert!(record.failed.contains(&signer(1).address()), "it counts as a failure of the task");
        world.steps(5);
        assert!(
            matches!(world.state.task(task).unwrap().status, TaskStatus::Waiting { .. }),
            "and is never drawn for it again"
        );
    }
}

fn quarantined(attempts: u32) -> (World, TaskId) {
    let mut world = World::with(|g| g.params.proving.quarantine_attempts = attempts);
    world.admit(attempts as u8);
    for n in 1..=attempts as u8 {
        world.lazy.insert(signer(n).address());
    }
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.step();
    let (task, _) = world.state.open_tasks().next().unwrap();
    for _ in 0..100 {
        world.run(attempts as u8, 1);
        if matches!(world.state.task(task).unwrap().status, TaskStatus::Quarantined { .. }) {
            return (world, task);
        }
    }
    panic!("not quarantined");
}

#[test]
fn after_enough_different_failures_the_first_valid_proof_of_anybody_wins_the_base_bounty() {
    let (mut world, task) = quarantined(2);
    let base = world.state.task(task).unwrap().base;
    let validator = world.validator.clone();
    let before = world.state.account_info(&validator.address()).accrued;
    world.submit(task, &validator);
    world.submit(task, &signer(1));
    world.step();
    assert_eq!(world.state.account_info(&validator.address()).accrued.0 - before.0, base.0);
    assert_eq!(world.last.as_ref().unwrap().receipts.messages[1].refused, Some(Refusal::AlreadyProven.code()));
    assert_eq!(
        world.state.account_info(&signer(1).address()).debt.0,
        zkpow("1"),
        "penalties stay: the task could be proven"
    );
}

#[test]
fn penalties_are_refunded_once_if_the_open_task_misses_one_more_deadline() {
    let (mut world, task) = quarantined(2);
    world.run(2, 20);
    for n in [1, 2] {
        assert_eq!(world.state.account_info(&signer(n).address()).debt.0, 0);
    }
    let refunds = |world: &World| world.log.iter().filter(|e| matches!(e, Event::PenaltyRefunded { .. })).count();
    assert_eq!(refunds(&world), 2);
    world.run(2, 60);
    assert_eq!(refunds(&world), 2);
    assert!(matches!(world.state.task(task).unwrap().status, TaskStatus::Quarantined { .. }), "it stays open");
}

#[test]
fn a_task_that_nobody_may_take_is_opened_by_age() {
    let mut world = World::with(|g| g.params.proving.open_after = 50);
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.steps(51);
    let (task, record) = world.state.open_tasks().next().unwrap();
    assert!(matches!(record.status, TaskStatus::Quarantined { .. }));
    let validator = world.validator.clone();
    world.submit(task, &validator);
    world.step();
    assert!(matches!(world.state.task(task).unwrap().status, TaskStatus::Done { .. }));
}

#[test]
fn a_proposer_whose_fees_repay_its_debt_is_reinstated() {
    let proposer = signer(VALIDATOR);
    let mut world = World::with(|g| {
        g.params.bounty.max_base = "0.016 ZKPoW".parse().unwrap();
        g.params.proving.timeout_penalty = "0.048 ZKPoW".parse().unwrap();
        g.params.proving.max_debt = "0.048 ZKPoW".parse().unwrap();
        g.params.plugins.heartbeat_ttl = 1_000;
    });
    world.step();
    let body = world.register_message(&proposer);
    world.send(&proposer, body);
    world.step();
    let admission = world.state.plugin(&proposer.address()).unwrap().admission;
    world.submit(admission, &proposer);
    world.step();
    let suspended = |world: &World| world.state.plugin(&proposer.address()).unwrap().suspended;
    for _ in 0..200 {
        if suspended(&world) {
            break;
        }
        if world.state.open_tasks().next().is_none() || world.state.height().0 % 20 == 0 {
            world.transfer(ALICE, signer(BOB).address(), 1);
        }
        world.step();
    }
    assert!(suspended(&world), "two missed deadlines are more debt than allowed");
    for _ in 0..60 {
        for _ in 0..8 {
            world.transfer(ALICE, signer(BOB).address(), 1);
        }
        world.step();
        let debt = world.state.account_info(&proposer.address()).debt.0;
        assert_eq!(suspended(&world), debt > zkpow("0.048"), "{debt}");
        if !suspended(&world) {
            return;
        }
    }
    panic!("the shares of the fees never repaid the debt");
}
