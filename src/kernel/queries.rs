//! What RPC and actors ask. Nothing here changes or decides.

use crowdfold_config::{Genesis, ValidParams};
use crowdfold_events::{Address, B256, BatchIndex, Height, ItemIndex, SignedZkpow, TaskId, Zkpow};

use crowdfold_zk::tree::StateTree;

use crate::{
    faults::InvariantFault,
    model::{Batch, Item, MarketAccount, Plugin, Stage, Task},
    state::State,
    vm,
};

/// An account, EVM and market state together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountInfo {
    /// Transactions sent.
    pub nonce: u64,
    /// Spendable balance, apart from the debt's encumbrance.
    pub balance: Zkpow,
    /// Earned, not settled.
    pub accrued: Zkpow,
    /// Owed.
    pub debt: Zkpow,
    /// Balance + accrued - debt.
    pub holding: SignedZkpow,
    /// Part of `accrued` that stays as bond.
    pub bond: Zkpow,
    /// Last sequence in the system lane.
    pub sequence: u64,
}

/// How far a plugin is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Valid proofs since its last failure.
    pub consecutive_valid: u32,
    /// Tasks that it may have at a time.
    pub slots: u32,
    /// Valid proofs since the last failure with which the next slot comes;
    /// `None` at the most slots, and in debt, which leaves one.
    pub next_slot_at: Option<u32>,
}

/// Where all the money is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupplyReport {
    /// Sum of all balances at genesis.
    pub genesis: Zkpow,
    /// Sum of all balances now.
    pub now: Zkpow,
    /// They are equal and every cover holds.
    pub conserved: bool,
    /// Balance of the escrow.
    pub escrow: Zkpow,
    /// Balance of issuance.
    pub issuance: Zkpow,
    /// Rewards accrued by everybody.
    pub accrued: Zkpow,
    /// Debts of everybody.
    pub debt: Zkpow,
    /// Held for open tasks.
    pub reserved: Zkpow,
    /// Earmarked for aggregation, settlement and posting together.
    pub earmarked: Zkpow,
}

/// Sums of the market that belong to nobody, in smallest units, and what they follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketSums {
    /// Rewards accrued by everybody.
    pub accrued: u128,
    /// Held for open tasks.
    pub reserved: u128,
    /// Proving shares of items whose tasks are not opened yet; 0 between blocks.
    pub unopened: u128,
    /// Earmarked for aggregation.
    pub aggregation: u128,
    /// Earmarked for settlements.
    pub settlement: u128,
    /// Earmarked for posting.
    pub posting: u128,
    /// Spent issuance that a settlement still has to move to the escrow.
    pub issuance_due: u128,
    /// Issuance held for assignments.
    pub issuance_held: u128,
    /// Issuance left of this epoch's allowance.
    pub issuance_left: u128,
    /// Smoothed active slots, in thousandths.
    pub smoothed_slots_milli: u64,
    /// First item that is in no batch.
    pub next_batch_item: ItemIndex,
}

impl State {
    /// Sums that belong to nobody.
    #[must_use]
    pub fn market_sums(&self) -> MarketSums {
        let market = &self.market;
        MarketSums {
            accrued: market.accrued,
            reserved: market.reserved,
            unopened: market.unopened,
            aggregation: market.aggregation_fund,
            settlement: market.settlement_fund,
            posting: market.posting_fund,
            issuance_due: market.issuance_due,
            issuance_held: market.issuance_held,
            issuance_left: market.issuance_left,
            smoothed_slots_milli: market.smoothed_slots_milli,
            next_batch_item: market.next_batch_item,
        }
    }

    /// What an event did that no block may do, if one did: an amount left its
    /// range. Only forged events do.
    #[must_use]
    pub fn broken(&self) -> Option<&InvariantFault> {
        self.broken.as_ref()
    }

