//! The chain's own methods: items, tasks, provers, money, proofs.
//!
//! | Method | Parameters | Answer |
//! |---|---|---|
//! | `crowdfold_itemStatus` | transaction hash or item number | status with times, task, prover, proof, batch |
//! | `crowdfold_task` | task number | kind, bounty, attempts, assignment |
//! | `crowdfold_openTasks` | | tasks neither done nor lapsed |
//! | `crowdfold_assignment` | task number | who, deadline, bounty, draw receipt |
//! | `crowdfold_prover` | address | state, trust, open tasks, money |
//! | `crowdfold_activeSet` | | active provers |
//! | `crowdfold_account` | address | balance, accrued, debt, holding |
//! | `crowdfold_ledger` | address to start after | accounts with accrued rewards or debt |
//! | `crowdfold_supply` | | supply, escrow, issuance, reserves |
//! | `crowdfold_stateHash` | | digest of the state after the last block, with its parts |
//! | `crowdfold_parameters` | | genesis parameters |
//! | `crowdfold_batch` | batch number | items, roots, proof, certificate |
//! | `crowdfold_batchFile` | batch number | the file, as hex |
//! | `crowdfold_proof` | proof hash | the proof, as hex |
//!
//! What does not exist is null. A pending transaction has status `pending`.

use alloy_primitives::{Address, B256};
use crowdfold_events::{BatchIndex, ItemIndex, TaskId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    envelope::Rpc,
    error::{self, RpcError},
    params::Params,
    view::ChainView,
};

/// A number as JSON number, decimal string or hex quantity.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(u64),
    Text(String),
}

impl Number {
    fn value(&self) -> Result<u64, RpcError> {
        let parsed = match self {
            Self::Plain(number) => Some(*number),
            Self::Text(text) => match text.strip_prefix("0x") {
                Some(hex) => u64::from_str_radix(hex, 16).ok(),
                None => text.parse().ok(),
            },
        };
        parsed.ok_or_else(|| RpcError::params("invalid argument 0: not a number"))
    }
}

/// Answers a method of this namespace; `None` when it has no such method.
pub fn dispatch(rpc: &Rpc, method: &str, params: &Params) -> Option<Result<Value, RpcError>> {
    let view = rpc.snapshot();
    let view = view.as_ref();
    let limit = rpc.limits().list_entries;
    Some(match method {
        "crowdfold_itemStatus" => item_status(rpc, view, params),
        "crowdfold_task" => number(params).and_then(|n| to_json(view.task(TaskId(n)))),
        "crowdfold_openTasks" => params.at_most(0).and_then(|()| to_json(view.open_tasks(limit))),
        "crowdfold_assignment" => {
            number(params).and_then(|n| to_json(view.task(TaskId(n)).and_then(|task| task.assignment)))
        }
        "crowdfold_prover" => one(params).and_then(|address: Address| to_json(view.prover(&address))),
        "crowdfold_activeSet" => params.at_most(0).and_then(|()| to_json(view.active_set(limit))),
        "crowdfold_account" => one(params).and_then(|address: Address| to_json(view.account(&address))),
        "crowdfold_ledger" => ledger(view, params, limit),
        "crowdfold_supply" => params.at_most(0).map(|()| view.supply()),
        "crowdfold_stateHash" => params.at_most(0).and_then(|()| to_json(view.state_hash())),
        "crowdfold_parameters" => params.at_most(0).map(|()| view.parameters()),
        "crowdfold_batch" => number(params).and_then(|n| to_json(view.batch(BatchIndex(n)))),
        "crowdfold_batchFile" => number(params).and_then(|n| to_json(view.batch_file(BatchIndex(n)))),
        "crowdfold_proof" => one(params).and_then(|hash: B256| to_json(view.proof(&hash))),
        _ => return None,
    })
}

fn one<T: serde::de::DeserializeOwned>(params: &Params) -> Result<T, RpcError> {
    params.at_most(1)?;
    params.get(0)
}

fn number(params: &Params) -> Result<u64, RpcError> {
    one::<Number>(params)?.value()
}

fn to_json(value: impl Serialize) -> Result<Value, RpcError> {
    serde_json::to_value(value).map_err(|fault| RpcError::new(error::INTERNAL, fault.to_string()))
}

fn item_status(rpc: &Rpc, view: &dyn ChainView, params: &Params) -> Result<Value, RpcError> {
    params.at_most(1)?;
    let Some(hash) = params.get::<Value>(0)?.as_str().and_then(|text| text.parse::<B256>().ok()) else {
        return to_json(view.item(ItemIndex(number(params)?)));
    };
    match view.item_of(&hash) {
        Some(item) => to_json(item),
        None if rpc.sink.pending(&hash).is_some() => {
            Ok(json!({ "kind": "transaction", "hash": hash, "status": "pending" }))
        }
        None => Ok(Value::Null),
    }
}

fn ledger(view: &dyn ChainView, params: &Params, limit: usize) -> Result<Value, RpcError> {
    params.at_most(1)?;
    let after: Address = params.opt(0)?.unwrap_or_default();
    to_json(view.ledger(after, limit))
}
