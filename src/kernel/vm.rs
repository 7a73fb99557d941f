//! The seam to execution: one item in, state changes and statement data out.

use crowdfold_events::{AccountChange, Address, B256, Zkpow, event::SettlementEntry};
use imbl::OrdMap;
use alloy_primitives::keccak256;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateTree(OrdMap<Address, (u64, u128)>);

pub const ESCROW: Address = system(1);
pub const ISSUANCE: Address = system(2);
pub const STAKE: Address = system(3);
pub const REPAY: Address = system(4);
pub const SEGMENTS_PER_TRANSFER: u32 = 3;

const fn system(n: u8) -> Address {
    let mut a = [0; 20];
    a[0] = 0xc0;
    a[1] = 0xf0;
    a[2] = 0x1d;
    a[19] = n;
    Address::new(a)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEnv { pub number: u64, pub time_ms: u64, pub base_fee: u128, pub gas_limit: u64, pub beacon: B256, pub chain_id: u64, pub rules_version: u32 }

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemStatement {
    pub chain_id: u64, pub contract: [u8; 20], pub position: u64, pub pre_root: [u8; 32], pub post_root: [u8; 32],
    pub data_hi: [u8; 32], pub data_lo: [u8; 32], pub sender: [u8; 20], pub env: [u8; 32], pub worker: [u8; 20], pub task: u64, pub segments: u32,
}

#[derive(Clone, Debug)]
pub struct Transaction { pub hash: B256, pub sender: Address, pub nonce: u64, pub to: Address, pub value: u128, pub gas_limit: u64, pub max_fee: u128, pub max_priority_fee: u128, pub data: Vec<u8> }

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed")]
pub struct AdmissionError;
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionRejected { #[error("nonce {found}, expected {expected}")] Nonce { found: u64, expected: u64 }, #[error("funds")] Funds }
impl TransactionRejected { pub fn is_temporary(&self) -> bool { matches!(self, Self::Nonce { found, expected } if found > expected) } }
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("overflow")]
pub struct ExecutionError;
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError { #[error(transparent)] Rejected(#[from] TransactionRejected), #[error(transparent)] Bug(#[from] ExecutionError) }

#[derive(Clone, Debug)]
pub struct Executed { pub gas_used: u64, pub effective_gas_price: u128, pub fee: u128, pub changes: Vec<AccountChange>, pub pre_root: B256, pub post_root: B256, pub segments: u32, pub data_hi: B256, pub data_lo: B256, pub env: B256 }

pub fn genesis_tree(accounts: &[(Address, u128)]) -> Result<StateTree, ExecutionError> {
    Ok(StateTree(accounts.iter().map(|(a, b)| (*a, (0, *b))).collect()))
}
impl StateTree {
    pub fn balance(&self, a: &Address) -> u128 { self.0.get(a).map_or(0, |x| x.1) }
    pub fn nonce(&self, a: &Address) -> u64 { self.0.get(a).map_or(0, |x| x.0) }
    pub fn total(&self) -> u128 { self.0.values().map(|x| x.1).sum() }
    pub fn root(&self) -> B256 {
        let mut bytes = Vec::new();
        for (a, (n, b)) in &self.0 { bytes.extend_from_slice(a.as_slice()); bytes.extend_from_slice(&n.to_be_bytes()); bytes.extend_from_slice(&b.to_be_bytes()); }
        keccak256(bytes)
    }
    pub fn write(&mut self, changes: &[AccountChange]) -> Result<(), ExecutionError> {
        for c in changes { self.0.insert(c.account, (c.nonce, c.balance.0)); }
        Ok(())
    }
}
pub fn decode_transaction(raw: &[u8], _chain_id: u64) -> Result<Transaction, AdmissionError> {
    if raw.len() < 96 { return Err(AdmissionError); }
    let u = |a: usize| u128::from_be_bytes(raw[a..a + 16].try_into().unwrap_or([0; 16]));
    Ok(Transaction { hash: keccak256(raw), sender: Address::from_slice(&raw[..20]), nonce: u(20) as u64, to: Address::from_slice(&raw[36..56]), value: u(56), gas_limit: 21_000, max_fee: u(72), max_priority_fee: 0, data: raw[96..].to_vec() })
}
fn env_digest(env: &BlockEnv) -> B256 { keccak256(format!("{env:?}")) }
pub fn execute_transaction(tree: &mut StateTree, tx: &Transaction, env: &BlockEnv) -> Result<Executed, TransactionError> {
    let pre_root = tree.root();
    let expected = tree.nonce(&tx.sender);
    if expected != tx.nonce { return Err(TransactionRejected::Nonce { found: tx.nonce, expected }.into()); }
    let price = tx.max_fee.min(env.base_fee + tx.max_priority_fee);
    let fee = price * 21_000;
    let balance = tree.balance(&tx.sender).checked_sub(fee + tx.value).ok_or(TransactionRejected::Funds)?;
    let mut changes = vec![AccountChange { account: tx.sender, nonce: expected + 1, balance: Zkpow(balance) }];
    tree.write(&changes)?;
    for (a, v) in [(tx.to, tx.value), (ESCROW, fee)] {
        if v == 0 { continue }
        let c = AccountChange { account: a, nonce: tree.nonce(&a), balance: Zkpow(tree.balance(&a) + v) };
        tree.write(&[c])?;
        changes.push(c);
    }
    Ok(Executed { gas_used: 21_000, effective_gas_price: price, fee, changes, pre_root, post_root: tree.root(), segments: SEGMENTS_PER_TRANSFER, data_hi: B256::ZERO, data_lo: tx.hash, env: env_digest(env) })
}
pub fn execute_settlement(tree: &mut StateTree, entries: &[SettlementEntry], env: &BlockEnv) -> Result<Executed, ExecutionError> {
    let pre_root = tree.root();
    let mut changes = Vec::new();
    for e in entries {
        let b = tree.balance(&e.account);
        let b = if e.credit { b.checked_add(e.amount.0) } else { b.checked_sub(e.amount.0) }.ok_or(ExecutionError)?;
        let c = AccountChange { account: e.account, nonce: tree.nonce(&e.account), balance: Zkpow(b) };
        tree.write(&[c])?;
        changes.push(c);
    }
    Ok(Executed { gas_used: 0, effective_gas_price: 0, fee: 0, changes, pre_root, post_root: tree.root(), segments: (entries.len() as u32).div_ceil(2), data_hi: B256::with_last_byte(entries.len() as u8), data_lo: keccak256(format!("{entries:?}")), env: env_digest(env) })
}
pub fn admission_statement(chain_id: u64, contract: Address, index: u32, worker: Address, task: u64) -> ItemStatement {
    ItemStatement { chain_id, contract: contract.into_array(), position: u64::from(index), pre_root: [0; 32], post_root: [1; 32], data_hi: [2; 32], data_lo: [3; 32], sender: [0; 20], env: [0; 32], worker: worker.into_array(), task, segments: 3 }
}
pub fn count_scalar(n: usize) -> B256 { B256::with_last_byte(n as u8) }
