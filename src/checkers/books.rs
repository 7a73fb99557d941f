//! The books: what the events say that everybody owns, owes, holds and is.
//!
//! Kept in plain ordered maps from the events alone. They neither share code
//! with the kernel's state nor look into it.

use std::collections::{BTreeMap, BTreeSet};

use crowdfold_config::{Params, ValidGenesis};
use crowdfold_events::{Address, B256, Zkpow, event::TaskKind};

use crate::rules;

/// The system accounts; the protocol fixes their addresses.
pub(crate) use crowdfold_kernel::{ESCROW, ISSUANCE, REPAY, STAKE};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) accrued: u128,
    pub(crate) debt: u128,
    pub(crate) sequence: u64,
    pub(crate) withdraw: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Plugin {
    pub(crate) index: Option<u32>,
    pub(crate) admission: u64,
    pub(crate) active: bool,
    pub(crate) suspended: bool,
    pub(crate) last_seen: u64,
    pub(crate) valid: u32,
    pub(crate) open: BTreeSet<u64>,
    pub(crate) accepted: u64,
    pub(crate) failed: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Waiting { since: u64 },
    Assigned { plugin: Address, at: u64, deadline: u64, bounty: u128 },
    Open { deadline: u64 },
    Done,
    Lapsed,
}

#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) kind: TaskKind,
    pub(crate) segments: u32,
    pub(crate) base: u128,
    pub(crate) funded: u128,
    pub(crate) held: u128,
    pub(crate) bumped: u128,
    pub(crate) opened_at: u64,
    pub(crate) next_bump: Option<u64>,
    pub(crate) attempts: u32,
    pub(crate) status: Status,
    pub(crate) failed: BTreeSet<Address>,
    pub(crate) penalties: Vec<(Address, u128)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) transaction: bool,
    pub(crate) pre_root: B256,
    pub(crate) post_root: B256,
    pub(crate) segments: u32,
    pub(crate) aggregation: u128,
    pub(crate) proven_at: Option<u64>,
    pub(crate) batch: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) first: u64,
    pub(crate) items: u32,
    pub(crate) budget: u128,
    /// Proof of each opened node, once accepted.
    pub(crate) nodes: BTreeMap<(u8, u32), Option<B256>>,
    pub(crate) proof: Option<B256>,
}

/// Money that has no owner yet, and what issuance promised.
#[derive(Clone, Debug, Default)]
pub(crate) struct Funds {
    pub(crate) reserved: u128,
    pub(crate) unopened: u128,
    pub(crate) aggregation: u128,
    pub(crate) settlement: u128,
    pub(crate) posting: u128,
    pub(crate) issuance_due: u128,
    pub(crate) issuance_held: u128,
    pub(crate) issuance_left: u128,
}

/// The chain's tip and the block in progress.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tip {
    pub(crate) height: u64,
    pub(crate) head: B256,
    pub(crate) time_ms: u64,
    pub(crate) proposer: Address,
    pub(crate) beacon: B256,
    pub(crate) base_fee: u128,
    pub(crate) gas: u64,
    pub(crate) user_segments: u32,
    pub(crate) segments: u32,
    pub(crate) root: B256,
    pub(crate) events_head: B256,
}

#[derive(Clone, Debug)]
pub(crate) struct Books {
    pub(crate) genesis: ValidGenesis,
    pub(crate) supply: u128,
    pub(crate) tip: Tip,
    /// Nonce and balance of everybody in the state tree.
    pub(crate) balances: BTreeMap<Address, (u64, u128)>,
    /// Sum of the balances, kept from each write.
    pub(crate) total: u128,
    pub(crate) accounts: BTreeMap<Address, Account>,
    pub(crate) accrued: u128,
    pub(crate) debt: u128,
    pub(crate) funds: Funds,
    pub(crate) plugins: BTreeMap<Address, Plugin>,
    pub(crate) roster: Vec<Address>,
    pub(crate) tasks: BTreeMap<u64, Task>,
    pub(crate) waiting: BTreeSet<u64>,
    pub(crate) expiries: BTreeSet<(u64, u64)>,
    pub(crate) bumps: BTreeSet<(u64, u64)>,
    pub(crate) last_task: u64,
    pub(crate) items: BTreeMap<u64, Item>,
    pub(crate) next_item: u64,
    pub(crate) unproven: u64,
    pub(crate) batches: BTreeMap<u64, Batch>,
    pub(crate) next_batch: u64,
    pub(crate) next_batch_item: u64,
    pub(crate) next_certified: u64,
    pub(crate) smoothed_milli: u64,
    /// Free slots after the latest blocks.
    pub(crate) frozen: BTreeMap<u64, Vec<Address>>,
    /// Header hashes of the latest blocks.
    pub(crate) recent: BTreeMap<u64, B256>,
    pub(crate) epoch: u64,
    pub(crate) registration_work: u64,
    pub(crate) registrations: u64,
    pub(crate) last_settlement: u64,
    pub(crate) settle_users: bool,
    pub(crate) cursor: Address,
}

