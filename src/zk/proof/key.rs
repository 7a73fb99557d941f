//! Commitment keys: the powers of tau in G1 and tau·H in G2, their bytes, their
//! digest, and the rule which chain may use which key.
//!
//! ```text
//! header (166 bytes): "CFK1" · origin (0 development, 1 ceremony) · log2 n
//!                     · tau·H (x.c0, x.c1, y.c0, y.c1 big-endian) · keccak(points)
//! points: n times x, y big-endian (64 bytes each)
//! digest of a key = keccak("crowdfold.key.v1" · header)
//! ```
//!
//! The header commits to the points by their hash, so that a verifier, who needs
//! only tau·H, checks 166 bytes against the genesis instead of 16 MB.
//!
//! **Rule** (`Setup::admit`): on a chain whose genesis names a ceremony no key
//! with the declared tau is admitted, whatever its bytes call themselves. The
//! constructors of prover's and verifier's parameters both ask.
//!
//! A key holds exactly the 2^k powers of its size: HyperKZG has no degree check,
//! and the ceremony's higher powers are public.

use crate::{
    Engine, Scalar,
    proof::{
        curve::{affine_from_bytes, affine_to_bytes},
        error::KeyError,
        powers::{development_tau, powers_of},
        shape::{LOG_SIZE_MAX, LOG_SIZE_MIN},
        transcript::{keccak, reduce},
    },
};
use ff::Field;
use nova_snark::{
    provider::{
        bn256_grumpkin::bn256::{Affine, Point},
        hyperkzg::{CommitmentEngine, CommitmentKey},
        traits::{DlogGroup, DlogGroupExt, PairingGroup},
    },
    traits::{commitment::CommitmentEngineTrait, evm_serde::CustomSerdeTrait},
};
use rayon::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::io::Cursor;

type G2 = <Point as PairingGroup>::G2;
type G2Affine = <G2 as DlogGroup>::AffineGroupElement;

const MAGIC: &[u8; 4] = b"CFK1";
const POINT_LEN: usize = 64;
const TAU_H_LEN: usize = 128;
/// Bytes of a [`KeyHeader`].
pub const HEADER_LEN: usize = 6 + TAU_H_LEN + 32;
/// Label from which nova-snark derives the blinding base; no commitment here is blinded.
const BLIND_LABEL: &[u8] = b"crowdfold.blind";

/// What a genesis says about its commitment key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// The declared tau: anyone can forge. For development and tests.
    Development {
        /// Digest of the key.
        digest: [u8; 32],
    },
    /// A powers-of-tau ceremony.
    Ceremony {
        /// Digest of the key.
        digest: [u8; 32],
    },
}

impl Setup {
    /// Whether a chain with this genesis may use the key of `header`.
    ///
    /// # Errors
    /// [`KeyError::DevelopmentKeyOnCeremony`] or [`KeyError::Digest`].
    pub fn admit(&self, header: &KeyHeader) -> Result<(), KeyError> {
        let expected = match self {
            Self::Development { digest } => digest,
            Self::Ceremony { digest } => {
                if header.origin != Origin::Ceremony || header.tau_h == development_tau_h() {
                    return Err(KeyError::DevelopmentKeyOnCeremony);
                }
                digest
            }
        };
        let found = header.digest();
        if found != *expected {
            return Err(KeyError::Digest { expected: *expected, found });
        }
        Ok(())
    }
}

/// Where the powers of a key come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Computed from the declared tau.
    Development,
    /// Read from a ceremony's file.
    Ceremony,
}

/// All that a verifier needs of a key, and what its digest covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHeader {
    origin: Origin,
    log_size: u32,
    tau_h: G2Affine,
    points_digest: [u8; 32],
}

impl KeyHeader {
    /// Base-2 logarithm of the number of points.
    #[must_use]
    pub fn log_size(&self) -> u32 {
        self.log_size
    }

