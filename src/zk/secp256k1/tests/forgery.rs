//! Provers that lie: each breaks one rule and obeys all others as far as it
//! can, so that the named check alone must stop it.

use super::super::constants::constants;
use super::super::decompose::{Component, biguint, order, short_multipliers};
use super::super::native::*;
use super::super::plan::{SignatureValues, chain_of};
use super::native::affine;
use super::*;
use num_bigint::BigUint;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub(super) fn words(v: &BigUint) -> [u64; 4] {
    let d = v.to_u64_digits();
    core::array::from_fn(|i| d.get(i).copied().unwrap_or(0))
}

fn inverse(v: &BigUint) -> BigUint {
    v.modpow(&(order() - 2u32), &order())
}

/// The values of a valid signature.
pub(super) fn honest(seed: u64) -> SignatureValues {
    let signed = random_signature(&mut ChaCha8Rng::seed_from_u64(seed));
    let chunks = signed.plan().unwrap().chunks();
    chunks[0].signature.clone().unwrap()
}

/// The number of broken constraints per chunk.
fn broken(values: &SignatureValues) -> Vec<usize> {
    let (chunks, _) = chain_of(values.clone(), false).unwrap();
    chunks.iter().map(|c| shape().failures(&synthesize(c).0).len()).collect()
}

/// Values for a point R (its abscissa need not be below n) and a key Q with
/// `Q = (s·R - z·G)/r`, everything consistent.
fn recovered(r: Affine, s: &BigUint, z: &BigUint) -> SignatureValues {
    let n = order();
    let r_mod = biguint(&r.x.0) % &n;
    let (u1, u2) = (z * inverse(s) % &n, &r_mod * inverse(s) % &n);
    // Q from R with our own double-and-add on independent offsets.
    let key =
        (multiply(r, &(s * inverse(&r_mod) % &n))).add(multiply(GENERATOR, &(z * inverse(&r_mod) % &n)).neg()).unwrap();
    with_key(r, key, s, z, &u1, &u2)
}

fn with_key(r: Affine, q: Affine, s: &BigUint, z: &BigUint, u1: &BigUint, u2: &BigUint) -> SignatureValues {
    let n = order();
    let components = short_multipliers(u2);
    let lambda = biguint(&ENDO_LAMBDA);
    let signed = |c: Component| {
        let m = BigUint::from(c.magnitude);
        if c.negative { &n - m } else { m }
    };
    let alpha = (signed(components[0]) + signed(components[1]) * &lambda) % &n;
    let beta = (signed(components[2]) + signed(components[3]) * &lambda) % &n;
    SignatureValues {
        z: words(z),
        s: words(s),
        q,
        r,
        components,
        k: words(&(&alpha * u1 % &n)),
        alpha: words(&alpha),
        beta: words(&beta),
    }
}

/// Double and add; the scalar must not meet an exception.
fn multiply(p: Affine, scalar: &BigUint) -> Affine {
    let mut acc = p;
    for i in (0..scalar.bits() - 1).rev() {
        acc = acc.double();
        if scalar.bit(i) {
            acc = acc.add(p).unwrap();
        }
    }
    acc
}

#[test]
fn honest_values_pass() {
    assert_eq!(broken(&honest(30)), vec![0; PARTS]);
    let r = Affine::lift(Fe::from_u64(1)).unwrap();
    let values = recovered(r, &BigUint::from(5u32), &BigUint::from(9u32));
    assert_eq!(broken(&values), vec![0; PARTS]);
}

#[test]
fn high_s_is_refused() {
    let values = honest(31);
    let n = order();
    // (r, n - s) is the same equation for -R.
    let s = &n - biguint(&values.s);
    let s_inverse = inverse(&s);
    let forged = with_key(
        values.r.neg(),
        values.q,
        &s,
        &biguint(&values.z),
        &(biguint(&values.z) * &s_inverse % &n),
        &(biguint(&values.r.x.0) * &s_inverse % &n),
    );
    let broken = broken(&forged);
    assert!(broken[0] > 0 && broken[0] <= 2, "{broken:?}");
    assert!(broken[1..].iter().all(|b| *b == 0));
}

