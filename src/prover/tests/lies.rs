//! Nodes that lie: they are left, later each time, and an honest one is worked for afterwards.

use super::*;

/// The next node is an honest one that knows nothing of the session.
fn works_at_another(mut world: World) {
    world.wait(60_000);
    world.actions.retain(|a| *a == Action::Connect);
    world.actions.truncate(1);
    if world.actions.is_empty() {
        world.core.connect_now(world.now);
        world.drain();
    }
    world.frames.clear();
    let resumed_with = world.log_in(Standing::Active, false);
    assert_eq!(resumed_with, None, "the liar's session is not continued");
    world.actions.clear();
    world.offers(task(77, 60));
    assert_eq!(world.started(), [TaskId(77)]);
    world.wait(1_000);
    world.finish(77, b"proof");
    assert!(world.frames.iter().any(|f| matches!(f, ClientFrame::ProofUpload { .. })));
}

fn logged_in(status: ChainStatus) -> NodeFrame {
    let token = B256::repeat_byte(1);
    NodeFrame::LoggedIn { token, resumed: false, received: 0, standing: Standing::Active, next_sequence: 1, status }
}

#[test]
fn bytes_that_are_no_frame_are_answered_with_ever_longer_pauses() {
    let mut world = World::new(config());
    let mut pauses = vec![];
    for _ in 0..10 {
        world.log_in(Standing::Active, false);
        world.core.receive(world.now, b"no frame");
        // Whatever else was on its way is ignored.
        world.core.receive(world.now, b"no frame");
        world.drain();
        let faults = world.events().into_iter().filter(|e| matches!(e, ProverEvent::NodeFault { .. })).count();
        assert_eq!(faults, 1);
        let pause = world.core.next_wakeup_ms().unwrap() - world.now;
        pauses.push(pause);
        world.actions.clear();
        world.wait(pause);
        world.frames.clear();
    }
    assert!(pauses[9] >= 15_000, "{pauses:?}");
    assert_eq!(world.core.view(world.now).failures, 10);
    world.log_in(Standing::Active, false);
    world.wait(10_000);
    world.core.disconnected(world.now);
    world.drain();
    assert!(world.core.next_wakeup_ms().unwrap() - world.now <= 500, "a connection that lasts ends that");
}

#[test]
fn a_frame_with_an_unknown_kind_of_task_is_no_frame() {
    let length = World::online(Standing::Active).node.send(offer(1, 60)).encode().unwrap().len();
    let mut faults = 0;
    for at in 0..length {
        let mut world = World::online(Standing::Active);
        let mut bytes = world.node.send(offer(1, 60)).encode().unwrap();
        bytes[at] ^= 0x55;
        world.core.receive(world.now, &bytes);
        for action in world.core.actions() {
            faults += usize::from(matches!(action, Action::Event(ProverEvent::NodeFault { .. })));
        }
        let LinkView::Waiting { retry_in_ms } = world.core.view(world.now).link else { continue };
        assert!(retry_in_ms > 0, "byte {at}");
    }
    assert!(faults > 20, "{faults} of {length}");
}

#[test]
fn absurd_deadlines_are_handed_back_or_no_offers_at_all() {
    for deadline in [10, 11, 1 << 60, u64::MAX] {
        let mut world = World::with_speed(1_000);
        world.notice(Notice::TrustChanged { consecutive_valid: 90, slots: 8 });
        world.offers(Offer { segments: u32::MAX, ..task(1, deadline) });
        world.offers(task(2, deadline));
        let jobs = world.core.view(world.now).jobs;
        let is_far = deadline > 100;
        assert!(jobs.iter().all(|j| (j.stage != JobStage::HandingBack) == is_far), "{deadline}: {jobs:?}");
        world.wait(20_000);
    }
    for (assigned, deadline) in [(20, 19), (u64::MAX, u64::MAX), (5_000, 6_000)] {
        let mut world = World::with_speed(1_000);
        world.offers(Offer { assigned: Height(assigned), ..task(1, deadline) });
        assert!(world.left(), "{assigned}..{deadline}");
        assert_eq!(world.bodies(), [], "nothing is signed for it");
        works_at_another(world);
    }
}

