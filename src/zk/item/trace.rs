//! The running values that an item's proof shows, and what the verifier
//! demands of them.
//!
//! For n segments: the tree root and leaf count at the start, (γ, β), and the
//! running values after each segment. Everything else follows: the flags from
//! the position, the statement from the verifier, the values before a segment
//! from those after the one before it, the start from the statement.
//!
//! Encoding: `root · leaf_count · γ · β · n × (phase · h · bus · next_seq ·
//! root · leaf_count)`, scalars as 32 bytes big-endian below the modulus; n is
//! the statement's.

use ff::Field;

use crate::{
    Scalar,
    bus::ABSORB_RATE,
    poseidon::{self, Domain},
    statement::{
        STATEMENT_LEN, SegmentPublic, StatementElements, StatementError, StatementIndex, Z, Z_LEN, scalar_from_be,
        scalar_to_be,
    },
};

/// Running values of an item of n segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemTrace {
    /// Root of the account tree before the item.
    pub root: Scalar,
    /// Next free leaf of the account tree before the item.
    pub leaf_count: Scalar,
    /// Bus challenge γ.
    pub gamma: Scalar,
    /// Bus challenge β.
    pub beta: Scalar,
    /// Running values after each segment; n of them.
    pub after: Vec<Z>,
}

/// A trace that no honest prover shows; the fault is the prover's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// The number of segments is not the statement's.
    #[error("{found} segments where the statement says {expected}")]
    Segments {
        /// The statement's.
        expected: usize,
        /// The trace's.
        found: usize,
    },
    /// The statement itself is malformed.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The encoded length is wrong.
    #[error("{found} bytes of running values where {expected} are expected")]
    Length {
        /// Bytes that n segments take.
        expected: usize,
        /// Bytes that there are.
        found: usize,
    },
    /// A scalar is not below the modulus.
    #[error("running value {index} is not a canonical field element")]
    NotCanonical {
        /// Index of the scalar in the encoding.
        index: usize,
    },
    /// Start, end or challenges contradict the statement.
    #[error("{0}")]
    Rule(TraceRule),
}

/// What a verifier demands of a trace beside the circuit's own checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceRule {
    /// Tree root and leaf count do not hash to the pre-state root.
    #[error("the item does not start from its pre-state root")]
    PreRoot,
    /// Tree root and leaf count do not hash to the post-state root.
    #[error("the item does not end in its post-state root")]
    PostRoot,
    /// The last phase is not 2.
    #[error("the item's logic did not complete")]
    Phase,
    /// The bus does not sum to zero.
    #[error("the bus is not balanced")]
    Bus,
    /// (γ, β) are not squeezed from the last chain value.
    #[error("the challenges are not those of the chain")]
    Challenges,
}

const WORD: usize = 32;
const HEAD: usize = 4;

impl ItemTrace {
    /// Bytes of the trace of an item of `segments` segments.
    #[must_use]
    pub const fn encoded_len(segments: usize) -> usize {
        (HEAD + segments * Z_LEN) * WORD
    }

    /// The trace's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let head = [self.root, self.leaf_count, self.gamma, self.beta];
        let after = self.after.iter().flat_map(Z::to_array);
        head.into_iter().chain(after).flat_map(|scalar| scalar_to_be(&scalar)).collect()
    }

    /// Reads the trace of an item of `segments` segments.
    ///
    /// # Errors
    /// [`TraceError::Length`] or [`TraceError::NotCanonical`].
    pub fn decode(bytes: &[u8], segments: usize) -> Result<Self, TraceError> {
        let expected = Self::encoded_len(segments);
        if bytes.len() != expected {
            return Err(TraceError::Length { expected, found: bytes.len() });
        }
        let scalars = bytes
            .as_chunks::<WORD>()
            .0
            .iter()
            .enumerate()
            .map(|(index, word)| scalar_from_be(word).ok_or(TraceError::NotCanonical { index }))
            .collect::<Result<Vec<_>, _>>()?;
        let (head, after) = scalars.split_at(HEAD);
        Ok(Self {
            root: head[0],
            leaf_count: head[1],
            gamma: head[2],
            beta: head[3],
            after: after.as_chunks::<Z_LEN>().0.iter().map(|z| Z::from_array(*z)).collect(),
        })
    }

    /// The running values before the first segment of an item with this statement.
    #[must_use]
    pub fn start(&self, statement: &StatementElements) -> Z {
        Z {
            phase: Scalar::ZERO,
            h: statement_chain(statement),
            bus: Scalar::ZERO,
            next_seq: Scalar::ZERO,
            root: self.root,
            leaf_count: self.leaf_count,
        }
    }

    /// The public inputs of every segment, links and flags included, after
    /// checking start and end against the statement.
    ///
    /// # Errors
    /// [`TraceError`].
    pub fn publics(&self, statement: &StatementElements) -> Result<Vec<SegmentPublic>, TraceError> {
        let of = |index: StatementIndex| statement.elements[index as usize];
        let n = self.after.len();
        if n == 0 || Scalar::from(n as u64) != of(StatementIndex::Segments) {
            let expected = usize::try_from(low_u64(&of(StatementIndex::Segments))).unwrap_or(usize::MAX);
            return Err(TraceError::Segments { expected, found: n });
        }
        let last = self.after[n - 1];
        let rule = |ok: bool, rule: TraceRule| if ok { Ok(()) } else { Err(TraceError::Rule(rule)) };
        rule(state_root(self.root, self.leaf_count) == of(StatementIndex::Pre), TraceRule::PreRoot)?;
        rule(state_root(last.root, last.leaf_count) == of(StatementIndex::Post), TraceRule::PostRoot)?;
        rule(last.phase == Scalar::from(2), TraceRule::Phase)?;
        rule(last.bus == Scalar::ZERO, TraceRule::Bus)?;
        rule(crate::bus::challenges(last.h) == (self.gamma, self.beta), TraceRule::Challenges)?;
        let mut z_in = self.start(statement);
        let mut publics = Vec::with_capacity(n);
        for (i, z_out) in self.after.iter().enumerate() {
            publics.push(SegmentPublic {
                first: i == 0,
                last: i + 1 == n,
                z_in,
                statement: statement.clone(),
                gamma: self.gamma,
                beta: self.beta,
                z_out: *z_out,
            });
            z_in = *z_out;
        }
        Ok(publics)
    }
}

/// The chain that has absorbed the statement and nothing else.
#[must_use]
pub fn statement_chain(statement: &StatementElements) -> Scalar {
    let mut input = [Scalar::ZERO; ABSORB_RATE + 1];
    input[..STATEMENT_LEN].copy_from_slice(&statement.elements);
    poseidon::hash24(Domain::Statement, &input)
}

/// `tree::state_root` for a leaf count that is any field element.
fn state_root(tree_root: Scalar, leaf_count: Scalar) -> Scalar {
    poseidon::hash4(Domain::Root, &[tree_root, leaf_count, Scalar::ZERO, Scalar::ZERO])
}

fn low_u64(scalar: &Scalar) -> u64 {
    let bytes = scalar_to_be(scalar);
    let mut low = [0u8; 8];
    low.copy_from_slice(&bytes[24..]);
    u64::from_be_bytes(low)
}
