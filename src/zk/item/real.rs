//! Real proofs of real items at full size: few, because each takes seconds.

use std::{ops::ControlFlow, sync::OnceLock, time::Instant};

use super::{
    ItemInput, ItemProof, LOG_SIZE,
    aggregate::{AggregateInput, Node, prove_aggregate, verify_aggregate},
    batch::BatchProof,
    canonical,
    fixture::*,
    prove, universal_shape, verify,
};
use crate::{
    accounts::ESCROW,
    proof::{params::ProofParams, shape::PaddedShape},
};

pub(super) fn params() -> &'static ProofParams {
    static CELL: OnceLock<ProofParams> = OnceLock::new();
    CELL.get_or_init(|| {
        let shape = PaddedShape::new(&universal_shape().unwrap(), LOG_SIZE).unwrap();
        ProofParams::development(shape).unwrap()
    })
}

fn prove_timed(name: &str, input: &ItemInput) -> ItemProof {
    let start = Instant::now();
    let mut last = Instant::now();
    let proof = prove(params(), input, &mut |stage| {
        eprintln!("  {name} {stage:?} after {} ms", last.elapsed().as_millis());
        last = Instant::now();
        ControlFlow::Continue(())
    })
    .unwrap();
    eprintln!("{name}: proven in {} ms, {} bytes", start.elapsed().as_millis(), proof.encode().len());
    proof
}

/// One transfer, one settlement, their aggregate, the batch; then the forgeries
/// that only a whole proof can show.
#[test]
fn items_are_proven_aggregated_and_verified_as_a_batch() {
    let verifier = params().verifier();
    let mut world = World::new();
    let payload = world.payload([0x77; 20], ETHER);
    let transfer = world.transfer(&payload);
    let settlement = world.settlement(&[([0x55; 20], 10, true), (ESCROW, 10, false)]);
    let inputs = [transfer, settlement];
    let proofs = [prove_timed("transfer", &inputs[0]), prove_timed("settlement", &inputs[1])];

    for (input, proof) in inputs.iter().zip(&proofs) {
        let bytes = proof.encode();
        assert!(bytes.len() <= 20_000);
        assert_eq!(&ItemProof::decode(&bytes, input.statement.segments, LOG_SIZE).unwrap(), proof);
        let start = Instant::now();
        let node = verify(verifier, &input.statement, proof).unwrap();
        let verified = start.elapsed();
        canonical(verifier, input, &node).unwrap();
        eprintln!(
            "verified in {} ms, canonical in {} ms",
            verified.as_millis(),
            (start.elapsed() - verified).as_millis()
        );
    }

    // Every field of the statement is bound.
    let honest = &inputs[0].statement;
    let other = |change: fn(&mut crate::ItemStatement)| {
        let mut statement = honest.clone();
        change(&mut statement);
        statement
    };
    for (name, statement) in [
        ("chain", other(|s| s.chain_id += 1)),
        ("contract", other(|s| s.contract[19] ^= 1)),
        ("position", other(|s| s.position += 1)),
        ("pre", other(|s| s.pre_root[31] ^= 1)),
        ("post", other(|s| s.post_root[31] ^= 1)),
        ("data_hi", other(|s| s.data_hi[31] ^= 1)),
        ("data_lo", other(|s| s.data_lo[31] ^= 1)),
        ("sender", other(|s| s.sender[19] ^= 1)),
        ("env", other(|s| s.env[31] ^= 1)),
        ("worker", other(|s| s.worker[0] ^= 1)),
        ("task", other(|s| s.task += 1)),
        ("segments", other(|s| s.segments += 1)),
    ] {
        assert!(verify(verifier, &statement, &proofs[0]).is_err(), "{name} is not bound");
    }

    let children: Vec<Node> = inputs
        .iter()
        .zip(&proofs)
        .map(|(input, proof)| Node::Item { statement: input.statement.clone(), proof: proof.encode() })
        .collect();
    let start = Instant::now();
    let input = AggregateInput { children: children.clone(), items: inputs.to_vec() };
    let aggregate = prove_aggregate(params(), &input, &mut |_| ControlFlow::Continue(())).unwrap();
    eprintln!("aggregated in {} ms", start.elapsed().as_millis());
    verify_aggregate(verifier, &children, &aggregate).unwrap();
    let swapped: Vec<Node> = children.iter().rev().cloned().collect();
    assert!(verify_aggregate(verifier, &swapped, &aggregate).is_err());

    let batch = BatchProof::assemble(8, &proofs, std::slice::from_ref(&aggregate)).unwrap();
    let statements: Vec<_> = inputs.iter().map(|input| input.statement.clone()).collect();
    batch.verify(verifier, &statements).unwrap();
    let mut forged = statements.clone();
    forged[1].worker[3] ^= 1;
    assert!(batch.verify(verifier, &forged).is_err());
    let mut forged = batch.clone();
    forged.claims[0].trace.after[0].next_seq += crate::Scalar::from(1);
    assert!(forged.verify(verifier, &statements).is_err());
}
