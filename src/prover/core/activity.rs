//! In or out of the active set.
//!
//! ```text
//! wanted  ⇔ not stopped, not paused, not full
//! gone    GoInactive at once, before any other message; no heartbeats
//! back    a heartbeat as soon as the node takes one
//! ```
//!
//! A plugin is *full* while its free slots could be given work that it cannot
//! do in time: trust gives slots, lanes do the work. A task that is not drawn
//! costs nothing, one that is handed back costs a penalty. Fullness begins
//! only with something new (a task taken or ended, other slots) and ends by
//! itself, so that it does not flutter.

use crowdfold_events::{
    MessageBody,
    event::InactiveReason,
    wire::{Notice, Standing},
};

use super::{ProverCore, Stop};
use crate::{action::About, jobs::is_open_to_all};

/// Blocks between a heartbeat and the first offer that may follow: inclusion and the draw's lag.
const AHEAD_BLOCKS: u64 = 2;
/// Tasks that may well be drawn before a wish to leave is in a block.
const MAX_AT_ONCE: u64 = 2;
/// Pause before a wish to leave that had no effect is said again.
const AGAIN_MS: u64 = 60_000;
/// Shortest time between two heartbeats, whatever the node says.
const LEAST_HEARTBEAT_MS: u64 = 250;

/// The last word about the active set that was signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Said {
    #[default]
    Nothing,
    Heartbeat,
    GoInactive,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Activity {
    is_paused: bool,
    is_full: bool,
    /// Whether the plugin wants to be active, as of the last look.
    is_wanted: bool,
    said: Said,
    /// When the wish to leave is due.
    inactive_due_ms: Option<u64>,
    /// The next heartbeat is due as soon as the node takes one.
    is_overdue: bool,
    last_signed_ms: Option<u64>,
    last_heartbeat_ms: Option<u64>,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            is_paused: false,
            is_full: false,
            is_wanted: true,
            said: Said::Nothing,
            inactive_due_ms: None,
            is_overdue: false,
            last_signed_ms: None,
            last_heartbeat_ms: None,
        }
    }
}

impl ProverCore {
    /// Leaves the active set and takes no new work; what was assigned before
    /// is finished, what cannot be met handed back. Neither registers nor says
    /// heartbeats until [`Self::resume`]. Holds across connections, and may be
    /// asked for at any time.
    pub fn pause(&mut self, now_ms: u64) {
        self.activity.is_paused = true;
        self.leave_open_tasks(now_ms);
        self.drive(now_ms);
    }

    /// Ends a pause: back into the active set.
    pub fn resume(&mut self, now_ms: u64) {
        self.activity.is_paused = false;
        self.drive(now_ms);
    }

    pub(super) fn is_paused(&self) -> bool {
        self.activity.is_paused
    }

    pub(super) fn is_full(&self) -> bool {
        self.activity.is_full
    }

    fn wants_active(&self) -> bool {
        self.stop == Stop::Running && !self.activity.is_paused && !self.activity.is_full
    }

    /// Slots that a draw may fill, as far as is known, and as many as are looked at.
    fn free_slots(&self) -> u64 {
        let own = self.jobs.by_task.values().filter(|j| !is_open_to_all(&j.offer)).count() as u64;
        self.slots.map_or(1, |slots| u64::from(slots).saturating_sub(own)).min(MAX_AT_ONCE)
    }

    /// Something is new that may take the room away.
    pub(super) fn look_for_room(&mut self, now_ms: u64) {
        let free = self.free_slots();
        self.activity.is_full = free > 0 && self.jobs.unproven() > 0 && !self.has_room(now_ms, free, 0);
    }

