//! The native side against `num-bigint` and `k256`.

use super::super::constants::constants;
use super::super::decompose::{biguint, order, short_multipliers};
use super::super::native::*;
use super::{ROUNDS, Scalar, SignatureError, Signed, coordinates, random_signature, scalar};
use ff::Field;
use k256::ecdsa::signature::hazmat::PrehashVerifier;
use num_bigint::{BigInt, BigUint};
use num_traits::{One, Zero};
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn modulus() -> BigUint {
    (BigUint::one() << 256u32) - K
}

/// Random elements, with many words at their extremes.
fn element(rng: &mut ChaCha8Rng) -> Fe {
    loop {
        let words = core::array::from_fn(|_| match rng.gen_range(0..4) {
            0 => u64::MAX - rng.gen_range(0..2) * K,
            1 => rng.gen_range(0..3),
            _ => rng.next_u64(),
        });
        if let Some(fe) = Fe::from_words(words) {
            return fe;
        }
    }
}

#[test]
fn field_arithmetic_is_that_of_integers_modulo_p() {
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    let p = modulus();
    assert_eq!(biguint(&P), p);
    for _ in 0..2000 {
        let (a, b) = (element(&mut rng), element(&mut rng));
        let (x, y) = (biguint(&a.0), biguint(&b.0));
        assert_eq!(biguint(&a.add(b).0), (&x + &y) % &p);
        assert_eq!(biguint(&a.sub(b).0), (&x + &p - &y) % &p);
        assert_eq!(biguint(&a.mul(b).0), (&x * &y) % &p);
    }
    for _ in 0..30 {
        let a = element(&mut rng);
        if a != Fe::ZERO {
            assert_eq!(a.mul(a.inverse()), Fe::from_u64(1));
        }
        let root = a.square().sqrt().unwrap();
        assert!(root == a || root == a.neg());
    }
    assert_eq!(Fe::ZERO.inverse(), Fe::ZERO);
    assert_eq!(Fe::from_words(P), None);
    // No point has abscissa 0.
    assert_eq!(Fe::from_u64(7).sqrt(), None);
}

#[test]
fn wide_integers_are_integers() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let p = BigInt::from(modulus());
    let of_scalar = |v: Scalar| BigInt::from_bytes_le(num_bigint::Sign::Plus, ff::PrimeField::to_repr(&v).as_ref());
    let field = of_scalar(-Scalar::ONE) + 1;
    for _ in 0..500 {
        let (v, limb) = (rng.r#gen::<i128>() >> rng.gen_range(0..100), rng.gen_range(0..7));
        let wide = Wide::from_i128(v, limb);
        let big = BigInt::from(v) << (32 * limb);
        let residue = ((&big % &field) + &field) % &field;
        assert_eq!(of_scalar(wide.to_scalar()), residue);
        assert_eq!(wide.add(wide.times(-3)), wide.times(-2));
        let q = i128::from(rng.r#gen::<i64>() >> 20);
        let multiple = Wide::from_i128(q, 8).add(Wide::from_i128(q * i128::from(K), 0).neg());
        assert_eq!(multiple.quotient_by_p(), q);
        assert_eq!(((BigInt::from(q) * &p) % &field + &field) % &field, of_scalar(multiple.to_scalar()));
    }
}

pub(super) fn k256_point(point: Affine) -> k256::ProjectivePoint {
    use k256::elliptic_curve::sec1::FromEncodedPoint;
    let bytes = |fe: Fe| -> [u8; 32] {
        let mut out = biguint(&fe.0).to_bytes_be();
        out.splice(0..0, vec![0; 32 - out.len()]);
        out.try_into().unwrap()
    };
    let encoded = k256::EncodedPoint::from_affine_coordinates(&bytes(point.x).into(), &bytes(point.y).into(), false);
    k256::ProjectivePoint::from_encoded_point(&encoded).unwrap()
}

pub(super) fn affine(point: k256::ProjectivePoint) -> Affine {
    let (x, y) = coordinates(&point);
    Affine { x: Fe(words_from_be(&x)), y: Fe(words_from_be(&y)) }
}

#[test]
fn point_formulas_and_endomorphism_agree_with_k256() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let g = k256::ProjectivePoint::GENERATOR;
    assert_eq!(affine(g), GENERATOR);
    for _ in 0..20 {
        let mut b = [[0u8; 32]; 2];
        b.iter_mut().for_each(|b| rng.fill_bytes(b));
        let (p, q) = (g * scalar(b[0]), g * scalar(b[1]));
        assert_eq!(affine(p).add(affine(q)), Some(affine(p + q)));
        assert_eq!(affine(p).double(), affine(p + p));
        let mut lambda = biguint(&ENDO_LAMBDA).to_bytes_be();
        lambda.splice(0..0, vec![0; 32 - lambda.len()]);
        assert_eq!(affine(p).endo(), affine(p * scalar(lambda.try_into().unwrap())));
    }
    assert_eq!(GENERATOR.add(GENERATOR.neg()), None);
}

