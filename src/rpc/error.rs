//! Error objects and their codes.
//!
//! Codes below -32099 are JSON-RPC's own, 3 is the EVM's revert, -32000 to
//! -32099 are EIP-1474's. Wallets act on the code -32601 and on the words of a
//! refusal, so refusals of transactions keep Ethereum's words.

use alloy_primitives::Bytes;
use crowdfold_execution::{AdmissionError, call::CallError};
use serde_json::{Value, json};

/// Not JSON.
pub const PARSE: i64 = -32700;
/// JSON, but no request.
pub const INVALID_REQUEST: i64 = -32600;
/// No such method.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// Parameters of another number or form.
pub const INVALID_PARAMS: i64 = -32602;
/// The node's own fault.
pub const INTERNAL: i64 = -32603;
/// Refused; the text says why.
pub const REFUSED: i64 = -32000;
/// What was asked for does not exist or is not kept.
pub const NOT_FOUND: i64 = -32001;
/// Valid Ethereum that this chain does not prove yet.
pub const NOT_PROVABLE: i64 = -32003;
/// A known method, or a case of it, that is not built.
pub const UNSUPPORTED: i64 = -32004;
/// A limit of this node.
pub const LIMIT: i64 = -32005;
/// A call reverted; `data` has what it returned.
pub const REVERTED: i64 = 3;

/// The error object of an answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct RpcError {
    /// One of this module's codes.
    pub code: i64,
    /// For a person; wallets look for Ethereum's words in it.
    pub message: String,
    /// For a program.
    pub data: Option<Value>,
}

impl RpcError {
    /// An error without data.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// -32602 for one parameter.
    pub fn params(message: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    /// -32601.
    #[must_use]
    pub fn method_not_found(method: &str) -> Self {
        // The name comes from the caller: show what a method name can be, not more.
        let shown: String = method.chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
        Self::new(METHOD_NOT_FOUND, format!("the method {shown} does not exist/is not available"))
    }

    /// Code 3 with the returned data, as wallets decode it.
    #[must_use]
    pub fn reverted(data: &Bytes) -> Self {
        Self { code: REVERTED, message: "execution reverted".into(), data: Some(json!(data)) }
    }

    /// The error object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.data {
            Some(data) => json!({ "code": self.code, "message": self.message, "data": data }),
            None => json!({ "code": self.code, "message": self.message }),
        }
    }
}

impl From<AdmissionError> for RpcError {
    fn from(error: AdmissionError) -> Self {
        let code = match &error {
            AdmissionError::NotProvable(_) => NOT_PROVABLE,
            AdmissionError::PoolFull { .. } => LIMIT,
            _ => REFUSED,
        };
        Self::new(code, error.to_string())
    }
}

impl From<CallError> for RpcError {
    fn from(error: CallError) -> Self {
        let code = if matches!(error, CallError::NotProvable(_)) { NOT_PROVABLE } else { REFUSED };
        Self::new(code, error.to_string())
    }
}
