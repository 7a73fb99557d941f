//! Which notices are told again to a plugin that comes without its session.

use std::collections::VecDeque;

use crowdfold_events::{
    Height,
    wire::{Happened, MAX_RECENT, Notice},
};

/// Whether a notice is worth telling later: what it says is not in the account.
#[must_use]
pub fn is_kept(notice: &Notice) -> bool {
    !matches!(notice, Notice::TrustChanged { .. } | Notice::MessageRefused { .. })
}

/// Appends what is kept, forgetting the oldest beyond [`MAX_RECENT`].
pub fn keep_recent(happened: &mut VecDeque<Happened>, height: Height, notice: &Notice) {
    if !is_kept(notice) {
        return;
    }
    if happened.len() == MAX_RECENT {
        happened.pop_front();
    }
    happened.push_back(Happened { height, notice: notice.clone() });
}
