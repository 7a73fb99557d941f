//! Parameters of prover and verifier: one universal shape, one commitment key.

use crate::{
    Engine, Scalar,
    proof::{
        curve::Commitment,
        error::{KeyError, ShapeError},
        key::{Key, KeyHeader, Setup, commitment_key},
        shape::{Dims, PaddedShape},
    },
};
use ff::Field;
use nova_snark::{
    provider::{
        bn256_grumpkin::bn256::Point,
        hyperkzg::{CommitmentEngine, CommitmentKey, EvaluationEngine},
        traits::DlogGroup,
    },
    r1cs::{R1CSShape, SparseMatrix},
    spartan::snark::RelaxedR1CSSNARK,
    traits::{
        commitment::CommitmentEngineTrait,
        snark::{DigestHelperTrait, RelaxedR1CSSNARKTrait},
    },
};
use std::sync::Arc;

pub(crate) type Spartan = RelaxedR1CSSNARK<Engine, EvaluationEngine<Engine>>;
pub(crate) type SpartanProverKey = <Spartan as RelaxedR1CSSNARKTrait<Engine>>::ProverKey;
pub(crate) type SpartanVerifierKey = <Spartan as RelaxedR1CSSNARKTrait<Engine>>::VerifierKey;

/// What verifying needs: the matrices (Spartan's verifier evaluates them) and tau·H.
///
/// Never serialised: it is rebuilt from the synthesised shape, which costs one
/// hash over the matrices (about a second at 2^18 with 3.5 million non-zeros).
pub struct VerifierParams {
    pub(crate) vk: SpartanVerifierKey,
    pub(crate) vk_digest: Scalar,
    /// No constraints, the shape's number of inputs: lets nova-snark's
    /// constructor of instances check their length.
    pub(crate) io_shape: R1CSShape<Engine>,
    dims: Dims,
    header: KeyHeader,
}

impl VerifierParams {
    /// Parameters for the chain of `setup` from the header of its key.
    ///
    /// # Errors
    /// [`ShapeError`] if the genesis does not admit the key or sizes disagree.
    pub fn new(shape: &PaddedShape, header: &KeyHeader, setup: &Setup) -> Result<Self, ShapeError> {
        setup.admit(header)?;
        // Spartan's verifying key takes nothing but tau·H from a commitment key.
        let ck = commitment_key(vec![Point::r#gen().affine()], header.tau_h())?;
        Ok(Self::with_key(shape, header, &ck)?.0)
    }

    fn with_key(
        shape: &PaddedShape,
        header: &KeyHeader,
        ck: &CommitmentKey<Engine>,
    ) -> Result<(Self, SpartanProverKey), ShapeError> {
        let dims = shape.dims();
        if dims.log_size != header.log_size() {
            return Err(ShapeError::KeySize { key: header.log_size(), shape: dims.log_size });
        }
        let (pk, vk) = Spartan::setup(ck, &shape.shape).map_err(ShapeError::Nova)?;
        let empty = SparseMatrix::empty;
        let io_shape = R1CSShape::new(0, 0, dims.io, empty(), empty(), empty()).map_err(ShapeError::Nova)?;
        let vk_digest = vk.digest();
        let params = Self { vk, vk_digest, io_shape, dims, header: header.clone() };
        Ok((params, pk))
    }

    /// Dimensions of the shape.
    #[must_use]
    pub fn dims(&self) -> Dims {
        self.dims
    }

    /// Digest of Spartan's verifying key: the padded matrices, their dimensions
    /// and tau·H. Every challenge hashes it.
    #[must_use]
    pub fn vk_digest(&self) -> Scalar {
        self.vk_digest
    }

    /// Header of the commitment key.
    #[must_use]
    pub fn key_header(&self) -> &KeyHeader {
        &self.header
    }
}

/// What proving needs: the points of the key, the shape, and the verifier's part.
pub struct ProofParams {
    pub(crate) ck: CommitmentKey<Engine>,
    pub(crate) shape: PaddedShape,
    pub(crate) pk: SpartanProverKey,
    verifier: Arc<VerifierParams>,
}

impl ProofParams {
    /// Parameters for the chain of `setup`.
    ///
    /// # Errors
    /// [`ShapeError`] if the genesis does not admit the key or sizes disagree.
    pub fn new(shape: PaddedShape, key: Key, setup: &Setup) -> Result<Self, ShapeError> {
        setup.admit(key.header())?;
        let header = key.header().clone();
        let ck = key.into_commitment_key();
        let (verifier, pk) = VerifierParams::with_key(&shape, &header, &ck)?;
        shape.shape.precompute_sparse_matrices();
        Ok(Self { ck, shape, pk, verifier: Arc::new(verifier) })
    }

    /// Parameters with the declared tau, for a chain that admits it.
    ///
    /// # Errors
    /// [`ShapeError`] as for [`ProofParams::new`].
    pub fn development(shape: PaddedShape) -> Result<Self, ShapeError> {
        let key = Key::development(shape.dims().log_size).map_err(KeyError::into_shape)?;
        let digest = key.digest();
        Self::new(shape, key, &Setup::Development { digest })
    }

    /// The verifier's part.
    #[must_use]
    pub fn verifier(&self) -> &Arc<VerifierParams> {
        &self.verifier
    }

    /// Dimensions of the shape.
    #[must_use]
    pub fn dims(&self) -> Dims {
        self.verifier.dims
    }

    /// The unblinded commitment to a vector of at most 2^k scalars. nova-snark
    /// sorts the scalars by size, so bits and small values are cheap.
    pub(crate) fn commit(&self, vector: &[Scalar]) -> Commitment {
        debug_assert!(vector.len() <= self.dims().size());
        let commit = <CommitmentEngine<Engine> as CommitmentEngineTrait<Engine>>::commit;
        Commitment::from_nova(commit(&self.ck, vector, &Scalar::ZERO))
    }
}

impl KeyError {
    fn into_shape(self) -> ShapeError {
        ShapeError::Key(self)
    }
}
