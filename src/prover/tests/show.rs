//! What is shown: the view, and the events that a user keeps.

use super::*;

#[test]
fn the_view_shows_the_connection() {
    let mut world = World::new(config());
    assert_eq!(world.core.view(world.now).link, LinkView::Connecting);
    world.greet();
    let view = world.core.view(world.now);
    assert_eq!((view.link, view.standing), (LinkView::LoggingIn, Standing::Unknown));
    assert_eq!(view.chain.unwrap().height, Height(0));
    let mut world = World::online(Standing::Unknown);
    let view = world.core.view(world.now);
    assert_eq!((view.link, view.registration), (LinkView::Online, RegistrationView::Solving));
    let expected = ChainView {
        id: CHAIN,
        genesis_hash: GENESIS,
        params_digest: PARAMS,
        node: node_key().address(),
        height: Height(10),
        block_time_ms: 1_000,
    };
    assert_eq!(view.chain, Some(expected));
    world.core.registration_solved(world.now, Height(10), 1);
    assert_eq!(world.core.view(world.now).registration, RegistrationView::Sent);
    world.core.disconnected(world.now);
    let LinkView::Waiting { retry_in_ms } = world.core.view(world.now).link else { panic!("it waits") };
    assert!(retry_in_ms > 0 && world.core.view(world.now).failures == 1);
    // The network is back.
    world.drain();
    world.core.connect_now(world.now);
    world.drain();
    assert_eq!(world.actions.last(), Some(&Action::Connect));
    world.core.stop(world.now);
    world.core.stop(world.now);
    world.core.disconnected(world.now);
    let view = world.core.view(world.now);
    assert!(view.link == LinkView::Over && view.is_stopping);
}

#[test]
fn the_view_shows_every_job_with_its_times() {
    let mut world = World::with_speed(1_000);
    world.offers(task(1, 100));
    world.offers(task(2, 40));
    world.wait(1_000);
    world.core.progress(world.now, TaskId(1), 250);
    let view = world.core.view(world.now);
    assert_eq!(view.ms_per_segment, Some(1_000));
    let second = &view.jobs[0];
    assert_eq!((second.task, second.stage), (TaskId(2), JobStage::Queued), "the nearest deadline first");
    assert_eq!((second.left_ms, second.deadline_ms), (Some(6_000), Some(29_000)), "3 s wait, 3 s work");
    let first = &view.jobs[1];
    assert_eq!((first.stage, first.permille, first.stage_ms), (JobStage::Running, 250, 1_000));
    assert_eq!((first.left_ms, first.bounty, first.segments), (Some(3_000), Zkpow(1), 3), "a quarter took 1 s");
    world.wait(2_000);
    world.finish(1, b"proof");
    let job = |world: &World| world.core.view(world.now).jobs[1].clone();
    assert_eq!(job(&world).stage, JobStage::Checking);
    assert_eq!((job(&world).left_ms, job(&world).permille), (Some(0), 1000));
    let (task, proof_hash) = (TaskId(1), keccak256(b"proof"));
    assert_eq!(job(&world).proof_hash, Some(proof_hash));
    world.send(NodeFrame::ProofAnswer { task, proof_hash, refused: Some(Code::Busy) });
    assert_eq!((job(&world).stage, job(&world).retries), (JobStage::Proven, 1));
    world.wait(4_000);
    world.send(NodeFrame::ProofAnswer { task, proof_hash, refused: None });
    assert_eq!(job(&world).stage, JobStage::Submitted);
}

#[test]
fn events_carry_what_a_user_keeps() {
    let mut world = World::with_speed(1_000);
    let drawn = task(1, 100);
    world.offers(drawn.clone());
    let offered = ProverEvent::Offered {
        task: drawn.task,
        attempt: 1,
        kind: drawn.kind,
        segments: 3,
        bounty: Zkpow(1),
        assigned: Height(10),
        deadline: Height(100),
        draw: drawn.draw,
    };
    assert!(world.events().contains(&offered));
    world.frames.clear();
    world.wait(3_000);
    world.finish(1, b"proof");
    let (task, proof_hash) = (TaskId(1), keccak256(b"proof"));
    let proven = ProverEvent::Proven { task, attempt: 1, elapsed_ms: 3_000, bytes: 5, proof_hash };
    assert!(world.events().contains(&proven));
    world.send(NodeFrame::ProofAnswer { task, proof_hash, refused: None });
    let message = world.message().unwrap();
    let answer = Answer::Accepted { height: Height(12) };
    world.answer(&message, answer);
    let receipts = world.events().into_iter().filter_map(|event| match event {
        ProverEvent::Receipt { about, message, answer, signature, node } => {
            Some((about, message, answer, signature, node))
        }
        _ => None,
    });
    let (about, digest, said, signature, node) = receipts.collect::<Vec<_>>().pop().unwrap();
    assert_eq!((about, digest, said), (About::Submit(task), message.digest(CHAIN, GENESIS), answer));
    // Anybody can check what was kept.
    let receipt = SigningDomain::new(CHAIN, GENESIS).receipt(digest, &said);
    assert_eq!((recover(&receipt, &signature.0), node), (Ok(node), node_key().address()));
    assert_eq!((about.task(), About::Heartbeat.task()), (Some(task), None));
}

#[test]
fn the_account_is_passed_on_and_sets_the_standing() {
    let mut world = World::with_speed(1_000);
    let account = crowdfold_events::wire::Account {
        height: Height(11),
        standing: Standing::Suspended,
        balance: Zkpow(1),
        accrued: Zkpow(2),
        debt: Zkpow(0),
        bond: Zkpow(0),
        consecutive_valid: 0,
        slots: 1,
        next_slot_at: None,
        accepted: 0,
        failed: 0,
    };
    world.send(NodeFrame::Account { account });
    assert!(world.events().contains(&ProverEvent::Account { account }));
    assert_eq!(world.core.standing(), Standing::Suspended);
}