    /// Begins or ends the plugin's time in the active set.
    pub(super) fn drive_activity(&mut self, now_ms: u64) {
        if self.activity.is_full {
            let block_ms = self.status.map_or(0, |s| u64::from(s.block_time_ms));
            let (free, ahead_ms) = (self.free_slots(), block_ms.saturating_mul(AHEAD_BLOCKS));
            self.activity.is_full = self.jobs.unproven() > 0 && !self.has_room(now_ms, free, ahead_ms);
        }
        let wants = self.wants_active();
        if wants != self.activity.is_wanted {
            self.activity.is_wanted = wants;
            self.activity.is_overdue |= wants;
            self.activity.inactive_due_ms = (!wants).then_some(now_ms);
        }
        let is_due = self.activity.inactive_due_ms.is_some_and(|due| now_ms >= due);
        if !is_due || !self.is_online() || self.stop != Stop::Running {
            return;
        }
        let may_be_active = match self.standing {
            Standing::Active => true,
            Standing::Inactive => self.activity.said == Said::Heartbeat,
            _ => false,
        };
        self.activity.inactive_due_ms = may_be_active.then_some(now_ms + AGAIN_MS);
        if may_be_active {
            self.message(now_ms, MessageBody::GoInactive, About::GoInactive);
        }
    }

    pub(super) fn inactive_due_ms(&self) -> Option<u64> {
        self.activity.inactive_due_ms.filter(|_| self.stop == Stop::Running)
    }

    /// A message was signed.
    pub(super) fn signed(&mut self, now_ms: u64, about: About) {
        let activity = &mut self.activity;
        activity.last_signed_ms = Some(now_ms);
        match about {
            About::Heartbeat => {
                activity.said = Said::Heartbeat;
                activity.last_heartbeat_ms = Some(now_ms);
                activity.is_overdue = false;
            }
            About::GoInactive => activity.said = Said::GoInactive,
            _ => {}
        }
    }

    /// The node did not take the wish to leave.
    pub(super) fn not_inactive(&mut self, due_ms: u64) {
        if !self.activity.is_wanted {
            self.activity.inactive_due_ms = Some(due_ms);
        }
    }

    /// A new session: nothing said before counts.
    pub(super) fn say_again(&mut self, now_ms: u64) {
        self.activity.said = Said::Nothing;
        self.activity.is_overdue = true;
        self.activity.inactive_due_ms = (!self.activity.is_wanted).then_some(now_ms);
    }

    /// What a block did to the plugin's standing.
    pub(super) fn noticed(&mut self, now_ms: u64, notice: &Notice) {
        if let Notice::TrustChanged { slots, .. } = notice {
            self.slots = Some(*slots);
            self.look_for_room(now_ms);
        }
        let Some(standing) = notice.standing() else { return };
        self.standing = standing;
        let activity = &mut self.activity;
        match standing {
            Standing::Active => {
                activity.is_overdue = false;
                if !activity.is_wanted {
                    activity.inactive_due_ms.get_or_insert(now_ms);
                }
            }
            Standing::Inactive => {
                let was_asked = matches!(notice, Notice::Deactivated { reason: InactiveReason::Requested });
                // A heartbeat that was said after the wish to leave is on its way.
                activity.is_overdue |= !(was_asked && activity.said == Said::Heartbeat);
                if activity.said == Said::GoInactive {
                    activity.inactive_due_ms = None;
                }
            }
            _ => activity.inactive_due_ms = None,
        }
    }

    /// A third of the time for which one message keeps the plugin active, if
    /// blocks come as fast as they can.
    pub(super) fn heartbeat_due_ms(&self) -> Option<u64> {
        let (chain, status) = (self.chain.as_ref()?, self.status?);
        if !self.wants_active() || !matches!(self.standing, Standing::Inactive | Standing::Active) {
            return None;
        }
        let ttl_ms = u64::from(chain.limits.heartbeat_ttl_blocks).saturating_mul(u64::from(status.block_time_ms));
        let least = u64::from(chain.limits.min_heartbeat_ms).saturating_add(1).max(LEAST_HEARTBEAT_MS);
        let activity = &self.activity;
        if activity.is_overdue {
            return Some(activity.last_heartbeat_ms.map_or(0, |last| last.saturating_add(least)));
        }
        Some(activity.last_signed_ms.map_or(0, |last| last.saturating_add((ttl_ms / 3).max(least))))
    }
}
