//! Gadgets alone: against their native twins, and lying provers.

use super::super::chunk::{endomorphism_pair, enforce_end};
use super::super::constants::constants;
use super::super::field::{Bit, Limbs, alloc, alloc_bit, enforce_at_most, enforce_different, pow2};
use super::super::native::*;
use super::super::order::OrderSum;
use super::super::point::{Point, build_table, lookup, lookup_generator, reduce};
use super::super::relation::{Lazy, Product, Sum};
use super::super::signature::enforce_on_curve;
use super::native::affine;
use super::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Synthesizes with gate 1 and gives constraints and values. The closure must
/// not depend on the kind of constraint system.
macro_rules! failures {
    (|$cs:ident, $gate:ident| $body:expr) => {{
        let mut shape = ShapeCS::<Engine>::new();
        {
            let $cs = &mut shape;
            let $gate = alloc_bit(&mut *$cs, true).unwrap();
            $body;
        }
        let mut values = SatisfyingAssignment::<Engine>::new();
        {
            let $cs = &mut values;
            let $gate = alloc_bit(&mut *$cs, true).unwrap();
            $body;
        }
        Checker::new(&shape).failures(&assignment(&values)).len()
    }};
}

fn random_point(rng: &mut ChaCha8Rng) -> Affine {
    let mut b = [0u8; 32];
    rng.fill(&mut b);
    affine(k256::ProjectivePoint::GENERATOR * scalar(b))
}

fn point<CS: ConstraintSystem<Scalar>>(cs: &mut CS, gate: Bit, at: Affine) -> Point {
    Point { x: Limbs::alloc(cs, at.x.limbs()).unwrap(), ..Point::constant(gate, at) }
}

#[test]
fn additions_are_those_of_the_curve() {
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    for _ in 0..10 {
        let (p, q) = (random_point(&mut rng), random_point(&mut rng));
        assert_eq!(
            failures!(|cs, gate| {
                let (a, b) = (point(cs, gate, p), point(cs, gate, q));
                let sum = a.add(cs, gate, &b).unwrap();
                assert_eq!(Some(sum.at), p.add(q));
                let twice = sum.double_add(cs, gate, &b).unwrap();
                assert_eq!(Some(twice.at), sum.at.double().add(q));
                let again = twice.double_add(cs, gate, &a).unwrap();
                again.add(cs, gate, &b).unwrap()
            }),
            0
        );
    }
}

/// Provers that follow the formulas from a false native twin. A relation that
/// fails fails in both of its equations, so the counts tell that every
/// relation is there: a twin of another ordinate breaks the slopes, a twin
/// shifted along the chord keeps the slope and breaks the abscissas.
#[test]
fn every_relation_of_an_addition_is_needed() {
    let mut rng = ChaCha8Rng::seed_from_u64(24);
    let (p, q) = (random_point(&mut rng), random_point(&mut rng));
    let t = Fe([3, 1, 4, 1]);
    let (slope, _) = p.chord(q);
    let other_y = Affine { x: p.x, y: p.y.add(t) };
    let on_chord = Affine { x: p.x.add(t), y: p.y.add(slope.mul(t)) };
    for (twin, single, double) in [(other_y, 2, 4), (on_chord, 2, 6)] {
        let failed = failures!(|cs, gate| {
            let (mut a, b) = (point(cs, gate, p), point(cs, gate, q));
            a.at = twin;
            a.add(cs, gate, &b).unwrap()
        });
        assert_eq!(failed, single);
        let failed = failures!(|cs, gate| {
            let (mut a, b) = (point(cs, gate, p), point(cs, gate, q));
            a.at = twin;
            a.double_add(cs, gate, &b).unwrap()
        });
        assert_eq!(failed, double);
    }
}

