//! The whole slot: completeness, sizes, ports, sweeps over every variable.

use super::super::decompose::order;
use super::super::native::{Affine, ENDO_LAMBDA, Fe};
use super::super::signature;
use super::native::k256_point;
use super::*;
use nova_snark::frontend::num::AllocatedNum;
use num_bigint::BigUint;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha3::{Digest, Keccak256};

pub(super) fn assert_proven(signed: &Signed) {
    let chunks = signed.plan().unwrap().chunks();
    for (i, chunk) in chunks.iter().enumerate() {
        let (z, ports) = synthesize(chunk);
        let failures = shape().failures(&z);
        assert!(failures.is_empty(), "part {i}: {failures:?} {signed:?}");
        let values = |v: &[AllocatedNum<Scalar>]| -> Vec<Scalar> { v.iter().map(|n| n.get_value().unwrap()).collect() };
        assert_eq!(values(&ports.state_in.1), chunk.state_in());
        assert_eq!(values(&ports.state_out.1), chunk.state_out());
        assert_eq!(values(&ports.sig.1), chunk.sig());
        let flag = |b: bool| Some(Scalar::from(u64::from(b)));
        assert_eq!(ports.state_in.0.get_value(), flag(i > 0));
        assert_eq!(ports.state_out.0.get_value(), flag(i + 1 < PARTS));
        assert_eq!(ports.sig.0.get_value(), flag(i == 0));
        if i > 0 {
            assert_eq!(chunks[i - 1].state_out(), chunk.state_in());
        }
        assert_eq!(chunk.state_in().len(), STATE_WIDTH);
    }
    let sig = chunks[0].sig();
    let half = |b: &[u8]| -> Scalar { ff::PrimeField::from_u128(u128::from_be_bytes(b.try_into().unwrap())) };
    for (i, number) in [signed.hash, signed.key.0, signed.key.1].iter().enumerate() {
        assert_eq!(sig[2 * i], half(&number[..16]));
        assert_eq!(sig[2 * i + 1], half(&number[16..]));
    }
}

#[test]
fn random_signatures_are_proven() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..6 {
        assert_proven(&random_signature(&mut rng));
    }
}

pub(super) fn small(value: u64) -> k256::Scalar {
    k256::Scalar::from(value)
}

fn number(words: &[u64; 4]) -> k256::Scalar {
    let mut bytes = [0; 32];
    for (chunk, w) in bytes.chunks_mut(8).zip(words.iter().rev()) {
        chunk.copy_from_slice(&w.to_be_bytes());
    }
    scalar(bytes)
}

#[test]
fn crafted_keys_and_nonces_are_proven() {
    let lambda = number(&ENDO_LAMBDA);
    let d = number(&[11, 12, 13, 14]);
    let hash = [0x5a; 32];
    let cases = [
        (d, d),
        (d, -d),
        (d, d * lambda),
        (d, -d * lambda),
        (d, d * lambda * lambda),
        (d, d + d),
        (small(1), small(1)),
        (small(1), small(2)),
        (small(2), small(1)),
        (-small(1), small(1)),
        (lambda, small(1)),
        (small(1), lambda),
        (lambda, -lambda),
    ];
    for (secret, nonce) in cases {
        assert_proven(&sign(hash, secret, nonce));
    }
}

#[test]
fn extreme_hashes_are_proven() {
    let n: [u8; 32] = order().to_bytes_be().try_into().unwrap();
    let mut above = n;
    above[31] += 1;
    let mut below = n;
    below[31] -= 1;
    for hash in [[0; 32], [0xff; 32], n, above, below] {
        assert_proven(&sign(hash, small(12345), small(67890)));
    }
}

