//! The two Keccak-256 messages: block in, digest bytes out.
//!
//! A port carries the whole state, three 64-bit lanes per field element,
//! little-endian (element i = Σ_j 2^(64·j)·lane[3i+j]); so byte b of the rate is
//! byte b mod 24 of element b div 24, and byte b of the digest is bits
//! `8·(b mod 24)..` of output element b div 24. Both output elements that hold
//! the digest are decomposed into 192 bits, which is canonical (2^192 < r), the
//! unused upper lanes of the second one included: without them lane 3 would be
//! whatever the prover likes.
//!
//! Source: FIPS 202 sections 3.1.2 and B.1, with Keccak's original padding
//! (0x01 … 0x80). Cost: 384 bits and 4 constraints per digest, 9 per input.
//! That output is the permutation of input is the KECCAK provider's to say.

use ff::{Field, PrimeField};
use nova_snark::frontend::{ConstraintSystem, SynthesisError, num::AllocatedNum};

use super::lin::{Lin, booleans, equal, materialize, weighted};
use crate::{
    Scalar,
    gadgets::alloc,
    keccak::{MAX_BLOCK_BYTES, PORT_ELEMENTS, State, pack_state},
};

/// Bytes of a block of Keccak-256.
pub(super) const RATE_BYTES: usize = MAX_BLOCK_BYTES + 1;
/// Bytes of three lanes.
const ELEMENT_BYTES: usize = 24;

/// The big-endian halves of 32 bytes.
pub(super) fn halves(bytes: &[u8; 32]) -> [Scalar; 2] {
    let (hi, lo) = bytes.split_at(16);
    [hi, lo].map(|half| {
        let half = half.try_into().expect("invariant: half of 32 bytes");
        Scalar::from_u128(u128::from_be_bytes(half))
    })
}

/// An integer of at most 31 bytes, big-endian.
pub(super) fn integer(bytes: &[u8]) -> Scalar {
    bytes.iter().fold(Scalar::ZERO, |number, byte| number * Scalar::from(256) + Scalar::from(u64::from(*byte)))
}

/// The same in the circuit.
pub(super) fn big_endian(bytes: &[Lin]) -> Lin {
    weighted(256, bytes.iter().rev())
}

/// The KECCAK port that absorbs `block` (136 bytes) and the 32 bytes of its
/// digest.
pub(super) fn keccak<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    block: &[Lin],
    output: Option<&State>,
) -> Result<([AllocatedNum<Scalar>; 18], Vec<Lin>), SynthesisError> {
    let mut port = Vec::with_capacity(2 * PORT_ELEMENTS);
    for i in 0..PORT_ELEMENTS {
        let bytes = block.iter().skip(i * ELEMENT_BYTES).take(ELEMENT_BYTES);
        port.push(materialize(cs, "absorbed lanes", &weighted(256, bytes))?);
    }
    let output = output.map(pack_state);
    let mut digest = Vec::with_capacity(2 * ELEMENT_BYTES);
    for i in 0..PORT_ELEMENTS {
        let element = alloc(cs, output.map(|elements| elements[i]))?;
        if i < 2 {
            let bits = booleans(cs, "digest bit", 8 * ELEMENT_BYTES, element.get_value())?;
            equal(cs, "digest lanes", &weighted(2, &bits), &Lin::from(&element));
            digest.extend(bits.chunks_exact(8).map(|byte| weighted(2, byte)));
        }
        port.push(element);
    }
    digest.truncate(32);
    let port = port.try_into().map_err(|_| SynthesisError::IncompatibleLengthVector("keccak port".into()))?;
    Ok((port, digest))
}

/// The block of a message of 64 bytes.
pub(super) fn padded_key(key: &[Lin], sel: &Lin) -> Vec<Lin> {
    let mut block = key.to_vec();
    block.push(sel.clone());
    block.resize_with(RATE_BYTES - 1, Lin::zero);
    block.push(sel.times(Scalar::from(0x80)));
    block
}
