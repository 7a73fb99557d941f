//! The system lane: envelopes, sequences, limits, and what each message does.
//!
//! A message whose envelope is bad (signature, sequence, limits, hashcash, a
//! proof that does not verify) may not be in a block at all. One that is good
//! but pointless (late, somebody else's task) is refused in its receipt, which
//! uses up its sequence.

use std::collections::{BTreeMap, BTreeSet};

use crowdfold_events::{
    Address, B256, Event, MessageBody, SignedMessage, TaskId, event::PenaltyReason, event::TaskKind,
    message::MessageReceipt,
};

use crate::{
    faults::{BlockFault, MessageFault, Refusal},
    model::TaskStatus,
    planted::{self, Bug},
    run::{Dropped, Mode, Run},
};

/// What a message did: nothing, for a reason, or something.
type Effect = Result<(), Refusal>;

impl Run<'_> {
    /// Processes the messages in order; returns those that are in the block.
    pub(crate) fn system_lane(&mut self, messages: Vec<SignedMessage>) -> Result<Vec<SignedMessage>, BlockFault> {
        let mut included = Vec::with_capacity(messages.len());
        let mut of_sender: BTreeMap<Address, u32> = BTreeMap::new();
        let admitted = self.rank_registrations(&messages);
        let (max, max_of_sender) =
            (self.state.params().block.max_messages, self.state.params().block.max_messages_per_sender);
        let mut active: Vec<u32> = Vec::new();
        for (index, signed) in messages.into_iter().enumerate() {
            let hash = self.digest(&signed);
            // Whoever could not be encoded could not have been sent; it has no other name than its digest.
            let content = signed.content_hash().unwrap_or(hash);
            let fault = match self.envelope(&signed, &hash) {
                Err(fault) => fault,
                Ok(_) if included.len() >= max as usize => MessageFault::BlockLimit,
                Ok(sender) => {
                    let count = of_sender.entry(sender).or_default();
                    if *count >= max_of_sender {
                        MessageFault::SenderLimit(sender)
                    } else {
                        match self.message(sender, hash, &signed, &admitted) {
                            Ok(effect) => {
                                *count += 1;
                                if effect.is_ok() || planted::is(Bug::RefusedBeats) {
                                    active.extend(self.state.plugins.get(&sender).and_then(|p| p.index));
                                }
                                self.receipts.messages.push(MessageReceipt {
                                    hash,
                                    sender,
                                    refused: effect.err().map(Refusal::code),
                                });
                                included.push(signed);
                                continue;
                            }
                            Err(fault) => fault,
                        }
                    }
                }
            };
            if self.mode == Mode::Execute {
                return Err(BlockFault::Message { index, fault });
            }
            self.dropped.push(Dropped::Message { hash, content, fault });
        }
        self.record_heartbeats(&active);
        Ok(included)
    }

    pub(crate) fn digest(&self, signed: &SignedMessage) -> B256 {
        self.domain.message(&signed.message)
    }

    /// The sender of a message whose signature and sequence are good.
    pub(crate) fn envelope(&self, signed: &SignedMessage, hash: &B256) -> Result<Address, MessageFault> {
        if let MessageBody::CertifyBatch { signatures, .. } = &signed.message.body {
            // Bounds what a message may weigh before anything is computed from it.
            let most = self.state.genesis.genesis.validators.len();
            if signatures.len() > most || signatures.iter().any(|s| s.signature.len() != 65) {
                return Err(MessageFault::CertificateSize { found: signatures.len(), most });
            }
        }
        let sender = crowdfold_events::signing::recover(hash, &signed.signature)?;
        let last = self.state.account(&sender).sequence;
        let found = signed.message.sequence;
        if found <= last && !(found == last && planted::is(Bug::SequenceRepeats)) {
            return Err(MessageFault::StaleSequence { found, last });
        }
        Ok(sender)
    }

    /// Decides one message and records whether it had an effect.
    fn message(
        &mut self,
        sender: Address,
        hash: B256,
        signed: &SignedMessage,
        admitted: &BTreeSet<Address>,
    ) -> Result<Effect, MessageFault> {
        let sequence = signed.message.sequence;
        let effect = self.check_message(sender, &signed.message.body, admitted)?;
        match effect {
            Ok(()) => {
                self.emit(Event::MessageAccepted { hash, sender, sequence });
                self.perform(sender, &signed.message.body);
            }
            Err(refusal) => self.emit(Event::MessageRefused { hash, sender, sequence, reason: refusal.code() }),
        }
        Ok(effect)
    }

    /// What is wrong with a message, if anything; changes nothing but the proof budget.
    fn check_message(
        &mut self,
        sender: Address,
        body: &MessageBody,
        admitted: &BTreeSet<Address>,
    ) -> Result<Effect, MessageFault> {
        match body {
            MessageBody::Register { work_height, work_nonce } => {
                self.check_work(sender, *work_height, *work_nonce)?;
                if self.state.plugins.contains_key(&sender) {
                    return Ok(Err(Refusal::AlreadyRegistered));
                }
                if admitted.contains(&sender) { Ok(Ok(())) } else { Err(MessageFault::RankedOut) }
            }
            MessageBody::Heartbeat | MessageBody::GoInactive => {
                let plugin = self.state.plugins.get(&sender).ok_or(MessageFault::UnknownSender(sender))?;
                Ok(if plugin.index.is_none() {
                    Err(Refusal::NotAdmitted)
                } else if plugin.suspended && matches!(body, MessageBody::Heartbeat) {
                    Err(Refusal::Suspended)
                } else {
                    Ok(())
                })
            }
            MessageBody::SubmitProof { task, proof_hash } => self.check_submission(sender, *task, *proof_hash, false),
            MessageBody::SubmitAggregate { task, proof_hash } => {
                self.check_submission(sender, *task, *proof_hash, true)
            }
            MessageBody::HandBack { task } => {
                if !self.state.plugins.contains_key(&sender) {
                    return Err(MessageFault::UnknownSender(sender));
                }
                Ok(match self.state.tasks.get(task) {
                    None if self.state.was_opened(*task) => Err(Refusal::NotAssigned),
                    None => Err(Refusal::UnknownTask),
                    Some(t) if matches!(t.status, TaskStatus::Done { .. } | TaskStatus::Lapsed) => {
                        Err(Refusal::NotAssigned)
                    }
                    Some(t) if matches!(t.kind, TaskKind::Admission { .. }) => Err(Refusal::WrongKind),
                    Some(t) if matches!(&t.status, TaskStatus::Assigned(a) if a.plugin == sender) => Ok(()),
                    Some(_) => Err(Refusal::NotAssigned),
                })
            }
            MessageBody::Withdraw => self.check_withdraw(sender),
            MessageBody::CertifyBatch { batch, signatures } => self.check_certificate(sender, *batch, signatures),
        }
    }

    fn check_submission(
        &mut self,
        sender: Address,
        id: TaskId,
        proof: B256,
        aggregate: bool,
    ) -> Result<Effect, MessageFault> {
        let known = self.state.plugins.contains_key(&sender);
        let refuse = |why: Refusal| if known { Ok(Err(why)) } else { Err(MessageFault::UnknownSender(sender)) };
        let Some(task) = self.state.tasks.get(&id) else {
            // A task that was forgotten is refused as it was before that.
            let was_opened = self.state.was_opened(id);
            return refuse(if was_opened { Refusal::AlreadyProven } else { Refusal::UnknownTask });
        };
        match &task.status {
            TaskStatus::Done { .. } | TaskStatus::Lapsed => return refuse(Refusal::AlreadyProven),
            TaskStatus::Assigned(a) if a.plugin == sender => {}
            TaskStatus::Quarantined { .. } => {}
            TaskStatus::Assigned(_) if planted::is(Bug::ProofFromAnybody) => {}
            _ => return refuse(Refusal::NotAssigned),
        }
        if aggregate != matches!(task.kind, TaskKind::Aggregate { .. }) {
            return refuse(Refusal::WrongKind);
        }
        if self.proofs >= self.state.params().block.max_proofs {
            return Err(MessageFault::ProofBudget);
        }
        let verdict = match self.state.work(id, sender) {
            Some(crate::work::Work::Item(statement)) => self.oracle.item(&statement, proof),
            Some(crate::work::Work::Aggregate(node)) => self.oracle.aggregate(&node, proof),
            None => return refuse(Refusal::UnknownTask),
        };
        verdict.map_err(|fault| MessageFault::InvalidProof { task: id, fault })?;
        self.proofs += 1;
        Ok(Ok(()))
    }

    /// Does what an accepted message asks.
    fn perform(&mut self, sender: Address, body: &MessageBody) {
        match body {
            MessageBody::Register { .. } => self.register(sender),
            MessageBody::Heartbeat => self.activate(sender),
            MessageBody::GoInactive => self.go_inactive(sender),
            MessageBody::SubmitProof { task, proof_hash } | MessageBody::SubmitAggregate { task, proof_hash } => {
                self.accept_proof(sender, *task, *proof_hash)
            }
            MessageBody::HandBack { task } => self.hand_back(sender, *task),
            MessageBody::Withdraw => {
                let mut fee = self.state.params().settlement.withdraw_fee.0;
                if planted::is(Bug::WithdrawFree) {
                    fee = crowdfold_events::Zkpow::ZERO;
                }
                self.emit(Event::WithdrawRequested { plugin: sender, fee });
            }
            MessageBody::CertifyBatch { batch, signatures } => self.certify(*batch, signatures),
        }
    }

    fn accept_proof(&mut self, plugin: Address, id: TaskId, proof_hash: B256) {
        let Some(task) = self.state.tasks.get(&id).cloned() else { return };
        let paid = match &task.status {
            TaskStatus::Assigned(_) if planted::is(Bug::BountyAtAcceptance) => self.state.bounty_now(&task),
            TaskStatus::Assigned(a) => (a.bounty, task.issuance_held),
            _ => self.state.open_bounty(&task),
        };
        match task.kind {
            TaskKind::Admission { .. } => {
                self.emit(Event::ProofAccepted { task: id, plugin, proof_hash });
                self.emit(Event::AdmissionPassed { plugin, task: id });
                self.activate(plugin);
            }
            TaskKind::Prove { .. } => {
                self.emit(Event::ProofAccepted { task: id, plugin, proof_hash });
                self.reward(id, plugin, paid);
                self.change_trust(plugin, true);
            }
            TaskKind::Aggregate { batch, level, position, .. } => {
                self.emit(Event::AggregateAccepted { task: id, plugin, proof_hash });
                self.reward(id, plugin, paid);
                self.change_trust(plugin, true);
                self.climb(batch, level, position, proof_hash);
            }
        }
    }

    /// A quarter of the penalty in the first quarter of the deadline, all of it later.
    fn hand_back(&mut self, plugin: Address, id: TaskId) {
        let Some(TaskStatus::Assigned(a)) = self.state.tasks.get(&id).map(|t| t.status.clone()) else { return };
        let length = a.deadline.0 - a.assigned_at.0;
        let elapsed = self.state.chain.height.0 - a.assigned_at.0;
        let penalty = self.state.params().proving.timeout_penalty.units();
        let price = if elapsed.saturating_mul(4) <= length || planted::is(Bug::HandBackCheap) {
            penalty.div_ceil(4)
        } else {
            penalty
        };
        self.emit(Event::TaskHandedBack { task: id, plugin });
        self.change_trust(plugin, false);
        self.charge(plugin, id, PenaltyReason::HandBack, crowdfold_events::Zkpow(price));
        self.quarantine_if_failed_often(id);
    }

    fn check_withdraw(&self, sender: Address) -> Result<Effect, MessageFault> {
        let account = self.state.account(&sender);
        if account.accrued.0 == 0 {
            return match self.state.plugins.contains_key(&sender) {
                true => Ok(Err(Refusal::NothingToWithdraw)),
                false => Err(MessageFault::UnknownSender(sender)),
            };
        }
        if account.withdraw {
            return Ok(Err(Refusal::WithdrawPending));
        }
        let fee = self.state.params().settlement.withdraw_fee.units();
        let free = account.accrued.0.saturating_sub(self.state.bond(&sender));
        Ok(if free > fee { Ok(()) } else { Err(Refusal::NothingToWithdraw) })
    }
}
