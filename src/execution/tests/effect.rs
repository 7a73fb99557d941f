//! The EVM's transfers against an independent model of the rules, over random transactions.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use crowdfold_zk::{
    transfer::{AccountView as Planned, plan_transfer},
    tree::{Account, StateOp},
};
use proptest::prelude::*;

use super::*;
use crate::{
    admission::{AdmissionContext, check_admission},
    rejection::AdmissionError,
    transaction::{TransactionKind, decode_transaction},
    wallet::{Transfer, Wallet},
};

const CHAIN: u64 = 1729;

/// The rules of a transfer written down once more, without revm and without `effect.rs`:
/// `None` when the transaction is not valid, else gas used and the accounts afterwards.
fn model(
    state: &BTreeMap<Address, AccountView>,
    tx: &Transaction,
    env: &BlockEnv,
) -> Option<(u64, BTreeMap<Address, AccountView>)> {
    let sender = *state.get(&tx.sender)?;
    let base_fee = U256::from(env.base_fee);
    let (max_fee, tip) = (U256::from(tx.max_fee), U256::from(tx.max_priority_fee));
    let calldata: u64 = tx.data.iter().map(|b| if *b == 0 { 10 } else { 40 }).sum();
    let gas = 21_000 + calldata;
    let funds = U256::from(tx.gas_limit) * max_fee + U256::from(tx.value);
    let valid = tx.nonce == sender.nonce
        && max_fee >= base_fee
        && gas <= tx.gas_limit
        && tx.gas_limit <= env.gas_limit
        && funds <= U256::from(sender.balance);
    if !valid {
        return None;
    }
    let price = if max_fee - base_fee < tip { max_fee } else { base_fee + tip };
    let fee = (U256::from(gas) * price).to::<u128>();
    let mut after = state.clone();
    let account = after.get_mut(&tx.sender)?;
    account.nonce += 1;
    account.balance -= fee;
    account.balance -= tx.value;
    if tx.value > 0 {
        after.entry(tx.to).or_default().balance += tx.value;
    }
    after.entry(ESCROW).or_default().balance += fee;
    Some((gas, after))
}

fn genesis(wallets: &[Wallet], balances: &[u128]) -> BTreeMap<Address, AccountView> {
    let mut state = BTreeMap::from([(ESCROW, AccountView { nonce: 0, balance: 5 })]);
    for (wallet, balance) in wallets.iter().zip(balances) {
        state.insert(wallet.address(), AccountView { nonce: 3, balance: *balance });
    }
    state
}

fn env(base_fee: u128) -> BlockEnv {
    BlockEnv {
        number: 7,
        time_ms: 1_700_000_000_123,
        base_fee,
        gas_limit: 30_000_000,
        beacon: B256::repeat_byte(3),
        chain_id: CHAIN,
        rules_version: 1,
    }
}

/// Recipient 0..4: one of the wallets (0 is the sender), 4: the escrow, 5: unknown.
fn recipient(wallets: &[Wallet], choice: usize) -> Address {
    match choice {
        0..4 => wallets[choice].address(),
        4 => ESCROW,
        _ => Address::repeat_byte(0xee),
    }
}

