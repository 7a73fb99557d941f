//! The main job: a transfer is ordered, assigned, proven, aggregated, certified; money is conserved.

use crowdfold_events::{Address, Event};
use crowdfold_kernel::model::ItemStatus;

use crate::world::{ALICE, World};

#[test]
fn transfers_go_from_commit_to_certificate() {
    let mut world = World::new();
    world.admit(2);
    let hashes: Vec<_> = (0..3).map(|_| world.transfer(ALICE, Address::repeat_byte(7), 5)).collect();
    world.step();
    for hash in &hashes {
        assert_eq!(world.state.item_of(hash).unwrap().1.status(), ItemStatus::Committed);
    }
    world.run(2, 40);
    for hash in &hashes {
        assert_eq!(world.state.item_of(hash).unwrap().1.status(), ItemStatus::Certified);
    }
    assert!(!world.state.has_work(), "rewards below the bond keep no chain awake");
    let report = world.state.supply_report();
    assert!(report.conserved);
    assert_eq!(report.genesis, report.now);
    assert!(world.log.iter().any(|e| matches!(e, Event::BatchCertified { .. })));
}
