//! One block on its way through the phases.
//!
//! ```text
//! last commit, beacon -> user lane -> system messages -> expiries -> deadlines
//!   -> batches -> draws -> settlement -> epoch -> invariants, roots
//! ```
//!
//! Each phase decides by looking at the state and emits events; each event is
//! applied before the next decision. Proposing and executing are the same
//! run: a proposer drops what may not be in a block, an executor refuses the
//! block that contains it.

use crowdfold_events::{B256, Block, BlockBody, BlockHeader, Event, Height, SigningDomain};

use crowdfold_execution::BlockEnv;

use crate::{
    commit,
    faults::{BlockFault, MessageFault, TransactionFault},
    header::{self, Receipts},
    kernel::Outcome,
    planted::{self, Bug},
    state::State,
    work::ProofOracle,
};

/// Who runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Propose,
    Execute,
}

/// What a proposer left out of its block, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// A transaction.
    Transaction {
        /// Keccak-256 of its raw bytes.
        hash: B256,
        /// Why; `is_temporary` says whether to keep it.
        fault: TransactionFault,
    },
    /// A system message.
    Message {
        /// EIP-712 digest.
        hash: B256,
        /// Hash with the signature.
        content: B256,
        /// Why; `is_temporary` says whether to keep it.
        fault: MessageFault,
    },
}

pub(crate) struct Run<'a> {
    pub(crate) state: State,
    pub(crate) oracle: &'a dyn ProofOracle,
    pub(crate) mode: Mode,
    pub(crate) env: BlockEnv,
    pub(crate) domain: SigningDomain,
    pub(crate) events: Vec<Event>,
    pub(crate) receipts: Receipts,
    pub(crate) dropped: Vec<Dropped>,
    pub(crate) gas_used: u64,
    /// Proofs verified so far.
    pub(crate) proofs: u32,
}

/// What a proposer or a header chooses.
pub(crate) struct Choice {
    pub(crate) time_ms: u64,
    pub(crate) proposer: crowdfold_events::Address,
}

impl<'a> Run<'a> {
    /// Checks what precedes the phases and runs them all.
    pub(crate) fn block(
        before: &State,
        choice: Choice,
        body: BlockBody,
        mode: Mode,
        oracle: &'a dyn ProofOracle,
    ) -> Result<Outcome, BlockFault> {
        let mut header = Self::first_half(before, &choice, &body)?;
        let mut state = before.clone();
        state.begin_block(&header);
        let env = BlockEnv {
            number: header.height.0,
            time_ms: header.time_ms,
            base_fee: header.base_fee,
            gas_limit: header.gas_limit,
            beacon: header.beacon,
            chain_id: header.chain_id,
            rules_version: header.rules_version,
        };
        let domain = SigningDomain::new(header.chain_id, state.genesis.hash);
        let mut run = Run {
            state,
            oracle,
            mode,
            env,
            domain,
            events: Vec::new(),
            receipts: Receipts::default(),
            dropped: Vec::new(),
            gas_used: 0,
            proofs: 0,
        };
        let transactions = run.user_lane(body.transactions)?;
        let messages = run.system_lane(body.messages)?;
        run.expire_silent();
        run.pass_deadlines();
        run.close_batches();
        run.draw_tasks();
        run.settle()?;
        run.start_epoch();
        let body = BlockBody { last_commit: body.last_commit, transactions, messages };
        header::fill_body_roots(&mut header, &body)?;
        run.seal(header, body)
    }

    /// The header as far as it follows from the parent and the choice.
    fn first_half(before: &State, choice: &Choice, body: &BlockBody) -> Result<BlockHeader, BlockFault> {
        let genesis = &before.genesis.genesis;
        before.verify_commit(&body.last_commit)?;
        if !genesis.validators.iter().any(|v| v.address == choice.proposer) {
            return Err(BlockFault::UnknownProposer(choice.proposer));
        }
        let least = before.chain.time_ms.saturating_add(before.params().block.min_block_time_ms);
        if choice.time_ms < least && !planted::is(Bug::TimeStandsStill) {
            return Err(BlockFault::Time { found: choice.time_ms, least });
        }
        let height = before.chain.height.next();
        let last_commit_hash = body.last_commit.hash()?;
        let validators = commit::validators_hash(&before.genesis);
        Ok(BlockHeader {
            chain_id: genesis.chain_id,
            rules_version: genesis.rules_version,
            height,
            parent: before.chain.head,
            time_ms: choice.time_ms,
            proposer: choice.proposer,
            beacon: commit::next_beacon(&before.chain.beacon, height, &last_commit_hash),
            transactions_root: B256::ZERO,
            messages_root: B256::ZERO,
            last_commit_hash,
            base_fee: before.next_base_fee(),
            gas_limit: before.params().block.gas_limit,
            gas_used: 0,
            segments: 0,
            first_item: before.chain.next_item,
            items: 0,
            pre_state_root: before.tree.root(),
            post_state_root: B256::ZERO,
            receipts_root: B256::ZERO,
            market_root: B256::ZERO,
            validators_hash: validators,
            next_validators_hash: validators,
            parent_events_head: before.events_head,
        })
    }

    /// Applies an event and keeps it.
    pub(crate) fn emit(&mut self, event: Event) {
        self.state.apply_unchained(&event);
        self.events.push(event);
    }

    /// Invariants, roots, and the events in their final order.
    fn seal(mut self, mut header: BlockHeader, body: BlockBody) -> Result<Outcome, BlockFault> {
        let state = &mut self.state;
        state.seal_block();
        header.gas_used = self.gas_used;
        header.items = u32::try_from(state.chain.next_item.0 - header.first_item.0).unwrap_or(u32::MAX);
        header.segments = state.items.range(header.first_item..).map(|(_, item)| item.segments).sum();
        header.post_state_root = state.tree.root();
        header.receipts_root = self.receipts.root()?;
        header.market_root = state.market_root()?;
        state.record_header(header.hash());
        let sealed = Event::BlockSealed {
            height: header.height,
            state_root: header.post_state_root,
            market_root: header.market_root,
        };
        let decided = Event::BlockDecided { header: Box::new(header.clone()), body: Box::new(body.clone()) };
        let mut events = Vec::with_capacity(self.events.len() + 2);
        events.push(decided);
        events.append(&mut self.events);
        events.push(sealed);
        for event in &events {
            state.chain_event(event);
        }
        state.check_invariants()?;
        Ok(Outcome {
            block: Block { header, body },
            events,
            state: self.state,
            receipts: self.receipts,
            dropped: self.dropped,
        })
    }
}

impl State {
    /// What ends a block: the smoothed capacity moves, free slots are frozen for later draws,
    /// and what was finished long ago is forgotten.
    pub(crate) fn seal_block(&mut self) {
        let slots: u64 = self.plugins.iter().filter(|(_, p)| p.active).map(|(a, p)| u64::from(self.slots(a, p))).sum();
        let target = slots.saturating_mul(1_000);
        let window = u64::from(self.params().bounty.smoothing_blocks);
        let now = self.market.smoothed_slots_milli;
        // An exponential average; rounding away from the present value lets it arrive.
        self.market.smoothed_slots_milli =
            if target >= now { now + (target - now).div_ceil(window) } else { now - (now - target).div_ceil(window) };
        self.freeze_slots();
        self.prune();
    }

    /// Height of the last block.
    #[must_use]
    pub fn height(&self) -> Height {
        self.chain.height
    }
}
