//! A world that goes on from a production journal.
//!
//! The journal is replayed, and the chain forked: its validators, plugins and
//! users get keys of the world, its chain id changes, its proofs are declared
//! simulated from now on. Everything else stays: balances, debts, trust, open
//! tasks, unproven items. The journal of such a world begins with the genesis
//! of the fork; what came before is not in it, so it can be verified and not
//! be replayed from its genesis alone.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy_primitives::Address;
use crowdfold_config::{Amount, Genesis, GenesisError, GenesisValidator, Pinned, ProofSystem, Setup};
use crowdfold_events::{Block, Commit, Event, EventSeq, Zkpow};
use crowdfold_journal::{JournalError, JournalStore, MemoryJournal, Reader};
use crowdfold_kernel::{ESCROW, ISSUANCE, REPAY, STAKE, StartFault, State, commit::sign_commit};

use super::people::People;
use crate::{
    actors::ledger::{LedgerCore, LedgerError},
    node::Snapshot,
};

/// Added to the chain id, so that no signature of the world is good on the chain.
const CHAIN_ID: u64 = 7_799_000_000;
/// Blocks searched for the last one from the journal's end, in events.
const STEP: usize = 4_096;

/// Why a world cannot go on from a journal.
#[derive(Debug, thiserror::Error)]
pub enum FromError {
    /// The genesis file is not there or not readable. The operator's fault.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The genesis.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The journal is not the genesis' chain.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The state cannot be forked.
    #[error(transparent)]
    Fork(#[from] StartFault),
    /// The journal begins after the genesis: it was pruned.
    #[error("the journal begins at event {0}: a world needs all of it")]
    Pruned(EventSeq),
    /// There is no block to go on from.
    #[error("the journal has no block")]
    Empty,
}

/// A forked chain.
pub(super) struct Fork {
    pub(super) genesis: Genesis,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) events: Vec<Event>,
    /// The last block, and what the new validators say to it.
    pub(super) block: Arc<Block>,
    pub(super) commit: Commit,
}

/// The chain of a data directory (`genesis.toml`, `journal/`), forked for these people; users
/// that have no account of the chain leave.
pub(super) fn fork(dir: &Path, people: &mut People) -> Result<Fork, FromError> {
    let path = dir.join("genesis.toml");
    let text = std::fs::read_to_string(&path).map_err(|source| FromError::Io { path, source })?;
    let production = Genesis::from_toml(&text)?;
    let ledger = replay(&production, &dir.join("journal"))?;
    let block = last_block(&ledger)?;
    let before = ledger.snapshot();
    let rename = renaming(&before.state, people);
    let genesis = genesis(&production, people);
    let (state, events) = before.state.fork(&genesis, &rename)?;
    let (hash, height, head) = (state.genesis_hash(), state.height(), state.head());
    let votes = people.validators.iter().flat_map(|signer| sign_commit(signer, &hash, height, head).signatures);
    let mut signatures: Vec<_> = votes.collect();
    signatures.sort_by_key(|vote| vote.validator);
    let commit = Commit { height, header_hash: head, signatures };
    let mut snapshot = before.as_ref().clone();
    snapshot.fork(state);
    Ok(Fork { genesis, snapshot: Arc::new(snapshot), events, block: Arc::new(block), commit })
}

/// Reads a journal beside its writer, if there is one, and replays it.
fn replay(genesis: &Genesis, journal: &Path) -> Result<LedgerCore, FromError> {
    let reader = Reader::open(journal)?;
    let floor = reader.floor().head.next;
    if floor != EventSeq(0) {
        return Err(FromError::Pruned(floor));
    }
    let mut memory = MemoryJournal::default();
    for frame in reader.frames(EventSeq(0))? {
        let at = memory.head().next;
        memory.append(&[frame?.frame], at)?;
    }
    Ok(LedgerCore::open(genesis, Box::new(memory))?)
}

fn last_block(ledger: &LedgerCore) -> Result<Block, FromError> {
    let mut end = ledger.snapshot().event_count();
    while end > 0 {
        let from = end.saturating_sub(STEP as u64);
        for stored in ledger.events(EventSeq(from), (end - from) as usize)?.into_iter().rev() {
            let fault = |fault| LedgerError::Event { at: EventSeq(from), fault };
            if let Event::BlockDecided { header, body } = stored.decode().map_err(fault)? {
                return Ok(Block { header: *header, body: *body });
            }
        }
        end = from;
    }
    Err(FromError::Empty)
}

/// Who becomes whom: the first validator, the plugins in order, the richest others as users.
fn renaming(state: &State, people: &mut People) -> BTreeMap<Address, Address> {
    let mut rename = BTreeMap::new();
    let old = state.genesis().validators.iter().map(|v| v.address);
    rename.extend(old.zip(people.validators.iter().map(|v| v.address())));
    let plugins = state.plugins().map(|(address, _)| *address).filter(|a| !rename.contains_key(a));
    let plugins: Vec<Address> = plugins.collect();
    rename.extend(plugins.iter().copied().zip(people.plugins.iter().map(|p| p.address())));
    let is_other = |address: &Address| {
        let is_chains = [ESCROW, ISSUANCE, STAKE, REPAY, Address::ZERO].contains(address);
        !is_chains && !rename.contains_key(address) && !plugins.contains(address)
    };
    let accounts = state.tree().iter().map(|(address, account)| (account.balance, Address::from(address)));
    let mut others: Vec<(u128, Address)> = accounts.filter(|(balance, a)| *balance > 0 && is_other(a)).collect();
    others.sort_by(|a, b| b.cmp(a));
    people.wallets.truncate(others.len());
    rename.extend(others.iter().map(|(_, address)| *address).zip(people.wallets.iter().map(|w| w.address())));
    rename
}

/// The production genesis with the world's validators, who share its stake evenly.
fn genesis(production: &Genesis, people: &People) -> Genesis {
    let stake: u128 = production.validators.iter().map(|v| v.stake.units()).sum();
    let (count, mut rest) = (people.validators.len() as u128, stake % people.validators.len().max(1) as u128);
    let share = |signer: &crowdfold_events::Signer| {
        let own = stake / count.max(1) + std::mem::take(&mut rest);
        GenesisValidator { address: signer.address(), stake: Amount(Zkpow(own)) }
    };
    let mut genesis = production.clone();
    genesis.validators = people.validators.iter().map(share).collect();
    genesis.chain_id = CHAIN_ID + production.chain_id;
    genesis.proof_system = ProofSystem { setup: Setup::Simulated, shape: Pinned::Unset, key: Pinned::Unset };
    genesis
}
