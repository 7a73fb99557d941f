//! What a prover is given: everything public about an item, with the paths of the state tree.

use alloy_primitives::Address;
use crowdfold_events::event::SettlementEntry;
use crowdfold_zk::{
    item::{ItemData, ItemInput},
    statement::ItemStatement,
    tree::StateTree,
};

use crate::{
    env::BlockEnv,
    execute::{Executed, TransactionError, execute_settlement, execute_transaction},
    transaction::Transaction,
};

/// Where an item is, and who proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemPlace {
    /// L1 contract that the chain posts to; zero where there is none.
    pub contract: Address,
    /// Index of the item in the chain's order.
    pub position: u64,
    /// Who is paid for the proof.
    pub worker: Address,
    /// The task that the proof answers.
    pub task: u64,
}

/// The item itself.
#[derive(Clone, Copy, Debug)]
pub enum ItemSource<'a> {
    /// A user's transaction.
    Transaction(&'a Transaction),
    /// A settlement.
    Settlement(&'a [SettlementEntry]),
}

/// The statement of an executed item.
#[must_use]
pub fn statement(executed: &Executed, sender: Address, chain_id: u64, place: &ItemPlace) -> ItemStatement {
    ItemStatement {
        chain_id,
        contract: place.contract.into_array(),
        position: place.position,
        pre_root: executed.pre_root.0,
        post_root: executed.post_root.0,
        data_hi: executed.data_hi.0,
        data_lo: executed.data_lo.0,
        sender: sender.into_array(),
        env: executed.env.0,
        worker: place.worker.into_array(),
        task: place.task,
        segments: executed.segments,
    }
}

/// Executes an item once more on the state before it and adds the paths of every operation.
///
/// # Errors
/// [`TransactionError`] when the item does not execute on this state.
pub fn item_input(
    tree_before: &StateTree,
    source: ItemSource<'_>,
    env: &BlockEnv,
    place: &ItemPlace,
) -> Result<ItemInput, TransactionError> {
    let mut after = tree_before.clone();
    let (executed, sender, data) = match source {
        ItemSource::Transaction(tx) => {
            let (x, y) = tx.pubkey.split_at(32);
            let word = |bytes: &[u8]| bytes.try_into().expect("invariant: half of 64 bytes");
            let data = ItemData::Transfer {
                payload: tx.payload.clone(),
                r: tx.signature.r().to_be_bytes(),
                s: tx.signature.s().to_be_bytes(),
                public_key_x: word(x),
                public_key_y: word(y),
            };
            (execute_transaction(&mut after, tx, env)?, tx.sender, data)
        }
        ItemSource::Settlement(entries) => {
            let data = ItemData::Settlement {
                entries: entries.iter().map(|e| (e.account.into_array(), e.amount.0, e.credit)).collect(),
            };
            (execute_settlement(&mut after, entries, env)?, Address::ZERO, data)
        }
    };
    let (ops, _) = tree_before.prove_ops(&executed.ops).map_err(crate::execute::ExecutionError::from)?;
    Ok(ItemInput { statement: statement(&executed, sender, env.chain_id, place), env: env.input(), data, ops })
}
