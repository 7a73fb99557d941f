//! The command line: arguments in, exit code out.
//!
//! Results go to standard output (as JSON with `--json`), everything else to
//! standard error. Exit codes: 0 it worked; 1 it failed; 2 the arguments, the
//! configuration or a file named by them cannot be used; 3 what was to be
//! checked is not valid.

mod audit;
mod batch;
mod data;
mod demo;
mod events;
mod explain;
mod genesis;
mod journal;
mod key;
mod node;
mod progress;
mod prover;
mod replay;
mod sim;
mod source;

use std::{
    fmt::Display,
    io::{IsTerminal, Write, stderr, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

const EXIT_CODES: &str = "Exit codes:
  0  it worked
  1  it failed
  2  the arguments, the configuration or a file named by them cannot be used
  3  what was to be checked is not valid";

/// A crowdsourced ZK rollup: validators order and execute, the users' machines prove.
#[derive(Debug, Parser)]
#[command(name = "crowdfold", version, about, after_help = EXIT_CODES, propagate_version = true)]
pub struct Cli {
    /// Print the result as JSON.
    #[arg(long, global = true)]
    json: bool,
    /// What to log to standard error, as `RUST_LOG` has it: `info`, `crowdfold=debug`, …
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node: orders, executes, assigns, verifies, certifies.
    #[command(after_help = EXIT_CODES)]
    Node(node::Args),
    /// Run a headless prover: proves what it is assigned and is paid for it.
    #[command(after_help = EXIT_CODES)]
    Prover(prover::Args),
    /// Decide a journal again, block by block: events, roots, draws, money, signatures, proofs.
    #[command(after_help = EXIT_CODES)]
    Audit(audit::Args),
    /// The state at any point of a journal, or everybody's money under other amounts.
    #[command(after_help = EXIT_CODES)]
    Replay(replay::Args),
    /// Why a task, a prover or a transaction was assigned, penalised, paid: from the journal alone.
    #[command(after_help = EXIT_CODES)]
    Explain(explain::Args),
    /// Batch files.
    #[command(subcommand)]
    Batch(batch::Command),
    /// Look at, check, copy, mend and prove journals.
    #[command(subcommand)]
    Journal(journal::Command),
    /// Run the whole path on this machine, with real proofs.
    #[command(after_help = EXIT_CODES)]
    Demo(demo::Args),
    /// Run a simulated world.
    Sim(sim::Args),
    /// Genesis files.
    #[command(subcommand)]
    Genesis(genesis::Command),
    /// Key files.
    #[command(subcommand)]
    Key(key::Command),
}

/// How a command that did not work ends.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Exit code 2.
    #[error("{0}")]
    Unusable(String),
    /// Exit code 3.
    #[error("{0}")]
    NotValid(String),
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Unusable(_) => 2,
            Self::NotValid(_) => 3,
        }
    }
}

/// What all commands share.
#[derive(Clone, Copy, Debug)]
struct Output {
    json: bool,
}

impl Output {
    /// Writes the result.
    fn result(self, value: &impl Serialize, text: impl Display) -> Result<(), Failure> {
        let text = match self.json {
            true => serde_json::to_string_pretty(value).map_err(|error| failed("the result", error))?,
            false => text.to_string(),
        };
        writeln!(stdout(), "{}", text.trim_end()).map_err(|error| failed("standard output", error))
    }
}

fn failed(what: impl Display, error: impl Display) -> Failure {
    Failure::Failed(format!("{what}: {error}"))
}

fn unusable(what: impl Display, error: impl Display) -> Failure {
    Failure::Unusable(format!("{what}: {error}"))
}

