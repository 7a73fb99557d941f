//! The gate's bookkeeping, without clock, threads or proof system.
//!
//! What costs nothing is checked first: assignment, size, known verdicts, the
//! plugin's record. At most [`QUEUE`] proofs are in work, [`PER_PLUGIN`] of one
//! plugin, and a plugin whose proofs are invalid waits longer after each,
//! whatever session it uses.

use std::collections::BTreeMap;

use crowdfold_events::{Address, B256, TaskId, wire::Code};
use crowdfold_kernel::{State, Work, model::TaskStatus};

use crate::proofs::{MAX_PROOF_BYTES, Verdicts};

/// Proofs that may wait or be in verification.
pub const QUEUE: usize = 64;
/// Proofs of one plugin that may wait or be in verification.
pub const PER_PLUGIN: usize = 4;
/// Pause after a first invalid proof, in milliseconds; doubles with each up to 2^10.
const PAUSE_MS: u64 = 2_000;
/// Plugins whose record is kept.
const RECORDS: usize = 4096;

/// An uploaded proof, without its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Upload {
    /// Who uploaded it.
    pub plugin: Address,
    /// The task.
    pub task: TaskId,
    /// Keccak-256 of the bytes, checked.
    pub proof_hash: B256,
    /// Number of bytes.
    pub bytes: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Record {
    pending: usize,
    invalid: u32,
    closed_until_ms: Option<u64>,
}

/// See the module's header. Times are milliseconds of a clock that never goes back.
#[derive(Clone, Debug, Default)]
pub struct GateCore {
    pending: usize,
    records: BTreeMap<Address, Record>,
}

impl GateCore {
    /// What is to be proven, or why the bytes are not even looked at. A proof that
    /// is let in has a place until [`Self::checked`].
    ///
    /// # Errors
    /// A code for the plugin.
    pub fn admit(&mut self, now_ms: u64, upload: &Upload, state: &State, verdicts: &Verdicts) -> Result<Work, Code> {
        if upload.bytes > MAX_PROOF_BYTES {
            return Err(Code::ProofTooLong);
        }
        let task = state.task(upload.task).ok_or(Code::TaskNotOpen)?;
        match &task.status {
            TaskStatus::Assigned(assignment) if assignment.plugin == upload.plugin => {}
            TaskStatus::Quarantined { .. } if state.plugin(&upload.plugin).is_some() => {}
            TaskStatus::Done { .. } | TaskStatus::Lapsed => return Err(Code::Late),
            _ if task.failed.contains(&upload.plugin) => return Err(Code::Late),
            _ => return Err(Code::TaskNotOpen),
        }
        let record = self.records.get(&upload.plugin).copied().unwrap_or_default();
        if record.closed_until_ms.is_some_and(|until| now_ms < until) {
            return Err(Code::UploadBackoff);
        }
        let work = state.work(upload.task, upload.plugin).ok_or(Code::TaskNotOpen)?;
        if let Some(Err(_)) = verdicts.get(&work, &upload.proof_hash) {
            return Err(Code::ProofInvalid);
        }
        if self.pending >= QUEUE || record.pending >= PER_PLUGIN {
            return Err(Code::Busy);
        }
        self.pending += 1;
        self.record(now_ms, upload.plugin).pending += 1;
        Ok(work)
    }

    fn record(&mut self, now_ms: u64, plugin: Address) -> &mut Record {
        if self.records.len() >= RECORDS && !self.records.contains_key(&plugin) {
            self.records.retain(|_, r| r.pending > 0 || r.closed_until_ms.is_some_and(|until| now_ms < until));
        }
        self.records.entry(plugin).or_default()
    }

    /// A proof that was let in has been verified.
    pub fn checked(&mut self, now_ms: u64, plugin: Address, result: Result<(), Code>) {
        self.pending = self.pending.saturating_sub(1);
        let record = self.record(now_ms, plugin);
        record.pending = record.pending.saturating_sub(1);
        match result {
            Ok(()) => {
                record.invalid = 0;
                record.closed_until_ms = None;
            }
            Err(Code::ProofInvalid) => {
                record.closed_until_ms = Some(now_ms + PAUSE_MS * (1 << record.invalid.min(10)));
                record.invalid += 1;
            }
            Err(_) => {}
        }
    }
}
