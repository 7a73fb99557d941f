//! How long to wait before the next connection, and how fast this prover is.

use crowdfold_events::event::TaskKind;

/// Doubling delays with jitter from a seed.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    failures: u32,
    random: u64,
}

const FIRST_MS: u64 = 500;
const LONGEST_MS: u64 = 30_000;

impl Backoff {
    pub(crate) fn new(seed: u64) -> Self {
        Self { failures: 0, random: seed | 1 }
    }

    /// The next delay: half to all of the doubled one, in milliseconds.
    pub(crate) fn next_ms(&mut self) -> u64 {
        let full = (FIRST_MS << self.failures.min(10)).min(LONGEST_MS);
        self.failures = self.failures.saturating_add(1);
        // xorshift64: enough to keep provers from coming back all at once.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        full / 2 + self.random % (full / 2 + 1)
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Delays given since the last reset.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
}

/// A sample counts for at most so many times what was expected: a machine that slept was not slow.
const MOST_SURPRISE: u64 = 4;
/// A sample below this part of what was expected is no measurement: the proof was there already.
const LEAST_PART: u64 = 8;
/// The same, where what was expected was measured on something else.
const LEAST_PART_OTHER: u64 = 64;
/// A first sample must be at least this, in milliseconds; whoever is faster needs no estimates.
const LEAST_FIRST_MS: u64 = 500;

/// An expected time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Estimate {
    /// What it takes on average, in milliseconds.
    pub(crate) mean_ms: u64,
    /// What to add to be on the safe side.
    pub(crate) margin_ms: u64,
}

impl Estimate {
    pub(crate) fn safe_ms(self) -> u64 {
        self.mean_ms.saturating_add(self.margin_ms)
    }
}

/// Time per segment: the smoothed mean and the smoothed deviation from it, as for round-trip times.
#[derive(Clone, Copy, Debug)]
struct Pace {
    mean_us: u64,
    deviation_us: u64,
}

impl Pace {
    fn first(us: u64) -> Self {
        Self { mean_us: us, deviation_us: us / 8 }
    }

    /// Folding two proofs costs 0.4 times as much per segment as proving, and the more the less.
    fn of_unmeasured_folds(self) -> Self {
        Self { mean_us: (self.mean_us / 2).max(1), deviation_us: self.deviation_us / 2 }
    }

    fn learn(&mut self, us: u64) {
        let us = us.min(self.mean_us.saturating_mul(MOST_SURPRISE));
        self.deviation_us = self.deviation_us / 4 * 3 + us.abs_diff(self.mean_us) / 4;
        self.mean_us = (self.mean_us / 4).saturating_mul(3).saturating_add(us / 4).max(1);
    }

    fn estimate(self, segments: u64) -> Estimate {
        let margin_us = self.deviation_us.saturating_mul(2).max(self.mean_us / 16);
        Estimate {
            mean_ms: self.mean_us.saturating_mul(segments) / 1000,
            margin_ms: margin_us.saturating_mul(segments) / 1000,
        }
    }
}

/// Measured time per segment. Folding costs something else than proving, so they are apart.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Speed {
    items: Option<Pace>,
    folds: Option<Pace>,
}

fn is_fold(kind: &TaskKind) -> bool {
    matches!(kind, TaskKind::Aggregate { .. })
}

impl Speed {
    pub(crate) fn new(ms_per_segment: Option<u64>) -> Self {
        let items = ms_per_segment.map(|ms| Pace::first(ms.saturating_mul(1000).max(1)));
        Self { items, folds: None }
    }

    fn pace(&mut self, is_fold: bool) -> &mut Option<Pace> {
        if is_fold { &mut self.folds } else { &mut self.items }
    }

    /// Learns from a proof.
    pub(crate) fn learn(&mut self, kind: &TaskKind, elapsed_ms: u64, segments: u32) {
        let expected_ms = self.estimate(kind, segments).map_or(0, |e| e.mean_ms);
        let least_ms = match self.pace(is_fold(kind)) {
            Some(_) => expected_ms / LEAST_PART,
            None => LEAST_FIRST_MS.max(expected_ms / LEAST_PART_OTHER),
        };
        if elapsed_ms < least_ms {
            return;
        }
        let found = elapsed_ms.saturating_mul(1000) / u64::from(segments.max(1));
        match self.pace(is_fold(kind)) {
            Some(pace) => pace.learn(found),
            none => *none = Some(Pace::first(found.max(1))),
        }
    }

    /// An idle machine has refused an offer for this measurement: it is trusted a little
    /// less, or one bad hour would keep the plugin from ever measuring again.
    pub(crate) fn doubt(&mut self, kind: &TaskKind) {
        let is_own = is_fold(kind) && self.folds.is_some();
        if let Some(pace) = self.pace(is_own) {
            pace.mean_us = (pace.mean_us - pace.mean_us / 8).max(1);
            pace.deviation_us -= pace.deviation_us / 8;
        }
    }

    /// Expected time; `None` when unknown.
    pub(crate) fn estimate(&self, kind: &TaskKind, segments: u32) -> Option<Estimate> {
        let pace = match (is_fold(kind), self.folds) {
            (true, Some(pace)) => Some(pace),
            (true, None) => self.items.map(Pace::of_unmeasured_folds),
            (false, _) => self.items,
        };
        pace.map(|pace| pace.estimate(u64::from(segments)))
    }

    /// Milliseconds per segment of a proof.
    pub(crate) fn ms_per_segment(&self) -> Option<u64> {
        self.items.map(|pace| pace.mean_us / 1000)
    }
}
