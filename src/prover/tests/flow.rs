//! From offer to receipt, reconnects, refusals, stops.

use super::*;

#[test]
fn a_task_goes_from_offer_to_accepted() {
    let mut world = World::online(Standing::Active);
    assert_eq!(world.body(), Some(MessageBody::Heartbeat), "a new session says that it is here");
    world.send(offer(1, 60));
    assert_eq!(world.started(), [TaskId(1)]);
    world.wait(4_000);
    let proof = vec![7; MAX_CHUNK_BYTES + 10];
    world.finish(1, &proof);
    let pieces: Vec<usize> = world
        .frames
        .iter()
        .filter_map(|f| match f {
            ClientFrame::ProofUpload { bytes, .. } => Some(bytes.len()),
            _ => None,
        })
        .collect();
    assert_eq!(pieces, [MAX_CHUNK_BYTES, 10]);
    assert_eq!(world.body(), None, "the message waits for the node's check");
    let (task, proof_hash) = (TaskId(1), keccak256(&proof));
    world.send(NodeFrame::ProofAnswer { task, proof_hash, refused: None });
    let message = world.message().unwrap();
    assert_eq!(message.message.body, MessageBody::SubmitProof { task, proof_hash });
    world.answer(&message, Answer::Accepted { height: Height(11) });
    world.send(NodeFrame::TaskClosed { task, attempt: 1, reason: CloseReason::Accepted });
    let closed = ProverEvent::Closed { task, attempt: 1, reason: CloseReason::Accepted };
    assert!(world.actions.contains(&Action::Event(closed)));
}

#[test]
fn offers_that_cannot_be_met_are_handed_back() {
    let mut world = World::online(Standing::Active);
    world.send(offer(1, 100));
    world.wait(6_000);
    world.finish(1, b"proof");
    world.frames.clear();
    // Measured: 2 s per segment, so 3 segments and a quarter take 7.5 s, 9 blocks of 1 s less the present one are enough.
    world.send(offer(2, 19));
    assert_eq!(world.started(), [TaskId(1), TaskId(2)]);
    world.send(offer(3, 22));
    assert_eq!(world.handed_back(), [TaskId(3)], "two tasks do not fit into 11 s");
    world.send(offer(4, 26));
    assert_eq!(world.handed_back(), [], "into 15 s they do");
    assert_eq!(world.started(), [], "one lane");
    world.finish(2, b"proof");
    assert_eq!(world.started(), [TaskId(4)]);
    world.send(offer(5, 10));
    assert_eq!(world.handed_back(), [TaskId(5)]);
}

#[test]
fn heartbeats_come_before_the_ttl_runs_out_and_other_messages_count() {
    let mut world = World::online(Standing::Active);
    let mut last = 0;
    for _ in 0..10 {
        let message = world.message().expect("a heartbeat every third of 30 blocks of 1 s");
        assert_eq!(message.message.body, MessageBody::Heartbeat);
        assert!(message.message.sequence > last.max(6), "the sequence begins where the node says");
        last = message.message.sequence;
        world.wait(9_999);
        assert_eq!(world.body(), None);
        world.core.heard(world.now);
        world.wait(1);
    }
    // Fallen out of the active set: back at once, but not more often than the node takes.
    world.frames.clear();
    let expired = Notice::Deactivated { reason: InactiveReason::Expired };
    world.send(NodeFrame::Notice { height: Height(11), notice: expired });
    world.wait(1_001);
    assert_eq!(world.body(), Some(MessageBody::Heartbeat));
    world.send(NodeFrame::Notice { height: Height(11), notice: Notice::Suspended { debt: Zkpow(1) } });
    world.frames.clear();
    for _ in 0..4 {
        world.wait(20_000);
        world.core.heard(world.now);
    }
    assert_eq!(world.body(), None, "a suspended plugin is quiet");
}

