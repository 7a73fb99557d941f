//! What a person sees while the demonstration runs: bars on a terminal, lines
//! elsewhere. Everything goes to standard error; standard output is for the
//! result.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One transaction's stage, as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    /// Words such as `assigned to prover 1 (attempt 2)`.
    pub(super) text: String,
    /// How far on the whole way, in thousandths.
    pub(super) permille: u16,
    /// Only the permille differs from what was shown before: no line is worth it.
    pub(super) is_progress: bool,
}

/// The display.
pub(super) struct View {
    start: Instant,
    bars: Option<Bars>,
    shown: BTreeMap<u32, Stage>,
}

struct Bars {
    all: MultiProgress,
    head: ProgressBar,
    of: BTreeMap<u32, ProgressBar>,
}

impl View {
    /// Bars if standard error is a terminal and `plain` is not asked for.
    pub(super) fn new(plain: bool) -> Self {
        let bars = (!plain && stderr().is_terminal()).then(|| {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8));
            let head = all.add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {wide_msg}");
            head.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            head.enable_steady_tick(Duration::from_millis(120));
            Bars { all, head, of: BTreeMap::new() }
        });
        Self { start: Instant::now(), bars, shown: BTreeMap::new() }
    }

    /// Seconds since the start.
    fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Something that happened.
    pub(super) fn line(&self, text: &str) {
        let line = format!("[{:7.1} s] {text}", self.seconds());
        match &self.bars {
            // Without a terminal to draw on there is nobody to tell.
            Some(bars) => bars.all.println(line).unwrap_or_default(),
            None => eprintln!("{line}"),
        }
    }

    /// What the demonstration waits for.
    pub(super) fn stage(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.head.set_message(text.to_owned()),
            None => self.line(text),
        }
    }

    /// Where a transaction stands.
    pub(super) fn transaction(&mut self, index: u32, stage: Stage) {
        if self.shown.get(&index) == Some(&stage) {
            return;
        }
        match &mut self.bars {
            None if stage.is_progress => {}
            None => self.line(&format!("transaction {}: {}", index + 1, stage.text)),
            Some(bars) => {
                let bar = bars.of.entry(index).or_insert_with(|| {
                    let bar = bars.all.add(ProgressBar::new(1000));
                    let style = ProgressStyle::with_template("  {prefix} [{bar:32}] {msg}");
                    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
                    bar.set_prefix(format!("transaction {:3}", index + 1));
                    bar
                });
                bar.set_position(u64::from(stage.permille));
                bar.set_message(stage.text.clone());
            }
        }
        self.shown.insert(index, stage);
    }

    /// Leaves the bars as they are.
    pub(super) fn finish(&self) {
        if let Some(bars) = &self.bars {
            bars.of.values().for_each(ProgressBar::abandon);
            bars.head.finish_and_clear();
        }
    }
}
