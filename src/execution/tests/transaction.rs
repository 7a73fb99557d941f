//! Decoding: what is accepted, and a typed reason for each thing that is not.

use alloy_consensus::{TxEip1559, TxEip2930, TxEip7702, TxLegacy, transaction::RlpEcdsaEncodableTx};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::B256;
use proptest::prelude::*;

use super::*;
use crate::wallet::{Transfer, Wallet};

const CHAIN: u64 = 1729;
const KINDS: [TransactionKind; 3] = [TransactionKind::Legacy, TransactionKind::Eip2930, TransactionKind::Eip1559];

fn transfer(kind: TransactionKind) -> Transfer {
    Transfer {
        kind,
        chain_id: CHAIN,
        nonce: 5,
        to: Address::repeat_byte(0xaa),
        value: 123_456_789,
        gas_limit: 30_000,
        max_fee: 1_000_000_000,
        max_priority_fee: 7,
        data: Bytes::new(),
    }
}

fn wallet() -> Wallet {
    Wallet::derive("transaction", 0)
}

fn reason(raw: &[u8]) -> AdmissionError {
    decode_transaction(raw, CHAIN).unwrap_err()
}

/// Signs, then swaps the signature for `change` of it.
fn with_signature<T: SignableTransaction<Signature> + RlpEcdsaEncodableTx>(
    tx: T,
    change: impl FnOnce(Signature) -> Signature,
) -> Vec<u8> {
    let signature = change(wallet().sign_hash(&tx.signature_hash()));
    let mut raw = Vec::new();
    tx.eip2718_encode(&signature, &mut raw);
    raw
}

fn dynamic() -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN,
        nonce: 1,
        gas_limit: 30_000,
        max_fee_per_gas: 10,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::repeat_byte(0xaa)),
        value: U256::from(9),
        access_list: AccessList::default(),
        input: Bytes::new(),
    }
}

#[test]
fn the_three_kinds_decode_and_recover() {
    for kind in KINDS {
        let raw = wallet().sign(&transfer(kind));
        let tx = decode_transaction(&raw, CHAIN).unwrap();
        assert_eq!(tx.kind, kind);
        assert_eq!(tx.sender, wallet().address());
        assert_eq!(tx.hash, keccak256(&raw));
        assert_eq!(Address::from_raw_public_key(&tx.pubkey), tx.sender);
        assert_eq!((tx.nonce, tx.to, tx.value, tx.gas_limit), (5, Address::repeat_byte(0xaa), 123_456_789, 30_000));
        assert_eq!(tx.max_priority_fee, if kind == TransactionKind::Eip1559 { 7 } else { 1_000_000_000 });
        assert_eq!(tx.signature.recover_address_from_prehash(&tx.signing_hash()).unwrap(), tx.sender);
    }
}

/// The example of EIP-155 itself: known payload, known raw bytes, known sender.
#[test]
fn the_example_of_eip_155() {
    let raw = alloy_primitives::hex!(
        "f86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008025a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
    );
    let payload = alloy_primitives::hex!(
        "ec098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080018080"
    );
    let tx = decode_transaction(&raw, 1).unwrap();
    assert_eq!(tx.payload, payload);
    assert_eq!(tx.sender, alloy_primitives::address!("9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f"));
}

#[test]
fn payloads_are_those_of_the_standards() {
    let prefix = |kind: TransactionKind| decode_transaction(&wallet().sign(&transfer(kind)), CHAIN).unwrap().payload[0];
    assert!(prefix(TransactionKind::Legacy) >= 0xc0);
    assert_eq!(prefix(TransactionKind::Eip2930), 1);
    assert_eq!(prefix(TransactionKind::Eip1559), 2);
}

