//! What a plugin asks, and what of it reaches the node.

use super::*;

#[test]
fn a_proof_goes_from_offer_to_receipt() {
    let mut world = World::active();
    assert!(matches!(world.received[0], NodeFrame::LoggedIn { resumed: false, standing: Standing::Active, .. }));
    assert_eq!(world.received[1], NodeFrame::TaskOffer { offer: offer(1, 1) });
    let proof = vec![0x5a; 250_000];
    world.upload(1, &proof);
    let (task, proof_hash) = (TaskId(1), keccak256(&proof));
    assert_eq!(world.effects, [Effect::CheckProof { task, proof_hash, bytes: proof }]);
    world.command(Command::ProofChecked { task, proof_hash, refused: None });
    world.system(MessageBody::SubmitProof { task, proof_hash });
    let Some(Effect::Submit { request, digest, message }) = world.effects.pop() else { panic!("not submitted") };
    assert_eq!(message.recover(CHAIN, GENESIS), Ok(plugin().address()));
    world.command(Command::Submitted { request, result: Ok(()) });
    let Some(NodeFrame::Receipt { message, answer, signature }) = world.received.pop() else { panic!("no receipt") };
    assert_eq!((message, answer), (digest, Answer::Accepted { height: Height(10) }));
    let signer = recover(&identity().domain.receipt(message, &answer), &signature.0);
    assert_eq!(signer, Ok(identity().signer.address()));
    world.command(Command::Submitted { request, result: Ok(()) });
    assert!(!matches!(world.received.last(), Some(NodeFrame::Receipt { .. })), "an answer is given once");
}

#[test]
fn broken_frames_end_the_session() {
    let good = first(ClientFrame::Ack {});
    let mut long = good.clone();
    long.resize(SessionConfig::default().limits.max_frame_bytes as usize + 1, 0);
    let mut unknown = good.clone();
    unknown[16] = 0xee;
    for (bytes, code) in [
        (&good[..good.len() - 1], Code::Malformed),
        (&[][..], Code::Malformed),
        (&[good.as_slice(), &[0]].concat(), Code::Malformed),
        (&unknown, Code::Malformed),
        (&long, Code::FrameTooLong),
        (&first(hello()), Code::UnexpectedFrame),
    ] {
        let mut world = World::active();
        world.bytes(bytes);
        assert_eq!(world.refusal(), Some(code));
        assert!(world.is_ended());
        let before = world.received.len();
        world.bytes(&good);
        world.command(Command::Offer(offer(2, 1)));
        assert_eq!(world.received.len(), before, "an ended session is silent");
        assert_eq!(world.core.next_wakeup_ms(), None);
    }
}

#[test]
fn frames_out_of_order_replayed_or_wrongly_acknowledged_end_the_session() {
    let submits = |world: &World| world.effects.iter().filter(|e| matches!(e, Effect::Submit { .. })).count();
    let mut world = World::active();
    let frame = world.message(MessageBody::Heartbeat);
    world.bytes(&Packet { sequence: 2, acknowledged: 0, frame }.encode().unwrap());
    assert_eq!((world.refusal(), submits(&world)), (Some(Code::OutOfOrder), 0));

    let mut world = World::active();
    let frame = world.message(MessageBody::Heartbeat);
    let bytes = world.send(frame);
    world.bytes(&bytes);
    assert_eq!((world.refusal(), submits(&world)), (Some(Code::Replayed), 1));

    let mut world = World::active();
    world.bytes(&Packet { sequence: 0, acknowledged: 99, frame: ClientFrame::Ack {} }.encode().unwrap());
    assert_eq!(world.refusal(), Some(Code::BadAcknowledgement));
    assert!(world.is_ended());
}

#[test]
fn an_unknown_plugin_may_only_register() {
    let mut world = World::with(Standing::Unknown, vec![]);
    for body in [MessageBody::Heartbeat, MessageBody::Withdraw, MessageBody::HandBack { task: TaskId(1) }] {
        world.system(body);
        assert_eq!(world.refusal(), Some(Code::NotRegistered));
    }
    assert_eq!(world.effects, []);
    world.system(MessageBody::Register { work_height: 1, work_nonce: 2 });
    assert!(matches!(world.effects[..], [Effect::Submit { .. }]));
    assert!(!world.hung_up);
    let mut world = World::active();
    world.system(MessageBody::Register { work_height: 1, work_nonce: 2 });
    assert_eq!(world.refusal(), Some(Code::AlreadyRegistered));
}