/// The image under the endomorphism is `β·x` of the point's own limbs.
#[test]
fn the_endomorphism_is_proven() {
    let mut rng = ChaCha8Rng::seed_from_u64(25);
    let p = random_point(&mut rng);
    for (twin, flip, expected) in [(p, 1, 0), (p, -1, 0), (GENERATOR, 1, 2)] {
        let failed = failures!(|cs, gate| {
            let mut a = point(cs, gate, p);
            a.at = twin;
            let flip_var = alloc(cs, scalar_from_i128(flip.into())).unwrap();
            let [_, image] = endomorphism_pair(cs, gate, a, (flip_var, flip)).unwrap();
            assert_eq!(image.at.y, if flip < 0 { twin.y.neg() } else { twin.y });
        });
        assert_eq!(failed, expected);
    }
}

/// Both coordinates of the end are compared: its negative shares x, its
/// image under the endomorphism shares y. Each variant has its own.
#[test]
fn the_end_is_compared_in_both_coordinates() {
    for variant in [false, true] {
        let end = constants().family(variant).end;
        let other = constants().family(!variant).end;
        for (at, last, expected) in [
            (end, true, 0..=0),
            (end.neg(), true, 1..=2),
            (end.endo(), true, 6..=8),
            (end.neg(), false, 0..=0),
            (other, true, 8..=10),
            (other, false, 0..=0),
        ] {
            let failed = failures!(|cs, gate| {
                let is_last = alloc_bit(&mut *cs, last).unwrap();
                let variant = alloc_bit(&mut *cs, variant).unwrap();
                let acc = point(cs, gate, at);
                enforce_end(cs, gate, is_last, variant, &acc).unwrap()
            });
            assert!(expected.contains(&failed), "{failed}");
        }
    }
}

/// The square of x in the curve equation is that of the limbs.
#[test]
fn the_curve_equation_is_proven() {
    let mut rng = ChaCha8Rng::seed_from_u64(26);
    let p = random_point(&mut rng);
    for (x, y, expected) in [(p.x, p.y, 0), (p.x, p.y.add(Fe::from_u64(1)), 2), (GENERATOR.x, p.y, 4)] {
        let failed = failures!(|cs, gate| {
            let limbs = Limbs::alloc(cs, p.x.limbs()).unwrap();
            let y = Limbs::alloc(cs, y.limbs()).unwrap();
            enforce_on_curve(cs, gate, (&limbs, x), &y).unwrap()
        });
        assert_eq!(failed, expected);
    }
}

/// Equal abscissas leave the slope free; only the check of the difference
/// stands in the way of a chosen sum.
#[test]
fn exceptional_additions_are_refused() {
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    let p = random_point(&mut rng);
    for q in [p, p.neg()] {
        let failed = failures!(|cs, gate| {
            let (a, b) = (point(cs, gate, p), point(cs, gate, q));
            a.add(cs, gate, &b).unwrap()
        });
        // The slope 0 satisfies P + P; P - P also fails the slope's relation.
        assert_eq!(failed, if q == p { 1 } else { 3 });
        let failed = failures!(|cs, gate| {
            let (a, b) = (point(cs, gate, p), point(cs, gate, q));
            a.double_add(cs, gate, &b).unwrap()
        });
        assert!(failed > 0);
    }
    // 2P + Q with Q = -2P: the middle is -P.
    let q = p.double().neg();
    let failed = failures!(|cs, gate| {
        let (a, b) = (point(cs, gate, p), point(cs, gate, q));
        a.double_add(cs, gate, &b).unwrap()
    });
    // The check, and the slope's relation, which has no solution for y != 0.
    assert_eq!(failed, 3);
}

/// All three encodings of an equal value are refused, a difference is not.
#[test]
fn differences_are_modulo_p() {
    let words = |v: u64, plus_p: bool| -> [i64; 8] {
        limbs_of(&if plus_p {
            let (low, carry) = P[0].overflowing_add(v);
            assert!(!carry);
            [low, P[1], P[2], P[3]]
        } else {
            [v, 0, 0, 0]
        })
    };
    for (a, b, equal) in [
        (words(5, false), words(5, false), true),
        (words(5, true), words(5, false), true),
        (words(5, false), words(5, true), true),
        (words(5, true), words(6, false), false),
        (words(5, false), words(6, false), false),
    ] {
        let failed = failures!(|cs, gate| {
            let (a, b) = (Limbs::alloc(cs, a).unwrap(), Limbs::alloc(cs, b).unwrap());
            enforce_different(cs, gate, &a, &b).unwrap()
        });
        assert_eq!(failed, usize::from(equal));
    }
}