#[test]
fn r_beyond_the_order_is_refused() {
    let r = (1u64..).find_map(|i| Affine::lift(Fe(words(&(order() + i))))).unwrap();
    let broken = broken(&recovered(r, &BigUint::from(77u32), &BigUint::from(3u32)));
    assert!(broken[0] > 0 && broken[0] <= 2, "{broken:?}");
    assert!(broken[1..].iter().all(|b| *b == 0));
}

#[test]
fn zero_r_and_s_are_refused() {
    let mut values = honest(32);
    values.s = [0; 4];
    assert!(broken(&values)[0] > 0);
    let mut values = honest(32);
    values.r.x = Fe::ZERO;
    assert!(broken(&values)[0] > 0);
}

/// Keys that are off the curve, or whose coordinate is encoded as v + p.
#[test]
fn bad_keys_are_refused() {
    let mut values = honest(33);
    values.q.y = values.q.y.add(Fe::from_u64(1));
    let off_curve = broken(&values)[0];
    assert!(off_curve > 0 && off_curve <= 2, "{off_curve}");
    let mut values = honest(33);
    values.r.y = values.r.y.add(Fe::from_u64(1));
    let off_curve = broken(&values)[0];
    assert!(off_curve > 0 && off_curve <= 2, "{off_curve}");
}

fn plus_p(fe: Fe) -> Fe {
    Fe(words(&(biguint(&fe.0) + biguint(&P))))
}

/// A valid signature for a key: R = u1·G + u2·Q, then s and z follow.
fn signed_for(q: Affine) -> SignatureValues {
    let n = order();
    for u2 in 2u32.. {
        let (u1, u2) = (BigUint::from(1234u32), BigUint::from(u2));
        let r = multiply(GENERATOR, &u1).add(multiply(q, &u2)).unwrap();
        let s = biguint(&r.x.0) * inverse(&u2) % &n;
        if at_most(&words(&s), &HALF_N) {
            let z = &u1 * &s % &n;
            return with_key(r, q, &s, &z, &u1, &u2);
        }
    }
    unreachable!()
}

#[test]
fn non_canonical_keys_are_refused() {
    let q = (1..).find_map(|x| Affine::lift(Fe::from_u64(x))).unwrap();
    let mut values = signed_for(q);
    assert_eq!(broken(&values), vec![0; PARTS]);
    values.q.x = plus_p(q.x);
    let b = broken(&values);
    assert!(b[0] > 0 && b[0] <= 2 && b[1..].iter().all(|b| *b == 0), "{b:?}");

    // A small ordinate: x is a cube root of y² - 7 (p = 7 mod 9).
    let p = biguint(&P);
    let exponent = (&p + 2u32) / 9u32;
    let q = (1u64..)
        .find_map(|y| {
            let cube = Fe::from_u64(y).square().sub(Fe::from_u64(7));
            let x = Fe(words(&biguint(&cube.0).modpow(&exponent, &p)));
            (x.square().mul(x) == cube).then_some(Affine { x, y: Fe::from_u64(y) })
        })
        .unwrap();
    let mut values = signed_for(q);
    assert_eq!(broken(&values), vec![0; PARTS]);
    values.q.y = plus_p(q.y);
    let b = broken(&values);
    assert!(b[0] > 0 && b[0] <= 2 && b[1..].iter().all(|b| *b == 0), "{b:?}");
}

/// With α = β = k = 0 everything else holds for any key and hash.
#[test]
fn the_zero_multiplier_is_refused() {
    let mut values = honest(34);
    values.z = [1, 2, 3, 4];
    values.q = affine(k256::ProjectivePoint::GENERATOR * scalar([7; 32]));
    values.components = Default::default();
    values.k = [0; 4];
    values.alpha = [0; 4];
    values.beta = [0; 4];
    let b = broken(&values);
    assert_eq!(b[0], 1, "{b:?}");
    assert!(b[1..].iter().all(|b| *b == 0));
}

