//! Items on the state tree: roots, witnesses, statements, settlements.

use alloy_primitives::Bytes;
use crowdfold_events::Zkpow;
use crowdfold_zk::{accounts, tree::OpWitness};

use super::*;
use crate::{
    evm::ESCROW,
    input::{ItemPlace, ItemSource, item_input},
    synthetic::synthetic_item,
    transaction::{TransactionKind, decode_transaction},
    wallet::{Transfer, Wallet},
};

const CHAIN: u64 = 1729;

fn env() -> BlockEnv {
    BlockEnv {
        number: 3,
        time_ms: 1_700_000_000_999,
        base_fee: 10,
        gas_limit: 30_000_000,
        beacon: B256::repeat_byte(0xff),
        chain_id: CHAIN,
        rules_version: 1,
    }
}

fn wallet(index: u64) -> Wallet {
    Wallet::derive("execute", index)
}

fn tree(users: u64) -> StateTree {
    let system = accounts::ALL.map(|a| (a, Account { nonce: 0, balance: 1_000_000 }));
    let users = (0..users).map(|i| (wallet(i).address().into_array(), Account { nonce: 0, balance: 1 << 60 }));
    StateTree::from_accounts(system.into_iter().chain(users)).unwrap()
}

fn transfer(from: u64, nonce: u64, to: Address, value: u128) -> Transaction {
    let raw = wallet(from).sign(&Transfer {
        kind: TransactionKind::Eip1559,
        chain_id: CHAIN,
        nonce,
        to,
        value,
        gas_limit: 30_000,
        max_fee: 50,
        max_priority_fee: 3,
        data: Bytes::new(),
    });
    decode_transaction(&raw, CHAIN).unwrap()
}

fn place() -> ItemPlace {
    ItemPlace { contract: Address::repeat_byte(1), position: 5, worker: Address::repeat_byte(2), task: 9 }
}

#[test]
fn execution_and_witness_end_in_the_same_root() {
    let before = tree(3);
    let cases = [wallet(1).address(), wallet(0).address(), ESCROW, Address::repeat_byte(0xee)];
    for (i, (to, value)) in cases.into_iter().flat_map(|to| [(to, 0), (to, 77)]).enumerate() {
        let tx = transfer(0, 0, to, value);
        let mut after = before.clone();
        let executed = execute_transaction(&mut after, &tx, &env()).unwrap();
        assert_eq!(executed.pre_root, root(&before));
        assert_eq!(executed.post_root, root(&after));
        let input = item_input(&before, ItemSource::Transaction(&tx), &env(), &place()).unwrap();
        OpWitness::verify_all(&input.ops).unwrap();
        assert_eq!(input.statement.post_root, executed.post_root.0, "case {i}");
        let expected = if value == 0 {
            2
        } else if to == Address::repeat_byte(0xee) {
            4
        } else {
            3
        };
        assert_eq!(input.ops.len(), expected);
        assert_eq!(input.statement.segments, crowdfold_zk::SEGMENTS_PER_TRANSFER);
        assert_eq!(input.statement.sender, tx.sender.into_array());
    }
}

/// The prover's own rules (the planner of the transfer circuit) accept what execution gives them.
#[test]
fn the_prover_accepts_what_execution_gives() {
    use crowdfold_zk::transfer::{AccountView as View, plan_transfer};
    let before = tree(2);
    for to in [wallet(1).address(), wallet(0).address(), ESCROW, Address::repeat_byte(0xee)] {
        for value in [0, 5] {
            let tx = transfer(0, 0, to, value);
            let executed = execute_transaction(&mut before.clone(), &tx, &env()).unwrap();
            let fields = env().input().fields().unwrap();
            let planned = plan_transfer(&tx.payload, &tx.pubkey, &fields, &|address| match before.get(&address) {
                Some(account) => View { exists: true, nonce: account.nonce, balance: account.balance, next: [0; 20] },
                None => View { exists: false, nonce: 0, balance: 0, next: [0; 20] },
            })
            .unwrap();
            assert_eq!(planned.state_ops(), executed.ops);
            assert_eq!(
                (planned.gas_used, planned.price, planned.fee),
                (executed.gas_used, executed.effective_gas_price, executed.fee)
            );
            assert_eq!(planned.sender, tx.sender.into_array());
            let statement = planned.statement();
            assert_eq!(scalar_to_be(&statement.data_hi), executed.data_hi.0);
            assert_eq!(scalar_to_be(&statement.data_lo), executed.data_lo.0);
            assert_eq!(scalar_to_be(&statement.env), executed.env.0);
        }
    }
}

#[test]
fn a_rejected_transaction_leaves_the_tree_alone() {
    let mut tree = tree(1);
    let before = root(&tree);
    let nonce = execute_transaction(&mut tree, &transfer(0, 1, ESCROW, 1), &env()).unwrap_err();
    assert_eq!(nonce, TransactionError::Rejected(AdmissionError::NonceGap { expected: 0, got: 1 }));
    let funds = execute_transaction(&mut tree, &transfer(0, 0, ESCROW, 1 << 60), &env()).unwrap_err();
    assert!(matches!(funds, TransactionError::Rejected(AdmissionError::InsufficientFunds { .. })));
    let stranger = execute_transaction(&mut tree, &transfer(7, 0, ESCROW, 0), &env()).unwrap_err();
    assert!(matches!(stranger, TransactionError::Rejected(AdmissionError::InsufficientFunds { .. })));
    assert_eq!(root(&tree), before);
}

