//! What a checker found: where, what was expected, what was there.

use crowdfold_events::{Event, Height};

macro_rules! checks {
    ($($(#[$doc:meta])* $check:ident = $name:literal,)+) => {
        /// The checks, by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Check { $($(#[$doc])* $check,)+ }

        impl Check {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$check),+];

            /// The stable name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$check => $name,)+ }
            }
        }
    };
}

checks! {
    /// A block's events start with `BlockDecided`, end with `BlockSealed`, and the phases keep their order.
    Shape = "shape",
    /// Heights, parents, commits and beacons follow one another; the header states what the block did.
    Header = "header",
    /// Time is at least parent + `min_block_time`.
    BlockTime = "block-time",
    /// The base fee follows the fullest of gas, segments and backlog.
    BaseFee = "base-fee",
    /// Limits of a block: gas, segments, backlog, messages, proofs.
    Limits = "limits",
    /// A transaction moves its value and its fee and nothing else.
    Transaction = "transaction",
    /// The parts of a fee sum to it and are the fixed shares.
    FeeSplit = "fee-split",
    /// No sender spends what its debt encumbers.
    Encumbrance = "encumbrance",
    /// Balances sum to the genesis supply.
    Supply = "supply",
    /// The escrow covers accrued, reserved and earmarked.
    EscrowCover = "escrow-cover",
    /// Issuance covers what it owes, holds and still allows.
    IssuanceCover = "issuance-cover",
    /// No sum leaves its range.
    Range = "range",
    /// Nobody is owed and owes at the same time.
    OneSide = "one-side",
    /// Sequence numbers strictly increase.
    Sequence = "sequence",
    /// A message takes effect, or is refused, exactly when it should.
    Verdict = "verdict",
    /// Registration: hashcash, one per address, the admission item that the beacon draws.
    Registration = "registration",
    /// Heartbeats, and who is active.
    Activity = "activity",
    /// A task is opened for each item and node, with its base bounty and funds.
    TaskOpening = "task-opening",
    /// At most one live assignment per task.
    LiveAssignment = "live-assignment",
    /// Nobody holds more tasks than slots.
    Slots = "slots",
    /// The draw is what beacon and frozen list give.
    Draw = "draw",
    /// The bounty at assignment follows the formula and the allowance.
    Bounty = "bounty",
    /// Deadlines follow the segments.
    Deadline = "deadline",
    /// Whoever is late times out, nobody else.
    Timeout = "timeout",
    /// A task is handed back by its assignee.
    HandBack = "hand-back",
    /// A penalty for each failure: exact, from accrued first, then debt.
    Penalty = "penalty",
    /// Refunds go to those who were charged, once.
    Refund = "refund",
    /// Enough failures or age open a task to everybody.
    Quarantine = "quarantine",
    /// Bounties rise when due and by the rate.
    Bump = "bump",
    /// Trust counts valid proofs and resets on failure.
    Trust = "trust",
    /// Debt above the limit suspends, at or below it does not.
    Suspension = "suspension",
    /// A proof is accepted of the assignee, or of anybody for an open task, once.
    ProofAcceptance = "proof-acceptance",
    /// A reward is the bounty fixed at assignment; it repays debt first.
    Reward = "reward",
    /// A transfer to the repay account lowers a debt by its value.
    Repayment = "repayment",
    /// Items are contiguous in number and state root.
    Items = "items",
    /// Batches are contiguous and cover every proven item in time.
    Batches = "batches",
    /// Nodes are proven bottom up; the root proves the batch.
    Aggregation = "aggregation",
    /// Batches are certified in order.
    Certificate = "certificate",
    /// Who is paid what by a settlement, and when there is one.
    Settlement = "settlement",
    /// Credits sum to debits, which only system accounts pay.
    SettlementSum = "settlement-sum",
    /// A withdrawal's fee and its place in the next settlement.
    Withdrawal = "withdrawal",
    /// Epochs start on time, with their allowance and hashcash.
    Epoch = "epoch",
    /// Applying the events gives the live state.
    Replay = "replay",
    /// The live state is what the events say.
    Comparison = "comparison",
    /// Validators' journals are equal at equal heights.
    Agreement = "agreement",
    /// After the faults heal, work is finished within its bounds.
    Liveness = "liveness",
}

