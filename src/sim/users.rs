//! The users of a world: wallets that send transfers and do not let go until they are in a block.
//!
//! A transaction that is not in a block after [`AGAIN_MS`] is sent again, since
//! the node may have died with its pool; one that is stuck for longer is
//! replaced by one that pays more. New ones are asked for block by block.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, keccak256};
use crowdfold_execution::{
    TransactionKind,
    wallet::{Transfer, Wallet},
};
use crowdfold_kernel::{REPAY, State};

use super::random::{Seed, Stream};

/// What each wallet owns at genesis: 10,000 ZKPoW.
pub const BALANCE: u128 = 10_000 * ZKPOW;
const ZKPOW: u128 = 10u128.pow(18);
/// Transactions of one wallet on their way at the same time.
const MOST_PENDING: usize = 16;
/// Pause before a transaction that is in no block is sent again.
const AGAIN_MS: u64 = 90_000;
/// Age at which a transaction is replaced by a better-paid one.
const STUCK_MS: u64 = 900_000;

/// A transaction to be sent.
#[derive(Clone, Debug)]
pub struct Sending {
    /// In how many milliseconds.
    pub in_ms: u64,
    /// The signed bytes.
    pub raw: Bytes,
}

#[derive(Debug)]
struct Pending {
    transfer: Transfer,
    raw: Bytes,
    hash: B256,
    made_ms: u64,
    sent_ms: u64,
}

#[derive(Debug)]
struct Account {
    wallet: Wallet,
    next_nonce: u64,
    pending: BTreeMap<u64, Pending>,
}

/// All wallets.
#[derive(Debug)]
pub struct Users {
    accounts: Vec<Account>,
    luck: Stream,
    per_block: u32,
    /// Transactions that a node has taken and that are in no block yet or were, by hash, with the time.
    acknowledged: BTreeMap<B256, u64>,
    sent: u64,
    /// The first wallet sends so many more per block, to itself.
    spam: u32,
    /// Now and then somebody pays a debt that is not his.
    repays: bool,
}

/// Transactions per block of a wallet that spams.
const SPAM: u32 = 2;

/// The wallets of a world: as many as let every transaction of a few blocks have its own sender.
#[must_use]
pub fn wallets(seed: Seed, per_block: u32) -> Vec<Wallet> {
    let count = u64::from(per_block * 2).clamp(8, 256);
    let key = |number| Wallet::from_key(seed.bytes("user.key", number));
    let mut wallets: Vec<Wallet> = (0..count).filter_map(key).collect();
    wallets.sort_by_key(Wallet::address);
    wallets
}

impl Users {
    /// Users with these wallets, who want `per_block` transactions in every block.
    #[must_use]
    pub fn new(seed: Seed, wallets: Vec<Wallet>, per_block: u32, state: &State) -> Self {
        let account = |wallet: Wallet| {
            let next_nonce = state.account_info(&wallet.address()).nonce;
            Account { wallet, next_nonce, pending: BTreeMap::new() }
        };
        let accounts = wallets.into_iter().map(account).collect();
        Self {
            accounts,
            luck: seed.stream("users", 0),
            per_block,
            acknowledged: BTreeMap::new(),
            sent: 0,
            spam: 0,
            repays: true,
        }
    }

    /// Nobody pays the debts of others any more: attackers keep what they owe.
    pub fn keep_debts(&mut self) {
        self.repays = false;
    }

    /// From now on one wallet sends itself more transactions in every block; says whose.
    pub fn start_spam(&mut self) -> Option<Address> {
        let spammer = self.accounts.first()?.wallet.address();
        self.spam = SPAM;
        Some(spammer)
    }

