//! What is taken, what is left, and when the plugin steps aside.

use super::*;

/// A fold of as many segments as a proof.
fn fold(number: u64, deadline: u64) -> Offer {
    let kind = TaskKind::Aggregate {
        batch: crowdfold_events::BatchIndex(0),
        level: 0,
        position: 0,
        first_item: ItemIndex(0),
        items: 2,
    };
    Offer { kind, ..task(number, deadline) }
}

fn slots(slots: u32) -> Notice {
    Notice::TrustChanged { consecutive_valid: 1, slots }
}

#[test]
fn what_is_left_of_running_work_counts() {
    // 3 segments of 1 s and a quarter: 3.75 s each.
    let mut world = World::with_speed(1_000);
    world.notice(slots(2));
    world.offers(task(1, 20));
    world.wait(3_000);
    world.height(13);
    world.offers(task(2, 18));
    assert_eq!(world.handed_back(), [], "0.75 s and 3.75 s fit into 5 s");
    // Progress says more than the clock: half of it after 3 s.
    let mut world = World::with_speed(1_000);
    world.notice(slots(2));
    world.offers(task(1, 20));
    world.wait(3_000);
    world.core.progress(world.now, TaskId(1), 500);
    world.height(13);
    world.offers(task(2, 18));
    assert_eq!(world.handed_back(), [TaskId(2)], "3 s and 3.75 s do not");
}

#[test]
fn the_nearest_deadline_comes_first_and_what_was_taken_is_protected() {
    let mut world = World::with_speed(1_000);
    world.notice(slots(8));
    world.offers(task(1, 100));
    world.offers(task(2, 30));
    world.offers(task(3, 21));
    assert_eq!(world.handed_back(), []);
    // Alone it would do, but task 3 would be late.
    world.offers(task(4, 19));
    assert_eq!(world.handed_back(), [TaskId(4)]);
    for number in [1, 3, 2] {
        assert_eq!(world.started(), [TaskId(number)]);
        world.wait(3_000);
        world.finish(number, b"proof");
    }
}

#[test]
fn waiting_work_that_will_be_late_is_handed_back() {
    let mut world = World::with_speed(1_000);
    world.notice(slots(2));
    world.offers(task(1, 100));
    world.offers(task(2, 30));
    world.height(24);
    assert_eq!(world.handed_back(), [], "3 s and 3 s fit into 6 s if all goes well");
    world.height(25);
    assert_eq!(world.handed_back(), [TaskId(2)], "not into 5 s");
    assert_eq!(world.core.view(world.now).jobs.len(), 2, "the running one goes on");
}

#[test]
fn a_plugin_without_room_steps_aside_until_there_is_some() {
    let mut world = World::with_speed(1_000);
    world.offers(task(1, 18));
    assert!(world.bodies().is_empty() && !world.core.view(world.now).is_full, "3.75 and 3.75 s fit into 8");
    world.offers(task(2, 18));
    assert!(world.core.view(world.now).is_full, "three times 3.75 s do not");
    assert_eq!(world.bodies(), [MessageBody::GoInactive]);
    world.notice(Notice::Deactivated { reason: InactiveReason::Requested });
    world.wait(1_000);
    assert_eq!(world.bodies(), []);
    world.wait(2_000);
    world.finish(1, b"proof");
    assert!(!world.core.view(world.now).is_full);
    assert_eq!(world.bodies(), [MessageBody::Heartbeat]);
    world.notice(Notice::Activated);
    world.wait(100);
    assert_eq!(world.bodies(), [], "it does not flutter");
}

#[test]
fn two_may_be_drawn_at_once() {
    for (slot, is_full) in [(2, false), (3, true), (8, true)] {
        let mut world = World::with_speed(1_000);
        world.notice(slots(slot));
        world.offers(task(1, 18));
        assert_eq!(world.core.view(world.now).is_full, is_full, "{slot} slots, room for one more");
    }
}

#[test]
fn a_plugin_without_a_free_slot_need_not_step_aside() {
    let mut world = World::with_speed(1_000);
    world.notice(slots(1));
    world.offers(task(1, 14));
    assert!(!world.core.view(world.now).is_full);
    assert_eq!(world.bodies(), []);
    // Trust brings another slot while there is no room.
    world.notice(slots(2));
    assert_eq!(world.bodies(), [MessageBody::GoInactive]);
}

#[test]
fn work_that_nobody_could_do_in_time_does_not_keep_it_out() {
    let mut world = World::with_speed(1_000);
    world.notice(slots(3));
    world.offers(task(1, 12));
    assert_eq!(world.handed_back(), [TaskId(1)]);
    world.offers(task(2, 100));
    assert!(!world.core.view(world.now).is_full);
    assert_eq!(world.bodies(), []);
}

