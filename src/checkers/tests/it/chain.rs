//! Random chains from one seed: users, plugins of changing moods, one validator, no node.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use alloy_primitives::{B256, Bytes, keccak256};
use crowdfold_checkers::{Checkers, Violation};
use crowdfold_config::{Allocation, DEMO, Genesis};
use crowdfold_events::{
    Address, Commit, CommitSignature, Event, Message, MessageBody, SignedMessage, Signer, SigningDomain, TaskId, work,
};
use crowdfold_execution::{
    TransactionKind,
    gas::transfer_gas,
    wallet::{Transfer, Wallet},
};
use crowdfold_kernel::{
    AggregateNode, BlockFault, Kernel, ProofFault, ProofOracle, ProposalInput, REPAY, State, commit, model::TaskStatus,
};

/// Believes proofs that were declared for their task and worker.
#[derive(Default)]
pub(crate) struct Oracle(RefCell<BTreeMap<B256, (u64, Address)>>);

impl Oracle {
    fn declare(&self, task: TaskId, worker: Address) -> B256 {
        let proof = keccak256([task.0.to_be_bytes().as_slice(), worker.as_slice()].concat());
        self.0.borrow_mut().insert(proof, (task.0, worker));
        proof
    }

    fn verdict(&self, proof: B256, task: u64, worker: Address) -> Result<(), ProofFault> {
        match self.0.borrow().get(&proof) {
            None => Err(ProofFault::Missing),
            Some(declared) if *declared == (task, worker) => Ok(()),
            Some(_) => Err(ProofFault::Rejected),
        }
    }
}

impl ProofOracle for Oracle {
    fn item(&self, s: &crowdfold_zk::statement::ItemStatement, proof: B256) -> Result<(), ProofFault> {
        self.verdict(proof, s.task, Address::from(s.worker))
    }

    fn aggregate(&self, node: &AggregateNode, proof: B256) -> Result<(), ProofFault> {
        self.verdict(proof, node.task.0, node.worker)
    }
}

