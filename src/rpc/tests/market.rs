//! The chain's own methods.

use alloy_primitives::keccak256;
use serde_json::{Value, json};

use super::fixture::{call, prover, refusal, rpc, waiting};

#[actix_web::test]
async fn an_item_is_found_by_hash_and_number() {
    let (rpc, chain) = rpc();
    let by_hash = call(&rpc, "crowdfold_itemStatus", json!([chain.hashes[0]])).await;
    assert_eq!(by_hash["status"], "assigned");
    assert_eq!(by_hash["committed"]["height"], 1);
    assert_eq!(by_hash["assigned"]["timeMs"], 1_700_000_003_500u64);
    for number in [json!(0), json!("0"), json!("0x0")] {
        assert_eq!(call(&rpc, "crowdfold_itemStatus", json!([number])).await, by_hash);
    }
    assert_eq!(call(&rpc, "crowdfold_itemStatus", json!([keccak256(waiting())])).await["status"], "pending");
    assert_eq!(call(&rpc, "crowdfold_itemStatus", json!([keccak256(b"nothing")])).await, Value::Null);
    assert_eq!(call(&rpc, "crowdfold_itemStatus", json!([99])).await, Value::Null);
    for bad in [json!([]), json!(["x"]), json!([-1]), json!([0, 1]), json!([{}])] {
        assert_eq!(refusal(&rpc, "crowdfold_itemStatus", bad).await.0, -32602);
    }
}

#[actix_web::test]
async fn tasks_show_bounty_and_draw() {
    let (rpc, _) = rpc();
    let task = call(&rpc, "crowdfold_task", json!([1])).await;
    assert_eq!(task["bounty"], (1u128 << 71).to_string());
    let assignment = call(&rpc, "crowdfold_assignment", json!([1])).await;
    assert_eq!(assignment, task["assignment"]);
    assert_eq!(assignment["prover"], json!(prover()));
    assert_eq!(assignment["receipt"]["candidates"], 4);
    assert_eq!(call(&rpc, "crowdfold_openTasks", json!([])).await, json!([task]));
    assert_eq!(call(&rpc, "crowdfold_task", json!([2])).await, Value::Null);
    assert_eq!(call(&rpc, "crowdfold_assignment", json!([2])).await, Value::Null);
    assert_eq!(refusal(&rpc, "crowdfold_task", json!(["one"])).await.0, -32602);
}

#[actix_web::test]
async fn a_holding_can_be_negative() {
    let (rpc, _) = rpc();
    let shown = call(&rpc, "crowdfold_prover", json!([prover()])).await;
    assert_eq!(shown["account"]["holding"], "-90");
    assert_eq!(shown["account"]["debt"], "90");
    assert_eq!(call(&rpc, "crowdfold_account", json!([prover()])).await, shown["account"]);
    assert_eq!(call(&rpc, "crowdfold_activeSet", json!([])).await, json!([shown]));
    let ledger = call(&rpc, "crowdfold_ledger", json!([])).await;
    assert_eq!((ledger[0]["address"].clone(), ledger[0]["holding"].clone()), (json!(prover()), json!("-90")));
    assert_eq!(call(&rpc, "crowdfold_ledger", json!([prover()])).await, json!([]));
    assert_eq!(call(&rpc, "crowdfold_prover", json!([alloy_primitives::Address::ZERO])).await, Value::Null);
}

#[actix_web::test]
async fn batches_and_proofs_are_served() {
    let (rpc, _) = rpc();
    assert_eq!(call(&rpc, "crowdfold_batch", json!([0])).await["items"], 4);
    assert_eq!(call(&rpc, "crowdfold_batchFile", json!([0])).await, "0x006261746368ff");
    assert_eq!(call(&rpc, "crowdfold_batchFile", json!([1])).await, Value::Null);
    assert_eq!(call(&rpc, "crowdfold_proof", json!([keccak256(b"proof")])).await, "0x70726f6f66");
    assert_eq!(call(&rpc, "crowdfold_proof", json!([keccak256(b"none")])).await, Value::Null);
    assert_eq!(call(&rpc, "crowdfold_supply", json!([])).await["conserved"], true);
    assert_eq!(call(&rpc, "crowdfold_parameters", json!([])).await["chainId"], 1729);
}
