use alloy_primitives::Bytes;

use super::*;
use crate::{
    Address, B256, Height, Message, MessageBody, SignedMessage, SignedZkpow, TaskId, Zkpow,
    event::{DrawReceipt, InactiveReason, PenaltyReason, TaskKind},
    signing::SignatureBytes,
};

fn hash(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

fn heartbeat(sequence: u64) -> ClientFrame {
    let message = Message { sequence, body: MessageBody::Heartbeat };
    ClientFrame::System { message: SignedMessage { message, signature: [7; 65] } }
}

fn client_frames() -> Vec<ClientFrame> {
    let task = TaskId(1);
    vec![
        ClientFrame::Hello { min_version: 1, max_version: 2, agent: "a prover".into() },
        ClientFrame::Login { signature: SignatureBytes([1; 65]), resume: None },
        ClientFrame::Login { signature: SignatureBytes([1; 65]), resume: Some(Resume { token: hash(2), received: 3 }) },
        heartbeat(4),
        ClientFrame::ProofUpload { task, proof_hash: hash(2), total: 3, offset: 4, bytes: Bytes::from_static(&[5, 6]) },
        ClientFrame::TaskStarted { task, attempt: 2, estimate_ms: 3 },
        ClientFrame::Progress { task, attempt: 2, permille: 3 },
        ClientFrame::DataRequest { digest: hash(1), offset: 2, length: 3 },
        ClientFrame::Ack {},
        ClientFrame::Leave {},
    ]
}

fn status() -> ChainStatus {
    ChainStatus {
        height: Height(1),
        time_ms: 2,
        block_time_ms: 3,
        idle_interval_ms: 4,
        block_hash: hash(5),
        registration_work: 6,
    }
}

fn limits() -> SessionLimits {
    SessionLimits {
        max_frame_bytes: 1,
        max_proof_bytes: 2,
        max_unacknowledged: 3,
        frames_per_second: 4,
        silence_ms: 5,
        min_heartbeat_ms: 6,
        heartbeat_ttl_blocks: 7,
        resume_ms: 8,
    }
}

fn node_frames() -> Vec<NodeFrame> {
    let task = TaskId(1);
    let drawn = DrawReceipt {
        beacon_height: Height(10),
        beacon: hash(11),
        set_root: hash(12),
        candidates: 13,
        index: 14,
        rejected: 15,
    };
    let offer = |kind, package, draw| NodeFrame::TaskOffer {
        offer: Offer {
            task,
            attempt: 2,
            kind,
            segments: 3,
            bounty: Zkpow(4),
            assigned: Height(5),
            deadline: Height(6),
            package,
            draw,
        },
    };
    let mut frames = vec![
        NodeFrame::Welcome {
            version: 1,
            chain_id: 2,
            genesis_hash: hash(3),
            params_digest: hash(4),
            limits: limits(),
            node: Address::repeat_byte(5),
            nonce: hash(6),
        },
        NodeFrame::Goodbye { code: Code::Flood, retry_after_ms: 2 },
        offer(TaskKind::Prove { item: crate::ItemIndex(1) }, Package::Inline { bytes: Bytes::from_static(&[7]) }, None),
        offer(
            TaskKind::Admission { plugin: Address::ZERO, admission_item: 2 },
            Package::Fetch { digest: hash(8), length: 9 },
            Some(drawn),
        ),
        NodeFrame::ProofAnswer { task, proof_hash: hash(2), refused: None },
        NodeFrame::ProofAnswer { task, proof_hash: hash(2), refused: Some(Code::ProofInvalid) },
        NodeFrame::Status { status: status() },
        NodeFrame::DataChunk { digest: hash(1), offset: 2, total: 3, bytes: Bytes::from_static(&[4]) },
        NodeFrame::DataRefused { digest: hash(1), offset: 2, code: Code::NoSuchData },
        NodeFrame::Ack {},
        NodeFrame::Recent { happened: vec![] },
        NodeFrame::Recent {
            happened: vec![
                Happened { height: Height(1), notice: Notice::Registered },
                Happened { height: Height(2), notice: Notice::Suspended { debt: Zkpow(3) } },
            ],
        },
    ];
    for standing in [Standing::Unknown, Standing::Candidate, Standing::Inactive, Standing::Active, Standing::Suspended]
    {
        frames.push(NodeFrame::Account {
            account: Account {
                height: Height(1),
                standing,
                balance: Zkpow(2),
                accrued: Zkpow(3),
                debt: Zkpow(4),
                bond: Zkpow(5),
                consecutive_valid: 6,
                slots: 7,
                next_slot_at: (standing == Standing::Active).then_some(8),
                accepted: 9,
                failed: 10,
            },
        });
        frames.push(NodeFrame::LoggedIn {
            token: hash(1),
            resumed: true,
            received: 2,
            standing,
            next_sequence: 3,
            status: status(),
        });
    }
    for reason in [CloseReason::Accepted, CloseReason::TimedOut, CloseReason::HandedBack, CloseReason::ProvenByOther] {
        frames.push(NodeFrame::TaskClosed { task, attempt: 2, reason });
    }
    for answer in [
        Answer::Accepted { height: Height(1) },
        Answer::Refused { height: Height(1), code: Code::Suspended, reason: 2 },
    ] {
        frames.push(NodeFrame::Receipt { message: hash(1), answer, signature: SignatureBytes([2; 65]) });
    }
    for notice in [
        Notice::Registered,
        Notice::AdmissionPassed,
        Notice::Activated,
        Notice::Deactivated { reason: InactiveReason::Expired },
        Notice::ProofAccepted { task, proof_hash: hash(1) },
        Notice::Rewarded { task, amount: Zkpow(1), to_debt: Zkpow(2) },
        Notice::Penalised { task, reason: PenaltyReason::Timeout, amount: Zkpow(1), holding_after: SignedZkpow(-1) },
        Notice::Refunded { task, amount: Zkpow(1) },
        Notice::TrustChanged { consecutive_valid: 1, slots: 2 },
        Notice::Suspended { debt: Zkpow(1) },
        Notice::Reinstated,
        Notice::MessageRefused { message: hash(1), reason: 2 },
        Notice::Settled { amount: Zkpow(1) },
        Notice::AdmissionLapsed,
    ] {
        frames.push(NodeFrame::Notice { height: Height(9), notice });
    }
    frames
}

fn check_direction<F: Frame + Clone + PartialEq + std::fmt::Debug>(frames: Vec<F>, text: &mut String) {
    for frame in frames {
        let packet = Packet { sequence: 0x0102, acknowledged: 0x0304, frame };
        let bytes = packet.encode().unwrap();
        assert_eq!(Packet::decode(&bytes, MAX_FRAME_BYTES).unwrap(), packet);
        for end in 0..bytes.len() {
            let found = Packet::<F>::decode(&bytes[..end], MAX_FRAME_BYTES);
            assert!(matches!(found, Err(CodecError::Truncated { .. })), "{packet:?} cut at {end}");
        }
        let long = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Packet::<F>::decode(&long, MAX_FRAME_BYTES), Err(CodecError::Trailing { extra: 1 }));
        let limit = bytes.len() - 1;
        assert_eq!(Packet::<F>::decode(&bytes, limit), Err(CodecError::TooLong { found: bytes.len(), limit }));
        text.push_str(&alloy_primitives::hex::encode(&bytes));
        text.push('\n');
    }
}

