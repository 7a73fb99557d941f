//! Actions and events as plain objects.
//!
//! Names of variants are in kebab-case and stand in `type` (or alone, where
//! there are no fields); fields are in snake_case. 64-bit numbers and amounts
//! are decimal strings, hashes and addresses 0x hexadecimal, milliseconds and
//! 32-bit numbers are numbers.

use alloy_primitives::Bytes;
use crowdfold_events::{
    event::{DrawReceipt, InactiveReason, PenaltyReason, TaskKind},
    wire::{Account, Answer, CloseReason, Code, Notice, Standing},
};
use crowdfold_prover::{About, Action, HandBackReason, Outcome, ProverEvent, WorkError};
use serde_json::{Value, json};

/// An action without its bytes, and the name and content of its one field of
/// bytes, if it has one.
#[must_use]
pub fn action(action: Action) -> (Value, Option<(&'static str, Vec<u8>)>) {
    let plain = |value| (value, None);
    match action {
        Action::Connect => plain(json!({"type": "connect"})),
        Action::Send(bytes) => (json!({"type": "send"}), Some(("bytes", bytes))),
        Action::Disconnect => plain(json!({"type": "disconnect"})),
        Action::StartWork { task, attempt, kind, segments, package } => (
            json!({
                "type": "start-work", "task": task.to_string(), "attempt": attempt,
                "kind": task_kind(&kind), "segments": segments,
            }),
            Some(("package", package.to_vec())),
        ),
        Action::CancelWork { task, attempt } => {
            plain(json!({"type": "cancel-work", "task": task.to_string(), "attempt": attempt}))
        }
        Action::SolveRegistration { chain_id, plugin, height, block_hash, expected } => plain(json!({
            "type": "solve-registration", "chain_id": chain_id.to_string(), "plugin": plugin.to_string(),
            "height": height.to_string(), "block_hash": block_hash, "expected": expected.to_string(),
        })),
        Action::Data { digest, result: Ok(bytes) } => {
            (json!({"type": "data", "digest": digest, "code": null}), Some(("bytes", bytes)))
        }
        Action::Data { digest, result: Err(error) } => {
            plain(json!({"type": "data", "digest": digest, "bytes": null, "code": code(error)}))
        }
        Action::Event(happened) => plain(json!({"type": "event", "event": event(happened)})),
        Action::Finished(how) => plain(json!({"type": "finished", "outcome": outcome(how)})),
    }
}

/// What an event says.
#[must_use]
pub fn event(event: ProverEvent) -> Value {
    match event {
        ProverEvent::LoggedIn { plugin, standing: how, resumed, params_digest } => json!({
            "type": "logged-in", "plugin": plugin.to_string(), "standing": standing(how),
            "resumed": resumed, "params_digest": params_digest,
        }),
        ProverEvent::Disconnected { code: why, retry_in_ms } => {
            json!({"type": "disconnected", "code": why.map(code), "retry_in_ms": retry_in_ms})
        }
        ProverEvent::Offered { task, attempt, kind, segments, bounty, assigned, deadline, draw: by } => json!({
            "type": "offered", "task": task.to_string(), "attempt": attempt, "kind": task_kind(&kind),
            "segments": segments, "bounty": bounty.to_string(), "assigned": assigned.to_string(),
            "deadline": deadline.to_string(), "draw": by.as_ref().map(draw),
        }),
        ProverEvent::Declined { task, attempt, reason } => json!({
            "type": "declined", "task": task.to_string(), "attempt": attempt, "reason": hand_back_reason(reason),
        }),
        ProverEvent::HandedBack { task, attempt, reason } => json!({
            "type": "handed-back", "task": task.to_string(), "attempt": attempt, "reason": hand_back_reason(reason),
        }),
        ProverEvent::Proven { task, attempt, elapsed_ms, bytes, proof_hash } => json!({
            "type": "proven", "task": task.to_string(), "attempt": attempt,
            "elapsed_ms": elapsed_ms, "bytes": bytes, "proof_hash": proof_hash,
        }),
        ProverEvent::Submitted { task } => json!({"type": "submitted", "task": task.to_string()}),
        ProverEvent::Receipt { about: what, message, answer: said, signature, node } => json!({
            "type": "receipt", "about": about(what), "message": message, "answer": answer(said),
            "signature": Bytes::copy_from_slice(&signature.0), "node": node.to_string(),
        }),
        ProverEvent::Closed { task, attempt, reason } => json!({
            "type": "closed", "task": task.to_string(), "attempt": attempt, "reason": close_reason(reason),
        }),
        ProverEvent::Refused { task, code: why, reason } => json!({
            "type": "refused", "task": task.map(|task| task.to_string()), "code": code(why), "reason": reason,
        }),
        ProverEvent::WorkFailed { task, error } => json!({
            "type": "work-failed", "task": task.to_string(), "kind": work_error(&error), "detail": error.to_string(),
        }),
        ProverEvent::Notice { height, notice: what } => {
            json!({"type": "notice", "height": height.to_string(), "notice": notice(what)})
        }
        ProverEvent::Account { account: holdings } => json!({"type": "account", "account": account(&holdings)}),
        ProverEvent::Recent { happened } => {
            let happened: Vec<Value> = happened
                .into_iter()
                .map(|at| json!({"height": at.height.to_string(), "notice": notice(at.notice)}))
                .collect();
            json!({"type": "recent", "happened": happened})
        }
        ProverEvent::NodeFault { detail } => json!({"type": "node-fault", "detail": detail}),
        ProverEvent::WrongChain { chain_id, genesis_hash, params_digest } => json!({
            "type": "wrong-chain", "chain_id": chain_id.to_string(),
            "genesis_hash": genesis_hash, "params_digest": params_digest,
        }),
        ProverEvent::RegistrationRefused { expected, most } => json!({
            "type": "registration-refused", "expected": expected.to_string(), "most": most.to_string(),
        }),
    }
}

fn draw(draw: &DrawReceipt) -> Value {
    json!({
        "beacon_height": draw.beacon_height.to_string(), "beacon": draw.beacon, "set_root": draw.set_root,
        "candidates": draw.candidates, "index": draw.index, "rejected": draw.rejected,
    })
}

fn about(about: About) -> Value {
    let name = match about {
        About::Register => "register",
        About::Heartbeat => "heartbeat",
        About::GoInactive => "go-inactive",
        About::Submit(_) => "submit",
        About::HandBack(_) => "hand-back",
    };
    match about.task() {
        Some(task) => json!({"type": name, "task": task.to_string()}),
        None => json!({"type": name}),
    }
}

fn answer(answer: Answer) -> Value {
    match answer {
        Answer::Accepted { height } => json!({"type": "accepted", "height": height.to_string()}),
        Answer::Refused { height, code: why, reason } => {
            json!({"type": "refused", "height": height.to_string(), "code": code(why), "reason": reason})
        }
    }
}

fn account(account: &Account) -> Value {
    json!({
        "height": account.height.to_string(), "standing": standing(account.standing),
        "balance": account.balance.to_string(), "accrued": account.accrued.to_string(),
        "debt": account.debt.to_string(), "bond": account.bond.to_string(),
        "consecutive_valid": account.consecutive_valid, "slots": account.slots,
        "next_slot_at": account.next_slot_at, "accepted": account.accepted.to_string(),
        "failed": account.failed.to_string(),
    })
}

fn notice(notice: Notice) -> Value {
    match notice {
        Notice::Registered => json!({"type": "registered"}),
        Notice::AdmissionPassed => json!({"type": "admission-passed"}),
        Notice::Activated => json!({"type": "activated"}),
        Notice::Deactivated { reason } => json!({"type": "deactivated", "reason": inactive_reason(reason)}),
        Notice::ProofAccepted { task, proof_hash } => {
            json!({"type": "proof-accepted", "task": task.to_string(), "proof_hash": proof_hash})
        }
        Notice::Rewarded { task, amount, to_debt } => json!({
            "type": "rewarded", "task": task.to_string(), "amount": amount.to_string(), "to_debt": to_debt.to_string(),
        }),
        Notice::Penalised { task, reason, amount, holding_after } => json!({
            "type": "penalised", "task": task.to_string(), "reason": penalty_reason(reason),
            "amount": amount.to_string(), "holding_after": holding_after.to_string(),
        }),
        Notice::Refunded { task, amount } => {
            json!({"type": "refunded", "task": task.to_string(), "amount": amount.to_string()})
        }
        Notice::TrustChanged { consecutive_valid, slots } => {
            json!({"type": "trust-changed", "consecutive_valid": consecutive_valid, "slots": slots})
        }
        Notice::Suspended { debt } => json!({"type": "suspended", "debt": debt.to_string()}),
        Notice::Reinstated => json!({"type": "reinstated"}),
        Notice::MessageRefused { message, reason } => {
            json!({"type": "message-refused", "message": message, "reason": reason})
        }
        Notice::Settled { amount } => json!({"type": "settled", "amount": amount.to_string()}),
        Notice::AdmissionLapsed => json!({"type": "admission-lapsed"}),
    }
}

fn outcome(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Stopped { open } => json!({"type": "stopped", "open": open}),
        Outcome::WrongChain => json!({"type": "wrong-chain"}),
        Outcome::Refused(why) => json!({"type": "refused", "code": code(why)}),
    }
}

