//! Validators: their timers, their mail, their processes.

use std::sync::Arc;

use alloy_primitives::Bytes;
use crowdfold_events::{Block, Commit, Event};
use crowdfold_execution::decode_transaction;
use crowdfold_journal::JournalStore;

use super::{
    Happening, World,
    node::{Conduct, Node, Oracle},
};
use crate::{
    actors::ledger::LedgerCore,
    node::Snapshot,
    sim::{
        consensus::{Decision, Message, SingleProposer, Step},
        disk::{Death, Disk},
        faults::FaultKind,
        network::Peer,
    },
};

/// Decided blocks sent at once to a validator that is behind.
const PROVIDE: u64 = 16;
/// Pause before a validator's process is woken although nothing asks for it: certificates are shared again.
const SHARE_AGAIN_MS: u64 = 60_000;

impl World {
    /// Sends to one validator, as its conduct allows.
    fn mail(&mut self, from: usize, to: usize, message: Message) {
        if self.validators[from].conduct == Conduct::Silent {
            return self.counts.add(FaultKind::SilentValidator);
        }
        for at_ms in self.datagram(Peer::Validator(from), Peer::Validator(to)).into_iter().flatten() {
            self.queue.put(at_ms, Happening::Mail { from, to, message: Box::new(message.clone()) });
        }
    }

    pub(super) fn broadcast(&mut self, from: usize, message: &Message) {
        for to in (0..self.validators.len()).filter(|to| *to != from) {
            self.mail(from, to, message.clone());
        }
    }

    pub(super) fn mail_arrived(&mut self, from: usize, to: usize, message: Message) {
        let now_ms = self.now_ms;
        if self.validators[to].conduct == Conduct::Silent {
            return self.counts.add(FaultKind::SilentValidator);
        }
        let Some(node) = &mut self.validators[to].node else { return };
        match message {
            Message::Certificate { batch, signature } => {
                node.submitter.received(&node.ledger.snapshot().state, batch, signature);
                self.certify(to);
            }
            message => node.consensus.received(now_ms, from, message),
        }
        self.drive(to);
    }

    /// Does what a validator's consensus asks for, builds a block if one is due, and sets the next wakeup.
    pub(super) fn drive(&mut self, validator: usize) {
        loop {
            let Some(node) = &mut self.validators[validator].node else { return };
            let steps = node.consensus.steps();
            if steps.is_empty() && !self.build(validator) {
                break;
            }
            for step in steps {
                self.step(validator, step);
                if self.validators[validator].node.is_none() || self.failure.is_some() {
                    return;
                }
            }
        }
        self.wake_node(validator);
    }

    /// Sets a validator's next wakeup.
    pub(super) fn wake_node(&mut self, validator: usize) {
        let (now_ms, origin_ms) = (self.now_ms, self.origin.state.time_ms());
        let found = &mut self.validators[validator];
        let Some(node) = &found.node else { return };
        let mut wake = node.consensus.wakeup_ms();
        if node.consensus.may_propose()
            && let Some(due) = node.sequencer.due_ms()
        {
            wake = wake.min(due.saturating_sub(origin_ms));
        }
        let wake = wake.max(now_ms + 1);
        if wake < found.wake_ms {
            found.wake_ms = wake;
            let life = found.life;
            self.queue.put(wake, Happening::NodeWake { validator, life });
        }
    }

    pub(super) fn node_wake(&mut self, validator: usize, life: u32) {
        let now_ms = self.now_ms;
        let found = &mut self.validators[validator];
        if found.life != life {
            return;
        }
        found.wake_ms = u64::MAX;
        if let Some(node) = &mut found.node {
            node.consensus.tick(now_ms);
            if now_ms / SHARE_AGAIN_MS != node.shared_ms / SHARE_AGAIN_MS {
                node.shared_ms = now_ms;
                node.submitter.share_again();
                self.certify(validator);
            }
            self.drive(validator);
        }
    }

