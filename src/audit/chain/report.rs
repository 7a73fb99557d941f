//! What a check of a chain says: what is wrong and where, or what was checked.

use crowdfold_events::{Address, B256, CodecError, EventSeq, Height};
use crowdfold_journal::Head;
use crowdfold_kernel::CommitFault;

/// Something wrong with a chain, and its place. The fault of whoever made the journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("block {height}, event {at}: {kind}; events before {} are signed for", .bound.next)]
pub struct ChainFault {
    /// The block that is wrong.
    pub height: Height,
    /// Its first event, or the event itself.
    pub at: EventSeq,
    /// What is wrong.
    pub kind: ChainFaultKind,
    /// Every event before this is bound by a good commit; what was altered is not before it.
    pub bound: Head,
}

/// What is wrong with a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainFaultKind {
    /// The journal is of another chain.
    #[error("the journal begins with genesis {found}, this is {expected}")]
    Genesis {
        /// This chain's.
        expected: B256,
        /// The journal's.
        found: B256,
    },
    /// The first events are not those that the genesis gives.
    #[error("the first events are not those that the genesis gives")]
    Opening,
    /// An event that links blocks cannot be decoded.
    #[error("cannot be decoded: {0}")]
    Event(CodecError),
    /// The events are not those of one block.
    #[error("the events do not begin with one BlockDecided and end with one BlockSealed")]
    Shape,
    /// A block is missing or out of its place.
    #[error("the height is {found}, expected {expected}")]
    Height {
        /// One more than the block before.
        expected: Height,
        /// The header's.
        found: Height,
    },
    /// A value of the header is not this chain's or not the body's.
    #[error("the header's {what} is {found}, expected {expected}")]
    Header {
        /// The field.
        what: &'static str,
        /// What the chain or the body gives.
        expected: String,
        /// The header's.
        found: String,
    },
    /// `BlockSealed` says otherwise than the header.
    #[error("BlockSealed has {what} {found}, the header {expected}")]
    Sealed {
        /// The field.
        what: &'static str,
        /// The header's.
        expected: String,
        /// The event's.
        found: String,
    },
    /// The block's events do not lead to the head that the next header names.
    #[error("the events end with head {found}, the next header names {expected}")]
    EventsHead {
        /// The next header's.
        expected: B256,
        /// The events'.
        found: B256,
    },
    /// The block is not the one that was signed.
    #[error("the header's hash is {found}, signed was {expected}")]
    NotSigned {
        /// The hash with good signatures.
        expected: B256,
        /// The header's.
        found: B256,
    },
    /// The next block carries no good commit of this one.
    #[error("the commit in the next block: {0}")]
    Commit(#[source] CommitFault),
    /// The validators decided a later block than the journal's last.
    #[error("the validators signed block {signed} after it, but the journal ends here")]
    CutShort {
        /// The height in `last-commit`.
        signed: Height,
    },
    /// The last block's events are not those that a validator stated.
    #[error("its events end at {} with head {}, {by} stated {} with head {}", .found.next, .found.hash, .stated.next, .stated.hash)]
    TipEvents {
        /// The validator.
        by: Address,
        /// What it signed.
        stated: Head,
        /// Where the events end.
        found: Head,
    },
}

/// What signs the last block, which no later block certifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tip {
    /// There is no block: nothing to sign.
    Genesis,
    /// The header by the validators, the events by this one's word.
    Signed {
        /// The validator.
        by: Address,
    },
    /// The header alone; its events are bound by nothing.
    HeaderOnly {
        /// Why nobody's word on the events counts.
        why: String,
    },
    /// Nothing does.
    Unsigned {
        /// Why.
        why: String,
    },
}

/// What was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainReport {
    /// Blocks.
    pub blocks: u64,
    /// Signatures of validators over headers.
    pub signatures: u64,
    /// The first block; 0 for a journal that begins with the genesis. A simulation that goes on from
    /// another chain's state begins at that chain's height.
    pub first: Height,
    /// The last block.
    pub last: Height,
    /// Hash of its header; of the genesis when there is none.
    pub last_header: B256,
    /// Every event before this is bound by a good commit.
    pub bound: Head,
    /// What signs the last block.
    pub tip: Tip,
}
