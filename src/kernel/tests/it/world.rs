//! A chain with one validator, plugins, users and a proof oracle that believes declared proofs.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use crowdfold_config::{Allocation, DEMO, Genesis};
use crowdfold_events::{
    Address, B256, Block, Commit, Event, Message, MessageBody, SignedMessage, Signer, SigningDomain, TaskId,
};
use crowdfold_kernel::{
    AggregateNode, BlockFault, Dropped, Kernel, Outcome, ProofFault, ProofOracle, ProposalInput, State, Work, commit,
    model::TaskStatus,
};

use crowdfold_zk::statement::ItemStatement;

use super::transactions;

/// Believes exactly the proofs that were declared for their statement.
#[derive(Default)]
pub struct Oracle {
    pub items: RefCell<BTreeMap<B256, ItemStatement>>,
    pub nodes: RefCell<BTreeMap<B256, AggregateNode>>,
    pub asked: RefCell<u32>,
}

impl ProofOracle for Oracle {
    fn item(&self, statement: &ItemStatement, proof: B256) -> Result<(), ProofFault> {
        *self.asked.borrow_mut() += 1;
        match self.items.borrow().get(&proof) {
            None => Err(ProofFault::Missing),
            Some(proven) if proven == statement => Ok(()),
            Some(_) => Err(ProofFault::Rejected),
        }
    }

    fn aggregate(&self, node: &AggregateNode, proof: B256) -> Result<(), ProofFault> {
        *self.asked.borrow_mut() += 1;
        match self.nodes.borrow().get(&proof) {
            None => Err(ProofFault::Missing),
            Some(proven) if proven == node => Ok(()),
            Some(_) => Err(ProofFault::Rejected),
        }
    }
}

pub struct World {
    pub state: State,
    /// A second state that only ever applies events.
    pub replica: State,
    pub oracle: Oracle,
    pub validator: Signer,
    pub commit: Commit,
    pub log: Vec<Event>,
    pub blocks: Vec<Block>,
    pub last: Option<Outcome>,
    sequences: BTreeMap<Address, u64>,
    nonces: BTreeMap<Address, u64>,
    pub transactions: Vec<Vec<u8>>,
    pub messages: Vec<SignedMessage>,
    /// Plugins that do no work.
    pub lazy: BTreeSet<Address>,
}

pub fn signer(n: u8) -> Signer {
    let mut key = [0x11; 32];
    key[31] = n;
    Signer::from_bytes(&key).unwrap()
}

pub const VALIDATOR: u8 = 200;
pub const ALICE: u8 = 201;
pub const BOB: u8 = 202;

