//! What the core asks of its shell, and what it says.

use alloy_primitives::Bytes;
use crowdfold_events::{
    Address, B256, Height, TaskId, Zkpow,
    event::{DrawReceipt, TaskKind},
    signing::SignatureBytes,
    wire::{Account, Answer, CloseReason, Code, Happened, Notice, Standing},
};

use crate::jobs::WorkError;

/// What the shell has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a connection; answer with `connected` or `disconnected`.
    Connect,
    /// Send a binary message.
    Send(Vec<u8>),
    /// Close the connection; no `disconnected` is expected.
    Disconnect,
    /// Prove; answer with `finished`.
    StartWork {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: u32,
        /// What it is about.
        kind: TaskKind,
        /// Proof segments.
        segments: u32,
        /// The prover's input.
        package: Bytes,
    },
    /// Stop proving as soon as possible; `finished` may still come and is ignored.
    CancelWork {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: u32,
    },
    /// Find a nonce with [`crowdfold_events::work::solve`]; answer with `registration_solved`.
    SolveRegistration {
        /// EIP-155 chain id.
        chain_id: u64,
        /// The plugin.
        plugin: Address,
        /// Block that it is bound to.
        height: Height,
        /// Hash of that block.
        block_hash: B256,
        /// Expected hashes.
        expected: u64,
    },
    /// Data asked for with `fetch`.
    Data {
        /// Its digest.
        digest: B256,
        /// The bytes, or why there are none.
        result: Result<Vec<u8>, Code>,
    },
    /// Something to show.
    Event(ProverEvent),
    /// The end: nothing more will be asked for.
    Finished(Outcome),
}

/// Something to show to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Names say it; units are in the types.
pub enum ProverEvent {
    LoggedIn {
        plugin: Address,
        standing: Standing,
        resumed: bool,
        params_digest: B256,
    },
    Disconnected {
        code: Option<Code>,
        retry_in_ms: u64,
    },
    Offered {
        task: TaskId,
        attempt: u32,
        kind: TaskKind,
        segments: u32,
        bounty: Zkpow,
        assigned: Height,
        deadline: Height,
        /// `None` for admission and for a task that is open to everybody.
        draw: Option<DrawReceipt>,
    },
    /// An offer that costs nothing to leave, left.
    Declined {
        task: TaskId,
        attempt: u32,
        reason: HandBackReason,
    },
    HandedBack {
        task: TaskId,
        attempt: u32,
        reason: HandBackReason,
    },
    Proven {
        task: TaskId,
        attempt: u32,
        elapsed_ms: u64,
        bytes: usize,
        proof_hash: B256,
    },
    /// The node has taken the message that submits the proof.
    Submitted {
        task: TaskId,
    },
    /// The node's signed answer to a message, checked: worth keeping.
    Receipt {
        about: About,
        /// EIP-712 digest of the message.
        message: B256,
        answer: Answer,
        /// Over [`crowdfold_events::SigningDomain::receipt`], by `node`.
        signature: SignatureBytes,
        node: Address,
    },
    Closed {
        task: TaskId,
        attempt: u32,
        reason: CloseReason,
    },
    Refused {
        task: Option<TaskId>,
        code: Code,
        reason: u16,
    },
    WorkFailed {
        task: TaskId,
        error: WorkError,
    },
    Notice {
        height: Height,
        notice: Notice,
    },
    /// What the chain holds of the plugin; replaces what was told before.
    Account {
        account: Account,
    },
    /// What happened before this session; an earlier one may have told it.
    Recent {
        happened: Vec<Happened>,
    },
    /// The node broke the protocol; the prover reconnects, later each time.
    NodeFault {
        detail: &'static str,
    },
    /// The node serves another chain or other parameters than were expected;
    /// the prover tries again later, so that the shell can turn to another node.
    WrongChain {
        chain_id: u64,
        genesis_hash: B256,
        params_digest: B256,
    },
    /// A registration would cost so many hashes that the node must be wrong.
    RegistrationRefused {
        expected: u64,
        most: u64,
    },
}

/// What a message of the plugin is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // They are the bodies of messages.
pub enum About {
    Register,
    Heartbeat,
    GoInactive,
    Submit(TaskId),
    HandBack(TaskId),
}

impl About {
    /// The task, if it is about one.
    #[must_use]
    pub fn task(self) -> Option<TaskId> {
        match self {
            Self::Submit(task) | Self::HandBack(task) => Some(task),
            Self::Register | Self::Heartbeat | Self::GoInactive => None,
        }
    }
}

/// Why a task is handed back or declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandBackReason {
    /// It cannot be met before its deadline.
    TooSlow,
    /// Too many tasks are open.
    TooMany,
    /// The prover stops, or pauses and the task is nobody's.
    Stopping,
    /// Proving or submitting failed.
    Failed,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The user stopped it; `open` tasks may time out.
    Stopped {
        /// Tasks neither done nor handed back.
        open: usize,
    },
    /// The node serves another chain than the one worked for, and it is not
    /// known which of the two was wanted. Where it is, [`ProverEvent::WrongChain`] says so.
    WrongChain,
    /// The node refuses for good: a version that is not spoken, a key that
    /// cannot log in, or the same key at work elsewhere.
    Refused(Code),
}