/// What stopped a chain.
#[derive(Debug)]
pub(crate) enum Finding {
    /// The kernel's own checks.
    Kernel(String),
    /// Live and replayed state differ.
    Replay,
    /// The independent checkers.
    Checkers(Vec<Violation>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Honest,
    Lazy,
    HandsBack,
    Silent,
    Thief,
}

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

pub(crate) struct Chain {
    pub(crate) state: State,
    pub(crate) checkers: Checkers,
    pub(crate) events: u64,
    /// The blocks so far.
    pub(crate) log: Vec<Vec<Event>>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    replica: State,
    oracle: Oracle,
    validator: Signer,
    commit: Commit,
    users: Vec<Wallet>,
    plugins: Vec<(Signer, Mood)>,
    sequences: BTreeMap<Address, u64>,
    sent: Vec<SignedMessage>,
    messages: Vec<SignedMessage>,
    transactions: Vec<Vec<u8>>,
    rng: Random,
    /// Does without the kernel's own checks.
    blind: bool,
}

fn key(n: u8) -> [u8; 32] {
    let mut key = [0x11; 32];
    key[31] = n;
    key
}

const PLUGINS: u8 = 6;

pub(crate) fn genesis(rng: &mut Random) -> Genesis {
    let mut g = Genesis::from_toml(DEMO).unwrap();
    g.validators[0].address = Signer::from_bytes(&key(200)).unwrap().address();
    let p = &mut g.params;
    p.plugins.initial_registration_work = 4;
    p.plugins.min_registration_work = 1;
    p.plugins.registrations_per_epoch = 1;
    p.plugins.heartbeat_ttl = 12 + rng.below(20);
    p.proving.draw_lag = 2 + rng.below(2);
    p.proving.deadline_base = 10;
    p.proving.deadline_per_segment = 1;
    p.proving.inclusion_grace = 3;
    p.proving.quarantine_attempts = 2 + rng.below(2) as u32;
    p.proving.open_after = 70;
    p.proving.timeout_penalty = "0.048 ZKPoW".parse().unwrap();
    p.proving.max_debt = "0.1 ZKPoW".parse().unwrap();
    p.bounty.max_base = "0.016 ZKPoW".parse().unwrap();
    p.bounty.bump_interval = 5;
    p.bounty.target_slots = 8;
    p.batches.max_age = 5 + rng.below(20);
    p.batches.max_segments = 16 + 8 * rng.below(2) as u32;
    p.batches.aggregation_arity = 2 + rng.below(3) as u32;
    p.settlement.min_payout = "0.001 ZKPoW".parse().unwrap();
    p.settlement.withdraw_fee = "0.002 ZKPoW".parse().unwrap();
    p.settlement.max_entries = 4 + rng.below(3) as u32;
    p.settlement.interval = 7;
    p.epoch.length = 40;
    p.epoch.issuance_allowance = "0.04 ZKPoW".parse().unwrap();
    p.trust.valid_per_slot = 2;
    p.fees.segments_target = 4;
    p.fees.backlog_target = 40;
    p.block.max_unproven_segments = 120;
    p.block.max_messages_per_sender = 4;
    let user = |i: u8| Allocation {
        account: Wallet::derive("checkers", i.into()).address(),
        balance: "1000 ZKPoW".parse().unwrap(),
    };
    g.allocations = (0..4).map(user).collect();
    // A plugin that has money, so that debts and balances meet.
    let address = Signer::from_bytes(&key(1)).unwrap().address();
    g.allocations.push(Allocation { account: address, balance: "1 ZKPoW".parse().unwrap() });
    g.allocations.sort_by_key(|a| a.account);
    g
}

impl Chain {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Random(seed);
        let genesis = genesis(&mut rng);
        let (state, events) = Kernel::genesis(&genesis).unwrap();
        let mut checkers = Checkers::new(&genesis).unwrap();
        assert_eq!(checkers.genesis(&events), []);
        let mut plugins: Vec<_> = (1..=PLUGINS).map(|n| (Signer::from_bytes(&key(n)).unwrap(), Mood::Honest)).collect();
        if seed % 4 == 3 {
            // The proposer also proves.
            plugins.push((Signer::from_bytes(&key(200)).unwrap(), Mood::Lazy));
        }
        Self {
            replica: state.clone(),
            state,
            checkers,
            events: 1,
            log: Vec::new(),
            counts: BTreeMap::new(),
            oracle: Oracle::default(),
            validator: Signer::from_bytes(&key(200)).unwrap(),
            commit: Commit::default(),
            users: (0..4).map(|i| Wallet::derive("checkers", i)).collect(),
            plugins,
            sequences: BTreeMap::new(),
            sent: Vec::new(),
            messages: Vec::new(),
            transactions: Vec::new(),
            rng,
            blind: false,
        }
    }

    /// The same chain without the kernel's own checks.
    pub(crate) fn blind(mut self) -> Self {
        self.blind = true;
        self
    }

    /// Runs until something is found or the blocks are over.
    pub(crate) fn run(&mut self, blocks: u64) -> Result<(), Finding> {
        for _ in 0..blocks {
            self.act();
            self.step()?;
        }
        self.compare()
    }

    fn compare(&self) -> Result<(), Finding> {
        let found = self.checkers.compare(&self.state);
        if found.is_empty() { Ok(()) } else { Err(Finding::Checkers(found)) }
    }