#[test]
fn an_unknown_plugin_registers_and_tries_again() {
    let mut world = World::online(Standing::Unknown);
    let wanted = |world: &World| {
        matches!(
            world.actions.last(),
            Some(Action::SolveRegistration { height: Height(10), expected: 4, chain_id: CHAIN, .. })
        )
    };
    assert!(wanted(&world));
    world.core.registration_solved(world.now, Height(10), 42);
    world.drain();
    let message = world.message().unwrap();
    assert_eq!(message.message.body, MessageBody::Register { work_height: 10, work_nonce: 42 });
    world.actions.clear();
    world.refuse(&message, Code::NotAcceptedByRules);
    world.wait(2_000);
    assert!(wanted(&world));
    world.core.registration_solved(world.now, Height(10), 43);
    world.drain();
    world.send(NodeFrame::Notice { height: Height(12), notice: Notice::Registered });
    assert_eq!(world.core.standing(), Standing::Candidate);
}

#[test]
fn a_resumed_session_goes_on_and_a_new_one_begins_again() {
    for resumed in [true, false] {
        let mut world = World::online(Standing::Active);
        world.send(offer(1, 60));
        world.core.disconnected(world.now);
        world.drain();
        // The work goes on while there is no connection.
        world.finish(1, b"proof");
        world.frames.clear();
        world.wait(500);
        assert_eq!(world.log_in(Standing::Active, resumed), Some(B256::repeat_byte(0x33)));
        if !resumed {
            world.send(offer(1, 60));
        }
        let uploads = world.frames.iter().filter(|f| matches!(f, ClientFrame::ProofUpload { .. })).count();
        assert_eq!((uploads, world.started()), (1, vec![TaskId(1)]), "resumed: {resumed}");
        let (task, proof_hash) = (TaskId(1), keccak256(b"proof"));
        world.send(NodeFrame::ProofAnswer { task, proof_hash, refused: None });
        let bodies: Vec<MessageBody> = std::iter::from_fn(|| world.body()).collect();
        assert!(bodies.contains(&MessageBody::SubmitProof { task, proof_hash }));
        // Submitted, then the node forgets: everything is sent again.
        world.core.disconnected(world.now);
        world.drain();
        world.wait(2_000);
        world.frames.clear();
        world.log_in(Standing::Active, false);
        assert!(world.frames.iter().any(|f| matches!(f, ClientFrame::ProofUpload { .. })));
    }
}

#[test]
fn reconnects_back_off_and_obey_the_node() {
    let mut world = World::new(config());
    let mut delays = vec![];
    for _ in 0..12 {
        assert_eq!(world.actions.pop(), Some(Action::Connect));
        world.core.disconnected(world.now);
        world.drain();
        let delay = world.core.next_wakeup_ms().unwrap() - world.now;
        delays.push(delay);
        world.wait(delay);
    }
    assert!(delays[0] >= 250 && delays[0] <= 500, "{delays:?}");
    assert!(delays[11] >= 15_000 && delays.iter().all(|d| *d <= 30_000), "{delays:?}");
    world.log_in(Standing::Active, false);
    world.send(NodeFrame::Goodbye { code: Code::Flood, retry_after_ms: 60_000 });
    assert_eq!(world.core.next_wakeup_ms(), Some(world.now + 60_000));
    // Nothing is heard: the connection is given up.
    let mut world = World::online(Standing::Active);
    world.wait(30_000);
    assert!(world.actions.contains(&Action::Disconnect));
    for code in [Code::Superseded, Code::VersionUnsupported, Code::BadLogin] {
        let mut world = World::online(Standing::Active);
        world.send(NodeFrame::Goodbye { code, retry_after_ms: 0 });
        assert_eq!(world.outcome(), Some(Outcome::Refused(code)));
        assert_eq!(world.core.next_wakeup_ms(), None);
    }
}

#[test]
fn another_chain_or_other_parameters_are_refused() {
    let right = config().expected.unwrap();
    for expected in [
        ExpectedChain { genesis_hash: B256::ZERO, ..right },
        ExpectedChain { params_digest: Some(B256::ZERO), ..right },
        ExpectedChain { chain_id: Some(CHAIN + 1), ..right },
    ] {
        let mut world = World::new(ProverConfig { expected: Some(expected), ..config() });
        world.greet();
        assert!(world.frames.is_empty(), "nothing is signed for it");
        let is_told = |a: &Action| {
            matches!(a, Action::Event(ProverEvent::WrongChain { genesis_hash: GENESIS, params_digest: PARAMS, .. }))
        };
        assert!(world.actions.iter().any(is_told));
        assert_eq!(world.outcome(), None, "another node may be the right one");
    }
}

