//! The state machine: its state, its clock, and what drives it.

mod activity;
mod leave;
mod link;
mod messages;
mod offers;
mod plan;
mod show;
mod work;

use std::collections::{BTreeMap, VecDeque};

use crowdfold_events::{
    Address, B256, Height, MessageBody, Signer, SigningDomain,
    wire::{ChainStatus, ClientFrame, Code, Reliable, SessionLimits, Standing},
};

use self::{activity::Activity, plan::Shapes};
use crate::{
    action::{About, Action, Outcome, ProverEvent},
    config::ProverConfig,
    fetch::Fetches,
    jobs::{Job, Jobs},
    pace::{Backoff, Speed},
};

/// Time for connecting and logging in.
const HANDSHAKE_MS: u64 = 15_000;
/// Refusals for a passing reason before a task is handed back.
const MAX_RETRIES: u32 = 5;
/// Pause before a refused request is made again.
const RETRY_MS: u64 = 2_000;
/// Most expected hashes that a registration is looked for with: hours on one core.
const MAX_REGISTRATION_WORK: u64 = 1 << 34;
/// Pause before a node that wants more is asked again.
const REGISTRATION_PAUSE_MS: u64 = 600_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Waiting { until_ms: u64 },
    Connecting { until_ms: u64 },
    Greeting { until_ms: u64 },
    LoggingIn { until_ms: u64, asks_resume: bool },
    Online { heard_ms: u64, since_ms: u64 },
    Over,
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
    genesis_hash: B256,
    domain: SigningDomain,
    params_digest: B256,
    node: Address,
    limits: SessionLimits,
}

/// Names a session at the node that gave it.
#[derive(Clone, Copy, Debug)]
struct Token {
    node: Address,
    value: B256,
}

/// One prover's connection to one node at a time.
#[derive(Debug)]
pub struct ProverCore {
    config: ProverConfig,
    signer: Signer,
    link: Link,
    backoff: Backoff,
    chain: Option<Chain>,
    /// `None` when there is nothing to resume.
    token: Option<Token>,
    /// Whether it was ever logged in: the chain may count on it.
    has_logged_in: bool,
    /// When jobs that a new session has not offered are given up.
    offers_due_ms: Option<u64>,
    reliable: Reliable<ClientFrame>,
    ack_due_ms: Option<u64>,
    standing: Standing,
    /// Tasks that the plugin may have at a time, once it was told.
    slots: Option<u32>,
    status: Option<ChainStatus>,
    /// When that height was heard of.
    status_ms: u64,
    next_sequence: u64,
    unanswered: BTreeMap<B256, About>,
    activity: Activity,
    registration: Registration,
    jobs: Jobs,
    fetches: Fetches,
    wanted: VecDeque<B256>,
    speed: Speed,
    shapes: Shapes,
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
            has_logged_in: false,
            offers_due_ms: None,
            reliable: Reliable::default(),
            ack_due_ms: None,
            standing: Standing::Unknown,
            slots: None,
            status: None,
            status_ms: now_ms,
            next_sequence: 1,
            unanswered: BTreeMap::new(),
            activity: Activity::default(),
            registration: Registration::Idle { due_ms: 0 },
            jobs: Jobs::default(),
            fetches: Fetches::default(),
            wanted: VecDeque::new(),
            shapes: Shapes::default(),
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
            | Link::LoggingIn { until_ms, .. } => Some(until_ms),
            Link::Online { heard_ms, .. } => {
                let jobs = self.jobs.by_task.values().filter_map(Job::due_ms).min();
                let register = match self.registration {
                    Registration::Idle { due_ms } if self.may_register() => Some(due_ms),
                    _ => None,
                };
                let hurry = match self.stop {
                    Stop::Hurried { until_ms } => Some(until_ms),
                    _ => None,
                };
                let others = [
                    self.ack_due_ms,
                    self.heartbeat_due_ms(),
                    self.inactive_due_ms(),
                    self.fetches.due_ms(),
                    self.offers_due_ms,
                    jobs,
                    register,
                    hurry,
                ];
                others.into_iter().flatten().chain([heard_ms.saturating_add(self.silence_ms())]).min()
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
            Link::Connecting { until_ms } | Link::Greeting { until_ms } | Link::LoggingIn { until_ms, .. }
                if now_ms >= until_ms =>
            {
                self.actions.push(Action::Disconnect);
                self.wait(now_ms, None, 0);
            }
            Link::Online { heard_ms, .. } if now_ms >= heard_ms.saturating_add(self.silence_ms()) => {
                self.actions.push(Action::Disconnect);
                self.wait(now_ms, Some(Code::Silent), 0);
            }
            Link::Online { .. } => self.drive(now_ms),
            _ => {}
        }
    }

    fn is_online(&self) -> bool {
        matches!(self.link, Link::Online { .. })
    }

    fn event(&mut self, event: ProverEvent) {
        self.actions.push(Action::Event(event));
    }

    /// Sends, starts and ends whatever is due.
    fn drive(&mut self, now_ms: u64) {
        // Whoever leaves the active set says so before anything else.
        self.drive_activity(now_ms);
        if !self.is_online() {
            return self.start_work(now_ms);
        }
        self.review(now_ms);
        self.drive_jobs(now_ms);
        self.start_work(now_ms);
        if self.heartbeat_due_ms().is_some_and(|due| now_ms >= due) {
            self.message(now_ms, MessageBody::Heartbeat, About::Heartbeat);
        }
        self.drive_registration(now_ms);
        if let Some(request) = self.fetches.request(now_ms) {
            self.send(now_ms, request);
        }
        self.drive_stop(now_ms);
        if self.is_online() && self.ack_due_ms.is_some_and(|due| now_ms >= due) {
            self.send(now_ms, ClientFrame::Ack {});
        }
    }

    fn finish(&mut self, outcome: Outcome) {
        if self.link == Link::Over {
            return;
        }
        let running = self.jobs.by_task.values().filter(|j| j.is_running());
        let cancels: Vec<Action> =
            running.map(|j| Action::CancelWork { task: j.offer.task, attempt: j.offer.attempt }).collect();
        self.actions.extend(cancels);
        self.link = Link::Over;
        self.actions.push(Action::Disconnect);
        self.actions.push(Action::Finished(outcome));
    }
}
