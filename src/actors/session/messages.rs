//! What the session asks the node, and the node tells the session.
//!
//! The node implements a handler for each message of [`Services`]. One rule
//! binds the two: after it has answered [`SessionOpening`] for a plugin, and
//! until [`SessionClosed`], the node sends every change of that plugin's
//! standing and tasks by [`Deliver`], in order; before and after it sends none.

use actix::prelude::*;
use alloy_primitives::Bytes;
use crowdfold_events::{
    Address, B256, SignedMessage, TaskId,
    wire::{ChainStatus, Code, Resume},
};

use super::{Command, PluginSession, Seed, budget::DataPermit};

/// Why the mempool did not take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code for the plugin.
    pub code: Code,
    /// The kernel's reason with `NotAcceptedByRules`, else 0.
    pub reason: u16,
}

/// Offers a system message to the mempool. Its signature is checked, its
/// sender is `plugin`, a proof that it names was verified by [`ProofReceived`].
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), Refusal>")]
pub struct SubmitSystemMessage {
    /// The sender.
    pub plugin: Address,
    /// EIP-712 digest of the message.
    pub digest: B256,
    /// The message.
    pub message: SignedMessage,
}

/// Verify a proof for a task that is open to the plugin, and keep its bytes
/// for the message that will name it.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), Code>")]
pub struct ProofReceived {
    /// Who uploaded it.
    pub plugin: Address,
    /// The task.
    pub task: TaskId,
    /// Keccak-256 of the bytes, checked.
    pub proof_hash: B256,
    /// The proof.
    pub bytes: Bytes,
}

/// A piece of data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataPiece {
    /// Bytes of the whole.
    pub total: u64,
    /// The piece asked for; shorter only at the end.
    pub bytes: Bytes,
}

impl DataPiece {
    /// A piece of `whole`, without copying it.
    ///
    /// # Errors
    /// [`Code::DataRange`]: `offset` is not inside.
    pub fn of(whole: &Bytes, offset: u64, length: u32) -> Result<Self, Code> {
        let start = usize::try_from(offset).ok().filter(|start| *start < whole.len()).ok_or(Code::DataRange)?;
        let end = start.saturating_add(length as usize).min(whole.len());
        Ok(Self { total: whole.len() as u64, bytes: whole.slice(start..end) })
    }
}

/// Read a piece of data by the digest of the whole.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<DataPiece, Code>")]
pub struct FetchData {
    /// Keccak-256 of the whole.
    pub digest: B256,
    /// First byte.
    pub offset: u64,
    /// Number of bytes, 1 to `MAX_CHUNK_BYTES`.
    pub length: u32,
}

/// A plugin has logged in and has no session yet: what does the chain say?
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<Seed, Code>")]
pub struct SessionOpening {
    /// The plugin.
    pub plugin: Address,
}

/// A session is over; nothing is delivered to it any more.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct SessionClosed {
    /// The plugin.
    pub plugin: Address,
    /// Why.
    pub code: Code,
}

/// How far a plugin says it is, for display only.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct TaskProgress {
    /// The plugin.
    pub plugin: Address,
    /// A task open to it.
    pub task: TaskId,
    /// Part done, in thousandths.
    pub permille: u16,
}

/// The node's side, as the sessions see it.
#[derive(Clone)]
pub struct Services {
    /// Answers [`SubmitSystemMessage`].
    pub submit: Recipient<SubmitSystemMessage>,
    /// Answers [`ProofReceived`].
    pub proofs: Recipient<ProofReceived>,
    /// Answers [`FetchData`].
    pub data: Recipient<FetchData>,
    /// Answers [`SessionOpening`].
    pub opening: Recipient<SessionOpening>,
    /// Takes [`SessionClosed`]; the same actor as `opening`.
    pub closed: Recipient<SessionClosed>,
    /// Takes [`TaskProgress`].
    pub progress: Recipient<TaskProgress>,
}

/// From the node to one plugin's session, if there is one. `Submitted`,
/// `ProofChecked` and `Fetched` are answers and never delivered.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct Deliver {
    /// The plugin.
    pub plugin: Address,
    /// What.
    pub command: Command,
}

/// From the node to all sessions: a block was committed.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Broadcast {
    /// The chain after it.
    pub status: ChainStatus,
}

/// From an operator or the node: end all sessions and take no more.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Shutdown;

/// Bytes for a socket, or its end.
#[derive(Debug)]
pub(super) enum Outgoing {
    Frame(Vec<u8>),
    /// A piece of data, and its room until the peer has read it.
    Data(Vec<u8>, DataPermit),
    Close,
}

/// One logged-in connection.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// Unique in the process.
    pub(super) id: u64,
    pub(super) sender: tokio::sync::mpsc::Sender<Outgoing>,
}

/// From the endpoint: a connection has logged in as `plugin`.
#[derive(Debug, Message)]
#[rtype(result = "Result<Addr<PluginSession>, Code>")]
pub(super) struct LoggedIn {
    pub(super) plugin: Address,
    pub(super) resume: Option<Resume>,
    pub(super) connection: Connection,
}

/// From the directory to a session: use this connection from now on.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Attach {
    pub(super) resume: Option<Resume>,
    pub(super) connection: Connection,
}

/// What comes from a connection.
#[derive(Debug)]
pub(super) enum Heard {
    Frame(actix_web::web::Bytes),
    /// With the payload of the ping that it answers, if the peer is honest.
    Pong(actix_web::web::Bytes),
    NotBinary,
    TooLong,
    Gone,
}

/// From the endpoint to the session.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Incoming {
    pub(super) connection: u64,
    pub(super) heard: Heard,
}

/// From the directory to a session.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Order(pub(super) Command);

/// From a session to the directory.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Ended {
    pub(super) plugin: Address,
    pub(super) session: Addr<PluginSession>,
    pub(super) code: Code,
}