    /// Builds a block if this validator may and it is time; whether it did.
    fn build(&mut self, validator: usize) -> bool {
        let (now_ms, unix_ms) = (self.now_ms, self.unix_ms());
        let found = &mut self.validators[validator];
        let Some(node) = &mut found.node else { return false };
        if !node.consensus.may_propose() || node.sequencer.due_ms().is_none_or(|due| unix_ms < due) {
            return false;
        }
        let Some(input) = node.sequencer.build(unix_ms, found.signer.address()) else { return false };
        let oracle = Oracle { disk: &found.disk, verdicts: &node.verdicts };
        let proposed = match node.ledger.propose(input, &oracle) {
            Ok(proposed) => proposed,
            Err(fault) => {
                node.sequencer.failed(unix_ms);
                self.broken("proposal", validator, fault);
                return false;
            }
        };
        let hash = proposed.block.hash();
        let head = node.ledger.snapshot().state.events_head();
        if let Some(outcome) = node.ledger.outcome(&hash) {
            self.memo.keep_outcome(head, Arc::new(outcome.clone()));
        }
        let proofs = Node::proofs(&found.disk, &proposed.block.body.messages);
        node.dropped = Some((hash, proposed.dropped));
        node.consensus.proposed(now_ms, Arc::new(proposed.block), Arc::new(proofs));
        true
    }

    fn step(&mut self, validator: usize, step: Step) {
        match step {
            Step::Persist(log) => self.validators[validator].disk.write_log(log),
            Step::Send(to, message) => self.send(validator, to, message),
            Step::Broadcast(message) => {
                let is_proposal = matches!(message, Message::Propose(_));
                if is_proposal && self.validators[validator].conduct == Conduct::Equivocating {
                    self.equivocate(validator, &message);
                } else {
                    self.broadcast(validator, &message);
                }
            }
            Step::Execute(proposal) => {
                let found = &mut self.validators[validator];
                proposal.proofs.iter().for_each(|(hash, bytes)| found.disk.put_proof(*hash, bytes.clone()));
                let header = proposal.block.hash();
                let is_valid = self.execute(validator, &proposal.block);
                let now_ms = self.now_ms;
                if let Some(node) = &mut self.validators[validator].node {
                    node.consensus.executed(now_ms, header, is_valid);
                }
            }
            Step::Decide(decision) => self.commit(validator, &decision),
            Step::Provide { to, after } => self.provide(validator, to, after.0),
        }
    }

    /// Sends a vote or an answer, unless the validator's conduct forbids it.
    fn send(&mut self, validator: usize, to: usize, message: Message) {
        let conduct = self.validators[validator].conduct;
        if let Message::Vote { height, .. } = &message {
            match conduct {
                Conduct::Withholding => return self.counts.add(FaultKind::WithholdingValidator),
                Conduct::Equivocating => {
                    // A second vote of the same height, for a header that nobody proposed.
                    let header = self.seed.bytes("equivocation", height.0);
                    let genesis = self.genesis.hash;
                    let signer = &self.validators[validator].signer;
                    let other = crowdfold_kernel::commit::sign_commit(signer, &genesis, *height, header);
                    if let Some(vote) = other.signatures.into_iter().next() {
                        self.counts.add(FaultKind::EquivocatingValidator);
                        self.mail(validator, to, Message::Vote { height: *height, header, vote });
                    }
                }
                Conduct::Honest | Conduct::Silent => {}
            }
        }
        self.mail(validator, to, message);
    }

    /// Sends a second block of the same height to the last validator, the first to the others.
    fn equivocate(&mut self, validator: usize, message: &Message) {
        let unix_ms = self.unix_ms();
        let found = &mut self.validators[validator];
        let Some(node) = &mut found.node else { return };
        let commit = node.consensus.last_commit();
        let oracle = Oracle { disk: &found.disk, verdicts: &node.verdicts };
        let input = crowdfold_kernel::ProposalInput {
            time_ms: unix_ms.max(node.ledger.snapshot().state.time_ms() + 1_500),
            proposer: found.signer.address(),
            transactions: Vec::new(),
            messages: Vec::new(),
            last_commit: commit,
        };
        let Ok(other) = node.ledger.propose(input, &oracle) else { return self.broadcast(validator, message) };
        let (height, header) = (other.block.header.height, other.block.hash());
        let signed = crowdfold_kernel::commit::sign_commit(&found.signer, &self.genesis.hash, height, header);
        let Some(vote) = signed.signatures.into_iter().next() else { return };
        let second = crate::sim::consensus::Proposal { block: Arc::new(other.block), proofs: Arc::default(), vote };
        let victim = (0..self.validators.len()).rev().find(|to| *to != validator);
        self.counts.add(FaultKind::EquivocatingProposer);
        for to in (0..self.validators.len()).filter(|to| *to != validator) {
            let sent = if Some(to) == victim { Message::Propose(second.clone()) } else { message.clone() };
            self.mail(validator, to, sent);
        }
    }

