//! A real batch: what is accepted, and what any change of it gives.
//!
//! The batch is of full size: proving it takes most of the time here. Spartan's
//! verifier is slow only for proofs that pass its first check, which changed
//! inputs do not.

use std::time::Instant;

use crowdfold_kernel::CommitFault;
use crowdfold_zk::{
    item::batch::BatchError,
    proof::{error::VerifyError, params::ProofParams},
};
use rayon::prelude::*;

use super::world::{genesis, params, real, sign, validator, verifier};
use crate::*;

fn refused(file: &BatchFile) -> BatchFileError {
    verify(&file.encode(), &genesis(), verifier()).unwrap_err()
}

fn changed(change: impl Fn(&mut BatchFile)) -> BatchFile {
    let mut file = real().clone();
    change(&mut file);
    file
}

#[test]
fn a_real_batch_is_accepted_and_any_changed_byte_refused() {
    let file = real();
    let bytes = file.encode();
    let genesis = genesis();
    let start = Instant::now();
    let report = verify(&bytes, &genesis, verifier()).unwrap();
    eprintln!("verified {} bytes in {} ms", bytes.len(), start.elapsed().as_millis());
    assert_eq!(
        (report.segments, report.items.len(), report.file_bytes),
        (crowdfold_zk::SEGMENTS_PER_TRANSFER + 1, 2, bytes.len())
    );
    assert_eq!(report.validators, [validator().address()]);
    assert_eq!(report.post_root, file.blocks[1].items[0].post_root);

    let start = Instant::now();
    let accepted: Vec<usize> = (0..bytes.len())
        .into_par_iter()
        .filter(|index| {
            let mut changed = bytes.clone();
            changed[*index] ^= [0x01, 0x80, 0xff, 0x10][index % 4];
            verify(&changed, &genesis, verifier()).is_ok()
        })
        .collect();
    assert_eq!(accepted, Vec::<usize>::new());
    eprintln!("tried {} bytes in {} ms", bytes.len(), start.elapsed().as_millis());
}

/// The certificate covers Spartan's part of the proof; here validators sign
/// whatever they are shown, so that the proof itself has to refuse.
#[test]
fn the_proof_refuses_what_the_validators_sign() {
    let proof_of = |file: &BatchFile| match refused(file) {
        BatchFileError::Proof(error) => error,
        other => panic!("not refused by the proof: {other}"),
    };
    let signed = |change: &dyn Fn(&mut BatchFile)| {
        let mut file = changed(change);
        sign(&mut file);
        proof_of(&file)
    };
    let changes: [(&str, &dyn Fn(&mut BatchFile)); 8] = [
        ("payload", &|f| {
            let FileData::Transfer { payload, .. } = &mut f.blocks[0].items[0].data else { panic!() };
            *payload.last_mut().unwrap() ^= 1;
        }),
        ("sender", &|f| {
            let FileData::Transfer { sender, .. } = &mut f.blocks[0].items[0].data else { panic!() };
            sender[0] ^= 1;
        }),
        ("entry", &|f| {
            let FileData::Settlement { entries } = &mut f.blocks[1].items[0].data else { panic!() };
            entries[0].account[0] ^= 1;
        }),
        ("environment", &|f| f.blocks[0].env.timestamp += 1),
        ("worker", &|f| f.blocks[0].items[0].worker[0] ^= 1),
        ("task", &|f| f.blocks[1].items[0].task.0 += 1),
        ("position", &|f| f.first_item.0 += 1),
        ("middle root", &|f| f.blocks[0].items[0].post_root[31] ^= 1),
    ];
    for (name, change) in changes {
        let error = signed(change);
        let by_rule = matches!(error, BatchError::Item { .. });
        let by_spartan = matches!(error, BatchError::Verify(VerifyError::Spartan(_)));
        assert!(by_rule || by_spartan, "{name}: {error}");
    }
    // One bit in each of Spartan's scalars and points that still decodes.
    let whole = real().proof.encode();
    let spartan = whole.len() - 6688;
    let segments: Vec<u32> = real().items().map(|(_, item)| item.segments()).collect();
    let mut tried = 0;
    for word in (0..6688 / 32).step_by(13) {
        let mut bytes = whole.clone();
        bytes[spartan + 32 * word + 31] ^= 1;
        if let Ok(proof) = BatchProof::decode(&bytes, &segments, crowdfold_zk::item::LOG_SIZE) {
            let mut file = changed(|f| f.proof = proof.clone());
            sign(&mut file);
            assert!(matches!(proof_of(&file), BatchError::Verify(VerifyError::Spartan(_))), "word {word}");
            tried += 1;
        }
    }
    assert!(tried > 8, "{tried}");
}

