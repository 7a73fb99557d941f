//! Errors of the proof layer: who is at fault is said per enum.

use crate::proof::item::Stage;
use nova_snark::errors::NovaError;

/// A commitment key was refused. Fault: whoever supplied the bytes, or an
/// operator who points a chain at the wrong key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The size exponent is outside `1..=28`.
    #[error("key size 2^{log_size} is outside 2^1..=2^28")]
    Size {
        /// Base-2 logarithm of the number of points asked for.
        log_size: u32,
    },
    /// The byte string has not the length that its header announces.
    #[error("key bytes: expected {expected}, found {found}")]
    Length {
        /// Bytes expected.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// The first bytes are not this format and version.
    #[error("key bytes do not start with a known header")]
    Header,
    /// A coordinate is not canonical or a point is not on its curve.
    #[error("key point {index} is not a canonical point of the curve")]
    Point {
        /// Index of the power of tau; `None` in the header stands for tau·H.
        index: usize,
    },
    /// tau·H is not a canonical point of the prime-order subgroup of G2.
    #[error("tau·H is not a canonical point of the subgroup")]
    TauH,
    /// The points are not successive powers of the tau of tau·H.
    #[error("the points are not powers of the tau in tau·H")]
    NotPowers,
    /// The hash of the points differs from the one in the header.
    #[error("the hash of the points is not the one in the header")]
    PointsDigest,
    /// The key is not the one that the genesis names.
    #[error("key digest {found:02x?} is not the genesis' {expected:02x?}")]
    Digest {
        /// Digest in the genesis.
        expected: [u8; 32],
        /// Digest of the key offered.
        found: [u8; 32],
    },
    /// A key with a publicly known trapdoor on a chain that names a ceremony.
    #[error("a development key cannot be used on a chain whose genesis names a ceremony")]
    DevelopmentKeyOnCeremony,
    /// nova-snark refused the points, or a powers-of-tau file was not readable.
    #[error("commitment key: {0}")]
    Nova(#[source] NovaError),
    /// A powers-of-tau file was refused.
    #[error("powers of tau: {0}")]
    Ptau(String),
}

/// A shape cannot be used with the parameters. Fault: a bug of the caller.
#[derive(Debug, thiserror::Error)]
pub enum ShapeError {
    /// More constraints, variables or public inputs than the size allows.
    #[error("a shape of {cons} constraints, {vars} variables, {io} inputs does not fit 2^{log_size}")]
    TooLarge {
        /// Constraints before padding.
        cons: usize,
        /// Private variables before padding.
        vars: usize,
        /// Public inputs.
        io: usize,
        /// Base-2 logarithm of the padded size.
        log_size: u32,
    },
    /// The matrices contradict the dimensions.
    #[error("a matrix does not have the dimensions of its shape")]
    Matrix,
    /// The key holds another number of points than the padded shape needs.
    #[error("a key of 2^{key} points for a shape of 2^{shape}")]
    KeySize {
        /// Base-2 logarithm of the key's size.
        key: u32,
        /// Base-2 logarithm of the shape's size.
        shape: u32,
    },
    /// The key was refused.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// nova-snark refused the shape.
    #[error("shape: {0}")]
    Nova(#[source] NovaError),
}

/// Instances or witnesses do not have the lengths of the shape, or a tree is
/// not of the form that the protocol allows. Fault: the peer or the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A vector of public inputs has a wrong length.
    #[error("leaf {leaf}: expected {expected} public inputs, found {found}")]
    PublicInputs {
        /// Index of the leaf in its item or node.
        leaf: usize,
        /// Public inputs of the shape.
        expected: usize,
        /// Public inputs given.
        found: usize,
    },
    /// A witness has a wrong length.
    #[error("leaf {leaf}: expected {expected} witness values, found {found}")]
    Witness {
        /// Index of the leaf.
        leaf: usize,
        /// Variables of the shape before padding.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// The number of leaves or children is out of range or not the one expected.
    #[error("{found} parts where {min}..={max} are allowed")]
    Parts {
        /// Least number allowed.
        min: usize,
        /// Greatest number allowed.
        max: usize,
        /// Number found.
        found: usize,
    },
    /// The number of cross-term commitments is not the number of folds.
    #[error("{found} cross-terms for {expected} folds")]
    CrossTerms {
        /// Folds to be done.
        expected: usize,
        /// Commitments given.
        found: usize,
    },
    /// A tree is deeper than allowed.
    #[error("a tree of height {found} where at most {max} is allowed")]
    Height {
        /// Greatest height allowed.
        max: u32,
        /// Height found.
        found: u32,
    },
}

/// A proof could not be made. Fault: the caller (witness) or its wish to stop.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// Lengths are wrong.
    #[error(transparent)]
    Form(#[from] FormError),
    /// A leaf's witness violates a constraint.
    #[error("leaf {leaf} violates constraint {constraint}")]
    Unsatisfied {
        /// Index of the leaf.
        leaf: usize,
        /// Index of the first violated constraint.
        constraint: usize,
    },
    /// The leaves' witnesses are not those behind the accepted proof.
    #[error("the witness is not the one that the accepted proof commits to")]
    WitnessMismatch,
    /// The progress callback asked to stop.
    #[error("cancelled before {0:?}")]
    Cancelled(Stage),
    /// nova-snark's Spartan failed.
    #[error("spartan: {0}")]
    Spartan(#[source] NovaError),
    /// nova-snark produced a proof of another layout than this crate encodes.
    #[error("spartan's proof has an unknown layout")]
    Layout,
}

/// A proof was refused. Fault: the prover.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Lengths are wrong.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The root proof has vectors of other lengths than the shape's.
    #[error("root proof: {part} has {found} elements, expected {expected}")]
    RootLength {
        /// Name of the vector.
        part: &'static str,
        /// Elements expected.
        expected: usize,
        /// Elements found.
        found: usize,
    },
    /// The folded instance has u = 0, which no contract can normalise.
    #[error("the root instance has u = 0")]
    ZeroU,
    /// Spartan refused the root instance.
    #[error("spartan: {0}")]
    Spartan(#[source] NovaError),
    /// The proof does not convert to nova-snark's type.
    #[error("spartan's proof has an unknown layout")]
    Layout,
    /// The proof commits to another satisfying witness than the canonical one.
    #[error("the proof commits to another witness than the canonical one")]
    NotCanonical,
}

/// Bytes are not the encoding of a proof. Fault: the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than the fixed header.
    #[error("{found} bytes are shorter than the header")]
    Short {
        /// Bytes found.
        found: usize,
    },
    /// Unknown version, other kind of proof or other size of shape.
    #[error("header byte {index} is {found}, expected {expected}")]
    Header {
        /// Index of the byte.
        index: usize,
        /// Value expected.
        expected: u8,
        /// Value found.
        found: u8,
    },
    /// The number of parts is out of range.
    #[error(transparent)]
    Form(#[from] FormError),
    /// The length is not the one that the header determines.
    #[error("expected {expected} bytes, found {found}")]
    Length {
        /// Bytes expected.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A scalar is not below the field's order.
    #[error("the scalar at byte {offset} is not canonical")]
    Scalar {
        /// Offset of its first byte.
        offset: usize,
    },
    /// A point is not canonical or not on the curve.
    #[error("the point at byte {offset} is not a canonical point of the curve")]
    Point {
        /// Offset of its first byte.
        offset: usize,
    },
}