#[test]
fn what_is_not_provable_says_so() {
    use NotProvable as N;
    let not = |raw: &[u8]| match reason(raw) {
        AdmissionError::NotProvable(what) => what,
        other => panic!("{other}"),
    };
    assert_eq!(not(&[3, 0xc0]), N::Blob);
    let set_code = TxEip7702 { chain_id: CHAIN, gas_limit: 100_000, ..TxEip7702::default() };
    assert_eq!(not(&with_signature(set_code, |s| s)), N::SetCode);
    assert_eq!(not(&with_signature(TxEip1559 { to: TxKind::Create, ..dynamic() }, |s| s)), N::ContractCreation);
    let list = AccessList(vec![AccessListItem { address: Address::ZERO, storage_keys: vec![B256::ZERO] }]);
    assert_eq!(
        not(&with_signature(TxEip1559 { access_list: list.clone(), ..dynamic() }, |s| s)),
        N::AccessList { entries: 1 }
    );
    let eip2930 = TxEip2930 {
        chain_id: CHAIN,
        gas_limit: 30_000,
        to: TxKind::Call(Address::repeat_byte(1)),
        access_list: list,
        ..TxEip2930::default()
    };
    assert_eq!(not(&with_signature(eip2930, |s| s)), N::AccessList { entries: 1 });
    let big = U256::from(1) << 128;
    assert_eq!(not(&with_signature(TxEip1559 { value: big, ..dynamic() }, |s| s)), N::Value);
    let raw = with_signature(TxEip1559 { value: big - U256::from(1), ..dynamic() }, |s| s);
    assert_eq!(decode_transaction(&raw, CHAIN).unwrap().value, u128::MAX);
    for bytes in [56usize, 1000] {
        let raw = with_signature(TxEip1559 { input: vec![1; bytes].into(), gas_limit: 100_000, ..dynamic() }, |s| s);
        assert_eq!(not(&raw), N::Data { bytes });
    }
    let raw = with_signature(TxEip1559 { input: vec![1; 55].into(), gas_limit: 100_000, ..dynamic() }, |s| s);
    assert_eq!(decode_transaction(&raw, CHAIN).unwrap().data.len(), 55);
    assert!(not(&[3]).to_string().contains("EIP-4844"));
    assert!(reason(&[3]).to_string().starts_with("not provable yet: blob transactions"));
}

#[test]
fn reserved_recipients_end_at_2_to_the_16() {
    for (low, refused) in [(0u32, true), (1, true), (9, true), (0x100, true), (0xffff, true), (0x1_0000, false)] {
        let mut bytes = [0; 20];
        bytes[16..].copy_from_slice(&low.to_be_bytes());
        let recipient = Address::new(bytes);
        let raw = wallet().sign(&Transfer { to: recipient, ..transfer(TransactionKind::Eip1559) });
        let decoded = decode_transaction(&raw, CHAIN);
        if refused {
            assert_eq!(decoded, Err(NotProvable::Reserved { recipient }.into()));
        } else {
            assert!(decoded.is_ok());
        }
    }
}

#[test]
fn a_payload_ends_at_one_keccak_block() {
    // 55 bytes of data and the longest numbers: 2 + 9 + 9 + 17 + 17 + 4 + 21 + 17 + 56 + 1 bytes and more.
    let long = |nonce: u64, fee: u128| TxEip1559 {
        nonce,
        max_fee_per_gas: fee,
        max_priority_fee_per_gas: fee,
        gas_limit: 100_000,
        value: U256::from(u128::MAX),
        input: vec![1; 55].into(),
        ..dynamic()
    };
    let tx = long(u64::MAX - 1, u128::MAX);
    let bytes = tx.encoded_for_signing().len();
    assert!(bytes > MAX_PAYLOAD_BYTES);
    assert_eq!(reason(&with_signature(tx, |s| s)), NotProvable::Payload { bytes }.into());
    // Around the bound, byte by byte.
    let mut seen = [false; 2];
    for bits in 1..127 {
        let tx = long(1, 1 << bits);
        let bytes = tx.encoded_for_signing().len();
        let ok = decode_transaction(&with_signature(tx, |s| s), CHAIN).is_ok();
        assert_eq!(ok, bytes <= MAX_PAYLOAD_BYTES, "{bytes}");
        seen[0] |= bytes == MAX_PAYLOAD_BYTES || bytes == MAX_PAYLOAD_BYTES - 1;
        seen[1] |= bytes == MAX_PAYLOAD_BYTES + 1 || bytes == MAX_PAYLOAD_BYTES + 2;
    }
    assert_eq!(seen, [true, true]);
}

