//! `crowdfold journal prove`, `check-proof` and `checkpoint`.

pub(super) mod check;
pub(super) mod checkpoint;
mod file;

use std::path::PathBuf;

use crowdfold_events::EventSeq;
use crowdfold_journal::{
    JournalTree, MerkleError,
    merkle_log::{ProveError, leaf_hash},
};
use serde_json::json;

use self::file::{ConsistencyPart, InclusionPart, ProofFile, read_checkpoint};
use super::{
    super::{Failure, Output, failed, progress::Progress, write_new},
    Place, failure,
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Prove {
    #[command(flatten)]
    place: Place,
    /// The event.
    seq: u64,
    /// Events of the journal that the proof is about; all that there are if not given.
    #[arg(long, value_name = "N")]
    size: Option<u64>,
    /// Take the size from this checkpoint.
    #[arg(long, value_name = "FILE", conflicts_with = "size")]
    checkpoint: Option<PathBuf>,
    /// Show also that the journal continues its first OLD events.
    #[arg(long, value_name = "OLD")]
    consistency: Option<u64>,
    /// The file to write; it must not exist. Standard output if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &Prove, output: Output) -> Result<(), Failure> {
    let reader = args.place.reader()?;
    let size = match (&args.checkpoint, args.size) {
        (Some(file), _) => read_checkpoint(file)?.checkpoint().head.next.0,
        (None, Some(size)) => size,
        (None, None) => reader.head().next.0,
    };
    let mut progress = Progress::new("hashing events");
    let tree = JournalTree::of(&reader, &mut |done, total| progress.at(done, total)).map_err(refused)?;
    drop(progress);
    let inclusion = tree.prove_inclusion(&reader, EventSeq(args.seq), size).map_err(refused)?;
    let stored = reader.read(EventSeq(args.seq), 1).map_err(failure)?;
    let Some(stored) = stored.first() else {
        return Err(failed("the journal", format!("event {} cannot be read", args.seq)));
    };
    let root = tree.root_at(&reader, size).map_err(refused)?;
    // What the tree remembers is not the journal: a proof that does not fit its event is never handed out.
    inclusion.verify(&leaf_hash(stored.as_bytes()), &root).map_err(|error| failed("the tree of events", error))?;
    let consistency = match args.consistency {
        None => None,
        Some(old) => {
            let proof = tree.prove_consistency(&reader, old, size).map_err(refused)?;
            let old_root = tree.root_at(&reader, old).map_err(refused)?;
            proof.verify(&old_root, &root).map_err(|error| failed("the tree of events", error))?;
            Some(ConsistencyPart::from(proof))
        }
    };
    // Only saves time for the next proof; a directory that cannot be written to is as good.
    tree.save(reader.dir()).unwrap_or_default();
    let path = inclusion.path.len();
    let file = ProofFile::new(InclusionPart::new(inclusion, stored), consistency);
    let text = file.to_text()?;
    match &args.out {
        None => output.result(&file, text),
        Some(out) => {
            write_new(out, text.as_bytes(), false)?;
            let said =
                format!("event {} of {size}: {path} hash(es), {} bytes, {}", args.seq, text.len(), out.display());
            output
                .result(&json!({ "file": out, "seq": args.seq, "size": size, "root": root, "bytes": text.len() }), said)
        }
    }
}

/// How a proof that cannot be made ends: the arguments' fault or not.
fn refused(error: MerkleError) -> Failure {
    let said = error.to_string();
    match error {
        MerkleError::Journal(error) => failure(error),
        MerkleError::Prove(ProveError::Beyond { .. } | ProveError::Pruned { .. }) => Failure::Unusable(said),
        _ => Failure::Failed(said),
    }
}