/// Each of the two equations modulo n stops one forgery alone.
#[test]
fn scalars_must_fit_the_signature() {
    let n = order();
    // Another hash: only α·z = k·s fails.
    let mut values = honest(35);
    values.z[0] ^= 1;
    let b = broken(&values);
    assert!(b[0] > 0 && b[0] <= 4 && b[1..].iter().all(|b| *b == 0), "{b:?}");
    // Another s, with z scaled alike: only α·r = β·s fails.
    let mut values = honest(35);
    let s = biguint(&values.s) / 2u32;
    let z = biguint(&values.z) * &s % &n * inverse(&biguint(&values.s)) % &n;
    values.s = words(&s);
    values.z = words(&z);
    let b = broken(&values);
    assert!(b[0] > 0 && b[0] <= 4 && b[1..].iter().all(|b| *b == 0), "{b:?}");
    // Residues that are not those of the components: α' = 2α with s' = 2s,
    // and β' = 2β with s' = s/2, z' = z/2. One relation each (4 equations).
    let half = inverse(&BigUint::from(2u32));
    for seed in 35.. {
        let (mut first, mut second) = (honest(seed), honest(seed));
        let s = biguint(&first.s);
        let (twice, halved) = (words(&(&s * 2u32 % &n)), words(&(&s * &half % &n)));
        if !at_most(&twice, &HALF_N) || !at_most(&halved, &HALF_N) {
            continue;
        }
        first.s = twice;
        first.alpha = words(&(biguint(&first.alpha) * 2u32 % &n));
        second.s = halved;
        second.z = words(&(biguint(&second.z) * &half % &n));
        second.beta = words(&(biguint(&second.beta) * 2u32 % &n));
        for values in [first, second] {
            let b = broken(&values);
            assert!(b[0] > 0 && b[0] <= 4 && b[1..].iter().all(|b| *b == 0), "{b:?}");
        }
        break;
    }
}

/// A wrong key, the other R, or a wrong k that fits a made-up hash end at
/// another point: only the last chunk notices.
#[test]
fn the_end_must_be_the_constant() {
    let n = order();
    let mut other_key = honest(36);
    other_key.q = affine(k256::ProjectivePoint::GENERATOR * scalar([7; 32]));
    let mut other_r = honest(36);
    other_r.r = other_r.r.neg();
    let mut other_k = honest(36);
    let k = biguint(&other_k.k) + 1u32;
    let z = &k * biguint(&other_k.s) % &n * inverse(&biguint(&other_k.alpha)) % &n;
    other_k.k = words(&k);
    other_k.z = words(&z);
    for values in [other_key, other_r, other_k] {
        let (chunks, end) = chain_of(values.clone(), false).unwrap();
        assert_ne!(end, constants().family(false).end);
        let b = broken(&values);
        assert!(b[..PARTS - 1].iter().all(|b| *b == 0), "{b:?}");
        assert!(b[PARTS - 1] > 0);
        drop(chunks);
    }
}

fn chunks(seed: u64) -> [ChunkWitness; PARTS] {
    chain_of(honest(seed), false).unwrap().0
}

