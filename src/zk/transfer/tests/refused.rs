//! Each rule has a row that refuses its breach, and mostly that row alone: then
//! the test turns green where the row is deleted.
//!
//! Booleanity of bits and steps is not breached here (the sweep in `pins`
//! covers it one variable at a time), nor what ports merely copy.

use std::collections::BTreeSet;

use ff::{Field as _, PrimeField};

use super::world::*;
use crate::{
    Scalar,
    keccak::keccak256_block,
    transfer::{hash::halves, rlp::mark, *},
};

/// Asserts that exactly the rows `rows` fail.
#[track_caller]
fn refused((w, statement): &(TransferWitness, Statement), rows: &[&str]) {
    let instance = instance(w, statement);
    let expected: BTreeSet<&str> = rows.iter().copied().collect();
    assert_eq!(instance.failing(), expected);
}

/// Asserts that row `row` fails, among others.
#[track_caller]
fn refused_also((w, statement): &(TransferWitness, Statement), row: &str) {
    let instance = instance(w, statement);
    let failing = instance.failing();
    assert!(failing.contains(row), "{failing:?}");
}

fn planned(kind: TxKind) -> TransferWitness {
    World::new().plan(&payload(kind)).expect("a valid transfer")
}

/// A payload of `kind` with one thing different.
fn raw(kind: TxKind, change: impl FnOnce(&mut Raw)) -> (TransferWitness, Statement) {
    let mut raw = Raw::of(&payload(kind));
    change(&mut raw);
    raw.lie(&planned(kind))
}

/// The honest payload with another advice, on the honest statement.
fn told(kind: TxKind, change: impl FnOnce(&mut plan::Advice)) -> (TransferWitness, Statement) {
    let mut w = planned(kind);
    let statement = w.statement();
    change(&mut w.advice);
    (w, statement)
}

/// The honest payload in another environment.
fn in_env(kind: TxKind, field: usize, value: Scalar) -> (TransferWitness, Statement) {
    let (mut w, mut statement) = told(kind, |_| ());
    w.advice.env[field] = value;
    let mut inputs = [Scalar::ZERO; 8];
    inputs[..7].copy_from_slice(&w.advice.env);
    statement.env = crate::poseidon::hash8(crate::poseidon::Domain::Env, &inputs);
    (w, statement)
}

const NUMBERS: [(usize, &str); 7] = [
    (mark::CHAIN, "chain id"),
    (mark::NONCE, "nonce"),
    (mark::PRIORITY, "priority fee"),
    (mark::MAX_FEE, "maximum fee"),
    (mark::GAS, "gas"),
    (mark::VALUE, "value"),
    (mark::DATA_END, "legacy chain id"),
];

fn kind_with(k: usize) -> TxKind {
    match k {
        mark::DATA_END => TxKind::Legacy,
        _ => TxKind::DynamicFee,
    }
}

fn content(item: &[u8]) -> Vec<u8> {
    match item {
        [byte @ 0..=0x7f] => vec![*byte],
        _ => item[1..].to_vec(),
    }
}

#[test]
fn the_helper_builds_honest_payloads() {
    for kind in KINDS {
        let (w, statement) = raw(kind, |_| ());
        assert_eq!(Raw::of(&payload(kind)).build().0, payload(kind).encode());
        refused(&(w, statement), &[]);
    }
}

#[test]
fn leading_zero() {
    for (k, field) in NUMBERS {
        let lie = raw(kind_with(k), |raw| {
            let item = raw.items[k].as_mut().unwrap();
            *item = long(&[vec![0], content(item)].concat());
        });
        refused(&lie, &[&format!("{field}/leading zero")]);
    }
}

#[test]
fn small_byte_in_long_form() {
    // The priority fee is 20: the same number, two encodings.
    let lie = raw(TxKind::DynamicFee, |raw| {
        raw.items[mark::PRIORITY] = Some(vec![0x81, 20]);
    });
    refused(&lie, &["priority fee/byte in long form"]);
    let lie = raw(TxKind::DynamicFee, |raw| {
        raw.items[mark::DATA] = Some(vec![0x81, 0x7f]);
    });
    refused(&lie, &["data/byte in long form"]);
    let fine = raw(TxKind::DynamicFee, |raw| {
        raw.items[mark::DATA] = Some(vec![0x81, 0x80]);
    });
    refused(&fine, &[]);
}

