//! What each attack earns, beside honest plugins of the same world.

use crowdfold::sim::{
    self, FaultLevel, SimOptions,
    adversaries::{Adversary, Earned, EarningsReport},
};

fn world(adversaries: &[Adversary], plugins: u32, duration_ms: u64) -> EarningsReport {
    let options = SimOptions {
        seed: 11,
        duration_ms,
        plugins,
        validators: 1,
        transactions_per_block: 6,
        faults: FaultLevel::None,
        without: Vec::new(),
        from: None,
        adversaries: adversaries.to_vec(),
    };
    let report = sim::run(&options).unwrap();
    assert!(report.failure.is_none(), "{:?}\nreplay with: {}", report.failure, report.command);
    let earnings = report.earnings.unwrap();
    println!("{}", earnings.lines().join("\n"));
    earnings
}

/// Net per identity of an attack is below that of an honest plugin.
fn earns_less(report: &EarningsReport, adversary: Adversary) -> Earned {
    let of = report.of(adversary);
    assert!(of.tasks > 0, "{adversary:?} was given work: {of:?}");
    let (its, honest) = (of.net_per_identity().unwrap(), report.honest.net_per_identity().unwrap());
    assert!(its < honest, "{adversary:?}: {its} per identity, an honest plugin {honest}");
    of
}

#[test]
fn no_attack_pays() {
    let report = world(&Adversary::ALL, 48, 5_400_000);
    let honest = report.honest;
    assert!(honest.net() > 0, "{honest:?}");
    let per_segment = honest.net_per_segment().unwrap();

    // Whoever does not work earns nothing and ends in debt, suspended.
    for idle in [Adversary::HeartbeatOnly, Adversary::ProofThief, Adversary::InvalidFlood] {
        let of = earns_less(&report, idle);
        assert_eq!((of.proofs, of.earned), (0, 0), "{idle:?}");
        assert!(of.penalties > 0, "{idle:?}: {of:?}");
    }
    let of = earns_less(&report, Adversary::HeartbeatOnly);
    assert!(of.suspensions >= 1 && of.timeouts >= 4, "{of:?}");

    // A debt that is left behind was never anybody's money: what was earned with it is nothing.
    let of = earns_less(&report, Adversary::DebtAbandoner);
    assert_eq!(of.earned, 0);
    assert!(of.identities > 1 && of.debt > 0, "it came back under another name: {of:?}");

    for choosy in [Adversary::CherryPicker, Adversary::HandBackAbuser] {
        let of = earns_less(&report, choosy);
        assert!(of.handed_back > 0 && of.net() < 0, "{choosy:?}: {of:?}");
    }

    let of = earns_less(&report, Adversary::Lazy);
    assert!(of.timeouts > 0 && of.net() < 0, "{of:?}");

    // The pair together, the accomplice's rewards included.
    let of = earns_less(&report, Adversary::Staller);
    assert!(of.timeouts > 0, "{of:?}");
    assert!(of.net_per_segment().unwrap() < per_segment, "{of:?}");

    // The fees of the spam are far above what its share of the work brings.
    let of = earns_less(&report, Adversary::SelfSpammer);
    assert!(of.fees > of.earned && of.net() < 0, "{of:?}");

    // One machine with many names works no faster than one with one name, and is not paid better.
    let of = earns_less(&report, Adversary::Sybils);
    assert!(of.proofs > 0);
    assert!(of.net_per_segment().unwrap() <= per_segment * 11 / 10, "{of:?}");

    // Away half of the time, paid less than half as much more.
    earns_less(&report, Adversary::DropOuts);
}

/// With few slots the multiple does rise when a group leaves, for those who stay.
#[test]
fn leaving_together_raises_the_pay_of_those_who_stay() {
    let report = world(&[Adversary::DropOuts], 12, 5_400_000);
    let of = earns_less(&report, Adversary::DropOuts);
    assert!(of.proofs > 0, "{of:?}");
    assert!(report.most_multiple_bp <= 20_000, "the cap holds");
}
