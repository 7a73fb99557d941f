//! A state as bytes, so that a node starts without its history.
//!
//! ```text
//! magic 8 | layout u16 | rules u32 | genesis hash 32 | height u64
//!   | state root 32 | market root 32 | events head 32 | market bytes u64 | tree bytes u64
//!   | market: everything but the tree, one value of the codec
//!   | tree:   [`StateTree::to_bytes`], digests included
//!   | keccak-256("crowdfold/snapshot/1" ‖ all before)                  little-endian
//! ```
//!
//! Loading hashes the bytes, recomputes the market root and compares it, the
//! tree's root and the events' head with the front. That the front is the
//! chain's own is for the caller to say, who knows the sealed block at that
//! place: see [`State::state_root`], [`State::market_root`], [`State::events_head`].
//! The tree's inner digests are taken as they stand; the hash protects them
//! from accidents, not from whoever writes the node's files.

use std::sync::Arc;

use alloy_primitives::Keccak256;
use crowdfold_config::{Genesis, GenesisError};
use crowdfold_events::{
    Address, B256, BatchIndex, CodecError, Height, ItemIndex, TaskId,
    codec::{self, MAX_STATE_BYTES},
};
use crowdfold_zk::tree::{StateTree, TreeError};
use imbl::{OrdMap, OrdSet, Vector};
use serde::{Deserialize, Serialize};

use crate::{
    faults::InvariantFault,
    kernel::{RULES_VERSION, genesis_supply},
    model::{Batch, Item, MarketAccount, Plugin, Task},
    state::{Chain, Frozen, Market, State},
    vm,
};

/// Layout of a snapshot's bytes. Another one whenever a field of the state or of what it is made of changes.
pub const SNAPSHOT_LAYOUT: u16 = 1;
/// What a snapshot must be of to be read by this code: rules version in the upper half, layout in the lower.
pub const SNAPSHOT_VERSION: u32 = RULES_VERSION << 16 | SNAPSHOT_LAYOUT as u32;

const MAGIC: [u8; 8] = *b"CFSTATE\0";
const DOMAIN: &[u8] = b"crowdfold/snapshot/1";
const FRONT_BYTES: usize = 8 + 2 + 4 + 32 + 8 + 3 * 32 + 2 * 8;
const HASH_BYTES: usize = 32;

/// Why bytes are not a state of this chain. Never a peer's fault: an accident
/// on the disk, or a file from another chain or version.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFault {
    /// The genesis is not valid; the operator's fault.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// Not a snapshot, or cut.
    #[error("{0} bytes that are not a snapshot")]
    NotASnapshot(usize),
    /// The bytes are not those that were written.
    #[error("the bytes hash to {found}, written was {expected}")]
    Hash {
        /// Written.
        expected: B256,
        /// Of the bytes.
        found: B256,
    },
    /// Another layout or other rules.
    #[error("rules {rules}, layout {layout}; this is {RULES_VERSION}, {SNAPSHOT_LAYOUT}")]
    Version {
        /// The snapshot's rules version.
        rules: u32,
        /// The snapshot's layout.
        layout: u16,
    },
    /// Another chain.
    #[error("of the chain {found}, this is {expected}")]
    OtherChain {
        /// This chain's genesis hash.
        expected: B256,
        /// The snapshot's.
        found: B256,
    },
    /// A part does not decode, or is too long to encode.
    #[error("state: {0}")]
    Codec(#[from] CodecError),
    /// The tree does not decode.
    #[error("tree: {0}")]
    Tree(#[from] TreeError),
    /// A root is not that which the front names.
    #[error("the {what} is {found}, the snapshot says {expected}")]
    Differs {
        /// Which root.
        what: &'static str,
        /// The front's.
        expected: B256,
        /// Recomputed.
        found: B256,
    },
    /// The height is not that which the front names.
    #[error("the state is of block {found}, the snapshot says {expected}")]
    Height {
        /// The front's.
        expected: Height,
        /// The state's.
        found: Height,
    },
    /// The state breaks a rule about money, or did when it was written.
    #[error("invariant: {0}")]
    Invariant(#[from] InvariantFault),
}

/// Everything but genesis, supply and tree. The order of the fields is the layout.
#[derive(Clone, Serialize, Deserialize)]
struct Parts {
    chain: Chain,
    events_head: B256,
    market: Market,
    accounts: OrdMap<Address, MarketAccount>,
    plugins: OrdMap<Address, Plugin>,
    roster: Vector<Address>,
    seen: OrdSet<(Height, Address)>,
    tasks: OrdMap<TaskId, Task>,
    open: OrdSet<TaskId>,
    waiting: OrdSet<TaskId>,
    deadlines: OrdSet<(Height, TaskId)>,
    bumps: OrdSet<(Height, TaskId)>,
    items: OrdMap<ItemIndex, Item>,
    by_hash: OrdMap<B256, ItemIndex>,
    batches: OrdMap<BatchIndex, Batch>,
    closed: OrdSet<(Height, TaskId)>,
    frozen: OrdMap<Height, Frozen>,
    recent: OrdMap<Height, B256>,
}

/// The fixed front.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Front {
    magic: [u8; 8],
    layout: u16,
    rules: u32,
    genesis: [u8; 32],
    height: Height,
    state_root: [u8; 32],
    market_root: [u8; 32],
    events_head: [u8; 32],
    market_bytes: u64,
    tree_bytes: u64,
}

fn hash(bytes: &[u8]) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update(DOMAIN);
    hasher.update(bytes);
    hasher.finalize()
}