    fn step(&mut self) -> Result<(), Finding> {
        let wait = self.state.parameters().block.min_block_time_ms + self.rng.below(900);
        let input = ProposalInput {
            time_ms: self.state.time_ms() + wait,
            proposer: self.validator.address(),
            transactions: std::mem::take(&mut self.transactions),
            messages: std::mem::take(&mut self.messages),
            last_commit: self.commit.clone(),
        };
        let fault = |fault: BlockFault| Finding::Kernel(fault.to_string());
        // A proposer in a hurry.
        let early = ProposalInput { time_ms: self.state.time_ms(), ..input.clone() };
        let outcome = match self.rng.one_in(20).then(|| Kernel::propose(&self.state, early, &self.oracle)) {
            Some(Ok(outcome)) => outcome,
            _ => Kernel::propose(&self.state, input, &self.oracle).map_err(fault)?,
        };
        let found = self.checkers.block(&outcome.events);
        if !found.is_empty() {
            return Err(Finding::Checkers(found));
        }
        Kernel::execute(&self.state, &outcome.block, &self.oracle).map_err(fault)?;
        for event in &outcome.events {
            self.replica.apply(event);
            *self.counts.entry(crowdfold_checkers::kind(event)).or_default() += 1;
        }
        if self.replica != outcome.state {
            return Err(Finding::Replay);
        }
        if !self.blind {
            outcome.state.audit().map_err(|f| Finding::Kernel(f.to_string()))?;
        }
        let header = &outcome.block.header;
        self.commit = commit::sign_commit(&self.validator, &self.state.genesis_hash(), header.height, header.hash());
        self.events += outcome.events.len() as u64;
        self.log.push(outcome.events);
        self.state = outcome.state;
        let sums = self.checkers.compare_sums(&self.state);
        if !sums.is_empty() {
            return Err(Finding::Checkers(sums));
        }
        if self.state.height().0 % 8 == 0 { self.compare() } else { Ok(()) }
    }

    fn send(&mut self, who: &Signer, body: MessageBody) {
        let sequence = self.sequences.entry(who.address()).or_default();
        *sequence += 1 + self.rng.below(3) / 2;
        let message = Message { sequence: *sequence, body };
        let digest = SigningDomain::new(self.state.genesis().chain_id, self.state.genesis_hash()).message(&message);
        let signed = SignedMessage { message, signature: who.sign(&digest) };
        self.sent.push(signed.clone());
        self.messages.push(signed);
    }

    fn act(&mut self) {
        self.moods();
        self.transfers();
        for n in 0..self.plugins.len() {
            let (who, mood) = self.plugins[n].clone();
            self.plugin(&who, mood);
        }
        self.certify();
        if self.rng.one_in(6) && !self.sent.is_empty() {
            let again = self.rng.below(self.sent.len() as u64) as usize;
            self.messages.push(self.sent[again].clone());
        }
    }

    /// The crowd's mood changes as a whole now and then, single ones more often.
    fn moods(&mut self) {
        use Mood::*;
        if self.state.height().0 % 80 == 0 {
            let all = [Honest, Honest, Lazy, Silent][self.rng.below(4) as usize];
            self.plugins.iter_mut().for_each(|(_, mood)| *mood = all);
        }
        if self.rng.one_in(8) {
            let n = self.rng.below(self.plugins.len() as u64) as usize;
            self.plugins[n].1 = [Honest, Honest, Honest, Lazy, HandsBack, Silent, Thief][self.rng.below(7) as usize];
        }
    }

    fn transfers(&mut self) {
        let mut nonces = BTreeMap::new();
        for _ in 0..self.rng.below(4) {
            let user = self.users[self.rng.below(4) as usize].clone();
            let debtor = self.plugins[self.rng.below(PLUGINS.into()) as usize].0.address();
            let debt = self.state.account_info(&debtor).debt.0;
            let (to, value, data) = match self.rng.below(8) {
                0 if debt > 0 => (REPAY, debt / 2 + 1, debtor.to_vec()),
                1 if debt > 0 => (REPAY, debt, debtor.to_vec()),
                2 => (user.address(), 5, Vec::new()),
                3 => (debtor, u128::from(self.rng.below(1_000)), Vec::new()),
                4 => (crowdfold_kernel::ESCROW, 7, Vec::new()),
                5 => (debtor, 0, Vec::new()),
                _ => (Address::left_padding_from(&[self.rng.below(200) as u8 + 10]), 1_000, Vec::new()),
            };
            let next = self.state.account_info(&user.address()).nonce;
            let nonce = nonces.entry(user.address()).or_insert(next);
            let transfer = Transfer {
                kind: TransactionKind::Eip1559,
                chain_id: self.state.genesis().chain_id,
                nonce: *nonce,
                to,
                value,
                gas_limit: transfer_gas(&data),
                max_fee: self.state.next_base_fee() * 2,
                max_priority_fee: self.rng.below(3).into(),
                data: Bytes::from(data),
            };
            *nonce += 1;
            self.transactions.push(user.sign(&transfer));
        }
        // The plugin that has money of its own spends it, whatever it owes.
        if self.rng.one_in(20) {
            let own = Wallet::from_key(B256::from(key(1))).unwrap();
            let info = self.state.account_info(&own.address());
            let max_fee = self.state.next_base_fee();
            let keep = max_fee * u128::from(transfer_gas(&[]));
            let transfer = Transfer {
                kind: TransactionKind::Eip1559,
                chain_id: self.state.genesis().chain_id,
                nonce: info.nonce,
                to: self.users[0].address(),
                value: info.balance.0.saturating_sub(keep),
                gas_limit: transfer_gas(&[]),
                max_fee,
                max_priority_fee: 0,
                data: Bytes::new(),
            };
            self.transactions.push(own.sign(&transfer));
        }
    }

