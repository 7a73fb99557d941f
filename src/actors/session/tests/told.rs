//! What a plugin is told of itself, and data that it asks for.

use super::*;
use crowdfold_events::{
    SignedZkpow,
    event::PenaltyReason,
    wire::{Happened, MAX_CHUNK_BYTES, MAX_RECENT},
};

fn accounts(frames: &[NodeFrame]) -> Vec<u64> {
    let height = |frame: &NodeFrame| match frame {
        NodeFrame::Account { account } => Some(account.height.0),
        _ => None,
    };
    frames.iter().filter_map(height).collect()
}

fn penalised(task: u64) -> Notice {
    let (amount, holding_after) = (Zkpow(1), SignedZkpow(-1));
    Notice::Penalised { task: TaskId(task), reason: PenaltyReason::Timeout, amount, holding_after }
}

#[test]
fn an_account_is_told_after_a_login_and_when_it_changed() {
    let mut world = World::active();
    assert_eq!(accounts(&world.received), [10]);
    world.command(Command::Status(status(11)));
    assert_eq!(accounts(&world.received), [10], "a block that changed nothing");
    world.command(Command::Account(account(12)));
    assert_eq!(accounts(&world.received), [10, 12]);
    // Away: the newest alone is told at the return.
    world.core.detach(world.now);
    world.command(Command::Account(account(13)));
    world.command(Command::Account(account(14)));
    let resume = Resume { token: world.token, received: world.client.received() };
    world.core.attach(world.now, B256::ZERO, Some(resume));
    world.drain();
    assert_eq!(accounts(&world.received), [10, 12, 14]);
}

#[test]
fn an_account_that_was_dropped_is_told_with_the_next_block() {
    let mut world = World::active();
    world.core.dropped();
    for height in 11..15 {
        world.command(Command::Status(status(height)));
    }
    assert_eq!(accounts(&world.received), [10, 10], "once");
}

#[test]
fn who_comes_without_its_session_learns_what_happened_meanwhile() {
    let mut world = World::active();
    assert!(!world.received.iter().any(|f| matches!(f, NodeFrame::Recent { .. })), "there is nothing to tell");
    world.core.detach(world.now);
    world.command(Command::Notify { height: Height(11), notice: penalised(1) });
    world.command(Command::Notify {
        height: Height(11),
        notice: Notice::TrustChanged { consecutive_valid: 0, slots: 1 },
    });
    let seen = world.received.len();
    let resume = Resume { token: world.token, received: world.client.received() };
    world.core.attach(world.now, B256::ZERO, Some(resume));
    world.drain();
    assert!(
        !world.received[seen..].iter().any(|f| matches!(f, NodeFrame::Recent { .. })),
        "the notices came themselves"
    );
    for height in 12..12 + MAX_RECENT as u64 - 1 {
        world.command(Command::Notify { height: Height(height), notice: penalised(height) });
    }
    world.core.detach(world.now);
    let seen = world.received.len();
    world.core.attach(world.now, B256::repeat_byte(0x72), None);
    world.drain();
    let NodeFrame::Recent { happened } = &world.received[seen + 1] else { panic!("not told") };
    assert_eq!(happened[0], Happened { height: Height(11), notice: penalised(1) });
    assert_eq!(happened.len(), MAX_RECENT);
    let seen = world.received.len();
    world.command(Command::Notify { height: Height(99), notice: Notice::Reinstated });
    world.core.attach(world.now, B256::repeat_byte(0x73), None);
    world.drain();
    let recent = world.received[seen..].iter().find_map(|frame| match frame {
        NodeFrame::Recent { happened } => Some(happened),
        _ => None,
    });
    let recent = recent.unwrap();
    assert_eq!((recent.len(), recent[0].height, recent[MAX_RECENT - 1].height), (MAX_RECENT, Height(12), Height(99)));
}

#[test]
fn a_key_comes_at_once_and_then_data_has_a_rate() {
    let config = SessionConfig::default();
    let piece = MAX_CHUNK_BYTES as u64;
    let key = 17 << 20;
    assert!(config.data_burst_bytes >= key);
    let mut world = World::active();
    let digest = B256::repeat_byte(5);
    let mut asked = 0;
    let mut ask = |world: &mut World| {
        world.send(ClientFrame::DataRequest { digest, offset: asked * piece, length: piece as u32 });
        let given = world.effects.pop().is_some();
        if given {
            let bytes = Bytes::from(vec![0; MAX_CHUNK_BYTES]);
            world.command(Command::Fetched { digest, offset: asked * piece, result: Ok((1 << 40, bytes)) });
            assert!(matches!(world.received.pop(), Some(NodeFrame::DataChunk { .. })));
            asked += 1;
        } else {
            assert_eq!(world.refusal(), Some(Code::Busy));
        }
        world.wait(20);
        world.core.heard(world.now);
        given
    };
    let mut given = 0;
    while ask(&mut world) {
        given += piece;
    }
    assert!(given >= key, "{given}");
    let start = world.now;
    let more = (0..1_000).filter(|_| ask(&mut world)).count() as u64 * piece;
    let expected = (world.now - start) * config.data_bytes_per_second / 1000;
    assert!(more <= expected + piece && more + 2 * piece >= expected, "{more} of {expected}");
    assert!(!world.hung_up, "who is refused is not thrown out");
}

#[test]
fn a_piece_of_data_is_marked_as_such() {
    let mut world = World::active();
    let (digest, bytes) = (B256::repeat_byte(5), Bytes::from_static(b"piece"));
    world.send(ClientFrame::DataRequest { digest, offset: 0, length: 5 });
    world.core.command(world.now, Command::Fetched { digest, offset: 0, result: Ok((5, bytes)) });
    let outputs = world.core.outputs();
    assert!(matches!(outputs.as_slice(), [Output::Send { urgency: Urgency::Data, .. }]), "{outputs:?}");
    world.send(ClientFrame::DataRequest { digest, offset: 0, length: 5 });
    world.core.command(world.now, Command::Fetched { digest, offset: 0, result: Err(Code::NoSuchData) });
    assert!(matches!(world.core.outputs().as_slice(), [Output::Send { urgency: Urgency::Droppable, .. }]));
}