#[test]
fn golden_bytes_of_every_frame() {
    let mut text = String::new();
    check_direction(client_frames(), &mut text);
    check_direction(node_frames(), &mut text);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/frames.txt");
    if std::env::var("CROWDFOLD_ADD_GOLDEN").is_ok_and(|v| v == "1") {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
    let tags = |list: &[(u32, u16)]| list.iter().copied().collect::<std::collections::BTreeSet<_>>();
    let used = |frames: Vec<(u32, u16)>| tags(&frames);
    assert_eq!(
        used(client_frames().iter().map(|f| f.to_parts().map(|p| (p.0, p.1)).unwrap()).collect()),
        tags(ClientFrame::TAGS)
    );
    assert_eq!(
        used(node_frames().iter().map(|f| f.to_parts().map(|p| (p.0, p.1)).unwrap()).collect()),
        tags(NodeFrame::TAGS)
    );
}

#[test]
fn codes_are_stable_numbers() {
    for code in Code::ALL {
        assert_eq!(Code::from_number(code.number()), Some(*code));
        assert_eq!(codec::from_bytes::<Code>(&codec::to_bytes(code).unwrap()), Ok(*code));
    }
    assert!(codec::from_bytes::<Code>(&[1, 0]).is_err());
    assert!(Code::Flood.ends_connection() && !Code::Late.ends_connection());
}

#[test]
fn versions_are_negotiated() {
    assert_eq!(negotiate(1, 2), Some(2));
    assert_eq!(negotiate(0, 9), Some(2));
    assert_eq!(negotiate(2, 2), Some(2));
    assert_eq!(negotiate(1, 1), None, "a prover that cannot read today's offers");
    assert_eq!(negotiate(3, 9), None);
    assert_eq!(negotiate(0, 0), None);
    assert_eq!(negotiate(2, 1), None);
}

/// Offers as version 1 of the protocol wrote them.
const OFFERS_1: [&str; 2] = [
    "020100000000000004030000000000000a00000001004900000001000000000000000200000000000000010000000000000003000000040000000000000000000000000000000500000000000000060000000000000000000000010000000000000007",
    "020100000000000004030000000000000a000000010084000000010000000000000002000000010000001400000000000000000000000000000000000000000000000000000002000000030000000400000000000000000000000000000005000000000000000600000000000000010000002000000000000000080808080808080808080808080808080808080808080808080808080808080809000000",
];

#[test]
fn offers_of_version_1_are_read_and_say_nothing_of_the_draw() {
    let expected = node_frames().into_iter().filter(|f| matches!(f, NodeFrame::TaskOffer { .. }));
    for (old, frame) in OFFERS_1.iter().zip(expected) {
        let bytes = alloy_primitives::hex::decode(old).unwrap();
        let NodeFrame::TaskOffer { mut offer } = frame else { unreachable!() };
        offer.draw = None;
        let found = Packet::<NodeFrame>::decode(&bytes, MAX_FRAME_BYTES).unwrap();
        assert_eq!(found.frame, NodeFrame::TaskOffer { offer: offer.clone() });
        // What follows the old layout is refused, also if it would be a draw in the new one.
        let new = Packet { sequence: 1, acknowledged: 0, frame: NodeFrame::TaskOffer { offer } }.encode().unwrap();
        let (_, payload) = new.split_at(PACKET_HEADER_BYTES + ENVELOPE_HEADER_BYTES);
        assert_eq!(NodeFrame::from_parts(10, 1, payload), Err(CodecError::Trailing { extra: 1 }));
        assert!(matches!(
            NodeFrame::from_parts(10, 1, &payload[..payload.len() - 2]),
            Err(CodecError::Truncated { .. })
        ));
    }
    for step in older::NODE_UPCASTS {
        let leads_on = |(tag, version): &(u32, u16)| *tag == step.event_type && step.version < *version;
        assert!(NodeFrame::TAGS.iter().any(leads_on), "{step:?}");
    }
    for (tag, version) in NodeFrame::TAGS {
        let steps = older::NODE_UPCASTS.iter().filter(|u| u.event_type == *tag && u.version < *version).count();
        assert_eq!(steps, usize::from(*version - 1), "type {tag}");
    }
}

#[test]
fn what_is_unsettled_has_a_sign() {
    let frames = node_frames();
    let NodeFrame::Account { account } = frames.iter().find(|f| matches!(f, NodeFrame::Account { .. })).unwrap() else {
        unreachable!()
    };
    assert_eq!(account.unsettled(), SignedZkpow(-1));
    let most = Account { accrued: Zkpow(u128::MAX), debt: Zkpow(0), ..*account };
    assert_eq!(most.unsettled(), SignedZkpow(i128::MAX));
}

#[test]
fn a_frame_longer_than_the_limit_is_not_encoded() {
    let bytes = Bytes::from(vec![0; MAX_FRAME_BYTES]);
    let frame = ClientFrame::ProofUpload { task: TaskId(1), proof_hash: hash(1), total: 1, offset: 0, bytes };
    assert!(Packet { sequence: 1, acknowledged: 0, frame }.encode().is_err());
}

#[test]
fn reliable_frames_are_taken_once_and_in_order() {
    let (mut a, mut b) = (Reliable::<ClientFrame>::default(), Reliable::<NodeFrame>::default());
    let first = a.send(heartbeat(1));
    let ack = a.send(ClientFrame::Ack {});
    let second = a.send(heartbeat(2));
    assert_eq!((first.sequence, ack.sequence, second.sequence), (1, 0, 2));
    assert_eq!(b.take(&second), Err(SequenceError::OutOfOrder { expected: 1, found: 2 }));
    assert_eq!(b.take(&first), Ok(()));
    assert_eq!(b.take(&first), Err(SequenceError::Replayed { expected: 2, found: 1 }));
    assert_eq!(b.take(&ack), Ok(()));
    assert_eq!(b.take(&Packet { sequence: 2, ..ack.clone() }), Err(SequenceError::WrongKind { found: 2 }));
    assert_eq!(b.take(&Packet { sequence: 0, ..second.clone() }), Err(SequenceError::WrongKind { found: 0 }));
    assert_eq!(b.take(&second), Ok(()));
    assert_eq!(b.untold(), 2);
    let reply = b.send(NodeFrame::Ack {});
    assert_eq!((reply.acknowledged, b.untold(), a.unacknowledged()), (2, 0, 2));
    let beyond = Packet { acknowledged: 3, ..reply.clone() };
    assert_eq!(a.take(&beyond), Err(SequenceError::BadAcknowledgement { lowest: 0, highest: 2, found: 3 }));
    assert_eq!(a.take(&reply), Ok(()));
    assert_eq!(a.unacknowledged(), 0);
    let back = Packet { acknowledged: 1, ..reply };
    assert_eq!(a.take(&back), Err(SequenceError::BadAcknowledgement { lowest: 2, highest: 2, found: 1 }));
}

#[test]
fn a_resume_sends_exactly_what_was_not_taken() {
    let (mut a, mut b) = (Reliable::<ClientFrame>::default(), Reliable::<NodeFrame>::default());
    let packets: Vec<_> = (1..=5).map(|i| a.send(heartbeat(i))).collect();
    for packet in &packets[..3] {
        b.take(packet).unwrap();
    }
    let again = a.resume(b.received()).unwrap();
    assert_eq!(again, packets[3..]);
    for packet in &again {
        b.take(packet).unwrap();
    }
    assert!(a.resume(6).is_err() && a.resume(2).is_err());
    assert_eq!(a.resume(5).unwrap(), vec![]);
}

mod fuzz {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Packet::<ClientFrame>::decode(&bytes, MAX_FRAME_BYTES);
            let _ = Packet::<NodeFrame>::decode(&bytes, MAX_FRAME_BYTES);
            for (tag, version) in NodeFrame::TAGS {
                let _ = NodeFrame::from_parts(*tag, *version, &bytes);
            }
            for (tag, version) in ClientFrame::TAGS {
                if let Ok(frame) = ClientFrame::from_parts(*tag, *version, &bytes) {
                    prop_assert_eq!(frame.to_parts().unwrap(), (*tag, *version, bytes.clone()));
                }
            }
        }
    }
}
