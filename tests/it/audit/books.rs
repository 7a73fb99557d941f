//! Draws and amounts are checked from events alone: each change of one is noticed without executing anything.

use crowdfold::audit::{Books, Standing};
use crowdfold_events::{Address, Event, Height, Zkpow};

use super::chains::{eventful, world::signer};

/// Calls `check` for every event with the books and standing before it.
fn follow(check: &mut dyn FnMut(&Event, &Books, &Standing)) {
    let world = eventful();
    let genesis = world.state.genesis();
    let mut books = Books::new(genesis, &genesis.params);
    let mut standing = Standing::new(&genesis.params, genesis.admission_items);
    for event in &world.log {
        check(event, &books, &standing);
        let own = books.amounts(event, &standing).unwrap();
        assert_eq!(own, *event);
        books.post(&own, event, &standing).unwrap();
        standing.apply(event);
        if matches!(event, Event::BlockSealed { .. }) {
            books.check(world.state.supply_report().genesis).unwrap();
            assert!(books.check(Zkpow(1)).is_err());
        }
    }
}

#[test]
fn every_changed_draw_is_refused() {
    let mut draws = 0;
    follow(&mut |event, _, standing| {
        let Event::TaskAssigned { task, plugin, attempt, deadline, receipt, .. } = event else { return };
        draws += 1;
        standing.check_draw(*task, *plugin, *attempt, *deadline, receipt).unwrap();
        let refused =
            |plugin: Address, attempt, deadline, change: &dyn Fn(&mut crowdfold_events::event::DrawReceipt)| {
                let mut receipt = receipt.clone();
                change(&mut receipt);
                assert!(standing.check_draw(*task, plugin, attempt, deadline, &receipt).is_err(), "{event:?}");
            };
        let none = |_: &mut _| {};
        refused(signer(77).address(), *attempt, *deadline, &none);
        refused(*plugin, attempt + 1, *deadline, &none);
        refused(*plugin, *attempt, Height(deadline.0 + 1), &none);
        refused(*plugin, *attempt, *deadline, &|r| r.beacon.0[0] ^= 1);
        refused(*plugin, *attempt, *deadline, &|r| r.beacon_height.0 += 1);
        refused(*plugin, *attempt, *deadline, &|r| r.set_root.0[0] ^= 1);
        refused(*plugin, *attempt, *deadline, &|r| r.candidates += 1);
        refused(*plugin, *attempt, *deadline, &|r| r.index += 1);
        refused(*plugin, *attempt, *deadline, &|r| r.rejected += 1);
    });
    assert!(draws > 20, "{draws}");
}

#[test]
fn every_changed_amount_is_noticed() {
    let mut changed = std::collections::BTreeMap::<&str, u32>::new();
    follow(&mut |event, books, standing| {
        for (what, forged) in forgeries(event) {
            *changed.entry(what).or_default() += 1;
            let found = books.amounts(&forged, standing);
            assert!(found.as_ref().is_ok_and(|own| own == event) || found.is_err(), "{what}: {found:?}");
        }
    });
    for what in [
        "share",
        "base",
        "funded",
        "bounty",
        "issued",
        "risen",
        "reward",
        "to debt",
        "penalty",
        "payout",
        "fee",
        "allowance",
    ] {
        assert!(changed.contains_key(what), "{what}: {changed:?}");
    }
}

fn forgeries(event: &Event) -> Vec<(&'static str, Event)> {
    let more = |fields: &[(&'static str, &str)]| {
        let one = |(what, field): &(&'static str, &str)| {
            let mut forged = event.clone();
            set(field, &mut forged);
            (*what, forged)
        };
        fields.iter().map(one).collect()
    };
    match event {
        Event::TransactionExecuted { .. } => more(&[("share", "shares")]),
        Event::TaskOpened { .. } => more(&[("base", "base_bounty"), ("funded", "funded")]),
        Event::TaskAssigned { .. } => more(&[("bounty", "bounty"), ("issued", "from_issuance")]),
        Event::BountyBumped { .. } => more(&[("risen", "bounty")]),
        Event::RewardAccrued { .. } => more(&[("reward", "amount"), ("to debt", "to_debt")]),
        Event::PenaltyCharged { .. } => more(&[("penalty", "amount"), ("to debt", "to_debt")]),
        Event::SettlementApplied { .. } => more(&[("payout", "entries")]),
        Event::WithdrawRequested { .. } => more(&[("fee", "fee")]),
        Event::EpochStarted { .. } => more(&[("allowance", "issuance_allowance")]),
        _ => Vec::new(),
    }
}

fn set(field: &str, event: &mut Event) {
    match (field, event) {
        ("shares", Event::TransactionExecuted { shares, .. }) => {
            shares.proposer.0 += 1;
            shares.posting.0 -= 1;
        }
        ("base_bounty", Event::TaskOpened { base_bounty, .. }) => base_bounty.0 += 1,
        ("funded", Event::TaskOpened { funded, .. }) => funded.0 += 1,
        ("bounty", Event::TaskAssigned { bounty, .. } | Event::BountyBumped { bounty, .. }) => bounty.0 += 1,
        ("from_issuance", Event::TaskAssigned { from_issuance, .. }) => from_issuance.0 += 1,
        ("amount", Event::RewardAccrued { amount, .. } | Event::PenaltyCharged { amount, .. }) => amount.0 += 1,
        ("to_debt", Event::RewardAccrued { to_debt, .. } | Event::PenaltyCharged { to_debt, .. }) => to_debt.0 += 1,
        ("entries", Event::SettlementApplied { entries, .. }) => entries[0].amount.0 += 1,
        ("fee", Event::WithdrawRequested { fee, .. }) => fee.0 += 1,
        ("issuance_allowance", Event::EpochStarted { issuance_allowance, .. }) => issuance_allowance.0 += 1,
        (field, event) => panic!("{field} of {event:?}"),
    }
}
