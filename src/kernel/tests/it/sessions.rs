//! Registration, admission, the active set.

use crowdfold_events::{Event, MessageBody, event::InactiveReason};
use crowdfold_kernel::{Dropped, MessageFault, admission_index, model::TaskStatus};

use crate::world::{World, signer};

#[test]
fn admission_asks_for_the_item_that_beacon_and_address_give() {
    let mut world = World::new();
    world.step();
    let who = signer(1);
    let body = world.register_message(&who);
    world.send(&who, body);
    world.step();
    let admission = world.state.plugin(&who.address()).unwrap().admission;
    let items = world.state.genesis().admission_items;
    let expected = admission_index(&world.state.beacon(), &who.address(), items);
    let kind = &world.state.task(admission).unwrap().kind;
    assert!(
        matches!(kind, crowdfold_events::event::TaskKind::Admission { admission_item, .. } if *admission_item == expected)
    );
    assert!(!world.state.plugin(&who.address()).unwrap().active, "no work before admission");
    world.send(&who, MessageBody::Heartbeat);
    world.step();
    assert!(!world.state.plugin(&who.address()).unwrap().active);
}

#[test]
fn an_admission_that_is_not_proven_in_time_lapses_without_a_penalty() {
    let mut world = World::new();
    world.step();
    let who = signer(1);
    let body = world.register_message(&who);
    world.send(&who, body);
    world.steps(40);
    assert!(world.state.plugin(&who.address()).is_none());
    assert_eq!(world.state.account_info(&who.address()).debt.0, 0);
    assert!(world.log.iter().any(|e| matches!(e, Event::AdmissionLapsed { .. })));
    let body = world.register_message(&who);
    world.send(&who, body);
    world.step();
    assert!(world.state.plugin(&who.address()).is_some(), "it may try again");
}

#[test]
fn a_registration_needs_its_hashcash() {
    let mut world = World::with(|g| {
        g.params.plugins.initial_registration_work = 1 << 40;
        g.params.plugins.registration_recent_blocks = 3;
    });
    world.steps(5);
    let who = signer(1);
    let fault = |world: &World| match world.dropped() {
        [Dropped::Message { fault, .. }] => fault.clone(),
        other => panic!("{other:?}"),
    };
    world.send(&who, MessageBody::Register { work_height: 5, work_nonce: 1 });
    world.step();
    assert_eq!(fault(&world), MessageFault::NotEnoughWork(1 << 40));
    for height in [1, 6, 7, 99] {
        world.send(&who, MessageBody::Register { work_height: height, work_nonce: 1 });
        world.step();
        let recent = (height..height + 3).contains(&world.state.height().0.saturating_sub(1));
        assert_eq!(
            matches!(fault(&world), MessageFault::WorkHeight(_)),
            !recent,
            "{height} at {}",
            world.state.height()
        );
    }
}

#[test]
fn registrations_are_capped_per_block_and_the_best_hashcash_wins() {
    let mut world = World::with(|g| g.params.plugins.max_registrations_per_block = 2);
    world.step();
    let (_, _, head) = world.state.registration_work();
    let chain = world.state.genesis().chain_id;
    let mut scores = Vec::new();
    for n in 1..=5 {
        let who = signer(n);
        let body = world.register_message(&who);
        if let MessageBody::Register { work_nonce, .. } = body {
            scores.push((crowdfold_events::work::score(chain, who.address(), head, work_nonce), who.address()));
        }
        world.send(&who, body);
    }
    world.step();
    scores.sort_unstable();
    let mut best: Vec<_> = scores[..2].iter().map(|(_, a)| *a).collect();
    best.sort_unstable();
    assert_eq!(world.state.plugins().map(|(a, _)| *a).collect::<Vec<_>>(), best);
    assert!(world.dropped().iter().all(|d| matches!(d, Dropped::Message { fault: MessageFault::RankedOut, .. })));
    assert_eq!(world.dropped().len(), 3);
}

#[test]
fn the_hashcash_is_retargeted_every_epoch() {
    let mut world = World::with(|g| {
        g.params.epoch.length = 10;
        g.params.plugins.registrations_per_epoch = 1;
        g.params.plugins.initial_registration_work = 8;
        g.params.plugins.min_registration_work = 2;
    });
    world.step();
    for n in 1..=3 {
        let who = signer(n);
        let body = world.register_message(&who);
        world.send(&who, body);
    }
    world.steps(10);
    assert_eq!(world.state.registration_work().0, 24, "three times as many as wanted");
    world.steps(10);
    assert_eq!(world.state.registration_work().0, 6, "none: a quarter");
    world.steps(20);
    assert_eq!(world.state.registration_work().0, 2, "never below the least");
}

#[test]
fn silence_expires_and_a_heartbeat_returns() {
    let mut world = World::new();
    world.admit(1);
    let ttl = world.state.parameters().plugins.heartbeat_ttl;
    let who = signer(1).address();
    world.steps(ttl);
    assert!(world.state.plugin(&who).unwrap().active, "ttl blocks later still active");
    world.step();
    assert!(!world.state.plugin(&who).unwrap().active);
    assert!(
        world
            .events_of_last()
            .iter()
            .any(|e| matches!(e, Event::PluginDeactivated { reason: InactiveReason::Expired, .. }))
    );
    world.heartbeat(1);
    world.step();
    assert!(world.state.plugin(&who).unwrap().active);
}

#[test]
fn leaving_is_immediate_and_open_work_stays_owed() {
    let mut world = World::new();
    world.admit(1);
    world.transfer(crate::world::ALICE, signer(9).address(), 1);
    world.steps(3);
    let who = signer(1);
    world.send(&who, MessageBody::GoInactive);
    world.step();
    let plugin = world.state.plugin(&who.address()).unwrap();
    assert!(!plugin.active);
    assert_eq!(plugin.open.len(), 1);
    let task = *plugin.open.get_min().unwrap();
    world.submit(task, &who);
    world.step();
    assert!(matches!(world.state.task(task).unwrap().status, TaskStatus::Done { .. }));
    assert!(!world.state.plugin(&who.address()).unwrap().active, "finishing does not bring it back");
}

#[test]
fn one_bitmap_records_everybodys_heartbeat() {
    let mut world = World::new();
    world.admit(3);
    for n in [1, 3] {
        world.heartbeat(n);
    }
    world.step();
    let bitmaps: Vec<_> = world
        .events_of_last()
        .iter()
        .filter_map(|e| match e {
            Event::HeartbeatsRecorded { bitmap } => Some(bitmap.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(bitmaps, [vec![0b101]]);
    let now = world.state.height();
    assert_eq!(world.state.plugin(&signer(3).address()).unwrap().last_seen, now);
    assert_ne!(world.state.plugin(&signer(2).address()).unwrap().last_seen, now);
}