#[test]
fn another_chain_arity_or_shape_is_refused_before_the_proof() {
    let field_of = |file: &BatchFile| match refused(file) {
        BatchFileError::OtherChain { field, .. } => field,
        other => panic!("{other}"),
    };
    assert_eq!(field_of(&changed(|f| f.chain_id += 1)), "chain id");
    assert_eq!(field_of(&changed(|f| f.genesis_hash[0] ^= 1)), "genesis hash");
    assert_eq!(field_of(&changed(|f| f.rules_version += 1)), "rules version");
    assert_eq!(field_of(&changed(|f| f.contract[0] ^= 1)), "contract");
    assert_eq!(field_of(&changed(|f| f.blocks[1].env.chain_id += 1)), "environment's chain id");
    assert_eq!(field_of(&changed(|f| f.blocks[1].env.rules_version += 1)), "environment's rules version");
    // Two items have the same tree at every arity: nothing else refuses another one.
    let other = changed(|f| f.proof.arity += 1);
    other.proof.verify(verifier(), &other.statements().unwrap()).unwrap();
    assert_eq!(field_of(&other), "arity");

    let mut pinned = genesis().genesis;
    pinned.proof_system.shape = crowdfold_config::Pinned::Is(B256::repeat_byte(1));
    let pinned = pinned.validate().unwrap();
    let file = changed(|f| f.genesis_hash = pinned.hash);
    let params: &ProofParams = params();
    let error = verify(&file.encode(), &pinned, params.verifier()).unwrap_err();
    assert!(matches!(error, BatchFileError::OtherShape { .. }));

    let file = changed(|f| f.blocks[1].env.prevrandao = [0xff; 32]);
    assert!(matches!(refused(&file), BatchFileError::Environment(1)));
    let file = changed(|f| f.blocks[1].items[0].post_root = B256::repeat_byte(0xff));
    assert!(matches!(refused(&file), BatchFileError::Statement { index: 1, .. }));
}

#[test]
fn only_the_validators_certify_and_only_this() {
    let fault_of = |file: &BatchFile| match refused(file) {
        BatchFileError::Certificate(fault) => fault,
        other => panic!("{other}"),
    };
    let bad = |fault| matches!(fault, CommitFault::BadSignature(_));
    assert!(bad(fault_of(&changed(|f| f.batch.0 += 1))));
    assert!(bad(fault_of(&changed(|f| f.last_header[0] ^= 1))));
    assert!(bad(fault_of(&changed(|f| f.pre_root[31] ^= 1))));
    assert!(bad(fault_of(&changed(|f| f.first_item.0 += 1))));
    let stranger = changed(|f| f.certificate[0].validator[0] ^= 1);
    assert!(matches!(fault_of(&stranger), CommitFault::UnknownValidator(_)));
    let twice = changed(|f| f.certificate = vec![f.certificate[0]; 2]);
    assert!(matches!(fault_of(&twice), CommitFault::Order(_)));
    // The mirrored form of a valid signature.
    let mirrored = changed(|f| {
        let signature = &mut f.certificate[0].signature;
        let order = alloy_primitives::U256::from_be_slice(&group_order());
        let s = order - alloy_primitives::U256::from_be_slice(&signature[32..64]);
        signature[32..64].copy_from_slice(&s.to_be_bytes::<32>());
        signature[64] ^= 1;
    });
    assert!(bad(fault_of(&mirrored)));
}

/// Order of secp256k1's group (SEC 2, section 2.4.1).
fn group_order() -> [u8; 32] {
    let mut order = [0xff; 32];
    order[15] = 0xfe;
    let low = 0xbaae_dce6_af48_a03b_bfd2_5e8c_d036_4141_u128;
    order[16..].copy_from_slice(&low.to_be_bytes());
    order
}
