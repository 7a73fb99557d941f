//! The universal shape, synthesized once per process.

use nova_snark::{
    frontend::{SynthesisError, r1cs::NovaShape, shape_cs::ShapeCS},
    r1cs::R1CSShape,
};

use crate::{Engine, segment};

/// Base-2 logarithm of the padded numbers of constraints and variables.
pub const LOG_SIZE: u32 = 18;

/// Why the universal shape cannot be made; always a bug.
#[derive(Debug, thiserror::Error)]
pub enum UniversalShapeError {
    /// A gadget failed without a witness.
    #[error("a gadget does not synthesize without a witness")]
    Synthesis(#[from] SynthesisError),
    /// nova-snark refuses the matrices.
    #[error("nova-snark refuses the matrices")]
    Nova(#[from] nova_snark::errors::NovaError),
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
