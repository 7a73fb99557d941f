//! What can be wrong with a block, a transaction or a message, and whose fault it is.

use crowdfold_events::{Address, B256, Height, TaskId};

use crowdfold_execution::{AdmissionError, ExecutionError};

/// Why a block cannot be executed. The proposer's fault, except `Invariant`, which is a bug.
#[derive(Debug, thiserror::Error)]
pub enum BlockFault {
    /// A header field is not what execution gives.
    #[error("header field {field} is {found}, execution gives {expected}")]
    Header {
        /// The field.
        field: HeaderField,
        /// What the header says.
        found: String,
        /// What execution gives.
        expected: String,
    },
    /// Too close to the parent.
    #[error("time {found} is below {least}, parent + min_block_time")]
    Time {
        /// The block's time in milliseconds.
        found: u64,
        /// The least allowed.
        least: u64,
    },
    /// Not a validator of this height.
    #[error("{0} is no validator")]
    UnknownProposer(Address),
    /// The commit of the parent does not certify it.
    #[error("last commit: {0}")]
    Commit(#[from] CommitFault),
    /// A transaction may not be in this block.
    #[error("transaction {index}: {fault}")]
    Transaction {
        /// Its place in the body.
        index: usize,
        /// Why.
        fault: TransactionFault,
    },
    /// A message may not be in this block.
    #[error("message {index}: {fault}")]
    Message {
        /// Its place in the body.
        index: usize,
        /// Why.
        fault: MessageFault,
    },
    /// The user lane or a settlement failed in a way that no input may cause: a bug.
    #[error("execution: {0}")]
    Execution(#[from] ExecutionError),
    /// Something cannot be encoded within the limits.
    #[error("encoding: {0}")]
    Encoding(#[from] crowdfold_events::CodecError),
    /// A rule about money is broken: a bug, never a peer's fault.
    #[error("invariant: {0}")]
    Invariant(#[from] InvariantFault),
}

/// The fields of a header that execution determines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Each is the field of the same name.
pub enum HeaderField {
    ChainId,
    RulesVersion,
    Height,
    Parent,
    Beacon,
    TransactionsRoot,
    MessagesRoot,
    LastCommitHash,
    BaseFee,
    GasLimit,
    GasUsed,
    Segments,
    FirstItem,
    Items,
    PreStateRoot,
    PostStateRoot,
    ReceiptsRoot,
    MarketRoot,
    ValidatorsHash,
    NextValidatorsHash,
    ParentEventsHead,
}

impl core::fmt::Display for HeaderField {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(self, f)
    }
}

/// Why a commit does not certify the parent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitFault {
    /// For another height.
    #[error("for height {found}, the parent is {expected}")]
    Height {
        /// The commit's.
        found: Height,
        /// The parent's.
        expected: Height,
    },
    /// For another header.
    #[error("for header {found}, the parent is {expected}")]
    HeaderHash {
        /// The commit's.
        found: B256,
        /// The parent's.
        expected: B256,
    },
    /// The first block carries a commit.
    #[error("the first block has no parent to certify")]
    NotEmpty,
    /// Signatures are not in strictly ascending order of address.
    #[error("signatures are not in strictly ascending order at {0}")]
    Order(Address),
    /// A signature by nobody of the validator set.
    #[error("{0} is no validator")]
    UnknownValidator(Address),
    /// A signature that is not its validator's.
    #[error("bad signature of {0}")]
    BadSignature(Address),
    /// Not more than two thirds of the stake.
    #[error("signed by {signed} of {total} stake")]
    NotEnough {
        /// Stake that signed.
        signed: u128,
        /// All stake.
        total: u128,
    },
}

/// Why a transaction cannot be in this block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionFault {
    /// Not a transaction of this chain, or refused on this state: nonce, price, funds beside the debt.
    #[error(transparent)]
    Admission(#[from] AdmissionError),
    /// More segments than an item may have.
    #[error("{segments} segments, at most {max} are allowed")]
    TooManySegments {
        /// Its segments.
        segments: u32,
        /// The limit.
        max: u32,
    },
    /// A transfer to the repay account of more than is owed, or of nothing.
    #[error("repays {value}, {beneficiary} owes {debt}")]
    Repay {
        /// Whose debt.
        beneficiary: Address,
        /// What is sent.
        value: u128,
        /// What is owed.
        debt: u128,
    },
    /// Calldata of a transfer to the repay account is neither empty nor an address.
    #[error("the memo has {length} bytes, not 0 or 20")]
    RepayMemo {
        /// Its length.
        length: usize,
    },
    /// The block has no segments left for it. It may fit a later block.
    #[error("{needed} segments, {left} are left in the block")]
    BlockSegments {
        /// Its segments.
        needed: u32,
        /// What is left.
        left: u32,
    },
    /// Too much is unproven. It may fit a later block.
    #[error("{backlog} segments are unproven, at most {max} may be")]
    Backlog {
        /// Unproven segments with this transaction.
        backlog: u64,
        /// The limit.
        max: u64,
    },
}

impl TransactionFault {
    /// True when a later block may include the transaction: it stays in the mempool.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::BlockSegments { .. } | Self::Backlog { .. } => true,
            Self::Admission(refused) => refused.is_temporary(),
            Self::TooManySegments { .. } | Self::Repay { .. } | Self::RepayMemo { .. } => false,
        }
    }
}