#[test]
fn signatures_are_checked() {
    let order = uint!(0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141_U256);
    let high = with_signature(dynamic(), |s| Signature::new(s.r(), order - s.s(), !s.v()));
    assert_eq!(reason(&high), AdmissionError::HighS);
    let at_half = with_signature(dynamic(), |s| Signature::new(s.r(), HALF_ORDER, s.v()));
    assert_ne!(decode_transaction(&at_half, CHAIN), Err(AdmissionError::HighS));
    let above_half = with_signature(dynamic(), |s| Signature::new(s.r(), HALF_ORDER + U256::from(1), s.v()));
    assert_eq!(reason(&above_half), AdmissionError::HighS);
    for broken in [
        Signature::new(U256::ZERO, U256::from(1), false),
        Signature::new(U256::from(1), U256::ZERO, false),
        Signature::new(order, U256::from(1), false),
        Signature::new(U256::MAX, U256::from(1), false),
        // x = 5 is on no point of the curve.
        Signature::new(U256::from(5), U256::from(1), false),
    ] {
        assert_eq!(reason(&with_signature(dynamic(), |_| broken)), AdmissionError::Signature);
    }
    // Another parity is another sender, if any.
    let flipped = with_signature(dynamic(), |s| Signature::new(s.r(), s.s(), !s.v()));
    assert!(decode_transaction(&flipped, CHAIN).map_or(true, |tx| tx.sender != wallet().address()));
}

/// The canonical transaction's items, to be put together wrongly.
fn items(raw_list: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = raw_list;
    Header::decode(&mut rest).unwrap();
    let mut items = Vec::new();
    while !rest.is_empty() {
        let start = rest;
        skip_item(&mut rest).unwrap();
        items.push(start[..start.len() - rest.len()].to_vec());
    }
    items
}

fn list(prefix: &[u8], items: &[Vec<u8>]) -> Vec<u8> {
    let body = items.concat();
    let mut out = prefix.to_vec();
    Header { list: true, payload_length: body.len() }.encode(&mut out);
    out.extend(body);
    out
}

#[test]
fn the_parity_is_zero_or_one() {
    for (kind, prefix) in [(TransactionKind::Eip2930, 1u8), (TransactionKind::Eip1559, 2)] {
        let raw = wallet().sign(&transfer(kind));
        let mut parts = items(&raw[1..]);
        let parity = parts.len() - 3;
        assert_eq!(list(&[prefix], &parts), raw);
        for wrong in [vec![2], vec![27], vec![28], vec![0x81, 0x80], vec![0], vec![0xc0]] {
            parts[parity] = wrong.clone();
            assert_eq!(reason(&list(&[prefix], &parts)), AdmissionError::Parity, "{wrong:?}");
        }
        parts[parity] = vec![0x81, 0x01];
        assert!(matches!(reason(&list(&[prefix], &parts)), AdmissionError::Rlp { .. }));
    }
}

#[test]
fn a_legacy_v_names_this_chain() {
    let raw = wallet().sign(&transfer(TransactionKind::Legacy));
    let mut parts = items(&raw);
    for v in [vec![27], vec![28]] {
        parts[6] = v;
        assert_eq!(reason(&list(&[], &parts)), AdmissionError::NotReplayProtected);
    }
    for v in [vec![0x80], vec![1], vec![26], vec![29], vec![34]] {
        parts[6] = v.clone();
        let got = reason(&list(&[], &parts));
        assert!(matches!(got, AdmissionError::Parity | AdmissionError::NotReplayProtected), "{v:?}: {got}");
    }
    let unprotected = TxLegacy {
        chain_id: None,
        gas_limit: 21_000,
        to: TxKind::Call(Address::repeat_byte(1)),
        ..TxLegacy::default()
    };
    assert_eq!(reason(&with_signature(unprotected, |s| s)), AdmissionError::NotReplayProtected);
}

#[test]
fn another_chain_is_refused() {
    for kind in KINDS {
        let raw = wallet().sign(&Transfer { chain_id: 1, ..transfer(kind) });
        assert_eq!(reason(&raw), AdmissionError::WrongChainId { expected: CHAIN, got: 1 });
    }
}