#[test]
fn packages_are_no_longer_than_said_and_come_from_who_offers_them() {
    let fetched = |length| Offer { package: Package::Fetch { digest: keccak256(b"package"), length }, ..task(1, 100) };
    let mut world = World::online(Standing::Active);
    world.offers(fetched(u32::MAX));
    assert!(world.left());
    works_at_another(world);
    for (total, bytes) in [(1 << 40, &b"package"[..]), (7, b"other!!"), (6, b"packag"), (7, b"")] {
        let mut world = World::online(Standing::Active);
        world.offers(fetched(7));
        let digest = keccak256(b"package");
        assert_eq!(world.core.view(world.now).fetch, Some(FetchView { digest, have: 0, total: Some(7) }));
        world.send(NodeFrame::DataChunk { digest, offset: 0, total, bytes: Bytes::copy_from_slice(bytes) });
        assert!(world.left(), "{total}");
        // The next node has it.
        world.actions.clear();
        world.wait(1_000);
        world.frames.clear();
        world.log_in(Standing::Active, false);
        world.offers(fetched(7));
        assert!(world.frames.iter().any(|f| matches!(f, ClientFrame::DataRequest { offset: 0, .. })));
        world.send(NodeFrame::DataChunk { digest, offset: 0, total: 7, bytes: Bytes::from_static(b"package") });
        assert_eq!(world.started(), [TaskId(1)]);
    }
    let mut world = World::online(Standing::Active);
    world.offers(fetched(7));
    world.send(NodeFrame::DataRefused { digest: keccak256(b"package"), offset: 0, code: Code::NoSuchData });
    assert!(world.left());
}

#[test]
fn a_package_that_is_no_input_is_asked_for_again_before_it_costs_a_penalty() {
    let mut world = World::online(Standing::Active);
    for round in 1..=3 {
        world.frames.clear();
        world.offers(task(1, 100));
        assert_eq!(world.started(), [TaskId(1)]);
        let error = WorkError::BadPackage("its root is not its statement's".to_owned());
        world.core.finished(world.now, TaskId(1), 1, Err(error));
        world.drain();
        assert_eq!(world.left(), round < 3);
        if round < 3 {
            world.actions.clear();
            world.wait(5_000);
            world.log_in(Standing::Active, false);
        }
    }
    assert_eq!(world.handed_back(), [TaskId(1)]);
}

#[test]
fn times_that_no_chain_has_are_faults() {
    for block_time_ms in [0, u32::MAX] {
        let lie = ChainStatus { block_time_ms, ..status(10) };
        let mut world = World::new(config());
        world.greet();
        world.frames.clear();
        world.send(logged_in(lie));
        assert!(world.left());
        assert_eq!(world.bodies(), []);
        works_at_another(world);
        let mut world = World::online(Standing::Active);
        world.send(NodeFrame::Status { status: lie });
        assert!(world.left());
    }
    // Limits are believed within reason: no busy loop, and no silence for ever.
    let NodeFrame::Welcome { version, chain_id, genesis_hash, params_digest, node, nonce, .. } = World::welcome()
    else {
        panic!("a welcome")
    };
    for value in [0, u32::MAX] {
        let limits = SessionLimits {
            max_frame_bytes: value,
            max_proof_bytes: value,
            max_unacknowledged: value,
            frames_per_second: value,
            silence_ms: value,
            min_heartbeat_ms: value,
            heartbeat_ttl_blocks: value,
            resume_ms: value,
        };
        let mut world = World::new(config());
        world.greet_with(NodeFrame::Welcome { version, chain_id, genesis_hash, params_digest, limits, node, nonce });
        world.send(logged_in(status(10)));
        world.frames.clear();
        world.wait(4_999);
        assert!(world.frames.len() <= 20, "{value}: {}", world.frames.len());
        world.wait(600_000);
        assert!(world.actions.contains(&Action::Disconnect));
    }
    // And a node cannot send the plugin away for weeks.
    let mut world = World::online(Standing::Active);
    world.send(NodeFrame::Goodbye { code: Code::Flood, retry_after_ms: u32::MAX });
    assert_eq!(world.core.next_wakeup_ms(), Some(world.now + 600_000));
}

#[test]
fn a_status_that_goes_back_is_not_believed() {
    let mut world = World::with_speed(1_000);
    world.height(50);
    world.height(40);
    assert_eq!(world.core.view(world.now).chain.unwrap().height, Height(50));
    world.offers(Offer { assigned: Height(40), ..task(1, 52) });
    assert_eq!(world.handed_back(), [TaskId(1)]);
    // A height out of this world counts in its own session only.
    world.height(u64::MAX);
    world.core.disconnected(world.now);
    world.drain();
    world.wait(2_000);
    world.log_in(Standing::Active, false);
    assert_eq!(world.core.view(world.now).chain.unwrap().height, Height(10));
}

