//! The bytes of a batch's proof.
//!
//! ```text
//! 1 (version) · 3 (batch) · k · arity
//!   · per item of n segments: running values · n × comm_W · (n-1) × comm_T
//!   · per node of c children, level by level from the items up: (c-1) × comm_T
//!   · root
//! ```
//!
//! The statements say how many items there are and of how many segments each
//! is, and with the arity that decides every other number: no count is
//! encoded, the total length is checked before anything is read, and whatever
//! decodes re-encodes to the same bytes.

use crate::{
    item::{
        batch::{ARITY_RANGE, BatchError, BatchProof, ItemClaim, MAX_BATCH_ITEMS, level_sizes},
        trace::{ItemTrace, TraceError},
    },
    proof::{
        codec::{Reader, encode_root, root_len},
        error::DecodeError,
        fold::check_parts,
    },
};

const VERSION: u8 = 1;
const BATCH: u8 = 3;
const HEADER_LEN: usize = 4;
const WORD: usize = 32;

/// Children of each node over `items` items, level by level.
fn children(items: usize, arity: usize) -> impl Iterator<Item = usize> {
    let mut below = items;
    level_sizes(items, arity).into_iter().flat_map(move |nodes| {
        let of = below;
        below = nodes;
        (0..nodes).map(move |node| arity.min(of - node * arity))
    })
}

/// Bytes of the proof of items with these numbers of segments, at most 64 each.
fn encoded_len(arity: usize, segments: &[u32], log_size: u32) -> usize {
    let item = |n: &u32| {
        let n = *n as usize;
        ItemTrace::encoded_len(n) + WORD * (2 * n - 1)
    };
    let folds: usize = children(segments.len(), arity).map(|c| c - 1).sum();
    HEADER_LEN + segments.iter().map(item).sum::<usize>() + WORD * folds + root_len(log_size)
}