#[test]
fn a_suspended_plugin_cannot_become_active_but_may_finish_its_work() {
    let mut world = World::active();
    world.command(Command::Notify { height: Height(11), notice: Notice::Suspended { debt: Zkpow(1) } });
    world.system(MessageBody::Heartbeat);
    assert_eq!(world.refusal(), Some(Code::Suspended));
    assert_eq!(world.effects, []);
    world.upload(1, b"a proof");
    assert!(matches!(world.effects.pop(), Some(Effect::CheckProof { .. })));
    world.system(MessageBody::HandBack { task: TaskId(1) });
    assert!(matches!(world.effects.pop(), Some(Effect::Submit { .. })));
}

#[test]
fn a_message_must_be_the_plugins_own_and_new() {
    let mut world = World::active();
    let domain = identity().domain;
    let heartbeat = |sequence| Message { sequence, body: MessageBody::Heartbeat };
    let other = Signer::from_bytes(&[2; 32]).unwrap();
    world.send(ClientFrame::System { message: other.sign_message(&domain, heartbeat(1)) });
    assert_eq!(world.refusal(), Some(Code::WrongSender));
    let other_chain = SigningDomain::new(CHAIN + 1, GENESIS);
    world.send(ClientFrame::System { message: plugin().sign_message(&other_chain, heartbeat(1)) });
    assert_eq!(world.refusal(), Some(Code::WrongSender));
    let mut broken = plugin().sign_message(&domain, heartbeat(1));
    broken.signature[64] = 27;
    world.send(ClientFrame::System { message: broken });
    assert_eq!(world.refusal(), Some(Code::BadSignature));
    assert_eq!(world.effects, []);
    // Gaps are fine, repeats are not.
    world.send(ClientFrame::System { message: plugin().sign_message(&domain, heartbeat(5)) });
    assert!(matches!(world.effects[..], [Effect::Submit { .. }]));
    for stale in [5, 3] {
        world.wait(2_000);
        world.send(ClientFrame::System { message: plugin().sign_message(&domain, heartbeat(stale)) });
        assert_eq!(world.refusal(), Some(Code::StaleSequence));
    }
    assert_eq!(world.effects.len(), 1);
}

#[test]
fn heartbeats_too_often_are_refused() {
    let mut world = World::active();
    world.system(MessageBody::Heartbeat);
    world.wait(999);
    world.system(MessageBody::Heartbeat);
    assert_eq!(world.refusal(), Some(Code::HeartbeatTooSoon));
    assert_eq!(world.effects.len(), 1);
    world.wait(1);
    world.system(MessageBody::Heartbeat);
    assert_eq!(world.effects.len(), 2);
}

#[test]
fn proofs_are_bounded_ordered_and_checked_before_the_node_sees_them() {
    let mut world = World::active();
    let (task, proof_hash) = (TaskId(1), keccak256(b"a proof"));
    let piece = |task: u64, total, offset, bytes: &'static [u8]| ClientFrame::ProofUpload {
        task: TaskId(task),
        proof_hash,
        total,
        offset,
        bytes: Bytes::from_static(bytes),
    };
    for (frame, code) in [
        (piece(2, 7, 0, b"a proof"), Code::TaskNotOpen),
        (piece(1, 0, 0, b""), Code::ProofTooLong),
        (piece(1, u32::MAX, 0, b"a"), Code::ProofTooLong),
        (piece(1, 7, 0, b""), Code::ChunkMismatch),
        (piece(1, 6, 0, b"a proof"), Code::ChunkMismatch),
        (piece(1, 7, 3, b"roof"), Code::ChunkMismatch),
        (piece(1, 7, 0, b"a prook"), Code::ProofHash),
    ] {
        world.send(frame);
        assert_eq!(world.refusal(), Some(code));
    }
    world.send(piece(1, 7, 0, b"a pr"));
    world.send(piece(1, 7, 5, b"of"));
    assert_eq!(world.refusal(), Some(Code::ChunkMismatch));
    assert_eq!(world.effects, []);
    world.system(MessageBody::SubmitProof { task, proof_hash });
    assert_eq!(world.refusal(), Some(Code::ProofMissing));
    world.upload(1, b"a proof");
    assert_eq!(world.effects.len(), 1);
    world.system(MessageBody::SubmitProof { task, proof_hash });
    assert_eq!(world.refusal(), Some(Code::ProofMissing), "uploaded, not yet verified");
    world.command(Command::ProofChecked { task, proof_hash, refused: None });
    // The same again costs the node nothing, another proof is not looked at.
    world.received.clear();
    world.upload(1, b"a proof");
    assert_eq!(world.received.last(), Some(&NodeFrame::ProofAnswer { task, proof_hash, refused: None }));
    world.upload(1, b"another proof");
    assert_eq!((world.refusal(), world.effects.len()), (Some(Code::TooManyUploads), 1));
    world.system(MessageBody::SubmitAggregate { task, proof_hash });
    assert_eq!(world.refusal(), Some(Code::WrongKind));
    world.system(MessageBody::SubmitProof { task, proof_hash: B256::ZERO });
    assert_eq!(world.refusal(), Some(Code::ProofMissing));
    world.command(Command::Close { task, reason: CloseReason::TimedOut });
    world.system(MessageBody::SubmitProof { task, proof_hash });
    assert_eq!(world.refusal(), Some(Code::Late));
    assert_eq!(world.effects.len(), 1);
    // A new attempt at the task does not inherit the upload: the worker's statement differs.
    world.command(Command::Offer(offer(1, 2)));
    world.system(MessageBody::SubmitProof { task, proof_hash });
    assert_eq!(world.refusal(), Some(Code::ProofMissing));
}

