//! The admission items of a genesis.
//!
//! A newcomer pays for its identity with compute: it proves a transfer that is
//! on no chain. Anyone derives the same item from chain id and index alone:
//! keys from a fixed label, a small state of its own, a transfer signed by
//! RFC 6979. Every fourth goes to a new account, the others to an existing
//! one, to the sender itself and to the escrow, so admission also shows that
//! a prover handles each case.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use alloy_primitives::{Address, Bytes, keccak256};
use crowdfold_zk::{
    accounts,
    item::ItemInput,
    statement::ItemStatement,
    tree::{Account, StateTree},
};

use crate::{
    env::BlockEnv,
    evm::ESCROW,
    execute::{ExecutionError, TransactionError, execute_transaction},
    input::{ItemPlace, ItemSource, item_input, statement},
    transaction::{Transaction, TransactionKind, decode_transaction},
    wallet::{Transfer, Wallet},
};

const LABEL: &str = "crowdfold admission item";
/// Accounts beside the chain's own and the sender.
const BYSTANDERS: u64 = 12;
const BALANCE: u128 = 1_000_000_000_000_000_000;
const BASE_FEE: u128 = 1_000_000_000;

/// An admission item with all that executes it.
#[derive(Clone, Debug)]
pub struct AdmissionItem {
    /// Which one.
    pub index: u32,
    /// The state before it.
    pub tree: StateTree,
    /// The raw transaction.
    pub raw: Vec<u8>,
    /// The same, decoded.
    pub transaction: Transaction,
    /// The environment of its block.
    pub env: BlockEnv,
    /// What its proof must state, but for contract, worker and task.
    stated: ItemStatement,
}

/// Items kept once they were made: a genesis has few, and each is asked for again and again.
const KEPT: usize = 64;
/// Items by chain id and index. They follow from these alone, so whoever asks gets the same.
static MADE: Mutex<BTreeMap<(u64, u32), AdmissionItem>> = Mutex::new(BTreeMap::new());

/// Position of an admission item: counted down from the end, which no chain reaches.
#[must_use]
pub fn admission_position(index: u32) -> u64 {
    u64::MAX - u64::from(index)
}

/// The admission item with this index. The first time about 100 hashes of the state tree and one signature.
///
/// # Errors
/// [`TransactionError`]: never in a tested version; a bug.
pub fn synthetic_item(chain_id: u64, index: u32) -> Result<AdmissionItem, TransactionError> {
    let made = || MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(item) = made().get(&(chain_id, index)) {
        return Ok(item.clone());
    }
    let item = make(chain_id, index)?;
    let mut made = made();
    if made.len() >= KEPT {
        made.pop_first();
    }
    made.insert((chain_id, index), item.clone());
    Ok(item)
}

fn make(chain_id: u64, index: u32) -> Result<AdmissionItem, TransactionError> {
    let sender = Wallet::derive(LABEL, u64::from(index));
    let bystander = |i: u64| Wallet::derive("crowdfold admission bystander", (u64::from(index) << 8) + i).address();
    let nonce = u64::from(index % 1000);
    let system = accounts::ALL.map(|address| (address, Account { nonce: 0, balance: BALANCE }));
    let others = (0..BYSTANDERS).map(|i| (bystander(i).into_array(), Account { nonce: i, balance: BALANCE }));
    let own = (sender.address().into_array(), Account { nonce, balance: BALANCE });
    let tree = StateTree::from_accounts(system.into_iter().chain(others).chain([own])).map_err(ExecutionError::from)?;
    let to = match index % 4 {
        0 => bystander(BYSTANDERS),
        1 => bystander(0),
        2 => sender.address(),
        _ => ESCROW,
    };
    let env = BlockEnv {
        number: 1,
        time_ms: 0,
        base_fee: BASE_FEE,
        gas_limit: 30_000_000,
        beacon: keccak256(LABEL),
        chain_id,
        rules_version: 1,
    };
    let raw = sender.sign(&Transfer {
        kind: [TransactionKind::Eip1559, TransactionKind::Legacy, TransactionKind::Eip2930][index as usize % 3],
        chain_id,
        nonce,
        to,
        value: 1 + u128::from(index),
        gas_limit: 21_000,
        max_fee: 2 * BASE_FEE,
        max_priority_fee: BASE_FEE / 10,
        data: Bytes::new(),
    });
    let transaction = decode_transaction(&raw, chain_id)?;
    let executed = execute_transaction(&mut tree.clone(), &transaction, &env)?;
    let place =
        ItemPlace { contract: Address::ZERO, position: admission_position(index), worker: Address::ZERO, task: 0 };
    let stated = statement(&executed, transaction.sender, chain_id, &place);
    Ok(AdmissionItem { index, tree, raw, transaction, env, stated })
}

impl AdmissionItem {
    fn place(&self, contract: Address, worker: Address, task: u64) -> ItemPlace {
        ItemPlace { contract, position: admission_position(self.index), worker, task }
    }

    /// What a proof of it must state.
    #[must_use]
    pub fn statement(&self, contract: Address, worker: Address, task: u64) -> ItemStatement {
        let (contract, worker) = (contract.into_array(), worker.into_array());
        ItemStatement { contract, worker, task, ..self.stated.clone() }
    }

    /// What its prover is given.
    ///
    /// # Errors
    /// As [`synthetic_item`].
    pub fn input(&self, contract: Address, worker: Address, task: u64) -> Result<ItemInput, TransactionError> {
        item_input(
            &self.tree,
            ItemSource::Transaction(&self.transaction),
            &self.env,
            &self.place(contract, worker, task),
        )
    }
}
