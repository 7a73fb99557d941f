//! The two families of offsets: whoever makes a signature of one of them is
//! proven with the other, and a chain has one variant from start to end.

use super::super::constants::{columns, constants};
use super::super::field::alloc_bit;
use super::super::native::{Affine, LazyValue};
use super::super::plan::{SignatureValues, chain_of, step_bits, table_of};
use super::super::point::Point;
use super::circuit::{assert_proven, small};
use super::forgery::honest;
use super::native::{affine, k256_point};
use super::*;
use k256::ProjectivePoint;
use k256::ecdsa::signature::hazmat::PrehashVerifier;

const HASH: [u8; 32] = [0x42; 32];

/// The values of the chain that proves the signature, and its variant. The
/// signature is valid by the standard's equation.
fn planned(signed: &Signed) -> (SignatureValues, bool) {
    let signature = k256::ecdsa::Signature::from_scalars(scalar(signed.r), scalar(signed.s)).unwrap();
    let encoded = k256::EncodedPoint::from_affine_coordinates(&signed.key.0.into(), &signed.key.1.into(), false);
    let verifier = k256::ecdsa::VerifyingKey::from_encoded_point(&encoded).unwrap();
    verifier.verify_prehash(&signed.hash, &signature).unwrap();
    let chunks = signed.plan().unwrap().chunks();
    let variant = chunks[0].state.variant;
    assert!(chunks.iter().all(|c| c.state.variant == variant));
    (chunks[0].signature.clone().unwrap(), variant)
}

fn variant_of(signed: &Signed) -> bool {
    planned(signed).1
}

/// A signature of the hash 0 with `r/s = ±ratio`: `Q = ±R/ratio`.
fn with_ratio(point: ProjectivePoint, ratio: u64) -> Signed {
    let (r, _) = coordinates(&point);
    let s = scalar(r) * small(ratio).invert().unwrap();
    let high = bool::from(k256::elliptic_curve::scalar::IsHigh::is_high(&s));
    recovered([0; 32], point, if high { -s } else { s })
}

fn offset(variant: bool) -> ProjectivePoint {
    k256_point(constants().family(variant).offset)
}

fn start(variant: bool) -> ProjectivePoint {
    k256_point(constants().family(variant).start)
}

fn endo(point: ProjectivePoint) -> ProjectivePoint {
    k256_point(affine(point).endo())
}

/// Whether building the first variant's table of these values is exceptional.
fn table_is_exceptional(values: &SignatureValues) -> bool {
    let signed = |p: Affine, i: usize| if values.components[i].negative { p.neg() } else { p };
    let (r, q) = (values.r, values.q.neg());
    let points = [signed(r, 0), signed(r.endo(), 1), signed(q, 2), signed(q.endo(), 3)];
    table_of(constants().family(false).offset, &points).is_none()
}

/// Points that the table of the first variant cannot hold.
#[test]
fn signatures_made_of_the_first_offset_have_the_second_variant() {
    let h = offset(false);
    for point in [h, -h, endo(endo(h)), -endo(endo(h))] {
        for s in [1, 2, 5] {
            let (values, variant) = planned(&recovered(HASH, point, small(s)));
            assert!(variant && table_is_exceptional(&values));
        }
    }
    // λH meets H + λH = -λ²H if P1 is λH and not -λH.
    let mut seen = [false; 2];
    for point in [endo(h), -endo(h)] {
        for s in 1..=8 {
            let (values, variant) = planned(&recovered(HASH, point, small(s)));
            let positive = affine(point).y == affine(h).y;
            assert_eq!(variant, positive != values.components[0].negative);
            seen[usize::from(variant)] = true;
        }
    }
    assert_eq!(seen, [true; 2]);
    // Q = ±H.
    assert!(variant_of(&with_ratio(h * small(2), 2)));
    assert_proven(&recovered(HASH, h, small(1)));
}

