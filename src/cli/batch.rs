//! `crowdfold batch verify`: a batch file against a genesis, offline.

use std::{fmt::Write as _, path::PathBuf, time::Instant};

use crowdfold_batch::{BatchReport, ItemReport, MAX_FILE_BYTES};
use serde_json::json;

use super::{Failure, Output, read, read_genesis, unusable};
use crate::params;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Verify a batch file from public data only: no node, no network.
    #[command(after_help = super::EXIT_CODES)]
    Verify {
        /// The batch file (`*.cfb`).
        file: PathBuf,
        /// The chain's genesis file, or `demo` or `local` for a preset.
        #[arg(long, value_name = "FILE")]
        genesis: PathBuf,
    },
}

pub(super) fn run(Command::Verify { file, genesis }: Command, output: Output) -> Result<(), Failure> {
    let chain = read_genesis(&genesis)?.validate().map_err(|error| unusable(genesis.display(), error))?;
    let length = std::fs::metadata(&file).map_err(|error| unusable(file.display(), error))?.len();
    if length > MAX_FILE_BYTES as u64 {
        return Err(Failure::NotValid(format!("{}: {length} bytes are too many for a batch file", file.display())));
    }
    let bytes = read(&file)?;
    let start = Instant::now();
    let params = params::verifier(&chain).map_err(|error| unusable("proof parameters", error))?;
    let setup_ms = start.elapsed().as_millis() as u64;
    let start = Instant::now();
    let verified = crowdfold_batch::verify(&bytes, &chain, &params);
    let verify_ms = start.elapsed().as_millis() as u64;
    let report = verified.map_err(|error| Failure::NotValid(format!("{}: {error}", file.display())))?;
    let value = json!({ "valid": true, "setup_ms": setup_ms, "verify_ms": verify_ms, "batch": report });
    output.result(&value, text(&report, setup_ms, verify_ms))
}

fn text(report: &BatchReport, setup_ms: u64, verify_ms: u64) -> String {
    let mut out = format!(
        "valid      batch {} of chain {}, certified by {} validator(s)\nroots      {} to {}\nproof      {} bytes for {} segments; verified in {verify_ms} ms (parameters {setup_ms} ms)\n",
        report.batch,
        report.chain_id,
        report.validators.len(),
        report.pre_root,
        report.post_root,
        report.proof_bytes,
        report.segments,
    );
    for item in &report.items {
        let line = match item {
            ItemReport::Transfer { position, signing_hash, sender, worker, .. } => {
                format!("item {position:<5} transfer {signing_hash} by {sender}, proven by {worker}")
            }
            ItemReport::Settlement { position, entries, worker, .. } => {
                format!("item {position:<5} settlement of {entries} entries, proven by {worker}")
            }
        };
        writeln!(out, "{line}").unwrap_or_default();
    }
    out
}
