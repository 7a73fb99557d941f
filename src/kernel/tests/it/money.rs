//! Settlements, withdrawals, conservation.

use crowdfold_events::{Event, MessageBody, event::TaskKind};
use crowdfold_kernel::{ESCROW, ISSUANCE, Refusal};

use crate::world::{ALICE, BOB, World, signer};

fn small_bond() -> World {
    World::with(|g| {
        // A bond that a few proofs fill, so that rewards leave accrued.
        g.params.bounty.max_base = "0.016 ZKPoW".parse().unwrap();
        g.params.proving.timeout_penalty = "0.048 ZKPoW".parse().unwrap();
        g.params.settlement.min_payout = "0.001 ZKPoW".parse().unwrap();
        g.params.settlement.withdraw_fee = "0.002 ZKPoW".parse().unwrap();
    })
}

fn settlements(world: &World) -> usize {
    world.log.iter().filter(|e| matches!(e, Event::SettlementApplied { .. })).count()
}

#[test]
fn settlements_pay_what_is_above_the_bond_from_escrow_and_issuance() {
    let mut world = small_bond();
    world.admit(1);
    for _ in 0..12 {
        world.transfer(ALICE, signer(BOB).address(), 1);
    }
    let who = signer(1).address();
    world.run(1, 80);
    let info = world.state.account_info(&who);
    assert!(info.balance.0 > 0, "it started with nothing: {info:?}");
    assert!(info.accrued >= info.bond);
    for event in &world.log {
        let Event::SettlementApplied { entries, .. } = event else { continue };
        let sum = |credit: bool| entries.iter().filter(|e| e.credit == credit).map(|e| e.amount.0).sum::<u128>();
        assert_eq!(sum(true), sum(false));
        assert!(
            entries.iter().filter(|e| !e.credit).all(|e| e.account == ESCROW || e.account == ISSUANCE),
            "users are never debited"
        );
    }
    let proven = world.log.iter().any(|e| matches!(e, Event::TaskOpened { kind: TaskKind::Prove { item }, .. } if matches!(world.state.item(*item).unwrap().kind, crowdfold_kernel::model::ItemKind::Settlement { .. })));
    assert!(proven, "a settlement is an item and is proven");
}

#[test]
fn without_user_transactions_or_withdrawals_nothing_is_settled() {
    let mut world = small_bond();
    world.admit(1);
    for _ in 0..12 {
        world.transfer(ALICE, signer(BOB).address(), 1);
    }
    world.run(1, 150);
    let before = settlements(&world);
    assert!(before > 0);
    let items = world.state.item_count();
    world.run(1, 100);
    assert_eq!((settlements(&world), world.state.item_count()), (before, items), "the chain came to rest");
    assert!(!world.state.has_work());
}

#[test]
fn a_plugin_without_tokens_withdraws_its_first_ones_and_pays_for_the_proof() {
    let mut world = small_bond();
    world.admit(1);
    let who = signer(1);
    for _ in 0..12 {
        world.transfer(ALICE, signer(BOB).address(), 1);
    }
    world.run(1, 150);
    world.send(&who, MessageBody::GoInactive);
    world.step();
    let before = world.state.account_info(&who.address());
    assert!(before.accrued.0 > 0 && before.bond.0 == 0, "inactive without open work: the bond is free");
    world.send(&who, MessageBody::Withdraw);
    world.send(&who, MessageBody::Withdraw);
    world.step();
    assert_eq!(world.last.as_ref().unwrap().receipts.messages[1].refused, Some(Refusal::WithdrawPending.code()));
    world.steps(25);
    let after = world.state.account_info(&who.address());
    let fee = world.state.parameters().settlement.withdraw_fee.units();
    assert_eq!(after.accrued.0, 0);
    assert_eq!(after.balance.0 - before.balance.0, before.accrued.0 - fee);
    assert!(world.state.supply_report().conserved);
}

#[test]
fn a_settlement_never_has_more_entries_than_allowed_and_goes_round() {
    let mut world = World::with(|g| {
        g.params.settlement.max_entries = 3;
        g.params.settlement.min_payout.0.0 = 1;
        g.params.proving.timeout_penalty = "0.048 ZKPoW".parse().unwrap();
        g.params.bounty.max_base = "0.016 ZKPoW".parse().unwrap();
    });
    world.admit(3);
    for _ in 0..40 {
        world.transfer(ALICE, signer(BOB).address(), 1);
    }
    for _ in 0..6 {
        world.run(3, 20);
        world.transfer(ALICE, signer(BOB).address(), 1);
    }
    let mut paid = std::collections::BTreeSet::new();
    for event in &world.log {
        let Event::SettlementApplied { entries, .. } = event else { continue };
        assert!(entries.len() <= 3);
        paid.extend(entries.iter().filter(|e| e.credit && e.account != ESCROW).map(|e| e.account));
    }
    assert!(paid.len() >= 3, "different accounts are paid in turn: {paid:?}");
}
