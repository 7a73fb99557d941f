//! The universal R1CS shape, padded to 2^k constraints and 2^k variables.
//!
//! nova-snark's own padding leaves the row pointers short when only the number
//! of constraints must grow; this one always yields consistent matrices.

use crate::{Engine, Scalar, proof::error::ShapeError};
use nova_snark::r1cs::{R1CSShape, SparseMatrix};

/// Least and greatest base-2 logarithm of a padded size. 28 is the size of the
/// largest public powers-of-tau ceremony.
pub const LOG_SIZE_MIN: u32 = 1;
/// See [`LOG_SIZE_MIN`].
pub const LOG_SIZE_MAX: u32 = 28;

/// The dimensions of a padded shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dims {
    /// Base-2 logarithm of the padded numbers of constraints and of variables.
    pub log_size: u32,
    /// Private variables before padding: the length of a witness.
    pub vars: usize,
    /// Constraints before padding.
    pub cons: usize,
    /// Public inputs: the length of every leaf's X.
    pub io: usize,
}

impl Dims {
    /// The padded number of constraints and of variables.
    #[must_use]
    pub fn size(&self) -> usize {
        1 << self.log_size
    }
}

/// A shape whose constraints and variables both number 2^k.
#[derive(Clone, Debug)]
pub struct PaddedShape {
    pub(crate) shape: R1CSShape<Engine>,
    pub(crate) dims: Dims,
}

impl PaddedShape {
    /// Pads `shape` to 2^`log_size` constraints and variables.
    ///
    /// # Errors
    /// [`ShapeError::TooLarge`] if it does not fit, [`ShapeError::Matrix`] if the
    /// matrices contradict the dimensions.
    pub fn new(shape: &R1CSShape<Engine>, log_size: u32) -> Result<Self, ShapeError> {
        let dims = Dims { log_size, vars: shape.num_vars(), cons: shape.num_cons(), io: shape.num_io() };
        let fits = (LOG_SIZE_MIN..=LOG_SIZE_MAX).contains(&log_size)
            && dims.vars <= dims.size()
            && dims.cons <= dims.size()
            && dims.io < dims.size();
        if !fits {
            return Err(ShapeError::TooLarge { cons: dims.cons, vars: dims.vars, io: dims.io, log_size });
        }
        let [a, b, c] = [shape.A(), shape.B(), shape.C()].map(|matrix| pad(matrix, &dims));
        let shape = R1CSShape::new(dims.size(), dims.size(), dims.io, a?, b?, c?).map_err(ShapeError::Nova)?;
        Ok(Self { shape, dims })
    }

    /// The dimensions.
    #[must_use]
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// nova-snark's digest of the padded matrices: what a genesis pins.
    /// Hashes the whole shape on first use (about a second at 2^18).
    #[must_use]
    pub fn digest(&self) -> Scalar {
        self.shape.digest()
    }

    /// A vector z = (W, u, X) with W padded by zeros.
    pub(crate) fn assignment(&self, w: &[Scalar], u: Scalar, x: &[Scalar]) -> Vec<Scalar> {
        let mut z = Vec::with_capacity(self.dims.size() + 1 + self.dims.io);
        z.extend_from_slice(w);
        z.resize(self.dims.size(), Scalar::zero());
        z.push(u);
        z.extend_from_slice(x);
        z
    }
}

fn pad(matrix: &SparseMatrix<Scalar>, dims: &Dims) -> Result<SparseMatrix<Scalar>, ShapeError> {
    let entries = matrix.data.len();
    let consistent = matrix.indptr.len() == dims.cons + 1
        && matrix.indptr.first() == Some(&0)
        && matrix.indptr.last() == Some(&entries)
        && matrix.indptr.is_sorted()
        && matrix.indices.len() == entries
        && matrix.cols == dims.vars + 1 + dims.io
        && matrix.indices.iter().all(|column| *column < matrix.cols);
    if !consistent {
        return Err(ShapeError::Matrix);
    }
    let shift = dims.size() - dims.vars;
    let mut padded = matrix.clone();
    for column in &mut padded.indices {
        if *column >= dims.vars {
            *column += shift;
        }
    }
    padded.cols += shift;
    padded.indptr.resize(dims.size() + 1, entries);
    Ok(padded)
}
