//! JSON-RPC 2.0: requests, batches, answers, limits.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{
    error::{self, RpcError},
    eth,
    filters::Filters,
    market,
    params::Params,
    view::{ChainView, TransactionSink},
};

/// Bounds on what one caller can make the node do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request body.
    pub body_bytes: usize,
    /// Calls in a batch.
    pub batch_calls: usize,
    /// Bytes of all answers of a batch; what comes after is refused.
    pub answer_bytes: usize,
    /// Filters kept; the least recently used one goes first.
    pub filters: usize,
    /// Entries of a list answer.
    pub list_entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body_bytes: 1 << 20, batch_calls: 100, answer_bytes: 8 << 20, filters: 1024, list_entries: 500 }
    }
}

/// Gives the newest snapshot.
pub type Snapshots = Arc<dyn Fn() -> Arc<dyn ChainView> + Send + Sync>;

/// Answers requests.
#[derive(Clone)]
pub struct Rpc {
    pub(crate) snapshots: Snapshots,
    pub(crate) sink: Arc<dyn TransactionSink>,
    pub(crate) filters: Arc<Mutex<Filters>>,
    pub(crate) limits: Limits,
}

impl Rpc {
    /// An RPC over snapshots and a pool.
    #[must_use]
    pub fn new(snapshots: Snapshots, sink: Arc<dyn TransactionSink>, limits: Limits) -> Self {
        Self { snapshots, sink, filters: Arc::new(Mutex::new(Filters::new(limits.filters))), limits }
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<dyn ChainView> {
        (self.snapshots)()
    }

    /// Answers a body; `None` when it has notifications only.
    pub async fn handle(&self, body: &[u8]) -> Option<Value> {
        match serde_json::from_slice::<Value>(body) {
            Err(fault) => Some(answer(Value::Null, Err(RpcError::new(error::PARSE, format!("parse error: {fault}"))))),
            Ok(Value::Array(calls)) => self.batch(calls).await,
            Ok(call) => self.single(call).await,
        }
    }

    async fn batch(&self, calls: Vec<Value>) -> Option<Value> {
        if calls.is_empty() {
            return Some(answer(Value::Null, Err(RpcError::new(error::INVALID_REQUEST, "empty batch"))));
        }
        if calls.len() > self.limits.batch_calls {
            let text = format!("batch too large: {} calls, limit {}", calls.len(), self.limits.batch_calls);
            return Some(answer(Value::Null, Err(RpcError::new(error::LIMIT, text))));
        }
        let mut answers = Vec::with_capacity(calls.len());
        let mut bytes = 0;
        for call in calls {
            let reply = if bytes > self.limits.answer_bytes {
                let id = call.get("id").cloned();
                id.map(|id| answer(id, Err(RpcError::new(error::LIMIT, "response too large"))))
            } else {
                self.single(call).await
            };
            if let Some(reply) = reply {
                bytes += reply.get("result").map_or(0, size);
                answers.push(reply);
            }
        }
        (!answers.is_empty()).then_some(Value::Array(answers))
    }

    async fn single(&self, call: Value) -> Option<Value> {
        let invalid = |text: &str| Some(answer(Value::Null, Err(RpcError::new(error::INVALID_REQUEST, text))));
        let Value::Object(mut call) = call else { return invalid("a request is an object") };
        let id = call.remove("id");
        if !matches!(id, None | Some(Value::Null | Value::Number(_) | Value::String(_))) {
            return invalid("an id is a string, a number or null");
        }
        let shown = id.clone().unwrap_or(Value::Null);
        if call.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Some(answer(shown, Err(RpcError::new(error::INVALID_REQUEST, "jsonrpc must be \"2.0\""))));
        }
        let Some(Value::String(method)) = call.remove("method") else {
            return Some(answer(shown, Err(RpcError::new(error::INVALID_REQUEST, "method must be a string"))));
        };
        let result = match Params::new(call.remove("params")) {
            Ok(params) => self.dispatch(&method, &params).await,
            Err(fault) => Err(fault),
        };
        id.map(|id| answer(id, result))
    }

    async fn dispatch(&self, method: &str, params: &Params) -> Result<Value, RpcError> {
        if method == "eth_sendRawTransaction" {
            return eth::send_raw_transaction(self, params).await;
        }
        if let Some(result) = eth::dispatch(self, method, params) {
            return result;
        }
        market::dispatch(self, method, params).unwrap_or_else(|| Err(RpcError::method_not_found(method)))
    }
}

fn answer(id: Value, result: Result<Value, RpcError>) -> Value {
    match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(fault) => json!({ "jsonrpc": "2.0", "id": id, "error": fault.to_json() }),
    }
}

/// About how many bytes a value takes: strings exactly, the rest roughly.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(size).sum::<usize>() + list.len(),
        Value::Object(map) => map.iter().map(|(key, value)| key.len() + size(value) + 4).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}
