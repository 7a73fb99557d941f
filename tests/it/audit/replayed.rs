//! The state at any point; money under other amounts; stories.

use crowdfold::audit::{
    Stored,
    counterfactual::{Counterfactual, Would, counterfactual},
    explain::{Story, Subject, explain},
    replay::{ReplayError, Until, state_at},
    settings,
};
use crowdfold_events::{Event, EventSeq, Height, StoredEvent, TaskId};
use proptest::prelude::*;

use super::chains::{
    acts, eventful, stored,
    world::{World, signer},
};

fn stream(events: &[StoredEvent]) -> impl Iterator<Item = Stored> + '_ {
    events.iter().cloned().map(Stored::Ok)
}

fn under(world: &World, events: &[StoredEvent], settings: &[&str]) -> Counterfactual {
    let genesis = world.state.genesis();
    let mut params = genesis.params.clone();
    let settings: Vec<String> = settings.iter().map(|s| (*s).to_owned()).collect();
    settings::set(&mut params, &settings).unwrap();
    counterfactual(genesis, &params, stream(events), None, &mut |_| {}).unwrap()
}

#[test]
fn the_state_at_any_point_is_the_one_that_was() {
    let world = eventful();
    let (genesis, events) = (world.state.genesis(), stored(&world.log));
    let at = |until| state_at(genesis, stream(&events), until, &mut |_| {});
    let mut replica = crowdfold_kernel::Kernel::genesis(genesis).unwrap().0;
    for (i, event) in world.log.iter().enumerate() {
        if i > 0 {
            replica.apply(event);
        }
        let is_last = matches!(event, Event::BlockSealed { .. }) || i == 0;
        if is_last && i % 7 == 0 || i % 191 == 0 {
            let found = at(Until::Event(EventSeq(i as u64))).unwrap();
            assert_eq!(found.state.hash().unwrap(), replica.hash().unwrap(), "event {i}");
            assert_eq!((found.events, found.inside_block), (EventSeq(i as u64 + 1), !is_last));
        }
        if is_last && replica.height().0 % 37 == 0 {
            let found = at(Until::Height(replica.height())).unwrap();
            assert_eq!(found.state, replica);
            assert_eq!(found.events, EventSeq(i as u64 + 1));
        }
    }
    assert_eq!(at(Until::End).unwrap().state, world.state);
    let beyond = EventSeq(world.log.len() as u64);
    assert!(matches!(at(Until::Event(beyond)), Err(ReplayError::Beyond { .. })));
    assert!(matches!(at(Until::Height(Height(100_000))), Err(ReplayError::Beyond { .. })));
    let mut forged = events.clone();
    forged.swap(3, 4);
    assert!(state_at(genesis, stream(&forged), Until::End, &mut |_| {}).is_err());
    let mut other = genesis.clone();
    other.time_ms += 1;
    let refused = state_at(&other, stream(&events), Until::End, &mut |_| {});
    assert!(matches!(refused, Err(ReplayError::OtherChain { .. })));
}

#[test]
fn another_penalty_changes_penalties_and_what_follows_from_debt_and_nothing_else() {
    let world = eventful();
    let events = stored(&world.log);
    let same = under(&world, &events, &["timeout_penalty=0.048"]);
    assert!(same.lines.iter().all(|l| l.was == l.would) && same.note_count == 0);
    let twice = under(&world, &events, &["timeout_penalty=0.096 ZKPoW"]);
    let charged: Vec<_> = twice.lines.iter().filter(|l| l.was.totals.penalties > 0).collect();
    assert!(!charged.is_empty());
    for line in &twice.lines {
        assert_eq!(line.would.totals.penalties, 2 * line.was.totals.penalties, "{line:?}");
        assert_eq!(line.would.totals.rewards, line.was.totals.rewards, "bounties do not follow from penalties");
        assert_eq!(line.would.totals.proposer_shares, line.was.totals.proposer_shares);
        assert!(line.would.debt >= line.was.debt);
    }
    assert!(twice.notes.iter().any(|n| n.would == Would::HaveBeenSuspended), "{:?}", twice.notes);
    // A penalty of nearly nothing: nobody would have been suspended who was.
    let none = under(&world, &events, &["timeout_penalty=1 unit"]);
    let was_suspended = world.log.iter().any(|e| matches!(e, Event::PluginSuspended { .. }));
    assert_eq!(none.notes.iter().any(|n| n.would == Would::NotHaveBeenSuspended), was_suspended);
}

#[test]
fn bounties_without_rises_pay_less_issuance() {
    let world = eventful();
    let events = stored(&world.log);
    let flat = under(&world, &events, &["bump_rate=0", "max_capacity_multiple=100%"]);
    let sum = |of: fn(&crowdfold::audit::counterfactual::Line) -> u128| flat.lines.iter().map(of).sum::<u128>();
    assert!(flat.issuance.1 < flat.issuance.0, "{:?}", flat.issuance);
    assert!(sum(|l| l.would.totals.rewards) < sum(|l| l.was.totals.rewards));
    assert_eq!(sum(|l| l.would.totals.penalties), sum(|l| l.was.totals.penalties));
    let shares = under(&world, &events, &["proposer_share=0", "proving_share=70%"]);
    assert!(shares.lines.iter().all(|l| l.would.totals.proposer_shares == 0));
    let small = under(&world, &events, &["min_per_segment=1 ZKPoW", "max_base=100 ZKPoW"]);
    assert!(small.notes.iter().any(|n| n.would == Would::NotHaveBeenAdmitted));
    let dear = under(&world, &events, &["withdraw_fee=5 ZKPoW"]);
    let withdrew = world.log.iter().any(|e| matches!(e, Event::WithdrawRequested { .. }));
    assert_eq!(dear.notes.iter().any(|n| n.would == Would::NotHaveWithdrawn), withdrew);
}

