//! Positional parameters.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::RpcError;

/// The parameters of one call, by position.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<Value>);

impl Params {
    /// From the request's `params`: missing, null or a list.
    ///
    /// # Errors
    /// -32602 for parameters by name or any other value.
    pub fn new(value: Option<Value>) -> Result<Self, RpcError> {
        match value {
            None | Some(Value::Null) => Ok(Self::default()),
            Some(Value::Array(list)) => Ok(Self(list)),
            Some(_) => Err(RpcError::params("non-array args")),
        }
    }

    /// Refuses more than `most` parameters.
    ///
    /// # Errors
    /// -32602.
    pub fn at_most(&self, most: usize) -> Result<(), RpcError> {
        if self.0.len() > most {
            return Err(RpcError::params(format!("too many arguments, want at most {most}")));
        }
        Ok(())
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    /// -32602 when it is missing or of another form.
    pub fn get<T: DeserializeOwned>(&self, at: usize) -> Result<T, RpcError> {
        self.opt(at)?.ok_or_else(|| RpcError::params(format!("missing value for required argument {at}")))
    }

    /// A parameter that may be missing or null.
    ///
    /// # Errors
    /// -32602 when it is of another form.
    pub fn opt<T: DeserializeOwned>(&self, at: usize) -> Result<Option<T>, RpcError> {
        match self.0.get(at) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => T::deserialize(value)
                .map(Some)
                .map_err(|error| RpcError::params(format!("invalid argument {at}: {error}"))),
        }
    }
}
