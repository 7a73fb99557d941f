//! Version negotiation and login.

use super::*;

fn core() -> LoginCore {
    LoginCore::new(identity(), SessionConfig::default().limits, B256::repeat_byte(5))
}

fn welcomed() -> LoginCore {
    let mut core = core();
    assert!(matches!(core.receive(&first(hello())), LoginStep::Send(_)));
    core
}

fn signed(domain: SigningDomain, node: Address, nonce: B256, version: u16) -> Vec<u8> {
    let signature = SignatureBytes(plugin().sign(&domain.login(node, nonce, version)));
    first(ClientFrame::Login { signature, resume: None })
}

fn refused(step: LoginStep) -> Code {
    match step {
        LoginStep::Refuse(code, bytes) => {
            let packet = Packet::<NodeFrame>::decode(&bytes, MAX_FRAME_BYTES).unwrap();
            assert_eq!(packet.frame, NodeFrame::Goodbye { code, retry_after_ms: 0 });
            code
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_plugin_proves_its_address() {
    let (node, nonce) = (identity().signer.address(), B256::repeat_byte(5));
    let step = welcomed().receive(&signed(identity().domain, node, nonce, MAX_VERSION));
    assert_eq!(step, LoginStep::Done { plugin: plugin().address(), resume: None });
}

#[test]
fn a_login_for_another_chain_node_nonce_or_version_is_another_address() {
    let (node, nonce, domain) = (identity().signer.address(), B256::repeat_byte(5), identity().domain);
    for bytes in [
        signed(SigningDomain::new(CHAIN + 1, GENESIS), node, nonce, MAX_VERSION),
        signed(SigningDomain::new(CHAIN, B256::ZERO), node, nonce, MAX_VERSION),
        signed(domain, Address::ZERO, nonce, MAX_VERSION),
        signed(domain, node, B256::ZERO, MAX_VERSION),
        signed(domain, node, nonce, MAX_VERSION + 1),
    ] {
        match welcomed().receive(&bytes) {
            LoginStep::Done { plugin: found, .. } => assert_ne!(found, plugin().address()),
            step => assert_eq!(refused(step), Code::BadLogin),
        }
    }
    let unsigned = first(ClientFrame::Login { signature: SignatureBytes([0; 65]), resume: None });
    assert_eq!(refused(welcomed().receive(&unsigned)), Code::BadLogin);
}

#[test]
fn everything_else_is_refused() {
    let old = ClientFrame::Hello { min_version: MAX_VERSION + 1, max_version: MAX_VERSION + 9, agent: String::new() };
    assert_eq!(refused(core().receive(&first(old))), Code::VersionUnsupported);
    assert_eq!(refused(core().receive(b"")), Code::Malformed);
    assert_eq!(refused(core().receive(&first(hello())[..20])), Code::Malformed);
    assert_eq!(refused(core().receive(&[0; 2000])), Code::FrameTooLong);
    assert_eq!(refused(core().receive(&first(ClientFrame::Ack {}))), Code::UnexpectedFrame);
    assert_eq!(refused(welcomed().receive(&first(hello()))), Code::UnexpectedFrame);
    let numbered = Packet { sequence: 1, acknowledged: 0, frame: hello() }.encode().unwrap();
    assert_eq!(refused(core().receive(&numbered)), Code::OutOfOrder);
    let named = ClientFrame::Hello { min_version: 1, max_version: 1, agent: "x".repeat(65) };
    assert_eq!(refused(core().receive(&first(named))), Code::Malformed);
    let mut over = core();
    refused(over.receive(b""));
    assert_eq!(refused(over.receive(&first(hello()))), Code::UnexpectedFrame);
}
