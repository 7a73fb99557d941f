//! Native arithmetic of secp256k1: base field, affine points, and the signed
//! integers that the circuit's relations are made of.
//!
//! Source: SEC 2 v2, section 2.4.1: `p = 2^256 - 2^32 - 977`, `y² = x³ + 7`.
//! Nothing here is constant time: only public data (signatures, keys that
//! are published) passes through.

use crate::Scalar;
use ff::{Field, PrimeField};

/// `2^256 - p`.
pub(super) const K: u64 = (1 << 32) + 977;
/// The base field's modulus, little-endian 64-bit words.
pub(super) const P: [u64; 4] = [u64::MAX - K + 1, u64::MAX, u64::MAX, u64::MAX];
/// The group's order, little-endian 64-bit words.
pub(super) const N: [u64; 4] =
    [0xbfd2_5e8c_d036_4141, 0xbaae_dce6_af48_a03b, 0xffff_ffff_ffff_fffe, 0xffff_ffff_ffff_ffff];
/// `(n - 1) / 2`, the largest `s` that EIP-2 allows.
pub(super) const HALF_N: [u64; 4] =
    [0xdfe9_2f46_681b_20a0, 0x5d57_6e73_57a4_501d, 0xffff_ffff_ffff_ffff, 0x7fff_ffff_ffff_ffff];
/// The cube root of unity of the endomorphism `λ·(x, y) = (β·x, y)`.
pub(super) const ENDO_BETA: Fe =
    Fe([0xc139_6c28_7195_01ee, 0x9cf0_4975_12f5_8995, 0x6e64_479e_ac34_34e9, 0x7ae9_6a2b_657c_0710]);
/// The eigenvalue `λ` of the endomorphism, modulo the order.
pub(super) const ENDO_LAMBDA: [u64; 4] =
    [0xdf02_967c_1b23_bd72, 0x122e_22ea_2081_6678, 0xa526_1c02_8812_645a, 0x5363_ad4c_c05c_30e0];
/// The group's generator.
pub(super) const GENERATOR: Affine = Affine {
    x: Fe([0x59f2_815b_16f8_1798, 0x029b_fcdb_2dce_28d9, 0x55a0_6295_ce87_0b07, 0x79be_667e_f9dc_bbac]),
    y: Fe([0x9c47_d08f_fb10_d4b8, 0xfd17_b448_a685_5419, 0x5da4_fbfc_0e11_08a8, 0x483a_da77_26a3_c465]),
};

/// Whether `a <= b`, both little-endian words.
pub(super) fn at_most(a: &[u64; 4], b: &[u64; 4]) -> bool {
    for i in (0..4).rev() {
        if a[i] != b[i] {
            return a[i] < b[i];
        }
    }
    true
}

/// Little-endian words of a big-endian number.
pub(super) fn words_from_be(bytes: &[u8; 32]) -> [u64; 4] {
    core::array::from_fn(|i| (0..8).fold(0, |acc, j| (acc << 8) | u64::from(bytes[8 * (3 - i) + j])))
}

/// The eight 32-bit limbs of a number, little-endian.
pub(super) fn limbs_of(words: &[u64; 4]) -> [i64; 8] {
    core::array::from_fn(|i| ((words[i / 2] >> (32 * (i % 2))) & 0xffff_ffff) as i64)
}

/// An element of the base field, canonical (`< p`), little-endian words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fe(pub(super) [u64; 4]);

impl Fe {
    pub(super) const ZERO: Fe = Fe([0; 4]);

    /// The element with this canonical representation, `None` if not `< p`.
    pub(super) fn from_words(words: [u64; 4]) -> Option<Fe> {
        (!at_most(&P, &words)).then_some(Fe(words))
    }

    pub(super) fn from_u64(value: u64) -> Fe {
        Fe([value, 0, 0, 0])
    }

    /// Reduces a number below `2^256`.
    fn reduce_once(words: [u64; 4], overflow: bool) -> Fe {
        let mut plus = [0u64; 4];
        let mut carry = u128::from(K);
        for i in 0..4 {
            carry += u128::from(words[i]);
            plus[i] = carry as u64;
            carry >>= 64;
        }
        // words >= p exactly when words + k reaches 2^256.
        Fe(if overflow || carry != 0 { plus } else { words })
    }

    pub(super) fn add(self, other: Fe) -> Fe {
        let mut sum = [0u64; 4];
        let mut carry = 0u128;
        for (limb, (a, b)) in sum.iter_mut().zip(self.0.into_iter().zip(other.0)) {
            carry += u128::from(a) + u128::from(b);
            *limb = carry as u64;
            carry >>= 64;
        }
        Fe::reduce_once(sum, carry != 0)
    }

    /// The canonical negative; of any number below `2^256`.
    pub(super) fn neg(self) -> Fe {
        let canonical = Fe::reduce_once(self.0, false);
        if canonical == Fe::ZERO {
            return canonical;
        }
        let mut out = [0u64; 4];
        let mut borrow = false;
        for i in 0..4 {
            let (d, b1) = P[i].overflowing_sub(canonical.0[i]);
            let (d, b2) = d.overflowing_sub(u64::from(borrow));
            out[i] = d;
            borrow = b1 || b2;
        }
        Fe(out)
    }

