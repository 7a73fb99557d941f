//! The bytes of proofs: one encoding per proof, length known before anything is
//! allocated.
//!
//! ```text
//! item:      1 (version) · 1 · k · n · n × comm_W · (n-1) × comm_T · root
//! aggregate: 1 (version) · 2 · k · n ·              (n-1) × comm_T · root
//! root:      outer · claims (Az, Bz, Cz, E) · inner · eval_W · batch
//!            · evals_batch · com · w · v
//! ```
//!
//! Points are compressed (32 bytes, [`Commitment::compress`]), scalars 32 bytes
//! big-endian below the order, k is log2 of the shape's size, n the number of
//! leaves or children. Whatever decodes re-encodes to the same bytes.
//!
//! A proof is *identified* by its statement. The content hash names bytes only.

use crate::{
    Scalar,
    proof::{
        aggregate::AggregateProof,
        curve::{Commitment, from_be, to_be},
        error::DecodeError,
        fold::check_parts,
        item::ItemProof,
        root::RootProof,
        shape::{LOG_SIZE_MAX, LOG_SIZE_MIN},
        transcript::keccak,
    },
};

const VERSION: u8 = 1;
const ITEM: u8 = 1;
const AGGREGATE: u8 = 2;
const HEADER_LEN: usize = 4;
const WORD: usize = 32;

impl ItemProof {
    /// The proof's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let points = [self.comm_w.as_slice(), &self.comm_t];
        encode(ITEM, self.comm_w.len(), points, &self.root)
    }

    /// Reads the proof of an item for a shape of size 2^`log_size`.
    ///
    /// # Errors
    /// [`DecodeError`] unless the bytes are the one encoding of a proof.
    pub fn decode(bytes: &[u8], log_size: u32) -> Result<Self, DecodeError> {
        let (mut reader, parts) = Reader::open(bytes, ITEM, log_size, |parts| 2 * parts - 1)?;
        Ok(Self { comm_w: reader.points(parts)?, comm_t: reader.points(parts - 1)?, root: reader.root(log_size)? })
    }

    /// Keccak-256 of the bytes: a content address, not an identity.
    #[must_use]
    pub fn content_hash(&self) -> [u8; 32] {
        keccak(&[&self.encode()])
    }
}

impl AggregateProof {
    /// The proof's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(AGGREGATE, self.comm_t.len() + 1, [&[], &self.comm_t], &self.root)
    }

    /// Reads the proof of an aggregate for a shape of size 2^`log_size`.
    ///
    /// # Errors
    /// [`DecodeError`] unless the bytes are the one encoding of a proof.
    pub fn decode(bytes: &[u8], log_size: u32) -> Result<Self, DecodeError> {
        let (mut reader, parts) = Reader::open(bytes, AGGREGATE, log_size, |parts| parts - 1)?;
        Ok(Self { comm_t: reader.points(parts - 1)?, root: reader.root(log_size)? })
    }

    /// Keccak-256 of the bytes: a content address, not an identity.
    #[must_use]
    pub fn content_hash(&self) -> [u8; 32] {
        keccak(&[&self.encode()])
    }
}

/// Bytes of a root proof at k = `log_size`.
#[must_use]
pub fn root_len(log_size: u32) -> usize {
    let k = log_size as usize;
    let scalars = 3 * k + 4 + 2 * (k + 1) + 1 + 2 * k + 2 + 3 * k;
    let points = (k - 1) + 3;
    WORD * (scalars + points)
}

fn encode(kind: u8, parts: usize, points: [&[Commitment]; 2], root: &RootProof) -> Vec<u8> {
    let log_size = root.outer.len();
    let mut bytes = vec![VERSION, kind, log_size as u8, parts as u8];
    let mut write_points = |points: &[Commitment]| {
        for point in points {
            bytes.extend_from_slice(&point.compress());
        }
    };
    points.into_iter().for_each(&mut write_points);
    bytes.extend_from_slice(&encode_root(root));
    bytes
}

