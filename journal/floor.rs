//! Where a pruned journal begins.

use crowdfold_events::B256;

use crate::Head;

/// What is kept of the events before the first one: enough to check all that
/// follows, and to prove inclusion and consistency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floor {
    /// The first event kept and the chain's head before it.
    pub head: Head,
    /// Roots of the complete subtrees of the RFC 6962 tree over the events
    /// before it, largest first.
    pub peaks: Vec<B256>,
}

impl Floor {
    /// Nothing is pruned.
    pub const GENESIS: Self = Self { head: Head::EMPTY, peaks: Vec::new() };
}