impl BatchProof {
    /// The proof's bytes. A proof with wrong numbers of parts gives bytes that do not decode.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION, BATCH, self.root.log_size() as u8, self.arity as u8];
        for ItemClaim { trace, comm_w, comm_t } in &self.claims {
            bytes.extend(trace.encode());
            comm_w.iter().chain(comm_t).for_each(|point| bytes.extend_from_slice(&point.compress()));
        }
        self.folds.iter().flatten().for_each(|point| bytes.extend_from_slice(&point.compress()));
        bytes.extend(encode_root(&self.root));
        bytes
    }

    /// Reads the proof of a batch whose items have these numbers of segments,
    /// for a shape of size 2^`log_size`.
    ///
    /// # Errors
    /// [`BatchError::Count`], [`BatchError::Form`], [`BatchError::Decode`] or
    /// [`BatchError::Item`] unless the bytes are the one encoding of such a proof.
    pub fn decode(bytes: &[u8], segments: &[u32], log_size: u32) -> Result<Self, BatchError> {
        if segments.is_empty() || segments.len() > MAX_BATCH_ITEMS {
            return Err(BatchError::Count { what: "items", expected: MAX_BATCH_ITEMS, found: segments.len() });
        }
        segments.iter().try_for_each(|n| check_parts(*n as usize))?;
        let Some(header) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(DecodeError::Short { found: bytes.len() }.into());
        };
        for (index, expected) in [VERSION, BATCH, log_size as u8].into_iter().enumerate() {
            if header[index] != expected {
                return Err(DecodeError::Header { index, expected, found: header[index] }.into());
            }
        }
        let arity = usize::from(header[3]);
        if !ARITY_RANGE.contains(&arity) {
            return Err(BatchError::Count { what: "arity", expected: *ARITY_RANGE.end(), found: arity });
        }
        let expected = encoded_len(arity, segments, log_size);
        if bytes.len() != expected {
            return Err(DecodeError::Length { expected, found: bytes.len() }.into());
        }
        let mut reader = Reader::after(bytes, HEADER_LEN);
        let mut claims = Vec::with_capacity(segments.len());
        for (index, n) in segments.iter().enumerate() {
            let n = *n as usize;
            let trace = ItemTrace::decode(reader.take(ItemTrace::encoded_len(n))?, n);
            let trace = trace.map_err(|source: TraceError| BatchError::Item { index, source: source.into() })?;
            claims.push(ItemClaim { trace, comm_w: reader.points(n)?, comm_t: reader.points(n - 1)? });
        }
        let folds = children(segments.len(), arity).map(|c| reader.points(c - 1)).collect::<Result<_, _>>()?;
        Ok(Self { arity, claims, folds, root: reader.root(log_size)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Scalar,
        proof::{curve::Commitment, root::RootProof},
        statement::Z,
    };

    const LOG_SIZE: u32 = 5;

    fn proof(arity: usize, segments: &[u32]) -> BatchProof {
        let point = Commitment::infinity();
        let mut count = 0u64;
        let mut scalar = || {
            count += 1;
            Scalar::from(count)
        };
        let claims = segments.iter().map(|n| ItemClaim {
            trace: ItemTrace {
                root: scalar(),
                leaf_count: scalar(),
                gamma: scalar(),
                beta: scalar(),
                after: (0..*n).map(|_| Z::from_array(std::array::from_fn(|_| scalar()))).collect(),
            },
            comm_w: vec![point; *n as usize],
            comm_t: vec![point; *n as usize - 1],
        });
        let claims = claims.collect();
        let folds = children(segments.len(), arity).map(|c| vec![point; c - 1]).collect();
        BatchProof { arity, claims, folds, root: RootProof::blank(LOG_SIZE) }
    }

    #[test]
    fn nodes_have_the_children_that_are_there() {
        assert_eq!(children(1, 8).collect::<Vec<_>>(), [1]);
        assert_eq!(children(3, 2).collect::<Vec<_>>(), [2, 1, 2]);
        assert_eq!(children(9, 8).collect::<Vec<_>>(), [8, 1, 2]);
        assert_eq!(children(8, 2).collect::<Vec<_>>(), [2, 2, 2, 2, 2, 2, 2]);
    }

    #[test]
    fn other_headers_lengths_and_counts_are_refused() {
        let segments = [3, 1];
        let bytes = proof(8, &segments).encode();
        for index in 0..4 {
            let mut changed = bytes.clone();
            changed[index] = 99;
            let error = BatchProof::decode(&changed, &segments, LOG_SIZE).unwrap_err();
            match index {
                3 => assert!(matches!(error, BatchError::Count { what: "arity", found: 99, .. })),
                _ => assert!(matches!(error, BatchError::Decode(DecodeError::Header { found: 99, .. }))),
            }
        }
        for length in [0, 3, 4, bytes.len() - 1] {
            assert!(BatchProof::decode(&bytes[..length], &segments, LOG_SIZE).is_err());
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(matches!(
            BatchProof::decode(&longer, &segments, LOG_SIZE),
            Err(BatchError::Decode(DecodeError::Length { .. }))
        ));
        for other in [&[3, 2][..], &[3], &[3, 1, 1], &[1, 3, 1], &[], &[3, 0], &[3, 65]] {
            assert!(BatchProof::decode(&bytes, other, LOG_SIZE).is_err(), "{other:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn proofs_survive_their_bytes(arity in 2usize..=16, segments in prop::collection::vec(1u32..5, 1..40)) {
            let proof = proof(arity, &segments);
            let bytes = proof.encode();
            prop_assert_eq!(bytes.len(), encoded_len(arity, &segments, LOG_SIZE));
            prop_assert_eq!(BatchProof::decode(&bytes, &segments, LOG_SIZE).unwrap(), proof);
        }

        #[test]
        fn what_decodes_encodes_to_the_same_bytes(place in any::<prop::sample::Index>(), flip in 1u8..) {
            let segments = [2, 1, 1];
            let mut bytes = proof(2, &segments).encode();
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
            if let Ok(decoded) = BatchProof::decode(&bytes, &segments, LOG_SIZE) {
                prop_assert_eq!(decoded.encode(), bytes);
            }
        }
    }
}
