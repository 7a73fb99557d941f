//! Version negotiation and login of one connection.
//!
//! ```text
//! AwaitHello ──Hello──► AwaitLogin ──Login (signature over a fresh nonce)──► Done
//!      └─────────── anything else, or too late ───────────┴──► Goodbye
//! ```
//!
//! It costs the node one nonce, one small frame and at most one signature
//! recovery; nothing is kept for somebody who has not proven an address.

use crowdfold_events::{
    Address, B256,
    codec::CodecError,
    signing::recover,
    wire::{self, ClientFrame, Code, MAX_AGENT_BYTES, MAX_HANDSHAKE_BYTES, NodeFrame, Packet, Resume, SessionLimits},
};

use super::NodeIdentity;

/// What to do after a frame of a connection without a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginStep {
    /// Send this and go on.
    Send(Vec<u8>),
    /// Send this and close.
    Refuse(Code, Vec<u8>),
    /// The plugin is who it says; hand the connection to its session.
    Done {
        /// The plugin.
        plugin: Address,
        /// The session that it wants to continue.
        resume: Option<Resume>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    AwaitHello,
    AwaitLogin { version: u16 },
    Over,
}

/// The state of one connection before its login.
#[derive(Debug)]
pub struct LoginCore {
    identity: NodeIdentity,
    limits: SessionLimits,
    nonce: B256,
    state: State,
}

impl LoginCore {
    /// A new connection. `nonce` must be fresh and unpredictable.
    #[must_use]
    pub fn new(identity: NodeIdentity, limits: SessionLimits, nonce: B256) -> Self {
        Self { identity, limits, nonce, state: State::AwaitHello }
    }

    /// Handles the bytes of one frame.
    pub fn receive(&mut self, bytes: &[u8]) -> LoginStep {
        let packet = match Packet::<ClientFrame>::decode(bytes, MAX_HANDSHAKE_BYTES) {
            Ok(packet) => packet,
            Err(CodecError::TooLong { .. }) => return self.refuse(Code::FrameTooLong),
            Err(_) => return self.refuse(Code::Malformed),
        };
        if packet.sequence != 0 || packet.acknowledged != 0 {
            return self.refuse(Code::OutOfOrder);
        }
        match (self.state, packet.frame) {
            (State::AwaitHello, ClientFrame::Hello { min_version, max_version, agent }) => {
                if agent.len() > MAX_AGENT_BYTES {
                    return self.refuse(Code::Malformed);
                }
                let Some(version) = wire::negotiate(min_version, max_version) else {
                    return self.refuse(Code::VersionUnsupported);
                };
                self.state = State::AwaitLogin { version };
                LoginStep::Send(unnumbered(NodeFrame::Welcome {
                    version,
                    chain_id: self.identity.chain_id,
                    genesis_hash: self.identity.genesis_hash,
                    params_digest: self.identity.params_digest,
                    limits: self.limits.clone(),
                    node: self.identity.signer.address(),
                    nonce: self.nonce,
                }))
            }
            (State::AwaitLogin { version }, ClientFrame::Login { signature, resume }) => {
                let digest = self.identity.domain.login(self.identity.signer.address(), self.nonce, version);
                match recover(&digest, &signature.0) {
                    Ok(plugin) => {
                        self.state = State::Over;
                        LoginStep::Done { plugin, resume }
                    }
                    Err(_) => self.refuse(Code::BadLogin),
                }
            }
            _ => self.refuse(Code::UnexpectedFrame),
        }
    }

    /// Ends the attempt for a reason of the shell's (time, room, text message).
    pub fn refuse(&mut self, code: Code) -> LoginStep {
        self.state = State::Over;
        LoginStep::Refuse(code, goodbye(code, 0))
    }
}

/// A frame outside any session.
fn unnumbered(frame: NodeFrame) -> Vec<u8> {
    debug_assert!(!frame.is_reliable());
    Packet { sequence: 0, acknowledged: 0, frame }
        .encode()
        .expect("invariant: frames of the login have a fixed size far below the limit")
}

/// The bytes of a `Goodbye`.
pub(super) fn goodbye(code: Code, retry_after_ms: u32) -> Vec<u8> {
    unnumbered(NodeFrame::Goodbye { code, retry_after_ms })
}
