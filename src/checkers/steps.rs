//! What each step expects: consequences of transactions and answers.

use crowdfold_events::{
    Event, Height, SignedZkpow, TaskId, Zkpow,
    event::{DrawReceipt, InactiveReason, PenaltyReason, TaskKind},
    merkle::{self, Tree},
};

use crate::{
    books::{REPAY, Status},
    referee::{Referee, Step, Turn},
    rules,
    violation::Check,
};

pub(crate) const TRANSACTION_SEGMENTS: u32 = crowdfold_config::TRANSFER_SEGMENTS;

impl Referee<'_> {
    /// What a step expects, given the event whose turn it is (`None` at the end of the block).
    pub(crate) fn turn(&mut self, step: &Step, event: Option<&Event>) -> Turn {
        let now = self.books.tip.height;
        match *step {
            Step::Users if self.transactions < self.body.transactions.len() => {
                Turn::Kind("TransactionExecuted", Check::Transaction)
            }
            Step::Users => self.pass([Step::Messages(0)]),
            Step::OpenItem(item) => self.open_item(item),
            Step::Repay { transaction, payer, value } => match self.beneficiary(transaction, payer) {
                Some(plugin) => Turn::Expect(Event::DebtRepaid { plugin, amount: Zkpow(value), payer }),
                None => {
                    self.notes.note(Check::Repayment, "memo", "empty or an address", transaction);
                    Turn::Kind("DebtRepaid", Check::Repayment)
                }
            },
            Step::Messages(index) => match self.body.messages.get(index) {
                Some(signed) => self.judged(signed, event),
                None => self.pass([Step::Heartbeats]),
            },
            Step::Register(plugin) => Turn::Expect(Event::PluginRegistered { plugin }),
            Step::OpenAdmission(plugin) => {
                let items = self.books.genesis.genesis.admission_items;
                let admission_item = rules::admission_item(&self.header.beacon, &plugin, items);
                self.opening(TaskKind::Admission { plugin, admission_item }, TRANSACTION_SEGMENTS, 0, 0)
            }
            Step::AssignAdmission(plugin, task) => {
                let items = self.books.genesis.genesis.admission_items;
                let beacon = self.header.beacon;
                let receipt = DrawReceipt {
                    beacon_height: Height(now),
                    beacon,
                    set_root: merkle::root::<[u8; 20]>(Tree::Slots, &[]),
                    candidates: items,
                    index: rules::admission_item(&beacon, &plugin, items),
                    rejected: 0,
                };
                let deadline = Height(now + rules::deadline_blocks(self.books.params(), TRANSACTION_SEGMENTS));
                let (bounty, from_issuance) = (Zkpow::ZERO, Zkpow::ZERO);
                Turn::Expect(Event::TaskAssigned { task, plugin, attempt: 1, bounty, from_issuance, deadline, receipt })
            }
            Step::Accept { task, plugin, proof: proof_hash } => {
                let aggregate =
                    self.books.tasks.get(&task.0).is_some_and(|t| matches!(t.kind, TaskKind::Aggregate { .. }));
                Turn::Expect(match aggregate {
                    true => Event::AggregateAccepted { task, plugin, proof_hash },
                    false => Event::ProofAccepted { task, plugin, proof_hash },
                })
            }
            Step::AdmissionPassed(plugin, task) => Turn::Expect(Event::AdmissionPassed { plugin, task }),
            Step::Activate(plugin) => match self.books.plugins.get(&plugin) {
                Some(p) if !p.active && !p.suspended && p.index.is_some() => {
                    Turn::Expect(Event::PluginActivated { plugin })
                }
                _ => Turn::Pass,
            },
            Step::Deactivate(plugin, reason) => match self.books.plugins.get(&plugin) {
                Some(p) if p.active && (reason != InactiveReason::Suspended || p.suspended) => {
                    Turn::Expect(Event::PluginDeactivated { plugin, reason })
                }
                _ => Turn::Pass,
            },
            Step::Reward { task, plugin, paid: (amount, from_issuance) } => {
                if amount == Zkpow::ZERO {
                    return Turn::Pass;
                }
                let from_fees = amount.saturating_sub(from_issuance);
                let to_debt = Zkpow(amount.0.min(self.books.account(&plugin).debt));
                Turn::Expect(Event::RewardAccrued { plugin, task, amount, from_fees, from_issuance, to_debt })
            }
            Step::Reinstate(plugin) => {
                let within = self.books.account(&plugin).debt <= self.books.params().proving.max_debt.units();
                match self.books.plugins.get(&plugin) {
                    Some(p) if p.suspended && within => Turn::Expect(Event::PluginReinstated { plugin }),
                    _ => Turn::Pass,
                }
            }
            Step::Trust { plugin, valid } => {
                let Some(p) = self.books.plugins.get(&plugin) else { return Turn::Pass };
                let consecutive_valid = if valid { p.valid.saturating_add(1) } else { 0 };
                if consecutive_valid == p.valid {
                    return Turn::Pass;
                }
                let in_debt = self.books.account(&plugin).debt > 0;
                let slots = rules::slots(self.books.params(), consecutive_valid, in_debt);
                Turn::Expect(Event::TrustChanged { plugin, consecutive_valid, slots })
            }
            Step::Climb(task, proof) => self.climb(task, proof),
            Step::HandBack(task, plugin) => Turn::Expect(Event::TaskHandedBack { task, plugin }),
            Step::Charge { plugin, task, reason, amount } => {
                let accrued = self.books.account(&plugin).accrued;
                let from_accrued = Zkpow(amount.0.min(accrued));
                let to_debt = Zkpow(amount.0 - from_accrued.0);
                let holding_after = SignedZkpow(self.books.holding(&plugin).saturating_sub_unsigned(amount.0));
                let charged =
                    Event::PenaltyCharged { plugin, task, reason, amount, from_accrued, to_debt, holding_after };
                Turn::Expect(charged)
            }
            Step::Suspend(plugin) => {
                let debt = self.books.account(&plugin).debt;
                let beyond = debt > self.books.params().proving.max_debt.units();
                match self.books.plugins.get(&plugin) {
                    Some(p) if beyond && !p.suspended => {
                        Turn::Expect(Event::PluginSuspended { plugin, debt: Zkpow(debt) })
                    }
                    _ => Turn::Pass,
                }
            }
            Step::QuarantineIfFailed(task) => {
                let enough = self.books.params().proving.quarantine_attempts as usize;
                match self.books.tasks.get(&task.0) {
                    Some(t) if t.failed.len() >= enough => self.pass([Step::Quarantine(task)]),
                    _ => Turn::Pass,
                }
            }
            Step::Quarantine(task) => {
                let segments = self.books.tasks.get(&task.0).map_or(0, |t| t.segments);
                let params = self.books.params();
                let length = rules::deadline_blocks(params, segments) + params.proving.inclusion_grace;
                Turn::Expect(Event::TaskQuarantined { task, deadline: Height(now + length) })
            }
            Step::Withdraw(plugin) => {
                let fee = self.books.params().settlement.withdraw_fee.0;
                Turn::Expect(Event::WithdrawRequested { plugin, fee })
            }
            Step::Certify(_) => Turn::Kind("BatchCertified", Check::Certificate),
            Step::Beat(sender) => {
                self.beats.extend(self.books.plugins.get(&sender).and_then(|p| p.index));
                Turn::Pass
            }
            _ => self.phase(step),
        }
    }

    /// Other steps take this one's place.
    pub(crate) fn pass(&mut self, steps: impl IntoIterator<Item = Step, IntoIter: DoubleEndedIterator>) -> Turn {
        self.next(steps);
        Turn::Pass
    }

    pub(crate) fn opening(&self, kind: TaskKind, segments: u32, base: u128, funded: u128) -> Turn {
        let task = TaskId(self.books.last_task + 1);
        let (base_bounty, funded) = (Zkpow(base), Zkpow(funded));
        Turn::Expect(Event::TaskOpened { task, kind, segments, base_bounty, funded })
    }

    fn open_item(&mut self, index: u64) -> Turn {
        let Some(item) = self.books.items.get(&index) else { return Turn::Pass };
        let (segments, transaction) = (item.segments, item.transaction);
        // The proving share of the fee was just earmarked and belongs to this task alone.
        let (base, funded) = if transaction {
            (self.books.funds.unopened, self.books.funds.unopened)
        } else {
            let base = rules::least_base(self.books.params(), segments);
            (base, base.min(self.books.funds.settlement))
        };
        self.opening(TaskKind::Prove { item: crowdfold_events::ItemIndex(index) }, segments, base, funded)
    }

    /// What follows once an event is posted.
    pub(crate) fn unfold(&mut self, step: Step, event: &Event) {
        match (step, event) {
            (Step::Users, Event::TransactionExecuted { item, to, sender, value, .. }) => {
                let (transaction, payer, value) = (self.transactions, *sender, value.0);
                self.transactions += 1;
                let repaid = (*to == REPAY).then_some(Step::Repay { transaction, payer, value });
                let mut steps = vec![Step::OpenItem(item.0)];
                steps.extend(repaid);
                steps.push(Step::Reinstate(self.books.tip.proposer));
                steps.push(Step::Users);
                self.next(steps);
            }
            (Step::Repay { .. }, Event::DebtRepaid { plugin, .. }) => self.next([Step::Reinstate(*plugin)]),
            (Step::Messages(index), Event::MessageAccepted { sender, .. }) => {
                let mut steps = self.effects(index, *sender);
                steps.extend([Step::Beat(*sender), Step::Messages(index + 1)]);
                self.next(steps);
            }
            (Step::Messages(index), _) => self.next([Step::Messages(index + 1)]),
            (Step::OpenAdmission(plugin), Event::TaskOpened { task, .. }) => {
                self.next([Step::AssignAdmission(plugin, *task)])
            }
            (Step::Reward { plugin, .. }, _) => self.next([Step::Reinstate(plugin)]),
            (Step::Charge { plugin, .. }, _) => {
                self.next([Step::Suspend(plugin), Step::Deactivate(plugin, InactiveReason::Suspended)])
            }
            (step, event) => self.unfold_phase(step, event),
        }
    }

    /// Price of handing back: a quarter of the penalty in the first quarter of the deadline, all of it later.
    pub(crate) fn hand_back_price(&self, task: TaskId) -> Zkpow {
        let penalty = self.books.params().proving.timeout_penalty.units();
        match self.books.tasks.get(&task.0).map(|t| &t.status) {
            Some(Status::Assigned { at, deadline, .. }) if 4 * (self.books.tip.height - at) <= deadline - at => {
                Zkpow(penalty.div_ceil(4))
            }
            _ => Zkpow(penalty),
        }
    }

    pub(crate) fn failure(&self, plugin: crowdfold_events::Address, task: TaskId, reason: PenaltyReason) -> Vec<Step> {
        let amount = match reason {
            PenaltyReason::HandBack => self.hand_back_price(task),
            PenaltyReason::Timeout => self.books.params().proving.timeout_penalty.0,
        };
        vec![
            Step::Trust { plugin, valid: false },
            Step::Charge { plugin, task, reason, amount },
            Step::QuarantineIfFailed(task),
        ]
    }
}