#[test]
fn invalid_proofs_cost_ever_longer_pauses() {
    let mut world = World::active();
    let (task, proof_hash) = (TaskId(1), keccak256(b"a proof"));
    for pause in [2_000, 4_000, 8_000] {
        let before = world.effects.len();
        world.upload(1, b"a proof");
        assert_eq!(world.effects.len(), before + 1);
        world.command(Command::ProofChecked { task, proof_hash, refused: Some(Code::ProofInvalid) });
        assert_eq!(world.refusal(), Some(Code::ProofInvalid));
        world.wait(pause - 1);
        world.upload(1, b"a proof");
        assert_eq!(world.refusal(), Some(Code::UploadBackoff));
        assert_eq!(world.effects.len(), before + 1);
        world.wait(1);
    }
}

#[test]
fn unfinished_work_of_the_node_is_bounded() {
    let config = SessionConfig::default();
    let offers = (1..=9).map(|task| offer(task, 1)).collect();
    let mut world = World::with(Standing::Active, offers);
    for task in 1..=9 {
        world.upload(task, b"a proof");
    }
    assert_eq!(world.effects.len(), config.max_unfinished_uploads);
    assert_eq!(world.refusal(), Some(Code::TooManyUploads));
    world.effects.clear();
    for _ in 0..30 {
        world.system(MessageBody::Withdraw);
    }
    assert_eq!(world.effects.len(), config.max_pending_messages);
    assert_eq!(world.refusal(), Some(Code::TooManyMessages));
    world.effects.clear();
    let request = ClientFrame::DataRequest { digest: B256::ZERO, offset: 0, length: 10 };
    for _ in 0..30 {
        world.send(request.clone());
    }
    assert_eq!(world.effects.len(), config.max_pending_fetches);
    world.command(Command::Fetched { digest: B256::ZERO, offset: 0, result: Err(Code::NoSuchData) });
    assert_eq!(world.refusal(), Some(Code::NoSuchData));
    world.send(request);
    assert_eq!(world.effects.len(), config.max_pending_fetches + 1);
    for length in [0, u32::MAX] {
        world.send(ClientFrame::DataRequest { digest: B256::ZERO, offset: 0, length });
        assert_eq!(world.refusal(), Some(Code::DataRange));
    }
}

#[test]
fn a_flood_ends_the_session_and_an_honest_rate_does_not() {
    let mut world = World::active();
    for _ in 0..1_000 {
        world.send(ClientFrame::Ack {});
        world.wait(20);
    }
    assert!(!world.hung_up);
    for _ in 0..201 {
        world.send(ClientFrame::Ack {});
    }
    assert_eq!(world.refusal(), Some(Code::Flood));
    assert!(matches!(world.received.last(), Some(NodeFrame::Goodbye { retry_after_ms: 10_000, .. })));
    assert!(world.is_ended());
    // Messages cost the node a signature each, also refused ones.
    let mut world = World::with(Standing::Unknown, vec![]);
    let config = SessionConfig::default();
    let mut answered = 0;
    while !world.hung_up {
        world.system(MessageBody::Withdraw);
        world.wait(25);
        answered += 1;
    }
    assert_eq!(world.refusal(), Some(Code::Flood));
    let signed = world.received.iter().filter(|f| matches!(f, NodeFrame::Receipt { .. })).count() as u64;
    assert!((config.burst_messages..2 * config.burst_messages).contains(&signed), "{signed} of {answered}");
    // Bytes count too.
    let mut world = World::with(Standing::Active, vec![]);
    let bytes = Bytes::from(vec![0; 250_000]);
    for _ in 0..40 {
        let frame = ClientFrame::ProofUpload {
            task: TaskId(1),
            proof_hash: B256::ZERO,
            total: 1,
            offset: 0,
            bytes: bytes.clone(),
        };
        world.send(frame);
    }
    assert_eq!(world.refusal(), Some(Code::Flood));
}
