//! Genesis, proposing and executing.

use std::sync::Arc;

use crowdfold_config::{Genesis, GenesisError};
use crowdfold_events::{Address, B256, Block, BlockBody, Commit, Event, Height, SignedMessage, Zkpow};
use imbl::{OrdMap, OrdSet, Vector};

use crate::{
    commit,
    faults::{BlockFault, InvariantFault},
    header::{self, Receipts},
    run::{Choice, Dropped, Mode, Run},
    state::{Chain, Market, State},
    vm,
    work::ProofOracle,
};

/// The rules of the chain, version 1. It has no state of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kernel;

/// Rules that this kernel executes.
pub const RULES_VERSION: u32 = 1;

/// What a proposer may choose.
#[derive(Clone, Debug)]
pub struct ProposalInput {
    /// Time of the block in milliseconds since the Unix epoch; at least parent + `min_block_time`.
    pub time_ms: u64,
    /// The proposing validator.
    pub proposer: Address,
    /// Raw transactions in the order wished for; those that may not be in the block are dropped.
    pub transactions: Vec<Vec<u8>>,
    /// System messages in the order wished for; those that may not be in the block are dropped.
    pub messages: Vec<SignedMessage>,
    /// Certifies the parent; the default for block 1.
    pub last_commit: Commit,
}

/// What a block does.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The block; for a proposal with only what may be in it.
    pub block: Block,
    /// From `BlockDecided` to `BlockSealed`.
    pub events: Vec<Event>,
    /// The state after it.
    pub state: State,
    /// Of both lanes.
    pub receipts: Receipts,
    /// What a proposal left out; empty after `execute`.
    pub dropped: Vec<Dropped>,
}

/// Why a chain cannot start. The operator's fault.
#[derive(Debug, thiserror::Error)]
pub enum StartFault {
    /// The genesis is not valid.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// Another kernel executes this chain.
    #[error("rules version {found}, this kernel executes {RULES_VERSION}")]
    RulesVersion {
        /// The genesis' version.
        found: u32,
    },
    /// A real chain cannot go on from another one's state.
    #[error("only a chain of simulated proofs goes on from another one's state")]
    ForkOfReal,
    /// Two accounts of a fork would have the same address.
    #[error("a fork's renaming gives two accounts the same address")]
    Renaming,
    /// The accounts do not form a state tree.
    #[error("state tree: {0}")]
    Tree(#[from] crowdfold_zk::tree::TreeError),
    /// A rule about money is broken by the genesis.
    #[error("invariant: {0}")]
    Invariant(#[from] InvariantFault),
}

/// The accounts of the state before block 1, system accounts first.
fn genesis_accounts(g: &Genesis) -> Vec<(Address, u128)> {
    let stake = g.validators.iter().map(|v| v.stake.units()).sum::<u128>();
    let system =
        [(vm::ESCROW, g.escrow.units()), (vm::ISSUANCE, g.issuance.units()), (vm::STAKE, stake), (vm::REPAY, 0)];
    system.into_iter().chain(g.allocations.iter().map(|a| (a.account, a.balance.units()))).collect()
}

/// The sum of all balances, at genesis and for ever.
pub(crate) fn genesis_supply(g: &Genesis) -> u128 {
    genesis_accounts(g).into_iter().map(|(_, balance)| balance).sum()
}

impl Kernel {
    /// The state before block 1, and the events that open the journal.
    ///
    /// # Errors
    /// What is wrong with the genesis.
    pub fn genesis(genesis: &Genesis) -> Result<(State, Vec<Event>), StartFault> {
        let genesis = Arc::new(genesis.clone().validate()?);
        let (g, params) = (&genesis.genesis, &genesis.params);
        if g.rules_version != RULES_VERSION {
            return Err(StartFault::RulesVersion { found: g.rules_version });
        }
        let accounts = genesis_accounts(g);
        let tree = vm::Tree::genesis(&accounts)?;
        let supply = genesis_supply(g);
        let chain = Chain { head: genesis.hash, time_ms: g.time_ms, beacon: genesis.hash, ..Chain::default() };
        let market = Market {
            balances: supply,
            issuance_left: params.epoch.issuance_allowance.units().min(g.issuance.units()),
            registration_work: params.plugins.initial_registration_work,
            ..Market::default()
        };
        let mut recent = OrdMap::new();
        recent.insert(Height(0), genesis.hash);
        let loaded = Event::GenesisLoaded {
            genesis_hash: genesis.hash,
            chain_id: g.chain_id,
            rules_version: g.rules_version,
            state_root: tree.root(),
            supply: Zkpow(supply),
            time_ms: g.time_ms,
        };
        let mut state = State {
            genesis,
            supply,
            chain,
            events_head: crowdfold_events::hash::CHAIN_START,
            tree,
            market,
            accounts: OrdMap::new(),
            plugins: OrdMap::new(),
            roster: Vector::new(),
            seen: OrdSet::new(),
            tasks: OrdMap::new(),
            open: OrdSet::new(),
            waiting: OrdSet::new(),
            deadlines: OrdSet::new(),
            bumps: OrdSet::new(),
            items: OrdMap::new(),
            by_hash: OrdMap::new(),
            batches: OrdMap::new(),
            closed: OrdSet::new(),
            frozen: OrdMap::new(),
            recent,
            broken: None,
        };
        state.apply(&loaded);
        state.audit()?;
        Ok((state, vec![loaded]))
    }

    /// Builds the next block by executing it; `Outcome::block` is what to decide.
    ///
    /// # Errors
    /// The choice of time, proposer or commit is wrong, or there is a bug.
    pub fn propose(state: &State, input: ProposalInput, oracle: &dyn ProofOracle) -> Result<Outcome, BlockFault> {
        let ProposalInput { time_ms, proposer, transactions, messages, last_commit } = input;
        let body = BlockBody { last_commit, transactions, messages };
        Run::block(state, Choice { time_ms, proposer }, body, Mode::Propose, oracle)
    }

    /// Executes a block on the state before it.
    ///
    /// # Errors
    /// The block is invalid, which is its proposer's fault, or there is a bug.
    pub fn execute(state: &State, block: &Block, oracle: &dyn ProofOracle) -> Result<Outcome, BlockFault> {
        let choice = Choice { time_ms: block.header.time_ms, proposer: block.header.proposer };
        let outcome = Run::block(state, choice, block.body.clone(), Mode::Execute, oracle)?;
        header::compare(&block.header, &outcome.block.header)?;
        Ok(outcome)
    }

    /// The digest that the proposer signs after deciding a block; see [`commit::sign_commit`].
    #[must_use]
    pub fn commit_digest(state: &State, height: Height, header_hash: &B256) -> B256 {
        commit::commit_digest(&state.genesis.hash, height, header_hash)
    }
}
