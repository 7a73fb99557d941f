//! What can happen on a random chain.

use crowdfold_config::Genesis;
use crowdfold_events::MessageBody;
use crowdfold_kernel::{REPAY, model::TaskStatus};
use proptest::prelude::*;

use super::world::{ALICE, BOB, World, signer};

/// Plugins that are admitted at the beginning.
pub const PLUGINS: u8 = 4;

#[derive(Clone, Debug)]
pub enum Act {
    Transfer { from_alice: bool, to: u8, value: u128 },
    Work,
    Lazy(u8),
    Diligent(u8),
    HandBack(u8),
    Leave(u8),
    Beat(u8),
    Withdraw(u8),
    Repay(u8),
    Register(u8),
    Blocks(u64),
}

pub fn act() -> impl Strategy<Value = Act> {
    let plugin = 1..=PLUGINS;
    prop_oneof![
        4 => (any::<bool>(), 1..10u8, 0..1_000u128).prop_map(|(from_alice, to, value)| Act::Transfer { from_alice, to, value }),
        4 => Just(Act::Work),
        1 => plugin.clone().prop_map(Act::Lazy),
        1 => plugin.clone().prop_map(Act::Diligent),
        1 => plugin.clone().prop_map(Act::HandBack),
        1 => plugin.clone().prop_map(Act::Leave),
        2 => plugin.clone().prop_map(Act::Beat),
        1 => plugin.clone().prop_map(Act::Withdraw),
        1 => plugin.prop_map(Act::Repay),
        1 => (5..8u8).prop_map(Act::Register),
        3 => (1..12u64).prop_map(Act::Blocks),
    ]
}

pub fn perform(world: &mut World, act: &Act) {
    match act {
        Act::Transfer { from_alice, to, value } => {
            world.transfer(if *from_alice { ALICE } else { BOB }, signer(*to).address(), *value);
            world.step();
        }
        Act::Work => world.run(PLUGINS, 1),
        Act::Lazy(n) => drop(world.lazy.insert(signer(*n).address())),
        Act::Diligent(n) => drop(world.lazy.remove(&signer(*n).address())),
        Act::HandBack(n) => {
            let who = signer(*n);
            let task = world
                .state
                .open_tasks()
                .find(|(_, t)| matches!(&t.status, TaskStatus::Assigned(a) if a.plugin == who.address()))
                .map(|(id, _)| id);
            if let Some(task) = task {
                world.send(&who, MessageBody::HandBack { task });
            }
        }
        Act::Leave(n) => world.send(&signer(*n), MessageBody::GoInactive),
        Act::Beat(n) => world.heartbeat(*n),
        Act::Withdraw(n) => world.send(&signer(*n), MessageBody::Withdraw),
        Act::Repay(n) => {
            let debtor = signer(*n).address();
            let debt = world.state.account_info(&debtor).debt.0;
            if debt > 0 {
                world.transfer_with(ALICE, REPAY, debt / 2 + 1, debtor.as_slice(), None);
                world.step();
            }
        }
        Act::Register(n) => {
            let who = signer(*n);
            let body = world.register_message(&who);
            world.send(&who, body);
        }
        Act::Blocks(n) => world.steps(*n),
    }
}

/// Parameters under which rare things happen often.
pub fn eventful(g: &mut Genesis) {
    g.params.bounty.max_base = "0.016 ZKPoW".parse().unwrap();
    g.params.proving.timeout_penalty = "0.048 ZKPoW".parse().unwrap();
    g.params.proving.max_debt = "0.1 ZKPoW".parse().unwrap();
    g.params.proving.quarantine_attempts = 2;
    g.params.proving.open_after = 60;
    g.params.settlement.min_payout.0.0 = 1;
    g.params.settlement.withdraw_fee = "0.002 ZKPoW".parse().unwrap();
    g.params.settlement.interval = 7;
    g.params.epoch.length = 13;
    g.params.epoch.issuance_allowance = "0.02 ZKPoW".parse().unwrap();
    g.params.trust.valid_per_slot = 2;
}

/// The world after these acts.
pub fn chain(acts: &[Act]) -> World {
    let mut world = World::with(eventful);
    world.admit(PLUGINS);
    for act in acts {
        perform(&mut world, act);
    }
    world.steps(1);
    world
}
