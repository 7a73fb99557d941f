//! Damaged states: each invariant must notice its own kind of damage.

use crowdfold_config::{DEMO, Genesis};
use crowdfold_events::{Address, Commit, Zkpow};

use crate::{
    AggregateNode, BlockFault, InvariantFault, Kernel, ProofFault, ProofOracle, ProposalInput, State,
    model::MarketAccount,
};

struct Nothing;

impl ProofOracle for Nothing {
    fn item(&self, _: &crowdfold_zk::statement::ItemStatement, _: crowdfold_events::B256) -> Result<(), ProofFault> {
        Err(ProofFault::Missing)
    }

    fn aggregate(&self, _: &AggregateNode, _: crowdfold_events::B256) -> Result<(), ProofFault> {
        Err(ProofFault::Missing)
    }
}

fn damaged(damage: impl FnOnce(&mut State)) -> InvariantFault {
    let genesis = Genesis::from_toml(DEMO).unwrap();
    let (mut state, _) = Kernel::genesis(&genesis).unwrap();
    damage(&mut state);
    let input = ProposalInput {
        time_ms: genesis.time_ms + 10_000,
        proposer: genesis.validators[0].address,
        transactions: Vec::new(),
        messages: Vec::new(),
        last_commit: Commit::default(),
    };
    match Kernel::propose(&state, input, &Nothing) {
        Err(BlockFault::Invariant(fault)) => fault,
        other => panic!("not noticed: {:?}", other.map(|o| o.events)),
    }
}

#[test]
fn a_unit_from_nowhere_is_noticed() {
    assert!(matches!(damaged(|s| s.market.balances += 1), InvariantFault::Supply { .. }));
}

#[test]
fn rewards_that_nothing_covers_are_noticed() {
    assert!(matches!(damaged(|s| s.market.accrued += 1), InvariantFault::EscrowCover { owed: 1, .. }));
    assert!(matches!(damaged(|s| s.market.reserved += 1), InvariantFault::EscrowCover { .. }));
    assert!(matches!(damaged(|s| s.market.aggregation_fund += 1), InvariantFault::EscrowCover { .. }));
}

#[test]
fn a_task_that_was_never_opened_is_noticed() {
    assert!(matches!(damaged(|s| s.market.unopened += 1), InvariantFault::Total { what: "unopened", .. }));
}

#[test]
fn promises_beyond_issuance_are_noticed() {
    assert!(matches!(damaged(|s| s.market.issuance_held = u128::MAX / 2), InvariantFault::IssuanceCover { .. }));
}

#[test]
fn arithmetic_out_of_range_is_noticed() {
    let refund = crowdfold_events::Event::DebtRepaid { plugin: Address::ZERO, amount: Zkpow(1), payer: Address::ZERO };
    assert_eq!(damaged(|s| s.apply_unchained(&refund)), InvariantFault::Range("debt"));
}

#[test]
fn an_audit_notices_totals_that_differ_from_their_parts() {
    let (mut state, _) = Kernel::genesis(&Genesis::from_toml(DEMO).unwrap()).unwrap();
    state.audit().unwrap();
    state.accounts.insert(Address::ZERO, MarketAccount { accrued: Zkpow(1), ..MarketAccount::default() });
    assert!(matches!(state.audit(), Err(InvariantFault::Total { what: "accrued", .. })));
    state.accounts.insert(Address::ZERO, MarketAccount::default());
    state.market.unproven_segments = 3;
    assert!(matches!(state.audit(), Err(InvariantFault::Total { what: "unproven segments", .. })));
}