    /// Where the powers come from, as the header says.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    pub(crate) fn tau_h(&self) -> G2Affine {
        self.tau_h
    }

    /// The digest that a genesis names.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        keccak(&[b"crowdfold.key.v1", &self.to_bytes()])
    }

    /// The header's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4] = u8::from(self.origin == Origin::Ceremony);
        bytes[5] = self.log_size as u8;
        bytes[6..6 + TAU_H_LEN].copy_from_slice(&g2_to_bytes(&self.tau_h));
        bytes[6 + TAU_H_LEN..].copy_from_slice(&self.points_digest);
        bytes
    }

    /// Reads the header of a key.
    ///
    /// # Errors
    /// [`KeyError`] unless the bytes are the one encoding of a header.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() != HEADER_LEN {
            return Err(KeyError::Length { expected: HEADER_LEN, found: bytes.len() });
        }
        let origin = match (&bytes[..4] == MAGIC, bytes[4]) {
            (true, 0) => Origin::Development,
            (true, 1) => Origin::Ceremony,
            _ => return Err(KeyError::Header),
        };
        let log_size = u32::from(bytes[5]);
        check_size(log_size)?;
        let tau_h = g2_from_bytes(&bytes[6..6 + TAU_H_LEN])?;
        if (origin == Origin::Development) != (tau_h == development_tau_h()) {
            return Err(KeyError::TauH);
        }
        let mut points_digest = [0; 32];
        points_digest.copy_from_slice(&bytes[6 + TAU_H_LEN..]);
        Ok(Self { origin, log_size, tau_h, points_digest })
    }
}

/// A commitment key with its header. Only [`Setup::admit`] says who may use it.
#[derive(Clone, Debug)]
pub struct Key {
    header: KeyHeader,
    ck: CommitmentKey<Engine>,
}

impl Key {
    /// The key of the declared tau with 2^`log_size` points.
    ///
    /// # Errors
    /// [`KeyError::Size`].
    pub fn development(log_size: u32) -> Result<Self, KeyError> {
        check_size(log_size)?;
        let points = powers_of(&development_tau(), 1 << log_size);
        Self::assemble(Origin::Development, log_size, points, development_tau_h())
    }

    /// The first 2^`log_size` powers of a ceremony's `.ptau` file.
    ///
    /// # Errors
    /// [`KeyError`] if the file cannot be read, is too small or inconsistent.
    pub fn from_ptau(file: &[u8], log_size: u32) -> Result<Self, KeyError> {
        check_size(log_size)?;
        let ck = <CommitmentEngine<Engine> as CommitmentEngineTrait<Engine>>::load_setup(
            &mut Cursor::new(file),
            BLIND_LABEL,
            1 << log_size,
        )
        .map_err(|error| KeyError::Ptau(error.to_string()))?;
        if *ck.tau_H() == development_tau_h() {
            return Err(KeyError::DevelopmentKeyOnCeremony);
        }
        let key = Self::assemble(Origin::Ceremony, log_size, ck.ck().to_vec(), *ck.tau_H())?;
        key.check_powers()?;
        Ok(key)
    }

    /// Reads a key: header, points on the curve, the points' hash.
    ///
    /// # Errors
    /// [`KeyError`] unless the bytes are the one encoding of a key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let Some((head, tail)) = bytes.split_at_checked(HEADER_LEN) else {
            return Err(KeyError::Length { expected: HEADER_LEN, found: bytes.len() });
        };
        let header = KeyHeader::from_bytes(head)?;
        // In 64 bits: on a 32-bit machine the product of a hostile header wraps.
        let expected = (POINT_LEN as u64) << header.log_size;
        if tail.len() as u64 != expected {
            return Err(KeyError::Length {
                expected: HEADER_LEN.saturating_add(usize::try_from(expected).unwrap_or(usize::MAX)),
                found: bytes.len(),
            });
        }
        let (digest, points) = rayon::join(
            || keccak(&[tail]),
            || {
                tail.par_chunks(POINT_LEN)
                    .enumerate()
                    .map(|(index, chunk)| affine_from_bytes(chunk).ok_or(KeyError::Point { index }))
                    .collect::<Result<Vec<_>, _>>()
            },
        );
        if digest != header.points_digest {
            return Err(KeyError::PointsDigest);
        }
        let points = points?;
        check_first_powers(&points, &header.tau_h)?;
        let ck = commitment_key(points, header.tau_h)?;
        Ok(Self { header, ck })
    }

    /// The key's bytes, for a cache: [`HEADER_LEN`] + 64 n.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let points = self.ck.ck();
        let mut bytes = Vec::with_capacity(HEADER_LEN + POINT_LEN * points.len());
        bytes.extend_from_slice(&self.header.to_bytes());
        for point in points {
            bytes.extend_from_slice(&affine_to_bytes(point));
        }
        bytes
    }

    /// The part that a verifier needs.
    #[must_use]
    pub fn header(&self) -> &KeyHeader {
        &self.header
    }

    /// The digest that a genesis names.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.header.digest()
    }

    /// Checks that all points are successive powers of the tau in tau·H, by a
    /// random combination drawn from the points' hash. Two multi-exponentiations:
    /// for keys whose digest nobody vouches for.
    ///
    /// # Errors
    /// [`KeyError::NotPowers`].
    pub fn check_powers(&self) -> Result<(), KeyError> {
        let points = self.ck.ck();
        check_first_powers(points, &self.header.tau_h)?;
        let rho = reduce(&keccak(&[b"crowdfold.powers.v1", &self.header.to_bytes()]));
        let mut power = Scalar::ONE;
        let weights: Vec<_> = (1..points.len())
            .map(|_| {
                let weight = power;
                power *= rho;
                weight
            })
            .collect();
        let low = Point::vartime_multiscalar_mul(&weights, &points[..points.len() - 1]);
        let high = Point::vartime_multiscalar_mul(&weights, &points[1..]);
        let tau_h = G2::group(&self.header.tau_h);
        if Point::pairing(&high, &G2::r#gen()) != Point::pairing(&low, &tau_h) {
            return Err(KeyError::NotPowers);
        }
        Ok(())
    }

    pub(crate) fn into_commitment_key(self) -> CommitmentKey<Engine> {
        self.ck
    }

    fn assemble(origin: Origin, log_size: u32, points: Vec<Affine>, tau_h: G2Affine) -> Result<Self, KeyError> {
        if points.len() != 1 << log_size {
            return Err(KeyError::Length { expected: POINT_LEN << log_size, found: POINT_LEN * points.len() });
        }
        let ck = commitment_key(points, tau_h)?;
        let mut key = Self { header: KeyHeader { origin, log_size, tau_h, points_digest: [0; 32] }, ck };
        key.header.points_digest = keccak(&[&key.to_bytes()[HEADER_LEN..]]);
        Ok(key)
    }
}

