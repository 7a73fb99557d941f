//! Messages: which take effect, which are refused and why, and what each does.

use crowdfold_events::{
    Address, Event, MessageBody, SignedMessage, TaskId,
    event::{InactiveReason, PenaltyReason, TaskKind},
    work,
};

use crate::{
    books::Status,
    referee::{Referee, Step, Turn},
    rules,
    violation::Check,
};

/// Why a message had no effect: the stable codes of receipts.
mod refusal {
    pub(super) const ALREADY_REGISTERED: u16 = 1;
    pub(super) const NOT_ADMITTED: u16 = 2;
    pub(super) const SUSPENDED: u16 = 3;
    pub(super) const UNKNOWN_TASK: u16 = 4;
    pub(super) const NOT_ASSIGNED: u16 = 5;
    pub(super) const ALREADY_PROVEN: u16 = 6;
    pub(super) const WRONG_KIND: u16 = 7;
    pub(super) const NOTHING_TO_WITHDRAW: u16 = 8;
    pub(super) const WITHDRAW_PENDING: u16 = 9;
    pub(super) const BATCH_NOT_PROVEN: u16 = 10;
    pub(super) const ALREADY_CERTIFIED: u16 = 11;
}

/// What becomes of a message.
enum Verdict {
    Accept,
    Refuse(u16),
    /// It may not be in a block at all.
    Absent(&'static str),
}

impl Referee<'_> {
    /// The receipt event that a message must have; its sender is taken from the receipt.
    pub(crate) fn judged(&mut self, signed: &SignedMessage, event: Option<&Event>) -> Turn {
        let (Some(Event::MessageAccepted { sender, .. }) | Some(Event::MessageRefused { sender, .. })) = event else {
            return Turn::Kind("MessageAccepted", Check::Verdict);
        };
        let (sender, sequence) = (*sender, signed.message.sequence);
        let hash = self.domain.message(&signed.message);
        let last = self.books.account(&sender).sequence;
        if sequence <= last {
            self.notes.note(Check::Sequence, "sequence", format!("above {last}"), sequence);
        }
        let block = &self.books.params().block;
        let (most, most_of_sender, found) =
            (block.max_messages, block.max_messages_per_sender, self.body.messages.len());
        if found > most as usize {
            self.notes.note(Check::Limits, "messages", most, found);
        }
        let count = self.senders.entry(sender).or_default();
        *count += 1;
        let count = *count;
        if count > most_of_sender {
            self.notes.note(Check::Limits, "messages of one sender", most_of_sender, count);
        }
        match self.judge(sender, &signed.message.body) {
            Verdict::Accept => Turn::Expect(Event::MessageAccepted { hash, sender, sequence }),
            Verdict::Refuse(reason) => Turn::Expect(Event::MessageRefused { hash, sender, sequence, reason }),
            Verdict::Absent(why) => {
                self.notes.note(Check::Verdict, "message", why, &signed.message.body);
                Turn::Kind("MessageAccepted", Check::Verdict)
            }
        }
    }

    fn judge(&mut self, sender: Address, body: &MessageBody) -> Verdict {
        let plugin = self.books.plugins.get(&sender);
        // Pointless messages cost their sender a sequence, but only a plugin's are worth a place in a block.
        let pointless = |code| match plugin {
            Some(_) => Verdict::Refuse(code),
            None => Verdict::Absent("not from a stranger"),
        };
        match body {
            MessageBody::Register { work_height, work_nonce } => {
                self.judge_registration(sender, *work_height, *work_nonce)
            }
            MessageBody::Heartbeat | MessageBody::GoInactive => match plugin {
                None => Verdict::Absent("not from a stranger"),
                Some(p) if p.index.is_none() => Verdict::Refuse(refusal::NOT_ADMITTED),
                Some(p) if p.suspended && *body == MessageBody::Heartbeat => Verdict::Refuse(refusal::SUSPENDED),
                Some(_) => Verdict::Accept,
            },
            MessageBody::SubmitProof { task, .. } | MessageBody::SubmitAggregate { task, .. } => {
                let Some(t) = self.books.tasks.get(&task.0) else { return pointless(refusal::UNKNOWN_TASK) };
                match &t.status {
                    Status::Done => return pointless(refusal::ALREADY_PROVEN),
                    Status::Assigned { plugin, .. } if *plugin == sender => {}
                    Status::Open { .. } => {}
                    _ => return pointless(refusal::NOT_ASSIGNED),
                }
                let aggregate = matches!(t.kind, TaskKind::Aggregate { .. });
                if aggregate != matches!(body, MessageBody::SubmitAggregate { .. }) {
                    return pointless(refusal::WRONG_KIND);
                }
                self.proofs += 1;
                let most = self.books.params().block.max_proofs;
                if self.proofs > most {
                    return Verdict::Absent("no more proofs than the block verifies");
                }
                Verdict::Accept
            }
            MessageBody::HandBack { task } => match self.books.tasks.get(&task.0) {
                _ if plugin.is_none() => Verdict::Absent("not from a stranger"),
                None => Verdict::Refuse(refusal::UNKNOWN_TASK),
                Some(t) if matches!(t.kind, TaskKind::Admission { .. }) => Verdict::Refuse(refusal::WRONG_KIND),
                Some(t) if matches!(t.status, Status::Assigned { plugin, .. } if plugin == sender) => Verdict::Accept,
                Some(_) => Verdict::Refuse(refusal::NOT_ASSIGNED),
            },
            MessageBody::Withdraw => {
                let account = self.books.account(&sender);
                let fee = self.books.params().settlement.withdraw_fee.units();
                match () {
                    () if account.accrued == 0 => pointless(refusal::NOTHING_TO_WITHDRAW),
                    () if account.withdraw => Verdict::Refuse(refusal::WITHDRAW_PENDING),
                    () if self.books.payable(&sender) <= fee => Verdict::Refuse(refusal::NOTHING_TO_WITHDRAW),
                    () => Verdict::Accept,
                }
            }
            MessageBody::CertifyBatch { batch, .. } => {
                let next = self.books.next_certified;
                let proven = self.books.batches.get(&batch.0).is_some_and(|b| b.proof.is_some());
                match () {
                    () if !self.books.genesis.genesis.validators.iter().any(|v| v.address == sender) => {
                        Verdict::Absent("from a validator")
                    }
                    () if batch.0 < next => Verdict::Refuse(refusal::ALREADY_CERTIFIED),
                    () if batch.0 != next || !proven => Verdict::Refuse(refusal::BATCH_NOT_PROVEN),
                    () => Verdict::Accept,
                }
            }
        }
    }