#[test]
fn a_lying_node_is_left() {
    let is_fault = |world: &World| {
        world.actions.iter().any(|a| matches!(a, Action::Event(ProverEvent::NodeFault { .. })))
            && world.actions.contains(&Action::Disconnect)
    };
    let mut world = World::online(Standing::Active);
    world.core.receive(world.now, b"no frame");
    world.drain();
    assert!(is_fault(&world));
    let mut world = World::online(Standing::Active);
    let message = world.message().unwrap();
    let answer = Answer::Accepted { height: Height(10) };
    let forged = SignatureBytes(plugin_key().sign(&B256::ZERO));
    world.send(NodeFrame::Receipt { message: message.digest(CHAIN, GENESIS), answer, signature: forged });
    assert!(is_fault(&world));
    let mut world = World::online(Standing::Active);
    let skipping = Packet { sequence: 2, acknowledged: 0, frame: offer(1, 60) };
    assert!(skipping.frame.is_reliable());
    world.core.receive(world.now, &skipping.encode().unwrap());
    world.drain();
    assert!(is_fault(&world) && world.started().is_empty());
    let mut world = World::new(config());
    world.greet();
    let frame = NodeFrame::LoggedIn {
        token: B256::ZERO,
        resumed: false,
        received: 0,
        standing: Standing::Active,
        next_sequence: u64::MAX,
        status: status(1),
    };
    world.send(frame);
    assert!(is_fault(&world));
    assert_eq!(world.message(), None);
}

#[test]
fn data_comes_in_pieces_and_is_checked() {
    let whole: Vec<u8> = (0..MAX_CHUNK_BYTES * 2 + 5).map(|i| (i % 251) as u8).collect();
    let digest = keccak256(&whole);
    let serve = |world: &mut World, data: &[u8]| {
        for _ in 0..3 {
            world.wait(20);
            let Some(ClientFrame::DataRequest { offset, length, .. }) =
                world.frames.iter().rev().find(|f| matches!(f, ClientFrame::DataRequest { .. })).cloned()
            else {
                panic!("nothing asked for")
            };
            let at = offset as usize;
            let bytes = Bytes::copy_from_slice(&data[at..(at + length as usize).min(data.len())]);
            world.send(NodeFrame::DataChunk { digest, offset, total: data.len() as u64, bytes });
        }
    };
    let mut world = World::online(Standing::Active);
    world.core.fetch(world.now, digest);
    world.drain();
    serve(&mut world, &whole);
    assert!(world.actions.contains(&Action::Data { digest, result: Ok(whole.clone()) }));
    // A changed byte is noticed, a refusal passed on.
    let mut world = World::online(Standing::Active);
    world.core.fetch(world.now, digest);
    world.drain();
    let mut other = whole.clone();
    other[7] ^= 1;
    serve(&mut world, &other);
    assert!(world.actions.contains(&Action::Data { digest, result: Err(Code::NodeFault) }));
    world.core.fetch(world.now, digest);
    world.drain();
    world.send(NodeFrame::DataRefused { digest, offset: 0, code: Code::NoSuchData });
    assert!(world.actions.contains(&Action::Data { digest, result: Err(Code::NoSuchData) }));
    // A package can come this way too.
    let NodeFrame::TaskOffer { offer: mut fetched } = offer(1, 60) else { panic!("an offer") };
    fetched.package = Package::Fetch { digest, length: whole.len() as u32 };
    world.send(NodeFrame::TaskOffer { offer: fetched });
    assert_eq!(world.started(), []);
    serve(&mut world, &whole);
    let started =
        world.actions.iter().any(|a| matches!(a, Action::StartWork { package, .. } if package[..] == whole[..]));
    assert!(started);
}