#[test]
fn zero_byte_as_a_number() {
    let lie = raw(TxKind::DynamicFee, |raw| {
        raw.items[mark::PRIORITY] = Some(vec![0]);
    });
    refused(&lie, &["priority fee/zero byte as a number"]);
    let lie = raw(TxKind::DynamicFee, |raw| {
        raw.items[mark::PRIORITY] = Some(vec![0x80]);
    });
    refused(&lie, &[]);
}

#[test]
fn numbers_wider_than_their_types() {
    for (k, field, bytes, row) in [
        (mark::NONCE, "nonce", 9, "number too wide"),
        (mark::NONCE, "nonce", 16, "number too long"),
        (mark::GAS, "gas", 5, "number too wide"),
        (mark::GAS, "gas", 8, "number too long"),
        (mark::VALUE, "value", 17, "number too wide"),
        (mark::VALUE, "value", 32, "number too long"),
        (mark::MAX_FEE, "maximum fee", 17, "number too wide"),
        (mark::PRIORITY, "priority fee", 17, "number too wide"),
        (mark::CHAIN, "chain id", 9, "number too wide"),
        (mark::DATA_END, "legacy chain id", 9, "number too wide"),
    ] {
        let lie = raw(kind_with(k), |raw| {
            raw.items[k] = Some(long(&vec![0x81; bytes]));
            raw.items[mark::DATA] = Some(vec![0x80]);
        });
        refused_also(&lie, &format!("{field}/{row}"));
        if (k, bytes) == (mark::NONCE, 9) {
            refused(&lie, &["nonce/number too wide"]);
        }
    }
}

#[test]
fn data_over_55_bytes() {
    for (bytes, row) in [(56, "data over 55 bytes"), (64, "data over 63 bytes")] {
        let lie = raw(TxKind::DynamicFee, |raw| {
            raw.items[mark::DATA] = Some(long(&vec![1; bytes]));
            raw.items[mark::VALUE] = Some(vec![1]);
        });
        refused(&lie, &[row]);
    }
}

#[test]
fn list_header() {
    let honest = Raw::of(&payload(TxKind::DynamicFee)).build().0;
    let length = honest.len() - 2;
    assert!(length <= 55, "a short list");
    for wrong in [length - 1, length + 1] {
        let lie = raw(TxKind::DynamicFee, |raw| raw.list = Some(vec![0xc0 + wrong as u8]));
        refused(&lie, &["short list length"]);
    }
    let lie = raw(TxKind::DynamicFee, |raw| raw.list = Some(vec![0xf8, length as u8]));
    refused(&lie, &["minimal list header"]);
    let fat = |raw: &mut Raw| raw.items[mark::DATA] = Some(long(&[3; 14]));
    let length = {
        let mut raw = Raw::of(&payload(TxKind::DynamicFee));
        fat(&mut raw);
        raw.build().0.len() - 3
    };
    refused(&raw(TxKind::DynamicFee, fat), &[]);
    for wrong in [length - 1, length + 1] {
        let lie = raw(TxKind::DynamicFee, |raw| {
            fat(raw);
            raw.list = Some(vec![0xf8, wrong as u8]);
        });
        refused(&lie, &["long list length"]);
    }
    let lie = raw(TxKind::DynamicFee, |raw| {
        fat(raw);
        raw.list = Some(vec![0xf9, length as u8]);
    });
    refused(&lie, &["long list byte"]);
    let lie = raw(TxKind::DynamicFee, |raw| {
        fat(raw);
        raw.list = Some(vec![0xc0 + length as u8]);
    });
    refused(&lie, &["minimal list header"]);
}

