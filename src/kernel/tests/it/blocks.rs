//! Blocks that a dishonest or broken proposer sends are refused with the reason.

use crowdfold_events::{B256, Commit, Event, Height};
use crowdfold_kernel::{BlockFault, CommitFault, HeaderField, Kernel, StartFault, TransactionFault, commit};

use crate::world::{ALICE, BOB, World, signer};

fn busy() -> World {
    let mut world = World::new();
    world.admit(1);
    world.transfer(ALICE, signer(BOB).address(), 1);
    world.heartbeat(1);
    world
}

#[test]
fn every_header_field_is_recomputed() {
    use HeaderField as F;
    let world = busy();
    let other = B256::repeat_byte(0xee);
    macro_rules! changed {
        ($($field:ident = $value:expr => $name:ident),+ $(,)?) => {
            $(match world.execute_changed(|b| b.header.$field = $value) {
                Err(BlockFault::Header { field, .. }) => assert_eq!(field, F::$name),
                other => panic!("{}: {:?}", stringify!($field), other.map(|o| o.events.len())),
            })+
        };
    }
    changed! {
        chain_id = 1 => ChainId, rules_version = 2 => RulesVersion, height = Height(99) => Height, parent = other => Parent,
        beacon = other => Beacon, transactions_root = other => TransactionsRoot, messages_root = other => MessagesRoot,
        last_commit_hash = other => LastCommitHash, base_fee = 1 => BaseFee, gas_limit = 1 => GasLimit, gas_used = 1 => GasUsed,
        segments = 99 => Segments, first_item = crowdfold_events::ItemIndex(9) => FirstItem, items = 9 => Items,
        pre_state_root = other => PreStateRoot, post_state_root = other => PostStateRoot, receipts_root = other => ReceiptsRoot,
        market_root = other => MarketRoot, validators_hash = other => ValidatorsHash,
        next_validators_hash = other => NextValidatorsHash, parent_events_head = other => ParentEventsHead,
    }
}

#[test]
fn a_block_too_close_to_its_parent_is_refused() {
    let world = busy();
    let least = world.state.time_ms() + world.state.parameters().block.min_block_time_ms;
    assert!(
        matches!(world.execute_changed(|b| b.header.time_ms = least - 1), Err(BlockFault::Time { found, least: l }) if found == least - 1 && l == least)
    );
    let mut input = world.input();
    input.time_ms = least - 1;
    assert!(matches!(Kernel::propose(&world.state, input, &world.oracle), Err(BlockFault::Time { .. })));
}

#[test]
fn an_unknown_proposer_is_refused() {
    let world = busy();
    assert!(matches!(
        world.execute_changed(|b| b.header.proposer = signer(9).address()),
        Err(BlockFault::UnknownProposer(_))
    ));
}

#[test]
fn the_last_commit_must_certify_the_parent() {
    let world = busy();
    let refused = |change: &dyn Fn(&mut Commit)| match world.execute_changed(|b| change(&mut b.body.last_commit)) {
        Err(BlockFault::Commit(fault)) => fault,
        other => panic!("{:?}", other.map(|o| o.events.len())),
    };
    assert!(matches!(refused(&|c| c.height = Height(1)), CommitFault::Height { .. }));
    assert!(matches!(refused(&|c| c.header_hash = B256::ZERO), CommitFault::HeaderHash { .. }));
    assert!(matches!(refused(&|c| c.signatures.clear()), CommitFault::NotEnough { signed: 0, .. }));
    assert!(matches!(refused(&|c| c.signatures[0].signature[5] ^= 1), CommitFault::BadSignature(_)));
    assert!(matches!(refused(&|c| c.signatures[0].signature.push(0)), CommitFault::BadSignature(_)));
    assert!(matches!(refused(&|c| c.signatures[0].validator = signer(9).address()), CommitFault::UnknownValidator(_)));
    assert!(matches!(refused(&|c| c.signatures.push(c.signatures[0].clone())), CommitFault::Order(_)));
    // A signature of the right key over the same header on another chain.
    let (height, head) = (world.state.height(), world.state.head());
    let foreign = commit::sign_commit(&world.validator, &B256::repeat_byte(1), height, head);
    assert!(matches!(refused(&|c| *c = foreign.clone()), CommitFault::BadSignature(_)));
    let first = World::new();
    let commit = commit::sign_commit(&first.validator, &first.state.genesis_hash(), Height(0), first.state.head());
    assert!(matches!(
        first.execute_changed(|b| b.body.last_commit = commit),
        Err(BlockFault::Commit(CommitFault::NotEmpty))
    ));
}

#[test]
fn a_block_with_a_bad_transaction_is_invalid_and_names_it() {
    let world = busy();
    let doubled = world.execute_changed(|b| b.body.transactions.push(b.body.transactions[0].clone()));
    assert!(matches!(doubled, Err(BlockFault::Transaction { index: 1, fault: TransactionFault::Admission(_) })));
    let garbage = world.execute_changed(|b| b.body.transactions.insert(0, vec![1, 2, 3]));
    assert!(matches!(garbage, Err(BlockFault::Transaction { index: 0, .. })));
}

#[test]
fn empty_blocks_add_no_item_and_an_idle_chain_rests() {
    let mut world = World::new();
    world.steps(3);
    assert_eq!(world.state.item_count(), 0);
    assert!(!world.state.has_work());
    let outcome = world.step();
    assert!(matches!(outcome.events[..], [Event::BlockDecided { .. }, Event::BlockSealed { .. }]));
    assert_eq!(outcome.block.header.pre_state_root, outcome.block.header.post_state_root);
}

#[test]
fn the_same_inputs_give_the_same_bytes() {
    let run = || {
        let mut world = World::new();
        world.admit(2);
        world.transfer(ALICE, signer(BOB).address(), 7);
        world.run(2, 15);
        (world.state.events_head(), world.state.market_root().unwrap(), world.state.state_root())
    };
    assert_eq!(run(), run());
}

#[test]
fn an_unknown_rules_version_does_not_start() {
    let mut genesis = World::new().state.genesis().clone();
    genesis.rules_version = 2;
    assert!(matches!(Kernel::genesis(&genesis), Err(StartFault::RulesVersion { found: 2 })));
}

#[test]
fn a_blocks_events_are_framed_by_decided_and_sealed() {
    let mut world = busy();
    let outcome = world.step();
    let header = outcome.block.header.clone();
    let Some(Event::BlockDecided { header: decided, .. }) = outcome.events.first() else { panic!() };
    assert_eq!(**decided, header);
    let Some(Event::BlockSealed { height, state_root, market_root }) = outcome.events.last() else { panic!() };
    assert_eq!((*height, *state_root, *market_root), (header.height, header.post_state_root, header.market_root));
}

#[test]
fn the_state_hash_is_of_state_root_market_root_and_history() {
    let mut world = World::new();
    let genesis = world.state.hash().unwrap();
    world.step();
    let expected = alloy_primitives::keccak256(
        [
            b"crowdfold/state/1".as_slice(),
            world.state.state_root().as_slice(),
            world.blocks[0].header.market_root.as_slice(),
            world.state.events_head().as_slice(),
        ]
        .concat(),
    );
    assert_eq!(world.state.hash().unwrap(), expected);
    assert_ne!(expected, genesis);
}
