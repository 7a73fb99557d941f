//! Counts, digest, and the sweep over every variable.

use super::world::*;
use crate::{
    testing::Pin,
    transfer::{TransferWitness, TxKind},
};

fn samples() -> Vec<TransferWitness> {
    let mut new = payload(TxKind::AccessList);
    new.to = UNKNOWN;
    let mut single = payload(TxKind::Legacy);
    single.data = vec![9];
    single.value = 0;
    single.nonce = 3;
    let mut world = World::new();
    world.nonce = 3;
    vec![
        World::new().plan(&payload(TxKind::DynamicFee)).unwrap(),
        World::new().plan(&new).unwrap(),
        world.plan(&single).unwrap(),
    ]
}

#[test]
fn shape_is_pinned() {
    let expected = Pin { constraints: 6_074, variables: 5_863, non_zeros: 45_023, digest: "14610922e2998a6d".into() };
    for w in samples() {
        assert_eq!(*honest(&w).pin(), expected);
    }
}

/// Free are only the inverses of zeros, each in the one row that asks for it,
/// and what the slot passes on without reading: seven elements of each permuted
/// state.
#[test]
fn every_variable_is_determined() {
    let inverses = [
        "leading zero",
        "zero byte as a number",
        "has content",
        "has much content",
        "single data byte",
        "zero data byte counted",
        "value is sent",
    ];
    for w in samples() {
        let instance = honest(&w);
        let free = instance.mutation_sweep(1, |_| false);
        let mut unread = 0;
        for column in free {
            match instance.rows_of(column)[..] {
                [] => unread += 1,
                [row] => assert!(inverses.iter().any(|name| row.ends_with(name)), "{row}"),
                ref rows => panic!("undetermined: {rows:?}"),
            }
        }
        assert_eq!(unread, 14);
    }
}
