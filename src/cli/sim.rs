//! `crowdfold sim`.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{Failure, Output, failed, unusable};
use crate::sim::{self, FaultKind, FaultLevel, SimOptions, SimReport, WorldError, adversaries::Adversary};

/// Time spent on finding a smaller world, beside the run that it is in.
const SHRINK_TIME: Duration = Duration::from_secs(300);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Decides everything that happens: equal arguments, equal journals.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Virtual time with faults, as `90s`, `30m`, `1h` or `500ms`; the time to heal comes on top.
    #[arg(long, default_value = "1h", value_parser = duration)]
    duration: u64,
    /// Number of plugins.
    #[arg(long, default_value_t = 100)]
    plugins: u32,
    /// Number of validators.
    #[arg(long, default_value_t = 4)]
    validators: u32,
    /// Transactions that the users send per block.
    #[arg(long, default_value_t = 20)]
    transactions_per_block: u32,
    /// How much goes wrong.
    #[arg(long, value_enum, default_value = "none")]
    faults: FaultLevel,
    /// A kind of fault that does not happen although the level has it. May be repeated.
    #[arg(long, value_name = "KIND")]
    without: Vec<FaultKind>,
    /// Data directory of a chain (`genesis.toml`, `journal/`) to go on from, with new keys and simulated proofs.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Attacks that take place, by name and separated by commas, or `all`: the report shows what they earned.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    adversaries: Vec<Attack>,
    /// Runs spent on finding a smaller world with the same failure; 0 for none.
    #[arg(long, default_value_t = 32, value_name = "RUNS")]
    shrink: u32,
    /// Where to write the journal, as a node's data directory; it must not exist.
    #[arg(long, value_name = "DIR")]
    journal: Option<PathBuf>,
}

/// An attack, or all of them.
#[derive(Clone, Copy, Debug)]
enum Attack {
    All,
    One(Adversary),
}

impl std::str::FromStr for Attack {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let names = Adversary::ALL.map(Adversary::name).join(", ");
        let found = Adversary::ALL.into_iter().find(|a| a.name() == text);
        found.map(Self::One).ok_or_else(|| format!("`{text}` is none of all, {names}"))
    }
}

fn attacks(asked: &[Attack]) -> Vec<Adversary> {
    let is_asked =
        |a: &Adversary| asked.iter().any(|of| matches!(of, Attack::All) || matches!(of, Attack::One(b) if a == b));
    Adversary::ALL.into_iter().filter(is_asked).collect()
}

fn duration(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no duration: write 90s, 30m, 1h or 500ms");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).ok_or_else(wrong)
}

pub(super) fn run(args: Args, output: Output) -> Result<(), Failure> {
    let Args {
        seed,
        duration,
        plugins,
        validators,
        transactions_per_block,
        faults,
        without,
        from,
        adversaries,
        shrink,
        journal,
    } = args;
    let adversaries = attacks(&adversaries);
    let options = SimOptions {
        seed,
        duration_ms: duration,
        plugins,
        validators,
        transactions_per_block,
        faults,
        without,
        from,
        adversaries,
    };
    if let Some(dir) = journal.as_ref().filter(|dir| dir.exists()) {
        return Err(unusable(dir.display(), "exists already"));
    }
    let (world, mut report) = sim::run_world(&options).map_err(|error| match error {
        WorldError::Options(error) => unusable("the arguments", error),
        WorldError::From(error) => unusable("the journal to go on from", error),
        error => failed("the world", error),
    })?;
    if let Some(dir) = &journal {
        world.write(dir).map_err(|error| unusable("the journal", error))?;
    }
    if let Some(failure) = report.failure.as_mut().filter(|_| shrink > 0) {
        tracing::warn!(
            rule = failure.rule,
            height = failure.height,
            "a rule does not hold; looking for a smaller world, {} s at most",
            SHRINK_TIME.as_secs()
        );
        let (mut left, end) = (shrink, Instant::now() + SHRINK_TIME);
        let mut goes_on = || {
            let more = left > 0 && Instant::now() < end;
            left = left.saturating_sub(1);
            more
        };
        let smaller = sim::shrink::shrink(&options, failure.rule, report.simulated_ms, &mut goes_on);
        failure.shrunk = Some(smaller.command());
    }
    output.result(&report, text(&report))?;
    let Some(failure) = &report.failure else { return Ok(()) };
    let shrunk = failure.shrunk.as_ref().map(|command| format!("\nsmaller:     {command}")).unwrap_or_default();
    Err(Failure::NotValid(format!(
        "{} does not hold at block {}: {}\nreplay with: {}{shrunk}",
        failure.rule, failure.height, failure.detail, report.command
    )))
}

fn text(report: &SimReport) -> String {
    let mut lines = vec![
        format!("simulated     {} s", report.simulated_ms / 1_000),
        format!("blocks        {}", report.blocks),
        format!("transactions  {}", report.transactions),
        format!(
            "proofs        {} and {} aggregates, {} batches certified",
            report.proofs, report.aggregates, report.batches
        ),
        format!("penalties     {}", report.penalties),
        format!("events        {}", report.events),
        format!("state root    {}", report.state_root),
        format!("events head   {}", report.events_head),
        format!("journal hash  {}", report.journal_hash),
    ];
    for (kind, count) in report.faults.iter() {
        lines.push(format!("fault         {} x {count}", kind.name()));
    }
    let names: Vec<&str> = report.unsupported.iter().map(|kind| kind.name()).collect();
    lines.push(format!("unsupported   {} (no L1 is built)", names.join(", ")));
    if let Some(earnings) = &report.earnings {
        lines.extend(earnings.lines());
        let (least, most) = (earnings.least_multiple_bp, earnings.most_multiple_bp);
        lines.push(format!("capacity multiple between {least} and {most} basis points"));
    }
    let speed = report.milli_hours_per_second();
    lines.push(format!(
        "took          {} ms, {} ms of a core: {}.{:03} simulated hours per second of a core",
        report.wall_ms,
        report.cpu_ms.map_or_else(|| "?".to_owned(), |ms| ms.to_string()),
        speed / 1_000,
        speed % 1_000
    ));
    lines.join("\n")
}