    /// Their addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<Address> {
        self.accounts.iter().map(|a| a.wallet.address()).collect()
    }

    /// Transactions signed so far, replacements not counted.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Transactions that are in no block yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.accounts.iter().map(|a| a.pending.len()).sum()
    }

    /// What a node has taken, less what was replaced since.
    #[must_use]
    pub fn acknowledged(&self) -> &BTreeMap<B256, u64> {
        &self.acknowledged
    }

    /// A node has taken a transaction.
    pub fn taken(&mut self, now_ms: u64, hash: B256) {
        let is_ours = self.accounts.iter().any(|a| a.pending.values().any(|p| p.hash == hash));
        if is_ours {
            self.acknowledged.entry(hash).or_insert(now_ms);
        }
    }

    /// A block is there: what the users send because of it. New transactions only while `wants_more`.
    pub fn block(&mut self, now_ms: u64, state: &State, wants_more: bool) -> Vec<Sending> {
        let mut sending = Vec::new();
        for account in &mut self.accounts {
            let confirmed = state.account_info(&account.wallet.address()).nonce;
            account.pending = account.pending.split_off(&confirmed);
            for pending in account.pending.values_mut() {
                if now_ms < pending.sent_ms + AGAIN_MS {
                    continue;
                }
                pending.sent_ms = now_ms;
                if now_ms >= pending.made_ms + STUCK_MS {
                    pending.made_ms = now_ms;
                    self.acknowledged.remove(&pending.hash);
                    if pending.transfer.to == REPAY {
                        // Somebody else was faster, or the debt was earned off: only the nonce has to be used.
                        pending.transfer = Transfer {
                            to: account.wallet.address(),
                            value: 0,
                            data: Bytes::new(),
                            ..pending.transfer.clone()
                        };
                    }
                    pending.transfer.max_fee = pending.transfer.max_fee * 5 / 4 + 1;
                    pending.transfer.max_priority_fee = pending.transfer.max_priority_fee * 5 / 4 + 1;
                    pending.raw = account.wallet.sign(&pending.transfer).into();
                    pending.hash = keccak256(&pending.raw);
                }
                sending.push(Sending { in_ms: 0, raw: pending.raw.clone() });
            }
        }
        if wants_more && !self.accounts.is_empty() {
            let interval = state.parameters().block.target_block_time_ms;
            for _ in 0..self.per_block {
                let from = self.luck.below(self.accounts.len() as u64) as usize;
                let to = self.recipient();
                sending.extend(self.make(now_ms, interval, state, from, to));
            }
            for _ in 0..self.spam {
                let to = self.accounts.first().map(|a| a.wallet.address()).unwrap_or_default();
                sending.extend(self.make(now_ms, interval, state, 0, to));
            }
        }
        sending
    }

    fn make(&mut self, now_ms: u64, interval_ms: u64, state: &State, from: usize, to: Address) -> Option<Sending> {
        let in_ms = self.luck.below(interval_ms);
        let kinds = [TransactionKind::Eip1559, TransactionKind::Legacy, TransactionKind::Eip2930];
        let kind = kinds[self.luck.below(3) as usize];
        let (mut to, mut value) = (to, u128::from(self.luck.between(1, 1_000)) * (ZKPOW / 1_000));
        let mut data = Bytes::new();
        if self.luck.chance(20_000)
            && self.repays
            && let Some((debtor, account)) = state.market_accounts().find(|(_, a)| a.debt.0 > 0)
        {
            (to, value, data) = (REPAY, account.debt.0, Bytes::copy_from_slice(debtor.as_slice()));
        }
        let fee = state.next_base_fee();
        let max_priority_fee = fee / 100 * u128::from(self.luck.between(1, 10));
        let account = &mut self.accounts[from];
        if account.pending.len() >= MOST_PENDING {
            return None;
        }
        let nonce = account.next_nonce;
        let transfer = Transfer {
            kind,
            chain_id: state.genesis().chain_id,
            nonce,
            to,
            value,
            gas_limit: if data.is_empty() { 21_000 } else { 30_000 },
            max_fee: fee * 4,
            max_priority_fee,
            data,
        };
        let raw = Bytes::from(account.wallet.sign(&transfer));
        let hash = keccak256(&raw);
        account.next_nonce += 1;
        account.pending.insert(nonce, Pending { transfer, raw: raw.clone(), hash, made_ms: now_ms, sent_ms: now_ms });
        self.sent += 1;
        Some(Sending { in_ms, raw })
    }

    /// Mostly another user; now and then somebody new.
    fn recipient(&mut self) -> Address {
        if self.luck.chance(50_000) {
            return Address::from_slice(&self.luck.bytes()[..20]);
        }
        let to = self.luck.below(self.accounts.len() as u64) as usize;
        self.accounts[to].wallet.address()
    }
}
