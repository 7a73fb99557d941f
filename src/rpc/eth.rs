//! The methods that wallets and common tools call.

use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256};
use alloy_rpc_types_eth::{BlockNumberOrTag, Filter, Index, TransactionRequest};
use crowdfold_events::Height;
use crowdfold_execution::{
    NotProvable,
    call::{self, CallRequest},
    decode_transaction,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

use super::{
    blocks,
    envelope::Rpc,
    error::{self, RpcError},
    fees,
    index::BlockRecord,
    params::Params,
    view::{ChainView, SubmitError},
};

/// Answers a method of this namespace; `None` when it has no such method.
pub fn dispatch(rpc: &Rpc, method: &str, params: &Params) -> Option<Result<Value, RpcError>> {
    let view = rpc.snapshot();
    let view = view.as_ref();
    Some(match method {
        "web3_clientVersion" => none(params, || json!(concat!("crowdfold/", env!("CARGO_PKG_VERSION")))),
        "net_version" => none(params, || json!(view.chain_id().to_string())),
        "net_listening" => none(params, || json!(true)),
        "eth_chainId" => none(params, || quantity(view.chain_id())),
        "eth_syncing" => none(params, || json!(false)),
        "eth_accounts" => none(params, || json!([])),
        "eth_mining" => none(params, || json!(false)),
        "eth_blockNumber" => none(params, || quantity(view.head().0)),
        "eth_gasPrice" => none(params, || json!(U256::from(fees::gas_price(view)))),
        "eth_maxPriorityFeePerGas" => none(params, || json!(U256::from(view.suggested_priority_fee()))),
        "eth_feeHistory" => fee_history(view, params),
        "eth_getBlockByNumber" => by_number(view, params, 2).and_then(|block| whole_block(block, params)),
        "eth_getBlockByHash" => by_hash(view, params, 2).and_then(|block| whole_block(block, params)),
        "eth_getBlockTransactionCountByNumber" => by_number(view, params, 1).map(count),
        "eth_getBlockTransactionCountByHash" => by_hash(view, params, 1).map(count),
        "eth_getUncleCountByBlockNumber" => {
            by_number(view, params, 1).map(|block| block.map_or(Value::Null, |_| quantity(0)))
        }
        "eth_getUncleCountByBlockHash" => {
            by_hash(view, params, 1).map(|block| block.map_or(Value::Null, |_| quantity(0)))
        }
        "eth_getBlockReceipts" => block_receipts(view, params),
        "eth_getTransactionByHash" => transaction_by_hash(rpc, view, params),
        "eth_getTransactionByBlockNumberAndIndex" => {
            by_number(view, params, 2).and_then(|block| nth_transaction(block, params))
        }
        "eth_getTransactionByBlockHashAndIndex" => {
            by_hash(view, params, 2).and_then(|block| nth_transaction(block, params))
        }
        "eth_getTransactionReceipt" => receipt(view, params),
        "eth_getBalance" => account(view, params, 2).map(|address| json!(U256::from(view.account(&address).balance))),
        "eth_getTransactionCount" => transaction_count(rpc, view, params),
        "eth_getCode" => account(view, params, 2).map(|_| json!("0x")),
        "eth_getStorageAt" => storage(view, params),
        "eth_call" => eth_call(view, params),
        "eth_estimateGas" => estimate_gas(view, params),
        "eth_getLogs" => logs(view, params),
        "eth_newFilter" => logs(view, params).and_then(|_| with_filters(rpc, |filters| Ok(quantity(filters.logs())))),
        "eth_newBlockFilter" => {
            params.at_most(0).and_then(|()| with_filters(rpc, |filters| Ok(quantity(filters.blocks(view.head())))))
        }
        "eth_newPendingTransactionFilter" => Err(RpcError::new(
            error::UNSUPPORTED,
            "filters of pending transactions are not served; poll the transaction by its hash",
        )),
        "eth_getFilterChanges" => filter_id(params)
            .and_then(|id| with_filters(rpc, |filters| filters.poll(id, view).map(|hashes| json!(hashes)))),
        "eth_getFilterLogs" => filter_id(params).and_then(|id| {
            with_filters(rpc, |filters| match filters.is_logs(id)? {
                true => Ok(json!([])),
                false => Err(RpcError::new(error::REFUSED, "filter is not a log filter")),
            })
        }),
        "eth_uninstallFilter" => {
            filter_id(params).and_then(|id| with_filters(rpc, |filters| Ok(json!(filters.remove(id)))))
        }
        _ => return None,
    })
}

/// Checks what can be checked without the pool, then hands the transaction over.
///
/// # Errors
/// -32602 for no bytes, else the refusal.
pub async fn send_raw_transaction(rpc: &Rpc, params: &Params) -> Result<Value, RpcError> {
    params.at_most(1)?;
    let raw: Bytes = params.get(0)?;
    decode_transaction(&raw, rpc.snapshot().chain_id())?;
    match rpc.sink.submit(raw).await {
        Ok(hash) => Ok(json!(hash)),
        Err(SubmitError::Admission(refusal)) => Err(refusal.into()),
        Err(SubmitError::Rules(fault)) => Err(RpcError::new(error::REFUSED, fault.to_string())),
        Err(fault @ SubmitError::Unavailable) => Err(RpcError::new(error::LIMIT, fault.to_string())),
    }
}

fn none(params: &Params, result: impl FnOnce() -> Value) -> Result<Value, RpcError> {
    params.at_most(0).map(|()| result())
}

fn quantity(number: u64) -> Value {
    json!(U64::from(number))
}

fn to_json(value: impl Serialize) -> Result<Value, RpcError> {
    serde_json::to_value(value).map_err(|fault| RpcError::new(error::INTERNAL, fault.to_string()))
}

fn by_number(view: &dyn ChainView, params: &Params, most: usize) -> Result<Option<Arc<BlockRecord>>, RpcError> {
    params.at_most(most)?;
    let tag: BlockNumberOrTag = params.get(0)?;
    Ok(view.block(fees::height(view, tag)))
}

fn by_hash(view: &dyn ChainView, params: &Params, most: usize) -> Result<Option<Arc<BlockRecord>>, RpcError> {
    params.at_most(most)?;
    let hash: B256 = params.get(0)?;
    Ok(view.height_of(&hash).and_then(|height| view.block(height)))
}

fn whole_block(block: Option<Arc<BlockRecord>>, params: &Params) -> Result<Value, RpcError> {
    let full = params.opt(1)?.unwrap_or(false);
    block.map_or(Ok(Value::Null), |block| to_json(blocks::block(&block, full)?))
}

fn count(block: Option<Arc<BlockRecord>>) -> Value {
    block.map_or(Value::Null, |block| quantity(block.transactions.len() as u64))
}

fn block_receipts(view: &dyn ChainView, params: &Params) -> Result<Value, RpcError> {
    params.at_most(1)?;
    let Some(height) = known_height(view, params.get(0)?) else { return Ok(Value::Null) };
    let Some(block) = view.block(height) else { return Ok(Value::Null) };
    let receipts =
        (0..block.transactions.len()).map(|at| blocks::receipt(&block, at)).collect::<Result<Vec<_>, _>>()?;
    to_json(receipts)
}

fn known_height(view: &dyn ChainView, id: BlockId) -> Option<Height> {
    match id {
        BlockId::Hash(hash) => view.height_of(&hash.block_hash),
        BlockId::Number(tag) => Some(fees::height(view, tag)),
    }
}

fn transaction_by_hash(rpc: &Rpc, view: &dyn ChainView, params: &Params) -> Result<Value, RpcError> {
    params.at_most(1)?;
    let hash: B256 = params.get(0)?;
    if let Some((block, at)) = view.transaction(&hash) {
        return to_json(blocks::transaction(&block, at)?);
    }
    let Some(raw) = rpc.sink.pending(&hash) else { return Ok(Value::Null) };
    let decoded = decode_transaction(&raw, view.chain_id())?;
    to_json(blocks::pending(&raw, decoded.sender)?)
}

fn nth_transaction(block: Option<Arc<BlockRecord>>, params: &Params) -> Result<Value, RpcError> {
    let at: Index = params.get(1)?;
    match block {
        Some(block) if at.0 < block.transactions.len() => to_json(blocks::transaction(&block, at.0)?),
        _ => Ok(Value::Null),
    }
}

fn receipt(view: &dyn ChainView, params: &Params) -> Result<Value, RpcError> {
    params.at_most(1)?;
    let hash: B256 = params.get(0)?;
    match view.transaction(&hash) {
        Some((block, at)) => to_json(blocks::receipt(&block, at)?),
        None => Ok(Value::Null),
    }
}

/// The address in the first parameter, after the block in the last one was found to be the newest.
fn account(view: &dyn ChainView, params: &Params, most: usize) -> Result<Address, RpcError> {
    params.at_most(most)?;
    let address = params.get(0)?;
    current(view, params, most - 1)?;
    Ok(address)
}

/// Only the newest state is kept.
fn current(view: &dyn ChainView, params: &Params, at: usize) -> Result<(), RpcError> {
    let Some(id) = params.opt::<BlockId>(at)? else { return Ok(()) };
    match known_height(view, id) {
        Some(height) if height == view.head() => Ok(()),
        Some(height) if height < view.head() => Err(RpcError::new(
            error::NOT_FOUND,
            format!("state of block {height} is not kept, only that of the latest block {}", view.head()),
        )),
        _ => Err(RpcError::new(error::NOT_FOUND, "header not found")),
    }
}

fn transaction_count(rpc: &Rpc, view: &dyn ChainView, params: &Params) -> Result<Value, RpcError> {
    let address = account(view, params, 2)?;
    let nonce = view.account(&address).nonce;
    let pending = matches!(params.opt::<BlockId>(1)?, Some(BlockId::Number(BlockNumberOrTag::Pending)));
    let waiting = pending.then(|| rpc.sink.pending_nonce(&address)).flatten();
    Ok(quantity(waiting.map_or(nonce, |waiting| waiting.max(nonce))))
}

fn storage(view: &dyn ChainView, params: &Params) -> Result<Value, RpcError> {
    account(view, params, 3)?;
    let _slot: U256 = params.get(1)?;
    Ok(json!(B256::ZERO))
}

fn fee_history(view: &dyn ChainView, params: &Params) -> Result<Value, RpcError> {
    params.at_most(3)?;
    let count: U64 = params.get(0)?;
    let newest = fees::height(view, params.get(1)?);
    if newest > view.head() {
        return Err(RpcError::new(
            error::REFUSED,
            format!("request beyond head block: requested {newest}, head {}", view.head()),
        ));
    }
    let percentiles: Option<Vec<f64>> = params.opt(2)?;
    to_json(fees::history(view, count.to(), newest, percentiles.as_deref())?)
}

/// The call object with what the caller may spend.
fn request(view: &dyn ChainView, params: &Params) -> Result<(CallRequest, u128), RpcError> {
    params.at_most(3)?;
    let request: TransactionRequest = params.get(0)?;
    current(view, params, 1)?;
    let data = request.input.try_into_unique_input().map_err(|fault| RpcError::params(fault.to_string()))?;
    if request.blob_versioned_hashes.is_some() || request.max_fee_per_blob_gas.is_some() {
        return Err(NotProvable::Blob.into_rpc());
    }
    if request.authorization_list.is_some() {
        return Err(NotProvable::SetCode.into_rpc());
    }
    if request.chain_id.is_some_and(|id| id != view.chain_id()) {
        return Err(RpcError::new(
            error::REFUSED,
            format!("chainId does not match, have {:?}, want {}", request.chain_id, view.chain_id()),
        ));
    }
    let spendable = request.from.map_or(0, |from| {
        let account = view.account(&from);
        account.balance.saturating_sub(account.debt)
    });
    let to = match request.to {
        Some(TxKind::Call(to)) => Some(to),
        Some(TxKind::Create) | None => None,
    };
    let call = CallRequest {
        from: request.from,
        to,
        value: request.value.unwrap_or_default(),
        max_fee: request.max_fee_per_gas.or(request.gas_price),
        data: data.unwrap_or_default().to_vec(),
        access_list_entries: request.access_list.map_or(0, |list| list.0.len()),
    };
    Ok((call, spendable))
}

trait IntoRpc {
    fn into_rpc(self) -> RpcError;
}

impl IntoRpc for NotProvable {
    fn into_rpc(self) -> RpcError {
        crowdfold_execution::AdmissionError::from(self).into()
    }
}

fn eth_call(view: &dyn ChainView, params: &Params) -> Result<Value, RpcError> {
    let (request, spendable) = request(view, params)?;
    Ok(json!(Bytes::from(call::call(&request, spendable)?)))
}

fn estimate_gas(view: &dyn ChainView, params: &Params) -> Result<Value, RpcError> {
    let (request, spendable) = request(view, params)?;
    Ok(quantity(call::estimate_gas(&request, spendable)?))
}

/// There are no logs; the filter is still checked.
fn logs(view: &dyn ChainView, params: &Params) -> Result<Value, RpcError> {
    params.at_most(1)?;
    let filter: Filter = params.get(0)?;
    if let alloy_rpc_types_eth::FilterBlockOption::AtBlockHash(hash) = filter.block_option
        && view.height_of(&hash).is_none()
    {
        return Err(RpcError::new(error::NOT_FOUND, "unknown block"));
    }
    Ok(json!([]))
}

fn filter_id(params: &Params) -> Result<u64, RpcError> {
    params.at_most(1)?;
    Ok(params.get::<U64>(0)?.to())
}

fn with_filters(
    rpc: &Rpc,
    f: impl FnOnce(&mut super::filters::Filters) -> Result<Value, RpcError>,
) -> Result<Value, RpcError> {
    let mut filters = rpc.filters.lock().map_err(|_| RpcError::new(error::INTERNAL, "the filter table is lost"))?;
    f(&mut filters)
}
