//! JSON-RPC 2.0 for wallets and for anybody who watches the chain.
//!
//! ```text
//!  HTTP body ──envelope──► method, params ──eth / crowdfold──► ChainView  (immutable snapshot)
//!                                              └─ eth_sendRawTransaction ─► TransactionSink
//! ```
//!
//! The namespace `eth_*` is what wallets and common tools call; `crowdfold_*`
//! shows proving work, the market and proofs. Nothing here decides: reads come
//! from one snapshot per call, the only write is the hand-over of a raw
//! transaction. Bodies, batches, filters and answers are bounded.
//!
//! - [`envelope`]: requests, batches, error objects, limits.
//! - [`error`]: the error codes.
//! - [`view`]: what the RPC reads and writes, as traits.
//! - [`eth`], [`blocks`], [`fees`], [`filters`]: the wallets' methods.
//! - [`market`]: the chain's own methods.
//! - [`http`]: the actix routes.
//! - [`kernel_view`]: the snapshot over the kernel.
//! - [`index`]: blocks and transactions by number and hash.

pub mod blocks;
pub mod envelope;
pub mod error;
pub mod eth;
pub mod fees;
pub mod filters;
pub mod http;
pub mod index;
pub mod kernel_view;
pub mod market;
pub mod params;
pub mod view;

#[cfg(test)]
mod tests;

pub use envelope::{Limits, Rpc};
pub use error::RpcError;
pub use index::{BlockRecord, ChainIndex, TransactionRecord};
pub use kernel_view::{Archive, KernelView, genesis_index};
pub use view::{ChainView, TransactionSink};
