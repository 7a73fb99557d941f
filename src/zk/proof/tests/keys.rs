//! Commitment keys: bytes, digests, and what is refused.

use super::*;
use crate::proof::{
    error::KeyError,
    key::{HEADER_LEN, Key, KeyHeader, Origin, Setup},
};
use ff::Field;
use nova_snark::{
    provider::{
        bn256_grumpkin::bn256::Point,
        hyperkzg::CommitmentEngine,
        traits::{DlogGroup, PairingGroup},
    },
    traits::commitment::CommitmentEngineTrait,
};
use std::io::Cursor;

#[test]
fn a_key_survives_its_bytes() {
    let key = Key::development(LOG_SIZE).unwrap();
    let bytes = key.to_bytes();
    assert_eq!(bytes.len(), HEADER_LEN + (64 << LOG_SIZE));
    let loaded = Key::from_bytes(&bytes).unwrap();
    assert_eq!(loaded.header(), key.header());
    assert_eq!(loaded.digest(), key.digest());
    assert_eq!(loaded.to_bytes(), bytes);
    loaded.check_powers().unwrap();
    let header = KeyHeader::from_bytes(&bytes[..HEADER_LEN]).unwrap();
    assert_eq!(header.digest(), key.digest());
    assert_eq!((header.origin(), header.log_size()), (Origin::Development, LOG_SIZE));
}

#[test]
fn every_changed_byte_of_a_key_is_refused_or_changes_its_digest() {
    let key = Key::development(2).unwrap();
    let bytes = key.to_bytes();
    for index in 0..bytes.len() {
        for bit in [1, 0x40, 0x80] {
            let mut changed = bytes.clone();
            changed[index] ^= bit;
            assert!(Key::from_bytes(&changed).is_err(), "byte {index} bit {bit}");
        }
    }
    for length in [0, 1, HEADER_LEN - 1, HEADER_LEN, bytes.len() - 1] {
        assert!(Key::from_bytes(&bytes[..length]).is_err());
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(matches!(Key::from_bytes(&longer), Err(KeyError::Length { .. })));
}

#[test]
fn points_off_the_curve_and_out_of_order_are_refused_even_with_their_hash() {
    let key = Key::development(2).unwrap();
    let rehash = |mut bytes: Vec<u8>| {
        let digest = crate::proof::transcript::keccak(&[&bytes[HEADER_LEN..]]);
        bytes[HEADER_LEN - 32..HEADER_LEN].copy_from_slice(&digest);
        bytes
    };
    let mut off_curve = key.to_bytes();
    let last = off_curve.len() - 1;
    off_curve[last] ^= 1;
    assert!(matches!(Key::from_bytes(&rehash(off_curve)), Err(KeyError::Point { index: 3 })));
    let mut infinite = key.to_bytes();
    infinite[last - 63..].fill(0);
    assert!(matches!(Key::from_bytes(&rehash(infinite)), Err(KeyError::Point { index: 3 })));
    let mut swapped = key.to_bytes();
    let (a, b) = (HEADER_LEN + 64, HEADER_LEN + 128);
    let second = swapped[a..b].to_vec();
    swapped.copy_within(b..b + 64, a);
    swapped[b..b + 64].copy_from_slice(&second);
    assert!(matches!(Key::from_bytes(&rehash(swapped)), Err(KeyError::NotPowers)));
    // The first two are right, a later one is not: loads, but has another digest
    // and fails the full check.
    let mut later = key.to_bytes();
    later.copy_within(b..b + 64, b + 64);
    let later = Key::from_bytes(&rehash(later)).unwrap();
    assert_ne!(later.digest(), key.digest());
    assert!(matches!(later.check_powers(), Err(KeyError::NotPowers)));
}

#[test]
fn a_ceremony_file_becomes_a_key_that_a_ceremony_genesis_admits() {
    // A stand-in for a ceremony: powers of a tau that is not the declared one.
    let tau = Scalar::from(123_456_789);
    let points = crate::proof::powers::powers_of(&tau, 8);
    let tau_h = (<Point as PairingGroup>::G2::r#gen() * tau).affine();
    let ck = crate::proof::key::commitment_key(points, tau_h).unwrap();
    let mut file = Cursor::new(Vec::new());
    type Ce = CommitmentEngine<crate::Engine>;
    <Ce as CommitmentEngineTrait<crate::Engine>>::save_setup(&ck, &mut file).unwrap();
    let file = file.into_inner();
    let key = Key::from_ptau(&file, 3).unwrap();
    assert_eq!(key.header().origin(), Origin::Ceremony);
    let loaded = Key::from_bytes(&key.to_bytes()).unwrap();
    let digest = key.digest();
    Setup::Ceremony { digest }.admit(loaded.header()).unwrap();
    let wrong = Setup::Ceremony { digest: [0; 32] };
    assert!(matches!(wrong.admit(loaded.header()), Err(KeyError::Digest { .. })));
    assert!(Key::from_ptau(&file[..100], 3).is_err());
    assert!(Key::from_ptau(&file, 9).is_err());

    // The same file with the declared tau is refused.
    let development = Key::development(3).unwrap().into_commitment_key();
    let mut file = Cursor::new(Vec::new());
    <Ce as CommitmentEngineTrait<crate::Engine>>::save_setup(&development, &mut file).unwrap();
    let refused = Key::from_ptau(&file.into_inner(), 3);
    assert!(matches!(refused, Err(KeyError::DevelopmentKeyOnCeremony)));
}

#[test]
fn sizes_are_bounded() {
    for log_size in [0, 29, u32::MAX] {
        assert!(matches!(Key::development(log_size), Err(KeyError::Size { .. })));
        assert!(matches!(Key::from_ptau(&[], log_size), Err(KeyError::Size { .. })));
    }
    assert_eq!(Scalar::ZERO.double(), Scalar::ZERO);
}
