//! The strict parser and the planner's rules.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxLegacy};
use alloy_primitives::{TxKind as To, U256};
use proptest::prelude::*;

use super::world::*;
use crate::{
    Scalar,
    accounts::ESCROW,
    transfer::{rlp::mark, *},
    tree::{Account, StateOp},
};

/// The same payload by another implementation.
fn by_alloy(p: &Payload) -> Vec<u8> {
    let (to, value) = (To::Call(p.to.into()), U256::from(p.value));
    let input = p.data.clone().into();
    match p.kind {
        TxKind::Legacy => TxLegacy {
            chain_id: Some(p.chain_id),
            nonce: p.nonce,
            gas_price: p.max_fee,
            gas_limit: p.gas_limit,
            to,
            value,
            input,
        }
        .encoded_for_signing(),
        TxKind::AccessList => TxEip2930 {
            chain_id: p.chain_id,
            nonce: p.nonce,
            gas_price: p.max_fee,
            gas_limit: p.gas_limit,
            to,
            value,
            input,
            access_list: Default::default(),
        }
        .encoded_for_signing(),
        TxKind::DynamicFee => TxEip1559 {
            chain_id: p.chain_id,
            nonce: p.nonce,
            gas_limit: p.gas_limit,
            max_fee_per_gas: p.max_fee,
            max_priority_fee_per_gas: p.max_priority_fee,
            to,
            value,
            access_list: Default::default(),
            input,
        }
        .encoded_for_signing(),
    }
}

fn number64() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(x, shift)| x >> shift)
}

fn number128() -> impl Strategy<Value = u128> {
    (any::<u128>(), 0..128_u32).prop_map(|(x, shift)| x >> shift)
}

proptest! {
    #[test]
    fn parse_and_encode_agree_with_alloy(
        kind in 0..3_usize,
        chain_id in number64(), nonce in number64(), gas_limit in number64(),
        fees in (number128(), number128()),
        to in any::<[u8; 20]>(),
        value in number128(),
        data in proptest::collection::vec(any::<u8>(), 0..=55),
    ) {
        let kind = KINDS[kind];
        let max_priority_fee = if kind == TxKind::DynamicFee { fees.0 } else { fees.1 };
        let p = Payload { kind, chain_id, nonce, max_priority_fee, max_fee: fees.1, gas_limit, to, value, data };
        let bytes = p.encode();
        prop_assert_eq!(&bytes, &by_alloy(&p));
        if bytes.len() <= MAX_PAYLOAD_BYTES {
            prop_assert_eq!(Payload::parse(&bytes), Ok(p));
        } else {
            prop_assert_eq!(Payload::parse(&bytes), Err(PayloadError::TooLong { bytes: bytes.len() }));
        }
    }

    /// No panic, and whatever parses is the only encoding of its meaning.
    #[test]
    fn parse_is_strict(
        kind in 0..3_usize,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3),
    ) {
        let mut bytes = payload(KINDS[kind]).encode();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(p) = Payload::parse(&bytes) {
            prop_assert_eq!(p.encode(), bytes);
        }
    }
}

fn parse(kind: TxKind, change: impl FnOnce(&mut Raw)) -> Result<Payload, PayloadError> {
    let mut raw = Raw::of(&payload(kind));
    change(&mut raw);
    Payload::parse(&raw.build().0)
}

#[test]
fn each_rule_has_its_error() {
    use PayloadError as E;
    let dynamic = |change: fn(&mut Raw)| parse(TxKind::DynamicFee, change);
    let item = |k: usize, bytes: &[u8]| parse(TxKind::DynamicFee, |r| r.items[k] = Some(bytes.to_vec()));
    assert_eq!(Payload::parse(&[]), Err(E::NotATransaction));
    assert_eq!(Payload::parse(&[0x80]), Err(E::NotATransaction));
    assert_eq!(Payload::parse(&[3, 0xc0]), Err(E::UnsupportedType(3)));
    assert_eq!(Payload::parse(&[0; 136]), Err(E::TooLong { bytes: 136 }));
    assert_eq!(dynamic(|r| r.list = Some(vec![0xc0])), Err(E::ListHeader));
    assert_eq!(dynamic(|r| r.list = Some(vec![0xf8, 3])), Err(E::ListHeader));
    assert_eq!(dynamic(|r| r.trailing = vec![0]), Err(E::ListHeader));
    assert_eq!(dynamic(|r| r.zeros = vec![0]), Err(E::Trailing));
    assert_eq!(item(mark::DATA_END, &[0xc1, 0xc0]), Err(E::UnsupportedAccessList));
    assert_eq!(item(mark::DATA_END, &[0x80]), Err(E::WrongHeader(Field::Tail)));
    assert_eq!(item(mark::DATA_END, &[]), Err(E::Truncated(Field::Tail)));
    assert_eq!(item(mark::DATA, &[&[0xb8, 56][..], &[1; 56]].concat()), Err(E::DataTooLong));
    assert_eq!(item(mark::DATA, &[0x81, 1]), Err(E::NotCanonical(Field::Data)));
    assert_eq!(item(mark::TO, &[0x80]), Err(E::Create));
    assert_eq!(item(mark::TO, &long(&[1; 19])), Err(E::WrongHeader(Field::To)));
    assert_eq!(item(mark::TO, &long(&[0; 20])), Err(E::ReservedRecipient));
    assert_eq!(item(mark::VALUE, &[0]), Err(E::NotCanonical(Field::Value)));
    assert_eq!(item(mark::VALUE, &long(&[0, 200])), Err(E::NotCanonical(Field::Value)));
    assert_eq!(item(mark::VALUE, &long(&[1; 17])), Err(E::TooLarge(Field::Value)));
    assert_eq!(item(mark::NONCE, &long(&[1; 9])), Err(E::TooLarge(Field::Nonce)));
    assert_eq!(item(mark::NONCE, &[0xc0]), Err(E::WrongHeader(Field::Nonce)));
    let unprotected = parse(TxKind::Legacy, |r| {
        r.items[mark::DATA_END] = None;
        r.zeros = vec![];
    });
    assert_eq!(unprotected, Err(E::UnsupportedUnprotected));
    let tail = parse(TxKind::Legacy, |r| r.zeros = vec![0x80, 1]);
    assert_eq!(tail, Err(E::WrongHeader(Field::Tail)));
    assert_eq!(E::UnsupportedAccessList.to_string(), "not provable yet: access list");
}

