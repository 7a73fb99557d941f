//! A chain of three blocks in a plain map, and a pool that checks like the node's.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use crowdfold_events::{
    BatchIndex, Block, BlockBody, BlockHeader, Commit, Event, Height, ItemIndex, TaskId, Zkpow, event::DrawReceipt,
};
use crowdfold_execution::{
    AccountView, AdmissionContext, BlockEnv, TransactionKind, check_admission, decode_transaction,
    evm::ESCROW,
    transfer_effect,
    wallet::{Transfer, Wallet},
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::rpc::{
    ChainIndex, ChainView, Limits, Rpc, TransactionSink,
    index::BlockRecord,
    view::{
        AccountInfo, AssignmentInfo, BatchInfo, ItemInfo, LedgerEntry, ProverInfo, StageInfo, StateHashInfo,
        SubmitError, TaskInfo,
    },
};

pub(super) const CHAIN: u64 = 1729;
pub(super) const BASE_FEE: u128 = 1_000_000_000;
pub(super) const GWEI: u128 = 1_000_000_000;

pub(super) fn wallet(index: u64) -> Wallet {
    Wallet::derive("rpc", index)
}

pub(super) fn prover() -> Address {
    Address::repeat_byte(0x77)
}

pub(super) fn transfer(from: u64, nonce: u64, value: u128, kind: TransactionKind) -> Vec<u8> {
    wallet(from).sign(&Transfer {
        kind,
        chain_id: CHAIN,
        nonce,
        to: Address::repeat_byte(0xab),
        value,
        gas_limit: 21_000,
        max_fee: 3 * GWEI,
        max_priority_fee: GWEI / 2,
        data: Bytes::new(),
    })
}

/// The chain.
pub(super) struct Fixture {
    state: BTreeMap<Address, AccountView>,
    index: ChainIndex,
    pub(super) hashes: Vec<B256>,
}

fn header(height: u64, parent: B256) -> BlockHeader {
    BlockHeader {
        chain_id: CHAIN,
        rules_version: 1,
        height: Height(height),
        parent,
        time_ms: 1_700_000_000_500 + 1000 * height,
        proposer: Address::repeat_byte(9),
        beacon: B256::repeat_byte(height as u8),
        transactions_root: B256::ZERO,
        messages_root: B256::ZERO,
        last_commit_hash: B256::ZERO,
        base_fee: BASE_FEE,
        gas_limit: 30_000_000,
        gas_used: 0,
        segments: 0,
        first_item: ItemIndex(0),
        items: 0,
        pre_state_root: B256::ZERO,
        post_state_root: B256::repeat_byte(5),
        receipts_root: B256::ZERO,
        market_root: B256::ZERO,
        validators_hash: B256::ZERO,
        next_validators_hash: B256::ZERO,
        parent_events_head: B256::ZERO,
    }
}

impl Fixture {
    pub(super) fn new() -> Self {
        let mut state = BTreeMap::from([(ESCROW, AccountView::default())]);
        for i in 0..3 {
            state.insert(wallet(i).address(), AccountView { nonce: 0, balance: 10u128.pow(18) });
        }
        let genesis = B256::repeat_byte(0x61);
        let mut chain = Self { state, index: ChainIndex::genesis(genesis, header(0, B256::ZERO)), hashes: Vec::new() };
        chain.add_block(&[
            transfer(0, 0, 5, TransactionKind::Legacy),
            transfer(1, 0, 6, TransactionKind::Eip2930),
            transfer(0, 1, 7, TransactionKind::Eip1559),
        ]);
        chain.add_block(&[]);
        chain.add_block(&[transfer(2, 0, 0, TransactionKind::Eip1559)]);
        chain
    }

    fn add_block(&mut self, transactions: &[Vec<u8>]) {
        let head = self.index.head();
        let parent = self.index.block(head).unwrap().hash;
        let mut header = header(head.0 + 1, parent);
        let env = BlockEnv {
            number: header.height.0,
            time_ms: header.time_ms,
            base_fee: header.base_fee,
            gas_limit: header.gas_limit,
            beacon: header.beacon,
            chain_id: CHAIN,
            rules_version: 1,
        };
        let mut events = Vec::new();
        for raw in transactions {
            let tx = decode_transaction(raw, CHAIN).unwrap();
            let effect = transfer_effect(&self.state, &tx, &env).unwrap();
            for change in &effect.changes {
                self.state.insert(change.address, change.after);
            }
            header.gas_used += effect.gas_used;
            events.push(Event::TransactionExecuted {
                item: ItemIndex(self.hashes.len() as u64),
                hash: tx.hash,
                sender: tx.sender,
                to: tx.to,
                value: Zkpow(tx.value),
                gas_used: effect.gas_used,
                effective_gas_price: effect.effective_gas_price,
                fee: Zkpow(effect.fee),
                segments: 3,
                pre_root: B256::ZERO,
                post_root: B256::ZERO,
                data_hi: B256::ZERO,
                data_lo: B256::ZERO,
                env: B256::ZERO,
                changes: Vec::new(),
                shares: Default::default(),
            });
            self.hashes.push(tx.hash);
        }
        let body =
            BlockBody { last_commit: Commit::default(), transactions: transactions.to_vec(), messages: Vec::new() };
        self.index.append(&Block { header, body }, &events).unwrap();
    }
}

fn stage(height: u64) -> StageInfo {
    StageInfo { height, time_ms: 1_700_000_000_500 + 1000 * height }
}

impl ChainView for Fixture {
    fn chain_id(&self) -> u64 {
        CHAIN
    }
    fn head(&self) -> Height {
        self.index.head()
    }
    fn block(&self, height: Height) -> Option<Arc<BlockRecord>> {
        self.index.block(height)
    }
    fn height_of(&self, hash: &B256) -> Option<Height> {
        self.index.height_of(hash)
    }
    fn transaction(&self, hash: &B256) -> Option<(Arc<BlockRecord>, usize)> {
        self.index.transaction(hash)
    }
    fn account(&self, address: &Address) -> AccountInfo {
        let AccountView { nonce, balance } = self.state.get(address).copied().unwrap_or_default();
        let debt = if *address == prover() { 90 } else { 0 };
        AccountInfo { nonce, balance, debt, holding: balance as i128 - debt as i128, ..AccountInfo::default() }
    }
    fn next_base_fee(&self) -> u128 {
        BASE_FEE + 7
    }
    fn suggested_priority_fee(&self) -> u128 {
        GWEI
    }
    fn item(&self, item: ItemIndex) -> Option<ItemInfo> {
        let hash = self.hashes.get(item.0 as usize)?;
        Some(ItemInfo {
            item: item.0,
            kind: "transaction",
            hash: Some(*hash),
            status: "assigned",
            committed: stage(1),
            assigned: Some(stage(3)),
            proven: None,
            aggregated: None,
            certified: None,
            pre_root: B256::ZERO,
            post_root: B256::ZERO,
            segments: 3,
            task: Some(item.0 + 1),
            prover: None,
            proof: None,
            batch: None,
        })
    }
    fn item_of(&self, transaction: &B256) -> Option<ItemInfo> {
        let at = self.hashes.iter().position(|hash| hash == transaction)?;
        self.item(ItemIndex(at as u64))
    }
    fn task(&self, task: TaskId) -> Option<TaskInfo> {
        (task.0 == 1).then(|| TaskInfo {
            task: 1,
            kind: json!({ "prove": { "item": 0 } }),
            status: "assigned",
            segments: 3,
            base_bounty: 1 << 70,
            bounty: 1 << 71,
            opened_at: 1,
            attempts: 1,
            assignment: Some(AssignmentInfo {
                task: 1,
                prover: prover(),
                assigned_at: 3,
                deadline: 40,
                bounty: 1 << 71,
                receipt: DrawReceipt {
                    beacon_height: Height(3),
                    beacon: B256::ZERO,
                    set_root: B256::ZERO,
                    candidates: 4,
                    index: 2,
                    rejected: 0,
                },
            }),
            prover: None,
            proof: None,
            failed: Vec::new(),
        })
    }
    fn open_tasks(&self, limit: usize) -> Vec<TaskInfo> {
        self.task(TaskId(1)).into_iter().take(limit).collect()
    }
    fn prover(&self, address: &Address) -> Option<ProverInfo> {
        (*address == prover()).then(|| ProverInfo {
            prover: prover(),
            active: true,
            admitted: true,
            suspended: false,
            slots: 1,
            open_tasks: vec![1],
            consecutive_valid: 0,
            accepted: 2,
            failed: 1,
            last_seen: 3,
            account: self.account(&prover()),
        })
    }
    fn active_set(&self, limit: usize) -> Vec<ProverInfo> {
        self.prover(&prover()).into_iter().take(limit).collect()
    }
    fn ledger(&self, after: Address, limit: usize) -> Vec<LedgerEntry> {
        let entry = LedgerEntry { address: prover(), account: self.account(&prover()) };
        [entry].into_iter().filter(|entry| entry.address > after).take(limit).collect()
    }
    fn state_hash(&self) -> Option<StateHashInfo> {
        None
    }

    fn supply(&self) -> Value {
        json!({ "genesis": "1", "now": "1", "conserved": true })
    }
    fn parameters(&self) -> Value {
        json!({ "chainId": CHAIN })
    }
    fn batch(&self, batch: BatchIndex) -> Option<BatchInfo> {
        (batch.0 == 0).then(|| BatchInfo {
            batch: 0,
            first_item: 0,
            items: 4,
            segments: 12,
            pre_root: B256::ZERO,
            post_root: B256::ZERO,
            closed: stage(3),
            proven: None,
            certified: None,
            proof: None,
            certificate: None,
        })
    }
    fn batch_file(&self, batch: BatchIndex) -> Option<Bytes> {
        (batch.0 == 0).then(|| Bytes::from_static(b"\x00batch\xff"))
    }
    fn proof(&self, hash: &B256) -> Option<Bytes> {
        (*hash == keccak256(b"proof")).then(|| Bytes::from_static(b"proof"))
    }
}

/// A pool with one waiting transaction of wallet 1, nonce 1.
pub(super) struct Pool {
    chain: Arc<Fixture>,
    taken: Mutex<Vec<Bytes>>,
}

impl TransactionSink for Pool {
    fn submit(&self, raw: Bytes) -> BoxFuture<'static, Result<B256, SubmitError>> {
        let outcome = (|| {
            let tx = decode_transaction(&raw, CHAIN)?;
            let sender = self.chain.state.get(&tx.sender).copied().unwrap_or_default();
            let context = AdmissionContext {
                sender,
                debt: 0,
                base_fee: BASE_FEE,
                gas_left: 30_000_000,
                min_fee: 0,
                may_wait: true,
            };
            check_admission(&tx, &context)?;
            self.taken.lock().unwrap().push(raw);
            Ok(tx.hash)
        })();
        Box::pin(async move { outcome })
    }
    fn pending_nonce(&self, sender: &Address) -> Option<u64> {
        (*sender == wallet(1).address()).then_some(2)
    }
    fn pending(&self, hash: &B256) -> Option<Bytes> {
        let raw = waiting();
        (keccak256(&raw) == *hash).then(|| raw.into())
    }
}

