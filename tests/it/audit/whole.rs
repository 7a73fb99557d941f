//! An honest journal passes, and everything in it was checked.

use crowdfold::audit::{Options, Reason, report::Tip};
use crowdfold_events::{B256, EventSeq, Height};
use crowdfold_journal::Head;
use crowdfold_kernel::commit;
use proptest::prelude::*;

use super::chains::{acts, eventful, run, stored};

#[test]
fn an_eventful_chain_passes_and_every_kind_of_thing_is_counted() {
    let world = eventful();
    let report = run(world.state.genesis(), &stored(&world.log), Options::default());
    assert_eq!(report.divergence, None);
    assert!(report.good);
    assert_eq!(report.end.state_hash, world.state.hash().unwrap());
    assert_eq!(report.end.height, world.state.height());
    assert_eq!(report.end.events, EventSeq(world.log.len() as u64));
    assert!(matches!(report.tip, Tip::Unsigned { .. }));
    let c = report.checked;
    assert_eq!((c.blocks, c.events), (world.state.height().0, world.log.len() as u64));
    for (what, count) in [
        ("transactions", c.transactions),
        ("accepted", c.messages_accepted),
        ("signatures", c.signatures),
        ("draws", c.draws),
        ("admissions", c.admissions),
        ("proofs", c.proofs_accepted),
        ("rewards", c.rewards),
        ("penalties", c.penalties),
        ("rises", c.bounty_rises),
        ("repayments", c.repayments),
        ("settlements", c.settlements),
        ("batches", c.batches_certified),
        ("epochs", c.epochs),
        ("amounts", c.amounts),
    ] {
        assert!(count > 0, "no {what}: {c:?}");
    }
    assert_eq!(c.signatures, c.blocks - 1, "the commit of the last block is not in the journal");
}

#[test]
fn the_last_blocks_commit_and_the_stated_end_are_checked() {
    let world = eventful();
    let (genesis, events) = (world.state.genesis(), stored(&world.log));
    let end = Head { next: EventSeq(events.len() as u64), hash: world.state.events_head() };
    let options = Options { tip_commit: Some(world.commit.clone()), stated_end: Some(end), ..Options::default() };
    let report = run(genesis, &events, options.clone());
    assert!(report.good && report.tip == Tip::Signed);
    assert_eq!(report.checked.signatures, report.checked.blocks);

    // A commit that nobody signed shows nothing; a good one of another header does.
    let mut other = world.commit.clone();
    other.signatures[0].signature[5] ^= 1;
    let report = run(genesis, &events, Options { tip_commit: Some(other), ..Options::default() });
    assert!(report.good && matches!(report.tip, Tip::Unsigned { .. }));
    let hash = world.state.genesis_hash();
    let other = commit::sign_commit(&world.validator, &hash, world.state.height(), B256::repeat_byte(1));
    let found = run(genesis, &events, Options { tip_commit: Some(other), ..Options::default() }).divergence.unwrap();
    assert!(matches!(found.reason, Reason::NotCertified { carried_by: None, .. }));
    assert_eq!(found.height, world.state.height());

    // The last block is cut off whole: the events are a chain, its stated end is another.
    let last = world.last.as_ref().unwrap().events.len();
    let cut = &events[..events.len() - last];
    let report = run(genesis, cut, options.clone());
    assert!(matches!(report.divergence.unwrap().reason, Reason::End { .. }));
    let report = run(genesis, cut, Options { stated_end: None, ..options });
    assert_eq!(report.divergence.unwrap().reason, Reason::CutShort { signed: world.state.height() });
    // Half of it is cut off.
    let report = run(genesis, &events[..events.len() - 1], Options::default());
    let found = report.divergence.unwrap();
    assert_eq!((found.height, found.reason), (world.state.height(), Reason::Unfinished));
}

#[test]
fn another_genesis_is_named_at_the_first_event() {
    let world = eventful();
    let mut other = world.state.genesis().clone();
    other.time_ms += 1;
    let found = run(&other, &stored(&world.log), Options::default()).divergence.unwrap();
    assert_eq!((found.height, found.seq, found.reason), (Height(0), EventSeq(0), Reason::Genesis));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn random_chains_pass(acts in prop::collection::vec(acts::act(), 20..80)) {
        let world = acts::chain(&acts);
        let report = run(world.state.genesis(), &stored(&world.log), Options::default());
        prop_assert!(report.good, "{:?}", report.divergence);
        prop_assert_eq!(report.end.state_hash, world.state.hash().unwrap());
    }
}