fn plan(change: impl FnOnce(&mut World, &mut Payload)) -> Result<TransferWitness, TransferError> {
    let (mut world, mut p) = (World::new(), payload(TxKind::DynamicFee));
    change(&mut world, &mut p);
    world.plan(&p)
}

#[test]
fn planner_names_the_broken_rule() {
    use TransferError as E;
    let refuse = |change: fn(&mut World, &mut Payload)| plan(change).map(|_| ()).unwrap_err();
    assert_eq!(refuse(|_, p| p.chain_id = 1), E::ChainId { signed: 1, chain: CHAIN });
    assert_eq!(refuse(|_, p| p.gas_limit = 21_099), E::GasBelowUsed { limit: 21_099, needed: 21_100 });
    assert_eq!(refuse(|_, p| p.gas_limit = 16_777_217), E::GasAboveCap { limit: 16_777_217 });
    assert_eq!(refuse(|w, _| w.env.block_gas_limit = 99_999), E::GasAboveBlock { limit: 100_000, block: 99_999 });
    assert_eq!(refuse(|w, _| w.env.base_fee = 5_001), E::FeeBelowBase { max_fee: 5_000, base_fee: 5_001 });
    assert_eq!(refuse(|_, p| p.max_priority_fee = 5_001), E::PriorityAboveMax { priority: 5_001, max_fee: 5_000 });
    assert_eq!(refuse(|_, p| p.nonce = 299), E::Nonce { signed: 299, account: 300 });
    assert_eq!(refuse(|w, p| (w.nonce, p.nonce) = (u64::MAX, u64::MAX)), E::NonceExhausted);
    let worst = 100_000 * 5_000 + 123_456_789;
    assert!(plan(|w, _| w.balance = worst).is_ok());
    assert!(matches!(plan(|w, _| w.balance = worst - 1), Err(E::InsufficientBalance { .. })));
    let overflow = plan(|w, p| (w.balance, p.max_fee) = (u128::MAX, u128::MAX));
    assert!(matches!(overflow, Err(E::InsufficientBalance { .. })));
    assert_eq!(refuse(|w, _| w.known = u128::MAX), E::RecipientOverflow);
    assert_eq!(refuse(|w, _| w.escrow = u128::MAX), E::EscrowOverflow);
    let nobody = |_: [u8; 20]| AccountView { exists: false, nonce: 0, balance: 0, next: [0; 20] };
    let bytes = payload(TxKind::DynamicFee).encode();
    let missing = plan_transfer(&bytes, &key(), &env(), &nobody).map(|_| ());
    assert_eq!(missing, Err(E::SenderMissing));
    let only_sender = |a: [u8; 20]| if a == ESCROW { nobody(a) } else { World::new().account(a) };
    let missing = plan_transfer(&bytes, &key(), &env(), &only_sender).map(|_| ());
    assert_eq!(missing, Err(E::EscrowMissing));
}

/// Every operation sees what the ones before it wrote.
#[test]
fn operations_are_sequential() {
    let set = |address, nonce, balance| StateOp::Set { address, account: Account { nonce, balance } };
    let (start, value) = (10_u128.pow(30), 123_456_789);
    let w = plan(|_, p| p.to = sender()).unwrap();
    let fee = u128::from(w.gas_used) * 1_020;
    assert_eq!((w.price, w.fee), (1_020, fee));
    let paid = start - value - fee;
    assert_eq!(
        w.state_ops(),
        [set(sender(), 301, paid), set(sender(), 301, paid + value), set(ESCROW, 0, 1_000_000 + fee)]
    );
    let w = plan(|_, p| p.to = ESCROW).unwrap();
    assert_eq!(
        w.state_ops(),
        [set(sender(), 301, paid), set(ESCROW, 0, 1_000_000 + value), set(ESCROW, 0, 1_000_000 + value + fee)]
    );
    let w = plan(|_, p| p.to = UNKNOWN).unwrap();
    let account = Account { nonce: 0, balance: value };
    assert_eq!(w.state_ops()[1], StateOp::Create { address: UNKNOWN, account });
    let seqs = w.tree_messages().map(|(_, message)| message[0]);
    assert_eq!(seqs, [0, 1, 2, 3].map(Scalar::from));
    let w = plan(|_, p| p.value = 0).unwrap();
    assert_eq!(w.state_ops().len(), 2);
    assert_eq!(w.tree_messages()[3].1[0], Scalar::from(1));
}
