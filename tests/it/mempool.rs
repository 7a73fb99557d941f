//! The rules of the pool of transactions.

use alloy_primitives::Bytes;
use crowdfold::actors::sequencer::{Mempool, MempoolLimits};
use crowdfold_events::B256;
use crowdfold_execution::{AdmissionError, decode_transaction};
use crowdfold_kernel::{Kernel, State, TransactionFault};

use crate::world::{PRICE, genesis, transfer};

struct Pool {
    pool: Mempool,
    state: State,
}

impl Pool {
    fn new(limits: MempoolLimits) -> Self {
        Self { pool: Mempool::new(limits), state: Kernel::genesis(&genesis()).unwrap().0 }
    }

    fn add(&mut self, from: u64, nonce: u64, value: u128, price: u128) -> Result<B256, TransactionFault> {
        let raw = Bytes::from(transfer(&genesis(), from, nonce, value, price));
        let transaction = decode_transaction(&raw, genesis().chain_id).unwrap();
        self.pool.insert(transaction, raw, &self.state)
    }

    fn order(&self) -> Vec<B256> {
        self.pool.candidates(&self.state).iter().map(alloy_primitives::keccak256).collect()
    }
}

const ETHER: u128 = 10u128.pow(18);

#[test]
fn the_best_payer_is_first_and_each_sender_in_order() {
    let mut pool = Pool::new(MempoolLimits::default());
    let cheap = pool.add(0, 0, 1, PRICE).unwrap();
    let second = pool.add(1, 1, 1, 9 * PRICE).unwrap();
    let first = pool.add(1, 0, 1, 2 * PRICE).unwrap();
    assert_eq!(pool.order(), [first, second, cheap]);
    let waits = pool.add(2, 1, 1, PRICE).unwrap();
    assert!(!pool.order().contains(&waits), "its nonce leaves a gap");
    pool.add(2, 0, 1, PRICE).unwrap();
    assert!(pool.order().contains(&waits));
    let next = |n: u64| pool.pool.next_nonce(&crate::world::wallet(n).address(), 0);
    assert_eq!([next(0), next(1), next(2), next(3)], [Some(1), Some(2), Some(2), None]);
}

#[test]
fn a_replacement_pays_a_tenth_more_on_both_prices() {
    let mut pool = Pool::new(MempoolLimits::default());
    let old = pool.add(0, 0, 1, PRICE).unwrap();
    assert_eq!(pool.add(0, 0, 1, PRICE), Err(AdmissionError::AlreadyKnown { hash: old }.into()));
    let needed = PRICE + PRICE / 10;
    for price in [PRICE, PRICE + 2, needed - 2] {
        let refused = pool.add(0, 0, 2, price);
        assert_eq!(refused, Err(AdmissionError::ReplacementUnderpriced { needed }.into()));
    }
    let new = pool.add(0, 0, 2, needed).unwrap();
    assert_eq!(pool.order(), [new]);
    assert!(pool.pool.raw(&old).is_none() && pool.pool.raw(&new).is_some() && pool.pool.len() == 1);
}

#[test]
fn all_waiting_transactions_of_a_sender_are_covered_together() {
    let mut pool = Pool::new(MempoolLimits::default());
    pool.add(0, 0, 600 * ETHER, PRICE).unwrap();
    let refused = pool.add(0, 1, 600 * ETHER, PRICE);
    assert!(matches!(refused, Err(TransactionFault::Admission(AdmissionError::InsufficientFunds { .. }))));
    pool.add(0, 1, 300 * ETHER, PRICE).unwrap();
    assert!(pool.add(0, 0, 600 * ETHER, 2 * PRICE).is_ok(), "a replacement does not count twice");
}

#[test]
fn places_are_bounded_per_sender_and_in_all() {
    let limits = MempoolLimits { transactions: 3, per_sender: 2, ..MempoolLimits::default() };
    let mut pool = Pool::new(limits);
    pool.add(0, 0, 1, PRICE).unwrap();
    pool.add(0, 1, 1, PRICE).unwrap();
    assert_eq!(pool.add(0, 2, 1, PRICE), Err(AdmissionError::PoolFull { limit: 2 }.into()));
    pool.add(1, 0, 1, PRICE).unwrap();
    assert_eq!(pool.add(2, 0, 1, PRICE), Err(AdmissionError::PoolFull { limit: 3 }.into()));
    assert!(pool.add(1, 0, 2, 2 * PRICE).is_ok(), "a replacement needs no place");
}

#[test]
fn what_the_next_block_would_refuse_is_refused_at_once() {
    let mut pool = Pool::new(MempoolLimits::default());
    let fee_too_low = pool.add(0, 0, 1, 1);
    assert!(
        matches!(fee_too_low, Err(TransactionFault::Admission(AdmissionError::FeeTooLow { .. }))),
        "{fee_too_low:?}"
    );
    let base = pool.state.next_base_fee();
    let underpriced = pool.add(0, 0, 1, base);
    assert!(
        matches!(underpriced, Err(TransactionFault::Admission(AdmissionError::Underpriced { .. })))
            || underpriced.is_ok()
    );
    let poor = pool.add(9, 0, 1, PRICE);
    assert!(matches!(poor, Err(TransactionFault::Admission(AdmissionError::InsufficientFunds { .. }))));
}