impl core::fmt::Display for Check {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// A rule that the chain broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{check}: block {height}{}{}: {field}: expected {expected}, found {found}",
    .index.map(|i| format!(" event {i}")).unwrap_or_default(), .event.map(|e| format!(" {e}")).unwrap_or_default())]
pub struct Violation {
    /// Which check.
    pub check: Check,
    /// In which block.
    pub height: Height,
    /// Place of the event in its block; `None` for the block as a whole.
    pub index: Option<usize>,
    /// Kind of the event.
    pub event: Option<&'static str>,
    /// What of it, in the words of the event or of the books.
    pub field: &'static str,
    /// What the model says.
    pub expected: String,
    /// What was there.
    pub found: String,
}

macro_rules! kinds {
    ($($kind:ident),+ $(,)?) => {
        /// The kind of an event.
        #[must_use]
        pub fn kind(event: &Event) -> &'static str {
            match event { $(Event::$kind { .. } => stringify!($kind),)+ }
        }
    };
}

kinds!(
    GenesisLoaded,
    BlockDecided,
    TransactionExecuted,
    MessageAccepted,
    MessageRefused,
    HeartbeatsRecorded,
    PluginRegistered,
    AdmissionPassed,
    AdmissionLapsed,
    PluginActivated,
    PluginDeactivated,
    PluginSuspended,
    PluginReinstated,
    WithdrawRequested,
    TaskOpened,
    TaskAssigned,
    TaskHandedBack,
    ProofAccepted,
    AssignmentTimedOut,
    PenaltyCharged,
    PenaltyRefunded,
    TrustChanged,
    BountyBumped,
    TaskQuarantined,
    RewardAccrued,
    DebtRepaid,
    SettlementApplied,
    BatchClosed,
    AggregateAccepted,
    BatchProven,
    BatchCertified,
    EpochStarted,
    BlockSealed,
);

/// The check that answers for a kind of event.
pub(crate) fn check_of(event: &Event) -> Check {
    match event {
        Event::GenesisLoaded { .. } | Event::BlockDecided { .. } | Event::BlockSealed { .. } => Check::Shape,
        Event::TransactionExecuted { .. } => Check::Transaction,
        Event::MessageAccepted { .. } | Event::MessageRefused { .. } => Check::Verdict,
        Event::PluginRegistered { .. } | Event::AdmissionPassed { .. } | Event::AdmissionLapsed { .. } => {
            Check::Registration
        }
        Event::HeartbeatsRecorded { .. } | Event::PluginActivated { .. } | Event::PluginDeactivated { .. } => {
            Check::Activity
        }
        Event::PluginSuspended { .. } | Event::PluginReinstated { .. } => Check::Suspension,
        Event::WithdrawRequested { .. } => Check::Withdrawal,
        Event::TaskOpened { .. } => Check::TaskOpening,
        Event::TaskAssigned { .. } => Check::Draw,
        Event::TaskHandedBack { .. } => Check::HandBack,
        Event::ProofAccepted { .. } => Check::ProofAcceptance,
        Event::AssignmentTimedOut { .. } => Check::Timeout,
        Event::PenaltyCharged { .. } => Check::Penalty,
        Event::PenaltyRefunded { .. } => Check::Refund,
        Event::TrustChanged { .. } => Check::Trust,
        Event::BountyBumped { .. } => Check::Bump,
        Event::TaskQuarantined { .. } => Check::Quarantine,
        Event::RewardAccrued { .. } => Check::Reward,
        Event::DebtRepaid { .. } => Check::Repayment,
        Event::SettlementApplied { .. } => Check::Settlement,
        Event::BatchClosed { .. } => Check::Batches,
        Event::AggregateAccepted { .. } | Event::BatchProven { .. } => Check::Aggregation,
        Event::BatchCertified { .. } => Check::Certificate,
        Event::EpochStarted { .. } => Check::Epoch,
    }
}