fn balances() -> impl Strategy<Value = Vec<u128>> {
    proptest::collection::vec(prop_oneof![0u128..60_000_000, Just(u128::from(u64::MAX)), Just(1u128 << 126)], 4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_evm_agrees_with_the_model(
        balances in balances(),
        kind in prop_oneof![Just(TransactionKind::Legacy), Just(TransactionKind::Eip2930), Just(TransactionKind::Eip1559)],
        nonce in prop_oneof![8 => Just(3u64), 1 => 0u64..6],
        to in 0usize..6,
        value in prop_oneof![Just(0u128), 1u128..50_000_000, Just(1u128 << 126)],
        gas_limit in 23_000u64..60_000,
        max_fee in prop_oneof![0u128..500, Just(u128::from(u64::MAX))],
        tip in 0u128..500,
        base_fee in 0u128..400,
        data in proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..40),
        tight in any::<bool>(),
    ) {
        let wallets: Vec<_> = (0..4).map(|i| Wallet::derive("effect", i)).collect();
        let mut state = genesis(&wallets, &balances);
        let raw = wallets[0].sign(&Transfer {
            kind, chain_id: CHAIN, nonce, to: recipient(&wallets, to), value, gas_limit, max_fee,
            max_priority_fee: tip.min(max_fee), data: Bytes::from(data),
        });
        // The cases left out (gas limit below the floor, payload too long) are decoding's and tested there.
        let Ok(tx) = decode_transaction(&raw, CHAIN) else { return Ok(()) };
        if tight && let Ok(cost) = u128::try_from(tx.max_cost()) {
            // Exactly enough.
            state.insert(tx.sender, AccountView { nonce: 3, balance: cost });
        }
        let env = env(base_fee);
        let expected = model(&state, &tx, &env);
        let sender = state[&tx.sender];
        let admitted = check_admission(&tx, &AdmissionContext {
            sender, debt: 0, base_fee, gas_left: env.gas_limit, min_fee: 0, may_wait: false,
        });
        prop_assert_eq!(admitted.is_ok(), expected.is_some(), "{:?}", admitted);
        // The circuit's own planner: execution and proof accept the same transfers and make the same changes of them.
        let fields = env.input().fields().unwrap();
        let planned = plan_transfer(&tx.payload, &tx.pubkey, &fields, &|address| match state.get(&Address::new(address)) {
            Some(account) => Planned { exists: true, nonce: account.nonce, balance: account.balance, next: [0; 20] },
            None => Planned { exists: false, nonce: 0, balance: 0, next: [0; 20] },
        });
        prop_assert_eq!(planned.is_ok(), expected.is_some(), "{:?}", planned.err());
        match (transfer_effect(&state, &tx, &env), expected) {
            (Ok(effect), Some((gas, after))) => {
                let planned: Vec<_> = planned.unwrap().state_ops().to_vec();
                let ops: Vec<_> = effect.changes.iter().map(|change| {
                    let (address, AccountView { nonce, balance }) = (change.address.into_array(), change.after);
                    let account = Account { nonce, balance };
                    if change.before.is_some() { StateOp::Set { address, account } } else { StateOp::Create { address, account } }
                }).collect();
                prop_assert_eq!(planned, ops);
                prop_assert_eq!(effect.gas_used, gas);
                let mut applied = state.clone();
                for change in &effect.changes {
                    prop_assert_eq!(applied.insert(change.address, change.after), change.before);
                }
                prop_assert_eq!(&applied, &after);
                let total = |state: &BTreeMap<Address, AccountView>| state.values().map(|a| U256::from(a.balance)).sum::<U256>();
                prop_assert_eq!(total(&applied), total(&state));
                prop_assert_eq!(effect.changes.len(), if value > 0 { 3 } else { 2 });
            }
            (Err(EffectError::Evm(EvmError::Invalid(_))), None) => {}
            (got, expected) => prop_assert!(false, "EVM {got:?}, model {expected:?}"),
        }
    }
}

fn decoded(wallet: &Wallet, to: Address, value: u128) -> Transaction {
    let raw = wallet.sign(&Transfer {
        kind: TransactionKind::Eip1559,
        chain_id: CHAIN,
        nonce: 3,
        to,
        value,
        gas_limit: 50_000,
        max_fee: 20,
        max_priority_fee: 2,
        data: Bytes::new(),
    });
    decode_transaction(&raw, CHAIN).unwrap()
}

#[test]
fn a_transfer_to_oneself_changes_the_sender_twice() {
    let wallet = Wallet::derive("effect", 0);
    let state = genesis(std::slice::from_ref(&wallet), &[10_000_000]);
    let effect = transfer_effect(&state, &decoded(&wallet, wallet.address(), 77), &env(10)).unwrap();
    let fee = 21_000 * 12;
    assert_eq!(effect.fee, fee);
    let spent = AccountView { nonce: 4, balance: 10_000_000 - fee - 77 };
    let changes = [
        Change { address: wallet.address(), before: Some(AccountView { nonce: 3, balance: 10_000_000 }), after: spent },
        Change {
            address: wallet.address(),
            before: Some(spent),
            after: AccountView { nonce: 4, balance: 10_000_000 - fee },
        },
        Change {
            address: ESCROW,
            before: Some(AccountView { nonce: 0, balance: 5 }),
            after: AccountView { nonce: 0, balance: 5 + fee },
        },
    ];
    assert_eq!(effect.changes, changes);
}

#[test]
fn a_transfer_to_the_escrow_changes_the_escrow_twice() {
    let wallet = Wallet::derive("effect", 0);
    let state = genesis(std::slice::from_ref(&wallet), &[10_000_000]);
    let effect = transfer_effect(&state, &decoded(&wallet, ESCROW, 77), &env(10)).unwrap();
    assert_eq!(effect.changes[1].after.balance, 82);
    assert_eq!(effect.changes[2].before.unwrap().balance, 82);
    assert_eq!(effect.changes[2].after.balance, 82 + effect.fee);
}

