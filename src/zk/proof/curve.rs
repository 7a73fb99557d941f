//! Points of BN254's G1 as the proof layer handles them: affine, with infinity
//! written (0, 0), compressed to 32 bytes on the wire, as two big-endian words
//! in hashes; and sums of many pairs with one shared inversion.
//!
//! (0, 0) is not on y² = x³ + 3, so it is free to stand for infinity, as in the
//! precompiles of the EVM.

use crate::{Engine, Scalar};
use ff::{Field, PrimeField};
use nova_snark::provider::{
    bn256_grumpkin::bn256::{Affine, Base, Point},
    hyperkzg,
    traits::DlogGroup,
};

/// Bit of the first byte that says "y is odd" in a compressed point.
const ODD: u8 = 0x80;
/// Bit of the first byte that says "infinity"; then every other bit is 0.
const INFINITY: u8 = 0x40;

/// A commitment to a vector of scalars: a point of G1, possibly infinity
/// (the commitment to the zero vector).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment(Affine);

impl Commitment {
    /// The commitment to the zero vector.
    #[must_use]
    pub fn infinity() -> Self {
        Self(Affine { x: Base::ZERO, y: Base::ZERO })
    }

    /// Whether this is the commitment to the zero vector.
    #[must_use]
    pub fn is_infinity(&self) -> bool {
        *self == Self::infinity()
    }

    pub(crate) fn from_point(point: &Point) -> Self {
        Self(point.affine())
    }

    pub(crate) fn from_nova(commitment: hyperkzg::Commitment<Engine>) -> Self {
        Self::from_point(&commitment.into_inner())
    }

    pub(crate) fn to_nova(self) -> hyperkzg::Commitment<Engine> {
        hyperkzg::Commitment::new(self.point())
    }

    pub(crate) fn point(self) -> Point {
        Point::group(&self.0)
    }

    /// `self + factor · other`.
    #[must_use]
    pub(crate) fn add_scaled(self, other: Self, factor: &Scalar) -> Self {
        if other.is_infinity() {
            return self;
        }
        Self::from_point(&(self.point() + other.point() * *factor))
    }

    /// The affine coordinates as big-endian 32-byte words, both zero for infinity.
    #[must_use]
    pub fn coordinates(&self) -> [[u8; 32]; 2] {
        [to_be(&self.0.x), to_be(&self.0.y)]
    }

    /// The 32 bytes of the wire format: x big-endian (254 bits) with two flags
    /// in the top bits, "y is odd" (0x80) and "infinity" (0x40).
    #[must_use]
    pub fn compress(&self) -> [u8; 32] {
        if self.is_infinity() {
            let mut bytes = [0; 32];
            bytes[0] = INFINITY;
            return bytes;
        }
        let mut bytes = to_be(&self.0.x);
        if bool::from(self.0.y.is_odd()) {
            bytes[0] |= ODD;
        }
        bytes
    }

    /// Reads [`compress`](Self::compress)'s format; `None` unless the bytes are
    /// the one encoding of a point of the curve or of infinity.
    #[must_use]
    pub fn decompress(bytes: &[u8; 32]) -> Option<Self> {
        let mut x_bytes = *bytes;
        let flags = x_bytes[0] & (ODD | INFINITY);
        x_bytes[0] &= !(ODD | INFINITY);
        if flags & INFINITY != 0 {
            return (flags == INFINITY && x_bytes == [0; 32]).then(Self::infinity);
        }
        let x: Base = from_be(&x_bytes)?;
        let y = Option::<Base>::from(curve_rhs(&x).sqrt())?;
        // y = 0 would have two encodings; no point of BN254 has it (odd prime order).
        let flip = bool::from(y.is_odd()) != (flags & ODD != 0);
        Some(Self(Affine { x, y: if flip { -y } else { y } }))
    }
}

fn curve_rhs(x: &Base) -> Base {
    x.square() * x + Base::from(3)
}

/// The canonical big-endian bytes of a field element.
pub(crate) fn to_be<F: PrimeField>(value: &F) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (out, byte) in bytes.iter_mut().rev().zip(value.to_repr().as_ref()) {
        *out = *byte;
    }
    bytes
}

/// The field element of canonical big-endian bytes; `None` at or above the order.
pub(crate) fn from_be<F: PrimeField>(bytes: &[u8; 32]) -> Option<F> {
    let mut repr = F::Repr::default();
    for (out, byte) in repr.as_mut().iter_mut().zip(bytes.iter().rev()) {
        *out = *byte;
    }
    Option::from(F::from_repr(repr))
}

/// Uncompressed 64 bytes (x, y big-endian), as key files hold points.
pub(crate) fn affine_to_bytes(point: &Affine) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&to_be(&point.x));
    bytes[32..].copy_from_slice(&to_be(&point.y));
    bytes
}

