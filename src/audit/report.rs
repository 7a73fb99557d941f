//! What an audit says.

use crowdfold_events::{Address, B256, EventSeq, Height, StoredEvent, TaskId};
use serde::Serialize;

use super::counts::Counts;

/// Longest text of an event in a report, in characters; a block's body can be megabytes.
const TEXT_MAX: usize = 4_000;

/// An event as a report shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventView {
    /// Its number; for an expected event the number it should have.
    pub seq: EventSeq,
    /// Name of its kind, or its type number if it cannot be decoded.
    pub kind: String,
    /// All fields, or the stored bytes in hexadecimal if it cannot be decoded; cut when long.
    pub text: String,
}

impl EventView {
    /// A stored event.
    #[must_use]
    pub fn new(seq: EventSeq, stored: &StoredEvent) -> Self {
        let (kind, mut text) = match stored.decode() {
            Ok(event) => {
                let text = format!("{event:?}");
                let kind = text.split([' ', '{']).next().unwrap_or_default().to_owned();
                (kind, text)
            }
            Err(_) => (
                format!("type {} version {}", stored.event_type(), stored.event_version()),
                hex::encode(stored.as_bytes()),
            ),
        };
        if let Some((at, _)) = text.char_indices().nth(TEXT_MAX) {
            text.truncate(at);
            text.push('…');
        }
        Self { seq, kind, text }
    }
}

/// How the journal differs from what the rules give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum Reason {
    /// The event cannot be read from the files.
    Unreadable {
        /// The journal's words.
        detail: String,
    },
    /// The event has no meaning for this program.
    Undecodable {
        /// The decoder's words.
        detail: String,
    },
    /// The journal begins with another event than the genesis gives.
    Genesis,
    /// An event has another content than execution gives.
    Altered,
    /// An event that execution gives is not there.
    Dropped,
    /// An event is there that execution does not give.
    Inserted,
    /// The events are those of execution in another order.
    Reordered,
    /// A block is missing, or out of its place.
    Height {
        /// The next block's.
        expected: Height,
        /// What was found.
        found: Height,
    },
    /// The validators did not sign this block.
    NotCertified {
        /// The block that carries the commit; `None` for a commit beside the journal.
        carried_by: Option<Height>,
        /// Event of that block.
        at: Option<EventSeq>,
        /// What is wrong with the commit.
        detail: String,
    },
    /// The block may not be on this chain: the rules refuse it.
    Invalid {
        /// Why.
        detail: String,
    },
    /// A draw's receipt does not give the plugin, recomputed from events alone.
    Draw {
        /// The task.
        task: TaskId,
        /// Why.
        detail: String,
    },
    /// An amount is not what separate books give.
    Amount {
        /// What the books say.
        detail: String,
    },
    /// Money came into being or vanished.
    Conservation {
        /// Which sum.
        detail: String,
    },
    /// An accepted proof does not prove its statement.
    Proof {
        /// The task.
        task: TaskId,
        /// The proof.
        proof: B256,
        /// The verifier's words.
        detail: String,
    },
    /// The last block is not whole.
    Unfinished,
    /// The validators signed a later block than the journal's last.
    CutShort {
        /// The block that they signed.
        signed: Height,
    },
    /// The journal's stated end is not that of its events.
    End {
        /// Stated number of events.
        stated_next: EventSeq,
        /// Stated head of the event chain.
        stated_hash: B256,
        /// Head of the event chain over the events.
        found_hash: B256,
    },
}