#[test]
fn bytes_that_belong_to_no_item() {
    let lie = raw(TxKind::Legacy, |raw| raw.trailing = vec![7]);
    refused(&lie, &["byte behind the end"]);
    let lie = raw(TxKind::DynamicFee, |raw| raw.trailing = vec![7]);
    refused(&lie, &["access list", "byte behind the end"]);
    // The list covers them.
    let lie = raw(TxKind::DynamicFee, |raw| {
        let length = raw.build().0.len() - 2;
        raw.list = Some(vec![0xc0 + length as u8 + 1]);
        raw.trailing = vec![7];
        raw.late_end = 1;
    });
    refused(&lie, &["access list", "end"]);
    // A third zero that makes the chain id a longer one.
    let (env, statement) = in_env(TxKind::Legacy, 4, Scalar::from(CHAIN * 256 + 0x80));
    let mut lie = raw(TxKind::Legacy, |raw| raw.zeros = vec![0x80; 3]);
    lie.0.advice.env = env.advice.env;
    lie.1.env = statement.env;
    refused(&lie, &["end"]);
    // A zero behind the end is padding: what is absorbed is the shorter payload,
    // whose permutation the output of the longer one is not.
    let (w, statement) = raw(TxKind::DynamicFee, |raw| raw.trailing = vec![0]);
    let absorbed = values(&instance(&w, &statement).output.keccak[0][..9]);
    let shorter = planned(TxKind::DynamicFee).keccak_inputs()[0];
    assert_eq!(absorbed, crate::keccak::pack_state(&shorter));
}

#[test]
fn items_out_of_place() {
    let names = [
        "chain id start",
        "nonce start",
        "priority start",
        "maximum fee start",
        "gas start",
        "recipient start",
        "value start",
        "data start",
        "tail start",
        "end",
    ];
    for (k, name) in names.into_iter().enumerate() {
        let lie = told(TxKind::DynamicFee, |advice| {
            let start = advice.layout.starts[k].as_mut().unwrap();
            *start = if k == mark::CHAIN { 3 } else { *start + 1 };
        });
        refused_also(&lie, name);
    }
}

#[test]
fn recipient() {
    let mut to = [0; 20];
    to[18..].copy_from_slice(&[0xff, 0xff]);
    let lie = raw(TxKind::DynamicFee, |raw| raw.items[mark::TO] = Some(long(&to)));
    refused(&lie, &["reserved recipient"]);
    to[17] = 1;
    let fine = raw(TxKind::DynamicFee, |raw| raw.items[mark::TO] = Some(long(&to)));
    refused(&fine, &[]);
    for bytes in [0, 19, 21] {
        let lie = raw(TxKind::DynamicFee, |raw| {
            raw.items[mark::TO] = Some(long(&vec![0x44; bytes]));
        });
        refused_also(&lie, "recipient header");
    }
    // A list of 20 bytes.
    let lie = raw(TxKind::DynamicFee, |raw| {
        raw.items[mark::TO].as_mut().unwrap()[0] = 0xc0 + 20;
    });
    refused(&lie, &["recipient header"]);
}

#[test]
fn transaction_type() {
    let lie = raw(TxKind::AccessList, |raw| raw.first = vec![3]);
    refused(&lie, &["type 1"]);
    let lie = raw(TxKind::DynamicFee, |raw| raw.first = vec![3]);
    refused(&lie, &["type 2"]);
    let lie = told(TxKind::DynamicFee, |advice| advice.layout.kind = None);
    refused_also(&lie, "nonce start");
    // Read as the other typed kind, a priority fee is missing.
    let lie = told(TxKind::DynamicFee, |a| a.layout.kind = Some(TxKind::AccessList));
    refused_also(&lie, "type 1");
}

#[test]
fn tail_of_the_list() {
    for byte in [0x80, 0xc1] {
        let lie = raw(TxKind::DynamicFee, |raw| raw.items[mark::DATA_END] = Some(vec![byte]));
        refused(&lie, &["access list"]);
    }
    let lie = raw(TxKind::AccessList, |raw| {
        raw.items[mark::DATA_END] = Some(vec![0xc1, 0xc0]);
    });
    refused(&lie, &["access list", "end"]);
    for zeros in [[0x80, 0x01], [0x01, 0x80], [0x80, 0xc0]] {
        let lie = raw(TxKind::Legacy, |raw| raw.zeros = zeros.to_vec());
        refused(&lie, &["legacy chain id and zeros"]);
    }
}

