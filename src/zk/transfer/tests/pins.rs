//! Counts, digest, and the sweep over every variable.

use super::world::*;
use crate::{
    testing::Pin,
    transfer::{TxKind, TransferWitness},
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
    let expected = Pin {
        constraints: 0,
        variables: 0,
        non_zeros: 0,
        digest: String::new(),
    };
    for w in samples() {
        assert_eq!(*honest(&w).pin(), expected);
    }
}

#[test]
fn every_variable_is_determined() {
    for w in samples() {
        let instance = honest(&w);
        let free = instance.mutation_sweep(1, |_| false);
        let rows: std::collections::BTreeSet<_> =
            free.iter().map(|column| instance.rows_of(*column)).collect();
        panic!("{} {rows:?}", free.len());
    }
}
