//! Executing and committing blocks, and who is told.

use std::sync::Arc;

use alloy_primitives::{B256, keccak256};
use crowdfold_events::{Block, Commit, Event, EventSeq, Height};
use crowdfold_journal::AppendFault;

use super::{
    Happening, World,
    node::{Conduct, Oracle},
};
use crate::{
    actors::{ledger::LedgerError, submitter},
    node::{Committed as Durable, Snapshot},
    sim::{
        consensus::{Decision, Message},
        disk::Death,
        faults::FaultKind,
        network::Peer,
        observe::{Committed, End, ValidatorEnd},
    },
};

/// Time until a validator whose disk failed is started again.
const DISK_DOWN_MS: u64 = 15_000;

impl World {
    /// Executes a block on a validator's last one; whether it is valid.
    pub(super) fn execute(&mut self, validator: usize, block: &Block) -> bool {
        let hash = block.hash();
        let found = &mut self.validators[validator];
        let Some(node) = &mut found.node else { return false };
        if node.ledger.outcome(&hash).is_some() {
            return true;
        }
        let head = node.ledger.snapshot().state.events_head();
        let known = self.memo.outcome(head, hash);
        if let Some(outcome) = &known
            && !self.memo.is_due()
            && node.ledger.adopt(outcome.as_ref().clone())
        {
            return true;
        }
        let oracle = Oracle { disk: &found.disk, verdicts: &node.verdicts };
        if let Err(fault) = node.ledger.execute(block, &oracle) {
            self.broken("execution", validator, fault);
            return false;
        }
        let Some(outcome) = node.ledger.outcome(&hash) else { return false };
        match known {
            Some(known) if known.events != outcome.events || known.state != outcome.state => {
                self.broken("execution", validator, "executing a block again gives something else");
                return false;
            }
            Some(_) => {}
            None => self.memo.keep_outcome(head, Arc::new(outcome.clone())),
        }
        true
    }

    /// Makes a decided block durable, then tells everybody inside.
    pub(super) fn commit(&mut self, validator: usize, decision: &Decision) {
        let (now_ms, hash) = (self.now_ms, decision.block.hash());
        let found = &mut self.validators[validator];
        let armed = if found.lies > 0 {
            found.lies -= 1;
            Some((AppendFault::Lie, FaultKind::LyingDisk))
        } else {
            found.armed.take()
        };
        let Some(node) = &mut found.node else { return };
        if let Some((fault, _)) = armed {
            found.disk.arm(fault);
        }
        let before = node.ledger.snapshot().clone();
        let committed = match node.ledger.commit(&hash) {
            Ok(committed) => committed,
            Err(LedgerError::Journal(crowdfold_journal::JournalError::Io { .. })) => {
                return match armed {
                    Some((_, FaultKind::TornWrite)) => {
                        let kept = self.fates.kept();
                        self.crash_validator(validator, Death::Power { kept }, DISK_DOWN_MS);
                    }
                    _ => {
                        self.counts.add(FaultKind::FailedSync);
                        self.crash_validator(validator, Death::Process, DISK_DOWN_MS);
                    }
                };
            }
            Err(fault) => return self.broken("commit", validator, fault),
        };
        found.disk.appended();
        let state = &committed.snapshot.state;
        node.consensus.committed(now_ms, state);
        let dropped = match node.dropped.take() {
            Some((of, dropped)) if of == hash => dropped,
            _ => Vec::new(),
        };
        node.sequencer.committed(committed.snapshot.clone(), decision.commit.clone(), &dropped);
        let acts = node.assigner.committed(&committed);
        self.memo.keep_snapshot(committed.snapshot.clone());

        let height = committed.snapshot.height();
        let is_first = height > self.tip;
        self.seen(validator, &before, &committed, &decision.commit);
        self.assign(validator, acts);
        self.certify(validator);
        if is_first {
            self.scheme(height);
        }
        if validator == self.gateway() {
            let wants_more = self.healed_at.is_none();
            let sending = self.users.block(now_ms, &committed.snapshot.state, wants_more);
            for sent in sending {
                for at_ms in self.datagram(Peer::Users, Peer::Validator(validator)).into_iter().flatten() {
                    self.queue.put(at_ms + sent.in_ms, Happening::Transaction { raw: sent.raw.clone() });
                }
            }
        }
        if self.validators[validator].lies == 0 && self.validators[validator].disk.has_lied() {
            // The power goes when the disk has lied for a while.
            self.crash_validator(validator, Death::Power { kept: 0 }, DISK_DOWN_MS);
        }
    }

    /// Shows the checkers a block that a validator has committed.
    fn seen(&mut self, validator: usize, before: &Snapshot, committed: &Durable, commit: &Commit) {
        let now_ms = self.now_ms;
        let height = committed.snapshot.height();
        let is_first = height > self.tip;
        if is_first {
            self.tip = height;
            self.block_events.insert(height.0, EventSeq(before.event_count()));
            self.sum(&committed.events);
            self.earnings.block(&committed.events, &committed.snapshot.state);
        }
        self.validators[validator].seen = committed.snapshot.clone();
        let seen = Committed {
            validator,
            now_ms,
            is_first,
            before: &before.state,
            block: &committed.block,
            commit,
            events: &committed.events,
            after: &committed.snapshot.state,
        };
        for checker in &mut self.checkers {
            if let Err(violation) = checker.committed(&seen) {
                self.failure.get_or_insert(violation);
            }
        }
    }

