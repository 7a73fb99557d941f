//! Everything that decides later blocks.
//!
//! A clone costs a few pointers: every collection shares its structure. Only
//! [`State::apply`] changes a state, by one event at a time, and it cannot
//! fail; arithmetic that would leave its range is remembered as a broken
//! invariant, which no block survives.

use std::sync::Arc;

use crowdfold_config::{ValidGenesis, ValidParams};
use crowdfold_events::{Address, B256, BatchIndex, Height, ItemIndex, TaskId, Zkpow};
use imbl::{OrdMap, OrdSet, Vector};
use serde::{Deserialize, Serialize};

use crate::{
    faults::InvariantFault,
    model::{Batch, Item, MarketAccount, Plugin, Stage, Task},
    planted::{self, Bug},
    vm::{self, Tree},
};

/// The chain's tip, and the block that is being executed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chain {
    pub(crate) height: Height,
    pub(crate) head: B256,
    pub(crate) time_ms: u64,
    pub(crate) proposer: Address,
    pub(crate) beacon: B256,
    pub(crate) base_fee: u128,
    pub(crate) gas_used: u64,
    /// Of the user lane, which is what the base fee looks at.
    pub(crate) user_segments: u32,
    pub(crate) next_item: ItemIndex,
}

/// Sums and counters of the market. Amounts are in the smallest unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Market {
    /// Sum of all balances in the state tree, kept from the changes alone.
    pub(crate) balances: u128,
    pub(crate) accrued: u128,
    pub(crate) debt: u128,
    /// Held for open tasks.
    pub(crate) reserved: u128,
    /// Proving share of an item whose task is not opened yet; zero between blocks.
    pub(crate) unopened: u128,
    pub(crate) aggregation_fund: u128,
    pub(crate) settlement_fund: u128,
    pub(crate) posting_fund: u128,
    /// Spent issuance that a settlement still has to move to the escrow.
    pub(crate) issuance_due: u128,
    /// Held for assignments.
    pub(crate) issuance_held: u128,
    /// Left of this epoch's allowance.
    pub(crate) issuance_left: u128,
    pub(crate) unproven_segments: u64,
    /// Smoothed active slots, in thousandths.
    pub(crate) smoothed_slots_milli: u64,
    pub(crate) last_task: TaskId,
    pub(crate) next_batch: BatchIndex,
    /// First item that is in no batch.
    pub(crate) next_batch_item: ItemIndex,
    /// First batch that is not certified.
    pub(crate) next_certified: BatchIndex,
    pub(crate) next_plugin_index: u32,
    pub(crate) epoch: u64,
    pub(crate) registration_work: u64,
    pub(crate) registrations: u32,
    pub(crate) last_settlement: Height,
    /// A user transaction was executed since the last settlement.
    pub(crate) settle_users: bool,
    /// Pending withdrawals.
    pub(crate) withdrawals: u32,
    /// Where the last settlement stopped going round the accounts.
    pub(crate) settlement_cursor: Address,
}

/// The free slots as they were after a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Frozen {
    /// One entry per free slot, in ascending order of address.
    pub(crate) slots: Vector<Address>,
    pub(crate) root: B256,
}

