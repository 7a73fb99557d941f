//! A JSON-RPC client over HTTP, as small as the demonstration needs it: one
//! request per connection, plain `http://` to a socket address.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: u64 = 16 << 20;
/// Time for one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection.
    #[error("no answer from the node: {0}")]
    Io(#[from] std::io::Error),
    /// Nothing came in time.
    #[error("no answer from the node within {} s", CALL_TIMEOUT.as_secs())]
    Timeout,
    /// The answer is not JSON-RPC over HTTP.
    #[error("the answer to {method} is not JSON-RPC: {what}")]
    Malformed {
        /// The method called.
        method: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// The node refuses.
    #[error("{method} is refused: {error}")]
    Refused {
        /// The method called.
        method: &'static str,
        /// The error object.
        error: Value,
    },
}

/// A node's JSON-RPC endpoint.
#[derive(Clone, Copy, Debug)]
pub struct RpcClient {
    addr: SocketAddr,
}

impl RpcClient {
    /// The endpoint at this address, path `/`.
    #[must_use]
    pub fn new(addr: SocketAddr) -> Self {
        Self { addr }
    }

    /// Calls a method.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn call(&self, method: &'static str, params: Value) -> Result<Value, ClientError> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let exchanged = timeout(CALL_TIMEOUT, self.exchange(&body)).await.map_err(|_| ClientError::Timeout)??;
        let malformed = |what| ClientError::Malformed { method, what };
        let end = exchanged.windows(4).position(|w| w == b"\r\n\r\n").ok_or(malformed("no end of the header"))?;
        let mut answer: Value = serde_json::from_slice(&exchanged[end + 4..]).map_err(|_| malformed("no JSON body"))?;
        match answer.get_mut("error").map(Value::take) {
            Some(error) if !error.is_null() => Err(ClientError::Refused { method, error }),
            _ => answer.get_mut("result").map(Value::take).ok_or(malformed("neither result nor error")),
        }
    }

    /// Header and body of the answer.
    async fn exchange(&self, body: &str) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.addr).await?;
        let header = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.addr,
            body.len()
        );
        stream.write_all(header.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).await?;
        Ok(answer)
    }
}
