//! Transactions that wait for a block.
//!
//! ```text
//! raw bytes ─decode─► check against the state ─► by sender and nonce ─► candidates
//!                        (typed refusal)            │  bounded
//!                                                   └─ replaced by ≥ 10 % more fee
//! ```
//!
//! One pool is shared by all senders; each has at most `per_sender` places.
//! When the pool is full, nothing more is taken. A clone shares everything, so
//! readers get a snapshot of the pool.

use std::{collections::BinaryHeap, sync::Arc};

use alloy_primitives::{Bytes, U256};
use crowdfold_events::{Address, B256, Height};
use crowdfold_execution::{AdmissionError, Transaction, gas};
use crowdfold_kernel::{State, TransactionFault};
use crowdfold_zk::SEGMENTS_PER_TRANSFER;
use imbl::OrdMap;

use crate::planted::{self, Bug};

/// Bounds of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolLimits {
    /// Transactions in the pool.
    pub transactions: usize,
    /// Transactions of one sender.
    pub per_sender: usize,
    /// By how much a replacement must raise both prices, in percent.
    pub bump_percent: u128,
    /// Blocks after which a transaction that was never included goes.
    pub lifetime_blocks: u64,
}

impl Default for MempoolLimits {
    fn default() -> Self {
        Self { transactions: 8192, per_sender: 64, bump_percent: 10, lifetime_blocks: 100_000 }
    }
}

/// A waiting transaction.
#[derive(Debug)]
struct Pooled {
    transaction: Transaction,
    raw: Bytes,
    arrival: u64,
    height: Height,
}

/// See the module's header.
#[derive(Clone, Debug)]
pub struct Mempool {
    limits: MempoolLimits,
    by_sender: OrdMap<Address, OrdMap<u64, Arc<Pooled>>>,
    by_hash: OrdMap<B256, (Address, u64)>,
    arrivals: u64,
}

impl Mempool {
    /// An empty pool.
    #[must_use]
    pub fn new(limits: MempoolLimits) -> Self {
        Self { limits, by_sender: OrdMap::new(), by_hash: OrdMap::new(), arrivals: 0 }
    }

