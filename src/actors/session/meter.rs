//! A token bucket in virtual time, in whole numbers.

/// Takes `rate` units per second with bursts of up to `burst` units.
#[derive(Clone, Debug)]
pub struct Meter {
    rate: u64,
    burst: u64,
    /// Thousandths of units available.
    level: u64,
    at_ms: u64,
}

impl Meter {
    /// A full bucket.
    #[must_use]
    pub fn new(rate: u64, burst: u64, now_ms: u64) -> Self {
        Self { rate, burst, level: burst.saturating_mul(1000), at_ms: now_ms }
    }

    /// Whether `units` may pass now; takes them if so.
    pub fn take(&mut self, now_ms: u64, units: u64) -> bool {
        let gained = now_ms.saturating_sub(self.at_ms).saturating_mul(self.rate);
        self.level = self.level.saturating_add(gained).min(self.burst.saturating_mul(1000));
        self.at_ms = self.at_ms.max(now_ms);
        let cost = units.saturating_mul(1000);
        let passes = self.level >= cost;
        if passes {
            self.level -= cost;
        }
        passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_run_rate_holds() {
        let mut meter = Meter::new(10, 5, 0);
        let passed = (0..10_000).filter(|now| meter.take(*now, 1)).count();
        assert!((104..=105).contains(&passed), "{passed}: 10 a second for 10 s, and the burst");
        assert!(!meter.take(9_999, 6), "more than the burst never passes");
        assert!(meter.take(20_000, 5) && !meter.take(20_000, 1));
        assert!(!meter.take(0, 1), "time does not run backwards");
    }
}
