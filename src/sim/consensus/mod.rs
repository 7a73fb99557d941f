//! The seam to consensus in a world: blocks go in, decisions come out, and
//! what happens in between is the engine's own.
//!
//! ```text
//! proposed ─┐                                      ┌─► Persist  (durable before anything after it)
//! received ─┼─► ConsensusCore ─► steps, in order ──┼─► Send, Broadcast
//! executed ─┤                                      ├─► Execute  ─► executed
//! tick     ─┘                                      ├─► Decide   ─► committed
//!                                                  └─► Provide  (decided blocks for who is behind)
//! ```
//!
//! Nothing outside knows who proposes: it asks [`ConsensusCore::may_propose`].
//! [`SingleProposer`] is the engine until the BFT engine takes its place.

mod single;

use std::sync::Arc;

use alloy_primitives::Bytes;
use crowdfold_events::{B256, BatchIndex, Block, Commit, CommitSignature, Height};
use crowdfold_kernel::State;

pub use single::SingleProposer;

/// A block that somebody proposes, with the proofs that its messages name.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The block.
    pub block: Arc<Block>,
    /// Its proofs by hash.
    pub proofs: Arc<Vec<(B256, Bytes)>>,
    /// The proposer's vote for it.
    pub vote: CommitSignature,
}

/// A block that was decided.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The block.
    pub block: Arc<Block>,
    /// Its proofs by hash.
    pub proofs: Arc<Vec<(B256, Bytes)>>,
    /// What certifies it.
    pub commit: Commit,
}

/// What validators tell each other.
#[derive(Clone, Debug)]
pub enum Message {
    /// A proposal; sent back to its proposer by who has voted for it and is asked for another.
    Propose(Proposal),
    /// A vote for a header.
    Vote {
        /// Of which height.
        height: Height,
        /// For which header.
        header: B256,
        /// The vote.
        vote: CommitSignature,
    },
    /// A decided block.
    Decided(Decision),
    /// The sender's last block; whoever has later ones sends them.
    At {
        /// Its height.
        height: Height,
        /// Whether an answer is wanted even from who has nothing later.
        answer: bool,
    },
    /// A validator's signature of a batch certificate.
    Certificate {
        /// The batch.
        batch: BatchIndex,
        /// The signature.
        signature: CommitSignature,
    },
}

/// What consensus keeps through a crash.
#[derive(Clone, Debug, Default)]
pub struct LogState {
    /// The proposal that this validator has voted for, of the height after its last block.
    pub lock: Option<Proposal>,
    /// The last decision.
    pub decision: Option<Decision>,
}

/// What the shell has to do, in this order.
#[derive(Clone, Debug)]
pub enum Step {
    /// Write this durably.
    Persist(LogState),
    /// Send to one validator.
    Send(usize, Message),
    /// Send to all others.
    Broadcast(Message),
    /// Keep the proofs, execute the block on the last one, answer with `executed`.
    Execute(Proposal),
    /// Commit the block, then call `committed`.
    Decide(Decision),
    /// Send the decided blocks after a height to a validator, as `Decided`.
    Provide {
        /// To whom.
        to: usize,
        /// After which height.
        after: Height,
    },
}

/// One validator's consensus, without IO and clock. Times are virtual milliseconds.
pub trait ConsensusCore {
    /// Whether this validator should build the next block now.
    fn may_propose(&self) -> bool;

    /// The certificate of the last block.
    fn last_commit(&self) -> Commit;

    /// When [`Self::tick`] is needed next.
    fn wakeup_ms(&self) -> u64;

    /// Time has passed.
    fn tick(&mut self, now_ms: u64);

    /// This validator has built a block.
    fn proposed(&mut self, now_ms: u64, block: Arc<Block>, proofs: Arc<Vec<(B256, Bytes)>>);

    /// Another validator has sent a message.
    fn received(&mut self, now_ms: u64, from: usize, message: Message);

    /// A block of [`Step::Execute`] was executed, or cannot be.
    fn executed(&mut self, now_ms: u64, header: B256, is_valid: bool);

    /// A block is durable; `state` is after it.
    fn committed(&mut self, now_ms: u64, state: &State);

    /// What to do since the last call.
    fn steps(&mut self) -> Vec<Step>;
}
