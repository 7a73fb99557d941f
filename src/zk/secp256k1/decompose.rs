//! Short multipliers: `α·u = β mod n` with `α = a0 + a1·λ`, `β = b0 + b1·λ`.
//!
//! With `ω = λ mod π` (`n = N(π)` in `Z[ω]`) the solutions form the rank-2
//! `Z[ω]`-lattice of `(1, u), (0, π)`, which is a lattice of index n in Z^4.
//!
//! **All four components fit 64 bits, always.** By Minkowski's theorem for the
//! cube `|x_i| <= n^(1/4)` (volume `2^4·n`) a non-zero solution lies in it,
//! and `n^(1/4) < 2^64`. It is found thus: Gauss's reduction over the
//! Euclidean ring `Z[ω]` gives a shortest `v1` and `v2 = v2* + μ·v1` with
//! `|μ|² <= 1/3`, `|v1|²·|v2*|² = n` and so `|v1|⁴ <= 3n/2` (norm
//! `a² - ab + b²` on components). If `v1` does not fit, one of its components
//! is `>= 2^64`, so `|v1|² >= (3/4)·2^128`. The solution `w = x·v1 + y·v2` of
//! Minkowski has `|w|² <= 6·√n`; hence `|y|² <= 6√n/|v2*|² = 6|v1|²/√n <= 7.4`
//! and `|x + yμ|² <= 6√n/|v1|² <= 8`, `|x| <= 2.83 + 2.72/√3 <= 4.41`. As
//! coordinates of an element are at most `2/√3` of its absolute value, they
//! are at most 3 for y and 5 for x: the search over these finds `w`.
//!
//! `α != 0`: `(0, β)` is a solution only if π divides β, and then
//! `N(β) >= n`, too long.

use super::native::N;
use num_bigint::{BigInt, BigUint, Sign};
use num_integer::Integer;
use num_traits::{Signed, Zero};

/// A signed component: sign and magnitude.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) negative: bool,
    pub(super) magnitude: u64,
}

/// `a + b·ω`, `ω² + ω + 1 = 0`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Eisenstein {
    a: BigInt,
    b: BigInt,
}

impl Eisenstein {
    fn new(a: impl Into<BigInt>, b: impl Into<BigInt>) -> Self {
        Eisenstein { a: a.into(), b: b.into() }
    }

    fn add(&self, o: &Self) -> Self {
        Self::new(&self.a + &o.a, &self.b + &o.b)
    }

    fn sub(&self, o: &Self) -> Self {
        Self::new(&self.a - &o.a, &self.b - &o.b)
    }

    fn mul(&self, o: &Self) -> Self {
        let bb = &self.b * &o.b;
        Self::new(&self.a * &o.a - &bb, &self.a * &o.b + &self.b * &o.a - &bb)
    }

    fn conjugate(&self) -> Self {
        Self::new(&self.a - &self.b, -&self.b)
    }

    fn norm(&self) -> BigInt {
        &self.a * &self.a - &self.a * &self.b + &self.b * &self.b
    }

    /// The nearest element to `self / d`: a corner of the parallelogram
    /// around the quotient, because each half of it is an equilateral triangle.
    fn divide_rounded(&self, d: &BigInt) -> Self {
        let (a, b) = (self.a.div_floor(d), self.b.div_floor(d));
        [(0, 0), (0, 1), (1, 0), (1, 1)]
            .into_iter()
            .map(|(i, j)| Self::new(&a + i, &b + j))
            .min_by_key(|q| self.sub(&Self::new(&q.a * d, &q.b * d)).norm())
            .expect("invariant: four candidates")
    }
}

/// A solution `(α, β)`.
#[derive(Clone, Debug)]
struct Pair(Eisenstein, Eisenstein);

impl Pair {
    fn norm(&self) -> BigInt {
        self.0.norm() + self.1.norm()
    }

    fn combine(&self, x: &Eisenstein, other: &Self, y: &Eisenstein) -> Self {
        Pair(self.0.mul(x).add(&other.0.mul(y)), self.1.mul(x).add(&other.1.mul(y)))
    }

    fn components(&self) -> Option<[Component; 4]> {
        let fit =
            |v: &BigInt| Some(Component { negative: v.is_negative(), magnitude: u64::try_from(v.magnitude()).ok()? });
        Some([fit(&self.0.a)?, fit(&self.0.b)?, fit(&self.1.a)?, fit(&self.1.b)?])
    }
}

/// The prime of norm n with `π = 0 mod n` under `ω -> λ` (the usual short
/// vector of the curve's endomorphism lattice).
fn pi() -> Eisenstein {
    Eisenstein::new(
        0x3086_d221_a7d4_6bcd_e86c_90e4_9284_eb15_u128,
        -BigInt::from(0xe443_7ed6_010e_8828_6f54_7fa9_0abf_e4c3_u128),
    )
}

/// The group's order.
pub(super) fn order() -> BigUint {
    biguint(&N)
}

/// A number from little-endian words.
pub(super) fn biguint(words: &[u64; 4]) -> BigUint {
    words.iter().rev().fold(BigUint::zero(), |acc, w| (acc << 64u32) + *w)
}

/// Components `[a0, a1, b0, b1]` with `(a0 + a1·λ)·u = b0 + b1·λ mod n`, the
/// first two not both zero. `u` must be below n.
pub(super) fn short_multipliers(u: &BigUint) -> [Component; 4] {
    let pi = pi();
    let u = Eisenstein::new(BigInt::from_biguint(Sign::Plus, u.clone()), 0);
    let n = pi.norm();
    let quotient = u.mul(&pi.conjugate()).divide_rounded(&n);
    let mut v1 = Pair(Eisenstein::new(1, 0), u.sub(&quotient.mul(&pi)));
    let mut v2 = Pair(Eisenstein::new(0, 0), pi);
    let one = Eisenstein::new(1, 0);
    loop {
        let norm = v1.norm();
        let inner = v2.0.mul(&v1.0.conjugate()).add(&v2.1.mul(&v1.1.conjugate()));
        let q = inner.divide_rounded(&norm);
        let minus_q = Eisenstein::new(0, 0).sub(&q);
        v2 = v2.combine(&one, &v1, &minus_q);
        if v2.norm() >= norm {
            break;
        }
        core::mem::swap(&mut v1, &mut v2);
    }
    v1.components().or_else(|| search(&v1, &v2)).expect("invariant: Minkowski's solution is within the searched range")
}

fn search(v1: &Pair, v2: &Pair) -> Option<[Component; 4]> {
    let square = |bound: i64| (-bound..=bound).flat_map(move |a| (-bound..=bound).map(move |b| Eisenstein::new(a, b)));
    square(3).find_map(|y| {
        square(5)
            .filter(|x| !(x.norm().is_zero() && y.norm().is_zero()))
            .find_map(|x| v1.combine(&x, v2, &y).components())
    })
}