#[test]
fn bounds_are_exact() {
    let max = [u64::MAX; 4];
    for bound in [HALF_N, [N[0] - 1, N[1], N[2], N[3]], [P[0] - 1, P[1], P[2], P[3]]] {
        let next = [bound[0] + 1, bound[1], bound[2], bound[3]];
        let high = [0, 0, bound[2].wrapping_add(1), bound[3]];
        for value in [[0; 4], [1, 0, 0, 0], bound, next, max, high, [u64::MAX, u64::MAX, 0, 0]] {
            let failed = failures!(|cs, gate| {
                let value = Limbs::alloc(cs, limbs_of(&value)).unwrap();
                enforce_at_most(cs, gate, &value, &bound).unwrap()
            });
            assert_eq!(failed == 0, at_most(&value, &bound), "{value:x?} {bound:x?}");
        }
    }
}

/// A wrong result that agrees in the proof's field fails the low equation
/// only; one that agrees modulo 2^64 fails the field's equation only.
#[test]
fn both_moduli_of_a_relation_are_needed() {
    let field = {
        // The proof field's order, from -1.
        let bytes = ff::PrimeField::to_repr(&-Scalar::ONE);
        let b: &[u8] = bytes.as_ref();
        let mut words: [u64; 4] = core::array::from_fn(|i| u64::from_le_bytes(b[8 * i..8 * i + 8].try_into().unwrap()));
        words[0] += 1;
        words
    };
    let (a, b) = (Fe([1, 2, 3, 4]), Fe([5, 6, 7, 8]));
    let honest = a.mul(b);
    let shifted = |by: [u64; 4]| {
        let mut out = [0u64; 4];
        let mut carry = 0u128;
        for i in 0..4 {
            carry += u128::from(honest.0[i]) + u128::from(by[i]);
            out[i] = carry as u64;
            carry >>= 64;
        }
        Fe(out)
    };
    for (value, expected) in [(honest, 0), (shifted(field), 1), (shifted([0, 1, 0, 0]), 1), (shifted([1, 0, 0, 0]), 2)]
    {
        let failed = failures!(|cs, gate| {
            let (a, b) = (Limbs::alloc(cs, a.limbs()).unwrap(), Limbs::alloc(cs, b.limbs()).unwrap());
            let product = Product::new(cs, &[(1, &a)], &[(1, &b)]).unwrap();
            let sum = Sum { products: &[(1, &product)], ..Sum::default() };
            reduce(cs, gate, value, sum).unwrap()
        });
        assert_eq!(failed, expected, "{value:?}");
    }
}

/// The heaviest relation with the largest limbs stays in the ranges.
#[test]
fn ranges_hold_the_heaviest_relation() {
    let max = [0xffff_ffffi64; 8];
    for sign in [1i64, -1] {
        let double: [i64; 8] = max.map(|l| 2 * l);
        let unit = LazyValue::from_product(&multiply_limbs(&max, &max.map(|l| sign * l)));
        let two = LazyValue::from_product(&multiply_limbs(&double, &max.map(|l| sign * l)));
        let total = two.add_times(4, &unit).add_times(8 * sign, &LazyValue::from_limbs(&max));
        let q = total.int.quotient_by_p();
        let carry = (total.low + q * i128::from(K)) >> 64;
        assert!(q.unsigned_abs() > 1 << 37 && q.unsigned_abs() < 1 << 38);
        assert!(carry.unsigned_abs() > 1 << 46 && carry.unsigned_abs() < 1 << 48);
    }
}

