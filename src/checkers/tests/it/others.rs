//! Agreement of validators, liveness, and blocks that are none.

use crowdfold_checkers::{Agreement, Bounds, Check, Checkers, Liveness};
use crowdfold_events::{B256, Height};

use crate::chain::{Chain, Random, genesis};

#[test]
fn validators_agree_height_by_height() {
    let (a, b) = (B256::repeat_byte(1), B256::repeat_byte(2));
    let mut agreement = Agreement::default();
    assert_eq!(agreement.common(2), None);
    assert_eq!(agreement.note(0, Height(1), a), None);
    assert_eq!(agreement.note(1, Height(1), a), None);
    assert_eq!(agreement.note(0, Height(1), a), None, "after a crash a height may come again");
    assert_eq!(agreement.note(0, Height(2), b), None);
    assert_eq!(agreement.common(2), Some(Height(1)));
    let found = agreement.note(1, Height(2), a).unwrap();
    assert_eq!((found.check, found.height, found.field), (Check::Agreement, Height(2), "events head"));
}

#[test]
fn work_is_late_only_beyond_its_bounds_and_only_in_a_healed_world() {
    let mut chain = Chain::new(0);
    chain.run(120).unwrap();
    let none = Bounds { inclusion: 0, proof: 0, aggregation: 0, certificate: 0 };
    let rules = Bounds::of(chain.state.parameters());
    let late = |bounds, heals: bool, waiting: &[u8]| {
        let mut liveness = Liveness::new(bounds);
        if heals {
            liveness.healed();
        }
        if !waiting.is_empty() {
            liveness.submitted(waiting);
        }
        let found = chain.log.iter().flat_map(|events| liveness.block(events));
        let mut fields: Vec<_> = found.map(|v| v.field).collect();
        fields.sort_unstable();
        fields.dedup();
        (fields, liveness.unfinished())
    };
    let (fields, _) = late(none, true, b"never included");
    assert_eq!(fields, ["aggregation", "certificate", "inclusion", "proof"]);
    assert_eq!(late(none, false, b"never included").0, [""; 0]);
    assert_eq!(late(rules, true, b"").0, [""; 0]);
    let (fields, unfinished) = late(rules, true, b"never included");
    assert_eq!((fields, unfinished.0), (vec!["inclusion"], 1), "120 blocks are more than its bound");
}

#[test]
fn a_block_that_is_changed_anywhere_is_noticed() {
    let mut chain = Chain::new(1);
    chain.run(60).unwrap();
    let genesis = genesis(&mut Random::new(1));
    let mut fresh = Checkers::new(&genesis).unwrap();
    let (_, events) = crowdfold_kernel::Kernel::genesis(&genesis).unwrap();
    assert_eq!(fresh.genesis(&events), []);
    let mut checkers = fresh;
    for events in &chain.log {
        let before = checkers.clone();
        assert_eq!(checkers.block(events), []);
        // Each event left out, doubled, and swapped with the next.
        for place in 0..events.len() {
            let mut without = events.clone();
            without.remove(place);
            let mut doubled = events.clone();
            doubled.insert(place, events[place].clone());
            let mut swapped = events.clone();
            if place + 1 < events.len() {
                swapped.swap(place, place + 1);
            }
            for changed in [without, doubled, swapped].into_iter().filter(|c| c != events) {
                let found = before.clone().block(&changed);
                assert!(!found.is_empty(), "block {}, event {place}", before.height().next());
            }
        }
    }
}
