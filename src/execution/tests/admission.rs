//! Checks against an account, one reason at a time.

use alloy_primitives::{Address, Bytes};

use super::*;
use crate::{
    transaction::{TransactionKind, decode_transaction},
    wallet::{Transfer, Wallet},
};

fn tx(nonce: u64) -> Transaction {
    let raw = Wallet::derive("admission test", 0).sign(&Transfer {
        kind: TransactionKind::Eip1559,
        chain_id: 1,
        nonce,
        to: Address::repeat_byte(1),
        value: 100,
        gas_limit: 30_000,
        max_fee: 10,
        max_priority_fee: 2,
        data: Bytes::new(),
    });
    decode_transaction(&raw, 1).unwrap()
}

fn context() -> AdmissionContext {
    AdmissionContext {
        sender: AccountView { nonce: 4, balance: 300_100 },
        debt: 0,
        base_fee: 5,
        gas_left: 30_000,
        min_fee: 7 * 21_000,
        may_wait: false,
    }
}

#[test]
fn exactly_enough_is_enough() {
    assert_eq!(check_admission(&tx(4), &context()), Ok(()));
}

#[test]
fn each_check_refuses_by_its_name() {
    use AdmissionError as E;
    let check = |change: fn(&mut AdmissionContext)| {
        let mut context = context();
        change(&mut context);
        check_admission(&tx(4), &context).unwrap_err()
    };
    assert_eq!(check(|c| c.sender.nonce = 5), E::NonceTooLow { expected: 5, got: 4 });
    assert_eq!(check(|c| c.sender.nonce = 3), E::NonceGap { expected: 3, got: 4 });
    assert_eq!(check(|c| c.base_fee = 11), E::FeeTooLow { max_fee: 10, base_fee: 11 });
    assert_eq!(check(|c| c.gas_left = 29_999), E::GasAboveBlock { gas_limit: 30_000, block_gas_limit: 29_999 });
    assert_eq!(check(|c| c.min_fee += 1), E::Underpriced { fee: 147_000, needed: 147_001 });
    assert!(matches!(check(|c| c.sender.balance -= 1), E::InsufficientFunds { balance: 300_099, debt: 0, .. }));
    assert!(matches!(check(|c| c.debt = 1), E::InsufficientFunds { balance: 300_100, debt: 1, .. }));
}

#[test]
fn a_gap_may_wait_in_the_pool() {
    let waiting = AdmissionContext { may_wait: true, ..context() };
    assert_eq!(check_admission(&tx(9), &waiting), Ok(()));
    assert!(check_admission(&tx(3), &waiting).is_err());
}

#[test]
fn debt_is_named_in_the_text() {
    let mut with_debt = context();
    with_debt.debt = 7;
    let text = check_admission(&tx(4), &with_debt).unwrap_err().to_string();
    assert!(text.starts_with("insufficient funds"), "{text}");
    assert!(text.ends_with("its proving debt of 7 on top"), "{text}");
}