#[test]
fn lookups_find_every_entry() {
    let mut rng = ChaCha8Rng::seed_from_u64(22);
    let points: [Affine; 4] = core::array::from_fn(|_| random_point(&mut rng));
    let bits_of = |cs: &mut SatisfyingAssignment<Engine>, index: usize, count: usize| -> Vec<Bit> {
        (0..count).map(|i| alloc_bit(cs, index >> i & 1 == 1).unwrap()).collect()
    };
    let cs = &mut SatisfyingAssignment::<Engine>::new();
    let gate = alloc_bit(cs, true).unwrap();
    let inputs = points.map(|p| point(cs, gate, p));
    for variant in [false, true] {
        let bit = alloc_bit(cs, variant).unwrap();
        let table = build_table(cs, gate, bit, &inputs).unwrap();
        for index in 0..16 {
            let mut expected = constants().family(variant).offset;
            for (i, p) in points.iter().enumerate() {
                if index >> i & 1 == 1 {
                    expected = expected.add(*p).unwrap();
                }
            }
            let bits = bits_of(cs, index, 4);
            assert_eq!(lookup(cs, &table, &bits).unwrap().at, expected);
        }
    }
    for index in 0..256 {
        let found = failures!(|cs, gate| {
            let bits: Vec<Bit> = (0..8).map(|i| alloc_bit(&mut *cs, index >> i & 1 == 1).unwrap()).collect();
            let found = lookup_generator(cs, gate, &bits).unwrap();
            assert_eq!(found.at, constants().generator[index]);
            assert_eq!(found.x.value, found.at.x.limbs());
            found
        });
        assert_eq!(found, 0);
    }
}

#[test]
fn relations_modulo_n_agree_with_integers() {
    use super::super::decompose::{biguint, order};
    let mut rng = ChaCha8Rng::seed_from_u64(23);
    let n = order();
    let max = [u64::MAX; 4];
    let words = |v: &num_bigint::BigUint| -> [u64; 4] {
        let d = v.to_u64_digits();
        core::array::from_fn(|i| d.get(i).copied().unwrap_or(0))
    };
    for i in 0..20 {
        // a·b = c·1 + … : c = a·b mod n, in both signs.
        let (a, b): ([u64; 4], [u64; 4]) = if i == 0 { (max, max) } else { rng.r#gen() };
        let c = words(&(biguint(&a) * biguint(&b) % &n));
        let wrong = [c[0] ^ 1, c[1], c[2], c[3]];
        for (c, sign, expected) in [(c, 1, true), (c, -1, true), (wrong, 1, false)] {
            let failed = failures!(|cs, gate| {
                let [a, b, c] = [a, b, c].map(|v| Limbs::alloc(cs, limbs_of(&v)).unwrap());
                let ab = Product::new(cs, &[(1, &a)], &[(1, &b)]).unwrap();
                OrderSum { products: &[(sign, &ab)], values: &[(-sign, &c)] }.enforce_zero_mod_n(cs, gate).unwrap()
            });
            assert_eq!(failed == 0, expected);
        }
    }
}

/// An error in one group of limbs fails that group's equation and the one in
/// the proof's field.
#[test]
fn every_equation_modulo_n_is_needed() {
    for limb in [0usize, 3, 6] {
        let failed = failures!(|cs, gate| {
            let a = Limbs::alloc(cs, limbs_of(&N)).unwrap();
            let product = Product::new(cs, &[(1, &a)], &[(1, &a)]).unwrap();
            // A multiple of n, plus 2^(32·limb).
            let mut extra = [0i64; 8];
            extra[limb] = 1;
            let extra = Limbs::alloc(cs, extra).unwrap();
            OrderSum { products: &[(1, &product)], values: &[(1, &extra)] }.enforce_zero_mod_n(cs, gate).unwrap()
        });
        assert_eq!(failed, 2, "limb {limb}");
    }
}

#[test]
fn constants_vanish_with_the_gate() {
    let cs = &mut SatisfyingAssignment::<Engine>::new();
    let gate = alloc_bit(cs, false).unwrap();
    let constant = Lazy::constant(gate, Fe([1, 2, 3, 4]));
    assert_eq!(constant.value, LazyValue::default());
    assert_eq!(Point::constant(gate, GENERATOR).at, Affine::default());
    assert_eq!(pow2(3), Scalar::from(8));
}