impl core::fmt::Display for Reason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Unreadable { detail } => write!(f, "it cannot be read: {detail}"),
            Self::Undecodable { detail } => write!(f, "it has no meaning for this program: {detail}"),
            Self::Genesis => write!(f, "the journal does not begin with this genesis"),
            Self::Altered => write!(f, "the event was altered"),
            Self::Dropped => write!(f, "an event was dropped"),
            Self::Inserted => write!(f, "an event was inserted"),
            Self::Reordered => write!(f, "events were reordered"),
            Self::Height { expected, found } => write!(f, "block {expected} should be here, found block {found}"),
            Self::NotCertified { carried_by: Some(by), at, detail } => write!(
                f,
                "the validators did not sign this block: the commit in block {by} (event {}): {detail}",
                at.map_or_else(|| "?".to_owned(), |at| at.to_string())
            ),
            Self::NotCertified { detail, .. } => write!(f, "the validators did not sign this block: {detail}"),
            Self::Invalid { detail } => write!(f, "the rules refuse the block: {detail}"),
            Self::Draw { task, detail } => write!(f, "the draw of task {task} is wrong: {detail}"),
            Self::Amount { detail } => write!(f, "the amount is wrong: {detail}"),
            Self::Conservation { detail } => write!(f, "money is not conserved: {detail}"),
            Self::Proof { task, proof, detail } => write!(f, "proof {proof} of task {task}: {detail}"),
            Self::Unfinished => write!(f, "the last block is not whole"),
            Self::CutShort { signed } => write!(f, "the validators signed block {signed}, but the journal ends here"),
            Self::End { stated_next, stated_hash, found_hash } => {
                write!(
                    f,
                    "the journal says it ends at {stated_next} with {stated_hash}, its events end with {found_hash}"
                )
            }
        }
    }
}

/// The first place where the journal is not what the rules give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// The block; 0 for the genesis.
    pub height: Height,
    /// The event.
    pub seq: EventSeq,
    /// Its index in the block.
    pub index: u64,
    /// How it differs.
    pub reason: Reason,
    /// What should be there.
    pub expected: Option<EventView>,
    /// What is there.
    pub found: Option<EventView>,
    /// The journal's events around it, in order.
    pub around: Vec<EventView>,
}

/// A proof that was to be verified and is not in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingProof {
    /// The task that it answered.
    pub task: TaskId,
    /// Who proved.
    pub plugin: Address,
    /// Its hash.
    pub proof: B256,
    /// What is missing: the proof itself, or one that it folds.
    pub detail: String,
}

/// What became of the accepted proofs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProofReport {
    /// How long proofs are kept, so what may be missing.
    pub retention: &'static str,
    /// Proofs that were verified from their stored bytes.
    pub verified: u64,
    /// Proofs that could not be, because bytes are missing.
    pub missing: u64,
    /// The first of them.
    pub first_missing: Vec<MissingProof>,
    /// The genesis declares simulated proofs: they show nothing but that they were declared.
    pub simulated: bool,
}

/// Whether the last block's commit could be checked; a journal carries it in the next block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "commit", rename_all = "snake_case")]
pub enum Tip {
    /// A commit beside the journal signs it.
    Signed,
    /// No commit of it is known: the block is valid, but nothing here shows that it was decided.
    Unsigned {
        /// Why not.
        why: String,
    },
}

/// What names the chain where the audit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct End {
    /// The last good block.
    pub height: Height,
    /// Its header's hash.
    pub block: B256,
    /// Number of events up to it.
    pub events: EventSeq,
    /// [`crowdfold_kernel::State::hash`] after it.
    pub state_hash: B256,
    /// Root of the state tree.
    pub state_root: B256,
    /// Root of the market state.
    pub market_root: B256,
    /// Head of the event chain.
    pub events_head: B256,
}

/// Where an audit began that did not begin at the genesis: after a block whose
/// state a snapshot gave. Nothing before it was decided again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Began {
    /// The block.
    pub height: Height,
    /// Number of events up to it.
    pub events: EventSeq,
    /// Its header's hash.
    pub block: B256,
}

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The chain.
    pub chain_id: u64,
    /// Its genesis.
    pub genesis_hash: B256,
    /// No divergence, and no proof missing that was to be verified.
    pub good: bool,
    /// Where the audit began, unless at the genesis.
    pub from: Option<Began>,
    /// The last good block.
    pub end: End,
    /// What was checked up to there.
    pub checked: Counts,
    /// Of the last block.
    pub tip: Tip,
    /// Of proofs, if they were to be verified.
    pub proofs: Option<ProofReport>,
    /// The first place that is wrong.
    pub divergence: Option<Divergence>,
}