    /// Sends decided blocks to a validator that is behind.
    fn provide(&mut self, validator: usize, to: usize, after: u64) {
        let Some(node) = &self.validators[validator].node else { return };
        let snapshot = node.ledger.snapshot().clone();
        let last = snapshot.height().0;
        let mut decisions = Vec::new();
        for height in after + 1..=last.min(after + PROVIDE) {
            let Some((block, commit)) = self.decided(validator, &snapshot, height) else { break };
            let proofs = Node::proofs(&self.validators[validator].disk, &block.body.messages);
            decisions.push(Decision { block: Arc::new(block), proofs: Arc::new(proofs), commit });
        }
        for decision in decisions {
            self.mail(validator, to, Message::Decided(decision));
        }
    }

    /// A decided block with its commit: from the block after it, or from consensus.
    fn decided(&self, validator: usize, snapshot: &Snapshot, height: u64) -> Option<(Block, Commit)> {
        let last = snapshot.height().0;
        let block = self.stored(validator, height)?;
        let commit = if height < last {
            self.stored(validator, height + 1)?.body.last_commit
        } else {
            self.validators[validator].node.as_ref()?.consensus.last_commit()
        };
        (commit.height.0 == height).then_some((block, commit))
    }

    /// A block from a validator's journal.
    fn stored(&self, validator: usize, height: u64) -> Option<Block> {
        let at = *self.block_events.get(&height)?;
        let stored = self.validators[validator].node.as_ref()?.ledger.events(at, 1).ok()?;
        match stored.first()?.decode().ok()? {
            Event::BlockDecided { header, body } => Some(Block { header: *header, body: *body }),
            _ => None,
        }
    }

    pub(super) fn transaction_arrived(&mut self, raw: Bytes) {
        let gateway = self.gateway();
        let chain_id = self.genesis.genesis.chain_id;
        let Some(node) = &mut self.validators[gateway].node else { return };
        let Ok(transaction) = decode_transaction(&raw, chain_id) else { return };
        let taken = node.sequencer.submit_transaction(transaction, raw);
        if let Ok(hash) = taken {
            for at_ms in self.datagram(Peer::Validator(gateway), Peer::Users).into_iter().flatten() {
                self.queue.put(at_ms, Happening::Taken { hash });
            }
        }
        self.wake_node(gateway);
    }

    /// A validator's process dies. It is started again unless it is up to the caller.
    pub(super) fn crash_validator(&mut self, validator: usize, death: Death, down_ms: u64) {
        let found = &mut self.validators[validator];
        if found.node.take().is_none() {
            return;
        }
        found.life += 1;
        found.wake_ms = u64::MAX;
        let remains = found.disk.die(death);
        found.lies = 0;
        if remains.is_torn {
            self.counts.add(FaultKind::TornWrite);
        }
        if remains.is_lost {
            self.counts.add(FaultKind::LyingDisk);
        }
        self.drop_connections(validator);
        self.queue.put(self.now_ms + down_ms, Happening::StartValidator { validator });
    }

    /// Starts a validator's process on its disk.
    pub(super) fn start_validator(&mut self, validator: usize) {
        if self.validators[validator].node.is_some() {
            return;
        }
        let (signer, disk) = (self.validators[validator].signer.clone(), self.validators[validator].disk.clone());
        let ledger = match self.open_ledger(&disk) {
            Ok(ledger) => ledger,
            Err(fault) => return self.broken("restart", validator, fault),
        };
        let state = &ledger.snapshot().state;
        let consensus =
            SingleProposer::new(validator, &self.genesis.genesis, signer.clone(), state, disk.log(), self.now_ms);
        let node = Node::new(signer, ledger, Box::new(consensus));
        let found = &mut self.validators[validator];
        found.node = Some(node);
        self.recovered(validator);
        self.drive(validator);
    }

    /// The ledger of a disk: from what is known of its head, now and then from its events.
    fn open_ledger(&mut self, disk: &Disk) -> Result<LedgerCore, String> {
        let journal = disk.open().map_err(|fault| fault.to_string())?;
        let head = journal.head().hash;
        let known = self.memo.snapshot(&head);
        let text = |fault: crate::actors::ledger::LedgerError| fault.to_string();
        match known {
            Some(snapshot) if self.is_fork || !self.memo.is_due() => {
                LedgerCore::resume(Box::new(journal), snapshot).map_err(text)
            }
            known => {
                let ledger = LedgerCore::open(&self.genesis.genesis, Box::new(journal)).map_err(text)?;
                match known {
                    Some(known) if known.state != ledger.snapshot().state => {
                        Err("replay gives another state than the node had".to_owned())
                    }
                    _ => Ok(ledger),
                }
            }
        }
    }
}
