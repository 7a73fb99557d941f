//! One validator proposes, more than two thirds of stake sign.
//!
//! ```text
//! proposer: Asking ─answers of a quorum─► Free ─proposed─► Collecting ─votes of a quorum─► decide
//! follower: proposal ─► execute ─► lock (durable) ─► vote;   decision ─► execute ─► decide
//! ```
//!
//! A follower votes once per height, and keeps what it voted for: a proposer
//! that has forgotten its proposal in a crash gets it back from those who are
//! locked on it, and takes it up again when without them no quorum is left.
//! So a height has one decision as long as less than a third of stake signs
//! twice. There is no change of proposer: while it is away, the chain stands.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::Bytes;
use crowdfold_config::Genesis;
use crowdfold_events::{Address, B256, Block, Commit, CommitSignature, Height, Signer, signing};
use crowdfold_kernel::{State, commit::commit_digest};

use super::{ConsensusCore, Decision, LogState, Message, Proposal, Step};

/// Pause before what may be lost is sent again.
const AGAIN_MS: u64 = 3_000;
/// Pause before a follower that hears nothing says where it is.
const QUIET_MS: u64 = 20_000;

/// See the module's header.
pub struct SingleProposer {
    own: usize,
    proposer: usize,
    validators: Vec<(Address, u128)>,
    genesis_hash: B256,
    signer: Signer,
    height: Height,
    log: LogState,
    /// The proposal that is being executed.
    executing: Option<(B256, After)>,
    votes: BTreeMap<Address, CommitSignature>,
    /// Locks on another proposal than the current one that came back, by validator.
    returned: BTreeMap<usize, Proposal>,
    /// Validators that have said that they have nothing later; only while a proposer starts.
    answers: Option<BTreeMap<usize, ()>>,
    wakeup_ms: u64,
    steps: Vec<Step>,
}

/// What to do with a block once it is executed.
#[derive(Clone, Debug)]
enum After {
    Vote(Proposal),
    Decide(Decision),
}

impl SingleProposer {
    /// Validator `own` of the genesis, whose first validator proposes, after
    /// `state`, with what its log kept.
    #[must_use]
    pub fn new(own: usize, genesis: &Genesis, signer: Signer, state: &State, log: LogState, now_ms: u64) -> Self {
        let validators = genesis.validators.iter().map(|v| (v.address, v.stake.units())).collect();
        let mut core = Self {
            own,
            proposer: 0,
            validators,
            genesis_hash: state.genesis_hash(),
            signer,
            height: state.height(),
            log,
            executing: None,
            votes: BTreeMap::new(),
            returned: BTreeMap::new(),
            answers: None,
            wakeup_ms: now_ms,
            steps: Vec::new(),
        };
        core.recover(now_ms);
        core
    }

    fn next(&self) -> Height {
        self.height.next()
    }

    fn is_proposer(&self) -> bool {
        self.own == self.proposer
    }

    /// Goes on from the log: a decision that the journal lacks is committed
    /// first, a lock is kept, anything older is forgotten.
    fn recover(&mut self, now_ms: u64) {
        let next = self.next();
        if self.log.lock.as_ref().is_some_and(|lock| lock.block.header.height != next) {
            self.log.lock = None;
        }
        self.answers = self.is_proposer().then(BTreeMap::new);
        match self.log.decision.clone() {
            Some(decision) if decision.block.header.height == next => self.decide(decision),
            _ => {
                self.ask();
                self.take_up();
            }
        }
        self.end_of_answers();
        self.wakeup_ms = now_ms + AGAIN_MS;
    }

    fn ask(&mut self) {
        if self.validators.len() > 1 {
            let (height, answer) = (self.height, true);
            self.steps.push(Step::Broadcast(Message::At { height, answer }));
        }
    }

    /// A proposer with a lock of its own proposes it again.
    fn take_up(&mut self) {
        if let (true, Some(lock)) = (self.is_proposer(), self.log.lock.clone()) {
            self.steps.push(Step::Execute(lock.clone()));
            self.executing = Some((lock.block.hash(), After::Vote(lock)));
        }
    }

    fn stake(&self, of: impl Fn(usize, &Address) -> bool) -> u128 {
        self.validators.iter().enumerate().filter(|(at, (a, _))| of(*at, a)).map(|(_, (_, stake))| *stake).sum()
    }

    fn is_quorum(&self, stake: u128) -> bool {
        let total = self.stake(|_, _| true);
        total - stake < total.div_ceil(3)
    }

    fn end_of_answers(&mut self) {
        let Some(answers) = &self.answers else { return };
        if self.is_quorum(self.stake(|at, _| at == self.own || answers.contains_key(&at))) {
            self.answers = None;
        }
    }

