//! Bugs that tests plant to see that a check finds them.
//!
//! Without the feature `planted-bugs`, which only tests switch on, [`is`] is
//! constantly false and each site compiles to the rule alone.

macro_rules! bugs {
    ($($(#[$doc:meta])* $bug:ident,)+) => {
        /// A rule broken on purpose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[cfg_attr(not(feature = "planted-bugs"), allow(dead_code, unreachable_pub))]
        pub enum Bug { $($(#[$doc])* $bug,)+ }

        #[cfg(feature = "planted-bugs")]
        impl Bug {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$bug),+];
        }
    };
}

bugs! {
    /// A penalty is charged twice its amount.
    PenaltyDoubled,
    /// A penalty is charged to the proposer.
    PenaltyToProposer,
    /// A penalty becomes debt although rewards are accrued.
    PenaltyAllDebt,
    /// A late assignee is not charged.
    PenaltyForgotten,
    /// Handing back costs a quarter however late.
    HandBackCheap,
    /// A reward accrues twice.
    RewardTwice,
    /// A reward leaves the debt as it is.
    RewardIgnoresDebt,
    /// A proof pays the bounty of the block in which it is accepted.
    BountyAtAcceptance,
    /// A deadline is one block late.
    DeadlineOffByOne,
    /// The grace after a deadline is left out.
    GraceForgotten,
    /// Draws take a byte modulo the list.
    DrawBiased,
    /// Who failed a task may be drawn for it again.
    DrawIneligible,
    /// Draws look at the slots of the block of the draw.
    DrawNotFrozen,
    /// A drawn slot stays in the list.
    DrawReplaces,
    /// A task that is assigned is drawn again.
    AssignedTwice,
    /// Open tasks do not use slots up.
    SlotsUnlimited,
    /// A failure leaves the trust as it is.
    TrustKept,
    /// Debt leaves all slots.
    DebtKeepsSlots,
    /// Bounties rise beyond their largest multiple.
    BumpBeyondCap,
    /// The capacity multiple is not clamped.
    CapacityUncapped,
    /// Bounties take from issuance whatever they want.
    IssuanceUncapped,
    /// An epoch allows more than issuance has left over.
    EpochAllowanceDouble,
    /// Debt beyond the limit does not suspend.
    SuspensionMissed,
    /// Any earnings reinstate.
    ReinstatedTooEarly,
    /// A refund goes to the first plugin there is.
    RefundToOther,
    /// A refunded penalty is refunded again.
    RefundTwice,
    /// Failures never open a task to everybody.
    QuarantineNever,
    /// A settlement credits a unit more than it debits.
    SettlementOverpays,
    /// What a settlement pays stays accrued.
    SettlementPaysTwice,
    /// A settlement starts with the same accounts each time.
    SettlementCursorStuck,
    /// A settlement pays the bond out.
    SettlementPaysBond,
    /// A withdrawal costs nothing.
    WithdrawFree,
    /// The silent stay active.
    HeartbeatsNeverExpire,
    /// Refused messages are heartbeats too.
    RefusedBeats,
    /// A batch leaves out its first item.
    BatchGap,
    /// A batch takes more segments than it may.
    BatchTooLarge,
    /// A node opens before all of its children are proven.
    AggregateEarly,
    /// The base fee does not look at the backlog.
    BaseFeeIgnoresBacklog,
    /// A sequence may repeat.
    SequenceRepeats,
    /// A unit of each fee gets lost.
    FeeSplitLosesUnit,
    /// Debt does not encumber the balance.
    EncumbranceIgnored,
    /// A proof is accepted of a plugin that does not have the task.
    ProofFromAnybody,
    /// Proven segments stay in the backlog.
    BacklogKept,
    /// Time may stand still.
    TimeStandsStill,
    /// A registration needs no work.
    RegistrationFree,
    /// Everybody gets the first admission item.
    AdmissionItemFixed,
    /// Replay leaves out changes of trust.
    ReplayForgetsTrust,
    /// A proposer's share leaves it suspended when its debt is repaid.
    ProposerStaysSuspended,
}

#[cfg(feature = "planted-bugs")]
mod switch {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
        static BLIND: Cell<bool> = const { Cell::new(false) };
    }

    /// Plants a bug in this thread, or takes it out.
    pub fn plant(bug: Option<Bug>) {
        PLANTED.set(bug);
    }

    /// Switches the kernel's own invariants off in this thread, so that others have to find the bug.
    pub fn blind(on: bool) {
        BLIND.set(on);
    }

    /// Is the bug planted in this thread?
    #[must_use]
    pub fn is(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    pub(crate) fn is_blind() -> bool {
        BLIND.get()
    }
}

#[cfg(feature = "planted-bugs")]
pub(crate) use switch::is_blind;
#[cfg(feature = "planted-bugs")]
pub use switch::{blind, is, plant};

/// Is the bug planted? Never, without the feature.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn is(_: Bug) -> bool {
    false
}

#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn is_blind() -> bool {
    false
}