#[test]
fn an_absurd_hashcash_is_not_looked_for() {
    let mut world = World::new(config());
    world.greet();
    let NodeFrame::LoggedIn { token, resumed, received, next_sequence, .. } = logged_in(status(10)) else {
        panic!("a login")
    };
    let lie = ChainStatus { registration_work: 1 << 50, ..status(10) };
    let standing = Standing::Unknown;
    world.send(NodeFrame::LoggedIn { token, resumed, received, standing, next_sequence, status: lie });
    let events = world.events();
    let refused =
        |e: &ProverEvent| matches!(e, ProverEvent::RegistrationRefused { expected, .. } if *expected == 1 << 50);
    assert_eq!(events.iter().filter(|e| refused(e)).count(), 1, "said once");
    assert!(world.actions.iter().all(|a| !matches!(a, Action::SolveRegistration { .. })));
    world.core.disconnected(world.now);
    world.drain();
    world.wait(2_000);
    world.actions.retain(|a| *a == Action::Connect);
    world.log_in(Standing::Unknown, false);
    assert!(world.actions.iter().any(|a| matches!(a, Action::SolveRegistration { expected: 4, .. })));
}

#[test]
fn another_chain_is_left_and_the_expected_one_worked_for() {
    let NodeFrame::Welcome { version, params_digest, limits, node, nonce, .. } = World::welcome() else {
        panic!("a welcome")
    };
    let welcome = |chain_id, genesis_hash| NodeFrame::Welcome {
        version,
        chain_id,
        genesis_hash,
        params_digest,
        limits: limits.clone(),
        node,
        nonce,
    };
    // It had work of the right chain before: that stays.
    let mut world = World::online(Standing::Active);
    world.offers(task(1, 60));
    world.core.disconnected(world.now);
    world.drain();
    let mut pauses = vec![];
    for _ in 0..8 {
        let at = world.core.next_wakeup_ms().unwrap();
        pauses.push(at - world.now);
        world.wait(at - world.now);
        world.frames.clear();
        world.greet_with(welcome(CHAIN, B256::ZERO));
        assert!(world.frames.is_empty(), "nothing is signed for it");
        assert!(world.events().iter().any(|e| matches!(e, ProverEvent::WrongChain { .. })));
    }
    assert!(pauses[7] > 10_000, "{pauses:?}");
    assert_eq!(world.outcome(), None);
    let at = world.core.next_wakeup_ms().unwrap();
    world.wait(at - world.now);
    world.frames.clear();
    assert!(world.log_in(Standing::Active, true).is_some());
    world.finish(1, b"proof");
    assert!(world.frames.iter().any(|f| matches!(f, ClientFrame::ProofUpload { .. })));
    // A wrong chain id under the right genesis: what it said is forgotten.
    let mut world = World::new(config());
    world.greet_with(welcome(CHAIN + 1, GENESIS));
    world.frames.clear();
    world.send(logged_in(status(10)));
    world.offers(task(1, 60));
    assert_eq!(world.started(), [TaskId(1)]);
    world.core.disconnected(world.now);
    world.drain();
    world.node = Reliable::default();
    world.wait(2_000);
    world.actions.retain(|a| *a == Action::Connect);
    world.frames.clear();
    assert_eq!(world.log_in(Standing::Active, false), None);
    assert!(world.actions.contains(&Action::CancelWork { task: TaskId(1), attempt: 1 }));
    assert!(world.core.view(world.now).jobs.is_empty());
    // Without an expectation nobody can say which of two is right.
    let mut world = World::new(ProverConfig { expected: None, ..config() });
    world.log_in(Standing::Active, false);
    world.core.disconnected(world.now);
    world.drain();
    world.wait(2_000);
    world.actions.retain(|a| *a == Action::Connect);
    world.greet_with(welcome(CHAIN, B256::ZERO));
    assert_eq!(world.outcome(), Some(Outcome::WrongChain));
}

