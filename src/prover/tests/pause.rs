//! Pausing and going on.

use super::*;

fn paused(standing: Standing) -> World {
    let mut world = World::new(config());
    world.core.pause(world.now);
    world.log_in(standing, false);
    world
}

fn has_solve(world: &World) -> bool {
    world.actions.iter().any(|a| matches!(a, Action::SolveRegistration { .. }))
}

/// Waits with a node that is there.
fn alive(world: &mut World, ms: u64) {
    for _ in 0..ms / 10_000 {
        world.wait(10_000);
        world.core.heard(world.now);
    }
}

#[test]
fn a_pause_says_so_first_finishes_what_it_has_and_says_no_heartbeat() {
    let mut world = World::with_speed(1_000);
    world.offers(task(1, 100));
    world.offers(task(2, 100));
    world.frames.clear();
    world.core.pause(world.now);
    world.drain();
    assert!(world.core.view(world.now).is_paused);
    let first = world.message().unwrap();
    assert_eq!(first.message.body, MessageBody::GoInactive);
    world.answer(&first, Answer::Accepted { height: Height(10) });
    // Drawn before the wish was in a block: done when it can be met, else handed back.
    world.offers(task(3, 100));
    world.offers(task(4, 12));
    assert_eq!(world.bodies(), [MessageBody::HandBack { task: TaskId(4) }]);
    world.notice(Notice::Deactivated { reason: InactiveReason::Requested });
    for number in [1, 2, 3] {
        world.wait(3_000);
        world.finish(number, b"proof");
        let (task, proof_hash) = (TaskId(number), keccak256(b"proof"));
        world.send(NodeFrame::ProofAnswer { task, proof_hash, refused: None });
        assert_eq!(world.bodies(), [MessageBody::SubmitProof { task, proof_hash }]);
    }
    assert_eq!(world.started(), [TaskId(1), TaskId(2), TaskId(3)]);
    alive(&mut world, 200_000);
    assert_eq!(world.bodies(), []);
    world.core.resume(world.now);
    world.drain();
    assert_eq!(world.bodies(), [MessageBody::Heartbeat], "back at once");
    assert!(!world.core.view(world.now).is_paused);
}

#[test]
fn a_pause_leaves_what_is_nobodys() {
    let mut world = World::with_speed(1_000);
    world.offers(open_to_all(1, 100));
    world.offers(open_to_all(2, 100));
    world.core.pause(world.now);
    world.drain();
    world.offers(open_to_all(3, 100));
    assert_eq!(world.bodies(), [MessageBody::GoInactive], "no word about them");
    let jobs: Vec<TaskId> = world.core.view(world.now).jobs.iter().map(|j| j.task).collect();
    assert_eq!(jobs, [TaskId(1)], "the one that runs is finished");
}

#[test]
fn a_pause_before_the_login_neither_registers_nor_says_heartbeats() {
    let mut world = paused(Standing::Unknown);
    assert!(!has_solve(&world));
    world.core.resume(world.now);
    world.drain();
    assert!(has_solve(&world));
    let mut world = paused(Standing::Inactive);
    alive(&mut world, 200_000);
    assert_eq!(world.bodies(), [], "it is out of the active set already");
    world.core.resume(world.now);
    world.drain();
    assert_eq!(world.bodies(), [MessageBody::Heartbeat]);
    let mut world = paused(Standing::Active);
    assert_eq!(world.bodies(), [MessageBody::GoInactive]);
}

#[test]
fn a_pause_ends_a_registration_that_is_not_sent() {
    let mut world = World::online(Standing::Unknown);
    world.core.pause(world.now);
    world.core.registration_solved(world.now, Height(10), 1);
    world.drain();
    assert_eq!(world.bodies(), []);
    world.actions.clear();
    world.core.resume(world.now);
    world.drain();
    assert!(has_solve(&world), "it is looked for again");
}

#[test]
fn a_pause_holds_across_connections() {
    for resumed in [true, false] {
        let mut world = World::online(Standing::Active);
        world.core.disconnected(world.now);
        world.core.pause(world.now);
        world.drain();
        world.frames.clear();
        world.wait(500);
        world.log_in(Standing::Active, resumed);
        assert_eq!(world.body(), Some(MessageBody::GoInactive), "resumed: {resumed}");
        world.frames.clear();
        world.core.disconnected(world.now);
        world.drain();
        world.wait(2_000);
        world.log_in(Standing::Active, false);
        assert_eq!(world.bodies(), [MessageBody::GoInactive], "a new session knows nothing of it");
        assert!(world.core.view(world.now).is_paused);
    }
}

#[test]
fn a_wish_to_leave_is_said_until_it_counts() {
    let mut world = paused(Standing::Active);
    let first = world.message().unwrap();
    world.refuse(&first, Code::MempoolFull);
    world.wait(1_999);
    assert_eq!(world.bodies(), []);
    world.wait(1);
    assert_eq!(world.bodies(), [MessageBody::GoInactive]);
    alive(&mut world, 60_000);
    assert_eq!(world.bodies(), [MessageBody::GoInactive], "it was lost on its way into a block");
    world.notice(Notice::Deactivated { reason: InactiveReason::Requested });
    alive(&mut world, 200_000);
    assert_eq!(world.bodies(), []);
}

#[test]
fn whoever_is_let_in_during_a_pause_leaves_again() {
    let mut world = paused(Standing::Candidate);
    world.offers(Offer {
        kind: TaskKind::Admission { plugin: plugin_key().address(), admission_item: 0 },
        draw: None,
        ..task(1, 100)
    });
    assert_eq!(world.started(), [TaskId(1)], "the chain waits for it");
    world.notice(Notice::AdmissionPassed);
    assert_eq!(world.bodies(), []);
    world.notice(Notice::Activated);
    assert_eq!(world.bodies(), [MessageBody::GoInactive]);
}

#[test]
fn a_heartbeat_on_its_way_is_taken_back() {
    let mut world = World::online(Standing::Inactive);
    assert_eq!(world.bodies(), [MessageBody::Heartbeat]);
    world.core.pause(world.now);
    world.drain();
    assert_eq!(world.bodies(), [MessageBody::GoInactive]);
    // Paused and on again within a block: no more than one heartbeat.
    world.core.resume(world.now);
    world.drain();
    world.wait(1_001);
    assert_eq!(world.bodies(), [MessageBody::Heartbeat]);
    world.notice(Notice::Activated);
    world.notice(Notice::Deactivated { reason: InactiveReason::Requested });
    world.notice(Notice::Activated);
    world.wait(5_000);
    assert_eq!(world.bodies(), []);
}

#[test]
fn a_stop_ends_a_pause_too() {
    let mut world = paused(Standing::Active);
    let said = world.message().unwrap();
    world.answer(&said, Answer::Accepted { height: Height(10) });
    world.notice(Notice::Deactivated { reason: InactiveReason::Requested });
    world.core.stop(world.now);
    world.drain();
    while let Some(message) = world.message() {
        world.answer(&message, Answer::Accepted { height: Height(10) });
    }
    assert_eq!(world.outcome(), Some(Outcome::Stopped { open: 0 }));
}