/// Any other point is the first variant's, also those of the second family.
#[test]
fn the_first_variant_is_preferred() {
    for point in [offset(true), -offset(true), endo(offset(true)), start(true), start(false)] {
        for factor in [1, 2, 3] {
            let point = point * small(factor);
            assert!(!variant_of(&recovered(HASH, point, small(7))), "{point:?}");
        }
    }
    for factor in 2..8 {
        assert!(!variant_of(&recovered(HASH, offset(false) * small(factor), small(7))));
    }
    let mut rng = <rand_chacha::ChaCha8Rng as rand::SeedableRng>::seed_from_u64(50);
    let signed = random_signature(&mut rng);
    assert!(!variant_of(&signed));
    assert_proven(&recovered(HASH, offset(true), small(1)));
}

/// A wrong signature is wrong whichever points it is made of.
#[test]
fn a_wrong_signature_made_of_an_offset_is_a_mismatch() {
    for variant in [false, true] {
        let mut signed = recovered(HASH, offset(variant), small(3));
        signed.hash[0] ^= 1;
        assert_eq!(signed.plan().err(), Some(SignatureError::Mismatch));
    }
}

/// Tables without exception, but a step with one.
#[test]
fn exceptional_steps_have_the_second_variant() {
    // Second doubling: 2·H0 + T[i] = T[i'], where only a0's bit differs.
    let find = |point: ProjectivePoint, hash: [u8; 32], first_step: fn(u8, bool) -> bool| -> Signed {
        let candidates = (1..4000).map(|s| recovered(hash, point, small(s)));
        let mut fitting = candidates.filter(|signed| {
            let values = SignatureValues::new(signed.hash, signed.r, signed.s, signed.key).unwrap();
            let bits = step_bits(&values.components, &values.k)[0].to_le_bytes()[0];
            first_step(bits, values.components[0].negative)
        });
        fitting.next().unwrap()
    };
    let (h, h0) = (offset(false), start(false));
    let signed = find(h0 * small(2), HASH, |bits, negative| {
        let (high, low) = (bits & 15, bits >> 4);
        if negative { high == low | 1 && low & 1 == 0 } else { low == high | 1 && high & 1 == 0 }
    });
    let (values, variant) = planned(&signed);
    assert!(variant && !table_is_exceptional(&values));
    assert_proven(&signed);

    // First generator addition: 4·H0 + 3·H + P1 = H.
    let signed = find(h0 * small(4) + h * small(2), [0; 32], |bits, negative| bits == 1 << 4 && negative);
    let (values, variant) = planned(&signed);
    assert!(variant && !table_is_exceptional(&values));

    // Last doubling of all, with α = 1, β = ±2, k = 0 and so Q = ±R/2: the
    // accumulator is A ∓ Q = A - R/2, the entry H + R.
    let mut acc = h0;
    for _ in 0..ROUNDS - 1 {
        acc = (acc * small(2) + h) * small(2) + h * small(2);
    }
    acc = acc * small(2) + h;
    let point = (acc - h) * small(2) * small(3).invert().unwrap();
    let signed = with_ratio(point, 2);
    let (values, variant) = planned(&signed);
    assert!(variant && !table_is_exceptional(&values));
    assert_eq!(values.components.map(|c| c.magnitude), [1, 0, 2, 0]);
    assert_proven(&signed);
    assert!(!variant_of(&with_ratio(-point, 2)));
}

/// Both chains of an honest signature prove it.
#[test]
fn either_variant_proves() {
    let values = honest(51);
    for variant in [false, true] {
        let (chunks, end) = chain_of(values.clone(), variant).unwrap();
        assert_eq!(end, constants().family(variant).end);
        assert!(chunks.iter().all(is_satisfied));
    }
}

fn variable(number: &nova_snark::frontend::num::AllocatedNum<Scalar>) -> usize {
    match number.get_variable().0 {
        Index::Aux(i) => i + 1,
        Index::Input(i) => i,
    }
}

/// Element of a state message that is the variant.
const VARIANT: usize = 15;

