//! Polling filters.
//!
//! A block filter reports the hashes of blocks since the last poll. A log
//! filter never reports anything: no account has code, so there are no logs.
//! Filters are kept in a bounded table; when it is full, the one that was
//! polled longest ago goes.

use std::collections::BTreeMap;

use crowdfold_events::{B256, Height};

use super::{
    error::{self, RpcError},
    view::ChainView,
};

/// Most block hashes in one poll; the next poll goes on from there.
const POLL_BLOCKS: u64 = 1024;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Blocks { seen: Height },
    Logs,
}

/// The filters of all callers.
#[derive(Debug)]
pub struct Filters {
    limit: usize,
    clock: u64,
    last_id: u64,
    /// By id: kind and when it was last used.
    table: BTreeMap<u64, (Kind, u64)>,
}

impl Filters {
    /// An empty table for so many filters.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, clock: 0, last_id: 0, table: BTreeMap::new() }
    }

    /// A filter for blocks after `seen`; returns its id.
    pub fn blocks(&mut self, seen: Height) -> u64 {
        self.add(Kind::Blocks { seen })
    }

    /// A filter for logs; returns its id.
    pub fn logs(&mut self) -> u64 {
        self.add(Kind::Logs)
    }

    fn add(&mut self, kind: Kind) -> u64 {
        while self.table.len() >= self.limit.max(1) {
            let oldest = self.table.iter().min_by_key(|(_, (_, used))| *used).map(|(id, _)| *id);
            let Some(oldest) = oldest else { break };
            self.table.remove(&oldest);
        }
        self.clock += 1;
        self.last_id += 1;
        self.table.insert(self.last_id, (kind, self.clock));
        self.last_id
    }

    /// What is new since the last poll.
    ///
    /// # Errors
    /// -32000 for an unknown id.
    pub fn poll(&mut self, id: u64, view: &dyn ChainView) -> Result<Vec<B256>, RpcError> {
        self.clock += 1;
        let (kind, used) = self.table.get_mut(&id).ok_or_else(unknown)?;
        *used = self.clock;
        let Kind::Blocks { seen } = kind else { return Ok(Vec::new()) };
        let to = view.head().0.min(seen.0.saturating_add(POLL_BLOCKS));
        let hashes = (seen.0 + 1..=to).filter_map(|height| Some(view.block(Height(height))?.hash)).collect();
        *seen = Height(to.max(seen.0));
        Ok(hashes)
    }

    /// Whether the filter is a log filter.
    ///
    /// # Errors
    /// -32000 for an unknown id.
    pub fn is_logs(&self, id: u64) -> Result<bool, RpcError> {
        let (kind, _) = self.table.get(&id).ok_or_else(unknown)?;
        Ok(matches!(kind, Kind::Logs))
    }

    /// Removes a filter; false when there is none.
    pub fn remove(&mut self, id: u64) -> bool {
        self.table.remove(&id).is_some()
    }
}

fn unknown() -> RpcError {
    RpcError::new(error::REFUSED, "filter not found")
}
