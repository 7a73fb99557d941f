//! How far a long command is, on standard error: a bar on a terminal, else a
//! line now and then.

use std::{
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// Time between two lines.
const EVERY: Duration = Duration::from_secs(2);

/// Shows progress until it is dropped.
pub(super) struct Progress {
    what: &'static str,
    bar: Option<ProgressBar>,
    started: Instant,
    said: Instant,
}

impl Progress {
    /// `what` is being done, as in "checking events".
    pub(super) fn new(what: &'static str) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            let style =
                ProgressStyle::with_template("{msg} {wide_bar} {human_pos} of {human_len}, {per_sec}, {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(what);
            bar
        });
        let now = Instant::now();
        Self { what, bar, started: now, said: now }
    }

    /// `done` of `total`.
    pub(super) fn at(&mut self, done: u64, total: u64) {
        match &self.bar {
            Some(bar) => {
                bar.set_length(total);
                bar.set_position(done);
            }
            None if self.said.elapsed() >= EVERY => {
                self.said = Instant::now();
                // Nobody is left to tell when standard error is closed.
                let rate = u128::from(done) * 1_000 / self.started.elapsed().as_millis().max(1);
                let left_s = u128::from(total.saturating_sub(done)) / rate.max(1);
                let what = self.what;
                writeln!(stderr(), "{what}: {done} of {total}, {rate}/s, {left_s} s left").unwrap_or_default();
            }
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
