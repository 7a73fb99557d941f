//! How long to wait before the next connection, and how fast this prover is.

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
}

/// Measured time per segment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Speed {
    /// Microseconds per segment; `None` before the first proof.
    us_per_segment: Option<u64>,
}

impl Speed {
    pub(crate) fn new(ms_per_segment: Option<u64>) -> Self {
        Self { us_per_segment: ms_per_segment.map(|ms| ms.saturating_mul(1000)) }
    }

    /// Learns from a proof; the newest counts for a quarter.
    pub(crate) fn learn(&mut self, elapsed_ms: u64, segments: u32) {
        let found = elapsed_ms.saturating_mul(1000) / u64::from(segments.max(1));
        self.us_per_segment = Some(match self.us_per_segment {
            None => found,
            Some(before) => before / 4 * 3 + found / 4,
        });
    }

    /// Expected time for segments, with a quarter on top; `None` when unknown.
    pub(crate) fn estimate_ms(&self, segments: u64) -> Option<u64> {
        self.us_per_segment.map(|us| us.saturating_mul(segments).saturating_mul(5) / 4 / 1000)
    }
}