#[test]
fn chain_id() {
    let other = string(&digits(u128::from(CHAIN) + 1));
    for kind in [TxKind::AccessList, TxKind::DynamicFee] {
        let lie = raw(kind, |raw| raw.items[mark::CHAIN] = Some(other.clone()));
        refused(&lie, &["typed chain id"]);
    }
    let lie = raw(TxKind::Legacy, |raw| raw.items[mark::DATA_END] = Some(other.clone()));
    refused(&lie, &["legacy chain id and zeros"]);
    // A fraction of a chain id would make up for wrong zeros.
    let (mut w, _) = raw(TxKind::Legacy, |raw| raw.zeros = vec![0x80, 0x01]);
    let off = Scalar::from(0x8001) - Scalar::from(0x8080);
    let fraction = off * Scalar::from(1 << 16).invert().unwrap();
    let chain = Scalar::from(CHAIN) + fraction;
    let (env, statement) = in_env(TxKind::Legacy, 4, chain);
    w.advice.env = env.advice.env;
    let [data_hi, data_lo] = halves(&{
        let raw = {
            let mut r = Raw::of(&payload(TxKind::Legacy));
            r.zeros = vec![0x80, 0x01];
            r
        };
        keccak256_block(&raw.build().0).unwrap().digest
    });
    let statement = Statement { data_hi, data_lo, ..statement };
    refused(&(w, statement), &["environment chain id range"]);
}

#[test]
fn gas() {
    let gas = |limit: u64| {
        raw(TxKind::DynamicFee, |raw| {
            raw.items[mark::GAS] = Some(string(&digits(u128::from(limit))));
        })
    };
    let used = planned(TxKind::DynamicFee).gas_used;
    refused(&gas(used), &[]);
    refused(&gas(used - 1), &["gas limit covers the gas used"]);
    refused(&gas(1 << 24), &[]);
    refused_also(&gas((1 << 24) + 1), "gas limit cap");
    refused(&gas((1 << 24) + 1), &["gas limit cap"]);
    let block = |limit: u64| in_env(TxKind::DynamicFee, 3, Scalar::from(limit));
    refused(&block(100_000), &[]);
    refused(&block(99_999), &["gas limit of the block"]);
    let wide = Scalar::from_u128(1 << 64);
    refused(&in_env(TxKind::DynamicFee, 3, wide), &["block gas limit range"]);
}

#[test]
fn fees() {
    let base = |fee| in_env(TxKind::DynamicFee, 0, fee);
    let mut covered = base(Scalar::from(5_000));
    covered.0.advice.capped = true;
    refused(&covered, &[]);
    let mut below = base(Scalar::from(5_001));
    below.0.advice.capped = true;
    refused(&below, &["maximum fee covers the base fee"]);
    refused(&base(-Scalar::ONE), &["base fee range"]);
    let priority = |fee: u128| {
        let mut lie = raw(TxKind::DynamicFee, |raw| {
            raw.items[mark::PRIORITY] = Some(string(&digits(fee)));
        });
        lie.0.advice.capped = true;
        lie
    };
    refused(&priority(5_000), &[]);
    refused(&priority(5_001), &["maximum fee covers the priority fee"]);
    // The price is 1020: neither the maximum fee nor, where it caps, the sum.
    let lie = told(TxKind::DynamicFee, |advice| advice.capped = true);
    refused(&lie, &["price is the minimum"]);
    let mut lie = priority(4_500);
    lie.0.advice.capped = false;
    refused(&lie, &["price is the minimum"]);
}

#[test]
fn balances() {
    let worst = 100_000 * 5_000 + 123_456_789;
    let balance = |b| told(TxKind::DynamicFee, |advice| advice.sender_balance = b);
    refused(&balance(worst), &[]);
    refused(&balance(worst - 1), &["balance covers the worst case"]);
    let lie = told(TxKind::DynamicFee, |a| a.recipient.balance = u128::MAX - 123_456_788);
    refused(&lie, &["recipient balance overflows"]);
    let fee = planned(TxKind::DynamicFee).fee;
    let escrow = |b| told(TxKind::DynamicFee, |advice| advice.escrow_balance = b);
    refused(&escrow(u128::MAX - fee), &[]);
    refused(&escrow(u128::MAX - fee + 1), &["escrow balance overflows"]);
}