fn entry(account: Address, amount: u128, credit: bool) -> SettlementEntry {
    SettlementEntry { account, amount: Zkpow(amount), credit }
}

#[test]
fn a_settlement_moves_what_it_says() {
    let before = tree(1);
    let (old, new) = (wallet(0).address(), Address::repeat_byte(0xaa));
    let entries = [entry(ESCROW, 30, false), entry(old, 10, true), entry(new, 15, true), entry(new, 5, true)];
    let mut after = before.clone();
    let executed = execute_settlement(&mut after, &entries, &env()).unwrap();
    assert_eq!(after.get(&new.into_array()), Some(Account { nonce: 0, balance: 20 }));
    assert_eq!(after.get(&ESCROW.into_array()).unwrap().balance, 1_000_000 - 30);
    assert_eq!(executed.segments, 2);
    assert_eq!(executed.data_hi, B256::with_last_byte(4));
    let input = item_input(&before, ItemSource::Settlement(&entries), &env(), &place()).unwrap();
    OpWitness::verify_all(&input.ops).unwrap();
    assert_eq!(input.ops.len(), 5);
    assert_eq!(input.statement.post_root, root(&after).0);
}

#[test]
fn a_settlement_keeps_its_rules() {
    use settlement::PlanError as E;
    let mut tree = tree(1);
    let before = root(&tree);
    let user = wallet(0).address();
    let mut refuse = |entries: &[SettlementEntry]| match execute_settlement(&mut tree, entries, &env()).unwrap_err() {
        ExecutionError::Settlement(error) => error,
        other => panic!("{other}"),
    };
    assert_eq!(refuse(&[]), E::Empty);
    assert_eq!(
        refuse(&[entry(ESCROW, 5, true), entry(user, 5, false)]),
        E::DebitOfUser { index: 1, address: user.into_array() }
    );
    assert_eq!(refuse(&[entry(ESCROW, 5, false), entry(user, 6, true)]), E::Unbalanced { credits: 6, debits: 5 });
    assert_eq!(refuse(&[entry(ESCROW, 0, false)]), E::ZeroAmount { index: 0 });
    assert!(matches!(refuse(&[entry(ESCROW, 1 << 100, false)]), E::Overdrawn { .. }));
    assert_eq!(root(&tree), before);
}

#[test]
fn every_field_of_the_environment_is_in_its_digest() {
    let base = env();
    let changed = [
        BlockEnv { number: 4, ..base.clone() },
        BlockEnv { time_ms: base.time_ms + 1, ..base.clone() },
        BlockEnv { base_fee: 11, ..base.clone() },
        BlockEnv { gas_limit: 1, ..base.clone() },
        BlockEnv { beacon: B256::repeat_byte(0xfe), ..base.clone() },
        BlockEnv { chain_id: 1, ..base.clone() },
        BlockEnv { rules_version: 2, ..base.clone() },
    ];
    for other in changed {
        assert_ne!(other.digest(), base.digest());
    }
    let same_second = BlockEnv { time_ms: base.time_ms - 1, ..base.clone() };
    assert_eq!(same_second.digest(), base.digest());
}

#[test]
fn admission_items_are_the_same_for_everybody() {
    let worker = Address::repeat_byte(7);
    for index in 0..12 {
        let item = synthetic_item(CHAIN, index).unwrap();
        let input = item.input(Address::ZERO, worker, 4).unwrap();
        assert_eq!(input.statement, item.statement(Address::ZERO, worker, 4));
        assert_eq!(input.statement, synthetic_item(CHAIN, index).unwrap().statement(Address::ZERO, worker, 4));
        OpWitness::verify_all(&input.ops).unwrap();
    }
    let one = |chain, index| synthetic_item(chain, index).unwrap().raw;
    assert_ne!(one(CHAIN, 0), one(CHAIN, 1));
    assert_ne!(one(CHAIN, 0), one(CHAIN + 1, 0));
}

/// Prints transfers per second with the state tree. Run with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn measure() {
    for users in [1_000u64, 100_000] {
        let system = accounts::ALL.map(|a| (a, Account { nonce: 0, balance: 1_000_000 }));
        let filler = (0..users).map(|i| {
            (
                *alloy_primitives::keccak256(i.to_be_bytes())[..20].first_chunk::<20>().unwrap(),
                Account { nonce: 0, balance: 1 },
            )
        });
        let own = (0..10).map(|i| (wallet(i).address().into_array(), Account { nonce: 0, balance: 1 << 60 }));
        let mut tree = StateTree::from_accounts(system.into_iter().chain(filler).chain(own)).unwrap();
        let txs: Vec<_> = (0..500u64).map(|i| transfer(i % 10, i / 10, wallet((i + 3) % 10).address(), 1)).collect();
        let start = std::time::Instant::now();
        for tx in &txs {
            execute_transaction(&mut tree, tx, &env()).unwrap();
        }
        println!("{users} accounts: {:?} per transfer", start.elapsed() / 500);
    }
}
