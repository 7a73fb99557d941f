//! Spartan's proof of a root instance, with every vector's length fixed by the
//! size of the shape.
//!
//! nova-snark's verifier indexes by the lengths that the proof brings (an empty
//! round polynomial panics, as does a wrong number of batched evaluations), and
//! its serialised form has many encodings of one proof. [`RootProof`] holds the
//! same elements by name; it becomes nova-snark's type only after its lengths
//! are checked.
//!
//! For k = log2 of the size: 3k + 4 + 2(k+1) + 1 + 2k + 2 + 3k scalars and
//! (k-1) + 3 points; 6,688 bytes at k = 18.

use crate::{
    Engine, Scalar,
    proof::{
        curve::Commitment,
        error::{ProveError, VerifyError},
        fold::RelaxedInstance,
        params::{ProofParams, Spartan, VerifierParams},
    },
};
use ff::Field;
use nova_snark::{
    errors::NovaError,
    provider::{hyperkzg, keccak::Keccak256Transcript},
    r1cs::{RelaxedR1CSInstance, RelaxedR1CSWitness},
    spartan::{
        polys::univariate::{CompressedUniPoly, UniPoly},
        sumcheck::SumcheckProof,
    },
    traits::{TranscriptEngineTrait, snark::RelaxedR1CSSNARKTrait},
};
use serde::{Deserialize, Serialize};

/// Spartan's proof that a relaxed instance is satisfiable. `k` is the base-2
/// logarithm of the shape's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootProof {
    /// k cubic round polynomials of the outer sum-check, without linear term.
    pub(crate) outer: Vec<[Scalar; 3]>,
    /// Claimed Az, Bz, Cz and E at the outer point.
    pub(crate) claims: [Scalar; 4],
    /// k + 1 quadratic round polynomials of the inner sum-check.
    pub(crate) inner: Vec<[Scalar; 2]>,
    /// Claimed W at the inner point without its first coordinate.
    pub(crate) eval_w: Scalar,
    /// k quadratic round polynomials that bring W and E to one point.
    pub(crate) batch: Vec<[Scalar; 2]>,
    /// Claimed W and E at that point.
    pub(crate) evals_batch: [Scalar; 2],
    /// k - 1 commitments to HyperKZG's folded polynomials.
    pub(crate) com: Vec<Commitment>,
    /// HyperKZG's three opening witnesses.
    pub(crate) w: [Commitment; 3],
    /// Evaluations of the k polynomials at r, -r and r².
    pub(crate) v: Vec<[Scalar; 3]>,
}

/// Field for field nova-snark's `RelaxedR1CSSNARK`, whose fields are private:
/// the same types in the same order serialise to the same bytes.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
struct Mirror {
    sc_proof_outer: SumcheckProof<Engine>,
    claims_outer: (Scalar, Scalar, Scalar),
    eval_e: Scalar,
    sc_proof_inner: SumcheckProof<Engine>,
    eval_w: Scalar,
    sc_proof_batch: SumcheckProof<Engine>,
    evals_batch: Vec<Scalar>,
    eval_arg: hyperkzg::EvaluationArgument<Engine>,
}

/// What an accepted root proof says about the folded witness: W̃(point) = value.
/// The point was drawn after every commitment of the node. Only
/// [`RootProof::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    pub(crate) point: Vec<Scalar>,
    pub(crate) value: Scalar,
}

impl RootProof {
    /// The size that this proof has the lengths for, as its base-2 logarithm.
    pub(crate) fn log_size(&self) -> usize {
        self.outer.len()
    }

    /// A proof of the right lengths that proves nothing.
    #[cfg(test)]
    pub(crate) fn blank(log_size: u32) -> Self {
        let k = log_size as usize;
        let zero = Scalar::ZERO;
        Self {
            outer: vec![[zero; 3]; k],
            claims: [zero; 4],
            inner: vec![[zero; 2]; k + 1],
            eval_w: zero,
            batch: vec![[zero; 2]; k],
            evals_batch: [zero; 2],
            com: vec![Commitment::infinity(); k - 1],
            w: [Commitment::infinity(); 3],
            v: vec![[zero; 3]; k],
        }
    }

    /// Proves a root whose witness satisfies it; W and E are padded to 2^k.
    pub(crate) fn prove(
        params: &ProofParams,
        instance: &RelaxedInstance,
        w: Vec<Scalar>,
        e: Vec<Scalar>,
    ) -> Result<Self, ProveError> {
        let shape = &params.shape.shape;
        let instance = nova_instance(params.verifier(), instance).map_err(ProveError::Spartan)?;
        let witness = RelaxedR1CSWitness::new(shape, w, Scalar::ZERO, e, Scalar::ZERO).map_err(ProveError::Spartan)?;
        let proof = Spartan::prove(&params.ck, &params.pk, shape, &instance, &witness).map_err(ProveError::Spartan)?;
        Self::from_nova(&proof)
            .filter(|proof| proof.check_lengths(params.dims().log_size).is_ok())
            .ok_or(ProveError::Layout)
    }

    /// Verifies the proof of `instance`.
    pub(crate) fn verify(&self, params: &VerifierParams, instance: &RelaxedInstance) -> Result<Opening, VerifyError> {
        if bool::from(instance.u().is_zero()) {
            return Err(VerifyError::ZeroU);
        }
        self.check_lengths(params.dims().log_size)?;
        let instance = nova_instance(params, instance).map_err(VerifyError::Spartan)?;
        let proof = self.to_nova().ok_or(VerifyError::Layout)?;
        proof.verify(&params.vk, &instance).map_err(VerifyError::Spartan)?;
        let point = self.inner_point(params, &instance).map_err(VerifyError::Spartan)?;
        Ok(Opening { point, value: self.eval_w })
    }