#[test]
fn extreme_signatures_are_proven() {
    let half: [u8; 32] = ((order() - 1u32) / BigUint::from(2u32)).to_bytes_be().try_into().unwrap();
    let (r, point) = (1..).find_map(|x| Some((x, k256_point(Affine::lift(Fe::from_u64(x))?)))).unwrap();
    for s in [small(1), small(2), small(r), scalar(half)] {
        for hash in [[0; 32], [0x77; 32]] {
            assert_proven(&recovered(hash, point, s));
        }
    }
}

#[test]
fn idle_slots_are_zero() {
    let chunk = &random_signature(&mut ChaCha8Rng::seed_from_u64(2)).plan().unwrap().chunks()[1];
    for witness in [None, Some(chunk)] {
        let mut cs = SatisfyingAssignment::<Engine>::new();
        slot(&mut cs, false, witness).unwrap();
        let z = assignment(&cs);
        assert!(z[1..].iter().all(|v| *v == Scalar::ZERO));
        assert!(shape().failures(&z).is_empty());
    }
    let mut cs = SatisfyingAssignment::<Engine>::new();
    assert!(slot(&mut cs, true, None).is_err());
}

/// Every variable is determined by the others, each by a constraint that
/// notices its change; in later chunks except the signature's section, whose
/// gate is closed.
#[test]
fn every_variable_is_determined() {
    let signed = random_signature(&mut ChaCha8Rng::seed_from_u64(3));
    let mut cs = SatisfyingAssignment::<Engine>::new();
    let gate = super::super::field::alloc_bit(&mut cs, false).unwrap();
    signature::synthesize(&mut cs, gate, &Default::default()).unwrap();
    // Constant one, sel, two flags, two selectors, then the section.
    let section = 6..6 + cs.aux_assignment().len() - 1;
    for (part, chunk) in signed.plan().unwrap().chunks().iter().enumerate() {
        let (mut z, _) = synthesize(chunk);
        for variable in 1..z.len() {
            let honest = z[variable];
            let changed = [honest + Scalar::ONE, honest - Scalar::ONE, -honest];
            for value in changed.into_iter().filter(|v| *v != honest) {
                assert!(
                    shape().notices(&mut z, variable, value) || (part > 0 && section.contains(&variable)),
                    "part {part}, variable {variable}"
                );
            }
        }
    }
}

#[test]
fn shape_is_pinned() {
    let s = shape();
    assert!(s.rows.len() <= 95_000 && s.columns.len() <= 95_000);
    let mut hasher = Keccak256::new();
    for row in s.rows.iter().flatten() {
        hasher.update((row.len() as u64).to_le_bytes());
        for (index, coef) in row {
            hasher.update((*index as u64).to_le_bytes());
            hasher.update(ff::PrimeField::to_repr(coef).as_ref());
        }
    }
    let digest = hex::encode(hasher.finalize());
    assert_eq!(
        (s.rows.len(), s.columns.len() - 1, s.nonzeros(), &digest[..16]),
        (87_326, 86_888, 521_841, "9200b98ea04ad462")
    );
}

/// The shape does not depend on the witness.
#[test]
fn all_parts_have_one_shape() {
    let signed = random_signature(&mut ChaCha8Rng::seed_from_u64(4));
    for chunk in signed.plan().unwrap().chunks() {
        let mut cs = ShapeCS::<Engine>::new();
        slot(&mut cs, true, Some(&chunk)).unwrap();
        let other = Checker::new(&cs);
        assert!(other.rows == shape().rows);
    }
}

#[test]
#[ignore = "prints timings"]
fn timings() {
    use std::time::Instant;
    let signed = random_signature(&mut ChaCha8Rng::seed_from_u64(5));
    signed.plan().unwrap();
    let start = Instant::now();
    let plan = signed.plan().unwrap();
    println!("plan {:?}", start.elapsed());
    for chunk in plan.chunks() {
        let start = Instant::now();
        let mut cs = SatisfyingAssignment::<Engine>::new();
        slot(&mut cs, true, Some(&chunk)).unwrap();
        println!("chunk {:?}", start.elapsed());
    }
}
