//! A real proof through the door's own functions, and everything that it refuses.

use std::sync::Arc;

use alloy_primitives::{Address, B256};
use crowdfold_execution::synthetic::synthetic_item;
use crowdfold_plugin::{error::DoorError, prover::Prover};
use crowdfold_zk::{
    item::{ItemProof, LOG_SIZE, package::WorkPackage, verify},
    proof::key::Key,
    statement::scalar_to_be,
};

const WORKER: Address = Address::repeat_byte(0xaa);
const TASK: u64 = 12;

fn code(result: Result<impl Sized, DoorError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "none")
}

#[test]
fn the_door_proves_what_the_native_verifier_accepts_and_refuses_the_rest() {
    let key = Key::development(LOG_SIZE).unwrap().to_bytes();
    let any = B256::ZERO.to_string();

    let mut flipped = key.clone();
    *flipped.last_mut().unwrap() ^= 1;
    assert_eq!(code(Prover::new(flipped, &any)), "wrong-keys");
    assert_eq!(code(Prover::new(key[..key.len() - 1].to_vec(), &any)), "wrong-keys");
    assert_eq!(code(Prover::new(Vec::new(), &any)), "wrong-keys");
    assert_eq!(code(Prover::new(Key::development(4).unwrap().to_bytes(), &any)), "wrong-keys");
    assert_eq!(code(Prover::new(key.clone(), "0x12")), "bad-settings");
    let Err(DoorError::Params { found, .. }) = Prover::new(key.clone(), &any) else {
        panic!("a chain with other circuits must be refused")
    };
    let prover = Prover::new(key, &found).unwrap();
    assert_eq!(found, B256::from(scalar_to_be(&prover.params().verifier().vk_digest())).to_string());

    let input = synthetic_item(7710, 0).unwrap().input(Address::ZERO, WORKER, TASK).unwrap();
    let package = WorkPackage::Item(input.clone()).encode().unwrap();
    let worker = WORKER.to_string();
    let mut go = |_| true;
    assert_eq!(code(prover.prove(package.clone(), TASK + 1, &worker, &mut go)), "bad-package");
    assert_eq!(code(prover.prove(package.clone(), TASK, &Address::ZERO.to_string(), &mut go)), "bad-package");
    assert_eq!(code(prover.prove(package[1..].to_vec(), TASK, &worker, &mut go)), "bad-package");
    assert_eq!(code(prover.prove(package.clone(), TASK, "nobody", &mut go)), "bad-settings");
    assert_eq!(code(prover.prove(package.clone(), TASK, &worker, &mut |_| false)), "cancelled");

    let mut stages = Vec::new();
    let proof = prover
        .prove(package, TASK, &worker, &mut |progress| {
            stages.push((progress.name(), progress.permille));
            true
        })
        .unwrap();
    stages.dedup();
    assert!(stages.iter().any(|(name, _)| *name == "spartan"), "{stages:?}");
    assert!(stages.is_sorted_by_key(|(_, permille)| *permille), "{stages:?}");
    let verifier = Arc::clone(prover.params().verifier());
    let proof = ItemProof::decode(&proof, input.statement.segments, LOG_SIZE).unwrap();
    verify(&verifier, &input.statement, &proof).unwrap();
}
