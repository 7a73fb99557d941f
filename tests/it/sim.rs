//! Simulated worlds: the same bytes from the same seed, every rule kept under
//! every level of faults, faults that really happen, and failures that shrink.

use std::collections::BTreeSet;

use crowdfold::{
    proofs::SimulatedChecker,
    sim::{self, FaultKind, FaultLevel, SimOptions, SimReport, faults::L1FaultKind},
};
use crowdfold_config::{DEMO, Genesis, SIMULATION};
use crowdfold_events::ItemIndex;

use crate::world;

fn small(seed: u64, faults: FaultLevel) -> SimOptions {
    SimOptions {
        seed,
        duration_ms: 600_000,
        plugins: 8,
        validators: 4,
        transactions_per_block: 2,
        faults,
        without: Vec::new(),
        from: None,
        adversaries: Vec::new(),
    }
}

fn green(options: &SimOptions) -> SimReport {
    let report = sim::run(options).unwrap();
    assert!(report.failure.is_none(), "{:?}\nreplay with: {}", report.failure, report.command);
    report
}

fn without_times(report: &SimReport) -> String {
    let mut value = serde_json::to_value(report).unwrap();
    value["wall_ms"] = 0.into();
    value["cpu_ms"] = 0.into();
    value.to_string()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let mut hashes = BTreeSet::new();
    for seed in 1..=2 {
        for faults in [FaultLevel::None, FaultLevel::Mild, FaultLevel::Harsh, FaultLevel::Swarm] {
            let options = small(seed, faults);
            let (one, two) = (green(&options), green(&options));
            assert_eq!(without_times(&one), without_times(&two));
            hashes.insert(one.journal_hash);
        }
    }
    assert_eq!(hashes.len(), 8, "worlds with other seeds or faults are other worlds");
}

#[test]
fn a_world_does_all_that_a_chain_does() {
    let report = green(&SimOptions { duration_ms: 1_800_000, ..small(3, FaultLevel::None) });
    assert!(report.transactions > 100, "{report:?}");
    assert!(report.proofs >= report.transactions, "{report:?}");
    assert!(report.aggregates > 10 && report.batches > 2, "{report:?}");
    assert_eq!(report.faults.total(), 0);
    assert_eq!(report.unsupported, L1FaultKind::ALL);
    assert!(report.rechecked > 0, "what is memoised is computed again now and then");
}

#[test]
fn worlds_of_other_shapes_keep_every_rule() {
    for (validators, plugins, transactions_per_block) in [(1, 1, 1), (2, 3, 1), (3, 5, 0), (7, 4, 2)] {
        let options = SimOptions { validators, plugins, transactions_per_block, ..small(5, FaultLevel::Harsh) };
        let report = green(&options);
        assert!(report.faults.total() > 0);
    }
}

#[test]
fn swarm_keeps_every_rule() {
    // `scripts/swarm 200` is the long version.
    for seed in 100..112 {
        green(&small(seed, FaultLevel::Swarm));
    }
}

#[test]
fn every_kind_of_fault_is_injected() {
    let mut seen = BTreeSet::new();
    for seed in 1..40 {
        let options = SimOptions { plugins: 24, duration_ms: 1_200_000, ..small(seed, FaultLevel::Harsh) };
        seen.extend(green(&options).faults.iter().map(|(kind, _)| kind));
        if seen.len() == FaultKind::ALL.len() {
            return;
        }
    }
    let missing: Vec<_> = FaultKind::ALL.iter().filter(|kind| !seen.contains(kind)).collect();
    panic!("never injected: {missing:?}");
}

#[test]
fn a_kind_that_is_left_out_does_not_happen() {
    let mut options = small(8, FaultLevel::Harsh);
    let all = green(&options).faults;
    assert!(all.of(FaultKind::MessageLoss) > 0);
    options.without = vec![FaultKind::MessageLoss, FaultKind::ProverCrash];
    let some = green(&options).faults;
    assert_eq!(some.of(FaultKind::MessageLoss), 0);
    assert_eq!(some.of(FaultKind::ProverCrash), 0);
    assert!(some.total() > 0);
}

#[test]
fn faults_of_an_l1_are_unsupported_by_name() {
    for kind in L1FaultKind::ALL {
        let error = kind.name().parse::<FaultKind>().unwrap_err();
        assert_eq!(error, sim::faults::FaultRequestError::Unsupported(*kind));
    }
    assert!("meteor".parse::<FaultKind>().is_err());
    for kind in FaultKind::ALL {
        assert_eq!(kind.name().parse::<FaultKind>().as_ref(), Ok(kind));
    }
}

