//! `crowdfold demo`.

use std::path::PathBuf;

use super::{Failure, Output, failed, runtime, unusable};
use crate::demo::{BrowserError, DemoError, DemoOptions};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Real signed transactions to send and to prove.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    transactions: u32,
    /// Headless provers; one of them is a saboteur that drops its first real task.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=32))]
    provers: u32,
    /// Where to keep the chain; a new temporary directory, which stays, if not given.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Write the summary to this file as JSON.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Lines instead of progress bars, also on a terminal.
    #[arg(long)]
    plain: bool,
    /// One of the honest provers is the browser plugin in a headless Chromium; scripts/plugin builds it.
    #[arg(long)]
    browser: bool,
}

pub(super) fn run(args: Args, output: Output) -> Result<(), Failure> {
    let data_dir = match args.data_dir {
        Some(dir) => dir,
        None => tempfile::Builder::new()
            .prefix("crowdfold-demo-")
            .tempdir()
            .map_err(|error| failed("a temporary directory", error))?
            .keep(),
    };
    let options = DemoOptions {
        transactions: args.transactions,
        provers: args.provers,
        data_dir,
        plain: args.plain,
        browser: args.browser,
    };
    let summary = runtime()?.block_on(crate::demo::run(options)).map_err(|error| match error {
        DemoError::NotEmpty(_)
        | DemoError::Browser(BrowserError::NotBuilt | BrowserError::Missing(_) | BrowserError::Spawn(_)) => {
            Failure::Unusable(error.to_string())
        }
        error => failed("the demonstration", error),
    })?;
    if let Some(file) = &args.summary {
        let mut json = serde_json::to_vec_pretty(&summary).map_err(|error| failed("the summary", error))?;
        json.push(b'\n');
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.map_or(Ok(()), std::fs::create_dir_all).map_err(|error| unusable(file.display(), error))?;
        std::fs::write(file, json).map_err(|error| unusable(file.display(), error))?;
    }
    output.result(&summary, summary.table())?;
    summary.shortfall().map_or(Ok(()), |what| Err(Failure::NotValid(format!("the demonstration falls short: {what}"))))
}