/// The state after a block. See the module's header.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub(crate) genesis: Arc<ValidGenesis>,
    pub(crate) supply: u128,
    pub(crate) chain: Chain,
    /// Head of the event chain after the last event applied.
    pub(crate) events_head: B256,
    pub(crate) tree: Tree,
    pub(crate) market: Market,
    pub(crate) accounts: OrdMap<Address, MarketAccount>,
    pub(crate) plugins: OrdMap<Address, Plugin>,
    /// Plugin of each bit in `HeartbeatsRecorded`.
    pub(crate) roster: Vector<Address>,
    /// Active plugins by the block in which they were last seen.
    pub(crate) seen: OrdSet<(Height, Address)>,
    pub(crate) tasks: OrdMap<TaskId, Task>,
    /// Tasks that are neither done nor lapsed.
    pub(crate) open: OrdSet<TaskId>,
    /// Tasks to be drawn.
    pub(crate) waiting: OrdSet<TaskId>,
    /// When assigned tasks time out and quarantined ones are refunded.
    pub(crate) deadlines: OrdSet<(Height, TaskId)>,
    /// When bounties rise.
    pub(crate) bumps: OrdSet<(Height, TaskId)>,
    pub(crate) items: OrdMap<ItemIndex, Item>,
    /// Item of each transaction.
    pub(crate) by_hash: OrdMap<B256, ItemIndex>,
    pub(crate) batches: OrdMap<BatchIndex, Batch>,
    /// Closed admission tasks by the block in which they were closed.
    pub(crate) closed: OrdSet<(Height, TaskId)>,
    pub(crate) frozen: OrdMap<Height, Frozen>,
    /// Hashes of the latest headers, for hashcash.
    pub(crate) recent: OrdMap<Height, B256>,
    pub(crate) broken: Option<InvariantFault>,
}

impl State {
    pub(crate) fn params(&self) -> &ValidParams {
        &self.genesis.params
    }

    /// The block that is being executed, or the last one.
    pub(crate) fn now(&self) -> Stage {
        Stage { height: self.chain.height, time_ms: self.chain.time_ms }
    }

    pub(crate) fn account(&self, address: &Address) -> MarketAccount {
        self.accounts.get(address).copied().unwrap_or_default()
    }

    pub(crate) fn account_mut(&mut self, address: Address) -> &mut MarketAccount {
        self.accounts.entry(address).or_default()
    }

    /// Slots that a plugin's trust gives it; one while in debt.
    pub(crate) fn slots(&self, address: &Address, plugin: &Plugin) -> u32 {
        if self.account(address).debt > Zkpow::ZERO && !planted::is(Bug::DebtKeepsSlots) {
            return 1;
        }
        let trust = &self.params().trust;
        (plugin.consecutive_valid / trust.valid_per_slot).saturating_add(1).min(trust.max_slots)
    }

    /// Slots of an active plugin that hold no task; 0 for any other address.
    pub(crate) fn free_slots(&self, address: &Address) -> u32 {
        self.plugins.get(address).filter(|p| p.active).map_or(0, |p| {
            let used = if planted::is(Bug::SlotsUnlimited) { 0 } else { p.open.len() as u32 };
            self.slots(address, p).saturating_sub(used)
        })
    }

    /// What stays accrued as bond.
    pub(crate) fn bond(&self, address: &Address) -> u128 {
        let penalty = self.params().proving.timeout_penalty.units();
        self.plugins
            .get(address)
            .filter(|p| p.index.is_some() && (p.active || !p.open.is_empty()))
            .map_or(0, |p| penalty * u128::from(self.slots(address, p)))
    }

    /// Balance + accrued - debt.
    pub(crate) fn holding(&self, address: &Address) -> i128 {
        let account = self.account(address);
        let have = self.tree.balance(address).saturating_add(account.accrued.0);
        // Both sides are below 2^127: the supply is, and debts are bounded by penalties times tasks.
        i128::try_from(have).unwrap_or(i128::MAX).saturating_sub(i128::try_from(account.debt.0).unwrap_or(i128::MAX))
    }

    /// The escrow's money that nothing claims.
    pub(crate) fn surplus(&self) -> u128 {
        let have = self.tree.balance(&vm::ESCROW).saturating_add(self.market.issuance_due);
        have.saturating_sub(self.market.owed().unwrap_or(u128::MAX))
    }
}

impl Market {
    /// What the escrow must cover: accrued, reserved, earmarked. `None` past `u128::MAX`.
    pub(crate) fn owed(&self) -> Option<u128> {
        [self.accrued, self.reserved, self.unopened, self.aggregation_fund, self.settlement_fund, self.posting_fund]
            .into_iter()
            .try_fold(0u128, u128::checked_add)
    }
}