#[test]
fn any_parameters_will_do_when_only_the_genesis_is_known() {
    let expected = ExpectedChain { genesis_hash: GENESIS, params_digest: None, chain_id: Some(CHAIN) };
    let mut world = World::new(ProverConfig { expected: Some(expected), ..config() });
    world.log_in(Standing::Active, false);
    assert_eq!(world.core.view(world.now).chain.unwrap().params_digest, PARAMS);

    // They follow from the genesis: whoever names others later is not logged in at.
    let NodeFrame::Welcome { version, chain_id, genesis_hash, limits, node, nonce, .. } = World::welcome() else {
        panic!("a welcome")
    };
    world.core.disconnected(world.now);
    world.drain();
    world.wait(500);
    world.frames.clear();
    world.greet_with(NodeFrame::Welcome {
        version,
        chain_id,
        genesis_hash,
        params_digest: B256::ZERO,
        limits,
        node,
        nonce,
    });
    assert!(world.frames.is_empty(), "no login: {:?}", world.frames);
    let is_wrong = |a: &Action| matches!(a, Action::Event(ProverEvent::WrongChain { params_digest: B256::ZERO, .. }));
    assert!(world.actions.iter().any(is_wrong));
    world.wait(2_000);
    world.actions.retain(|a| *a == Action::Connect);
    world.log_in(Standing::Active, true);
    assert_eq!(world.core.view(world.now).chain.unwrap().params_digest, PARAMS);
}

#[test]
fn frames_out_of_place_are_faults() {
    let mut world = World::online(Standing::Active);
    world.send(World::welcome());
    assert!(world.left());
    works_at_another(world);
    let mut world = World::new(config());
    world.greet();
    world.send(World::welcome());
    assert!(world.left());
    let mut world = World::online(Standing::Active);
    world.send(logged_in(status(10)));
    assert!(world.left());
    // A session that nobody asked to resume.
    let mut world = World::new(config());
    world.greet();
    let NodeFrame::LoggedIn { token, received, standing, next_sequence, status, .. } = logged_in(status(10)) else {
        panic!("a login")
    };
    world.send(NodeFrame::LoggedIn { token, resumed: true, received, standing, next_sequence, status });
    assert!(world.left());
}

#[test]
fn a_million_offers_cost_little() {
    let mut world = World::with_speed(1);
    let mut sent = 0u64;
    while sent < 1_000_000 && !world.left() {
        sent += 1;
        world.offers(task(sent, 1_000_000));
    }
    assert_eq!(sent, 1_101);
    assert!(world.core.view(world.now).jobs.len() <= 1_100);
    assert!(world.handed_back().len() <= 1_100);
    world.actions.retain(|a| !matches!(a, Action::Connect));
    world.started();
    world.finish(1, b"proof");
    assert_eq!(world.started(), [], "nothing more is begun");
    // The next node does not know them: they are forgotten, and room is made.
    world.actions.clear();
    world.wait(1_000);
    world.frames.clear();
    world.log_in(Standing::Active, false);
    world.offers(task(5, 1_000_000));
    for _ in 0..6 {
        world.wait(10_000);
        world.core.heard(world.now);
    }
    let jobs = world.core.view(world.now).jobs;
    let unproven = jobs.iter().filter(|j| j.stage < JobStage::Proven).count();
    assert_eq!(unproven, 1, "{}", jobs.len());
}

#[test]
fn a_node_that_acknowledges_nothing_is_left() {
    let mut world = World::online(Standing::Active);
    let expired = Notice::Deactivated { reason: InactiveReason::Expired };
    for _ in 0..1_100 {
        // Never a packet that acknowledges: its number of what it took stays.
        let packet = world.node.send(NodeFrame::Notice { height: Height(11), notice: expired.clone() });
        let packet = Packet { acknowledged: 0, ..packet };
        world.core.receive(world.now, &packet.encode().unwrap());
        world.drain();
        world.wait(1_001);
        if world.left() {
            return works_at_another(world);
        }
    }
    panic!("it is still there");
}

#[test]
fn a_token_is_for_the_node_that_gave_it() {
    let other = Signer::from_bytes(&[8; 32]).unwrap().address();
    let NodeFrame::Welcome { version, chain_id, genesis_hash, params_digest, limits, nonce, .. } = World::welcome()
    else {
        panic!("a welcome")
    };
    let mut world = World::online(Standing::Active);
    world.offers(task(1, 60));
    world.core.disconnected(world.now);
    world.drain();
    world.finish(1, b"proof");
    world.wait(500);
    world.frames.clear();
    let welcome = NodeFrame::Welcome { version, chain_id, genesis_hash, params_digest, limits, node: other, nonce };
    world.greet_with(welcome);
    assert!(matches!(world.frames.pop(), Some(ClientFrame::Login { resume: None, .. })));
    // What was proven meanwhile is good at any node.
    world.node = Reliable::default();
    world.send(logged_in(status(12)));
    world.offers(task(1, 60));
    assert!(world.frames.iter().any(|f| matches!(f, ClientFrame::ProofUpload { .. })));
    assert_eq!(world.started(), [TaskId(1)], "once");
}
