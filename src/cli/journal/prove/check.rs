//! `crowdfold journal check-proof`: offline, from the proof and what was signed.

use std::{fmt::Write as _, path::PathBuf};

use crowdfold_config::ValidGenesis;
use crowdfold_events::{Address, EventSeq};
use crowdfold_journal::{SignedCheckpoint, merkle_log::leaf_hash};
use crowdfold_kernel::commit::verify_signatures;
use serde_json::json;

use super::{
    super::super::{
        Failure, Output,
        events::{fields, line},
        read_genesis, unusable,
    },
    file::{ProofFile, read_checkpoint},
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The proof.
    file: PathBuf,
    /// What was signed of the journal that the proof is about.
    #[arg(long, value_name = "FILE")]
    checkpoint: PathBuf,
    /// What was signed of the older journal, for a proof that the newer one continues it.
    #[arg(long, value_name = "FILE")]
    old_checkpoint: Option<PathBuf>,
    /// The chain's genesis file, or `demo` or `local`: more than two thirds of its validators' stake must have signed.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
}

pub(in super::super) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    let not_valid = |why: String| Failure::NotValid(format!("{}: {why}", args.file.display()));
    let genesis = match &args.genesis {
        None => None,
        Some(file) => Some(read_genesis(file)?.validate().map_err(|error| unusable(file.display(), error))?),
    };
    let signed = signed(&args.checkpoint, genesis.as_ref())?;
    let proof = ProofFile::read(&args.file)?;
    let checkpoint = signed.checkpoint();
    let size = checkpoint.head.next.0;
    if proof.inclusion.size != size {
        return Err(not_valid(format!("it is of {} events, the checkpoint of {size}", proof.inclusion.size)));
    }
    let (inclusion, stored) =
        proof.inclusion.parts().ok_or_else(|| not_valid("the event is not one in hexadecimal".to_owned()))?;
    inclusion.verify(&leaf_hash(stored.as_bytes()), &checkpoint.root).map_err(|error| not_valid(error.to_string()))?;
    let continues = match (&proof.consistency, &args.old_checkpoint) {
        (None, None) => None,
        (Some(_), None) => {
            let missing = "it says that the journal continues an older one: name that with --old-checkpoint";
            return Err(unusable(args.file.display(), missing));
        }
        (None, Some(_)) => return Err(not_valid("it does not say that the journal continues an older one".to_owned())),
        (Some(part), Some(file)) => {
            let old = self::signed(file, genesis.as_ref())?;
            let old = old.checkpoint();
            if part.size != size || part.old != old.head.next.0 || old.genesis_hash != checkpoint.genesis_hash {
                return Err(not_valid(format!(
                    "it is of {} and {} events, the checkpoints of {} and {size}, genesis {} and {}",
                    part.old, part.size, old.head.next, old.genesis_hash, checkpoint.genesis_hash
                )));
            }
            part.proof().verify(&old.root, &checkpoint.root).map_err(|error| not_valid(error.to_string()))?;
            Some(old.head.next)
        }
    };
    let signers: Vec<Address> = signed.signatures().iter().map(|s| s.validator).collect();
    let event = stored.decode().ok();
    let (name, values) = event.as_ref().and_then(fields).unzip();
    let value = json!({
        "valid": true,
        "seq": proof.inclusion.seq,
        "size": size,
        "genesis": checkpoint.genesis_hash,
        "root": checkpoint.root,
        "signers": signers,
        "validators_checked": genesis.is_some(),
        "continues": continues,
        "event": { "type": name, "tag": stored.event_type(), "version": stored.event_version(), "fields": values },
    });
    let said = event.as_ref().map_or_else(|| format!("type {}", stored.event_type()), line);
    let mut text = format!(
        "valid      event {} is in the journal of {size} events of genesis {}\nevent      {said}\n",
        EventSeq(proof.inclusion.seq),
        checkpoint.genesis_hash
    );
    if let Some(old) = continues {
        writeln!(text, "continues  the journal of {old} events").unwrap_or_default();
    }
    let who = signers.iter().map(Address::to_string).collect::<Vec<_>>().join(", ");
    let checked =
        if genesis.is_some() { "validators of the genesis" } else { "NOT compared with a genesis' validators" };
    write!(text, "signed by  {who}: {checked}").unwrap_or_default();
    output.result(&value, text)
}

/// A checkpoint whose signatures are good, and enough for the genesis when there is one.
fn signed(file: &std::path::Path, genesis: Option<&ValidGenesis>) -> Result<SignedCheckpoint, Failure> {
    let signed = read_checkpoint(file)?;
    let Some(genesis) = genesis else { return Ok(signed) };
    let not_valid = |why: String| Failure::NotValid(format!("{}: {why}", file.display()));
    let found = signed.checkpoint().genesis_hash;
    if found != genesis.hash {
        return Err(not_valid(format!("it is of genesis {found}, not {}", genesis.hash)));
    }
    let digest = signed.checkpoint().digest();
    verify_signatures(genesis, &digest, signed.signatures()).map_err(|fault| not_valid(fault.to_string()))?;
    Ok(signed)
}