/// In every chunk one row without other variables allows 0 and 1 only.
#[test]
fn the_variant_is_boolean() {
    let (z, ports) = synthesize(&chain_of(honest(52), true).unwrap().0[PARTS - 1]);
    let received = variable(&ports.state_in.1[VARIANT]);
    // The current variant stands with the received one in the row that binds
    // them; it is the one of the two that is not the port.
    let shape = shape();
    let binding = shape.columns[received].iter().flat_map(|row| &shape.rows[*row][2]);
    let variants: Vec<usize> = binding.map(|(i, _)| *i).filter(|i| *i != received).collect();
    let [variant] = variants[..] else { unreachable!() };
    assert_eq!(z[variant], Scalar::ONE);
    let alone = |row: &&usize| shape.rows[**row].iter().flatten().all(|(i, _)| [0, variant].contains(i));
    let rows: Vec<usize> = shape.columns[variant].iter().filter(alone).copied().collect();
    let allows = |value: Scalar| {
        let mut z = z.clone();
        z[variant] = value;
        rows.iter().all(|row| shape.holds(*row, &z))
    };
    assert!(allows(Scalar::ZERO) && allows(Scalar::ONE));
    assert!(!allows(Scalar::from(2)) && !allows(-Scalar::ONE));
}

/// A chunk sends its variant and has that which it receives: a chain that
/// changes it breaks one row, and so does one that lies to the bus.
#[test]
fn all_chunks_have_one_variant() {
    for variant in [false, true] {
        let chunks = chain_of(honest(53), variant).unwrap().0;
        let other = Scalar::from(u64::from(!variant));
        for (part, chunk) in chunks.iter().enumerate() {
            let (mut z, ports) = synthesize(chunk);
            let mut lie = |port: &[nova_snark::frontend::num::AllocatedNum<Scalar>]| {
                let i = variable(&port[VARIANT]);
                let honest = std::mem::replace(&mut z[i], other);
                assert_ne!(honest, other);
                assert_eq!(shape().failures(&z).len(), 1);
                z[i] = honest;
            };
            if part > 0 {
                lie(&ports.state_in.1);
            }
            if part + 1 < PARTS {
                lie(&ports.state_out.1);
            }
        }
    }
}

/// A first chunk that starts at the other variant's start: its four elements
/// differ, now and in the message that it sends.
#[test]
fn the_start_is_that_of_the_variant() {
    for variant in [false, true] {
        let mut lie = chain_of(honest(54), variant).unwrap().0[0].clone();
        lie.state.acc = constants().family(!variant).start;
        lie.state.acc_y = LazyValue::from_limbs(&lie.state.acc.y.limbs());
        assert_eq!(shape().failures(&synthesize(&lie).0).len(), 8);
    }
}

/// The ten columns of the table's offset are those of the variant, each by a
/// row of its own: nothing else here would notice.
#[test]
fn the_table_offset_is_that_of_the_variant() {
    fn offset<CS: ConstraintSystem<Scalar>>(cs: &mut CS, variant: bool) {
        let gate = alloc_bit(cs, true).unwrap();
        let variant = alloc_bit(cs, variant).unwrap();
        Point::one_of(cs, gate, variant, constants().both(|family| family.offset)).unwrap();
    }
    for variant in [false, true] {
        let (mut shape, mut values) = (ShapeCS::<Engine>::new(), SatisfyingAssignment::<Engine>::new());
        offset(&mut shape, variant);
        offset(&mut values, variant);
        let (checker, mut z) = (Checker::new(&shape), assignment(&values));
        assert!(checker.failures(&z).is_empty());
        let [own, other] = [variant, !variant].map(|v| columns(constants().family(v).offset));
        assert_eq!(z[3..], own);
        for (i, value) in other.into_iter().enumerate() {
            assert!(checker.notices(&mut z, 3 + i, value), "column {i}");
        }
    }
}

/// A last chunk that ends at the other variant's end, all else consistent.
#[test]
fn the_end_is_that_of_the_variant() {
    for variant in [false, true] {
        let [own, other] = [variant, !variant].map(|v| k256_point(constants().family(v).end));
        let mut lie = chain_of(honest(55), variant).unwrap().0[PARTS - 1].clone();
        assert!(is_satisfied(&lie));
        let scale = (0..2 * STEPS).fold(small(1), |scale, _| scale + scale);
        let shift = (other - own) * scale.invert().unwrap();
        lie.state.acc = affine(k256_point(lie.state.acc) + shift);
        lie.state.acc_y = LazyValue::from_limbs(&lie.state.acc.y.limbs());
        let failures = shape().failures(&synthesize(&lie).0).len();
        assert!((8..=10).contains(&failures), "{failures}");
    }
}