/// Why a message cannot be in this block at all. The sender's fault, or of who relayed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageFault {
    /// The signature names nobody.
    #[error("signature: {0}")]
    Signature(#[from] crowdfold_events::SignatureError),
    /// The sequence was used before.
    #[error("sequence {found} is not above {last}")]
    StaleSequence {
        /// The message's.
        found: u64,
        /// The last one used.
        last: u64,
    },
    /// The sender is no plugin and the message needs one.
    #[error("{0} is no plugin")]
    UnknownSender(Address),
    /// More than `max_messages_per_sender` in this block. It may fit a later block.
    #[error("{0} sends too many messages for one block")]
    SenderLimit(Address),
    /// More than `max_messages` in this block. It may fit a later block.
    #[error("the block is full of messages")]
    BlockLimit,
    /// More than `max_proofs` in this block. It may fit a later block.
    #[error("the block's budget for verifying proofs is used up")]
    ProofBudget,
    /// The hashcash is bound to a block that is unknown or too old.
    #[error("the hashcash is bound to block {0}, which is unknown or too old")]
    WorkHeight(u64),
    /// The hashcash does not reach the target.
    #[error("the hashcash does not reach {0} expected hashes")]
    NotEnoughWork(u64),
    /// More registrations than the block takes, and others have better hashcash. It may fit a later block.
    #[error("better registrations fill the block")]
    RankedOut,
    /// The proof does not prove its statement. A block with it is invalid.
    #[error("task {task}: {fault}")]
    InvalidProof {
        /// The task.
        task: TaskId,
        /// What the verifier says.
        fault: ProofFault,
    },
    /// More signatures than validators, or one that is not 65 bytes.
    #[error("a certificate of {found} signatures, at most {most} of 65 bytes each are possible")]
    CertificateSize {
        /// Signatures in the message.
        found: usize,
        /// Number of validators.
        most: usize,
    },
    /// The certificate is not one.
    #[error("certificate: {0}")]
    Certificate(#[from] CommitFault),
}

impl MessageFault {
    /// True when a later block may include the message.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::SenderLimit(_)
                | Self::BlockLimit
                | Self::ProofBudget
                | Self::RankedOut
                | Self::InvalidProof { fault: ProofFault::Missing, .. }
        )
    }
}

/// What a verifier says about a proof that it does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofFault {
    /// The bytes are not here (yet).
    #[error("the proof's bytes are not known")]
    Missing,
    /// The bytes are not a canonical encoding of a proof.
    #[error("the proof is malformed")]
    Malformed,
    /// It proves something else or nothing.
    #[error("the proof does not verify")]
    Rejected,
}

/// Why a message in a block had no effect; the number is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u16)]
pub enum Refusal {
    /// The sender is registered already.
    #[error("already registered")]
    AlreadyRegistered = 1,
    /// The admission item is not proven yet.
    #[error("not admitted yet")]
    NotAdmitted = 2,
    /// The sender's debt is above `max_debt`.
    #[error("suspended")]
    Suspended = 3,
    /// No such task.
    #[error("unknown task")]
    UnknownTask = 4,
    /// The task is somebody else's, or waits to be drawn.
    #[error("not assigned to the sender")]
    NotAssigned = 5,
    /// The task is closed: it has a proof already, or was an admission that lapsed.
    #[error("already proven")]
    AlreadyProven = 6,
    /// `SubmitProof` for an aggregation task or the other way round.
    #[error("wrong kind of task")]
    WrongKind = 7,
    /// Nothing accrued beyond the fee and the bond.
    #[error("nothing to withdraw")]
    NothingToWithdraw = 8,
    /// A withdrawal is pending already.
    #[error("withdrawal pending")]
    WithdrawPending = 9,
    /// No such batch, or it is not proven yet.
    #[error("batch not proven")]
    BatchNotProven = 10,
    /// The batch has a certificate already.
    #[error("already certified")]
    AlreadyCertified = 11,
}

impl Refusal {
    /// All of them, by code.
    pub const ALL: [Self; 11] = [
        Self::AlreadyRegistered,
        Self::NotAdmitted,
        Self::Suspended,
        Self::UnknownTask,
        Self::NotAssigned,
        Self::AlreadyProven,
        Self::WrongKind,
        Self::NothingToWithdraw,
        Self::WithdrawPending,
        Self::BatchNotProven,
        Self::AlreadyCertified,
    ];

    /// The one with this code.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.code() == code)
    }

    /// The stable code in events and receipts.
    #[must_use]
    pub fn code(self) -> u16 {
        self as u16
    }
}

/// A rule about money that is broken: a bug.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvariantFault {
    /// Balances do not sum to the genesis supply.
    #[error("balances sum to {now}, the genesis supply is {genesis}")]
    Supply {
        /// Sum of all balances.
        now: u128,
        /// Genesis supply.
        genesis: u128,
    },
    /// The escrow does not cover what it owes.
    #[error("escrow {escrow} with {due} due from issuance does not cover {owed}")]
    EscrowCover {
        /// The escrow's balance.
        escrow: u128,
        /// Issuance that was spent and not moved yet.
        due: u128,
        /// Accrued, reserved and earmarked.
        owed: u128,
    },
    /// The issuance account does not cover what it promised.
    #[error("issuance {issuance} does not cover {owed}")]
    IssuanceCover {
        /// Its balance.
        issuance: u128,
        /// Due, held for assignments, and left of the epoch's allowance.
        owed: u128,
    },
    /// A running total differs from the sum of its parts.
    #[error("total of {what} is {total}, its parts sum to {parts}")]
    Total {
        /// What is summed.
        what: &'static str,
        /// The running total.
        total: u128,
        /// The sum.
        parts: u128,
    },
    /// An account is owed and owes at the same time.
    #[error("{0} has rewards accrued and a debt")]
    AccruedAndDebt(Address),
    /// An addition or subtraction of money left its range.
    #[error("arithmetic of {0} left its range")]
    Range(&'static str),
}