pub(super) fn waiting() -> Vec<u8> {
    transfer(1, 1, 3, TransactionKind::Eip1559)
}

pub(super) fn rpc_with(limits: Limits) -> (Rpc, Arc<Fixture>) {
    let chain = Arc::new(Fixture::new());
    let shown: Arc<Fixture> = chain.clone();
    let sink = Arc::new(Pool { chain: chain.clone(), taken: Mutex::new(Vec::new()) });
    (Rpc::new(Arc::new(move || shown.clone() as Arc<dyn ChainView>), sink, limits), chain)
}

pub(super) fn rpc() -> (Rpc, Arc<Fixture>) {
    rpc_with(Limits::default())
}

/// The whole answer to a body.
pub(super) async fn body(rpc: &Rpc, text: &str) -> Option<Value> {
    rpc.handle(text.as_bytes()).await
}

async fn answer(rpc: &Rpc, method: &str, params: Value) -> Value {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    body(rpc, &request.to_string()).await.unwrap()
}

/// The result of a call that must succeed.
pub(super) async fn call(rpc: &Rpc, method: &str, params: Value) -> Value {
    let mut answer = answer(rpc, method, params).await;
    assert!(answer.get("error").is_none(), "{method}: {answer}");
    answer["result"].take()
}

/// Code and text of a call that must fail.
pub(super) async fn refusal(rpc: &Rpc, method: &str, params: Value) -> (i64, String) {
    let answer = answer(rpc, method, params).await;
    let error = answer.get("error").unwrap_or_else(|| panic!("{method}: {answer}"));
    (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
}