    /// A validator starts again. A block whose append failed and that is in the journal all the
    /// same is committed: the checkers see it now. Blocks that are lost will be seen again.
    pub(super) fn recovered(&mut self, validator: usize) {
        let found = &self.validators[validator];
        let (before, Some(node)) = (found.seen.clone(), &found.node) else { return };
        let (after, commit) = (node.ledger.snapshot().clone(), found.disk.log().decision.map(|d| d.commit));
        if after.height() <= before.height() {
            self.validators[validator].seen = after;
            return;
        }
        let outcome = self.memo.outcome(before.state.events_head(), after.state.head());
        let (Some(outcome), Some(commit)) = (outcome, commit) else {
            return self.broken("restart", validator, "the journal has more than was decided");
        };
        let (block, events) = (Arc::new(outcome.block.clone()), Arc::new(outcome.events.clone()));
        self.seen(validator, &before, &Durable { block, events, snapshot: after }, &commit);
    }

    fn sum(&mut self, events: &[Event]) {
        self.sums.events += events.len() as u64;
        for event in events {
            match event {
                Event::TransactionExecuted { .. } => self.sums.transactions += 1,
                Event::ProofAccepted { .. } => self.sums.proofs += 1,
                Event::AggregateAccepted { .. } => self.sums.aggregates += 1,
                Event::PenaltyCharged { .. } => self.sums.penalties += 1,
                Event::BatchCertified { .. } => self.sums.batches += 1,
                Event::MessageAccepted { .. } | Event::MessageRefused { .. } => self.sums.messages += 1,
                _ => {}
            }
        }
    }

    /// Does what a validator's submitter asks for.
    pub(super) fn certify(&mut self, validator: usize) {
        let found = &mut self.validators[validator];
        let Some(node) = &mut found.node else { return };
        let acts = node.submitter.step(&node.ledger.snapshot().state);
        for act in acts {
            match act {
                submitter::Act::Share { batch, signature } => {
                    if self.validators[validator].conduct == Conduct::Withholding {
                        self.counts.add(FaultKind::WithholdingValidator);
                        continue;
                    }
                    let message = Message::Certificate { batch, signature };
                    self.broadcast(validator, &message);
                }
                submitter::Act::Submit { batch, digest, message } => {
                    if validator != self.gateway() {
                        continue;
                    }
                    let own = self.validators[validator].signer.address();
                    if let Some(node) = &mut self.validators[validator].node
                        && node.sequencer.submit_message(own, digest, message).is_err()
                    {
                        node.submitter.refused(batch);
                    }
                }
            }
        }
    }

    /// Whether nothing is left to do: everybody is up and agrees, all transactions are in
    /// blocks, proven and certified.
    pub(super) fn is_at_rest(&self) -> bool {
        let Some(first) = self.validators.first().and_then(|v| v.node.as_ref()) else { return false };
        let state = &first.ledger.snapshot().state;
        let agree = self.validators.iter().all(|v| {
            v.node.as_ref().is_some_and(|node| node.ledger.snapshot().state.events_head() == state.events_head())
        });
        agree && self.users.pending() == 0 && !state.has_work() && state.height() >= self.tip
    }

    /// Asks the checkers about the end.
    pub(super) fn finish(&mut self) {
        let (healed_at_ms, healed_at) = self.healed_at.unwrap_or((self.now_ms, self.tip));
        let mut ends = Vec::new();
        let hashes: Vec<B256> = self.validators.iter().map(|v| hash_of(&v.disk)).collect();
        for (validator, journal_hash) in self.validators.iter().zip(hashes) {
            let Some(node) = &validator.node else { continue };
            ends.push(ValidatorEnd {
                state: &node.ledger.snapshot().state,
                journal_hash,
                pooled_transactions: node.sequencer.transactions().len(),
            });
        }
        let end = End {
            now_ms: self.now_ms,
            healed_at_ms,
            healed_at,
            cast: &self.cast,
            validators: ends,
            faults: &self.counts,
            acknowledged: self.users.acknowledged(),
        };
        for checker in &mut self.checkers {
            if let Err(violation) = checker.end(&end) {
                self.failure.get_or_insert(violation);
            }
        }
        self.is_over = true;
    }

    /// Height of the lowest validator that is up.
    pub(super) fn lowest(&self) -> Height {
        let heights = self.validators.iter().filter_map(|v| Some(v.node.as_ref()?.ledger.snapshot().height()));
        heights.min().unwrap_or_default()
    }
}

/// Hash of all bytes of a journal.
pub(super) fn hash_of(disk: &crate::sim::disk::Disk) -> B256 {
    keccak256(disk.journal_bytes())
}
