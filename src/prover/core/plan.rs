//! What the lanes can do in time.
//!
//! ```text
//! lanes take jobs by (open to everybody, deadline, task); a running job is never interrupted
//! an offer is taken when with it, and with a margin for what is not known exactly,
//!   it is proven before its deadline, and so is every job that would be without it
//! there is room when an offer like each of the latest could be taken
//! ```
//!
//! Two counts of time are used: with the margin for what can still be left,
//! without it for what is there already, so that a job is not taken and
//! handed back in turns.

use std::collections::{BTreeMap, VecDeque};

use crowdfold_events::{Height, TaskId, event::TaskKind, wire::Offer};

use super::ProverCore;
use crate::jobs::{Job, is_open_to_all, order};

/// Kinds of offers remembered.
const MAX_SHAPES: usize = 8;
/// Longest deadline that is remembered as usual, in blocks.
const MAX_LENGTH: u64 = 1 << 20;

/// What an offer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    kind: TaskKind,
    segments: u32,
    /// Blocks from assignment to deadline.
    length: u64,
}

/// The latest shapes of offers, newest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Shapes {
    seen: VecDeque<Shape>,
}

impl Shapes {
    pub(super) fn see(&mut self, offer: &Offer) {
        let length = offer.deadline.0.saturating_sub(offer.assigned.0);
        if is_open_to_all(offer) || length == 0 || length > MAX_LENGTH {
            return;
        }
        let shape = Shape { kind: offer.kind.clone(), segments: offer.segments, length };
        let is_fold = |kind: &TaskKind| matches!(kind, TaskKind::Aggregate { .. });
        self.seen.retain(|s| {
            (is_fold(&s.kind), s.segments, s.length) != (is_fold(&shape.kind), shape.segments, shape.length)
        });
        if self.seen.len() == MAX_SHAPES {
            self.seen.pop_front();
        }
        self.seen.push_back(shape);
    }
}

/// A job that waits for a lane. Times are in milliseconds from now.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    order: (bool, u64, TaskId),
    needs_ms: u64,
    left_ms: u64,
}

/// When jobs will be proven, and until when they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    /// Milliseconds from now until it is proven.
    pub(super) proven_ms: u64,
    /// Milliseconds from now until its deadline.
    pub(super) left_ms: u64,
}

impl Planned {
    pub(super) fn is_in_time(self) -> bool {
        self.proven_ms <= self.left_ms
    }
}

/// Everything that lanes have to do.
struct Plan {
    /// When each lane is free.
    lanes: Vec<u64>,
    waiting: Vec<Waiting>,
}

impl Plan {
    /// The waiting jobs by task.
    fn times(&self, extra: Option<Waiting>) -> BTreeMap<TaskId, Planned> {
        let mut lanes = self.lanes.clone();
        let mut waiting: Vec<Waiting> = self.waiting.iter().copied().chain(extra).collect();
        waiting.sort_unstable_by_key(|w| w.order);
        let mut times = BTreeMap::new();
        for job in waiting {
            let Some(lane) = lanes.iter_mut().min() else { break };
            *lane = lane.saturating_add(job.needs_ms);
            times.insert(job.order.2, Planned { proven_ms: *lane, left_ms: job.left_ms });
        }
        times
    }

    /// Whether a job fits: it is in time, and makes nobody late who was not.
    fn fits(&self, job: Waiting) -> bool {
        let (before, after) = (self.times(None), self.times(Some(job)));
        let is_in_time = |task: &TaskId, times: &BTreeMap<TaskId, Planned>| {
            times.get(task).is_some_and(|planned| planned.is_in_time())
        };
        let unharmed = before.keys().all(|task| !is_in_time(task, &before) || is_in_time(task, &after));
        unharmed && is_in_time(&job.order.2, &after)
    }

    /// Whether several jobs fit.
    fn fit(&self, job: impl Fn(u64) -> Waiting, number: u64) -> bool {
        let mut plan = Self { lanes: self.lanes.clone(), waiting: self.waiting.clone() };
        (0..number).all(|n| {
            let fits = plan.fits(job(n));
            plan.waiting.push(job(n));
            fits
        })
    }
}

impl ProverCore {
    /// Expected milliseconds until a deadline; `None` before the first status.
    pub(super) fn left_ms(&self, now_ms: u64, deadline: Height) -> Option<u64> {
        let status = self.status?;
        let block_ms = u64::from(status.block_time_ms);
        let blocks = deadline.0.saturating_sub(status.height.0);
        let gone = now_ms.saturating_sub(self.status_ms).min(block_ms);
        Some(blocks.saturating_mul(block_ms).saturating_sub(gone))
    }

