//! A proof as a file: JSON, hashes and the event in hexadecimal.

use std::path::Path;

use alloy_primitives::B256;
use crowdfold_events::{StoredEvent, codec::MAX_EVENT_BYTES};
use crowdfold_journal::{CheckpointError, ConsistencyProof, InclusionProof, SignedCheckpoint, merkle_proof::MAX_PATH};
use serde::{Deserialize, Serialize};

use super::super::super::{Failure, failed, read_text, unusable};

const FORMAT: &str = "crowdfold journal proof 1";
/// Longest file: the event in hexadecimal, and the paths.
const MAX_BYTES: u64 = 2 * MAX_EVENT_BYTES as u64 + (64 << 10);

/// What `prove` writes and `check-proof` reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProofFile {
    format: String,
    pub(super) inclusion: InclusionPart,
    pub(super) consistency: Option<ConsistencyPart>,
}

/// An event is in a journal of `size` events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InclusionPart {
    pub(super) seq: u64,
    pub(super) size: u64,
    /// The stored bytes.
    event: String,
    path: Vec<B256>,
}

/// A journal of `size` events continues one of `old`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsistencyPart {
    pub(super) old: u64,
    pub(super) size: u64,
    path: Vec<B256>,
}

impl InclusionPart {
    pub(super) fn new(proof: InclusionProof, stored: &StoredEvent) -> Self {
        let InclusionProof { index, size, path } = proof;
        Self { seq: index, size, event: format!("0x{}", hex::encode(stored.as_bytes())), path }
    }

    /// The path, and the stored bytes that it is the path of.
    pub(super) fn parts(&self) -> Option<(InclusionProof, StoredEvent)> {
        let bytes = hex::decode(self.event.strip_prefix("0x")?).ok()?;
        let stored = StoredEvent::from_bytes(bytes).ok()?;
        Some((InclusionProof { index: self.seq, size: self.size, path: self.path.clone() }, stored))
    }
}

impl From<ConsistencyProof> for ConsistencyPart {
    fn from(ConsistencyProof { old, size, path }: ConsistencyProof) -> Self {
        Self { old, size, path }
    }
}

impl ConsistencyPart {
    pub(super) fn proof(&self) -> ConsistencyProof {
        ConsistencyProof { old: self.old, size: self.size, path: self.path.clone() }
    }
}

impl ProofFile {
    pub(super) fn new(inclusion: InclusionPart, consistency: Option<ConsistencyPart>) -> Self {
        Self { format: FORMAT.to_owned(), inclusion, consistency }
    }

    pub(super) fn to_text(&self) -> Result<String, Failure> {
        let text = serde_json::to_string_pretty(self).map_err(|error| failed("the proof", error))?;
        Ok(format!("{text}\n"))
    }

    /// Reads a file. One that is there and no proof is not valid.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let not_valid = |why: String| Failure::NotValid(format!("{}: {why}", path.display()));
        let length = std::fs::metadata(path).map_err(|error| unusable(path.display(), error))?.len();
        if length > MAX_BYTES {
            return Err(not_valid(format!("{length} bytes are too many for a proof")));
        }
        let bytes = super::super::super::read(path)?;
        let file: Self = serde_json::from_slice(&bytes).map_err(|error| not_valid(error.to_string()))?;
        if file.format != FORMAT {
            return Err(not_valid(format!("the format is not `{FORMAT}`")));
        }
        let longest = file.inclusion.path.len().max(file.consistency.as_ref().map_or(0, |part| part.path.len()));
        if longest > MAX_PATH {
            return Err(not_valid(format!("{longest} hashes are too many for a path")));
        }
        Ok(file)
    }
}

/// A signed checkpoint. What is of its form and badly signed is not valid.
pub(super) fn read_checkpoint(path: &Path) -> Result<SignedCheckpoint, Failure> {
    let text = read_text(path)?;
    SignedCheckpoint::from_text(&text).map_err(|error| match error {
        CheckpointError::TooLong { .. } | CheckpointError::Line { .. } => unusable(path.display(), error),
        error => Failure::NotValid(format!("{}: {error}", path.display())),
    })
}
