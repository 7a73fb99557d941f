//! A smaller world with the same failure.
//!
//! One thing after another is taken away, and what still breaks the same rule
//! is kept: time, kinds of faults, plugins, validators, transactions. Since
//! every concern has its own random stream, most of what is left stays as it was.

use super::{faults::FaultPlan, options::SimOptions, random::Seed, run};

/// What is tried, in this order, again and again until nothing helps.
const STEPS: usize = 5;

/// The smallest world found that breaks `rule`, in as many runs as `goes_on` allows; it is
/// asked before each. `failed_ms` is the virtual time at which the given world broke it.
#[must_use]
pub fn shrink(options: &SimOptions, rule: &str, failed_ms: u64, goes_on: &mut dyn FnMut() -> bool) -> SimOptions {
    let mut search = Search { best: options.clone(), failed_ms, rule, goes_on, is_over: false };
    let mut helped = true;
    while helped && !search.is_over {
        helped = false;
        for step in 0..STEPS {
            helped |= search.step(step);
        }
    }
    search.best
}

struct Search<'a> {
    best: SimOptions,
    failed_ms: u64,
    rule: &'a str,
    goes_on: &'a mut dyn FnMut() -> bool,
    is_over: bool,
}

impl Search<'_> {
    /// Whether a smaller world breaks the same rule; then it is the best.
    fn keeps(&mut self, smaller: SimOptions) -> bool {
        if self.is_over || smaller == self.best {
            return false;
        }
        self.is_over = !(self.goes_on)();
        if self.is_over {
            return false;
        }
        let Ok(report) = run(&smaller) else { return false };
        let is_same = report.failure.is_some_and(|failure| failure.rule == self.rule);
        if is_same {
            self.failed_ms = report.simulated_ms;
            self.best = smaller;
        }
        is_same
    }

    fn step(&mut self, step: usize) -> bool {
        match step {
            0 => self.time(),
            1 => self.kinds(),
            2 => self.number(1, |o| &mut o.plugins),
            3 => self.number(1, |o| &mut o.validators),
            _ => self.number(0, |o| &mut o.transactions_per_block),
        }
    }

    /// Nothing after the failure is needed, and often not all before it.
    fn time(&mut self) -> bool {
        let now = self.best.duration_ms;
        for duration_ms in [now / 4, now / 2, self.failed_ms + 1_000] {
            if (1_000..now).contains(&duration_ms) {
                let smaller = SimOptions { duration_ms, ..self.best.clone() };
                if self.keeps(smaller) {
                    return true;
                }
            }
        }
        false
    }

    fn kinds(&mut self) -> bool {
        let mut helped = false;
        let plan = FaultPlan::new(self.best.faults, Seed(self.best.seed), &self.best.without);
        for kind in plan.kinds() {
            let mut smaller = self.best.clone();
            smaller.without.push(kind);
            helped |= self.keeps(smaller);
        }
        helped
    }

    /// Halves a number, or takes one off, as long as it helps.
    fn number(&mut self, least: u32, field: fn(&mut SimOptions) -> &mut u32) -> bool {
        let mut helped = false;
        loop {
            let mut probe = self.best.clone();
            let now = *field(&mut probe);
            let tries = [least, now / 2, now.saturating_sub(1)];
            let found = tries.into_iter().filter(|n| (least..now).contains(n)).any(|n| {
                let mut smaller = self.best.clone();
                *field(&mut smaller) = n;
                self.keeps(smaller)
            });
            if !found {
                return helped;
            }
            helped = true;
        }
    }
}
