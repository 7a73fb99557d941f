//! The frames of both directions.

use alloy_primitives::Bytes;
use serde::{Deserialize, Serialize};

use super::{Account, Code, Happened, MAX_PAYLOAD_BYTES, Notice, Standing};
use crate::{
    Address, B256, Height, SignedMessage, TaskId, Zkpow,
    event::{DrawReceipt, TaskKind},
    signing::SignatureBytes,
    tagged,
};

/// Continues an earlier session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The session's token, from `LoggedIn`.
    pub token: B256,
    /// Highest reliable number taken from the node.
    pub received: u64,
}

/// What a node expects of a session; constant while a connection lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLimits {
    /// Longest frame after the login, in bytes.
    pub max_frame_bytes: u32,
    /// Longest proof, in bytes.
    pub max_proof_bytes: u32,
    /// Reliable frames that may be unacknowledged in one direction.
    pub max_unacknowledged: u32,
    /// Frames per second that are always taken.
    pub frames_per_second: u32,
    /// Silence after which the node closes, in milliseconds.
    pub silence_ms: u32,
    /// Shortest time between two heartbeats, in milliseconds.
    pub min_heartbeat_ms: u32,
    /// Blocks for which one signed message keeps a plugin active.
    pub heartbeat_ttl_blocks: u32,
    /// How long a session without a connection can be resumed, in milliseconds.
    pub resume_ms: u32,
}

/// The node's view of the chain, for estimates only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainStatus {
    /// Newest committed block.
    pub height: Height,
    /// Its time, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Target time between blocks while there is work, in milliseconds.
    pub block_time_ms: u32,
    /// Time between blocks of an idle chain, in milliseconds.
    pub idle_interval_ms: u32,
    /// Hash of that block's header; a registration's hashcash is bound to it.
    pub block_hash: B256,
    /// Expected hashes of a registration now.
    pub registration_work: u64,
}

/// What a prover needs for a task (canonical bytes of its input).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Package {
    /// In the offer.
    Inline {
        /// The bytes.
        bytes: Bytes,
    },
    /// To be fetched with `DataRequest`.
    Fetch {
        /// Keccak-256 of the bytes.
        digest: B256,
        /// Their number.
        length: u32,
    },
}

/// A task for one plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The task.
    pub task: TaskId,
    /// Which attempt at the task this is, from 1.
    pub attempt: u32,
    /// What it is about.
    pub kind: TaskKind,
    /// Proof segments.
    pub segments: u32,
    /// What a proof is paid.
    pub bounty: Zkpow,
    /// Block of the assignment.
    pub assigned: Height,
    /// Last block for the proof.
    pub deadline: Height,
    /// The prover's input.
    pub package: Package,
    /// How it was drawn: what anybody needs to recompute that it is this
    /// plugin's. `None` for a task that is open to everybody.
    pub draw: Option<DrawReceipt>,
}

/// Why an offered task is no longer the plugin's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CloseReason {
    /// The plugin's proof was accepted in a block.
    Accepted,
    /// Deadline and grace passed.
    TimedOut,
    /// The plugin handed it back.
    HandedBack,
    /// Somebody else's proof was accepted (tasks open to everybody).
    ProvenByOther,
}

/// A node's answer to a system message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// In the node's mempool since `height` was the newest block.
    Accepted {
        /// That block.
        height: Height,
    },
    /// Not taken.
    Refused {
        /// Newest block when it was refused.
        height: Height,
        /// Why.
        code: Code,
        /// The kernel's reason with [`Code::NotAcceptedByRules`], else 0.
        reason: u16,
    },
}

/// From the plugin to the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// First frame: the protocol versions that the program speaks.
    Hello {
        /// Oldest.
        min_version: u16,
        /// Newest.
        max_version: u16,
        /// Name and version of the program, for people.
        agent: String,
    },
    /// Second frame: who it is.
    Login {
        /// Over [`crate::SigningDomain::login`].
        signature: SignatureBytes,
        /// The session to continue, if any.
        resume: Option<Resume>,
    },
    /// A message for the system lane.
    System {
        /// The message; its sender must be the session's plugin.
        message: SignedMessage,
    },
    /// A piece of a proof. Pieces come in order; the message that names the
    /// hash follows the last one.
    ProofUpload {
        /// The task that it answers.
        task: TaskId,
        /// Keccak-256 of the whole proof.
        proof_hash: B256,
        /// Bytes of the whole proof.
        total: u32,
        /// Bytes before this piece.
        offset: u32,
        /// The piece, at most [`super::MAX_CHUNK_BYTES`].
        bytes: Bytes,
    },
    /// The plugin has started on an offer.
    TaskStarted {
        /// The task.
        task: TaskId,
        /// The offer's attempt.
        attempt: u32,
        /// When it expects to be done, in milliseconds from now.
        estimate_ms: u64,
    },
    /// How far it is.
    Progress {
        /// The task.
        task: TaskId,
        /// The offer's attempt.
        attempt: u32,
        /// Part done, in thousandths.
        permille: u16,
    },
    /// Asks for a piece of data (a commitment key, a package) by its digest.
    DataRequest {
        /// Keccak-256 of the whole.
        digest: B256,
        /// First byte.
        offset: u64,
        /// Number of bytes, at most [`super::MAX_CHUNK_BYTES`].
        length: u32,
    },
    /// Carries only an acknowledgement.
    Ack {},
    /// The plugin will not come back to this session.
    Leave {},
}

