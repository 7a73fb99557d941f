//! How much was checked.

use crowdfold_events::{Block, Event};
use crowdfold_kernel::draw::slots_root;
use serde::Serialize;

/// What was checked, by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // Each counts what it names.
pub struct Counts {
    pub blocks: u64,
    pub events: u64,
    pub transactions: u64,
    pub messages_accepted: u64,
    pub messages_refused: u64,
    /// Commit signatures over blocks, by validators of the genesis.
    pub signatures: u64,
    /// Draws recomputed from their receipts and from events alone.
    pub draws: u64,
    /// Admission items recomputed.
    pub admissions: u64,
    pub proofs_accepted: u64,
    pub rewards: u64,
    pub penalties: u64,
    pub refunds: u64,
    pub bounty_rises: u64,
    pub repayments: u64,
    pub settlements: u64,
    pub settlement_entries: u64,
    pub batches_proven: u64,
    pub batches_certified: u64,
    pub epochs: u64,
    /// Amounts in events that separate books gave too.
    pub amounts: u64,
    /// Times that all totals were recomputed from their parts.
    pub conservation_checks: u64,
}

impl Counts {
    /// Adds what a block that was checked has.
    pub(crate) fn block(&mut self, block: &Block, events: &[Event]) {
        let c = self;
        c.blocks += 1;
        c.events += events.len() as u64;
        c.signatures += block.body.last_commit.signatures.len() as u64;
        let no_slots = slots_root(&[]);
        for event in events {
            let counter = match event {
                Event::TransactionExecuted { .. } => &mut c.transactions,
                Event::MessageAccepted { .. } => &mut c.messages_accepted,
                Event::MessageRefused { .. } => &mut c.messages_refused,
                Event::TaskAssigned { receipt, .. } if receipt.set_root == no_slots => &mut c.admissions,
                Event::TaskAssigned { .. } => &mut c.draws,
                Event::ProofAccepted { .. } | Event::AggregateAccepted { .. } => &mut c.proofs_accepted,
                Event::RewardAccrued { .. } => &mut c.rewards,
                Event::PenaltyCharged { .. } => &mut c.penalties,
                Event::PenaltyRefunded { .. } => &mut c.refunds,
                Event::BountyBumped { .. } => &mut c.bounty_rises,
                Event::DebtRepaid { .. } => &mut c.repayments,
                Event::SettlementApplied { entries, .. } => {
                    c.settlement_entries += entries.len() as u64;
                    &mut c.settlements
                }
                Event::BatchProven { .. } => &mut c.batches_proven,
                Event::BatchCertified { .. } => &mut c.batches_certified,
                Event::EpochStarted { .. } => &mut c.epochs,
                _ => continue,
            };
            *counter += 1;
        }
    }
}

/// Whether the books compute something in this event.
pub(crate) fn has_amount(event: &Event) -> bool {
    matches!(
        event,
        Event::TransactionExecuted { .. }
            | Event::TaskOpened { .. }
            | Event::TaskAssigned { .. }
            | Event::BountyBumped { .. }
            | Event::RewardAccrued { .. }
            | Event::PenaltyCharged { .. }
            | Event::PenaltyRefunded { .. }
            | Event::WithdrawRequested { .. }
            | Event::DebtRepaid { .. }
            | Event::SettlementApplied { .. }
            | Event::EpochStarted { .. }
    )
}
