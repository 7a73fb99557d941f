//! What came out of a world.

use std::time::Duration;

use alloy_primitives::B256;
use serde::Serialize;

use super::{
    adversaries::EarningsReport,
    faults::{FaultCounts, L1FaultKind},
    observe::Violation,
    options::SimOptions,
    world::World,
};

/// What a world did. Equal options, equal reports, but for the wall time.
#[derive(Clone, Debug, Serialize)]
pub struct SimReport {
    /// The command that makes the same world again.
    pub command: String,
    /// Virtual time in milliseconds, healed time included.
    pub simulated_ms: u64,
    /// Height of the chain.
    pub blocks: u64,
    /// Transactions in blocks.
    pub transactions: u64,
    /// Proofs of items accepted.
    pub proofs: u64,
    /// Proofs of aggregation nodes accepted.
    pub aggregates: u64,
    /// Batches certified.
    pub batches: u64,
    /// Penalties charged.
    pub penalties: u64,
    /// System messages in blocks.
    pub messages: u64,
    /// Events in the journal.
    pub events: u64,
    /// Faults injected, by kind.
    pub faults: FaultCounts,
    /// Faults that cannot be injected, because what they break is not built.
    pub unsupported: Vec<L1FaultKind>,
    /// What attackers and honest plugins earned; `None` without attackers.
    pub earnings: Option<EarningsReport>,
    /// Memoised results that were computed again and compared.
    pub rechecked: u64,
    /// State root of the market and accounts at the end.
    pub state_root: B256,
    /// Head of the event chain at the end.
    pub events_head: B256,
    /// Hash of all bytes of the journal.
    pub journal_hash: B256,
    /// The rule that does not hold, if one does not.
    pub failure: Option<Failure>,
    /// Time that it took, in milliseconds.
    pub wall_ms: u64,
    /// Time that a core worked on it, in milliseconds, where the system says so.
    pub cpu_ms: Option<u64>,
}

/// A violation, for reports.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// Name of the rule.
    pub rule: &'static str,
    /// The validator at which it shows.
    pub validator: Option<usize>,
    /// The block.
    pub height: u64,
    /// What was expected and what was found.
    pub detail: String,
    /// The command that makes the same failure in a smaller world, once it was looked for.
    pub shrunk: Option<String>,
}

impl From<&Violation> for Failure {
    fn from(of: &Violation) -> Self {
        let Violation { rule, validator, height, detail } = of.clone();
        Self { rule, validator, height: height.0, detail, shrunk: None }
    }
}

impl SimReport {
    pub(super) fn new(options: &SimOptions, world: &World, took: Duration, cpu: Option<Duration>) -> Self {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let sums = world.sums;
        let (state_root, events_head) = world.ends();
        Self {
            command: options.command(),
            simulated_ms: world.now_ms,
            blocks: world.tip.0,
            transactions: sums.transactions,
            proofs: sums.proofs,
            aggregates: sums.aggregates,
            batches: sums.batches,
            penalties: sums.penalties,
            messages: sums.messages,
            events: sums.events,
            faults: world.counts.clone(),
            unsupported: L1FaultKind::ALL.to_vec(),
            earnings: (!options.adversaries.is_empty()).then(|| world.earnings.report()),
            rechecked: world.rechecked(),
            state_root,
            events_head,
            journal_hash: world.journal_hash(),
            failure: world.failure.as_ref().map(Failure::from),
            wall_ms: millis(took),
            cpu_ms: cpu.map(millis),
        }
    }

    /// Simulated thousandths of an hour per second of a core, or of wall time where that is not known.
    #[must_use]
    pub fn milli_hours_per_second(&self) -> u64 {
        let took = self.cpu_ms.unwrap_or(self.wall_ms);
        // (simulated / 3,600,000 h) / (took / 1000 s) in thousandths.
        self.simulated_ms.saturating_mul(1_000) / took.max(1).saturating_mul(3_600)
    }
}

/// Time that this thread has had a core, where the system says so.
#[must_use]
pub fn thread_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}