/// Reads [`affine_to_bytes`]; `None` unless canonical and on the curve. Infinity
/// is refused: no power of a usable tau is zero.
pub(crate) fn affine_from_bytes(bytes: &[u8]) -> Option<Affine> {
    let x: Base = from_be(bytes.get(..32)?.try_into().ok()?)?;
    let y: Base = from_be(bytes.get(32..64)?.try_into().ok()?)?;
    (y.square() == curve_rhs(&x)).then_some(Affine { x, y })
}

/// `left[i] += right[i]` for all i with one field inversion in total.
///
/// Complete: equal, opposite and infinite summands are handled. The slices have
/// equal lengths (an invariant of the callers in this module's parent).
pub(crate) fn add_pairs(left: &mut [Affine], right: &[Affine]) {
    debug_assert_eq!(left.len(), right.len());
    let is_infinity = |p: &Affine| bool::from(p.x.is_zero()) && bool::from(p.y.is_zero());
    // Slope denominators and, in one pass, their running products.
    let mut denominators = Vec::with_capacity(left.len());
    let mut products = Vec::with_capacity(left.len());
    let mut product = Base::ONE;
    for (p, q) in left.iter().zip(right) {
        let denominator = if is_infinity(p) || is_infinity(q) {
            Base::ONE
        } else if p.x == q.x {
            if p.y == q.y { p.y.double() } else { Base::ONE }
        } else {
            q.x - p.x
        };
        products.push(product);
        product *= denominator;
        denominators.push(denominator);
    }
    // No denominator is zero: y = 0 is not on the curve.
    let mut inverse = product.invert().unwrap_or(Base::ONE);
    for index in (0..left.len()).rev() {
        let (p, q) = (left[index], right[index]);
        let denominator_inverse = inverse * products[index];
        inverse *= denominators[index];
        if is_infinity(&q) {
            continue;
        }
        if is_infinity(&p) {
            left[index] = q;
            continue;
        }
        let numerator = if p.x != q.x {
            q.y - p.y
        } else if p.y == q.y {
            let square = p.x.square();
            square.double() + square
        } else {
            left[index] = Commitment::infinity().0;
            continue;
        };
        let slope = numerator * denominator_inverse;
        let x = slope.square() - p.x - q.x;
        let y = slope * (p.x - x) - p.y;
        left[index] = Affine { x, y };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn multiple(k: u64) -> Affine {
        (Point::r#gen() * Scalar::from(k)).affine()
    }

    #[test]
    fn pairs_add_like_the_group_in_every_case() {
        let infinity = Commitment::infinity().0;
        let minus_five = (Point::r#gen() * -Scalar::from(5)).affine();
        let cases = [
            (multiple(3), multiple(4)),
            (multiple(5), multiple(5)),
            (multiple(5), minus_five),
            (infinity, multiple(2)),
            (multiple(2), infinity),
            (infinity, infinity),
        ];
        let mut sums: Vec<_> = cases.iter().map(|c| c.0).collect();
        let right: Vec<_> = cases.iter().map(|c| c.1).collect();
        add_pairs(&mut sums, &right);
        for ((p, q), sum) in cases.iter().zip(&sums) {
            let expected = (Point::group(p) + Point::group(q)).affine();
            assert_eq!(*sum, expected);
        }
    }

    #[test]
    fn compression_is_a_bijection_on_points() {
        for point in [multiple(1), multiple(2), multiple(12345)] {
            let commitment = Commitment(point);
            let bytes = commitment.compress();
            assert_eq!(Commitment::decompress(&bytes), Some(commitment));
            let mut other = bytes;
            other[0] ^= ODD;
            let negated = Commitment::decompress(&other).unwrap();
            assert_eq!(negated.0.y, -point.y);
            other[0] |= INFINITY;
            assert_eq!(Commitment::decompress(&other), None);
        }
        let infinity = Commitment::infinity();
        assert_eq!(Commitment::decompress(&infinity.compress()), Some(infinity));
        let mut bytes = infinity.compress();
        bytes[31] = 1;
        assert_eq!(Commitment::decompress(&bytes), None);
        bytes = infinity.compress();
        bytes[0] |= ODD;
        assert_eq!(Commitment::decompress(&bytes), None);
        // x = 0: 3 is no square in the base field. x = q is not canonical.
        assert_eq!(Commitment::decompress(&[0; 32]), None);
        let mut q = to_be(&-Base::ONE);
        q[31] += 1;
        assert_eq!(Commitment::decompress(&q), None);
        assert!(from_be::<Base>(&q).is_none());
    }
}
