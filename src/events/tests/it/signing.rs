//! EIP-712 digests against an independent implementation, and signatures that must be refused.

use alloy_sol_types::{Eip712Domain, SolStruct, sol};
use crowdfold_events::{
    Address, B256, Height, Message, MessageBody, SignatureError, Signer, SigningDomain,
    signing::recover,
    wire::{Answer, Code},
};

use crate::samples;

sol! {
    struct Register { uint64 sequence; uint64 workHeight; uint64 workNonce; }
    struct Heartbeat { uint64 sequence; }
    struct GoInactive { uint64 sequence; }
    struct SubmitProof { uint64 sequence; uint64 task; bytes32 proofHash; }
    struct SubmitAggregate { uint64 sequence; uint64 task; bytes32 proofHash; }
    struct HandBack { uint64 sequence; uint64 task; }
    struct Withdraw { uint64 sequence; }
    struct CertifyBatch { uint64 sequence; uint64 batch; bytes32 signaturesHash; }
    struct Login { address node; bytes32 nonce; uint16 version; }
    struct Receipt { bytes32 message; uint64 height; uint16 code; uint16 reason; }
}

const CHAIN: u64 = 0xc0ff;
const GENESIS: B256 = B256::repeat_byte(0x77);
/// Half of the group order of secp256k1, rounded down.
const HALF_ORDER: [u8; 32] = hex32(b"7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");

const fn hex32(text: &[u8; 64]) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut i = 0;
    while i < 64 {
        let digit = if text[i] >= b'a' { text[i] - b'a' + 10 } else { text[i] - b'0' };
        bytes[i / 2] = bytes[i / 2] * 16 + digit;
        i += 1;
    }
    bytes
}

fn independent<T: SolStruct>(value: &T) -> B256 {
    let domain = Eip712Domain::new(
        Some("Crowdfold".into()),
        Some("1".into()),
        Some(alloy_sol_types::private::U256::from(CHAIN)),
        None,
        Some(GENESIS),
    );
    value.eip712_signing_hash(&domain)
}

fn signer(byte: u8) -> Signer {
    Signer::from_bytes(&[byte; 32]).unwrap()
}

#[test]
fn digests_are_those_of_eip_712() {
    let domain = SigningDomain::new(CHAIN, GENESIS);
    for (sequence, body) in samples::bodies().into_iter().enumerate() {
        let sequence = sequence as u64 + 0x1_0000_0000;
        let expected = match &body {
            MessageBody::Register { work_height, work_nonce } => {
                independent(&Register { sequence, workHeight: *work_height, workNonce: *work_nonce })
            }
            MessageBody::Heartbeat => independent(&Heartbeat { sequence }),
            MessageBody::GoInactive => independent(&GoInactive { sequence }),
            MessageBody::SubmitProof { task, proof_hash } => {
                independent(&SubmitProof { sequence, task: task.0, proofHash: *proof_hash })
            }
            MessageBody::SubmitAggregate { task, proof_hash } => {
                independent(&SubmitAggregate { sequence, task: task.0, proofHash: *proof_hash })
            }
            MessageBody::HandBack { task } => independent(&HandBack { sequence, task: task.0 }),
            MessageBody::Withdraw => independent(&Withdraw { sequence }),
            MessageBody::CertifyBatch { batch, signatures } => {
                let parts: Vec<u8> = signatures
                    .iter()
                    .flat_map(|s| [s.validator.to_vec(), alloy_primitives::keccak256(&s.signature).to_vec()].concat())
                    .collect();
                independent(&CertifyBatch {
                    sequence,
                    batch: batch.0,
                    signaturesHash: alloy_primitives::keccak256(parts),
                })
            }
        };
        let message = Message { sequence, body };
        assert_eq!(domain.message(&message), expected, "{message:?}");
    }
    let (node, nonce) = (Address::repeat_byte(3), B256::repeat_byte(4));
    assert_eq!(domain.login(node, nonce, 5), independent(&Login { node, nonce, version: 5 }));
    let message = B256::repeat_byte(6);
    assert_eq!(
        domain.receipt(message, &Answer::Accepted { height: Height(7) }),
        independent(&Receipt { message, height: 7, code: 0, reason: 0 })
    );
    assert_eq!(
        domain.receipt(message, &Answer::Refused { height: Height(7), code: Code::NotAcceptedByRules, reason: 8 }),
        independent(&Receipt { message, height: 7, code: 231, reason: 8 })
    );
}

#[test]
fn every_kind_is_recovered_on_its_chain_only() {
    let signer = signer(1);
    let domain = SigningDomain::new(CHAIN, GENESIS);
    let mut digests = std::collections::BTreeSet::new();
    for body in samples::bodies() {
        let signed = signer.sign_message(&domain, Message { sequence: 9, body });
        assert_eq!(signed.recover(CHAIN, GENESIS), Ok(signer.address()));
        assert_ne!(signed.recover(CHAIN + 1, GENESIS), Ok(signer.address()));
        assert_ne!(signed.recover(CHAIN, B256::ZERO), Ok(signer.address()));
        let mut other = signed.clone();
        other.message.sequence += 1;
        assert_ne!(other.recover(CHAIN, GENESIS), Ok(signer.address()));
        assert!(digests.insert(signed.digest(CHAIN, GENESIS)));
    }
}

#[test]
fn a_signature_has_one_accepted_form() {
    let digest = B256::repeat_byte(5);
    for key in 1..20 {
        let signer = signer(key);
        let good = signer.sign(&digest);
        assert_eq!(recover(&digest, &good), Ok(signer.address()));
        assert!(good[32..64] <= HALF_ORDER[..]);
        // The mirrored signature (n - s, other parity) names the same key and is refused.
        let parsed = k256::ecdsa::Signature::from_slice(&good[..64]).unwrap();
        let (r, s) = parsed.split_scalars();
        let mirrored = k256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
        let mut high = [0; 65];
        high[..64].copy_from_slice(&mirrored.to_bytes());
        high[64] = 1 - good[64];
        assert_eq!(recover(&digest, &high), Err(SignatureError::HighS));
        for parity in [2, 27, 28, 255] {
            let mut other = good;
            other[64] = parity;
            assert_eq!(recover(&digest, &other), Err(SignatureError::BadParity { found: parity }));
        }
        let mut other = good;
        other[64] ^= 1;
        assert_ne!(recover(&digest, &other), Ok(signer.address()));
    }
}

#[test]
fn scalars_out_of_range_are_refused() {
    let digest = B256::repeat_byte(5);
    let good = signer(1).sign(&digest);
    let order = hex32(b"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    for scalar in [[0; 32], order, [0xff; 32]] {
        for at in [0, 32] {
            let mut other = good;
            other[at..at + 32].copy_from_slice(&scalar);
            assert_eq!(recover(&digest, &other), Err(SignatureError::OutOfRange));
        }
    }
    assert!(Signer::from_bytes(&[0; 32]).is_err());
    assert!(Signer::from_bytes(&order).is_err());
}

#[test]
fn debug_does_not_show_the_key() {
    let text = format!("{:?}", signer(0xab));
    assert!(!text.contains("abab") && !text.contains("171, 171"), "{text}");
}