    fn judge_registration(&mut self, sender: Address, height: u64, nonce: u64) -> Verdict {
        let genesis = &self.books.genesis.genesis;
        let plugins = &genesis.params.plugins;
        let now = self.books.tip.height;
        let recent = height < now && height.saturating_add(plugins.registration_recent_blocks.max(2)) >= now;
        let Some(block) = self.books.recent.get(&height).filter(|_| recent) else {
            return Verdict::Absent("hashcash over a recent block");
        };
        let score = work::score(genesis.chain_id, sender, *block, nonce);
        if score > u64::MAX / self.books.registration_work.max(1) {
            return Verdict::Absent("hashcash of the work asked for");
        }
        if self.books.plugins.contains_key(&sender) {
            return Verdict::Refuse(refusal::ALREADY_REGISTERED);
        }
        self.registered.insert(sender);
        if self.registered.len() > plugins.max_registrations_per_block as usize {
            return Verdict::Absent("no more registrations than a block takes");
        }
        Verdict::Accept
    }

    /// What an accepted message does.
    pub(crate) fn effects(&self, index: usize, sender: Address) -> Vec<Step> {
        match self.body.messages.get(index).map(|m| &m.message.body) {
            None => Vec::new(),
            Some(MessageBody::Register { .. }) => vec![Step::Register(sender), Step::OpenAdmission(sender)],
            Some(MessageBody::Heartbeat) => vec![Step::Activate(sender)],
            Some(MessageBody::GoInactive) => vec![Step::Deactivate(sender, InactiveReason::Requested)],
            Some(MessageBody::SubmitProof { task, proof_hash } | MessageBody::SubmitAggregate { task, proof_hash }) => {
                let accept = Step::Accept { task: *task, plugin: sender, proof: *proof_hash };
                let mut steps = vec![accept];
                steps.extend(self.earned(*task, sender, *proof_hash));
                steps
            }
            Some(MessageBody::HandBack { task }) => {
                let mut steps = vec![Step::HandBack(*task, sender)];
                steps.extend(self.failure(sender, *task, PenaltyReason::HandBack));
                steps
            }
            Some(MessageBody::Withdraw) => vec![Step::Withdraw(sender)],
            Some(MessageBody::CertifyBatch { batch, .. }) => vec![Step::Certify(batch.0)],
        }
    }

    /// What follows an accepted proof; its price is what the books say before it is accepted.
    fn earned(&self, id: TaskId, plugin: Address, proof: crowdfold_events::B256) -> Vec<Step> {
        let Some(task) = self.books.tasks.get(&id.0) else { return Vec::new() };
        if matches!(task.kind, TaskKind::Admission { .. }) {
            return vec![Step::AdmissionPassed(plugin, id), Step::Activate(plugin)];
        }
        let paid = match task.status {
            Status::Assigned { bounty, .. } => (crowdfold_events::Zkpow(bounty), crowdfold_events::Zkpow(task.held)),
            _ => self.books.paid(task, task.base),
        };
        let mut steps = vec![Step::Reward { task: id, plugin, paid }, Step::Trust { plugin, valid: true }];
        if matches!(task.kind, TaskKind::Aggregate { .. }) {
            steps.push(Step::Climb(id, proof));
        }
        steps
    }

    /// Whose debt a transfer to the repay account lowers.
    pub(crate) fn beneficiary(&self, transaction: usize, payer: Address) -> Option<Address> {
        let raw = self.body.transactions.get(transaction)?;
        let tx = crowdfold_execution::decode_transaction(raw, self.header.chain_id).ok()?;
        match tx.data.len() {
            0 => Some(payer),
            20 => Some(Address::from_slice(&tx.data)),
            _ => None,
        }
    }

    /// A node's parent opens when all its children are proven; the root's proof is the batch's.
    pub(crate) fn climb(&mut self, id: TaskId, proof: crowdfold_events::B256) -> Turn {
        let Some(TaskKind::Aggregate { batch, level, position, .. }) =
            self.books.tasks.get(&id.0).map(|t| t.kind.clone())
        else {
            return Turn::Pass;
        };
        let arity = self.books.params().batches.aggregation_arity;
        let Some(record) = self.books.batches.get(&batch.0) else { return Turn::Pass };
        let levels = rules::tree_levels(record.items, arity);
        let Some(width) = levels.get(usize::from(level)).filter(|_| usize::from(level) + 1 < levels.len()) else {
            return Turn::Expect(Event::BatchProven { batch, proof_hash: proof });
        };
        let parent = position / arity;
        let siblings = parent * arity..(parent * arity + arity).min(*width);
        let all = siblings.into_iter().all(|p| matches!(record.nodes.get(&(level, p)), Some(Some(_))));
        if all { self.pass([Step::OpenNode(batch.0, level + 1, parent)]) } else { Turn::Pass }
    }
}
