//! The gate: proofs come in here, and only verified ones pass.
//!
//! ```text
//! ProofReceived ─► assignment, size, known verdicts, plugin's record ─► queue ─► verify (blocking thread)
//!       ▲              (cheap; refused at once)             bounded      │ valid: stored durably, remembered
//!       └────────────────────────── Ok or a code ───────────────────────┘ invalid: counts against the plugin
//! ```
//!
//! It decides nothing about the chain: the kernel asks the remembered verdict
//! when the message that names the proof is in a block. Its work is bounded,
//! see [`GateCore`].

mod core;

use std::{sync::Arc, time::Instant};

use actix::prelude::*;
use crowdfold_events::wire::Code;
use crowdfold_kernel::{ProofFault, Work};
use tokio::sync::{Semaphore, broadcast, watch};

pub use self::core::{GateCore, PER_PLUGIN, QUEUE, Upload};
use crate::{
    actors::{sequencer::now_ms, session::messages::ProofReceived},
    node::{NodeEvent, ProofCheck, Snapshot},
    proofs::{CheckTimes, Verifier},
};

/// Proofs verified at the same time.
const LANES: usize = 2;

/// The actor around [`GateCore`]; see the module's header.
pub struct Gate {
    core: GateCore,
    verifier: Verifier,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    events: broadcast::Sender<NodeEvent>,
    lanes: Arc<Semaphore>,
    started: Instant,
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
        Self { core: GateCore::default(), verifier, snapshots, events, lanes, started: Instant::now() }
    }

    /// Milliseconds of a clock that never goes back.
    fn clock_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// All that costs nothing: what is to be proven, or why the bytes are not even looked at.
    fn admit(&mut self, received: &ProofReceived) -> Result<Work, Code> {
        let ProofReceived { plugin, task, proof_hash, ref bytes } = *received;
        let upload = Upload { plugin, task, proof_hash, bytes: bytes.len() };
        let (now, snapshot) = (self.clock_ms(), self.snapshots.borrow().clone());
        self.core.admit(now, &upload, &snapshot.state, self.verifier.verdicts())
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
            gate.core.checked(gate.clock_ms(), received.plugin, result.map(|_| ()));
            gate.tell(&received, submitted_at_ms, result);
            result.map(|_| ())
        }))
    }
}