/// A code with the words that the protocol has for it.
fn code(code: Code) -> Value {
    json!({"number": code.number(), "text": code.to_string()})
}

/// How the chain sees the plugin.
#[must_use]
pub fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Unknown => "unknown",
        Standing::Candidate => "candidate",
        Standing::Inactive => "inactive",
        Standing::Active => "active",
        Standing::Suspended => "suspended",
    }
}

/// What a task is about.
#[must_use]
pub fn task_kind(kind: &TaskKind) -> &'static str {
    match kind {
        TaskKind::Prove { .. } => "item",
        TaskKind::Admission { .. } => "admission",
        TaskKind::Aggregate { .. } => "aggregate",
    }
}

fn hand_back_reason(reason: HandBackReason) -> &'static str {
    match reason {
        HandBackReason::TooSlow => "too-slow",
        HandBackReason::TooMany => "too-many",
        HandBackReason::Stopping => "stopping",
        HandBackReason::Failed => "failed",
    }
}

fn close_reason(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Accepted => "accepted",
        CloseReason::TimedOut => "timed-out",
        CloseReason::HandedBack => "handed-back",
        CloseReason::ProvenByOther => "proven-by-other",
    }
}

fn inactive_reason(reason: InactiveReason) -> &'static str {
    match reason {
        InactiveReason::Expired => "expired",
        InactiveReason::Requested => "requested",
        InactiveReason::Suspended => "suspended",
    }
}

fn penalty_reason(reason: PenaltyReason) -> &'static str {
    match reason {
        PenaltyReason::Timeout => "timeout",
        PenaltyReason::HandBack => "hand-back",
    }
}

fn work_error(error: &WorkError) -> &'static str {
    match error {
        WorkError::Cancelled => "cancelled",
        WorkError::BadPackage(_) => "bad-package",
        WorkError::Failed(_) => "failed",
    }
}

/// The reason why there is no proof, by the name that [`event`] gives it.
#[must_use]
pub fn parse_work_error(kind: &str, detail: String) -> WorkError {
    match kind {
        "cancelled" => WorkError::Cancelled,
        "bad-package" => WorkError::BadPackage(detail),
        _ => WorkError::Failed(detail),
    }
}