    pub(super) fn sub(self, other: Fe) -> Fe {
        self.add(other.neg())
    }

    pub(super) fn mul(self, other: Fe) -> Fe {
        let mut wide = [0u64; 8];
        for i in 0..4 {
            let mut carry = 0u128;
            for j in 0..4 {
                carry += u128::from(wide[i + j]) + u128::from(self.0[i]) * u128::from(other.0[j]);
                wide[i + j] = carry as u64;
                carry >>= 64;
            }
            wide[i + 4] = carry as u64;
        }
        let mut low = [0u64; 4];
        let mut carry = 0u128;
        for i in 0..4 {
            carry += u128::from(wide[i]) + u128::from(wide[i + 4]) * u128::from(K);
            low[i] = carry as u64;
            carry >>= 64;
        }
        // carry < 2^34, so carry·k < 2^67.
        let mut carry = carry * u128::from(K);
        for word in &mut low {
            carry += u128::from(*word);
            *word = carry as u64;
            carry >>= 64;
        }
        // A second overflow leaves a number below 2^68, far from p.
        Fe::reduce_once(low, carry != 0)
    }

    pub(super) fn square(self) -> Fe {
        self.mul(self)
    }

    fn pow(self, exponent: &[u64; 4]) -> Fe {
        let mut out = Fe::from_u64(1);
        for i in (0..256).rev() {
            out = out.square();
            if exponent[i / 64] >> (i % 64) & 1 == 1 {
                out = out.mul(self);
            }
        }
        out
    }

    /// The inverse; zero for zero, as idle slots need it.
    pub(super) fn inverse(self) -> Fe {
        if self == Fe::ZERO {
            return self;
        }
        self.pow(&[P[0] - 2, P[1], P[2], P[3]])
    }

    /// A square root, if there is one (`p = 3 mod 4`: the power `(p+1)/4`).
    pub(super) fn sqrt(self) -> Option<Fe> {
        let root = self.pow(&[0xffff_ffff_bfff_ff0c, u64::MAX, u64::MAX, 0x3fff_ffff_ffff_ffff]);
        (root.square() == self).then_some(root)
    }

    pub(super) fn is_odd(self) -> bool {
        self.0[0] & 1 == 1
    }

    pub(super) fn limbs(self) -> [i64; 8] {
        limbs_of(&self.0)
    }
}

/// An affine point; `(0, 0)`, which is not on the curve, in idle slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Affine {
    pub(super) x: Fe,
    pub(super) y: Fe,
}

impl Affine {
    /// The point of this abscissa with an even ordinate, if there is one.
    pub(super) fn lift(x: Fe) -> Option<Affine> {
        let y = x.square().mul(x).add(Fe::from_u64(7)).sqrt()?;
        Some(Affine { x, y: if y.is_odd() { y.neg() } else { y } })
    }

    pub(super) fn is_on_curve(self) -> bool {
        self.y.square() == self.x.square().mul(self.x).add(Fe::from_u64(7))
    }

    pub(super) fn neg(self) -> Affine {
        Affine { x: self.x, y: self.y.neg() }
    }

    /// `λ·self`.
    pub(super) fn endo(self) -> Affine {
        Affine { x: self.x.mul(ENDO_BETA), y: self.y }
    }

    /// The slope of the chord and the sum; meaningless if the abscissas are
    /// equal, which [`Affine::add`] refuses.
    pub(super) fn chord(self, other: Affine) -> (Fe, Affine) {
        let slope = other.y.sub(self.y).mul(other.x.sub(self.x).inverse());
        let x = slope.square().sub(self.x).sub(other.x);
        let y = slope.mul(self.x.sub(x)).sub(self.y);
        (slope, Affine { x, y })
    }

    /// The sum of two points of different abscissas, `None` otherwise.
    pub(super) fn add(self, other: Affine) -> Option<Affine> {
        (self.x != other.x).then(|| self.chord(other).1)
    }

    /// `2·self`; a point of this curve never has ordinate 0.
    pub(super) fn double(self) -> Affine {
        let xx = self.x.square();
        let slope = xx.add(xx).add(xx).mul(self.y.add(self.y).inverse());
        let x = slope.square().sub(self.x).sub(self.x);
        let y = slope.mul(self.x.sub(x)).sub(self.y);
        Affine { x, y }
    }
}

/// A signed integer of 384 bits, two's complement, wrapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wide([u64; 6]);

impl Wide {
    /// `value · 2^(32·limb)`.
    pub(super) fn from_i128(value: i128, limb: usize) -> Wide {
        let sign = (value >> 127) as u64;
        let words = [value as u64, (value >> 64) as u64];
        let (skip, half) = (limb / 2, limb % 2 == 1);
        let at = |i: usize| -> u64 { if i < skip { 0 } else { words.get(i - skip).copied().unwrap_or(sign) } };
        Wide(core::array::from_fn(|i| {
            if half {
                let below = if i == 0 { 0 } else { at(i - 1) };
                (at(i) << 32) | (below >> 32)
            } else {
                at(i)
            }
        }))
    }