impl State {
    /// The state after a block as bytes.
    ///
    /// # Errors
    /// The state is longer than [`MAX_STATE_BYTES`], or broken, which none is after a block.
    pub fn to_snapshot(&self) -> Result<Vec<u8>, SnapshotFault> {
        if let Some(fault) = &self.broken {
            return Err(fault.clone().into());
        }
        let state = self.clone();
        let parts = Parts {
            chain: state.chain,
            events_head: state.events_head,
            market: state.market,
            accounts: state.accounts,
            plugins: state.plugins,
            roster: state.roster,
            seen: state.seen,
            tasks: state.tasks,
            open: state.open,
            waiting: state.waiting,
            deadlines: state.deadlines,
            bumps: state.bumps,
            items: state.items,
            by_hash: state.by_hash,
            batches: state.batches,
            closed: state.closed,
            frozen: state.frozen,
            recent: state.recent,
        };
        let (market, tree) = (codec::encode::<_, MAX_STATE_BYTES>(&parts)?, self.tree.0.to_bytes());
        let front = Front {
            magic: MAGIC,
            layout: SNAPSHOT_LAYOUT,
            rules: RULES_VERSION,
            genesis: self.genesis.hash.0,
            height: self.chain.height,
            state_root: self.tree.root().0,
            market_root: self.market_root()?.0,
            events_head: self.events_head.0,
            market_bytes: market.len() as u64,
            tree_bytes: tree.len() as u64,
        };
        let mut bytes = codec::to_bytes(&front)?;
        bytes.reserve_exact(market.len() + tree.len() + HASH_BYTES);
        bytes.extend(market);
        bytes.extend(tree);
        let hash = hash(&bytes);
        bytes.extend(hash);
        Ok(bytes)
    }

    /// The state of exactly these bytes, for the chain of `genesis`.
    ///
    /// # Errors
    /// [`SnapshotFault`].
    pub fn from_snapshot(genesis: &Genesis, bytes: &[u8]) -> Result<Self, SnapshotFault> {
        let genesis = Arc::new(genesis.clone().validate()?);
        let (front, market, tree) = split(bytes)?;
        if front.genesis != genesis.hash.0 {
            return Err(SnapshotFault::OtherChain { expected: genesis.hash, found: front.genesis.into() });
        }
        let parts: Parts = codec::decode::<_, MAX_STATE_BYTES>(market)?;
        let state = Self {
            supply: genesis_supply(&genesis.genesis),
            genesis,
            chain: parts.chain,
            events_head: parts.events_head,
            tree: vm::Tree(StateTree::from_bytes(tree)?),
            market: parts.market,
            accounts: parts.accounts,
            plugins: parts.plugins,
            roster: parts.roster,
            seen: parts.seen,
            tasks: parts.tasks,
            open: parts.open,
            waiting: parts.waiting,
            deadlines: parts.deadlines,
            bumps: parts.bumps,
            items: parts.items,
            by_hash: parts.by_hash,
            batches: parts.batches,
            closed: parts.closed,
            frozen: parts.frozen,
            recent: parts.recent,
            broken: None,
        };
        if state.chain.height != front.height {
            return Err(SnapshotFault::Height { expected: front.height, found: state.chain.height });
        }
        let same = |what, expected: [u8; 32], found: B256| {
            let expected = B256::from(expected);
            if expected == found { Ok(()) } else { Err(SnapshotFault::Differs { what, expected, found }) }
        };
        same("head of the events", front.events_head, state.events_head)?;
        same("state root", front.state_root, state.tree.root())?;
        same("market root", front.market_root, state.market_root()?)?;
        state.check_invariants()?;
        Ok(state)
    }
}

/// Front, market and tree of bytes that are what was written, by this code.
fn split(bytes: &[u8]) -> Result<(Front, &[u8], &[u8]), SnapshotFault> {
    let not = || SnapshotFault::NotASnapshot(bytes.len());
    let (front, rest) = bytes.split_at_checked(FRONT_BYTES).ok_or_else(not)?;
    let front: Front = codec::from_bytes(front)?;
    if front.magic != MAGIC {
        return Err(not());
    }
    if (front.layout, front.rules) != (SNAPSHOT_LAYOUT, RULES_VERSION) {
        return Err(SnapshotFault::Version { rules: front.rules, layout: front.layout });
    }
    let (body, written) = rest.split_last_chunk::<HASH_BYTES>().ok_or_else(not)?;
    let (expected, found) = (B256::from(*written), hash(&bytes[..bytes.len() - HASH_BYTES]));
    if expected != found {
        return Err(SnapshotFault::Hash { expected, found });
    }
    let market = usize::try_from(front.market_bytes).map_err(|_| not())?;
    let (market, tree) = body.split_at_checked(market).ok_or_else(not)?;
    if tree.len() as u64 != front.tree_bytes {
        return Err(not());
    }
    Ok((front, market, tree))
}
