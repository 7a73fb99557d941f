//! The state machine: its state, its clock, and what drives it.

mod leave;
mod link;
mod messages;
mod work;

use std::collections::{BTreeMap, VecDeque};

use crowdfold_events::{
    Address, B256, Height, MessageBody, Signer, SigningDomain, TaskId,
    wire::{ChainStatus, ClientFrame, Code, Reliable, SessionLimits, Standing},
};

use crate::{
    action::{Action, Outcome},
    config::ProverConfig,
    fetch::Fetches,
    jobs::{Job, Jobs, Stage},
    pace::{Backoff, Speed},
};

/// Time for connecting and logging in.
const HANDSHAKE_MS: u64 = 15_000;
/// Refusals for a passing reason before a task is handed back.
const MAX_RETRIES: u32 = 5;
/// Pause before a refused request is made again.
const RETRY_MS: u64 = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Waiting { until_ms: u64 },
    Connecting { until_ms: u64 },
    Greeting { until_ms: u64 },
    LoggingIn { until_ms: u64 },
    Online { heard_ms: u64 },
    Over,
}

/// What an unanswered message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Register,
    Heartbeat,
    GoInactive,
    Submit(TaskId),
    HandBack(TaskId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Registration {
    Idle { due_ms: u64 },
    Solving,
    Sent { at: Height },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Running,
    Asked { said_inactive: bool },
    Hurried { until_ms: u64 },
}

#[derive(Clone, Debug)]
struct Chain {
    id: u64,
    domain: SigningDomain,
    params_digest: B256,
    node: Address,
    limits: SessionLimits,
}

/// One prover's connection to one node.
#[derive(Debug)]
pub struct ProverCore {
    config: ProverConfig,
    signer: Signer,
    link: Link,
    backoff: Backoff,
    chain: Option<Chain>,
    token: Option<B256>,
    reliable: Reliable<ClientFrame>,
    ack_due_ms: Option<u64>,
    standing: Standing,
    status: Option<ChainStatus>,
    next_sequence: u64,
    unanswered: BTreeMap<B256, Purpose>,
    last_signed_ms: Option<u64>,
    /// It fell out of the active set (or was let in): the next message is due at once.
    is_overdue: bool,
    registration: Registration,
    jobs: Jobs,
    fetches: Fetches,
    wanted: VecDeque<B256>,
    speed: Speed,
    stop: Stop,
    actions: Vec<Action>,
}

impl ProverCore {
    /// A prover that wants to connect at once.
    #[must_use]
    pub fn new(config: ProverConfig, signer: Signer, now_ms: u64) -> Self {
        Self {
            backoff: Backoff::new(config.seed),
            speed: Speed::new(config.ms_per_segment),
            config,
            signer,
            link: Link::Waiting { until_ms: now_ms },
            chain: None,
            token: None,
            reliable: Reliable::default(),
            ack_due_ms: None,
            standing: Standing::Unknown,
            status: None,
            next_sequence: 1,
            unanswered: BTreeMap::new(),
            last_signed_ms: None,
            is_overdue: false,
            registration: Registration::Idle { due_ms: 0 },
            jobs: Jobs::default(),
            fetches: Fetches::default(),
            wanted: VecDeque::new(),
            stop: Stop::Running,
            actions: Vec::new(),
        }
    }

    /// What the shell has to do since the last call.
    pub fn actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// The plugin's address.
    #[must_use]
    pub fn plugin(&self) -> Address {
        self.signer.address()
    }

    /// How the chain sees the plugin, as far as is known.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// When [`Self::tick`] is needed next.
    #[must_use]
    pub fn next_wakeup_ms(&self) -> Option<u64> {
        match self.link {
            Link::Over => None,
            Link::Waiting { until_ms }
            | Link::Connecting { until_ms }
            | Link::Greeting { until_ms }
            | Link::LoggingIn { until_ms } => Some(until_ms),
            Link::Online { heard_ms } => {
                let jobs = self.jobs.by_task.values().filter_map(Job::due_ms).min();
                let register = match self.registration {
                    Registration::Idle { due_ms } if self.may_register() => Some(due_ms),
                    _ => None,
                };
                let hurry = match self.stop {
                    Stop::Hurried { until_ms } => Some(until_ms),
                    _ => None,
                };
                let others = [self.ack_due_ms, self.heartbeat_due_ms(), self.fetches.due_ms(), jobs, register, hurry];
                others.into_iter().flatten().chain([heard_ms + self.silence_ms()]).min()
            }
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now_ms: u64) {
        match self.link {
            Link::Waiting { until_ms } if now_ms >= until_ms => {
                self.link = Link::Connecting { until_ms: now_ms + HANDSHAKE_MS };
                self.actions.push(Action::Connect);
            }
            Link::Connecting { until_ms } | Link::Greeting { until_ms } | Link::LoggingIn { until_ms }
                if now_ms >= until_ms =>
            {
                self.actions.push(Action::Disconnect);
                self.wait(now_ms, None, 0);
            }
            Link::Online { heard_ms } if now_ms >= heard_ms + self.silence_ms() => {
                self.actions.push(Action::Disconnect);
                self.wait(now_ms, Some(Code::Silent), 0);
            }
            Link::Online { .. } => self.drive(now_ms),
            _ => {}
        }
    }

    /// Sends, starts and ends whatever is due.
    pub(super) fn drive(&mut self, now_ms: u64) {
        if !matches!(self.link, Link::Online { .. }) {
            return self.start_work(now_ms);
        }
        self.drive_jobs(now_ms);
        self.start_work(now_ms);
        if self.heartbeat_due_ms().is_some_and(|due| now_ms >= due) {
            self.message(now_ms, MessageBody::Heartbeat, Purpose::Heartbeat);
        }
        if let (Registration::Idle { due_ms }, true, Some(status), Some(chain)) =
            (self.registration, self.may_register(), self.status, &self.chain)
            && now_ms >= due_ms
        {
            self.registration = Registration::Solving;
            self.actions.push(Action::SolveRegistration {
                chain_id: chain.id,
                plugin: self.signer.address(),
                height: status.height,
                block_hash: status.block_hash,
                expected: status.registration_work,
            });
        }
        if let Some(request) = self.fetches.request(now_ms) {
            self.send(request);
        }
        self.drive_stop(now_ms);
        if matches!(self.link, Link::Online { .. }) && self.ack_due_ms.is_some_and(|due| now_ms >= due) {
            self.send(ClientFrame::Ack {});
        }
    }

    pub(super) fn finish(&mut self, outcome: Outcome) {
        if self.link == Link::Over {
            return;
        }
        let running = self.jobs.by_task.values().filter(|j| matches!(j.stage, Stage::Running { .. }));
        let cancels: Vec<Action> =
            running.map(|j| Action::CancelWork { task: j.offer.task, attempt: j.offer.attempt }).collect();
        self.actions.extend(cancels);
        self.link = Link::Over;
        self.actions.push(Action::Disconnect);
        self.actions.push(Action::Finished(outcome));
    }
}
