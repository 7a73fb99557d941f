//! `crowdfold journal`: looking at a journal, checking, copying, mending and
//! proving it. None of this needs a node; what only reads works beside one.

mod copy;
mod diff;
mod mend;
mod prove;
mod show;
mod stats;
mod tail;
mod verify;
mod walk;

use std::path::{Path, PathBuf};

use crowdfold_journal::{Head, JournalError, Reader};
use serde_json::{Value, json};

use super::{Failure, Output, data::Data};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check every byte, every hash and every block's signatures, and change nothing.
    ///
    /// Names the first bad frame (file, offset, event) and what is still readable. A running
    /// node may go on meanwhile. The last block is signed by no later block: a node's
    /// data directory has `last-commit` for it, and without that the report says so. Whether the
    /// events follow from the blocks takes execution: `crowdfold audit`.
    #[command(after_help = super::EXIT_CODES)]
    Verify(verify::Args),
    /// Print events, chosen by type, block, account, task, transaction, time or number.
    #[command(after_help = super::EXIT_CODES)]
    Show(show::Args),
    /// Print the newest events, and with --follow each further one as it becomes durable.
    #[command(after_help = super::EXIT_CODES)]
    Tail(tail::Args),
    /// Write the whole journal to one file: the same bytes from every honest node.
    #[command(after_help = super::EXIT_CODES)]
    Export(copy::Export),
    /// Make a journal from an exported file.
    #[command(after_help = super::EXIT_CODES)]
    Import(copy::Import),
    /// Copy a journal, also while a node writes to it.
    ///
    /// A node's data directory becomes a directory that all commands here take, with its genesis
    /// and the last block's commit, but without proofs, batches and keys.
    #[command(after_help = super::EXIT_CODES)]
    Backup(copy::Backup),
    /// Mend a damaged journal from what it holds twice, or from a copy. The node must not run.
    ///
    /// Either it ends where it ended and every hash fits, or nothing is replaced. Damaged files
    /// are kept beside the new ones.
    #[command(after_help = super::EXIT_CODES)]
    Repair(mend::Repair),
    /// Find where two journals part. Exit code 3 when they do.
    #[command(after_help = super::EXIT_CODES)]
    Diff(diff::Args),
    /// Make a proof that an event is in the journal, or that the journal continues an older one.
    #[command(after_help = super::EXIT_CODES)]
    Prove(prove::Prove),
    /// Check a proof against a signed checkpoint, without a journal.
    #[command(after_help = super::EXIT_CODES)]
    CheckProof(prove::check::Args),
    /// Sign what the journal is at one size.
    #[command(after_help = super::EXIT_CODES)]
    Checkpoint(prove::checkpoint::Args),
    /// Sizes, numbers of events of each type, time and blocks spanned.
    #[command(after_help = super::EXIT_CODES)]
    Stats(stats::Args),
    /// Remove the oldest sealed segments. The node must not run, and a snapshot must remain to start from.
    #[command(after_help = super::EXIT_CODES)]
    Prune(mend::Prune),
    /// List the snapshots, with what is wrong with those that cannot be read.
    #[command(after_help = super::EXIT_CODES)]
    Snapshots(mend::Snapshots),
}

pub(super) fn run(command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Verify(args) => verify::run(&args, output),
        Command::Show(args) => show::run(args, output),
        Command::Tail(args) => tail::run(args, output),
        Command::Export(args) => copy::export(&args, output),
        Command::Import(args) => copy::import(&args, output),
        Command::Backup(args) => copy::backup(&args, output),
        Command::Repair(args) => mend::repair(&args, output),
        Command::Diff(args) => diff::run(&args, output),
        Command::Prove(args) => prove::run(&args, output),
        Command::CheckProof(args) => prove::check::run(&args, output),
        Command::Checkpoint(args) => prove::checkpoint::run(&args, output),
        Command::Stats(args) => stats::run(&args, output),
        Command::Prune(args) => mend::prune(&args, output),
        Command::Snapshots(args) => mend::snapshots(&args, output),
    }
}

/// The directory that most commands are about.
#[derive(Clone, Debug, clap::Args)]
struct Place {
    /// A node's data directory, or a journal's own.
    dir: PathBuf,
}

impl Place {
    fn find(&self) -> Result<Data, Failure> {
        Data::find(&self.dir, None)
    }

    fn reader(&self) -> Result<Reader, Failure> {
        Reader::open(&self.find()?.journal).map_err(failure)
    }
}

/// How a command ends when the journal refuses: the arguments' fault or not.
fn failure(error: JournalError) -> Failure {
    let said = error.to_string();
    match error {
        JournalError::BeyondEnd { .. }
        | JournalError::Pruned { .. }
        | JournalError::NotEmpty { .. }
        | JournalError::SnapshotPlace { .. }
        | JournalError::NeedsSnapshot { .. } => Failure::Unusable(said),
        _ => Failure::Failed(said),
    }
}

fn head_json(head: &Head) -> Value {
    json!({ "next": head.next, "hash": head.hash })
}

/// A path as JSON; what is no UTF-8 is replaced.
fn path_json(path: &Path) -> Value {
    Value::String(path.to_string_lossy().into_owned())
}