    /// The genesis of the chain.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.genesis.genesis
    }

    /// Its hash.
    #[must_use]
    pub fn genesis_hash(&self) -> B256 {
        self.genesis.hash
    }

    /// The parameters.
    #[must_use]
    pub fn parameters(&self) -> &ValidParams {
        self.params()
    }

    /// Hash of the last header (the genesis hash before block 1).
    #[must_use]
    pub fn head(&self) -> B256 {
        self.chain.head
    }

    /// Time of the last block in milliseconds since the Unix epoch.
    #[must_use]
    pub fn time_ms(&self) -> u64 {
        self.chain.time_ms
    }

    /// Base fee of the last block.
    #[must_use]
    pub fn base_fee(&self) -> u128 {
        self.chain.base_fee
    }

    /// Beacon of the last block.
    #[must_use]
    pub fn beacon(&self) -> B256 {
        self.chain.beacon
    }

    /// Head of the event chain.
    #[must_use]
    pub fn events_head(&self) -> B256 {
        self.events_head
    }

    /// Root of the state tree.
    #[must_use]
    pub fn state_root(&self) -> B256 {
        self.tree.root()
    }

    /// The state tree: what execution and witnesses read.
    #[must_use]
    pub fn tree(&self) -> &StateTree {
        &self.tree.0
    }

    /// Everything about an account.
    #[must_use]
    pub fn account_info(&self, address: &Address) -> AccountInfo {
        let MarketAccount { accrued, debt, sequence, .. } = self.account(address);
        AccountInfo {
            nonce: self.tree.nonce(address),
            balance: Zkpow(self.tree.balance(address)),
            accrued,
            debt,
            holding: SignedZkpow(self.holding(address)),
            bond: Zkpow(self.bond(address)),
            sequence,
        }
    }

    /// Accounts with a market state, in order of address.
    pub fn market_accounts(&self) -> impl Iterator<Item = (&Address, &MarketAccount)> {
        self.accounts.iter()
    }

    /// A task.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.tasks.get(&id)
    }

    /// Tasks that are neither done nor lapsed, in order.
    pub fn open_tasks(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        self.open.iter().filter_map(|id| Some((*id, self.tasks.get(id)?)))
    }

    /// An item.
    #[must_use]
    pub fn item(&self, index: ItemIndex) -> Option<&Item> {
        self.items.get(&index)
    }

    /// Number of items so far.
    #[must_use]
    pub fn item_count(&self) -> u64 {
        self.chain.next_item.0
    }

    /// The item of a transaction.
    #[must_use]
    pub fn item_of(&self, transaction: &B256) -> Option<(ItemIndex, &Item)> {
        let index = self.by_hash.get(transaction)?;
        Some((*index, self.items.get(index)?))
    }

    /// A plugin.
    #[must_use]
    pub fn plugin(&self, address: &Address) -> Option<&Plugin> {
        self.plugins.get(address)
    }

    /// How far a plugin is trusted; `None` if it is not registered.
    #[must_use]
    pub fn trust(&self, address: &Address) -> Option<Trust> {
        let plugin = self.plugins.get(address)?;
        let (slots, rule) = (self.slots(address, plugin), &self.params().trust);
        let grows = slots < rule.max_slots && self.account(address).debt == Zkpow::ZERO;
        let next_slot_at = grows.then(|| slots.saturating_mul(rule.valid_per_slot));
        Some(Trust { consecutive_valid: plugin.consecutive_valid, slots, next_slot_at })
    }

    /// All plugins in order of address.
    pub fn plugins(&self) -> impl Iterator<Item = (&Address, &Plugin)> {
        self.plugins.iter()
    }

    /// Active plugins with their slots, in order of address.
    pub fn active_set(&self) -> impl Iterator<Item = (&Address, u32)> {
        self.plugins.iter().filter(|(_, p)| p.active).map(|(a, p)| (a, self.slots(a, p)))
    }

    /// Slots that are frozen after a block whose draw is still to come.
    #[must_use]
    pub fn frozen_slots(&self, height: Height) -> Option<(B256, Vec<Address>)> {
        self.frozen.get(&height).map(|f| (f.root, f.slots.iter().copied().collect()))
    }

    /// A batch.
    #[must_use]
    pub fn batch(&self, index: BatchIndex) -> Option<&Batch> {
        self.batches.get(&index)
    }

    /// All batches in order.
    pub fn batches(&self) -> impl Iterator<Item = (BatchIndex, &Batch)> {
        self.batches.iter().map(|(index, batch)| (*index, batch))
    }

    /// The first batch that is not certified, whether it is closed yet or not.
    #[must_use]
    pub fn next_certified(&self) -> BatchIndex {
        self.market.next_certified
    }

    /// The batch to certify next, if it is proven.
    #[must_use]
    pub fn certifiable(&self) -> Option<BatchIndex> {
        let next = self.market.next_certified;
        self.batches.get(&next).filter(|b| b.proof.is_some()).map(|_| next)
    }

    /// Segments that are committed and not proven.
    #[must_use]
    pub fn unproven_segments(&self) -> u64 {
        self.market.unproven_segments
    }

    /// Expected hashes of a registration now, and the block whose hash to bind it to.
    #[must_use]
    pub fn registration_work(&self) -> (u64, Height, B256) {
        (self.market.registration_work, self.chain.height, self.chain.head)
    }

    /// True while blocks have something to do without any input: tasks are open, items wait for a
    /// batch, a batch for its certificate, or somebody for a settlement that will pay.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.open.is_empty()
            || self.items.range(self.market.next_batch_item..).next().is_some()
            || self.certifiable().is_some()
            || self.settlement_pending()
    }

    /// Where all the money is.
    #[must_use]
    pub fn supply_report(&self) -> SupplyReport {
        let market = &self.market;
        SupplyReport {
            genesis: Zkpow(self.supply),
            now: Zkpow(market.balances),
            conserved: self.check_invariants().is_ok(),
            escrow: Zkpow(self.tree.balance(&vm::ESCROW)),
            issuance: Zkpow(self.tree.balance(&vm::ISSUANCE)),
            accrued: Zkpow(market.accrued),
            debt: Zkpow(market.debt),
            reserved: Zkpow(market.reserved),
            earmarked: Zkpow(
                market.aggregation_fund.saturating_add(market.settlement_fund).saturating_add(market.posting_fund),
            ),
        }
    }

    /// The tip: height and time of the last block.
    #[must_use]
    pub fn tip(&self) -> Stage {
        self.now()
    }
}