pub fn zkpow(text: &str) -> u128 {
    format!("{text} ZKPoW").parse::<crowdfold_config::Amount>().unwrap().units()
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Genesis)) -> Self {
        let mut genesis = Genesis::from_toml(DEMO).unwrap();
        genesis.validators[0].address = signer(VALIDATOR).address();
        genesis.params.plugins.initial_registration_work = 4;
        genesis.params.plugins.min_registration_work = 1;
        genesis.params.plugins.heartbeat_ttl = 30;
        genesis.params.proving.deadline_base = 10;
        genesis.params.proving.deadline_per_segment = 1;
        genesis.params.proving.inclusion_grace = 3;
        genesis.params.proving.open_after = 200;
        genesis.params.bounty.bump_interval = 5;
        genesis.params.batches.max_age = 5;
        genesis.params.settlement.interval = 20;
        genesis.allocations = [ALICE, BOB]
            .map(|n| Allocation { account: signer(n).address(), balance: "1000 ZKPoW".parse().unwrap() })
            .to_vec();
        genesis.allocations.sort_by_key(|a| a.account);
        change(&mut genesis);
        let (state, events) = Kernel::genesis(&genesis).unwrap();
        Self {
            replica: state.clone(),
            state,
            oracle: Oracle::default(),
            validator: signer(VALIDATOR),
            commit: Commit::default(),
            log: events,
            blocks: Vec::new(),
            last: None,
            sequences: BTreeMap::new(),
            nonces: BTreeMap::new(),
            transactions: Vec::new(),
            messages: Vec::new(),
            lazy: BTreeSet::new(),
        }
    }

    pub fn input(&self) -> ProposalInput {
        ProposalInput {
            time_ms: self.state.time_ms() + self.state.parameters().block.target_block_time_ms,
            proposer: self.validator.address(),
            transactions: self.transactions.clone(),
            messages: self.messages.clone(),
            last_commit: self.commit.clone(),
        }
    }

    /// Proposes, executes, replays and audits one block of what is queued.
    pub fn step(&mut self) -> &Outcome {
        let input = self.input();
        let outcome = Kernel::propose(&self.state, input, &self.oracle).unwrap();
        self.transactions.clear();
        self.messages.clear();
        self.nonces.clear();
        self.decide(outcome)
    }

    fn decide(&mut self, outcome: Outcome) -> &Outcome {
        let block = outcome.block.clone();
        let executed = Kernel::execute(&self.state, &block, &self.oracle).unwrap();
        assert_eq!(executed.events, outcome.events, "executing again gives the same events");
        assert_eq!(executed.state, outcome.state);
        for event in &outcome.events {
            self.replica.apply(event);
        }
        assert_eq!(self.replica, outcome.state, "replay gives the live state");
        assert_eq!(self.replica.hash().unwrap(), outcome.state.hash().unwrap());
        assert_eq!(self.replica.market_root().unwrap(), block.header.market_root);
        outcome.state.audit().unwrap();
        self.commit =
            commit::sign_commit(&self.validator, &self.state.genesis_hash(), block.header.height, block.header.hash());
        self.log.extend(outcome.events.iter().cloned());
        self.blocks.push(block);
        self.state = outcome.state.clone();
        self.last.insert(outcome)
    }

    pub fn steps(&mut self, n: u64) {
        for _ in 0..n {
            self.step();
        }
    }

    pub fn sign(&mut self, who: &Signer, body: MessageBody) -> SignedMessage {
        let sequence = self.sequences.entry(who.address()).or_default();
        *sequence += 1;
        let message = Message { sequence: *sequence, body };
        let digest = SigningDomain::new(self.state.genesis().chain_id, self.state.genesis_hash()).message(&message);
        SignedMessage { message, signature: who.sign(&digest) }
    }

    pub fn send(&mut self, who: &Signer, body: MessageBody) {
        let signed = self.sign(who, body);
        self.messages.push(signed);
    }

    pub fn transfer(&mut self, from: u8, to: Address, value: u128) -> B256 {
        self.transfer_with(from, to, value, &[], None)
    }

    pub fn transfer_with(&mut self, from: u8, to: Address, value: u128, data: &[u8], max_fee: Option<u128>) -> B256 {
        let from = transactions::wallet(from);
        let next = self.state.account_info(&from.address()).nonce;
        let nonce = self.nonces.entry(from.address()).or_insert(next);
        let max_fee = max_fee.unwrap_or_else(|| self.state.next_base_fee() * 2);
        let raw = transactions::transfer(&from, self.state.genesis().chain_id, *nonce, to, value, max_fee, data);
        *nonce += 1;
        let hash = alloy_primitives::keccak256(&raw);
        self.transactions.push(raw);
        hash
    }

    pub fn register_message(&mut self, who: &Signer) -> MessageBody {
        let (work, height, head) = self.state.registration_work();
        let chain = self.state.genesis().chain_id;
        let work_nonce = crowdfold_events::work::solve(chain, who.address(), head, work, 0, 1_000_000).unwrap();
        MessageBody::Register { work_height: height.0, work_nonce }
    }

    /// Declares a proof of a task by a worker, and returns its hash.
    pub fn prove(&self, task: TaskId, worker: Address) -> B256 {
        let work = self.state.work(task, worker).unwrap();
        let hash = alloy_primitives::keccak256(format!("{work:?}"));
        match work {
            Work::Item(statement) => drop(self.oracle.items.borrow_mut().insert(hash, statement)),
            Work::Aggregate(node) => drop(self.oracle.nodes.borrow_mut().insert(hash, node)),
        }
        hash
    }

    pub fn submit_body(&self, task: TaskId, worker: Address) -> MessageBody {
        let proof_hash = self.prove(task, worker);
        match self.state.work(task, worker).unwrap() {
            Work::Item(_) => MessageBody::SubmitProof { task, proof_hash },
            Work::Aggregate(_) => MessageBody::SubmitAggregate { task, proof_hash },
        }
    }

    pub fn submit(&mut self, task: TaskId, worker: &Signer) {
        let body = self.submit_body(task, worker.address());
        self.send(worker, body);
    }

    /// Registers and admits plugins 1..=n.
    pub fn admit(&mut self, n: u8) {
        self.step();
        for i in 1..=n {
            let who = signer(i);
            let body = self.register_message(&who);
            self.send(&who, body);
            self.step();
            let task = self.state.plugin(&who.address()).unwrap().admission;
            self.submit(task, &who);
            self.step();
            assert!(self.state.plugin(&who.address()).unwrap().active);
        }
    }

    pub fn heartbeat(&mut self, n: u8) {
        let who = signer(n);
        if self.state.plugin(&who.address()).is_some_and(|p| !p.suspended) {
            self.send(&who, MessageBody::Heartbeat);
        }
    }

    /// Everybody who is not lazy answers what it was assigned; all plugins beat their hearts; the validator certifies.
    pub fn work(&mut self, plugins: u8) {
        let assigned: Vec<(TaskId, Address)> = self
            .state
            .open_tasks()
            .filter_map(|(id, t)| match &t.status {
                TaskStatus::Assigned(a) => Some((id, a.plugin)),
                _ => None,
            })
            .collect();
        for i in 1..=plugins {
            let who = signer(i);
            if self.state.height().0 % 8 == 0 {
                self.heartbeat(i);
            }
            if self.lazy.contains(&who.address()) {
                continue;
            }
            for (task, _) in assigned.iter().filter(|(_, p)| *p == who.address()) {
                self.submit(*task, &who);
            }
        }
        self.certify();
    }

    pub fn certify(&mut self) {
        if let Some(batch) = self.state.certifiable() {
            let digest = self.state.certificate_digest(batch).unwrap();
            let who = self.validator.clone();
            let signatures = vec![crowdfold_events::CommitSignature {
                validator: who.address(),
                signature: who.sign(&digest).to_vec(),
            }];
            self.send(&who, MessageBody::CertifyBatch { batch, signatures });
        }
    }

    pub fn run(&mut self, plugins: u8, blocks: u64) {
        for _ in 0..blocks {
            self.work(plugins);
            self.step();
        }
    }

    pub fn events_of_last(&self) -> &[Event] {
        &self.last.as_ref().unwrap().events
    }

    pub fn dropped(&self) -> &[Dropped] {
        &self.last.as_ref().unwrap().dropped
    }

    /// Executes a block that a dishonest proposer changed.
    pub fn execute_changed(&self, change: impl FnOnce(&mut Block)) -> Result<Outcome, BlockFault> {
        let mut block = Kernel::propose(&self.state, self.input(), &self.oracle).unwrap().block;
        change(&mut block);
        Kernel::execute(&self.state, &block, &self.oracle)
    }
}
