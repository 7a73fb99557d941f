//! What cast, viem and ethers call.

use alloy_primitives::{Bytes, hex};
use crowdfold_execution::TransactionKind;
use serde_json::{Value, json};

use super::fixture::{BASE_FEE, CHAIN, GWEI, call, refusal, rpc, transfer, waiting, wallet};

fn hexed(number: u128) -> Value {
    json!(format!("{number:#x}"))
}

#[actix_web::test]
async fn the_chain_introduces_itself() {
    let (rpc, _) = rpc();
    assert_eq!(call(&rpc, "eth_chainId", json!([])).await, "0x6c1");
    assert_eq!(call(&rpc, "net_version", json!([])).await, "1729");
    assert_eq!(call(&rpc, "eth_blockNumber", json!([])).await, "0x3");
    assert_eq!(call(&rpc, "eth_syncing", json!([])).await, false);
    assert_eq!(call(&rpc, "eth_accounts", json!([])).await, json!([]));
    assert_eq!(call(&rpc, "net_listening", json!([])).await, true);
    assert!(call(&rpc, "web3_clientVersion", json!([])).await.as_str().unwrap().starts_with("crowdfold/"));
    assert_eq!(refusal(&rpc, "eth_chainId", json!([1])).await.0, -32602);
}

#[actix_web::test]
async fn blocks_are_found_by_tag_number_and_hash() {
    let (rpc, _) = rpc();
    let latest = call(&rpc, "eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(latest["number"], "0x3");
    assert_eq!(latest["baseFeePerGas"], hexed(BASE_FEE));
    assert_eq!(latest["timestamp"], format!("{:#x}", 1_700_000_003));
    for tag in ["pending", "safe", "finalized", "0x3"] {
        assert_eq!(call(&rpc, "eth_getBlockByNumber", json!([tag, false])).await, latest, "{tag}");
    }
    assert_eq!(call(&rpc, "eth_getBlockByHash", json!([latest["hash"], false])).await, latest);
    let first = call(&rpc, "eth_getBlockByNumber", json!(["0x1", true])).await;
    assert_eq!(first["gasUsed"], hexed(63_000));
    let kinds: Vec<_> = first["transactions"].as_array().unwrap().iter().map(|tx| tx["type"].clone()).collect();
    assert_eq!(kinds, ["0x0", "0x1", "0x2"]);
    let second = call(&rpc, "eth_getBlockByNumber", json!(["0x2", false])).await;
    assert_eq!(second["parentHash"], first["hash"]);
    assert_eq!(call(&rpc, "eth_getBlockByNumber", json!(["earliest", false])).await["number"], "0x0");
    assert_eq!(call(&rpc, "eth_getBlockByNumber", json!(["0x63", false])).await, Value::Null);
    assert_eq!(call(&rpc, "eth_getBlockByHash", json!([format!("0x{}", "11".repeat(32)), false])).await, Value::Null);
    assert_eq!(call(&rpc, "eth_getBlockTransactionCountByNumber", json!(["0x1"])).await, "0x3");
    assert_eq!(call(&rpc, "eth_getBlockTransactionCountByHash", json!([second["hash"]])).await, "0x0");
    assert_eq!(call(&rpc, "eth_getUncleCountByBlockNumber", json!(["0x1"])).await, "0x0");
    for bad in
        [json!([]), json!(["newest", false]), json!(["0x1", "yes"]), json!(["0x1", false, 3]), json!({ "block": 1 })]
    {
        assert_eq!(refusal(&rpc, "eth_getBlockByNumber", bad).await.0, -32602);
    }
}

#[actix_web::test]
async fn transactions_and_receipts_agree() {
    let (rpc, chain) = rpc();
    let hash = json!(chain.hashes[2]);
    let tx = call(&rpc, "eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(
        (tx["hash"].clone(), tx["blockNumber"].clone(), tx["transactionIndex"].clone()),
        (hash.clone(), json!("0x1"), json!("0x2"))
    );
    assert_eq!(tx["from"], json!(wallet(0).address()));
    assert_eq!((tx["nonce"].clone(), tx["value"].clone()), (json!("0x1"), json!("0x7")));
    let receipt = call(&rpc, "eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(receipt["type"], "0x2");
    assert_eq!(receipt["gasUsed"], hexed(21_000));
    assert_eq!(receipt["cumulativeGasUsed"], hexed(63_000));
    assert_eq!(receipt["effectiveGasPrice"], hexed(BASE_FEE + GWEI / 2));
    assert_eq!(receipt["logs"], json!([]));
    assert_eq!(receipt["contractAddress"], Value::Null);
    assert_eq!(receipt["blockHash"], tx["blockHash"]);
    let all = call(&rpc, "eth_getBlockReceipts", json!(["0x1"])).await;
    assert_eq!(all[2], receipt);
    assert_eq!(all.as_array().unwrap().len(), 3);
    assert_eq!(call(&rpc, "eth_getTransactionByBlockNumberAndIndex", json!(["0x1", "0x2"])).await, tx);
    assert_eq!(call(&rpc, "eth_getTransactionByBlockHashAndIndex", json!([tx["blockHash"], "0x2"])).await, tx);
    assert_eq!(call(&rpc, "eth_getTransactionByBlockNumberAndIndex", json!(["0x1", "0x3"])).await, Value::Null);
    let unknown = json!([format!("0x{}", "22".repeat(32))]);
    for method in ["eth_getTransactionByHash", "eth_getTransactionReceipt"] {
        assert_eq!(call(&rpc, method, unknown.clone()).await, Value::Null);
        assert_eq!(refusal(&rpc, method, json!(["0x12"])).await.0, -32602);
    }
    let pending = call(&rpc, "eth_getTransactionByHash", json!([alloy_primitives::keccak256(waiting())])).await;
    assert_eq!(pending["blockHash"], Value::Null);
    assert_eq!(pending["from"], json!(wallet(1).address()));
}

#[actix_web::test]
async fn accounts_are_read_at_the_latest_block_only() {
    let (rpc, _) = rpc();
    let address = wallet(2).address();
    let paid = 21_000 * (BASE_FEE + GWEI / 2);
    for tag in [json!("latest"), json!("pending"), json!("0x3"), Value::Null] {
        assert_eq!(call(&rpc, "eth_getBalance", json!([address, tag])).await, hexed(10u128.pow(18) - paid));
    }
    assert_eq!(call(&rpc, "eth_getBalance", json!([address])).await, hexed(10u128.pow(18) - paid));
    assert_eq!(call(&rpc, "eth_getTransactionCount", json!([wallet(1).address(), "latest"])).await, "0x1");
    assert_eq!(call(&rpc, "eth_getTransactionCount", json!([wallet(1).address(), "pending"])).await, "0x2");
    assert_eq!(call(&rpc, "eth_getTransactionCount", json!([wallet(0).address(), "pending"])).await, "0x2");
    assert_eq!(call(&rpc, "eth_getCode", json!([address, "latest"])).await, "0x");
    assert_eq!(
        call(&rpc, "eth_getStorageAt", json!([address, "0x0", "latest"])).await,
        format!("0x{}", "00".repeat(32))
    );
    let (code, text) = refusal(&rpc, "eth_getBalance", json!([address, "0x1"])).await;
    assert_eq!((code, text.as_str()), (-32001, "state of block 1 is not kept, only that of the latest block 3"));
    assert_eq!(refusal(&rpc, "eth_getBalance", json!([address, "0x9"])).await, (-32001, "header not found".into()));
    assert_eq!(refusal(&rpc, "eth_getBalance", json!(["0x12", "latest"])).await.0, -32602);
}

#[actix_web::test]
async fn fees_are_those_of_the_next_block() {
    let (rpc, _) = rpc();
    assert_eq!(call(&rpc, "eth_gasPrice", json!([])).await, hexed(BASE_FEE + 7 + GWEI));
    assert_eq!(call(&rpc, "eth_maxPriorityFeePerGas", json!([])).await, hexed(GWEI));
    let history = call(&rpc, "eth_feeHistory", json!(["0xa", "latest", [20, 100]])).await;
    assert_eq!(history["oldestBlock"], "0x0");
    assert_eq!(history["baseFeePerGas"].as_array().unwrap().len(), 5);
    assert_eq!(history["baseFeePerGas"][4], hexed(BASE_FEE + 7));
    assert_eq!(history["gasUsedRatio"].as_array().unwrap().len(), 4);
    // The legacy and the 2930 transaction offer their whole price.
    assert_eq!(history["reward"][1], json!([format!("{:#x}", GWEI / 2), format!("{:#x}", 2 * GWEI)]));
    assert_eq!(history["reward"][2], json!(["0x0", "0x0"]));
    let older = call(&rpc, "eth_feeHistory", json!([2, "0x2"])).await;
    assert_eq!(older["baseFeePerGas"], json!([hexed(BASE_FEE), hexed(BASE_FEE), hexed(BASE_FEE)]));
    assert_eq!(refusal(&rpc, "eth_feeHistory", json!(["0x1", "0x9", []])).await.0, -32000);
    for bad in [json!([20, 10]), json!([-1]), json!([101]), json!(["a"])] {
        assert_eq!(refusal(&rpc, "eth_feeHistory", json!(["0x1", "latest", bad])).await.0, -32602);
    }
}

#[actix_web::test]
async fn calls_and_estimates() {
    let (rpc, _) = rpc();
    let (from, to) = (wallet(0).address(), wallet(1).address());
    assert_eq!(call(&rpc, "eth_estimateGas", json!([{ "from": from, "to": to, "value": "0x1" }])).await, hexed(21_000));
    for field in ["input", "data"] {
        let request = json!([{ "from": from, "to": to, field: "0x0001" }, "latest"]);
        assert_eq!(call(&rpc, "eth_estimateGas", request.clone()).await, hexed(21_050));
        assert_eq!(call(&rpc, "eth_call", request).await, "0x");
    }
    assert_eq!(refusal(&rpc, "eth_call", json!([{ "to": to, "input": "0x01", "data": "0x02" }])).await.0, -32602);
    let (code, text) =
        refusal(&rpc, "eth_estimateGas", json!([{ "from": from, "to": to, "value": hexed(1 << 100) }])).await;
    assert_eq!(code, -32000);
    assert!(text.starts_with("insufficient funds"), "{text}");
    let reserved = format!("0x{}02", "00".repeat(19));
    for (request, what) in [
        (json!({ "from": from, "data": "0x6000" }), "contract creation"),
        (json!({ "to": reserved }), "precompiles"),
        (json!({ "to": to, "data": format!("0x{}", "01".repeat(56)) }), "calldata longer than 55"),
        (json!({ "to": to, "accessList": [{ "address": to, "storageKeys": [] }] }), "access lists"),
        (json!({ "to": to, "maxFeePerBlobGas": "0x1" }), "blob"),
    ] {
        let (code, text) = refusal(&rpc, "eth_estimateGas", json!([request])).await;
        assert_eq!(code, -32003, "{text}");
        assert!(text.starts_with("not provable yet") && text.contains(what), "{text}");
    }
    assert_eq!(refusal(&rpc, "eth_call", json!([{ "to": to, "chainId": "0x1" }])).await.0, -32000);
    assert_eq!(refusal(&rpc, "eth_call", json!([])).await.0, -32602);
}

#[actix_web::test]
async fn a_transaction_is_taken_or_refused_by_name() {
    let (rpc, _) = rpc();
    let send = |raw: Vec<u8>| json!([Bytes::from(raw)]);
    let good = transfer(0, 2, 1, TransactionKind::Eip1559);
    assert_eq!(
        call(&rpc, "eth_sendRawTransaction", send(good.clone())).await,
        json!(alloy_primitives::keccak256(&good))
    );
    for (raw, code, start) in [
        (transfer(0, 0, 1, TransactionKind::Legacy), -32000, "nonce too low"),
        (transfer(0, 2, 1 << 100, TransactionKind::Legacy), -32000, "insufficient funds"),
        (vec![0x03, 0xc0], -32003, "not provable yet: blob"),
        (vec![0x04, 0xc0], -32003, "not provable yet: set-code"),
        (vec![0xc0], -32000, "malformed transaction"),
        (vec![0x05], -32000, "transaction type not supported"),
        (Vec::new(), -32000, "malformed transaction: empty"),
        ([good.clone(), vec![0]].concat(), -32000, "malformed transaction: 1 trailing"),
    ] {
        let (got, text) = refusal(&rpc, "eth_sendRawTransaction", send(raw)).await;
        assert_eq!(got, code, "{text}");
        assert!(text.starts_with(start), "{text}");
    }
    let other_chain = hex!(
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
    );
    let (code, text) = refusal(&rpc, "eth_sendRawTransaction", send(other_chain.to_vec())).await;
    assert_eq!((code, text), (-32000, format!("invalid chain id for signer: have 1 want {CHAIN}")));
    for bad in [json!([]), json!(["0xzz"]), json!([1]), json!(["0x00", "0x00"])] {
        assert_eq!(refusal(&rpc, "eth_sendRawTransaction", bad).await.0, -32602);
    }
}

#[actix_web::test]
async fn there_are_no_logs_but_filters_work() {
    let (rpc, _) = rpc();
    assert_eq!(call(&rpc, "eth_getLogs", json!([{ "fromBlock": "0x0", "toBlock": "latest" }])).await, json!([]));
    assert_eq!(
        refusal(&rpc, "eth_getLogs", json!([{ "blockHash": format!("0x{}", "11".repeat(32)) }])).await.0,
        -32001
    );
    assert_eq!(refusal(&rpc, "eth_getLogs", json!(["all"])).await.0, -32602);
    let logs = call(&rpc, "eth_newFilter", json!([{}])).await;
    let blocks = call(&rpc, "eth_newBlockFilter", json!([])).await;
    assert_ne!(logs, blocks);
    assert_eq!(call(&rpc, "eth_getFilterChanges", json!([logs])).await, json!([]));
    assert_eq!(call(&rpc, "eth_getFilterLogs", json!([logs])).await, json!([]));
    assert_eq!(refusal(&rpc, "eth_getFilterLogs", json!([blocks])).await.0, -32000);
    assert_eq!(call(&rpc, "eth_getFilterChanges", json!([blocks])).await, json!([]));
    assert_eq!(call(&rpc, "eth_uninstallFilter", json!([blocks])).await, true);
    assert_eq!(call(&rpc, "eth_uninstallFilter", json!([blocks])).await, false);
    assert_eq!(refusal(&rpc, "eth_getFilterChanges", json!([blocks])).await, (-32000, "filter not found".into()));
    assert_eq!(refusal(&rpc, "eth_newPendingTransactionFilter", json!([])).await.0, -32004);
}

#[test]
fn a_block_filter_reports_each_block_once_and_the_table_is_bounded() {
    use crate::rpc::{ChainView, filters::Filters};
    use crowdfold_events::Height;
    let chain = super::fixture::Fixture::new();
    let mut filters = Filters::new(2);
    let id = filters.blocks(Height(1));
    let hash = |height| chain.block(Height(height)).unwrap().hash;
    assert_eq!(filters.poll(id, &chain).unwrap(), [hash(2), hash(3)]);
    assert!(filters.poll(id, &chain).unwrap().is_empty());
    let second = filters.logs();
    filters.poll(id, &chain).unwrap();
    filters.logs();
    assert!(filters.poll(second, &chain).is_err(), "the one polled longest ago goes");
    assert!(filters.poll(id, &chain).is_ok());
}
