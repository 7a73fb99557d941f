//! What the chain holds of a plugin, for its session.

use crowdfold_events::{Address, wire::Account};
use crowdfold_kernel::State;

use super::standing;

/// What the chain holds of an address after the state's block.
#[must_use]
pub fn account(state: &State, plugin: &Address) -> Account {
    let info = state.account_info(plugin);
    let trust = state.trust(plugin);
    let (accepted, failed) = state.plugin(plugin).map_or((0, 0), |p| (p.accepted, p.failed));
    Account {
        height: state.height(),
        standing: standing(state, plugin),
        balance: info.balance,
        accrued: info.accrued,
        debt: info.debt,
        bond: info.bond,
        consecutive_valid: trust.map_or(0, |t| t.consecutive_valid),
        slots: trust.map_or(0, |t| t.slots),
        next_slot_at: trust.and_then(|t| t.next_slot_at),
        accepted,
        failed,
    }
}

/// Whether two accounts differ in more than their block.
#[must_use]
pub fn differs(old: &Account, new: &Account) -> bool {
    *old != Account { height: old.height, ..*new }
}