#[test]
fn constants_are_pinned() {
    let c = constants();
    let hex = |p: Affine| format!("{:x}", biguint(&p.x.0));
    let pins = [
        [
            "bc82c1a9433a5f70cf046087c3f63e1a401c02aad99b8a5c1087c7e5e243135b",
            "f9759042d6c7315812cb1e540cfc80f6b1bea5c0fde84e20e25840090b0766af",
        ],
        [
            "296932512013e127fb03cd63570dfbf77cc4332400be5fd13d13378f2d6434be",
            "19b40d8fbcdb8611e715f90891196f0c94aeb201b42d0ed8c2975b5d400bee67",
        ],
    ];
    for (variant, pin) in [false, true].into_iter().zip(pins) {
        let family = c.family(variant);
        assert!(family.offset.is_on_curve() && family.start.is_on_curve() && family.end.is_on_curve());
        assert!(!family.offset.y.is_odd() && !family.start.y.is_odd());
        assert_eq!([family.offset, family.start].map(hex), pin);
    }
    assert_eq!(biguint(&HALF_N), (order() - 1u32) / 2u32);

    // The generator's table and the ends, from k256's arithmetic.
    let power = |e: usize| {
        let mut b = (BigUint::one() << e) % order();
        b += 0u32;
        let mut b = b.to_bytes_be();
        b.splice(0..0, vec![0; 32 - b.len()]);
        scalar(b.try_into().unwrap())
    };
    let g = k256::ProjectivePoint::GENERATOR;
    let h = k256_point(c.family(false).offset);
    for (i, entry) in c.generator.iter().enumerate() {
        let mut sum = h;
        for bit in (0..8).filter(|b| i >> b & 1 == 1) {
            sum -= g * power(2 * ROUNDS * (bit / 2) + bit % 2);
        }
        assert_eq!(*entry, affine(sum), "entry {i}");
    }
    for variant in [false, true] {
        let family = c.family(variant);
        let one = k256::Scalar::ONE;
        let mut end =
            k256_point(family.start) * power(2 * ROUNDS) + k256_point(family.offset) * (power(2 * ROUNDS) - one);
        for i in 0..ROUNDS {
            end += h * power(2 * i);
        }
        assert_eq!(family.end, affine(end));
    }
}

/// Checks one decomposition; the type says that it fits 64 bits.
fn check_multipliers(u: &BigUint) {
    let n = BigInt::from(order());
    let lambda = BigInt::from(biguint(&ENDO_LAMBDA));
    let c = short_multipliers(u).map(|c| {
        let m = BigInt::from(c.magnitude);
        if c.negative { -m } else { m }
    });
    assert!(!(c[0].is_zero() && c[1].is_zero()), "{u}");
    let alpha = &c[0] + &c[1] * &lambda;
    let beta = &c[2] + &c[3] * &lambda;
    assert!(((alpha * BigInt::from(u.clone()) - beta) % &n).is_zero(), "{u}");
}

fn random_below_n(rng: &mut ChaCha8Rng) -> BigUint {
    let mut bytes = [0u8; 32];
    rng.fill_bytes(&mut bytes);
    BigUint::from_bytes_be(&bytes) % order()
}