/// Runs the program; the arguments are those of the process.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let output = Output { json: cli.json };
    let result =
        logging(cli.log.as_deref(), matches!(cli.command, Command::Node(_) | Command::Prover(_))).and_then(|()| {
            match cli.command {
                Command::Node(args) => node::run(args, output),
                Command::Prover(args) => prover::run(args, output),
                Command::Audit(args) => audit::run(args, output),
                Command::Replay(args) => replay::run(args, output),
                Command::Explain(args) => explain::run(args, output),
                Command::Batch(command) => batch::run(command, output),
                Command::Journal(command) => journal::run(command, output),
                Command::Demo(args) => demo::run(args, output),
                Command::Sim(args) => sim::run(args, output),
                Command::Genesis(command) => genesis::run(command, output),
                Command::Key(command) => key::run(command, output),
            }
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let said = match output.json {
                true => serde_json::json!({ "error": failure.to_string(), "exit_code": failure.code() }).to_string(),
                false => format!("error: {failure}"),
            };
            // Nobody is left to tell when standard error is closed.
            writeln!(stderr(), "{said}").unwrap_or_default();
            ExitCode::from(failure.code())
        }
    }
}

fn logging(filter: Option<&str>, is_service: bool) -> Result<(), Failure> {
    let filter = match (filter, std::env::var("RUST_LOG")) {
        (Some(filter), _) => filter.to_owned(),
        (None, Ok(filter)) => filter,
        (None, Err(_)) if is_service => "info".to_owned(),
        (None, Err(_)) => "warn".to_owned(),
    };
    let filter = EnvFilter::try_new(&filter).map_err(|error| unusable(format!("log filter `{filter}`"), error))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(stderr().is_terminal()).init();
    Ok(())
}

/// A tokio runtime for commands that wait.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    built.map_err(|error| failed("the runtime", error))
}

/// Waits for SIGINT or SIGTERM; false when there are no signals.
async fn signal() -> bool {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else { return false };
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted.is_ok(),
            terminated = terminate.recv() => terminated.is_some(),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.is_ok()
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| unusable(path.display(), error))
}

fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| unusable(path.display(), error))
}

/// A genesis file, or the preset of that name.
fn read_genesis(path: &Path) -> Result<crowdfold_config::Genesis, Failure> {
    let text = match (path.to_str(), path.exists()) {
        (Some("demo"), false) => crowdfold_config::DEMO.to_owned(),
        (Some("local"), false) => crowdfold_config::LOCAL.to_owned(),
        _ => read_text(path)?,
    };
    crowdfold_config::Genesis::from_toml(&text).map_err(|error| {
        let detail = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        unusable(path.display(), format!("{error}{detail}"))
    })
}

/// Writes a file that is not there yet, readable by its owner alone if it is a secret.
fn write_new(path: &Path, bytes: &[u8], secret: bool) -> Result<PathBuf, Failure> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if secret {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = secret;
    let written = options.open(path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| unusable(path.display(), error))?;
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_readme_is_one() {
        for line in [
            "crowdfold demo --transactions 3 --provers 2 --summary target/demo.json",
            "crowdfold batch verify FILE --genesis FILE --json",
            "crowdfold key new prover.key",
            "crowdfold audit data --genesis FILE --proofs --json",
            "crowdfold replay data --at 4711",
            "crowdfold replay data --set timeout_penalty=0.5 --set bump_rate=5%",
            "crowdfold explain data --task 7",
            "crowdfold node --config config/local.toml --data-dir data --rpc 127.0.0.1:8545 --json",
            "crowdfold prover --node ws://127.0.0.1:8545/plugin --key-file prover.key --threads 2",
            "crowdfold genesis show local --json",
            "crowdfold genesis new --preset demo --validator 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 --out genesis.toml",
            "crowdfold journal verify data",
            "crowdfold journal show data --task 12",
            "crowdfold journal tail data --follow",
            "crowdfold journal export data chain.cfj",
            "crowdfold journal import chain.cfj copy/journal",
            "crowdfold journal backup data /mnt/backup",
            "crowdfold journal repair data --from /mnt/backup",
            "crowdfold journal diff data /mnt/backup",
            "crowdfold journal checkpoint data --key validator.key --out signed.txt",
            "crowdfold journal prove data 4711 --checkpoint signed.txt --out proof.json",
            "crowdfold journal check-proof proof.json --checkpoint signed.txt --genesis genesis.toml",
            "crowdfold journal stats data",
            "crowdfold journal snapshots data",
            "crowdfold journal prune data --before height:1000",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        for line in [
            "crowdfold",
            "crowdfold demo --provers 1",
            "crowdfold demo --transactions 0",
            "crowdfold batch verify FILE",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