#[tokio::test]
async fn no_node_runs_a_simulated_chain() {
    let genesis = Genesis::from_toml(SIMULATION).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = crowdfold::node::NodeConfig {
        genesis: genesis.clone(),
        data_dir: dir.path().to_owned(),
        rpc_addr: "127.0.0.1:0".parse().unwrap(),
        validator: crowdfold_events::Signer::from_bytes(&[1; 32]).unwrap(),
        checker: std::sync::Arc::new(SimulatedChecker),
        snapshot_every: crate::world::EVERY,
        plugins: crowdfold::node::PluginAccess::default(),
    };
    let refused = crowdfold::node::Node::start(config).await;
    assert!(matches!(refused, Err(crowdfold::node::NodeError::Simulated)));
    let valid = genesis.validate().unwrap();
    assert!(matches!(crowdfold::params::verifier(&valid), Err(crowdfold::params::ParamsError::Simulated)));
    assert!(matches!(crowdfold::params::prover(&valid), Err(crowdfold::params::ParamsError::Simulated)));
}

#[test]
fn the_journal_of_a_world_is_written_as_a_data_directory() {
    let options = SimOptions { duration_ms: 240_000, ..small(9, FaultLevel::Mild) };
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let (world, report) = sim::run_world(&options).unwrap();
    world.write(&out).unwrap();
    assert!(matches!(world.write(&out), Err(sim::world::WriteError::Exists(_))));
    let genesis = Genesis::from_toml(&std::fs::read_to_string(out.join("genesis.toml")).unwrap()).unwrap();
    let journal = crowdfold_journal::SledJournal::open(&out.join("journal")).unwrap();
    let core = crowdfold::actors::ledger::LedgerCore::open(&genesis, Box::new(journal)).unwrap();
    let state = &core.snapshot().state;
    assert_eq!(state.height().0, report.blocks);
    assert_eq!(state.events_head(), report.events_head);
    assert_eq!(state.state_root(), report.state_root);
    let tip = crowdfold::node::tip::read(&out).unwrap().expect("validator 0 has the last block's commit");
    assert_eq!(tip.head.hash, report.events_head);
    assert_eq!(state.verify_commit(&tip.commit), Ok(()));
}

#[test]
fn a_world_goes_on_from_a_journal_with_new_keys() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("production");
    let options = SimOptions { validators: 1, ..small(10, FaultLevel::None) };
    let (world, before) = sim::run_world(&options).unwrap();
    assert!(before.failure.is_none());
    world.write(&out).unwrap();
    let forked = |seed| SimOptions { from: Some(out.clone()), ..small(seed, FaultLevel::Mild) };
    let (one, two) = (green(&forked(11)), green(&forked(11)));
    assert_eq!(without_times(&one), without_times(&two));
    assert!(one.command.contains("--from"));
    assert!(one.blocks > before.blocks && one.transactions > 0, "{one:?}");
    // The plugins of the journal work on with their new keys: nobody has to be admitted again.
    assert!(one.proofs >= one.transactions && one.proofs < one.transactions + 20, "{one:?}");
    assert_ne!(green(&forked(12)).journal_hash, one.journal_hash);

    std::fs::remove_file(out.join("genesis.toml")).unwrap();
    let refused = sim::run(&forked(11));
    assert!(matches!(refused, Err(sim::WorldError::From(_))), "{refused:?}");
}

/// The demonstration's short deadlines and high penalties: plugins decline much, so that tasks are opened to everybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_world_on_a_real_nodes_chain_comes_to_rest() {
    let dir = tempfile::tempdir().unwrap();
    let mut genesis = world::genesis();
    genesis.params = Genesis::from_toml(DEMO).unwrap().params;
    let production = dir.path().join("production");
    let node = world::start(&production, &genesis).await;
    let provers = [world::prover(&node, 1), world::prover(&node, 2)];
    for nonce in 0..2 {
        world::send(&node, &world::transfer(&genesis, 0, nonce, 1000, world::PRICE)).await;
    }
    let proven =
        |i| move |s: &crowdfold::node::Snapshot| s.state.item(ItemIndex(i)).is_some_and(|i| i.accepted.is_some());
    world::until(&node, "the transfers are proven", |s| proven(0)(s) && proven(1)(s)).await;
    for prover in &provers {
        prover.handle.stop().await;
    }
    node.stop().await.unwrap();
    std::fs::write(production.join("genesis.toml"), genesis.to_toml().unwrap()).unwrap();

    let out = dir.path().join("fork");
    let options = SimOptions {
        duration_ms: 180_000,
        plugins: 10,
        validators: 2,
        transactions_per_block: 3,
        from: Some(production),
        ..small(7, FaultLevel::None)
    };
    let (fork, report) = sim::run_world(&options).unwrap();
    assert!(report.failure.is_none(), "{:?}\nreplay with: {}", report.failure, report.command);
    assert!(report.transactions > 100, "{report:?}");
    fork.write(&out).unwrap();
    let verify = std::process::Command::new(env!("CARGO_BIN_EXE_crowdfold"))
        .args(["journal", "verify"])
        .arg(&out)
        .output()
        .unwrap();
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
}
