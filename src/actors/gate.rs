//! The gate: proofs come in here, and only verified ones pass.
//!
//! ```text
//! ProofReceived ─► assignment, size, known verdicts, plugin's record ─► queue ─► verify (blocking thread)
//!       ▲              (cheap; refused at once)             bounded      │ valid: stored durably, remembered
//!       └────────────────────────── Ok or a code ───────────────────────┘ invalid: counts against the plugin
//! ```
//!
//! It decides nothing about the chain: the kernel asks the remembered verdict
//! when the message that names the proof is in a block. Its work is bounded:
//! at most [`QUEUE`] proofs wait, [`PER_PLUGIN`] of one plugin, and a plugin
//! whose proofs are invalid waits longer after each, whatever session it uses.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use crowdfold_events::{Address, wire::Code};
use crowdfold_kernel::{ProofFault, Work, model::TaskStatus};
use tokio::sync::{Semaphore, broadcast, watch};

use crate::{
    actors::{sequencer::now_ms, session::messages::ProofReceived},
    node::{NodeEvent, ProofCheck, Snapshot},
    proofs::{CheckTimes, MAX_PROOF_BYTES, Verifier},
};

/// Proofs that may wait or be in verification.
pub const QUEUE: usize = 64;
/// Proofs of one plugin that may wait or be in verification.
pub const PER_PLUGIN: usize = 4;
/// Proofs verified at the same time.
const LANES: usize = 2;
/// Pause after a first invalid proof; doubles with each up to 2^10.
const PAUSE: Duration = Duration::from_secs(2);
/// Plugins whose record is kept.
const RECORDS: usize = 4096;

#[derive(Clone, Copy, Debug, Default)]
struct Record {
    pending: usize,
    invalid: u32,
    closed_until: Option<Instant>,
}

/// See the module's header.
pub struct Gate {
    verifier: Verifier,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    events: broadcast::Sender<NodeEvent>,
    lanes: Arc<Semaphore>,
    pending: usize,
    records: BTreeMap<Address, Record>,
}

impl Gate {
    /// A gate that verifies with `verifier` and tells `events` of every check.
    #[must_use]
    pub fn new(
        verifier: Verifier,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        events: broadcast::Sender<NodeEvent>,
    ) -> Self {
        let lanes = Arc::new(Semaphore::new(LANES));
        Self { verifier, snapshots, events, lanes, pending: 0, records: BTreeMap::new() }
    }

    /// All that costs nothing: what is to be proven, or why the bytes are not even looked at.
    fn admit(&mut self, received: &ProofReceived) -> Result<Work, Code> {
        if received.bytes.len() > MAX_PROOF_BYTES {
            return Err(Code::ProofTooLong);
        }
        let snapshot = self.snapshots.borrow().clone();
        let state = &snapshot.state;
        let task = state.task(received.task).ok_or(Code::TaskNotOpen)?;
        match &task.status {
            TaskStatus::Assigned(assignment) if assignment.plugin == received.plugin => {}
            TaskStatus::Quarantined { .. } if state.plugin(&received.plugin).is_some() => {}
            TaskStatus::Done { .. } | TaskStatus::Lapsed => return Err(Code::Late),
            _ if task.failed.contains(&received.plugin) => return Err(Code::Late),
            _ => return Err(Code::TaskNotOpen),
        }
        let record = self.records.get(&received.plugin).copied().unwrap_or_default();
        if record.closed_until.is_some_and(|until| Instant::now() < until) {
            return Err(Code::UploadBackoff);
        }
        let work = state.work(received.task, received.plugin).ok_or(Code::TaskNotOpen)?;
        if let Some(Err(_)) = self.verifier.verdicts().get(&work, &received.proof_hash) {
            return Err(Code::ProofInvalid);
        }
        if self.pending >= QUEUE || record.pending >= PER_PLUGIN {
            return Err(Code::Busy);
        }
        Ok(work)
    }