    /// Number of transactions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_hash.is_empty()
    }

    /// A waiting transaction's bytes.
    #[must_use]
    pub fn raw(&self, hash: &B256) -> Option<Bytes> {
        let (sender, nonce) = self.by_hash.get(hash)?;
        Some(self.by_sender.get(sender)?.get(nonce)?.raw.clone())
    }

    /// The nonce after the sender's waiting transactions that follow `nonce`
    /// without a gap; `None` when none waits there.
    #[must_use]
    pub fn next_nonce(&self, sender: &Address, nonce: u64) -> Option<u64> {
        let waiting = self.by_sender.get(sender)?;
        let run = (nonce..).take_while(|n| waiting.contains_key(n)).count() as u64;
        (run > 0).then_some(nonce + run)
    }

    /// Takes a decoded transaction, or says why not.
    ///
    /// # Errors
    /// The sender's fault, or the pool is full.
    pub fn insert(&mut self, transaction: Transaction, raw: Bytes, state: &State) -> Result<B256, TransactionFault> {
        let (hash, sender, nonce) = (transaction.hash, transaction.sender, transaction.nonce);
        if self.by_hash.contains_key(&hash) || state.item_of(&hash).is_some() {
            return Err(AdmissionError::AlreadyKnown { hash }.into());
        }
        state.check_pending(&transaction)?;
        let waiting = self.by_sender.get(&sender).cloned().unwrap_or_default();
        match waiting.get(&nonce) {
            Some(replaced) => self.check_replacement(&replaced.transaction, &transaction)?,
            None if waiting.len() >= self.limits.per_sender => {
                return Err(AdmissionError::PoolFull { limit: self.limits.per_sender }.into());
            }
            None if self.len() >= self.limits.transactions => {
                return Err(AdmissionError::PoolFull { limit: self.limits.transactions }.into());
            }
            None => {}
        }
        check_funds(&waiting, &transaction, state)?;
        if planted::is(Bug::PoolForgetsTransaction) && hash[0] < 64 {
            return Ok(hash);
        }
        self.arrivals += 1;
        let pooled = Arc::new(Pooled { transaction, raw, arrival: self.arrivals, height: state.height() });
        if let Some(replaced) = self.by_sender.entry(sender).or_default().insert(nonce, pooled) {
            self.by_hash.remove(&replaced.transaction.hash);
        }
        self.by_hash.insert(hash, (sender, nonce));
        Ok(hash)
    }

    fn check_replacement(&self, old: &Transaction, new: &Transaction) -> Result<(), AdmissionError> {
        let raised = |price: u128| {
            let step = price / 100 * self.limits.bump_percent + (price % 100 * self.limits.bump_percent).div_ceil(100);
            price.saturating_add(step.max(1))
        };
        let needed = raised(old.max_fee);
        if new.max_fee < needed || new.max_priority_fee < raised(old.max_priority_fee) {
            return Err(AdmissionError::ReplacementUnderpriced { needed });
        }
        Ok(())
    }

    /// Raw transactions for the next block: the best payers first, each
    /// sender's in order of nonce, as many as gas, segments and backlog allow.
    #[must_use]
    pub fn candidates(&self, state: &State) -> Vec<Vec<u8>> {
        let block = &state.parameters().block;
        let segments = u64::from(SEGMENTS_PER_TRANSFER);
        let backlog = block.max_unproven_segments.saturating_sub(state.unproven_segments()) / segments;
        let room = (block.gas_limit / gas::TRANSACTION_GAS).min(u64::from(block.max_segments) / segments).min(backlog);
        let base_fee = state.next_base_fee();
        let tip = |tx: &Transaction| tx.max_priority_fee.min(tx.max_fee.saturating_sub(base_fee));
        let mut heads = BinaryHeap::new();
        let push = |heads: &mut BinaryHeap<_>, sender: Address, nonce: u64| {
            let found = self.by_sender.get(&sender).and_then(|waiting| waiting.get(&nonce));
            if let Some(pooled) = found.filter(|p| p.transaction.max_fee >= base_fee) {
                heads.push((tip(&pooled.transaction), std::cmp::Reverse(pooled.arrival), sender, nonce));
            }
        };
        for sender in self.by_sender.keys() {
            push(&mut heads, *sender, state.account_info(sender).nonce);
        }
        let mut chosen = Vec::new();
        while let Some((_, _, sender, nonce)) = heads.pop() {
            if chosen.len() as u64 >= room {
                break;
            }
            if let Some(pooled) = self.by_sender.get(&sender).and_then(|waiting| waiting.get(&nonce)) {
                chosen.push(pooled.raw.to_vec());
                push(&mut heads, sender, nonce + 1);
            }
        }
        chosen
    }

    /// Forgets a transaction.
    pub fn remove(&mut self, hash: &B256) {
        let Some((sender, nonce)) = self.by_hash.remove(hash) else { return };
        let Some(waiting) = self.by_sender.get_mut(&sender) else { return };
        waiting.remove(&nonce);
        if waiting.is_empty() {
            self.by_sender.remove(&sender);
        }
    }

    /// Forgets what a new state makes useless: used nonces and what is too old.
    pub fn advance(&mut self, state: &State) {
        let oldest = state.height().0.saturating_sub(self.limits.lifetime_blocks);
        let mut gone = Vec::new();
        for (sender, waiting) in &self.by_sender {
            let next = state.account_info(sender).nonce;
            let useless = waiting.iter().filter(|(nonce, pooled)| **nonce < next || pooled.height.0 < oldest);
            gone.extend(useless.map(|(_, pooled)| pooled.transaction.hash));
        }
        gone.iter().for_each(|hash| self.remove(hash));
    }
}

/// All waiting transactions of a sender together must be covered.
fn check_funds(waiting: &OrdMap<u64, Arc<Pooled>>, new: &Transaction, state: &State) -> Result<(), AdmissionError> {
    let others = waiting.iter().filter(|(nonce, _)| **nonce != new.nonce);
    let cost = others.fold(new.max_cost(), |sum, (_, pooled)| sum.saturating_add(pooled.transaction.max_cost()));
    let account = state.account_info(&new.sender);
    let debt = state.admission_context(new, 0, 0, true).debt;
    if cost.saturating_add(U256::from(debt)) > U256::from(account.balance.0) {
        return Err(AdmissionError::InsufficientFunds { sender: new.sender, balance: account.balance.0, cost, debt });
    }
    Ok(())
}