#[test]
fn refusals_that_pass_are_retried_and_others_are_not() {
    let mut world = World::online(Standing::Active);
    world.frames.clear();
    world.send(offer(1, 100));
    world.finish(1, b"proof");
    let (task, proof_hash) = (TaskId(1), keccak256(b"proof"));
    world.send(NodeFrame::ProofAnswer { task, proof_hash, refused: Some(Code::Busy) });
    world.frames.clear();
    world.wait(4_000);
    assert!(world.frames.iter().any(|f| matches!(f, ClientFrame::ProofUpload { .. })));
    world.send(NodeFrame::ProofAnswer { task, proof_hash, refused: None });
    let first = world.message().unwrap();
    world.refuse(&first, Code::MempoolFull);
    world.wait(2_000);
    let second = world.message().unwrap();
    assert_eq!(second.message.body, first.message.body);
    assert!(second.message.sequence > first.message.sequence);
    world.refuse(&second, Code::Late);
    world.frames.clear();
    world.wait(5_000);
    assert_eq!(world.body(), None);
    // An invalid proof is handed back: proving again would give the same.
    world.send(offer(2, 100));
    world.finish(2, b"proof");
    world.send(NodeFrame::ProofAnswer { task: TaskId(2), proof_hash, refused: Some(Code::ProofInvalid) });
    assert_eq!(world.body(), Some(MessageBody::HandBack { task: TaskId(2) }));
}

#[test]
fn failed_or_cancelled_work_is_not_submitted() {
    let mut world = World::online(Standing::Active);
    world.frames.clear();
    world.send(offer(1, 60));
    world.core.finished(world.now, TaskId(1), 1, Err(WorkError::Failed("witness".into())));
    world.drain();
    assert_eq!(world.body(), Some(MessageBody::HandBack { task: TaskId(1) }));
    world.send(offer(2, 60));
    world.send(NodeFrame::TaskClosed { task: TaskId(2), attempt: 1, reason: CloseReason::TimedOut });
    assert!(world.actions.contains(&Action::CancelWork { task: TaskId(2), attempt: 1 }));
    world.frames.clear();
    world.finish(2, b"late");
    assert_eq!(world.frames, []);
}

#[test]
fn a_stop_says_so_finishes_what_it_can_and_hands_back_the_rest() {
    let mut world = World::online(Standing::Active);
    let heartbeat = world.message().unwrap();
    world.send(offer(1, 100));
    world.wait(6_000);
    world.finish(1, b"first");
    world.send(NodeFrame::TaskClosed { task: TaskId(1), attempt: 1, reason: CloseReason::Accepted });
    world.send(offer(2, 30));
    world.send(offer(3, 60));
    assert_eq!(world.started(), [TaskId(1), TaskId(2)]);
    world.frames.clear();
    world.core.stop(world.now);
    world.drain();
    let messages: Vec<SignedMessage> = std::iter::from_fn(|| world.message()).collect();
    let bodies: Vec<MessageBody> = messages.iter().map(|m| m.message.body.clone()).collect();
    assert_eq!(bodies, [MessageBody::HandBack { task: TaskId(3) }, MessageBody::GoInactive]);
    messages.iter().for_each(|m| world.answer(m, Answer::Accepted { height: Height(10) }));
    assert_eq!(world.outcome(), None, "task 2 runs and will be in time");
    world.send(offer(4, 60));
    let back = world.message().unwrap();
    assert_eq!(back.message.body, MessageBody::HandBack { task: TaskId(4) });
    world.answer(&back, Answer::Accepted { height: Height(10) });
    world.finish(2, b"second");
    let (task, proof_hash) = (TaskId(2), keccak256(b"second"));
    world.send(NodeFrame::ProofAnswer { task, proof_hash, refused: None });
    let submit = world.message().unwrap();
    world.answer(&submit, Answer::Accepted { height: Height(11) });
    world.send(NodeFrame::TaskClosed { task, attempt: 1, reason: CloseReason::Accepted });
    assert_eq!(world.outcome(), None, "a message is unanswered");
    world.answer(&heartbeat, Answer::Accepted { height: Height(10) });
    assert_eq!(world.outcome(), Some(Outcome::Stopped { open: 0 }));
}

#[test]
fn a_second_stop_hurries() {
    let mut world = World::online(Standing::Active);
    world.frames.clear();
    world.send(offer(1, 1_000));
    world.core.stop(world.now);
    world.core.stop(world.now);
    world.drain();
    assert!(world.actions.contains(&Action::CancelWork { task: TaskId(1), attempt: 1 }));
    assert!(std::iter::from_fn(|| world.body()).any(|b| b == MessageBody::HandBack { task: TaskId(1) }));
    world.wait(5_000);
    assert_eq!(world.outcome(), Some(Outcome::Stopped { open: 0 }));
    assert!(matches!(world.frames.last(), Some(ClientFrame::Leave {})));
}