    fn plugin(&mut self, who: &Signer, mood: Mood) {
        let address = who.address();
        let Some(plugin) = self.state.plugin(&address).cloned() else {
            if self.rng.one_in(4) {
                let (expected, height, head) = self.state.registration_work();
                let chain = self.state.genesis().chain_id;
                let found = work::solve(chain, address, head, expected, 0, 100_000);
                let Some(work_nonce) = found.filter(|_| height.0 > 0) else { return };
                let work_nonce = work_nonce + self.rng.below(5) / 4;
                self.send(who, MessageBody::Register { work_height: height.0, work_nonce });
            }
            return;
        };
        if plugin.index.is_none() {
            if mood != Mood::Silent && self.rng.one_in(3) {
                self.submit(plugin.admission, who);
            }
            return;
        }
        if mood == Mood::Silent {
            return;
        }
        let beat = self.state.height().0 % 7 == u64::from(address.0[19] % 7);
        if beat {
            self.send(who, MessageBody::Heartbeat);
        }
        if self.rng.one_in(90) {
            self.send(who, MessageBody::GoInactive);
        }
        if self.rng.one_in(25) {
            self.send(who, MessageBody::Withdraw);
        }
        if mood == Mood::Thief && self.rng.one_in(2) {
            let other = self.state.open_tasks().map(|(id, _)| id).nth(self.rng.below(4) as usize);
            if let Some(task) = other {
                self.submit(task, who);
            }
        }
        let open: BTreeSet<TaskId> = plugin.open.iter().copied().collect();
        for task in open {
            match mood {
                Mood::Honest if self.rng.below(5) < 2 => self.submit(task, who),
                Mood::HandsBack if self.rng.one_in(5) => self.send(who, MessageBody::HandBack { task }),
                _ => {}
            }
        }
        if mood == Mood::Honest && self.rng.one_in(3) {
            let quarantined = |t: &crowdfold_kernel::model::Task| matches!(t.status, TaskStatus::Quarantined { .. });
            let first = self.state.open_tasks().find(|(_, t)| quarantined(t)).map(|(id, _)| id);
            if let Some(task) = first {
                self.submit(task, who);
            }
        }
    }

    fn submit(&mut self, task: TaskId, who: &Signer) {
        use crowdfold_events::event::TaskKind;
        let proof_hash = self.oracle.declare(task, who.address());
        let aggregate = self.state.task(task).is_some_and(|t| matches!(t.kind, TaskKind::Aggregate { .. }));
        let body = match aggregate {
            true => MessageBody::SubmitAggregate { task, proof_hash },
            false => MessageBody::SubmitProof { task, proof_hash },
        };
        self.send(who, body);
    }

    fn certify(&mut self) {
        let Some(batch) = self.state.certifiable() else { return };
        if self.rng.one_in(3) {
            return;
        }
        let digest = self.state.certificate_digest(batch).unwrap();
        let validator = self.validator.clone();
        let signature = validator.sign(&digest).to_vec();
        let signatures = vec![CommitSignature { validator: validator.address(), signature }];
        self.send(&validator, MessageBody::CertifyBatch { batch, signatures });
    }
}
