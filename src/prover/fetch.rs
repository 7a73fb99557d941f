//! Data by its digest, in pieces, one request at a time, checked at the end.

use std::collections::VecDeque;

use alloy_primitives::keccak256;
use crowdfold_events::{
    B256,
    wire::{ClientFrame, Code, MAX_CHUNK_BYTES},
};

use crate::view::FetchView;

/// Longest data that is fetched, in bytes.
const MAX_DATA_BYTES: u64 = 256 << 20;
/// A piece that has not come after this long is asked for again.
const PIECE_TIMEOUT_MS: u64 = 10_000;
/// Pause after a refusal that may pass.
const BUSY_PAUSE_MS: u64 = 1_000;

#[derive(Debug)]
struct Fetch {
    digest: B256,
    /// Bytes of the whole, if they are known.
    total: Option<u64>,
    bytes: Vec<u8>,
    /// When the next request is due.
    due_ms: u64,
}

/// What a frame did to the fetch in progress.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fetched {
    Nothing,
    Done(B256, Vec<u8>),
    Failed(B256, Code),
}

/// Fetches in the order asked for; only the first is in progress.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    queue: VecDeque<Fetch>,
}

impl Fetches {
    /// Asks for data; of `length` bytes, if that was said.
    pub(crate) fn want(&mut self, digest: B256, length: Option<u32>) {
        if self.queue.iter().all(|f| f.digest != digest) {
            let total = length.map(u64::from);
            self.queue.push_back(Fetch { digest, total, bytes: Vec::new(), due_ms: 0 });
        }
    }

    /// Nobody needs it any more.
    pub(crate) fn forget(&mut self, digest: &B256) {
        self.queue.retain(|f| f.digest != *digest);
    }

    /// How far the first is.
    pub(crate) fn view(&self) -> Option<FetchView> {
        let first = self.queue.front()?;
        Some(FetchView { digest: first.digest, have: first.bytes.len() as u64, total: first.total })
    }

    /// The session is new or resumed: requests under way are lost.
    pub(crate) fn reconnected(&mut self) {
        if let Some(first) = self.queue.front_mut() {
            first.due_ms = 0;
        }
    }

    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.queue.front().map(|f| f.due_ms)
    }

    /// The request that is due, if any.
    pub(crate) fn request(&mut self, now_ms: u64) -> Option<ClientFrame> {
        let first = self.queue.front_mut().filter(|f| now_ms >= f.due_ms)?;
        first.due_ms = now_ms + PIECE_TIMEOUT_MS;
        Some(ClientFrame::DataRequest {
            digest: first.digest,
            offset: first.bytes.len() as u64,
            length: MAX_CHUNK_BYTES as u32,
        })
    }

    /// A piece came; the next is asked for after `pause_ms`.
    pub(crate) fn piece(
        &mut self,
        now_ms: u64,
        digest: B256,
        offset: u64,
        total: u64,
        bytes: &[u8],
        pause_ms: u64,
    ) -> Fetched {
        let Some(first) = self.queue.front_mut() else { return Fetched::Nothing };
        if first.digest != digest || first.bytes.len() as u64 != offset {
            return Fetched::Nothing;
        }
        let end = offset + bytes.len() as u64;
        let is_other = *first.total.get_or_insert(total) != total;
        if bytes.is_empty() || total > MAX_DATA_BYTES || end > total || is_other {
            return self.fail(Code::DataRange);
        }
        first.bytes.extend_from_slice(bytes);
        if end < total {
            first.due_ms = now_ms + pause_ms;
            return Fetched::Nothing;
        }
        let Some(whole) = self.queue.pop_front() else { return Fetched::Nothing };
        if keccak256(&whole.bytes) == digest {
            Fetched::Done(digest, whole.bytes)
        } else {
            Fetched::Failed(digest, Code::NodeFault)
        }
    }

    pub(crate) fn refused(&mut self, now_ms: u64, digest: B256, code: Code) -> Fetched {
        match self.queue.front_mut() {
            Some(first) if first.digest == digest => {
                if matches!(code, Code::TooManyMessages | Code::Busy | Code::Unavailable) {
                    first.due_ms = now_ms + BUSY_PAUSE_MS;
                    return Fetched::Nothing;
                }
                self.fail(code)
            }
            _ => Fetched::Nothing,
        }
    }

    fn fail(&mut self, code: Code) -> Fetched {
        self.queue.pop_front().map_or(Fetched::Nothing, |f| Fetched::Failed(f.digest, code))
    }
}