#[test]
fn encodings_are_canonical() {
    for kind in KINDS {
        let raw = wallet().sign(&transfer(kind));
        let with = |extra: &[u8]| reason(&[&raw[..], extra].concat());
        assert_eq!(with(&[0]), AdmissionError::TrailingBytes { bytes: 1 });
        assert_eq!(with(&[0x80; 40]), AdmissionError::TrailingBytes { bytes: 40 });
        let prefix: &[u8] = if kind == TransactionKind::Legacy { &[] } else { &raw[..1] };
        let parts = items(&raw[prefix.len()..]);
        for i in 0..parts.len() {
            let mut changed = parts.clone();
            changed.remove(i);
            assert!(decode_transaction(&list(prefix, &changed), CHAIN).is_err(), "{kind:?} without {i}");
            let mut changed = parts.clone();
            changed.insert(i, vec![0x80]);
            assert!(decode_transaction(&list(prefix, &changed), CHAIN).is_err(), "{kind:?} with one more at {i}");
            // A leading zero makes a number longer than it is.
            let mut changed = parts.clone();
            if changed[i].len() > 1 && changed[i].len() < 34 && changed[i][0] < 0xc0 {
                changed[i] = [&[0x80 + changed[i].len() as u8, 0][..], &changed[i][1..]].concat();
                assert!(decode_transaction(&list(prefix, &changed), CHAIN).is_err(), "{kind:?} long {i}");
            }
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    for kind in KINDS {
        let raw = wallet().sign(&transfer(kind));
        for end in 0..raw.len() {
            assert!(decode_transaction(&raw[..end], CHAIN).is_err());
        }
    }
    assert_eq!(reason(&[]), AdmissionError::Empty);
}

#[test]
fn fields_out_of_range_are_refused() {
    let of = |tx: TxEip1559| reason(&with_signature(tx, |s| s));
    assert_eq!(of(TxEip1559 { nonce: u64::MAX, ..dynamic() }), AdmissionError::NonceOverflow);
    assert_eq!(
        of(TxEip1559 { max_priority_fee_per_gas: 11, ..dynamic() }),
        AdmissionError::PriorityAboveFee { max_priority_fee: 11, max_fee: 10 }
    );
    assert_eq!(
        of(TxEip1559 { gas_limit: 20_999, ..dynamic() }),
        AdmissionError::IntrinsicGas { gas_limit: 20_999, needed: 21_000 }
    );
    assert_eq!(
        of(TxEip1559 { gas_limit: 21_049, input: vec![0, 7].into(), ..dynamic() }),
        AdmissionError::IntrinsicGas { gas_limit: 21_049, needed: 21_050 }
    );
    assert_eq!(
        of(TxEip1559 { gas_limit: MAX_TRANSACTION_GAS + 1, ..dynamic() }),
        AdmissionError::GasAboveCap { gas_limit: MAX_TRANSACTION_GAS + 1 }
    );
}

#[test]
fn unknown_types_and_huge_bodies_are_refused() {
    for kind in (0..0x80).filter(|kind| !(1..=4).contains(kind)) {
        assert_eq!(reason(&[kind, 0xc0]), AdmissionError::UnknownType { kind });
    }
    assert!(matches!(reason(&[0x80]), AdmissionError::Rlp { .. }));
    assert_eq!(reason(&vec![2; MAX_RAW_BYTES + 1]), AdmissionError::Oversized { bytes: MAX_RAW_BYTES + 1 });
    // A header that promises more than there is.
    assert!(matches!(reason(&[0xfb, 0xff, 0xff, 0xff, 0xff]), AdmissionError::Rlp { .. }));
    assert!(matches!(reason(&[2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), AdmissionError::Rlp { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing panics, and whatever decodes is its own encoding.
    #[test]
    fn any_bytes_are_decoded_or_refused(kind in 0u8..=255, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut raw = vec![kind];
        raw.extend(bytes);
        let _ = decode_transaction(&raw, CHAIN);
    }

    /// One changed byte never leaves the same sender and hash.
    #[test]
    fn a_changed_byte_is_another_transaction(at in 0usize..110, flip in 1u8..=255, kind in 0usize..3) {
        let mut raw = wallet().sign(&transfer(KINDS[kind]));
        let at = at % raw.len();
        raw[at] ^= flip;
        if let Ok(tx) = decode_transaction(&raw, CHAIN) {
            prop_assert_ne!(tx.sender, wallet().address());
            prop_assert_eq!(tx.hash, keccak256(&raw));
        }
    }
}