/// From the node to the plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeFrame {
    /// Answer to `Hello`.
    Welcome {
        /// The version to speak.
        version: u16,
        /// EIP-155 chain id.
        chain_id: u64,
        /// Hash of the genesis.
        genesis_hash: B256,
        /// Digest of the proof system's parameters.
        params_digest: B256,
        /// What the node expects.
        limits: SessionLimits,
        /// The key that signs receipts.
        node: Address,
        /// Fresh; the login signs it.
        nonce: B256,
    },
    /// Answer to a valid `Login`.
    LoggedIn {
        /// Names the session for a later resume; a secret of the two.
        token: B256,
        /// Whether the session asked for continues; else a new one begins and
        /// everything unanswered has to be sent again.
        resumed: bool,
        /// Highest reliable number that the node has taken.
        received: u64,
        /// How the chain sees the plugin.
        standing: Standing,
        /// Lowest message sequence that the node would take.
        next_sequence: u64,
        /// The node's view of the chain.
        status: ChainStatus,
    },
    /// Last frame of a connection.
    Goodbye {
        /// Why.
        code: Code,
        /// Do not come back sooner, in milliseconds.
        retry_after_ms: u32,
    },
    /// A task assigned to the plugin, or one open to everybody.
    TaskOffer {
        /// The task and what it is worth.
        offer: Offer,
    },
    /// An offer has ended.
    TaskClosed {
        /// The task.
        task: TaskId,
        /// Its attempt.
        attempt: u32,
        /// Why.
        reason: CloseReason,
    },
    /// The node's signed answer to a system message.
    Receipt {
        /// EIP-712 digest of the message.
        message: B256,
        /// The answer.
        answer: Answer,
        /// Over [`crate::SigningDomain::receipt`], by the node's key.
        signature: SignatureBytes,
    },
    /// What became of an upload: `None` when it verified and is kept.
    ProofAnswer {
        /// The task.
        task: TaskId,
        /// Keccak-256 of the proof.
        proof_hash: B256,
        /// Why it was refused.
        refused: Option<Code>,
    },
    /// Something that a block did to the plugin.
    Notice {
        /// The block.
        height: Height,
        /// What.
        notice: Notice,
    },
    /// The node's view of the chain.
    Status {
        /// The view.
        status: ChainStatus,
    },
    /// A piece of data.
    DataChunk {
        /// Keccak-256 of the whole.
        digest: B256,
        /// First byte of the piece.
        offset: u64,
        /// Bytes of the whole.
        total: u64,
        /// The piece.
        bytes: Bytes,
    },
    /// A data request that cannot be answered.
    DataRefused {
        /// The digest asked for.
        digest: B256,
        /// The offset asked for.
        offset: u64,
        /// Why.
        code: Code,
    },
    /// Carries only an acknowledgement.
    Ack {},
    /// What the chain holds of the plugin: after a login, and after a block
    /// that changed it. A newer one replaces an older one.
    Account {
        /// It.
        account: Account,
    },
    /// What blocks did to the plugin before this session, so that one that was
    /// away learns of a missed deadline; after a login that begins a session,
    /// if there is anything. It may repeat what an earlier session told.
    Recent {
        /// Oldest first, at most [`super::MAX_RECENT`].
        happened: Vec<Happened>,
    },
}

tagged! { ClientFrame, MAX_PAYLOAD_BYTES;
    1 v 1 => Hello { min_version, max_version, agent },
    2 v 1 => Login { signature, resume },
    10 v 1 => System { message },
    11 v 1 => ProofUpload { task, proof_hash, total, offset, bytes },
    12 v 1 => TaskStarted { task, attempt, estimate_ms },
    13 v 1 => Progress { task, attempt, permille },
    14 v 1 => DataRequest { digest, offset, length },
    15 v 1 => Ack {},
    16 v 1 => Leave {},
}

tagged! { NodeFrame, MAX_PAYLOAD_BYTES;
    1 v 1 => Welcome { version, chain_id, genesis_hash, params_digest, limits, node, nonce },
    2 v 1 => LoggedIn { token, resumed, received, standing, next_sequence, status },
    3 v 1 => Goodbye { code, retry_after_ms },
    10 v 2 => TaskOffer { offer },
    11 v 1 => TaskClosed { task, attempt, reason },
    12 v 1 => Receipt { message, answer, signature },
    13 v 1 => ProofAnswer { task, proof_hash, refused },
    14 v 1 => Notice { height, notice },
    15 v 1 => Status { status },
    16 v 1 => DataChunk { digest, offset, total, bytes },
    17 v 1 => DataRefused { digest, offset, code },
    18 v 1 => Ack {},
    19 v 1 => Account { account },
    20 v 1 => Recent { happened },
}

impl ClientFrame {
    /// Whether the frame is numbered, kept and sent again.
    #[must_use]
    pub fn is_reliable(&self) -> bool {
        matches!(self, Self::System { .. } | Self::ProofUpload { .. })
    }
}

impl NodeFrame {
    /// Whether the frame is numbered, kept and sent again.
    #[must_use]
    pub fn is_reliable(&self) -> bool {
        matches!(
            self,
            Self::TaskOffer { .. }
                | Self::TaskClosed { .. }
                | Self::Receipt { .. }
                | Self::ProofAnswer { .. }
                | Self::Notice { .. }
        )
    }
}