/// The bytes of a root proof.
pub(crate) fn encode_root(root: &RootProof) -> Vec<u8> {
    let mut tail = Vec::new();
    for scalars in [
        root.outer.as_flattened(),
        &root.claims,
        root.inner.as_flattened(),
        &[root.eval_w],
        root.batch.as_flattened(),
        &root.evals_batch,
    ] {
        for scalar in scalars {
            tail.extend_from_slice(&to_be(scalar));
        }
    }
    for point in root.com.iter().chain(&root.w) {
        tail.extend_from_slice(&point.compress());
    }
    for scalar in root.v.as_flattened() {
        tail.extend_from_slice(&to_be(scalar));
    }
    tail
}

/// A cursor over bytes whose total length was checked when it was opened.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads on from `offset`; the caller has checked the total length.
    pub(crate) fn after(bytes: &'a [u8], offset: usize) -> Self {
        Self { bytes, offset }
    }

    /// Skips the next `length` bytes and returns them.
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let end = self.offset.saturating_add(length);
        let found = self.bytes.len();
        let taken = self.bytes.get(self.offset..end).ok_or(DecodeError::Length { expected: end, found })?;
        self.offset = end;
        Ok(taken)
    }

    /// Checks header and total length; returns the number of parts.
    fn open(
        bytes: &'a [u8],
        kind: u8,
        log_size: u32,
        points: impl Fn(usize) -> usize,
    ) -> Result<(Self, usize), DecodeError> {
        let Some(header) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(DecodeError::Short { found: bytes.len() });
        };
        let log_size = log_size.clamp(LOG_SIZE_MIN, LOG_SIZE_MAX);
        for (index, expected) in [VERSION, kind, log_size as u8].into_iter().enumerate() {
            if header[index] != expected {
                return Err(DecodeError::Header { index, expected, found: header[index] });
            }
        }
        let parts = usize::from(header[3]);
        check_parts(parts)?;
        let expected = HEADER_LEN + WORD * points(parts) + root_len(log_size);
        if bytes.len() != expected {
            return Err(DecodeError::Length { expected, found: bytes.len() });
        }
        let reader = Self { bytes, offset: HEADER_LEN };
        Ok((reader, parts))
    }

    /// The next 32 bytes and their offset.
    fn word(&mut self) -> Result<(usize, &'a [u8; WORD]), DecodeError> {
        let offset = self.offset;
        let rest = self.bytes.get(offset..).and_then(<[u8]>::first_chunk);
        let word = rest.ok_or(DecodeError::Length { expected: offset + WORD, found: self.bytes.len() })?;
        self.offset += WORD;
        Ok((offset, word))
    }

    fn scalar(&mut self) -> Result<Scalar, DecodeError> {
        let (offset, word) = self.word()?;
        from_be(word).ok_or(DecodeError::Scalar { offset })
    }

    fn point(&mut self) -> Result<Commitment, DecodeError> {
        let (offset, word) = self.word()?;
        Commitment::decompress(word).ok_or(DecodeError::Point { offset })
    }

    pub(crate) fn points(&mut self, count: usize) -> Result<Vec<Commitment>, DecodeError> {
        (0..count).map(|_| self.point()).collect()
    }

    fn scalars<const N: usize>(&mut self) -> Result<[Scalar; N], DecodeError> {
        let mut scalars = [Scalar::zero(); N];
        for scalar in &mut scalars {
            *scalar = self.scalar()?;
        }
        Ok(scalars)
    }

    fn rounds<const N: usize>(&mut self, count: usize) -> Result<Vec<[Scalar; N]>, DecodeError> {
        (0..count).map(|_| self.scalars()).collect()
    }

    pub(crate) fn root(&mut self, log_size: u32) -> Result<RootProof, DecodeError> {
        let k = log_size as usize;
        Ok(RootProof {
            outer: self.rounds(k)?,
            claims: self.scalars()?,
            inner: self.rounds(k + 1)?,
            eval_w: self.scalar()?,
            batch: self.rounds(k)?,
            evals_batch: self.scalars()?,
            com: self.points(k - 1)?,
            w: [self.point()?, self.point()?, self.point()?],
            v: self.rounds(k)?,
        })
    }
}
