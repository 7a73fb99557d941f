//! The universal shape as a whole: what it costs, that honest items satisfy
//! it, and that forged ones do not.

use nova_snark::r1cs::R1CSShape;
use std::sync::OnceLock;

use super::{ItemInput, fixture::*, universal_shape};
use crate::{
    Engine, Scalar,
    accounts::{ESCROW, ISSUANCE},
    proof::witness::LeafWitness,
    transfer::TxKind,
};

pub(super) fn shape() -> &'static R1CSShape<Engine> {
    static CELL: OnceLock<R1CSShape<Engine>> = OnceLock::new();
    CELL.get_or_init(|| {
        let shape = universal_shape().unwrap();
        shape.precompute_sparse_matrices();
        shape
    })
}

/// Index of the first violated constraint of a leaf.
pub(super) fn violation(leaf: &LeafWitness) -> Option<usize> {
    let shape = shape();
    let z = [leaf.w.clone(), vec![Scalar::from(1)], leaf.x.clone()].concat();
    let (az, bz, cz) = shape.multiply_vec(&z).unwrap();
    (0..az.len()).find(|&i| az[i] * bz[i] != cz[i])
}

fn assert_satisfied(input: &ItemInput) {
    let witness = input.witness(Scalar::from(1)).unwrap();
    let elements = input.statement.elements(Scalar::from(1)).unwrap();
    let publics = witness.trace.publics(&elements).unwrap();
    assert_eq!(publics.len(), witness.leaves.len());
    for (segment, (leaf, public)) in witness.leaves.iter().zip(&publics).enumerate() {
        assert_eq!(leaf.x, public.to_vec(), "public inputs of segment {segment}");
        assert_eq!(violation(leaf), None, "segment {segment}");
    }
}

#[test]
fn the_shape_fits_and_costs_what_is_pinned() {
    let shape = shape();
    let non_zeros = shape.A().data.len() + shape.B().data.len() + shape.C().data.len();
    eprintln!(
        "universal shape: {} constraints, {} variables, {} public inputs, {non_zeros} non-zeros",
        shape.num_cons(),
        shape.num_vars(),
        shape.num_io()
    );
    assert!(shape.num_cons() <= 1 << super::LOG_SIZE);
    assert!(shape.num_vars() <= 1 << super::LOG_SIZE);
    assert_eq!(shape.num_io(), crate::statement::PUBLIC_LEN);
    assert_eq!((shape.num_cons(), non_zeros), (240_481, 2_500_949));
}

#[test]
fn transfers_of_every_kind_satisfy_the_shape() {
    let mut world = World::new();
    let me = address(&world.key);
    for (kind, to, value) in [
        (TxKind::Legacy, [0x55; 20], 1),
        (TxKind::AccessList, [0x77; 20], ETHER),
        (TxKind::DynamicFee, me, 5),
        (TxKind::DynamicFee, ESCROW, 6),
        (TxKind::DynamicFee, [0x99; 20], 0),
    ] {
        let mut payload = world.payload(to, value);
        payload.kind = kind;
        if kind != TxKind::DynamicFee {
            payload.max_priority_fee = payload.max_fee;
        }
        payload.data = vec![0, 1, 2, 0];
        let input = world.transfer(&payload);
        assert_satisfied(&input);
    }
}

#[test]
fn settlements_satisfy_the_shape() {
    let mut world = World::new();
    let input = world.settlement(&[
        ([0x55; 20], 10, true),
        ([0x22; 20], 20, true),
        ([0x23; 20], 30, true),
        (ESCROW, 50, false),
        (ISSUANCE, 10, false),
    ]);
    assert_eq!(input.statement.segments, 3);
    assert_satisfied(&input);
}
