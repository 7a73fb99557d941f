//! Bytes of proofs: one encoding each, nothing else decodes, nothing panics.

use super::*;
use crate::proof::{
    aggregate::AggregateProof,
    codec::root_len,
    error::{DecodeError, FormError},
    item::verify_item,
};
use proptest::prelude::*;

static PROOF: LazyLock<(Vec<LeafWitness>, ItemProof)> = LazyLock::new(|| {
    let leaves = leaves(1, 3);
    let proof = prove(&leaves);
    (leaves, proof)
});

fn aggregate() -> AggregateProof {
    let root = PROOF.1.root.clone();
    AggregateProof { comm_t: PROOF.1.comm_t.clone(), root }
}

#[test]
fn proofs_survive_their_bytes() {
    let (leaves, proof) = &*PROOF;
    let bytes = proof.encode();
    assert_eq!(bytes.len(), 4 + 32 * 5 + root_len(LOG_SIZE));
    let decoded = ItemProof::decode(&bytes, LOG_SIZE).unwrap();
    assert_eq!(decoded, *proof);
    assert_eq!(decoded.content_hash(), proof.content_hash());
    verify(leaves, &decoded).unwrap();
    let aggregate = aggregate();
    let bytes = aggregate.encode();
    assert_eq!(AggregateProof::decode(&bytes, LOG_SIZE).unwrap(), aggregate);
    assert!(ItemProof::decode(&bytes, LOG_SIZE).is_err());
    assert!(AggregateProof::decode(&proof.encode(), LOG_SIZE).is_err());
}

#[test]
fn a_transfer_proof_of_three_leaves_has_6852_bytes_at_2_18() {
    assert_eq!(4 + 32 * 5 + root_len(18), 6852);
}

#[test]
fn every_flipped_bit_is_refused_or_is_another_canonical_proof_that_fails() {
    let (leaves, proof) = &*PROOF;
    let bytes = proof.encode();
    let params = WORLD.params.verifier();
    let x = inputs(leaves);
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1 << (index % 8);
        if let Ok(decoded) = ItemProof::decode(&changed, LOG_SIZE) {
            assert_eq!(decoded.encode(), changed, "byte {index}");
            // Verification of every one would take long; every word is covered.
            if index % 32 == 4 {
                assert!(verify_item(params, &x, &decoded).is_err(), "byte {index}");
            }
        }
    }
}

#[test]
fn lengths_headers_and_values_out_of_range_are_typed_errors() {
    let bytes = PROOF.1.encode();
    for length in 0..4 {
        let error = ItemProof::decode(&bytes[..length], LOG_SIZE).unwrap_err();
        assert_eq!(error, DecodeError::Short { found: length });
    }
    let expected = bytes.len();
    for found in [4, 5, expected - 1, expected - 32] {
        let error = ItemProof::decode(&bytes[..found], LOG_SIZE).unwrap_err();
        assert_eq!(error, DecodeError::Length { expected, found });
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(ItemProof::decode(&longer, LOG_SIZE), Err(DecodeError::Length { .. })));
    for index in 0..3 {
        let mut changed = bytes.clone();
        changed[index] = 99;
        let error = ItemProof::decode(&changed, LOG_SIZE).unwrap_err();
        assert!(matches!(error, DecodeError::Header { index: i, found: 99, .. } if i == index));
    }
    for parts in [0, 65, 255] {
        let mut changed = bytes.clone();
        changed[3] = parts;
        let error = ItemProof::decode(&changed, LOG_SIZE).unwrap_err();
        assert!(matches!(error, DecodeError::Form(FormError::Parts { .. })));
    }
    assert!(ItemProof::decode(&bytes, LOG_SIZE + 1).is_err());
    // A scalar plus the order is the same number in other bytes.
    let mut big = bytes.clone();
    big[4 + 32 * 5..4 + 32 * 6].fill(0xff);
    let offset = 4 + 32 * 5;
    assert_eq!(ItemProof::decode(&big, LOG_SIZE).unwrap_err(), DecodeError::Scalar { offset });
    let mut off_curve = bytes;
    off_curve[4..36].fill(0);
    assert_eq!(ItemProof::decode(&off_curve, LOG_SIZE).unwrap_err(), DecodeError::Point { offset: 4 });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        prop_assert!(ItemProof::decode(&bytes, LOG_SIZE).is_err());
        let _ = AggregateProof::decode(&bytes, LOG_SIZE);
    }

    /// Words replaced by other canonical words: decodes, re-encodes, never verifies.
    #[test]
    fn spliced_proofs_never_panic_and_never_verify(
        splices in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..8),
        zero in any::<bool>(),
    ) {
        let (leaves, proof) = &*PROOF;
        let original = proof.encode();
        let mut bytes = original.clone();
        let words = (bytes.len() - 4) / 32;
        for (to, from) in &splices {
            let (to, from) = (4 + 32 * to.index(words), 4 + 32 * from.index(words));
            if zero { bytes[to..to + 32].fill(0) } else { bytes.copy_within(from..from + 32, to) }
        }
        if let Ok(decoded) = ItemProof::decode(&bytes, LOG_SIZE) {
            prop_assert_eq!(decoded.encode(), bytes.clone());
            let accepted = verify(leaves, &decoded).is_ok();
            prop_assert_eq!(accepted, bytes == original);
        }
    }
}