/// Parts count up from 0 and end at `PARTS - 1`.
#[test]
fn chains_have_all_parts() {
    // The last chunk claims another part: only the last part's row fails.
    let mut last = chunks(37)[PARTS - 1].clone();
    for part in [0, PARTS as u64 - 2, PARTS as u64] {
        last.state.part = part;
        assert_eq!(shape().failures(&synthesize(&last).0).len(), 1);
    }
    // A chunk that is not last sends another part than its own plus 1.
    let mut first = chunks(37)[0].clone();
    first.next.as_mut().unwrap().part = 2;
    assert!(!is_satisfied(&first));
    // The first chunk does not start at another part.
    let mut first = chunks(37)[0].clone();
    first.state.part = 1;
    first.next.as_mut().unwrap().part = 2;
    assert_eq!(shape().failures(&synthesize(&first).0).len(), 1);
    // Nor by a part that it claims to receive without the selector.
    let (mut z, ports) = synthesize(&first);
    let Index::Aux(received) = ports.state_in.1[0].get_variable().0 else { unreachable!() };
    z[received + 1] = Scalar::ONE;
    assert_eq!(shape().failures(&z).len(), 1);
    // Flags in an idle slot break a row of nothing but sel and the flags.
    for flag in [2, 3] {
        let mut z = vec![Scalar::ZERO; shape().columns.len()];
        (z[0], z[flag]) = (Scalar::ONE, Scalar::ONE);
        let only_flags = |row: &usize| shape().rows[*row].iter().flatten().all(|(i, _)| *i < 4);
        assert_eq!(shape().failures(&z).iter().filter(|r| only_flags(r)).count(), 1);
    }
    // A chunk that is first and last at once.
    let (mut z, _) = synthesize(&chunks(37)[0]);
    assert!(shape().notices(&mut z, 3, Scalar::ONE));
    // A first chunk in an idle slot would provide a signature for nothing.
    assert!(shape().notices(&mut z, 1, Scalar::ZERO));
    // A chunk that denies being first cannot receive nothing.
    assert!(shape().notices(&mut z, 2, Scalar::ZERO));
}

/// The first chunk starts at the constant and its own signature's points;
/// messages carry the sender's values.
#[test]
fn states_are_bound() {
    let other = chunks(39);
    // Another signature's chain under this signature: only the rows of the
    // current state fail, one per element that differs.
    let mut lie = other[0].clone();
    lie.signature = chunks(38)[0].signature.clone();
    let (mine, theirs) = (chunks(38)[0].state.message(), other[0].state.message());
    let differing = mine.iter().zip(&theirs).filter(|(a, b)| a != b).count();
    assert!(differing >= 10);
    // The message has the second chunk's words last; the own words are the
    // first here, and the last chunk's are not in it.
    let (z, _) = synthesize(&lie);
    let words_beyond = WORDS;
    // The provided key is that of the signature section, so `sig` differs too.
    let sig = chunks(38)[0].sig();
    let provided = sig.iter().zip(other[0].sig()).filter(|(a, b)| **a != *b).count();
    let sig_rows = if lie.sig() == sig { 0 } else { provided };
    assert_eq!(shape().failures(&z).len(), differing + words_beyond + sig_rows);
    for part in 0..PARTS {
        let honest = chunks(38)[part].clone();
        let edits: [fn(&mut ChunkWitness, &ChunkWitness); 9] = [
            |c, o| c.state.r_x = o.state.r_x,
            |c, o| c.state.p1_y = o.state.p1_y,
            |c, _| c.state.r_flip = -c.state.r_flip,
            |c, o| c.state.q_x = o.state.q_x,
            |c, o| c.state.p3_y = o.state.p3_y,
            |c, _| c.state.q_flip = -c.state.q_flip,
            |c, o| (c.state.acc, c.state.acc_y) = (o.state.acc, o.state.acc_y),
            |c, _| c.state.variant = !c.state.variant,
            |c, _| c.state.steps[0] ^= 1,
        ];
        for edit in edits {
            let mut lie = honest.clone();
            edit(&mut lie, &other[(part + 1) % PARTS]);
            assert!(!is_satisfied(&lie));
        }
        if let Some(next) = &honest.next {
            for i in 0..STATE_WIDTH {
                let sent = next.message();
                let (mut z, ports) = synthesize(&honest);
                let Index::Aux(variable) = ports.state_out.1[i].get_variable().0 else { unreachable!() };
                assert_eq!(z[variable + 1], sent[i]);
                assert!(shape().notices(&mut z, variable + 1, sent[i] + Scalar::ONE));
            }
        }
    }
}

/// The public hash and key are those of the checked signature.
#[test]
fn the_provided_signature_is_the_checked_one() {
    let chunk = chunks(40)[0].clone();
    let (mut z, ports) = synthesize(&chunk);
    for element in &ports.sig.1 {
        let Index::Aux(variable) = element.get_variable().0 else { unreachable!() };
        let value = z[variable + 1] + Scalar::ONE;
        assert!(shape().notices(&mut z, variable + 1, value));
    }
}
