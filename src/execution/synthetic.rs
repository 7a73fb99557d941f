//! The admission items of a genesis.
//!
//! A newcomer pays for its identity with compute: it proves a transfer that is
//! on no chain. Anyone derives the same item from chain id and index alone:
//! keys from a fixed label, a small state of its own, a transfer signed by
//! RFC 6979. Every fourth goes to a new account, the others to an existing
//! one, to the sender itself and to the escrow, so admission also shows that
//! a prover handles each case.

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
}

/// Position of an admission item: counted down from the end, which no chain reaches.
#[must_use]
pub fn admission_position(index: u32) -> u64 {
    u64::MAX - u64::from(index)
}

/// The admission item with this index. About 30 hashes of the state tree and one signature.
///
/// # Errors
/// [`TransactionError`]: never in a tested version; a bug.
pub fn synthetic_item(chain_id: u64, index: u32) -> Result<AdmissionItem, TransactionError> {
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
    Ok(AdmissionItem { index, tree, raw, transaction, env })
}

impl AdmissionItem {
    fn place(&self, contract: Address, worker: Address, task: u64) -> ItemPlace {
        ItemPlace { contract, position: admission_position(self.index), worker, task }
    }

    /// What a proof of it must state.
    ///
    /// # Errors
    /// As [`synthetic_item`].
    pub fn statement(&self, contract: Address, worker: Address, task: u64) -> Result<ItemStatement, TransactionError> {
        let executed = execute_transaction(&mut self.tree.clone(), &self.transaction, &self.env)?;
        Ok(statement(&executed, self.transaction.sender, self.env.chain_id, &self.place(contract, worker, task)))
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
