//! The library: gives pieces of data to whoever names the digest.
//!
//! ```text
//! FetchData ─► genesis, commitment key (public, metered over all sessions)
//!          └─► anything else: a package, from the assigner
//! ```
//!
//! A plugin that has nothing but the hash of the genesis takes the genesis by
//! that hash, finds the digest of the commitment key's file in it, and takes
//! the key. The key is read when it is first asked for and kept once.
//!
//! Packages are not metered here: an offer with a deadline waits for them, and
//! who has no offer does not know their digests.

use std::time::Instant;

use actix::prelude::*;
use alloy_primitives::Bytes;
use crowdfold_config::Genesis;
use crowdfold_events::{B256, wire::Code};

use crate::{
    actors::session::{
        Meter,
        messages::{DataPiece, FetchData},
    },
    params::KeyFile,
};

/// Public data per second that is always given, over all sessions, in bytes.
const BYTES_PER_SECOND: u64 = 32 << 20;
/// Public data that is given at once, over all sessions, in bytes: a dozen keys.
const BURST_BYTES: u64 = 256 << 20;

/// See the module's header.
pub struct Library {
    genesis: (B256, Bytes),
    key: Option<KeyFile>,
    packages: Recipient<FetchData>,
    given: Meter,
    started: Instant,
}

impl Library {
    /// A library of a chain; without `key` it gives none.
    #[must_use]
    pub fn new(genesis: &Genesis, key: Option<KeyFile>, packages: Recipient<FetchData>) -> Self {
        let bytes = Bytes::from(genesis.to_bytes());
        let given = Meter::new(BYTES_PER_SECOND, BURST_BYTES, 0);
        Self { genesis: (genesis.hash(), bytes), key, packages, given, started: Instant::now() }
    }

    fn may_give(&mut self, length: u32) -> Result<(), Code> {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if self.given.take(now, u64::from(length)) { Ok(()) } else { Err(Code::Busy) }
    }
}

impl Actor for Library {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(512);
    }
}

impl Handler<FetchData> for Library {
    type Result = ResponseFuture<Result<DataPiece, Code>>;

    fn handle(&mut self, wanted: FetchData, _: &mut Self::Context) -> Self::Result {
        let FetchData { digest, offset, length } = wanted;
        let key = self.key.clone().filter(|key| key.digest() == digest);
        let is_public = key.is_some() || digest == self.genesis.0;
        if !is_public {
            let asked = self.packages.send(wanted);
            return Box::pin(async move { asked.await.unwrap_or(Err(Code::Unavailable)) });
        }
        if let Err(code) = self.may_give(length) {
            return Box::pin(std::future::ready(Err(code)));
        }
        let Some(key) = key else {
            return Box::pin(std::future::ready(DataPiece::of(&self.genesis.1, offset, length)));
        };
        if let Some(bytes) = key.loaded() {
            return Box::pin(std::future::ready(DataPiece::of(bytes, offset, length)));
        }
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || {
                key.load().map(|bytes| DataPiece::of(bytes, offset, length)).map_err(|fault| fault.to_string())
            });
            let piece = read.await.map_err(|fault| fault.to_string()).and_then(|read| read);
            piece.unwrap_or_else(|fault| {
                tracing::error!(fault, "the commitment key cannot be given");
                Err(Code::Unavailable)
            })
        })
    }
}
