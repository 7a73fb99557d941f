//! What the market state is made of: accounts, plugins, tasks, items, batches.

use crowdfold_events::{
    Address, B256, BatchIndex, Height, ItemIndex, TaskId, Zkpow,
    event::{DrawReceipt, SettlementEntry, TaskKind},
};
use imbl::{OrdMap, OrdSet, Vector};
use serde::{Deserialize, Serialize};

/// An account's part of the market state; its balance is in the state tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarketAccount {
    /// Earned and not yet settled.
    pub accrued: Zkpow,
    /// Owed to the chain. Never positive together with `accrued`.
    pub debt: Zkpow,
    /// Last sequence used in the system lane, 0 before the first.
    pub sequence: u64,
    /// Asked to be paid at the next settlement.
    pub withdraw: bool,
}

/// A registered prover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    /// Its bit in `HeartbeatsRecorded`, from its admission on.
    pub index: Option<u32>,
    /// Its admission task.
    pub admission: TaskId,
    /// Can be assigned work.
    pub active: bool,
    /// Its debt passed `max_debt` and was not yet brought below.
    pub suspended: bool,
    /// Block of its last accepted message.
    pub last_seen: Height,
    /// Valid proofs since its last failure.
    pub consecutive_valid: u32,
    /// Tasks assigned to it now.
    pub open: OrdSet<TaskId>,
    /// Proofs accepted from it.
    pub accepted: u64,
    /// Tasks it timed out on or handed back.
    pub failed: u64,
}

/// An assignment of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Who has it.
    pub plugin: Address,
    /// Block of the draw.
    pub assigned_at: Height,
    /// Last block in which a proof is in time; the grace comes on top.
    pub deadline: Height,
    /// What a proof in time pays.
    pub bounty: Zkpow,
    /// How it was drawn.
    pub receipt: DrawReceipt,
}

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskStatus {
    /// To be drawn among candidates frozen at or after this block.
    Waiting {
        /// When it was opened or came back.
        since: Height,
    },
    /// Somebody has it.
    Assigned(Assignment),
    /// Open to everybody for the base bounty.
    Quarantined {
        /// When penalties are refunded, if it is still open.
        deadline: Height,
    },
    /// An accepted proof.
    Done {
        /// Who proved.
        plugin: Address,
        /// Keccak-256 of the proof.
        proof: B256,
        /// Block of acceptance.
        at: Height,
    },
    /// An admission that was not proven in time.
    Lapsed,
}

/// A unit of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// What it is about.
    pub kind: TaskKind,
    /// What its deadline scales with.
    pub segments: u32,
    /// Base bounty.
    pub base: Zkpow,
    /// Part of `base` that fees have paid and that is reserved.
    pub funded: Zkpow,
    /// Issuance held for the current assignment.
    pub issuance_held: Zkpow,
    /// Base bounty with its rises, before the capacity multiple.
    pub bumped: Zkpow,
    /// Block in which it was opened.
    pub opened_at: Height,
    /// Assignments so far.
    pub attempts: u32,
    /// Where it stands.
    pub status: TaskStatus,
    /// Who failed it: never drawn for it again.
    pub failed: OrdSet<Address>,
    /// Penalties charged for it, refundable while it is quarantined.
    pub penalties: Vector<(Address, Zkpow)>,
}

/// What an item is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItemKind {
    /// A user's transaction.
    Transaction {
        /// Keccak-256 of the raw bytes.
        hash: B256,
    },
    /// A settlement.
    Settlement {
        /// Its entries.
        entries: Vec<SettlementEntry>,
    },
}

/// A stage of an item's life: block and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The block.
    pub height: Height,
    /// Its time in milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// When an item reached each stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stages {
    /// In a block.
    pub committed: Stage,
    /// First assigned.
    pub assigned: Option<Stage>,
    /// Proof accepted.
    pub proven: Option<Stage>,
    /// Its batch is proven.
    pub aggregated: Option<Stage>,
    /// Its batch is certified.
    pub certified: Option<Stage>,
}

/// The accepted proof of an item or node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Who proved; part of the statement.
    pub worker: Address,
    /// For which task; part of the statement.
    pub task: TaskId,
    /// Keccak-256 of the proof.
    pub proof: B256,
}

/// An item: what was executed and what its proof must state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// State root before.
    pub pre_root: B256,
    /// State root after.
    pub post_root: B256,
    /// First field element of its data.
    pub data_hi: B256,
    /// Second field element of its data.
    pub data_lo: B256,
    /// Signer of a transaction, zero for a settlement.
    pub sender: Address,
    /// Digest of the block environment.
    pub env: B256,
    /// Proof segments.
    pub segments: u32,
    /// The aggregation share of its fee.
    pub aggregation: Zkpow,
    /// Its proving task, from the event after it on.
    pub task: Option<TaskId>,
    /// Its proof.
    pub accepted: Option<Accepted>,
    /// Its batch.
    pub batch: Option<BatchIndex>,
    /// When it reached what.
    pub stages: Stages,
}

/// Where a transaction or item stands, in the words of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ItemStatus {
    /// In a block.
    Committed,
    /// Assigned at least once.
    Assigned,
    /// Its proof is accepted.
    Proven,
    /// Its batch is proven.
    Aggregated,
    /// Its batch is certified.
    Certified,
}

impl Item {
    /// The furthest stage reached.
    #[must_use]
    pub fn status(&self) -> ItemStatus {
        let s = &self.stages;
        match (s.certified, s.aggregated, s.proven, s.assigned) {
            (Some(_), ..) => ItemStatus::Certified,
            (_, Some(_), ..) => ItemStatus::Aggregated,
            (_, _, Some(_), _) => ItemStatus::Proven,
            (.., Some(_)) => ItemStatus::Assigned,
            _ => ItemStatus::Committed,
        }
    }
}

/// A node of a batch's aggregation tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its task.
    pub task: TaskId,
    /// Its proof.
    pub accepted: Option<Accepted>,
}

/// A proven block in the making: contiguous proven items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// First item.
    pub first_item: ItemIndex,
    /// Number of items.
    pub items: u32,
    /// Sum of their segments.
    pub segments: u32,
    /// State root before the first.
    pub pre_root: B256,
    /// State root after the last.
    pub post_root: B256,
    /// Aggregation shares of its items' fees.
    pub budget: Zkpow,
    /// Nodes whose tasks are open or done, by (level, position).
    pub nodes: OrdMap<(u8, u32), Node>,
    /// Hash of the header before the block in which it was closed: at or after its last item's.
    pub last_header: B256,
    /// When it was closed.
    pub closed: Stage,
    /// Hash of the root's proof.
    pub proof: Option<B256>,
    /// When it was proven.
    pub proven: Option<Stage>,
    /// Hash of its certificate.
    pub certificate: Option<B256>,
    /// When it was certified.
    pub certified: Option<Stage>,
}
