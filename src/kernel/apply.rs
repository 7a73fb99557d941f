//! What each event changes. Nothing here decides.
//!
//! Amounts move between sums that must stay consistent; every addition and
//! subtraction is checked, and one that leaves its range is remembered in
//! `broken`, which fails the block that produced the event.

use crowdfold_events::{AccountChange, Address, B256, BlockHeader, Event, Zkpow, encode_event};
use crowdfold_execution::execute::count_scalar;

use crate::{
    faults::InvariantFault,
    model::{Item, ItemKind, Stages},
    planted::{self, Bug},
    state::State,
    vm,
};

impl State {
    /// Applies one event: the only thing that changes a state, and all that replay calls.
    ///
    /// Events must come from the journal of this chain, in order, from
    /// `BlockDecided` of the next block on.
    pub fn apply(&mut self, event: &Event) {
        self.chain_event(event);
        if planted::is(Bug::ReplayForgetsTrust) && matches!(event, Event::TrustChanged { .. }) {
            return;
        }
        self.apply_unchained(event);
    }

    /// Moves the event chain's head over an event.
    pub(crate) fn chain_event(&mut self, event: &Event) {
        match encode_event(event) {
            Ok(stored) => self.events_head = stored.chain(&self.events_head),
            Err(_) => self.broken = Some(InvariantFault::Range("event size")),
        }
    }

    /// Everything but the event chain.
    pub(crate) fn apply_unchained(&mut self, event: &Event) {
        match event {
            Event::GenesisLoaded { .. } | Event::PluginSuspended { .. } | Event::PluginReinstated { .. } => {
                self.apply_standing(event)
            }
            Event::BlockDecided { header, .. } => {
                self.begin_block(header);
                self.record_header(header.hash());
            }
            Event::BlockSealed { .. } => self.seal_block(),
            Event::TransactionExecuted { changes, .. } | Event::SettlementApplied { changes, .. } => {
                self.write_tree(changes);
                self.apply_item(event);
            }
            Event::MessageAccepted { sender, sequence, .. } | Event::MessageRefused { sender, sequence, .. } => {
                self.account_mut(*sender).sequence = *sequence;
            }
            Event::HeartbeatsRecorded { .. }
            | Event::PluginRegistered { .. }
            | Event::AdmissionPassed { .. }
            | Event::AdmissionLapsed { .. }
            | Event::PluginActivated { .. }
            | Event::PluginDeactivated { .. }
            | Event::TrustChanged { .. } => self.apply_standing(event),
            Event::TaskOpened { .. }
            | Event::TaskAssigned { .. }
            | Event::TaskHandedBack { .. }
            | Event::ProofAccepted { .. }
            | Event::AggregateAccepted { .. }
            | Event::AssignmentTimedOut { .. }
            | Event::BountyBumped { .. }
            | Event::TaskQuarantined { .. } => self.apply_task(event),
            Event::PenaltyCharged { .. }
            | Event::PenaltyRefunded { .. }
            | Event::RewardAccrued { .. }
            | Event::DebtRepaid { .. }
            | Event::WithdrawRequested { .. } => self.apply_money(event),
            Event::BatchClosed { .. } | Event::BatchProven { .. } | Event::BatchCertified { .. } => {
                self.apply_batch(event)
            }
            Event::EpochStarted { epoch, issuance_allowance, registration_work } => {
                let market = &mut self.market;
                market.epoch = *epoch;
                market.issuance_left = issuance_allowance.0;
                market.registration_work = *registration_work;
                market.registrations = 0;
            }
        }
    }

    /// What the phases need of the header before its roots are known.
    pub(crate) fn begin_block(&mut self, header: &BlockHeader) {
        let chain = &mut self.chain;
        chain.height = header.height;
        chain.time_ms = header.time_ms;
        chain.proposer = header.proposer;
        chain.beacon = header.beacon;
        chain.base_fee = header.base_fee;
        chain.gas_used = 0;
        chain.user_segments = 0;
    }