/// nova-snark's key of these points; it checks that each is on its curve.
pub(crate) fn commitment_key(points: Vec<Affine>, tau_h: G2Affine) -> Result<CommitmentKey<Engine>, KeyError> {
    let blind = Point::from_label(BLIND_LABEL, 1);
    let blind = blind.first().copied().ok_or(KeyError::Header)?;
    CommitmentKey::new(points, blind, tau_h).map_err(KeyError::Nova)
}

fn check_size(log_size: u32) -> Result<(), KeyError> {
    if (LOG_SIZE_MIN..=LOG_SIZE_MAX).contains(&log_size) { Ok(()) } else { Err(KeyError::Size { log_size }) }
}

/// The first point is the generator and the second is tau of tau·H times it.
fn check_first_powers(points: &[Affine], tau_h: &G2Affine) -> Result<(), KeyError> {
    let [first, second, ..] = points else {
        return Err(KeyError::NotPowers);
    };
    let consistent = Point::group(first) == Point::r#gen()
        && Point::pairing(&Point::group(second), &G2::r#gen()) == Point::pairing(&Point::r#gen(), &G2::group(tau_h));
    if consistent { Ok(()) } else { Err(KeyError::NotPowers) }
}

fn development_tau_h() -> G2Affine {
    (G2::r#gen() * development_tau()).affine()
}

/// nova-snark's EVM form of a point of G2, which checks canonical coordinates,
/// curve and subgroup; halo2curves' own decoder panics on coordinates above q.
struct EvmG2(G2Affine);

impl Serialize for EvmG2 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        CustomSerdeTrait::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for EvmG2 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        CustomSerdeTrait::deserialize(deserializer).map(Self)
    }
}

fn g2_config() -> impl bincode::config::Config {
    bincode::config::standard().with_fixed_int_encoding()
}

fn g2_to_bytes(point: &G2Affine) -> [u8; TAU_H_LEN] {
    let mut bytes = [0; TAU_H_LEN];
    let written = bincode::serde::encode_into_slice(EvmG2(*point), &mut bytes, g2_config());
    debug_assert_eq!(written.ok(), Some(TAU_H_LEN));
    bytes
}

fn g2_from_bytes(bytes: &[u8]) -> Result<G2Affine, KeyError> {
    let (EvmG2(point), read) = bincode::serde::decode_from_slice(bytes, g2_config()).map_err(|_| KeyError::TauH)?;
    let canonical = read == TAU_H_LEN && g2_to_bytes(&point) == bytes;
    if canonical && G2::group(&point) != G2::zero() { Ok(point) } else { Err(KeyError::TauH) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No constructor yields such a header; the rule holds without them.
    #[test]
    fn the_declared_tau_is_refused_whatever_a_header_calls_itself() {
        let key = Key::development(2).unwrap();
        let header = KeyHeader { origin: Origin::Ceremony, ..key.header().clone() };
        let setup = Setup::Ceremony { digest: header.digest() };
        let refused = setup.admit(&header);
        assert!(matches!(refused, Err(KeyError::DevelopmentKeyOnCeremony)));
    }
}
