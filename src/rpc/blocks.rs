//! Blocks, transactions and receipts in the form that wallets know.
//!
//! A block's hash is the chain's own (the hash of its header), not the
//! Keccak-256 of an Ethereum header; what Ethereum's header has and this chain
//! has not is zero or empty.

use alloy_consensus::{
    Eip658Value, Header as ConsensusHeader, Receipt, ReceiptEnvelope, ReceiptWithBloom, TxEnvelope,
    transaction::Recovered,
};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, Bloom, Bytes, U256};
use alloy_rpc_types_eth::{Block, BlockTransactions, Header, Log, Transaction, TransactionReceipt};
use crowdfold_execution::evm::ESCROW;

use super::{
    error::{self, RpcError},
    index::{BlockRecord, TransactionRecord},
};

/// A block; with whole transactions or their hashes.
///
/// # Errors
/// -32603 when a stored transaction does not decode: a damaged index.
pub fn block(record: &BlockRecord, full: bool) -> Result<Block, RpcError> {
    let transactions = if full {
        let all = (0..record.transactions.len()).map(|at| transaction(record, at)).collect::<Result<_, _>>()?;
        BlockTransactions::Full(all)
    } else {
        BlockTransactions::Hashes(record.transactions.iter().map(|transaction| transaction.hash).collect())
    };
    let header = Header {
        hash: record.hash,
        inner: header(record),
        total_difficulty: Some(U256::ZERO),
        size: Some(size(record)),
    };
    Ok(Block { header, uncles: Vec::new(), transactions, withdrawals: None })
}

fn header(record: &BlockRecord) -> ConsensusHeader {
    let header = &record.header;
    ConsensusHeader {
        parent_hash: header.parent,
        beneficiary: ESCROW,
        state_root: header.post_state_root,
        transactions_root: header.transactions_root,
        receipts_root: header.receipts_root,
        number: header.height.0,
        gas_limit: header.gas_limit,
        gas_used: header.gas_used,
        timestamp: header.time_ms / 1000,
        mix_hash: header.beacon,
        base_fee_per_gas: Some(u64::try_from(header.base_fee).unwrap_or(u64::MAX)),
        ..ConsensusHeader::default()
    }
}

/// Bytes of the raw transactions; the system lane is not counted.
fn size(record: &BlockRecord) -> U256 {
    U256::from(record.transactions.iter().map(|transaction| transaction.raw.len()).sum::<usize>())
}

/// A transaction of a block.
///
/// # Errors
/// -32603 when it does not decode: a damaged index.
pub fn transaction(record: &BlockRecord, at: usize) -> Result<Transaction, RpcError> {
    let stored = record.transactions.get(at).ok_or_else(damaged)?;
    Ok(Transaction {
        inner: Recovered::new_unchecked(envelope(&stored.raw)?, stored.sender),
        block_hash: Some(record.hash),
        block_number: Some(record.header.height.0),
        transaction_index: Some(at as u64),
        effective_gas_price: Some(stored.effective_gas_price),
        block_timestamp: Some(record.header.time_ms / 1000),
    })
}

/// A transaction that waits in the pool.
///
/// # Errors
/// -32603 when it does not decode: a damaged pool.
pub fn pending(raw: &Bytes, sender: Address) -> Result<Transaction, RpcError> {
    Ok(Transaction {
        inner: Recovered::new_unchecked(envelope(raw)?, sender),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: None,
        block_timestamp: None,
    })
}

/// The receipt of a transaction. There are no logs, and a transfer in a block has succeeded.
///
/// # Errors
/// -32603 when it does not decode: a damaged index.
pub fn receipt(record: &BlockRecord, at: usize) -> Result<TransactionReceipt, RpcError> {
    let stored: &TransactionRecord = record.transactions.get(at).ok_or_else(damaged)?;
    let inner: ReceiptWithBloom<Receipt<Log>> = ReceiptWithBloom {
        receipt: Receipt {
            status: Eip658Value::Eip658(true),
            cumulative_gas_used: stored.cumulative_gas_used,
            logs: Vec::new(),
        },
        logs_bloom: Bloom::ZERO,
    };
    let inner = match envelope(&stored.raw)? {
        TxEnvelope::Legacy(_) => ReceiptEnvelope::Legacy(inner),
        TxEnvelope::Eip2930(_) => ReceiptEnvelope::Eip2930(inner),
        _ => ReceiptEnvelope::Eip1559(inner),
    };
    Ok(TransactionReceipt {
        inner,
        transaction_hash: stored.hash,
        transaction_index: Some(at as u64),
        block_hash: Some(record.hash),
        block_number: Some(record.header.height.0),
        gas_used: stored.gas_used,
        effective_gas_price: stored.effective_gas_price,
        blob_gas_used: None,
        blob_gas_price: None,
        from: stored.sender,
        to: Some(stored.to),
        contract_address: None,
    })
}

fn envelope(raw: &[u8]) -> Result<TxEnvelope, RpcError> {
    TxEnvelope::decode_2718_exact(raw).map_err(|_| damaged())
}

fn damaged() -> RpcError {
    RpcError::new(error::INTERNAL, "a stored transaction is damaged")
}
