//! Where two events of one kind differ, and which check answers for it.

use crowdfold_events::Event;

use crate::violation::{Check, check_of};

/// A field that is not as expected.
pub(crate) struct Difference {
    pub(crate) check: Check,
    pub(crate) field: &'static str,
    pub(crate) expected: String,
    pub(crate) found: String,
}

/// The fields that differ, of two events of one kind.
pub(crate) fn differences(expected: &Event, found: &Event) -> Vec<Difference> {
    let mut out = Vec::new();
    macro_rules! fields {
        ($($kind:ident { $($field:ident),+ },)+) => {
            $($(
                if let (Event::$kind { $field: a, .. }, Event::$kind { $field: b, .. }) = (expected, found)
                    && a != b
                {
                    let field = stringify!($field);
                    let check = blame(expected, field);
                    out.push(Difference { check, field, expected: format!("{a:?}"), found: format!("{b:?}") });
                }
            )+)+
        };
    }
    fields! {
        MessageAccepted { hash, sender, sequence },
        MessageRefused { hash, sender, sequence, reason },
        HeartbeatsRecorded { bitmap },
        PluginRegistered { plugin },
        AdmissionPassed { plugin, task },
        AdmissionLapsed { plugin, task },
        PluginActivated { plugin },
        PluginDeactivated { plugin, reason },
        PluginSuspended { plugin, debt },
        PluginReinstated { plugin },
        WithdrawRequested { plugin, fee },
        TaskOpened { task, kind, segments, base_bounty, funded },
        TaskAssigned { task, plugin, attempt, bounty, from_issuance, deadline, receipt },
        TaskHandedBack { task, plugin },
        ProofAccepted { task, plugin, proof_hash },
        AggregateAccepted { task, plugin, proof_hash },
        AssignmentTimedOut { task, plugin, deadline },
        PenaltyCharged { plugin, task, reason, amount, from_accrued, to_debt, holding_after },
        PenaltyRefunded { plugin, task, amount, to_debt },
        TrustChanged { plugin, consecutive_valid, slots },
        BountyBumped { task, bounty },
        TaskQuarantined { task, deadline },
        RewardAccrued { plugin, task, amount, from_fees, from_issuance, to_debt },
        DebtRepaid { plugin, amount, payer },
        BatchClosed { batch, first_item, items, segments, pre_root, post_root },
        BatchProven { batch, proof_hash },
        BatchCertified { batch },
        EpochStarted { epoch, issuance_allowance, registration_work },
        BlockSealed { height, state_root, market_root },
    }
    out
}

fn blame(event: &Event, field: &str) -> Check {
    match (event, field) {
        (Event::TaskAssigned { .. }, "bounty" | "from_issuance") => Check::Bounty,
        (Event::TaskAssigned { .. } | Event::AssignmentTimedOut { .. }, "deadline") => Check::Deadline,
        (Event::MessageAccepted { .. } | Event::MessageRefused { .. }, "sequence") => Check::Sequence,
        _ => check_of(event),
    }
}