    /// Replays Spartan's transcript up to the point at which W is opened.
    fn inner_point(
        &self,
        params: &VerifierParams,
        instance: &RelaxedR1CSInstance<Engine>,
    ) -> Result<Vec<Scalar>, NovaError> {
        let rounds = params.dims().log_size as usize;
        let mut transcript = Keccak256Transcript::<Engine>::new(b"RelaxedR1CSSNARK");
        transcript.absorb(b"vk", &params.vk_digest());
        transcript.absorb(b"U", instance);
        for _ in 0..rounds {
            transcript.squeeze(b"t")?;
        }
        cubic(&self.outer).verify(Scalar::ZERO, rounds, 3, &mut transcript)?;
        transcript.absorb(b"claims_outer", &self.claims.as_slice());
        let r = transcript.squeeze(b"r")?;
        let [az, bz, cz, _] = self.claims;
        let claim = az + r * bz + r * r * cz;
        let (_, point) = quadratic(&self.inner).verify(claim, rounds + 1, 2, &mut transcript)?;
        Ok(point[1..].to_vec())
    }

    /// Checks every vector's length against the size of the shape.
    pub(crate) fn check_lengths(&self, log_size: u32) -> Result<(), VerifyError> {
        let k = log_size as usize;
        let parts = [
            ("outer", k, self.outer.len()),
            ("inner", k + 1, self.inner.len()),
            ("batch", k, self.batch.len()),
            ("com", k - 1, self.com.len()),
            ("v", k, self.v.len()),
        ];
        for (part, expected, found) in parts {
            if expected != found {
                return Err(VerifyError::RootLength { part, expected, found });
            }
        }
        Ok(())
    }

    /// Lengths are checked by the caller.
    fn to_nova(&self) -> Option<Spartan> {
        let [az, bz, cz, eval_e] = self.claims;
        let mirror = Mirror {
            sc_proof_outer: cubic(&self.outer),
            claims_outer: (az, bz, cz),
            eval_e,
            sc_proof_inner: quadratic(&self.inner),
            eval_w: self.eval_w,
            sc_proof_batch: quadratic(&self.batch),
            evals_batch: self.evals_batch.to_vec(),
            eval_arg: hyperkzg::EvaluationArgument::new(
                self.com.iter().map(|c| c.to_nova()).collect(),
                self.w.map(Commitment::to_nova),
                self.v.clone(),
            ),
        };
        transmute(&mirror)
    }

    fn from_nova(proof: &Spartan) -> Option<Self> {
        let mirror: Mirror = transmute(proof)?;
        let (az, bz, cz) = mirror.claims_outer;
        let argument = &mirror.eval_arg;
        let commitment = |c: &hyperkzg::Commitment<Engine>| Commitment::from_nova(*c);
        let w: Vec<_> = argument.w().iter().map(commitment).collect();
        Some(Self {
            outer: coefficients(&mirror.sc_proof_outer)?,
            claims: [az, bz, cz, mirror.eval_e],
            inner: coefficients(&mirror.sc_proof_inner)?,
            eval_w: mirror.eval_w,
            batch: coefficients(&mirror.sc_proof_batch)?,
            evals_batch: mirror.evals_batch.try_into().ok()?,
            com: argument.com().iter().map(commitment).collect(),
            w: w.try_into().ok()?,
            v: argument.v().to_vec(),
        })
    }
}

/// From one type to another with the same serialised layout.
fn transmute<A: Serialize, B: for<'de> Deserialize<'de>>(value: &A) -> Option<B> {
    let config = bincode::config::standard();
    let bytes = bincode::serde::encode_to_vec(value, config).ok()?;
    let (value, read) = bincode::serde::decode_from_slice(&bytes, config).ok()?;
    (read == bytes.len()).then_some(value)
}

fn nova_instance(
    params: &VerifierParams,
    instance: &RelaxedInstance,
) -> Result<RelaxedR1CSInstance<Engine>, NovaError> {
    RelaxedR1CSInstance::new(
        &params.io_shape,
        instance.comm_w().to_nova(),
        instance.comm_e().to_nova(),
        instance.u(),
        instance.x().to_vec(),
    )
}

fn cubic(rounds: &[[Scalar; 3]]) -> SumcheckProof<Engine> {
    compressed(rounds.iter().map(|[c, b, a]| vec![*c, Scalar::ZERO, *b, *a]))
}

fn quadratic(rounds: &[[Scalar; 2]]) -> SumcheckProof<Engine> {
    compressed(rounds.iter().map(|[c, a]| vec![*c, Scalar::ZERO, *a]))
}

/// The linear coefficient is dropped by the compression, whatever it is.
fn compressed(rounds: impl Iterator<Item = Vec<Scalar>>) -> SumcheckProof<Engine> {
    SumcheckProof::new(rounds.map(|coeffs| UniPoly { coeffs }.compress()).collect())
}

/// The coefficients of each round without the linear one, if there are N in each.
fn coefficients<const N: usize>(proof: &SumcheckProof<Engine>) -> Option<Vec<[Scalar; N]>> {
    let one = |poly: &CompressedUniPoly<Scalar>| {
        let mut coefficients = poly.decompress(&Scalar::ZERO).coeffs;
        coefficients.remove(1);
        coefficients.try_into().ok()
    };
    proof.compressed_polys().iter().map(one).collect()
}
