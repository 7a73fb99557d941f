//! Connections that come and go, and numbering.

use super::*;

#[test]
fn a_resumed_session_loses_and_repeats_nothing() {
    let mut world = World::active();
    world.system(MessageBody::Heartbeat);
    let Some(Effect::Submit { request, .. }) = world.effects.pop() else { panic!("not submitted") };
    let (received, seen) = (world.client.received(), world.received.len());
    world.core.detach(world.now);
    world.wait(5_000);
    // While away: an answer, an offer, a penalty, and a status that is not kept.
    world.command(Command::Submitted { request, result: Ok(()) });
    world.command(Command::Offer(offer(2, 1)));
    world.command(Command::Notify { height: Height(11), notice: Notice::Reinstated });
    world.command(Command::Status(status(12)));
    assert_eq!(world.received.len(), seen);
    let resume = Resume { token: world.token, received };
    world.core.attach(world.now, B256::repeat_byte(0x71), Some(resume));
    world.drain();
    let frames = &world.received[seen..];
    assert!(matches!(
        frames[0],
        NodeFrame::LoggedIn { resumed: true, received: 1, status: ChainStatus { height: Height(12), .. }, .. }
    ));
    assert!(matches!(frames[1], NodeFrame::Receipt { .. }));
    assert_eq!(frames[2], NodeFrame::TaskOffer { offer: offer(2, 1) });
    assert!(matches!(frames[3], NodeFrame::Notice { .. }));
    assert_eq!(frames[4..], [NodeFrame::Account { account: account(10) }], "after everything older");
    // Numbering goes on in both directions.
    world.wait(2_000);
    world.system(MessageBody::Heartbeat);
    assert!(matches!(world.effects.pop(), Some(Effect::Submit { .. })));
}

#[test]
fn a_wrong_token_or_position_begins_a_new_session_with_everything_open() {
    for (token, received) in [(B256::ZERO, 0), (B256::repeat_byte(0x70), 99)] {
        let mut world = World::active();
        world.command(Command::Offer(offer(2, 1)));
        world.core.detach(world.now);
        let seen = world.received.len();
        let fresh = B256::repeat_byte(0x72);
        world.core.attach(world.now, fresh, Some(Resume { token, received }));
        world.drain();
        let frames = &world.received[seen..];
        assert!(matches!(frames[0], NodeFrame::LoggedIn { resumed: false, received: 0, token, .. } if token == fresh));
        let offers = [1, 2].map(|task| NodeFrame::TaskOffer { offer: offer(task, 1) });
        assert_eq!(frames[1..3], offers);
        assert_eq!(frames[3..], [NodeFrame::Account { account: account(10) }]);
    }
}

#[test]
fn a_session_ends_when_its_plugin_stays_away() {
    let mut world = World::active();
    world.wait(29_999);
    assert!(!world.hung_up);
    world.wait(1);
    assert_eq!((world.refusal(), world.hung_up), (Some(Code::Silent), true));
    assert!(!world.is_ended(), "it can be resumed");
    world.wait(119_999);
    assert!(!world.is_ended());
    world.wait(1);
    assert_eq!(world.effects, [Effect::Ended(Code::Silent)]);
}

#[test]
fn nobody_keeps_a_session_for_long_with_a_key_that_the_chain_does_not_know() {
    let mut world = World::with(Standing::Unknown, vec![]);
    world.core.detach(world.now);
    world.wait(14_999);
    assert!(world.effects.is_empty());
    world.wait(1);
    assert_eq!(world.effects, [Effect::Ended(Code::Silent)]);
    // Registered meanwhile: it is known.
    let mut world = World::with(Standing::Unknown, vec![]);
    world.core.detach(world.now);
    world.command(Command::Notify { height: Height(11), notice: Notice::Registered });
    world.wait(119_999);
    assert!(world.effects.is_empty());
}

#[test]
fn a_pong_keeps_a_quiet_connection() {
    let mut world = World::active();
    for _ in 0..10 {
        world.wait(20_000);
        world.core.heard(world.now);
    }
    assert!(!world.hung_up);
}

#[test]
fn a_newer_connection_takes_over() {
    let mut world = World::active();
    world.core.supersede(world.now);
    world.drain();
    assert_eq!((world.refusal(), world.hung_up), (Some(Code::Superseded), true));
    let resume = Resume { token: world.token, received: world.client.received() };
    world.core.attach(world.now, B256::ZERO, Some(resume));
    world.drain();
    let [.., logged_in, NodeFrame::Account { .. }] = world.received.as_slice() else { panic!("no account") };
    assert!(matches!(logged_in, NodeFrame::LoggedIn { resumed: true, .. }));
}

#[test]
fn a_plugin_that_never_acknowledges_is_let_go() {
    let mut world = World::with(Standing::Active, vec![]);
    for height in 0..=256 {
        assert!(!world.hung_up);
        world.command(Command::Notify { height: Height(height), notice: Notice::Activated });
    }
    assert_eq!(world.refusal(), Some(Code::NotReading));
    assert!(world.is_ended());
    // One that does acknowledge is not.
    let mut world = World::with(Standing::Active, vec![]);
    for height in 0..1_000 {
        world.command(Command::Notify { height: Height(height), notice: Notice::Activated });
        if height % 100 == 0 {
            world.send(ClientFrame::Ack {});
        }
    }
    assert!(!world.hung_up);
}

#[test]
fn acknowledgements_come_soon_or_with_other_frames() {
    let mut world = World::active();
    world.upload(1, b"a proof");
    assert_eq!(world.client.unacknowledged(), 1);
    world.wait(249);
    assert_eq!(world.client.unacknowledged(), 1);
    world.wait(1);
    assert_eq!(world.received.last(), Some(&NodeFrame::Ack {}));
    assert_eq!(world.client.unacknowledged(), 0);
    assert!(world.received.last().is_some_and(|f| !f.is_reliable()));
}

#[test]
fn leaving_ends_the_session() {
    let mut world = World::active();
    world.send(ClientFrame::Leave {});
    assert_eq!(world.refusal(), Some(Code::Finished));
    assert!(world.is_ended());
}
