//! The universal shape, synthesized once per process, and its development key.

use nova_snark::{
    frontend::{SynthesisError, r1cs::NovaShape, shape_cs::ShapeCS},
    r1cs::R1CSShape,
};

use crate::{
    Engine,
    proof::{error::ShapeError, shape::PaddedShape},
    segment,
};

/// Base-2 logarithm of the padded numbers of constraints and variables.
pub const LOG_SIZE: u32 = 18;

/// Digest of the development key of 2^[`LOG_SIZE`] points.
pub const DEVELOPMENT_KEY: [u8; 32] = [
    0xe9, 0x5a, 0xb7, 0xc3, 0x55, 0xae, 0x5f, 0x1a, 0x19, 0x21, 0x34, 0x2b, 0x41, 0x20, 0x6e, 0x6f, 0x5f, 0x4e, 0x31,
    0xba, 0x85, 0x13, 0x00, 0x5f, 0xc7, 0xfa, 0x17, 0x2d, 0x27, 0x71, 0x15, 0x2b,
];

/// Why the universal shape cannot be made; always a bug.
#[derive(Debug, thiserror::Error)]
pub enum UniversalShapeError {
    /// A gadget failed without a witness.
    #[error("a gadget does not synthesize without a witness")]
    Synthesis(#[from] SynthesisError),
    /// nova-snark refuses the matrices.
    #[error("nova-snark refuses the matrices")]
    Nova(#[from] nova_snark::errors::NovaError),
    /// It outgrew 2^[`LOG_SIZE`].
    #[error(transparent)]
    Padding(#[from] ShapeError),
}

/// Synthesizes the shape of a segment.
///
/// # Errors
/// [`UniversalShapeError`].
pub fn universal_shape() -> Result<R1CSShape<Engine>, UniversalShapeError> {
    let mut cs = ShapeCS::<Engine>::new();
    let vars = segment::slots(&mut cs, None, None)?;
    let h_out = segment::chain(&mut cs, &vars, None)?;
    segment::balance(&mut cs, &vars, &h_out, None, None)?;
    Ok(cs.r1cs_shape()?)
}

/// The universal shape, padded: what every parameter of prover and verifier is made for.
///
/// # Errors
/// [`UniversalShapeError`].
pub fn padded_shape() -> Result<PaddedShape, UniversalShapeError> {
    Ok(PaddedShape::new(&universal_shape()?, LOG_SIZE)?)
}
