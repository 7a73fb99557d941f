//! Chains made by the kernel alone, with declared verdicts on proofs.

#[path = "../../../src/kernel/tests/it/acts.rs"]
pub mod acts;
#[path = "../../../src/kernel/tests/it/transactions.rs"]
mod transactions;
#[allow(dead_code)]
#[path = "../../../src/kernel/tests/it/world.rs"]
pub mod world;

use crowdfold::audit::{Options, Report, Stored, audit};
use crowdfold_config::Genesis;
use crowdfold_events::{B256, Event, MessageBody, Signer, StoredEvent, encode_event};
use crowdfold_kernel::commit;

use world::World;

pub fn stored(events: &[Event]) -> Vec<StoredEvent> {
    events.iter().map(|e| encode_event(e).unwrap()).collect()
}

pub fn run(genesis: &Genesis, events: &[StoredEvent], options: Options) -> Report {
    let events = events.iter().cloned().map(Stored::Ok);
    audit(genesis, events, options, &mut |_| {}).unwrap()
}

/// A chain with work, penalties, a hand-back, a repayment, settlements and batches.
pub fn eventful() -> World {
    use acts::Act::*;
    let transfer = |to| Transfer { from_alice: true, to, value: 7 };
    let mut acts = vec![transfer(1), transfer(2), Lazy(1), Blocks(3)];
    acts.extend((0..20).map(|_| Work));
    acts.extend([transfer(3), transfer(2), Blocks(3), HandBack(2), HandBack(3), Withdraw(3), Lazy(2)]);
    acts.extend((0..30).map(|_| Work));
    acts.extend([Repay(1), Repay(2), Leave(4), Diligent(1), Diligent(2), Beat(4), transfer(4), Register(5)]);
    acts.extend((0..30).map(|_| Work));
    let mut world = acts::chain(&acts);
    // Who has left and holds no task needs no bond: all that it earned can be withdrawn.
    for body in [MessageBody::GoInactive, MessageBody::Withdraw] {
        for n in 1..=acts::PLUGINS {
            world.send(&world::signer(n), body.clone());
        }
        world.step();
    }
    world.steps(30);
    world
}

/// Makes headers and commits fit the events before them, as far as it goes
/// without the validator's key; with the key the commits are signed again.
pub fn rehash(genesis: B256, events: &[StoredEvent], key: Option<&Signer>) -> Vec<StoredEvent> {
    let (mut head, mut parent, mut beacon) = (crowdfold_events::hash::CHAIN_START, genesis, genesis);
    let mut out = Vec::with_capacity(events.len());
    for event in events {
        let mut event = event.clone();
        if let Ok(Event::BlockDecided { mut header, mut body }) = event.decode() {
            if header.height.0 > 1 {
                body.last_commit.header_hash = parent;
                if let Some(key) = key {
                    body.last_commit = commit::sign_commit(key, &genesis, body.last_commit.height, parent);
                }
            }
            header.parent = parent;
            header.parent_events_head = head;
            header.last_commit_hash = body.last_commit.hash().unwrap();
            header.transactions_root = body.transactions_root();
            header.messages_root = body.messages_root().unwrap();
            header.beacon = commit::next_beacon(&beacon, header.height, &header.last_commit_hash);
            (parent, beacon) = (header.hash(), header.beacon);
            event = encode_event(&Event::BlockDecided { header, body }).unwrap();
        }
        head = event.chain(&head);
        out.push(event);
    }
    out
}
