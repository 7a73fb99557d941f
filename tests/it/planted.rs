//! Bugs planted in the kernel and in the node's cores, found by the checkers of a simulated world.

use crowdfold::{
    planted::{self, Bug},
    sim::{self, FaultLevel, SimOptions, adversaries::Adversary},
};
use crowdfold_kernel::planted as kernel;

fn hunt(seed: u64, faults: FaultLevel) -> Option<(&'static str, u64, String)> {
    let options = SimOptions {
        seed,
        duration_ms: 2_400_000,
        plugins: 12,
        validators: 4,
        transactions_per_block: 3,
        faults,
        without: Vec::new(),
        from: None,
        adversaries: vec![Adversary::HeartbeatOnly, Adversary::HandBackAbuser, Adversary::Lazy],
    };
    // A core's own assertion ends its process: that is a find too.
    let failure = match std::panic::catch_unwind(|| sim::run(&options)) {
        Ok(Ok(report)) => report.failure?,
        Ok(Err(error)) => return Some(("begin", 0, error.to_string())),
        Err(_) => return Some(("assertion", 0, "a core's own".to_owned())),
    };
    Some((failure.rule, failure.height, failure.detail))
}

/// The rules of which one must be the first to break.
fn expected(bug: Bug) -> &'static [&'static str] {
    match bug {
        Bug::LedgerForgetsAppend | Bug::LedgerCutsFrame => &["commit", "assertion"],
        Bug::ReplayAppliesTwice => &["restart"],
        Bug::PoolForgetsTransaction => &["transactions-arrive", "liveness", "work-ends"],
        Bug::SequencerDropsAggregates | Bug::SubmitterNeverCertifies | Bug::SequencerStaleCommit => {
            &["work-ends", "liveness", "proposal", "execution"]
        }
        Bug::AssignerOffersOnce => &["work-ends", "liveness"],
    }
}

#[test]
fn bugs_of_the_cores_are_found_in_a_world() {
    let mut missed = Vec::new();
    for bug in Bug::ALL {
        // Only a replica that was started again has replayed anything.
        let faults = if bug == Bug::ReplayAppliesTwice { FaultLevel::Harsh } else { FaultLevel::Mild };
        let found = (1..=6).find_map(|seed| {
            planted::plant(Some(bug));
            let found = hunt(seed, faults);
            planted::plant(None);
            found.map(|f| (seed, f))
        });
        match found {
            Some((seed, (rule, height, detail))) => {
                println!("{:<26} seed {seed} block {height:>4} {rule}: {}", format!("{bug:?}"), cut(&detail));
                if !expected(bug).contains(&rule) {
                    missed.push((bug, rule));
                }
            }
            None => {
                println!("{:<26} NOT FOUND", format!("{bug:?}"));
                missed.push((bug, "nothing"));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}

/// A found world gets smaller, still breaks the same rule, and no run is made that was not allowed.
#[test]
fn a_failing_world_shrinks_as_long_as_it_may() {
    planted::plant(Some(Bug::SubmitterNeverCertifies));
    let options = SimOptions {
        seed: 1,
        duration_ms: 600_000,
        plugins: 8,
        validators: 3,
        transactions_per_block: 2,
        faults: FaultLevel::Mild,
        without: Vec::new(),
        from: None,
        adversaries: Vec::new(),
    };
    let report = sim::run(&options).unwrap();
    let failure = report.failure.as_ref().expect("certificates never come");
    let mut left = 6;
    let mut goes_on = || {
        left -= 1;
        left >= 0
    };
    let smaller = sim::shrink::shrink(&options, failure.rule, report.simulated_ms, &mut goes_on);
    let again = sim::run(&smaller).unwrap().failure;
    planted::plant(None);
    assert_eq!(left, -1, "asked before each run, and not once more after the no");
    assert_eq!(again.map(|f| f.rule), Some(failure.rule));
    assert!(smaller.duration_ms < options.duration_ms || smaller.plugins < options.plugins, "{smaller:?}");
}

/// A sample: `crowdfold-checkers` finds each of all kernel bugs on chains of its own.
#[test]
fn bugs_of_the_kernel_are_found_in_a_world() {
    use kernel::Bug as K;
    let bugs = [
        (K::PenaltyDoubled, "penalty"),
        (K::PenaltyForgotten, "penalty"),
        (K::BountyAtAcceptance, "reward"),
        (K::DeadlineOffByOne, "deadline"),
        (K::DrawBiased, "draw"),
        (K::DrawNotFrozen, "draw"),
        (K::TrustKept, "trust"),
        (K::CapacityUncapped, "bounty"),
        (K::SuspensionMissed, "suspension"),
        (K::BatchGap, "batches"),
        (K::FeeSplitLosesUnit, "fee-split"),
        (K::SettlementPaysBond, "settlement"),
    ];
    let mut missed = Vec::new();
    for (bug, rule) in bugs {
        kernel::plant(Some(bug));
        let found = hunt(1, FaultLevel::None);
        kernel::plant(None);
        println!("{bug:?}: {:?}", found.as_ref().map(|(rule, height, detail)| (rule, height, cut(detail))));
        if found.is_none_or(|(found, ..)| found != rule) {
            missed.push(bug);
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}

fn cut(text: &str) -> String {
    text.chars().take(140).collect()
}