    fn vote(&self, height: Height, header: &B256) -> CommitSignature {
        let signature = self.signer.sign(&commit_digest(&self.genesis_hash, height, header)).to_vec();
        CommitSignature { validator: self.signer.address(), signature }
    }

    fn is_vote(&self, height: Height, header: &B256, vote: &CommitSignature) -> bool {
        let bytes: Result<&[u8; 65], _> = vote.signature.as_slice().try_into();
        let digest = commit_digest(&self.genesis_hash, height, header);
        bytes.is_ok_and(|bytes| signing::recover(&digest, bytes) == Ok(vote.validator))
    }

    /// A commit is checked as the next block's will be.
    fn certifies(&self, decision: &Decision) -> bool {
        let Decision { block, commit, .. } = decision;
        let (height, header) = (block.header.height, block.hash());
        let in_order = commit.signatures.is_sorted_by(|a, b| a.validator < b.validator);
        let all_good = commit.signatures.iter().all(|vote| self.is_vote(height, &header, vote));
        let signed = self.stake(|_, a| commit.signatures.iter().any(|vote| vote.validator == *a));
        commit.height == height && commit.header_hash == header && in_order && all_good && self.is_quorum(signed)
    }

    fn persist(&mut self) {
        self.steps.push(Step::Persist(self.log.clone()));
    }

    /// The block is good: this validator is locked on it.
    fn lock(&mut self, now_ms: u64, mut proposal: Proposal) {
        let (height, header) = (proposal.block.header.height, proposal.block.hash());
        let vote = self.vote(height, &header);
        if self.is_proposer() {
            proposal.vote = vote.clone();
        }
        self.log.lock = Some(proposal.clone());
        self.persist();
        if self.is_proposer() {
            self.votes.clear();
            self.votes.insert(vote.validator, vote);
            self.steps.push(Step::Broadcast(Message::Propose(proposal)));
            self.wakeup_ms = now_ms + AGAIN_MS;
            self.count();
        } else {
            self.steps.push(Step::Send(self.proposer, Message::Vote { height, header, vote }));
        }
    }

    /// Decides when a quorum has voted.
    fn count(&mut self) {
        let Some(lock) = self.log.lock.clone() else { return };
        if !self.is_quorum(self.stake(|_, a| self.votes.contains_key(a))) {
            return;
        }
        let signatures = self.votes.values().cloned().collect();
        let commit = Commit { height: lock.block.header.height, header_hash: lock.block.hash(), signatures };
        let decision = Decision { block: lock.block, proofs: lock.proofs, commit };
        self.decide(decision.clone());
        self.steps.push(Step::Broadcast(Message::Decided(decision)));
    }

    /// Has a decision executed and committed; it is in the log before.
    fn decide(&mut self, decision: Decision) {
        let header = decision.block.hash();
        let (block, proofs) = (decision.block.clone(), decision.proofs.clone());
        let vote = decision.commit.signatures.first().cloned();
        let Some(vote) = vote else { return };
        self.log.decision = Some(decision.clone());
        self.persist();
        self.executing = Some((header, After::Decide(decision)));
        self.steps.push(Step::Execute(Proposal { block, proofs, vote }));
    }

    fn proposal(&mut self, from: usize, proposal: Proposal) {
        let (height, header) = (proposal.block.header.height, proposal.block.hash());
        let by_proposer = self.validators.get(self.proposer).is_some_and(|(a, _)| *a == proposal.vote.validator);
        if height <= self.height {
            return self.steps.push(Step::Provide { to: from, after: Height(height.0.saturating_sub(1)) });
        }
        if height > self.next() {
            let (height, answer) = (self.height, false);
            return self.steps.push(Step::Send(from, Message::At { height, answer }));
        }
        if !by_proposer || !self.is_vote(height, &header, &proposal.vote) {
            return;
        }
        if self.is_proposer() {
            return self.came_back(from, proposal);
        }
        match &self.log.lock {
            Some(lock) if lock.block.hash() == header => {
                let vote = self.vote(height, &header);
                self.steps.push(Step::Send(from, Message::Vote { height, header, vote }));
            }
            // It has voted already: the proposer may have forgotten.
            Some(lock) => self.steps.push(Step::Send(from, Message::Propose(lock.clone()))),
            None if self.executing.is_some() => {}
            None => {
                self.executing = Some((header, After::Vote(proposal.clone())));
                self.steps.push(Step::Execute(proposal));
            }
        }
    }

    /// A lock on a proposal of ours came back. It is taken up when without
    /// those who are locked on it there is no quorum for another.
    fn came_back(&mut self, from: usize, proposal: Proposal) {
        let header = proposal.block.hash();
        if self.executing.is_some() || self.log.lock.as_ref().is_some_and(|lock| lock.block.hash() == header) {
            return;
        }
        self.returned.insert(from, proposal.clone());
        let returned = &self.returned;
        let locked = self.stake(|at, _| returned.get(&at).is_some_and(|p| p.block.hash() == header));
        if self.log.lock.is_some() && self.is_quorum(self.stake(|_, _| true) - locked) {
            return;
        }
        self.returned.clear();
        self.executing = Some((header, After::Vote(proposal.clone())));
        self.steps.push(Step::Execute(proposal));
    }