    fn record(&mut self, plugin: Address) -> &mut Record {
        if self.records.len() >= RECORDS && !self.records.contains_key(&plugin) {
            let now = Instant::now();
            self.records.retain(|_, r| r.pending > 0 || r.closed_until.is_some_and(|until| now < until));
        }
        self.records.entry(plugin).or_default()
    }

    fn tell(&self, received: &ProofReceived, submitted_at_ms: u64, result: Result<CheckTimes, Code>) {
        let times = result.unwrap_or_default();
        let check = ProofCheck {
            plugin: received.plugin,
            task: received.task,
            proof_hash: received.proof_hash,
            proof_bytes: received.bytes.len(),
            submitted_at_ms,
            verify_ms: times.verify_ms,
            canonical_ms: times.canonical_ms,
            refused: result.err(),
        };
        // Nobody may be watching.
        self.events.send(NodeEvent::Checked(check)).unwrap_or_default();
    }

    fn checked(&mut self, plugin: Address, result: Result<CheckTimes, Code>) {
        self.pending -= 1;
        let record = self.record(plugin);
        record.pending = record.pending.saturating_sub(1);
        match result {
            Ok(_) => {
                record.invalid = 0;
                record.closed_until = None;
            }
            Err(Code::ProofInvalid) => {
                record.closed_until = Some(Instant::now() + PAUSE * (1 << record.invalid.min(10)));
                record.invalid += 1;
            }
            Err(_) => {}
        }
    }
}

/// On a blocking thread: verify, then make durable, then remember.
fn verify(verifier: &Verifier, work: Work, received: &ProofReceived) -> Result<CheckTimes, Code> {
    let proof = received.proof_hash;
    let known = verifier.verdicts().get(&work, &proof) == Some(Ok(()));
    let times = match if known { Ok(CheckTimes::default()) } else { verifier.check(&work, &received.bytes) } {
        Ok(times) => times,
        Err(fault @ (ProofFault::Malformed | ProofFault::Rejected)) => {
            verifier.verdicts().put(work, proof, Err(fault));
            return Err(Code::ProofInvalid);
        }
        Err(ProofFault::Missing) => return Err(Code::NodeFault),
    };
    match verifier.store().put(&received.bytes) {
        Ok(name) if name == proof => {}
        Ok(_) => return Err(Code::ProofHash),
        Err(fault) => {
            tracing::error!(%fault, "a proof cannot be stored");
            return Err(Code::Unavailable);
        }
    }
    verifier.verdicts().put(work, proof, Ok(()));
    Ok(times)
}

impl Actor for Gate {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(QUEUE);
    }
}

impl Handler<ProofReceived> for Gate {
    type Result = ResponseActFuture<Self, Result<(), Code>>;

    fn handle(&mut self, received: ProofReceived, _: &mut Self::Context) -> Self::Result {
        let submitted_at_ms = now_ms();
        let work = match self.admit(&received) {
            Ok(work) => work,
            Err(code) => {
                self.tell(&received, submitted_at_ms, Err(code));
                return Box::pin(fut::ready(Err(code)));
            }
        };
        self.pending += 1;
        self.record(received.plugin).pending += 1;
        let (verifier, lanes) = (self.verifier.clone(), self.lanes.clone());
        let upload = received.clone();
        let checked = async move {
            let Ok(_lane) = lanes.acquire().await else { return Err(Code::Unavailable) };
            let checked = tokio::task::spawn_blocking(move || verify(&verifier, work, &upload)).await;
            checked.unwrap_or_else(|fault| {
                tracing::error!(%fault, "the verifier failed");
                Err(Code::NodeFault)
            })
        };
        Box::pin(checked.into_actor(self).map(move |result, gate, _| {
            gate.checked(received.plugin, result);
            gate.tell(&received, submitted_at_ms, result);
            result.map(|_| ())
        }))
    }
}