#[test]
fn short_multipliers_always_fit() {
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    let n = order();
    let lambda = biguint(&ENDO_LAMBDA);
    let edges = [
        BigUint::zero(),
        BigUint::one(),
        &n - 1u32,
        lambda.clone(),
        &n - &lambda,
        &n / 2u32,
        BigUint::one() << 64u32,
        BigUint::one() << 128u32,
        n.sqrt(),
    ];
    for u in &edges {
        check_multipliers(u);
    }
    for _ in 0..5000 {
        check_multipliers(&random_below_n(&mut rng));
    }
}

/// The same for 100,000; run it with `--ignored`.
#[test]
#[ignore = "half a minute"]
fn short_multipliers_fit_a_hundred_thousand_times() {
    let mut rng = ChaCha8Rng::seed_from_u64(14);
    for _ in 0..100_000 {
        check_multipliers(&random_below_n(&mut rng));
    }
}

#[test]
fn plans_agree_with_k256() {
    let mut rng = ChaCha8Rng::seed_from_u64(15);
    for i in 0..40 {
        let mut signed = random_signature(&mut rng);
        match i % 4 {
            0 => signed.hash[rng.gen_range(0..32)] ^= 1 << rng.gen_range(0..8),
            1 => signed.key = random_signature(&mut rng).key,
            _ => {}
        }
        let key = k256::EncodedPoint::from_affine_coordinates(&signed.key.0.into(), &signed.key.1.into(), false);
        let verifier = k256::ecdsa::VerifyingKey::from_encoded_point(&key).unwrap();
        let signature = k256::ecdsa::Signature::from_scalars(signed.r, signed.s).unwrap();
        let twin = verifier.verify_prehash(&signed.hash, &signature).is_ok();
        assert_eq!(twin, i % 4 > 1);
        match signed.plan() {
            Ok(_) => assert!(twin),
            Err(e) => assert!(!twin && e == SignatureError::Mismatch),
        }
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let mut rng = ChaCha8Rng::seed_from_u64(16);
    let good = random_signature(&mut rng);
    assert!(good.plan().is_ok());
    let bytes = |v: BigUint| -> [u8; 32] {
        let mut b = v.to_bytes_be();
        b.splice(0..0, vec![0; 32 - b.len()]);
        b.try_into().unwrap()
    };
    let n = order();
    let case = |edit: &dyn Fn(&mut Signed)| {
        let mut s = good.clone();
        edit(&mut s);
        s.plan().map(|_| ()).unwrap_err()
    };
    assert_eq!(case(&|s| s.r = [0; 32]), SignatureError::ROutOfRange);
    assert_eq!(case(&|s| s.r = bytes(n.clone())), SignatureError::ROutOfRange);
    assert_eq!(case(&|s| s.r = [0xff; 32]), SignatureError::ROutOfRange);
    assert_eq!(case(&|s| s.s = [0; 32]), SignatureError::SOutOfRange);
    assert_eq!(case(&|s| s.s = bytes(&n - BigUint::from_bytes_be(&s.s))), SignatureError::SOutOfRange);
    assert_eq!(case(&|s| s.s = bytes((&n + 1u32) / 2u32)), SignatureError::SOutOfRange);
    // The largest s passes the range and fails the equation.
    assert_eq!(case(&|s| s.s = bytes((&n - 1u32) / 2u32)), SignatureError::Mismatch);
    assert_eq!(case(&|s| s.key.0 = bytes(modulus())), SignatureError::NonCanonicalKey);
    assert_eq!(case(&|s| s.key.1 = [0xff; 32]), SignatureError::NonCanonicalKey);
    assert_eq!(case(&|s| s.key.1[31] ^= 1), SignatureError::KeyNotOnCurve);
    assert_eq!(case(&|s| s.key = ([0; 32], [0; 32])), SignatureError::KeyNotOnCurve);
    let not_abscissa = (2u32..).find(|x| Affine::lift(Fe::from_u64(u64::from(*x))).is_none()).unwrap();
    assert_eq!(case(&|s| s.r = bytes(not_abscissa.into())), SignatureError::NoSuchPoint);
    assert_eq!(case(&|s| s.hash[0] ^= 1), SignatureError::Mismatch);
}