#[test]
fn nothing_is_created_for_a_value_of_zero() {
    let wallet = Wallet::derive("effect", 0);
    let state = genesis(std::slice::from_ref(&wallet), &[10_000_000]);
    let effect = transfer_effect(&state, &decoded(&wallet, Address::repeat_byte(9), 0), &env(10)).unwrap();
    assert_eq!(effect.changes.len(), 2);
}

#[test]
fn the_whole_fee_goes_to_the_escrow_base_fee_included() {
    let wallet = Wallet::derive("effect", 0);
    let state = genesis(std::slice::from_ref(&wallet), &[10_000_000]);
    let effect = transfer_effect(&state, &decoded(&wallet, Address::repeat_byte(9), 1), &env(10)).unwrap();
    assert_eq!(effect.effective_gas_price, 12);
    assert_eq!(effect.changes.last().unwrap().after.balance, 5 + 12 * 21_000);
}

#[test]
fn a_sender_without_account_sends_nothing_even_for_free() {
    let wallet = Wallet::derive("effect", 9);
    let raw = wallet.sign(&Transfer {
        kind: TransactionKind::Legacy,
        chain_id: CHAIN,
        nonce: 0,
        to: Address::repeat_byte(9),
        value: 0,
        gas_limit: 21_000,
        max_fee: 0,
        max_priority_fee: 0,
        data: Bytes::new(),
    });
    let tx = decode_transaction(&raw, CHAIN).unwrap();
    let state = genesis(&[], &[]);
    assert_eq!(transfer_effect(&state, &tx, &env(0)), Err(EffectError::NoSender { sender: wallet.address() }));
    let context = AdmissionContext {
        sender: AccountView::default(),
        debt: 0,
        base_fee: 0,
        gas_left: 30_000_000,
        min_fee: 0,
        may_wait: false,
    };
    assert!(matches!(check_admission(&tx, &context), Err(AdmissionError::InsufficientFunds { .. })));
}

#[test]
fn a_base_fee_beyond_the_evm_is_named() {
    let wallet = Wallet::derive("effect", 0);
    let state = genesis(std::slice::from_ref(&wallet), &[10_000_000]);
    let base_fee = 1u128 << 64;
    assert_eq!(
        transfer_effect(&state, &decoded(&wallet, ESCROW, 1), &env(base_fee)),
        Err(EffectError::Evm(EvmError::BaseFee { base_fee }))
    );
}

#[test]
fn a_broken_genesis_is_named() {
    let wallet = Wallet::derive("effect", 0);
    let mut state = genesis(std::slice::from_ref(&wallet), &[10_000_000]);
    state.remove(&ESCROW);
    assert_eq!(
        transfer_effect(&state, &decoded(&wallet, Address::repeat_byte(9), 1), &env(10)),
        Err(EffectError::NoEscrow)
    );
}

#[test]
fn a_disagreement_is_found() {
    let wallet = Wallet::derive("effect", 0);
    let state = genesis(std::slice::from_ref(&wallet), &[100]);
    let account = AccountView { nonce: 4, balance: 60 };
    let change = Change { address: wallet.address(), before: None, after: account };
    assert_eq!(agree(&[change], &[(wallet.address(), account)], &state), Ok(()));
    let other = AccountView { nonce: 4, balance: 61 };
    assert!(agree(&[change], &[(wallet.address(), other)], &state).is_err());
    assert!(agree(&[change], &[], &state).is_err());
    assert!(agree(&[], &[(wallet.address(), other)], &state).is_err());
}

/// Prints what one transfer costs, without a state tree. Run with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn measure() {
    let wallet = Wallet::derive("effect", 0);
    let state = genesis(std::slice::from_ref(&wallet), &[10_000_000]);
    let tx = decoded(&wallet, Address::repeat_byte(9), 1);
    let raw = wallet.sign(&Transfer {
        kind: TransactionKind::Eip1559,
        chain_id: CHAIN,
        nonce: 3,
        to: ESCROW,
        value: 1,
        gas_limit: 50_000,
        max_fee: 20,
        max_priority_fee: 2,
        data: Bytes::new(),
    });
    let start = std::time::Instant::now();
    for _ in 0..2_000 {
        std::hint::black_box(transfer_effect(&state, &tx, &env(10)).unwrap());
    }
    println!("execution: {:?} each", start.elapsed() / 2_000);
    let start = std::time::Instant::now();
    for _ in 0..500 {
        std::hint::black_box(decode_transaction(&raw, CHAIN).unwrap());
    }
    println!("decoding with recovery: {:?} each", start.elapsed() / 500);
}