#[test]
fn folds_are_measured_apart() {
    let mut world = World::with_speed(1_000);
    world.notice(slots(8));
    for number in [1, 2, 3] {
        world.offers(fold(number, 100));
        world.wait(600);
        world.finish(number, b"proof");
    }
    assert_eq!(world.core.view(world.now).ms_per_segment, Some(1_000));
    world.offers(task(4, 13));
    assert_eq!(world.handed_back(), [TaskId(4)], "a proof takes its 3.75 s all the same");
    world.offers(fold(5, 13));
    assert_eq!(world.handed_back(), [], "a fold 0.6 s");
}

#[test]
fn an_unmeasured_fold_is_taken_for_half_a_proof() {
    let mut world = World::with_speed(1_000);
    world.notice(slots(1));
    world.offers(fold(1, 11));
    assert_eq!(world.handed_back(), [TaskId(1)]);
    world.offers(fold(2, 12));
    assert_eq!(world.handed_back(), [], "1.875 s");
}

#[test]
fn a_proof_that_was_there_teaches_nothing_and_a_machine_that_slept_little() {
    let speed = |world: &World| world.core.view(world.now).ms_per_segment.unwrap();
    let mut world = World::online(Standing::Active);
    world.offers(task(1, 100));
    world.wait(100);
    world.finish(1, b"proof");
    assert_eq!(world.core.view(world.now).ms_per_segment, None);
    let mut world = World::with_speed(1_000);
    world.offers(task(1, 100));
    world.finish(1, b"proof");
    assert_eq!(speed(&world), 1_000);
    world.offers(task(2, 1_000));
    world.now += 8 * 3_600_000;
    world.finish(2, b"proof");
    assert_eq!(speed(&world), 1_750, "the sample counts for four times what was expected");
}

#[test]
fn one_bad_measurement_does_not_end_a_plugin() {
    let mut world = World::with_speed(20_000);
    let mut refused = 0;
    while world.started().is_empty() {
        refused += 1;
        assert!(refused < 20, "60 s into 20 s: three times too slow");
        world.offers(task(refused, 30));
    }
    assert!(refused > 5);
    // Deadlines that are nearly over say nothing of the speed.
    let mut world = World::with_speed(20_000);
    for number in 0..30 {
        world.offers(Offer { assigned: Height(0), ..task(number, 14) });
    }
    assert_eq!(world.core.view(world.now).ms_per_segment, Some(20_000));
}

#[test]
fn a_task_that_is_open_to_everybody_is_left_without_a_word() {
    let mut world = World::with_speed(1_000);
    world.offers(open_to_all(1, 12));
    let declined = ProverEvent::Declined { task: TaskId(1), attempt: 1, reason: HandBackReason::TooSlow };
    assert!(world.events().contains(&declined));
    assert_eq!(world.bodies(), []);
    // Its deadline moved: now it can be met.
    world.offers(open_to_all(1, 40));
    assert_eq!(world.started(), [TaskId(1)]);
    // Again: what was done for it stays.
    world.offers(open_to_all(1, 80));
    assert_eq!((world.started(), world.core.view(world.now).jobs[0].deadline), (vec![], Height(80)));
    assert!(world.actions.iter().all(|a| !matches!(a, Action::CancelWork { .. })));
    // What is the plugin's own goes first, whatever the deadlines.
    world.offers(open_to_all(2, 60));
    world.offers(task(3, 100));
    world.wait(3_000);
    world.finish(1, b"proof");
    assert_eq!(world.started(), [TaskId(3)]);
    // And a stop leaves the open ones alone.
    world.frames.clear();
    world.core.stop(world.now);
    world.drain();
    assert_eq!(world.handed_back(), []);
    assert!(world.core.view(world.now).jobs.iter().all(|j| j.task != TaskId(2)));
}

#[test]
fn a_proof_for_an_open_task_outlives_its_deadline() {
    let mut world = World::with_speed(1_000);
    world.offers(open_to_all(1, 20));
    world.wait(3_000);
    world.finish(1, b"proof");
    world.frames.clear();
    world.offers(open_to_all(1, 60));
    let (task, proof_hash) = (TaskId(1), keccak256(b"proof"));
    world.send(NodeFrame::ProofAnswer { task, proof_hash, refused: None });
    assert_eq!(world.bodies(), [MessageBody::SubmitProof { task, proof_hash }]);
}
