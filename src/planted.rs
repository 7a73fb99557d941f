//! Bugs of the node's cores that tests plant to see that a simulated world's checkers find them.
//!
//! The kernel's own are in [`crowdfold_kernel::planted`]. Without the feature
//! `planted-bugs`, which only tests switch on, [`is`] is constantly false.

/// A core that does not do what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(not(feature = "planted-bugs"), allow(dead_code, unreachable_pub))]
pub enum Bug {
    /// The ledger acknowledges some blocks without appending them.
    LedgerForgetsAppend,
    /// The ledger's frames lack their last event now and then.
    LedgerCutsFrame,
    /// A replica applies each change of trust twice and misses none.
    ReplayAppliesTwice,
    /// The pool acknowledges every fourth transaction and forgets it.
    PoolForgetsTransaction,
    /// The sequencer acknowledges aggregates and forgets them.
    SequencerDropsAggregates,
    /// The sequencer puts the grandparent's commit into blocks.
    SequencerStaleCommit,
    /// Proven batches are never certified.
    SubmitterNeverCertifies,
    /// Only first assignments are offered to their plugin.
    AssignerOffersOnce,
}

#[cfg(feature = "planted-bugs")]
mod switch {
    use std::cell::Cell;

    use super::Bug;

    impl Bug {
        /// All of them.
        pub const ALL: [Self; 8] = [
            Self::LedgerForgetsAppend,
            Self::LedgerCutsFrame,
            Self::ReplayAppliesTwice,
            Self::PoolForgetsTransaction,
            Self::SequencerDropsAggregates,
            Self::SequencerStaleCommit,
            Self::SubmitterNeverCertifies,
            Self::AssignerOffersOnce,
        ];
    }

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants a bug in this thread, or takes it out.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Is the bug planted in this thread?
    #[must_use]
    pub fn is(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }
}

#[cfg(feature = "planted-bugs")]
pub use switch::{is, plant};

/// Is the bug planted? Never, without the feature.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn is(_: Bug) -> bool {
    false
}