    /// The block's own hash, which only later blocks look at.
    pub(crate) fn record_header(&mut self, hash: B256) {
        self.chain.head = hash;
        self.recent.insert(self.chain.height, hash);
        // Batches name the parent's header, so two are kept at least.
        let keep = self.params().plugins.registration_recent_blocks.max(2);
        while self.recent.len() as u64 > keep {
            let Some((oldest, _)) = self.recent.get_min().cloned() else { break };
            self.recent.remove(&oldest);
        }
    }

    /// Takes the tree that execution built in the place of writing the changes once more.
    pub(crate) fn apply_executed(&mut self, event: &Event, changes: &[AccountChange], tree: vm::Tree) {
        self.count_balances(changes);
        self.tree = tree;
        self.apply_item(event);
    }

    fn write_tree(&mut self, changes: &[AccountChange]) {
        self.count_balances(changes);
        if self.tree.write(changes).is_err() {
            self.broken = Some(InvariantFault::Range("state tree"));
        }
    }

    /// Keeps the sum of balances from the changes alone. An account may change twice in one item.
    fn count_balances(&mut self, changes: &[AccountChange]) {
        let mut latest = std::collections::BTreeMap::new();
        for change in changes {
            let before =
                latest.insert(change.account, change.balance.0).unwrap_or_else(|| self.tree.balance(&change.account));
            let (total, broken) = (&mut self.market.balances, &mut self.broken);
            add(total, change.balance.0, "balances", broken);
            sub(total, before, "balances", broken);
        }
    }

    fn apply_item(&mut self, event: &Event) {
        let committed = self.now();
        let stages = Stages { committed, assigned: None, proven: None, aggregated: None, certified: None };
        let (index, item) = match event {
            Event::TransactionExecuted {
                item,
                hash,
                sender,
                gas_used,
                segments,
                pre_root,
                post_root,
                data_hi,
                data_lo,
                env,
                shares,
                ..
            } => {
                self.chain.gas_used = self.chain.gas_used.saturating_add(*gas_used);
                self.chain.user_segments = self.chain.user_segments.saturating_add(*segments);
                self.market.settle_users = true;
                self.by_hash.insert(*hash, *item);
                self.earmark(shares);
                (
                    *item,
                    Item {
                        kind: ItemKind::Transaction { hash: *hash },
                        pre_root: *pre_root,
                        post_root: *post_root,
                        data_hi: *data_hi,
                        data_lo: *data_lo,
                        sender: *sender,
                        env: *env,
                        segments: *segments,
                        aggregation: shares.aggregation,
                        task: None,
                        accepted: None,
                        batch: None,
                        stages,
                    },
                )
            }
            Event::SettlementApplied { item, entries, segments, pre_root, post_root, data_lo, env, .. } => {
                self.apply_settlement(entries);
                (
                    *item,
                    Item {
                        kind: ItemKind::Settlement { entries: entries.clone() },
                        pre_root: *pre_root,
                        post_root: *post_root,
                        data_hi: count_scalar(entries.len()),
                        data_lo: *data_lo,
                        sender: Address::ZERO,
                        env: *env,
                        segments: *segments,
                        aggregation: Zkpow::ZERO,
                        task: None,
                        accepted: None,
                        batch: None,
                        stages,
                    },
                )
            }
            _ => return,
        };
        self.market.unproven_segments = self.market.unproven_segments.saturating_add(u64::from(item.segments));
        self.items.insert(index, item);
        self.chain.next_item = index.next();
    }
}

pub(crate) fn add(total: &mut u128, amount: u128, what: &'static str, broken: &mut Option<InvariantFault>) {
    match total.checked_add(amount) {
        Some(sum) => *total = sum,
        None => *broken = Some(InvariantFault::Range(what)),
    }
}

pub(crate) fn sub(total: &mut u128, amount: u128, what: &'static str, broken: &mut Option<InvariantFault>) {
    match total.checked_sub(amount) {
        Some(difference) => *total = difference,
        None => *broken = Some(InvariantFault::Range(what)),
    }
}
