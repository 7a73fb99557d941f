//! `crowdfold journal checkpoint`: signing what a journal is.

use std::path::PathBuf;

use alloy_primitives::B256;
use crowdfold_events::{Event, EventSeq};
use crowdfold_journal::{Checkpoint, CompactRange, Head, Reader, SignedCheckpoint, merkle_log::leaf_hash};
use serde_json::json;

use super::{
    super::{
        super::{Failure, Output, data::Data, failed, key::read_key, progress::Progress, unusable, write_new},
        failure, head_json,
    },
    file::read_checkpoint,
};

/// Events between two reports of progress.
const STEP: u64 = 4096;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// A node's data directory, or a journal's own.
    dir: PathBuf,
    /// The chain's genesis file, or `demo` or `local`; by default `genesis.toml` beside the journal.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// The key of a validator.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Sign the first N events; all that there are if not given.
    #[arg(long, value_name = "N", conflicts_with = "cosign")]
    size: Option<u64>,
    /// Add a signature to this checkpoint, if this journal says the same.
    #[arg(long, value_name = "FILE")]
    cosign: Option<PathBuf>,
    /// The file to write; it must not exist. Standard output if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(in super::super) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    let data = Data::find(&args.dir, args.genesis.as_deref())?;
    let genesis = data.valid_genesis()?;
    let signer = read_key(&args.key)?;
    if !genesis.genesis.validators.iter().any(|v| v.address == signer.address()) {
        return Err(unusable(args.key.display(), format!("{} is no validator of this chain", signer.address())));
    }
    let other = args.cosign.as_ref().map(|file| read_checkpoint(file)).transpose()?;
    let reader = Reader::open(&data.journal).map_err(failure)?;
    is_of(&reader, genesis.hash)?;
    let size = other.as_ref().map(|o| o.checkpoint().head.next.0).or(args.size).unwrap_or(reader.head().next.0);
    let (head, root) = digest(&reader, size)?;
    let checkpoint = Checkpoint { genesis_hash: genesis.hash, head, root };
    let signed: SignedCheckpoint = match other {
        None => checkpoint.sign(&signer),
        Some(other) if *other.checkpoint() == checkpoint => other.signed_by(&signer),
        Some(other) => {
            let found = other.checkpoint();
            return Err(Failure::NotValid(format!(
                "this journal's first {size} events have root {root} and head {}, the checkpoint says {} and {}, genesis {}",
                head.hash, found.root, found.head.hash, found.genesis_hash
            )));
        }
    };
    let text = signed.to_string();
    let signers: Vec<_> = signed.signatures().iter().map(|s| s.validator).collect();
    let value = json!({
        "genesis": genesis.hash,
        "head": head_json(&head),
        "root": root,
        "signers": signers,
        "text": text,
        "file": args.out,
    });
    match &args.out {
        None => output.result(&value, text),
        Some(out) => {
            write_new(out, text.as_bytes(), false)?;
            output.result(&value, format!("signed     {size} events, root {root}\nfile       {}", out.display()))
        }
    }
}

/// A journal that begins with a genesis must begin with this one. A pruned one
/// is taken at its operator's word.
fn is_of(reader: &Reader, expected: B256) -> Result<(), Failure> {
    if reader.floor().head.next > EventSeq(0) {
        return Ok(());
    }
    let first = reader.read(EventSeq(0), 1).map_err(failure)?;
    match first.first().map(|event| event.decode()) {
        Some(Ok(Event::GenesisLoaded { genesis_hash, .. })) if genesis_hash == expected => Ok(()),
        Some(Ok(Event::GenesisLoaded { genesis_hash, .. })) => {
            Err(Failure::NotValid(format!("the journal begins with genesis {genesis_hash}, this is {expected}")))
        }
        _ => Err(failed("the journal", "it does not begin with a genesis")),
    }
}

/// Where the first `size` events end and the root over them, from the events
/// alone: what is signed never rests on a file that saves time.
fn digest(reader: &Reader, size: u64) -> Result<(Head, B256), Failure> {
    let (floor, end) = (reader.floor(), reader.head());
    if size < floor.head.next.0 || size > end.next.0 {
        let kept = format!("the journal has events {} to {}", floor.head.next, end.next);
        return Err(unusable(format!("size {size}"), kept));
    }
    let peaks = CompactRange::new(floor.head.next.0, floor.peaks.clone());
    let mut range = peaks.ok_or_else(|| failed("FLOOR", "its peaks belong to another number of events"))?;
    let mut progress = Progress::new("hashing events");
    if size > range.size() {
        let mut visit = |at: EventSeq, event: &[u8]| {
            if at.0 < size {
                range.push(leaf_hash(event));
            }
            if at.0.is_multiple_of(STEP) {
                progress.at(at.0, end.next.0);
            }
        };
        reader.scan(floor.head.next, &mut visit).map_err(failure)?;
    }
    Ok((head_at(reader, size)?, range.root()))
}

/// The event chain's head after `size` events.
fn head_at(reader: &Reader, size: u64) -> Result<Head, Failure> {
    let known = [reader.floor().head, reader.head()];
    if let Some(head) = known.into_iter().find(|head| head.next.0 == size) {
        return Ok(head);
    }
    let frame = reader.locate(EventSeq(size)).map_err(failure)?;
    let events = frame.frame.events().iter().take((size - frame.before.next.0) as usize);
    Ok(Head { next: EventSeq(size), hash: events.fold(frame.before.hash, |hash, event| event.chain(&hash)) })
}
