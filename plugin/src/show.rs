//! The state machine's view as a plain object, by the rules of [`crate::describe`].

use crowdfold_prover::{ChainView, CoreView, FetchView, JobStage, JobView, LinkView, RegistrationView};
use serde_json::{Value, json};

use crate::describe::{standing, task_kind};

/// Everything that a user may want to see.
#[must_use]
pub fn view(view: &CoreView) -> Value {
    json!({
        "link": link(view.link), "failures": view.failures, "standing": standing(view.standing),
        "chain": view.chain.as_ref().map(chain), "registration": registration(view.registration),
        "is_paused": view.is_paused, "is_stopping": view.is_stopping, "is_full": view.is_full,
        "jobs": view.jobs.iter().map(job).collect::<Vec<_>>(), "fetch": view.fetch.as_ref().map(fetch),
        "ms_per_segment": view.ms_per_segment,
    })
}

fn link(link: LinkView) -> Value {
    match link {
        LinkView::Waiting { retry_in_ms } => json!({"type": "waiting", "retry_in_ms": retry_in_ms}),
        LinkView::Connecting => json!({"type": "connecting"}),
        LinkView::LoggingIn => json!({"type": "logging-in"}),
        LinkView::Online => json!({"type": "online"}),
        LinkView::Over => json!({"type": "over"}),
    }
}

fn chain(chain: &ChainView) -> Value {
    json!({
        "id": chain.id.to_string(), "genesis_hash": chain.genesis_hash, "params_digest": chain.params_digest,
        "node": chain.node.to_string(), "height": chain.height.to_string(), "block_time_ms": chain.block_time_ms,
    })
}

fn registration(registration: RegistrationView) -> &'static str {
    match registration {
        RegistrationView::Idle => "idle",
        RegistrationView::Solving => "solving",
        RegistrationView::Sent => "sent",
    }
}

fn job(job: &JobView) -> Value {
    json!({
        "task": job.task.to_string(), "attempt": job.attempt, "kind": task_kind(&job.kind),
        "segments": job.segments, "bounty": job.bounty.to_string(), "assigned": job.assigned.to_string(),
        "deadline": job.deadline.to_string(), "stage": stage(job.stage), "stage_ms": job.stage_ms,
        "permille": job.permille, "left_ms": job.left_ms, "deadline_ms": job.deadline_ms,
        "proof_hash": job.proof_hash, "retries": job.retries,
    })
}

fn stage(stage: JobStage) -> &'static str {
    match stage {
        JobStage::Fetching => "fetching",
        JobStage::Queued => "queued",
        JobStage::Running => "running",
        JobStage::Proven => "proven",
        JobStage::Checking => "checking",
        JobStage::Verified => "verified",
        JobStage::Submitted => "submitted",
        JobStage::HandingBack => "handing-back",
    }
}

fn fetch(fetch: &FetchView) -> Value {
    json!({"digest": fetch.digest, "have": fetch.have, "total": fetch.total})
}