    fn needs_ms(&self, kind: &TaskKind, segments: u32, is_safe: bool) -> Option<u64> {
        let estimate = self.speed.estimate(kind, segments)?;
        Some(if is_safe { estimate.safe_ms() } else { estimate.mean_ms })
    }

    /// What is left of a running job: of what its progress tells, else of what was expected.
    pub(super) fn remaining_ms(&self, now_ms: u64, job: &Job, is_safe: bool) -> Option<u64> {
        let elapsed = now_ms.saturating_sub(job.since_ms);
        let (at, permille) = job.progress;
        let whole = if permille >= 100 {
            at.saturating_sub(job.since_ms).saturating_mul(1000) / u64::from(permille)
        } else {
            self.needs_ms(&job.offer.kind, job.offer.segments, is_safe)?
        };
        // One that takes longer than it should will take a while still.
        let least = if elapsed > whole { elapsed / 8 } else { 0 };
        Some(whole.saturating_sub(elapsed).max(least))
    }

    fn waiting(&self, now_ms: u64, offer: &Offer, is_safe: bool) -> Option<Waiting> {
        Some(Waiting {
            order: order(offer),
            needs_ms: self.needs_ms(&offer.kind, offer.segments, is_safe)?,
            left_ms: self.left_ms(now_ms, offer.deadline)?,
        })
    }

    /// `None` when speed or status are unknown.
    fn plan(&self, now_ms: u64, is_safe: bool) -> Option<Plan> {
        let jobs = self.jobs.by_task.values();
        let running = jobs.clone().filter(|j| j.is_running());
        let mut lanes = running.map(|j| self.remaining_ms(now_ms, j, is_safe)).collect::<Option<Vec<u64>>>()?;
        let waiting = jobs.filter(|j| j.is_waiting());
        let waiting = waiting.map(|j| self.waiting(now_ms, &j.offer, is_safe)).collect::<Option<Vec<Waiting>>>()?;
        // More lanes than jobs make no difference.
        let most = lanes.len() + waiting.len() + 1;
        let free = (self.config.lanes.max(1) as usize).min(most).saturating_sub(lanes.len());
        lanes.extend(std::iter::repeat_n(0, free));
        Some(Plan { lanes, waiting })
    }

    /// When each job that waits will be proven, as far as can be said.
    pub(super) fn planned(&self, now_ms: u64) -> BTreeMap<TaskId, Planned> {
        self.plan(now_ms, false).map(|plan| plan.times(None)).unwrap_or_default()
    }

    /// Whether an offer can be met without harm to what was taken before. The
    /// job itself must not be among the jobs.
    pub(super) fn can_take(&self, now_ms: u64, offer: &Offer) -> bool {
        let left_ms = self.left_ms(now_ms, offer.deadline);
        match (self.plan(now_ms, true), self.waiting(now_ms, offer, true)) {
            (Some(plan), Some(job)) => plan.fits(job),
            // Whoever does not know how fast it is finds out with one at a time.
            _ => left_ms.is_some_and(|left| left > 0),
        }
    }

    /// Whether so many offers like each of the latest could be taken in `ahead_ms`.
    pub(super) fn has_room(&self, now_ms: u64, offers: u64, ahead_ms: u64) -> bool {
        let (Some(mut plan), Some(status)) = (self.plan(now_ms, true), self.status) else { return true };
        plan.lanes.iter_mut().for_each(|lane| *lane = lane.saturating_sub(ahead_ms));
        let idle = Plan { lanes: vec![0], waiting: Vec::new() };
        self.shapes.seen.iter().all(|shape| {
            let Some(needs_ms) = self.needs_ms(&shape.kind, shape.segments, true) else { return true };
            let left_ms = shape.length.saturating_mul(u64::from(status.block_time_ms));
            let deadline = status.height.0.saturating_add(shape.length);
            let job = |n: u64| Waiting { order: (false, deadline, TaskId(u64::MAX - n)), needs_ms, left_ms };
            // What cannot be met at all is handed back at any time.
            !idle.fits(job(0)) || plan.fit(job, offers)
        })
    }

    /// The waiting job that will be late even if all goes as expected, if there is one.
    pub(super) fn late(&self, now_ms: u64) -> Option<TaskId> {
        let times = self.plan(now_ms, false)?.times(None);
        let late = times.iter().filter(|(_, planned)| !planned.is_in_time());
        late.map(|(task, _)| *task)
            .filter_map(|task| self.jobs.by_task.get(&task))
            .min_by_key(|job| order(&job.offer))
            .map(|job| job.offer.task)
    }
}