    fn decision(&mut self, from: usize, decision: Decision) {
        let height = decision.block.header.height;
        let is_executing = matches!(&self.executing, Some((_, After::Decide(_))));
        if height > self.next() {
            let (height, answer) = (self.height, false);
            return self.steps.push(Step::Send(from, Message::At { height, answer }));
        }
        if height < self.next() || is_executing || !self.certifies(&decision) {
            return;
        }
        self.decide(decision);
    }
}

impl ConsensusCore for SingleProposer {
    fn may_propose(&self) -> bool {
        let is_free = self.log.lock.is_none() && self.executing.is_none() && self.answers.is_none();
        let has_commit = self.height == Height(0) || self.last_commit().height == self.height;
        self.is_proposer() && is_free && has_commit
    }

    fn last_commit(&self) -> Commit {
        self.log.decision.as_ref().map(|decision| decision.commit.clone()).unwrap_or_default()
    }

    fn wakeup_ms(&self) -> u64 {
        self.wakeup_ms
    }

    fn tick(&mut self, now_ms: u64) {
        if now_ms < self.wakeup_ms {
            return;
        }
        self.wakeup_ms = now_ms + if self.is_proposer() { AGAIN_MS } else { QUIET_MS };
        let (height, answer) = (self.height, self.answers.is_some());
        match self.log.lock.clone() {
            _ if self.executing.is_some() => {}
            Some(lock) if self.is_proposer() => self.steps.push(Step::Broadcast(Message::Propose(lock))),
            _ if self.is_proposer() && !answer => {}
            _ => self.steps.push(Step::Broadcast(Message::At { height, answer })),
        }
    }

    fn proposed(&mut self, now_ms: u64, block: Arc<Block>, proofs: Arc<Vec<(B256, Bytes)>>) {
        if self.may_propose() && block.header.height == self.next() {
            let vote = self.vote(block.header.height, &block.hash());
            self.lock(now_ms, Proposal { block, proofs, vote });
        }
    }

    fn received(&mut self, now_ms: u64, from: usize, message: Message) {
        if !self.is_proposer() {
            self.wakeup_ms = now_ms + QUIET_MS;
        }
        match message {
            Message::Propose(proposal) => self.proposal(from, proposal),
            Message::Vote { height, header, vote } => {
                let is_ours = self.log.lock.as_ref().is_some_and(|lock| lock.block.hash() == header);
                let is_known = self.validators.get(from).is_some_and(|(a, _)| *a == vote.validator);
                let is_new = height == self.next() && is_ours && !self.votes.contains_key(&vote.validator);
                if is_new && is_known && self.executing.is_none() && self.is_vote(height, &header, &vote) {
                    self.votes.insert(vote.validator, vote);
                    self.count();
                }
            }
            Message::Decided(decision) => self.decision(from, decision),
            Message::At { height, answer } => {
                if height < self.height {
                    self.steps.push(Step::Provide { to: from, after: height });
                } else if answer {
                    let (height, answer) = (self.height, false);
                    self.steps.push(Step::Send(from, Message::At { height, answer }));
                }
                if height <= self.height
                    && let Some(answers) = &mut self.answers
                {
                    answers.insert(from, ());
                    self.end_of_answers();
                } else if height > self.height {
                    let (height, answer) = (self.height, false);
                    self.steps.push(Step::Send(from, Message::At { height, answer }));
                }
            }
            Message::Certificate { .. } => {}
        }
    }

    fn executed(&mut self, now_ms: u64, header: B256, is_valid: bool) {
        let Some((executing, after)) = self.executing.take() else { return };
        if executing != header {
            self.executing = Some((executing, after));
            return;
        }
        match after {
            After::Vote(proposal) if is_valid => self.lock(now_ms, proposal),
            After::Decide(decision) if is_valid => {
                self.executing = Some((header, After::Decide(decision.clone())));
                self.steps.push(Step::Decide(decision));
            }
            _ => {}
        }
    }

    fn committed(&mut self, now_ms: u64, state: &State) {
        self.height = state.height();
        self.executing = None;
        self.log.lock = None;
        self.votes.clear();
        self.returned.clear();
        self.wakeup_ms = now_ms + if self.is_proposer() { AGAIN_MS } else { QUIET_MS };
        if self.is_proposer() && self.answers.is_some() {
            self.ask();
        }
    }

    fn steps(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.steps)
    }
}
