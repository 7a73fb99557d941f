//! A chain small enough for tests: one validator, one transfer, one settlement.

use std::{ops::ControlFlow, sync::OnceLock};

use alloy_primitives::keccak256;
use crowdfold_config::{DEMO, Genesis, ValidGenesis};
use crowdfold_events::{Zkpow, signing::Signer};
use crowdfold_execution::{
    ItemPlace, ItemSource, execute_settlement, execute_transaction, input::item_input, synthetic::synthetic_item,
};
use crowdfold_zk::{
    item::{
        self, ItemInput, LOG_SIZE,
        aggregate::{AggregateInput, Node, prove_aggregate},
        universal_shape,
    },
    proof::{
        aggregate::AggregateProof,
        params::{ProofParams, VerifierParams},
        shape::PaddedShape,
    },
};

use crate::*;

pub(super) fn env(number: u64) -> EnvInput {
    EnvInput {
        base_fee: 7,
        block_number: number,
        timestamp: 1_700_000_000 + number,
        block_gas_limit: 30_000_000,
        chain_id: 7710,
        prevrandao: [0; 32],
        rules_version: 1,
    }
}

/// A proof of the right lengths that proves nothing: every point is infinity, every scalar 0.
pub(super) fn blank_proof(arity: u8, segments: &[u32]) -> BatchProof {
    // Points and scalars are 32 bytes each; only points may not be zero.
    let (k, items) = (LOG_SIZE as usize, segments.len());
    let mut bytes = vec![1, 3, LOG_SIZE as u8, arity];
    let mut words = |points: usize, point: bool| {
        for _ in 0..points {
            bytes.push(if point { 0x40 } else { 0 });
            bytes.extend([0; 31]);
        }
    };
    for n in segments.iter().map(|n| *n as usize) {
        words(4 + 6 * n, false);
        words(2 * n - 1, true);
    }
    let mut below = items;
    loop {
        let nodes = below.div_ceil(usize::from(arity));
        words(below - nodes, true);
        below = nodes;
        if below == 1 {
            break;
        }
    }
    words(3 * k + 4 + 2 * (k + 1) + 1 + 2 * k + 2, false);
    words(k - 1 + 3, true);
    words(3 * k, false);
    BatchProof::decode(&bytes, segments, LOG_SIZE).unwrap()
}

pub(super) fn validator() -> Signer {
    Signer::from_bytes(&[0x11; 32]).unwrap()
}

pub(super) fn genesis() -> ValidGenesis {
    let mut genesis = Genesis::from_toml(DEMO).unwrap();
    genesis.validators[0].address = validator().address();
    genesis.validate().unwrap()
}

pub(super) fn params() -> &'static ProofParams {
    static CELL: OnceLock<ProofParams> = OnceLock::new();
    CELL.get_or_init(|| {
        let shape = PaddedShape::new(&universal_shape().unwrap(), LOG_SIZE).unwrap();
        ProofParams::development(shape).unwrap()
    })
}

pub(super) fn verifier() -> &'static VerifierParams {
    params().verifier()
}

/// Signs what the file says, whatever that is.
pub(super) fn sign(file: &mut BatchFile) {
    let genesis = genesis();
    let statements = file.statements().unwrap();
    let digest = file.certificate_digest(&genesis, &statements);
    let validator = validator();
    file.certificate = vec![ValidatorSignature { validator: validator.address(), signature: validator.sign(&digest) }];
}

/// A verified batch of a transfer and a settlement in two blocks, with a real proof.
pub(super) fn real() -> &'static BatchFile {
    static CELL: OnceLock<BatchFile> = OnceLock::new();
    CELL.get_or_init(prove)
}

fn prove() -> BatchFile {
    let genesis = genesis();
    let contract = genesis.genesis.l1.contract;
    let world = synthetic_item(genesis.genesis.chain_id, 0).unwrap();
    let place =
        |position, worker: u8, task| ItemPlace { contract, position, worker: Address::repeat_byte(worker), task };
    let first =
        item_input(&world.tree, ItemSource::Transaction(&world.transaction), &world.env, &place(40, 0xaa, 9)).unwrap();
    let mut tree = world.tree.clone();
    execute_transaction(&mut tree, &world.transaction, &world.env).unwrap();

    let mut later = world.env.clone();
    later.number += 3;
    let entry = |account, credit| SettlementEntry { account, amount: Zkpow(5), credit };
    let escrow = Address::new(crowdfold_zk::accounts::ESCROW);
    let entries = [entry(Address::repeat_byte(0xaa), true), entry(escrow, false)];
    let second = item_input(&tree, ItemSource::Settlement(&entries), &later, &place(41, 0xbb, 12)).unwrap();
    execute_settlement(&mut tree, &entries, &later).unwrap();

    let inputs = vec![first, second];
    let mut go = |_| ControlFlow::Continue(());
    let proofs: Vec<_> = inputs.iter().map(|input| item::prove(params(), input, &mut go).unwrap()).collect();
    let node = |(input, proof): (&ItemInput, &item::ItemProof)| Node::Item {
        statement: input.statement.clone(),
        proof: proof.encode(),
    };
    let children = inputs.iter().zip(&proofs).map(node).collect();
    let aggregate: AggregateProof =
        prove_aggregate(params(), &AggregateInput { children, items: inputs.clone() }, &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap();
    let arity = genesis.genesis.params.batches.aggregation_arity as usize;

    let mut file = BatchFile {
        chain_id: genesis.genesis.chain_id,
        genesis_hash: genesis.hash,
        rules_version: genesis.genesis.rules_version,
        contract,
        batch: BatchIndex(2),
        first_item: ItemIndex(40),
        pre_root: inputs[0].statement.pre_root.into(),
        last_header: keccak256("a header"),
        blocks: Vec::new(),
        proof: BatchProof::assemble(arity, &proofs, &[aggregate]).unwrap(),
        certificate: Vec::new(),
    };
    let datas = [
        FileData::Transfer { payload: world.transaction.payload.clone(), sender: world.transaction.sender },
        FileData::Settlement { entries: entries.to_vec() },
    ];
    for (input, data) in inputs.iter().zip(datas) {
        let ItemInput { statement: s, env, .. } = input;
        file.push(env, FileItem { data, worker: s.worker.into(), task: TaskId(s.task), post_root: s.post_root.into() });
    }
    sign(&mut file);
    file
}
