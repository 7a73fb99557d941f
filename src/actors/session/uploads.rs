//! Proofs on their way in: pieces in order, bounded, checked against their hash.

use std::collections::BTreeMap;

use alloy_primitives::keccak256;
use crowdfold_events::{
    B256, TaskId,
    wire::{Code, MAX_CHUNK_BYTES},
};

#[derive(Clone, Debug)]
enum Upload {
    Growing { proof_hash: B256, total: u32, bytes: Vec<u8> },
    Checking { proof_hash: B256 },
    Verified { proof_hash: B256 },
}

/// One piece, as the frame carries it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) task: TaskId,
    pub(super) proof_hash: B256,
    pub(super) total: u32,
    pub(super) offset: u32,
    pub(super) bytes: &'a [u8],
}

/// What a piece completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// More pieces are due.
    More,
    /// The whole proof, to be verified.
    Whole(Vec<u8>),
    /// The last piece of a proof that was verified before.
    Known,
}

/// Uploads of one session, at most one per task.
#[derive(Clone, Debug)]
pub(super) struct Uploads {
    max_proof_bytes: u32,
    max_unfinished: usize,
    backoff_ms: u64,
    by_task: BTreeMap<TaskId, Upload>,
    invalid: u32,
    closed_until_ms: u64,
}

impl Uploads {
    pub(super) fn new(max_proof_bytes: u32, max_unfinished: usize, backoff_ms: u64) -> Self {
        Self { max_proof_bytes, max_unfinished, backoff_ms, by_task: BTreeMap::new(), invalid: 0, closed_until_ms: 0 }
    }

    /// Takes a piece of an open task's proof. A task's proof is verified once:
    /// the same again is known, another is refused.
    pub(super) fn take(&mut self, now_ms: u64, piece: Piece<'_>) -> Result<Taken, Code> {
        let Piece { task, proof_hash, total, offset, bytes } = piece;
        if now_ms < self.closed_until_ms {
            return Err(Code::UploadBackoff);
        }
        if total == 0 || total > self.max_proof_bytes {
            return Err(Code::ProofTooLong);
        }
        let end = offset as usize + bytes.len();
        if bytes.is_empty() || bytes.len() > MAX_CHUNK_BYTES || end > total as usize {
            return Err(Code::ChunkMismatch);
        }
        let mut grown = match (self.by_task.get_mut(&task), offset) {
            (Some(Upload::Verified { proof_hash: hash }), _) if *hash == proof_hash => {
                return Ok(if end == total as usize { Taken::Known } else { Taken::More });
            }
            (Some(Upload::Checking { .. } | Upload::Verified { .. }), _) => return Err(Code::TooManyUploads),
            (_, 0) => {
                let unfinished = |(at, u): (&TaskId, &Upload)| *at != task && !matches!(u, Upload::Verified { .. });
                if self.by_task.iter().filter(|entry| unfinished(*entry)).count() >= self.max_unfinished {
                    return Err(Code::TooManyUploads);
                }
                Vec::new()
            }
            (Some(Upload::Growing { proof_hash: hash, total: length, bytes: before }), _)
                if *hash == proof_hash && *length == total && before.len() == offset as usize =>
            {
                std::mem::take(before)
            }
            _ => {
                self.by_task.remove(&task);
                return Err(Code::ChunkMismatch);
            }
        };
        grown.extend_from_slice(bytes);
        if end < total as usize {
            self.by_task.insert(task, Upload::Growing { proof_hash, total, bytes: grown });
            return Ok(Taken::More);
        }
        if keccak256(&grown) != proof_hash {
            self.by_task.remove(&task);
            return Err(Code::ProofHash);
        }
        self.by_task.insert(task, Upload::Checking { proof_hash });
        Ok(Taken::Whole(grown))
    }

    /// The verifier's word. Each invalid proof doubles the pause before the next upload.
    pub(super) fn checked(&mut self, now_ms: u64, task: TaskId, proof_hash: B256, refused: Option<Code>) {
        let is_waiting =
            matches!(self.by_task.get(&task), Some(Upload::Checking { proof_hash: h }) if *h == proof_hash);
        if !is_waiting {
            return;
        }
        match refused {
            None => {
                self.invalid = 0;
                self.by_task.insert(task, Upload::Verified { proof_hash });
            }
            Some(code) => {
                self.by_task.remove(&task);
                if code == Code::ProofInvalid {
                    self.invalid = (self.invalid + 1).min(10);
                    self.closed_until_ms = now_ms.saturating_add(self.backoff_ms << (self.invalid - 1));
                }
            }
        }
    }

    /// Whether this proof was uploaded and verified.
    pub(super) fn is_verified(&self, task: TaskId, hash: B256) -> bool {
        matches!(self.by_task.get(&task), Some(Upload::Verified { proof_hash }) if *proof_hash == hash)
    }

    /// Forgets what belongs to a closed task.
    pub(super) fn close(&mut self, task: TaskId) {
        self.by_task.remove(&task);
    }

    /// Forgets unfinished uploads: a new session begins.
    pub(super) fn restart(&mut self) {
        self.by_task.retain(|_, upload| !matches!(upload, Upload::Growing { .. }));
    }
}