#[test]
fn last_nonce() {
    let nonce = |n: u64| {
        raw(TxKind::DynamicFee, |raw| {
            raw.items[mark::NONCE] = Some(string(&digits(u128::from(n))));
        })
    };
    refused(&nonce(u64::MAX - 1), &[]);
    refused(&nonce(u64::MAX), &["last nonce"]);
}

#[test]
fn recipient_operations() {
    let new = |change: fn(&mut plan::Advice)| {
        told(TxKind::DynamicFee, |advice| {
            advice.recipient.is_new = true;
            advice.recipient.balance = 0;
            advice.recipient.nonce = 0;
            change(advice);
        })
    };
    // Whether it is new is for the tree slots to refuse.
    refused(&new(|_| ()), &[]);
    refused(&new(|a| a.recipient.nonce = 1), &["nonce of a link"]);
    refused(&new(|a| a.recipient.balance = 1), &["balance of a link"]);
    let next = told(TxKind::DynamicFee, |a| a.recipient.next = KNOWN);
    refused(&next, &["next of an update"]);
    let mut none = raw(TxKind::DynamicFee, |raw| raw.items[mark::VALUE] = Some(vec![0x80]));
    none.0.advice.recipient.balance = 0;
    none.0.advice.recipient.nonce = 0;
    refused(&none, &[]);
    none.0.advice.recipient.is_new = true;
    refused(&none, &["new without value"]);
}

#[test]
fn a_credit_cannot_be_skipped_nor_an_operation_changed() {
    let w = World::new().plan(&Payload { to: UNKNOWN, ..payload(TxKind::DynamicFee) }).unwrap();
    let count = honest(&w).output.tree.len();
    for port in 0..count {
        let mut lie = honest(&w);
        let selector = lie.output.tree[port].0.clone();
        lie.set(selector.get_variable(), Scalar::ONE - selector.get_value().unwrap());
        assert!(lie.failing().contains("operation selector"));
        for i in 0..8 {
            let mut lie = honest(&w);
            let element = lie.output.tree[port].1[i].clone();
            lie.set(element.get_variable(), element.get_value().unwrap() + Scalar::ONE);
            assert!(lie.failing().contains("operation"));
        }
    }
}

#[test]
fn statement() {
    let honest = told(TxKind::DynamicFee, |_| ());
    let with = |change: fn(&mut Statement)| {
        let mut lie = honest.clone();
        change(&mut lie.1);
        lie
    };
    let swapped = with(|s| (s.data_hi, s.data_lo) = (s.data_lo, s.data_hi));
    refused(&swapped, &["statement data hi", "statement data lo"]);
    refused(&with(|s| s.data_hi += Scalar::ONE), &["statement data hi"]);
    refused(&with(|s| s.data_lo += Scalar::ONE), &["statement data lo"]);
    refused(&with(|s| s.sender += Scalar::ONE), &["statement sender"]);
    refused(&with(|s| s.env += Scalar::ONE), &["environment digest"]);
    // Another key, honestly hashed.
    let mut other = honest.clone();
    other.0.advice.key[63] ^= 1;
    other.0.advice.outputs[1] = keccak256_block(&other.0.advice.key).unwrap().output;
    refused(&other, &["statement sender"]);
}

/// The lanes behind the digest are in range, or lane 3 would be free.
#[test]
fn digest_lanes_are_canonical() {
    let w = planned(TxKind::DynamicFee);
    for port in 0..2 {
        for element in [9, 10] {
            let mut lie = honest(&w);
            let output = lie.output.keccak[port][element].clone();
            let wide = Scalar::from_u128(1 << 96).square();
            lie.set(output.get_variable(), output.get_value().unwrap() + wide);
            assert_eq!(lie.failing(), BTreeSet::from(["digest lanes"]));
        }
    }
}

/// An input that is not the padded block.
#[test]
fn absorbed_lanes() {
    let w = planned(TxKind::DynamicFee);
    for port in 0..2 {
        for element in 0..9 {
            let mut lie = honest(&w);
            let input = lie.output.keccak[port][element].clone();
            lie.set(input.get_variable(), input.get_value().unwrap() + Scalar::ONE);
            assert_eq!(lie.failing(), BTreeSet::from(["absorbed lanes"]));
        }
    }
}
