//! Each planted bug is found by a checker, by name.
//!
//! Where the kernel's own invariants are first, the chain runs again blind,
//! without them, and an independent checker must find it.

use crowdfold_checkers::Check;
use crowdfold_kernel::planted::{self, Bug};

use crate::chain::{Chain, Finding};

const SEEDS: u64 = 12;
const BLOCKS: u64 = 400;

/// The checks of which one must be the first to speak.
fn expected(bug: Bug) -> &'static [Check] {
    use Bug as B;
    use Check as C;
    match bug {
        B::PenaltyDoubled | B::PenaltyToProposer | B::PenaltyAllDebt | B::PenaltyForgotten | B::HandBackCheap => {
            &[C::Penalty]
        }
        B::RewardTwice | B::RewardIgnoresDebt | B::BountyAtAcceptance => &[C::Reward],
        B::DeadlineOffByOne => &[C::Deadline],
        B::GraceForgotten => &[C::Timeout],
        B::DrawBiased | B::DrawIneligible | B::DrawNotFrozen | B::DrawReplaces => &[C::Draw],
        B::AssignedTwice => &[C::Draw, C::LiveAssignment],
        B::SlotsUnlimited => &[C::Draw, C::Slots],
        B::TrustKept => &[C::Trust],
        B::DebtKeepsSlots => &[C::Draw, C::Trust, C::Slots],
        B::BumpBeyondCap => &[C::Bump],
        B::CapacityUncapped | B::IssuanceUncapped => &[C::Bounty],
        B::EpochAllowanceDouble => &[C::Epoch],
        B::SuspensionMissed | B::ReinstatedTooEarly | B::ProposerStaysSuspended => &[C::Suspension],
        B::RefundToOther | B::RefundTwice => &[C::Refund],
        B::QuarantineNever => &[C::Quarantine],
        B::SettlementOverpays | B::SettlementCursorStuck | B::SettlementPaysBond => &[C::Settlement],
        // The events are right, the live state is not.
        B::SettlementPaysTwice => &[C::Comparison],
        B::WithdrawFree => &[C::Withdrawal],
        B::HeartbeatsNeverExpire | B::RefusedBeats => &[C::Activity],
        B::BatchGap | B::BatchTooLarge => &[C::Batches],
        B::AggregateEarly => &[C::TaskOpening, C::Aggregation],
        B::BaseFeeIgnoresBacklog => &[C::BaseFee],
        B::SequenceRepeats => &[C::Sequence],
        B::FeeSplitLosesUnit => &[C::FeeSplit],
        B::EncumbranceIgnored => &[C::Encumbrance],
        B::ProofFromAnybody => &[C::Verdict, C::ProofAcceptance],
        B::BacklogKept => &[C::Comparison],
        B::TimeStandsStill => &[C::BlockTime],
        B::RegistrationFree => &[C::Verdict],
        B::AdmissionItemFixed => &[C::TaskOpening],
        B::ReplayForgetsTrust => &[C::Replay],
    }
}

struct Found {
    seed: u64,
    height: u64,
    by: String,
    checks: Vec<Check>,
}

fn hunt(bug: Bug, blind: bool) -> Option<Found> {
    for seed in 0..SEEDS {
        planted::plant(None);
        let mut chain = Chain::new(seed);
        if blind {
            chain = chain.blind();
        }
        planted::plant(Some(bug));
        planted::blind(blind);
        let end = chain.run(BLOCKS);
        planted::plant(None);
        planted::blind(false);
        let height = chain.checkers.height().0;
        match end {
            Ok(()) => {}
            Err(Finding::Checkers(found)) => {
                let checks: Vec<Check> = found.iter().map(|v| v.check).collect();
                return Some(Found { seed, height, by: found[0].to_string(), checks });
            }
            Err(Finding::Kernel(text)) => {
                return Some(Found { seed, height, by: format!("kernel: {text}"), checks: vec![] });
            }
            Err(Finding::Replay) => {
                return Some(Found { seed, height, by: "replay differs".into(), checks: vec![Check::Replay] });
            }
        }
    }
    None
}

#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    println!("{:<24} {:>4} {:>6}  found by", "planted bug", "seed", "block");
    for bug in Bug::ALL {
        let name = format!("{bug:?}");
        let live = hunt(*bug, false);
        show(&name, &live, "");
        // Where the kernel was first, a checker must find it too.
        let kernel_first = live.as_ref().is_some_and(|f| f.checks.is_empty());
        let blind = if kernel_first { hunt(*bug, true) } else { live };
        if kernel_first {
            show(&name, &blind, " (blind)");
        }
        let allowed = expected(*bug);
        let first = blind.as_ref().and_then(|f| f.checks.first());
        let by_checker = first.is_some_and(|c| allowed.contains(c));
        // The execution crate refuses a settlement that does not balance, blind or not.
        let refused = *bug == Bug::SettlementOverpays && blind.as_ref().is_some_and(|f| f.by.starts_with("kernel: "));
        if !(by_checker || refused) {
            missed.push((name, blind.map(|f| f.by)));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

fn show(name: &str, found: &Option<Found>, how: &str) {
    match found {
        Some(f) => println!("{name:<24} {:>4} {:>6}  {}{how}", f.seed, f.height, cut(&f.by)),
        None => println!("{name:<24} {:>4} {:>6}  NOT FOUND{how}", "", ""),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(150).collect()
}