impl Books {
    pub(crate) fn new(genesis: ValidGenesis) -> Self {
        let g = &genesis.genesis;
        let stake = g.validators.iter().map(|v| v.stake.units()).sum::<u128>();
        let mut balances = BTreeMap::from([
            (ESCROW, (0, g.escrow.units())),
            (ISSUANCE, (0, g.issuance.units())),
            (STAKE, (0, stake)),
            (REPAY, (0, 0)),
        ]);
        balances.extend(g.allocations.iter().map(|a| (a.account, (0, a.balance.units()))));
        let supply = balances.values().map(|(_, b)| *b).sum();
        let tip = Tip { head: genesis.hash, time_ms: g.time_ms, beacon: genesis.hash, ..Tip::default() };
        let allowance = genesis.params.epoch.issuance_allowance.units().min(g.issuance.units());
        Self {
            supply,
            total: supply,
            tip,
            balances,
            accounts: BTreeMap::new(),
            accrued: 0,
            debt: 0,
            funds: Funds { issuance_left: allowance, ..Funds::default() },
            plugins: BTreeMap::new(),
            roster: Vec::new(),
            tasks: BTreeMap::new(),
            waiting: BTreeSet::new(),
            expiries: BTreeSet::new(),
            bumps: BTreeSet::new(),
            last_task: 0,
            items: BTreeMap::new(),
            next_item: 0,
            unproven: 0,
            batches: BTreeMap::new(),
            next_batch: 0,
            next_batch_item: 0,
            next_certified: 0,
            smoothed_milli: 0,
            frozen: BTreeMap::new(),
            recent: BTreeMap::from([(0, genesis.hash)]),
            epoch: 0,
            registration_work: genesis.params.plugins.initial_registration_work,
            registrations: 0,
            last_settlement: 0,
            settle_users: false,
            cursor: Address::ZERO,
            genesis,
        }
    }

    pub(crate) fn params(&self) -> &Params {
        &self.genesis.params
    }

    pub(crate) fn balance(&self, who: &Address) -> u128 {
        self.balances.get(who).map_or(0, |(_, balance)| *balance)
    }

    pub(crate) fn account(&self, who: &Address) -> Account {
        self.accounts.get(who).copied().unwrap_or_default()
    }

    pub(crate) fn slots(&self, who: &Address) -> u32 {
        let valid = self.plugins.get(who).map_or(0, |p| p.valid);
        rules::slots(self.params(), valid, self.account(who).debt > 0)
    }

    pub(crate) fn free_slots(&self, who: &Address) -> u32 {
        match self.plugins.get(who) {
            Some(p) if p.active => self.slots(who).saturating_sub(u32::try_from(p.open.len()).unwrap_or(u32::MAX)),
            _ => 0,
        }
    }

    /// What stays accrued: one penalty per slot while there may be something to charge it for.
    pub(crate) fn bond(&self, who: &Address) -> u128 {
        let Some(p) = self.plugins.get(who) else { return 0 };
        let liable = p.index.is_some() && (p.active || !p.open.is_empty());
        if liable { self.params().proving.timeout_penalty.units() * u128::from(self.slots(who)) } else { 0 }
    }

    pub(crate) fn payable(&self, who: &Address) -> u128 {
        self.account(who).accrued.saturating_sub(self.bond(who))
    }

    pub(crate) fn owed(&self) -> u128 {
        let f = &self.funds;
        [self.accrued, f.reserved, f.unopened, f.aggregation, f.settlement, f.posting]
            .into_iter()
            .fold(0, u128::saturating_add)
    }

    pub(crate) fn surplus(&self) -> u128 {
        (self.balance(&ESCROW).saturating_add(self.funds.issuance_due)).saturating_sub(self.owed())
    }

    /// Balance + accrued - debt.
    pub(crate) fn holding(&self, who: &Address) -> i128 {
        let account = self.account(who);
        let signed = |n: u128| i128::try_from(n).unwrap_or(i128::MAX);
        signed(self.balance(who)).saturating_add(signed(account.accrued)).saturating_sub(signed(account.debt))
    }

    /// The bounty of a task for `wanted`, and its part from issuance.
    pub(crate) fn paid(&self, task: &Task, wanted: u128) -> (Zkpow, Zkpow) {
        let from_issuance = wanted.saturating_sub(task.funded).min(self.funds.issuance_left);
        (Zkpow(task.funded.saturating_add(from_issuance)), Zkpow(from_issuance))
    }

    /// A plugin's free slots, one entry each, ascending.
    pub(crate) fn free_list(&self) -> Vec<Address> {
        let mut list = Vec::new();
        for (who, p) in &self.plugins {
            if p.active {
                list.extend(std::iter::repeat_n(*who, self.free_slots(who) as usize));
            }
        }
        list
    }
}