    pub(super) fn add(self, other: Wide) -> Wide {
        let mut out = [0u64; 6];
        let mut carry = 0u128;
        for (limb, (a, b)) in out.iter_mut().zip(self.0.into_iter().zip(other.0)) {
            carry += u128::from(a) + u128::from(b);
            *limb = carry as u64;
            carry >>= 64;
        }
        Wide(out)
    }

    pub(super) fn neg(self) -> Wide {
        Wide(self.0.map(|w| !w)).add(Wide([1, 0, 0, 0, 0, 0]))
    }

    fn is_negative(self) -> bool {
        self.0[5] >> 63 == 1
    }

    /// `factor · self` for the small factors of relations.
    pub(super) fn times(self, factor: i64) -> Wide {
        let one = (0..factor.unsigned_abs()).fold(Wide::default(), |acc, _| acc.add(self));
        if factor < 0 { one.neg() } else { one }
    }

    /// The integer nearest to `self / 2^256`. If `self = q·p` with
    /// `|q| < 2^128` this is `q`, because `|q·k| < 2^255`.
    pub(super) fn quotient_by_p(self) -> i128 {
        let rounded = self.add(Wide([0, 0, 0, 1 << 63, 0, 0]));
        i128::from(rounded.0[4]) | (i128::from(rounded.0[5] as i64) << 64)
    }

    /// The residue in the proof's field.
    pub(super) fn to_scalar(self) -> Scalar {
        let magnitude = if self.is_negative() { self.neg() } else { self };
        let base = Scalar::from_u128(1 << 64);
        let value = magnitude.0.iter().rev().fold(Scalar::ZERO, |acc, w| acc * base + Scalar::from(*w));
        if self.is_negative() { -value } else { value }
    }
}

/// An integer that stands for a field element without being reduced, and its
/// remainder's representative modulo `2^64` that the circuit keeps with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LazyValue {
    pub(super) int: Wide,
    pub(super) low: i128,
}

impl LazyValue {
    pub(super) fn from_limbs(limbs: &[i64; 8]) -> LazyValue {
        let int =
            limbs.iter().enumerate().fold(Wide::default(), |acc, (i, l)| acc.add(Wide::from_i128(i128::from(*l), i)));
        LazyValue { int, low: i128::from(limbs[0]) + (i128::from(limbs[1]) << 32) }
    }

    /// The product polynomial folded once: `t_i = c_i + 977·c_{i+8} + c_{i+7}`
    /// (the last for `i >= 1`), because `2^256 = 2^32 + 977 mod p`.
    pub(super) fn from_product(c: &[i128; 15]) -> LazyValue {
        let t = |i: usize| {
            let high = if i < 7 { 977 * c[i + 8] } else { 0 };
            let shifted = if i > 0 { c[i + 7] } else { 0 };
            c[i] + high + shifted
        };
        let int = (0..8).fold(Wide::default(), |acc, i| acc.add(Wide::from_i128(t(i), i)));
        LazyValue { int, low: t(0) + (t(1) << 32) }
    }

    pub(super) fn add_times(self, factor: i64, other: &LazyValue) -> LazyValue {
        LazyValue { int: self.int.add(other.int.times(factor)), low: self.low + i128::from(factor) * other.low }
    }
}

/// The coefficients of the product of two polynomials in `2^32`.
pub(super) fn multiply_limbs(a: &[i64; 8], b: &[i64; 8]) -> [i128; 15] {
    let mut c = [0i128; 15];
    for i in 0..8 {
        for j in 0..8 {
            c[i + j] += i128::from(a[i]) * i128::from(b[j]);
        }
    }
    c
}

/// `slope·(x_base - x) - y_base`, the ordinate of a sum as the circuit holds
/// it, unreduced.
pub(super) fn lazy_ordinate(slope: Fe, x_base: Fe, x: Fe, y_base: &LazyValue) -> LazyValue {
    let (a, b) = (x_base.limbs(), x.limbs());
    let difference = core::array::from_fn(|i| a[i] - b[i]);
    LazyValue::from_product(&multiply_limbs(&slope.limbs(), &difference)).add_times(-1, y_base)
}

/// A signed integer as an element of the proof's field.
pub(super) fn scalar_from_i128(value: i128) -> Scalar {
    let magnitude = value.unsigned_abs();
    let scalar = match u64::try_from(magnitude) {
        Ok(small) => Scalar::from(small),
        Err(_) => Scalar::from_u128(magnitude),
    };
    if value < 0 { -scalar } else { scalar }
}

/// Half of a 256-bit number as a field element: words `[2·half, 2·half + 1]`.
pub(super) fn half_scalar(words: &[u64; 4], half: usize) -> Scalar {
    Scalar::from_u128(u128::from(words[2 * half]) | (u128::from(words[2 * half + 1]) << 64))
}
