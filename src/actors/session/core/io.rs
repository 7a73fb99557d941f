//! What goes into a session's core and what comes out of it, apart from frames.

use alloy_primitives::Bytes;
use crowdfold_events::{
    B256, Height, SignedMessage, TaskId,
    wire::{Account, ChainStatus, CloseReason, Code, Happened, Notice, Offer, Standing},
};

/// What the node knows of a plugin when its session begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// How the chain sees it.
    pub standing: Standing,
    /// Lowest message sequence that would be taken.
    pub next_sequence: u64,
    /// The chain.
    pub status: ChainStatus,
    /// What the chain holds of it.
    pub account: Account,
    /// What blocks did to it lately, oldest first.
    pub recent: Vec<Happened>,
    /// Its open tasks.
    pub offers: Vec<Offer>,
}

/// From the node to the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A task was assigned to the plugin (or is open to everybody).
    Offer(Offer),
    /// An offered task has ended for the plugin.
    Close {
        /// The task.
        task: TaskId,
        /// Why.
        reason: CloseReason,
    },
    /// Something that a block did to the plugin; changes its standing too.
    Notify {
        /// The block.
        height: Height,
        /// What.
        notice: Notice,
    },
    /// A block changed what the chain holds of the plugin.
    Account(Account),
    /// A block was committed.
    Status(ChainStatus),
    /// Answer to [`Effect::Submit`].
    Submitted {
        /// The request.
        request: u64,
        /// Taken, or why not, with the kernel's reason or 0.
        result: Result<(), (Code, u16)>,
    },
    /// Answer to [`Effect::CheckProof`].
    ProofChecked {
        /// The task.
        task: TaskId,
        /// The proof.
        proof_hash: B256,
        /// `None` when it verified and is kept.
        refused: Option<Code>,
    },
    /// Answer to [`Effect::Fetch`].
    Fetched {
        /// The digest asked for.
        digest: B256,
        /// The offset asked for.
        offset: u64,
        /// Bytes of the whole and the piece, or why not.
        result: Result<(u64, Bytes), Code>,
    },
    /// End the session.
    End(Code),
}

/// What the node is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Offer a message to the mempool; answered by [`Command::Submitted`].
    Submit {
        /// Names the answer.
        request: u64,
        /// EIP-712 digest of the message.
        digest: B256,
        /// The message; its sender is the plugin.
        message: SignedMessage,
    },
    /// Verify a proof for a task and keep it; answered by [`Command::ProofChecked`].
    CheckProof {
        /// The task, open to the plugin.
        task: TaskId,
        /// Keccak-256 of the bytes, checked.
        proof_hash: B256,
        /// The proof.
        bytes: Vec<u8>,
    },
    /// Read a piece of data; answered by [`Command::Fetched`].
    Fetch {
        /// Keccak-256 of the whole.
        digest: B256,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        length: u32,
    },
    /// The plugin works on a task; for display.
    Progress {
        /// The task.
        task: TaskId,
        /// Part done, in thousandths; 0 when it started.
        permille: u16,
    },
    /// The session is over and must be forgotten.
    Ended(Code),
}

/// What may be done with a frame when the queue to a socket is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// It must go: without it the connection makes no sense.
    Must,
    /// It may be dropped; a later one replaces it. [`super::SessionCore::dropped`] wants to know.
    Droppable,
    /// A piece of data: the answer to one [`Effect::Fetch`]. It may be dropped, and asked for again.
    Data,
}

/// What the shell has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a frame on the attached connection.
    Send {
        /// The frame.
        bytes: Vec<u8>,
        /// What the socket's queue may do with it.
        urgency: Urgency,
    },
    /// Close the attached connection after what was sent.
    Hangup,
    /// Do something in the node.
    Effect(Effect),
}