#[test]
fn a_journal_whose_amounts_are_not_the_rules_is_not_compared() {
    let world = eventful();
    let mut log = world.log.clone();
    let at = log.iter().position(|e| matches!(e, Event::RewardAccrued { .. })).unwrap();
    let Event::RewardAccrued { amount, .. } = &mut log[at] else { panic!() };
    amount.0 += 1;
    let genesis = world.state.genesis();
    let refused = counterfactual(genesis, &genesis.params, stream(&stored(&log)), None, &mut |_| {});
    assert!(matches!(refused, Err(ReplayError::Amount { at: found, .. }) if found.0 == at as u64), "{refused:?}");
}

fn story(world: &World, subject: Subject) -> Story {
    explain(world.state.genesis(), subject, stream(&stored(&world.log)), &mut |_| {}).unwrap()
}

fn kinds(story: &Story) -> Vec<&str> {
    story.entries.iter().map(|e| e.kind.as_str()).collect()
}

#[test]
fn a_transactions_story_goes_from_its_fee_to_its_certificate() {
    let world = eventful();
    let hash = world.log.iter().find_map(|e| match e {
        Event::TransactionExecuted { hash, .. } => Some(*hash),
        _ => None,
    });
    let story = story(&world, Subject::Transaction(hash.unwrap()));
    let kinds = kinds(&story);
    assert_eq!(&kinds[..2], ["TransactionExecuted", "TaskOpened"]);
    for wanted in ["TaskAssigned", "ProofAccepted", "RewardAccrued", "BatchClosed", "BatchProven", "BatchCertified"] {
        assert!(kinds.contains(&wanted), "{wanted}: {kinds:?}");
    }
    for draw in story.entries.iter().filter(|e| e.kind == "TaskAssigned") {
        assert_eq!(draw.draw_holds, Some(true), "{}", draw.text);
    }
    assert!(story.entries.windows(2).all(|w| w[0].event < w[1].event && w[0].height <= w[1].height));
}

#[test]
fn a_provers_story_adds_up_to_its_money() {
    let world = eventful();
    let address = signer(1).address();
    let story = story(&world, Subject::Plugin(address));
    let kinds = kinds(&story);
    for wanted in ["PluginRegistered", "AdmissionPassed", "PluginActivated", "AssignmentTimedOut", "PenaltyCharged"] {
        assert!(kinds.contains(&wanted), "{wanted}: {kinds:?}");
    }
    let account = story.account.unwrap();
    let sum = |kind: &str, name: &str| -> u128 {
        let of = story.entries.iter().filter(|e| e.kind == kind).flat_map(|e| &e.amounts);
        of.filter(|(n, _)| *n == name).map(|(_, a)| a.parse::<u128>().unwrap()).sum()
    };
    assert_eq!(sum("PenaltyCharged", "amount"), account.totals.penalties);
    assert_eq!(sum("RewardAccrued", "amount"), account.totals.rewards);
    assert_eq!(sum("SettlementApplied", "paid_out"), account.totals.settled);
    let info = world.state.account_info(&address);
    assert_eq!((account.accrued, account.debt), (info.accrued.0, info.debt.0));
    let penalty = story.entries.iter().find(|e| e.kind == "PenaltyCharged").unwrap();
    assert!(penalty.text.contains("the timeout penalty of 0.048 ZKPoW"), "{}", penalty.text);
}

#[test]
fn a_tasks_story_is_its_own_and_nobody_elses() {
    let world = eventful();
    let task = world.log.iter().find_map(|e| match e {
        Event::AssignmentTimedOut { task, .. } => Some(*task),
        _ => None,
    });
    let found = story(&world, Subject::Task(task.unwrap()));
    let kinds = kinds(&found);
    assert_eq!(&kinds[..2], ["TaskOpened", "TaskAssigned"]);
    assert!(kinds.contains(&"AssignmentTimedOut") && kinds.contains(&"PenaltyCharged"), "{kinds:?}");
    assert!(story(&world, Subject::Task(TaskId(1_000_000))).entries.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 20, ..ProptestConfig::default() })]

    /// The books alone end in the kernel's sums, and the same amounts give the same table.
    #[test]
    fn books_end_where_the_kernel_does(acts in prop::collection::vec(acts::act(), 20..70)) {
        let world = acts::chain(&acts);
        let events = stored(&world.log);
        let found = under(&world, &events, &["timeout_penalty=0.048"]);
        prop_assert_eq!(found.note_count, 0);
        for line in &found.lines {
            prop_assert_eq!(line.was, line.would);
            let info = world.state.account_info(&line.account);
            prop_assert_eq!((line.was.accrued, line.was.debt), (info.accrued.0, info.debt.0));
        }
        // Under any amounts the books stay consistent: they never take more than there is.
        under(&world, &events, &["timeout_penalty=0.3", "bump_rate=40%", "max_base=0.01", "issuance_allowance=0.001"]);
        under(&world, &events, &["timeout_penalty=1 unit", "proving_share=1", "aggregation_share=1", "withdraw_fee=0.0001"]);
    }
}
