//! The digest's hash: Poseidon of arity 4 under the settlement's own domain, by
//! nova's sponge (pattern: absorb 4, squeeze 1).

use std::sync::OnceLock;

use nova_snark::frontend::{
    ConstraintSystem, Elt, PoseidonConstants, SpongeCircuit, SynthesisError,
    gadgets::poseidon::{IOPattern, Simplex, Sponge, SpongeAPI, SpongeOp, SpongeTrait},
    num::AllocatedNum,
};
use typenum::U4;

use crate::Scalar;

/// The settlement's number among the domains of the chain's Poseidon hashes.
const DOMAIN: u32 = 9;

fn constants() -> &'static PoseidonConstants<Scalar, U4> {
    static CELL: OnceLock<PoseidonConstants<Scalar, U4>> = OnceLock::new();
    CELL.get_or_init(PoseidonConstants::default)
}

fn pattern() -> IOPattern {
    IOPattern(vec![SpongeOp::Absorb(4), SpongeOp::Squeeze(1)])
}

/// Native.
pub(super) fn hash4(inputs: &[Scalar; 4]) -> Scalar {
    let mut sponge = Sponge::new_with_constants(constants(), Simplex);
    let acc = &mut ();
    sponge.start(pattern(), Some(DOMAIN), acc);
    SpongeAPI::absorb(&mut sponge, 4, inputs, acc);
    let squeezed = SpongeAPI::squeeze(&mut sponge, 1, acc);
    sponge.finish(acc).expect("invariant: the pattern was followed");
    squeezed[0]
}

/// In circuit.
pub(super) fn synthesize_hash4<CS>(
    cs: &mut CS,
    inputs: [&AllocatedNum<Scalar>; 4],
) -> Result<AllocatedNum<Scalar>, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    let mut ns = cs.namespace(|| "hash4");
    let squeezed = {
        let mut sponge = SpongeCircuit::new_with_constants(constants(), Simplex);
        sponge.start(pattern(), Some(DOMAIN), &mut ns);
        let inputs = inputs.map(|input| Elt::Allocated(input.clone()));
        SpongeAPI::absorb(&mut sponge, 4, &inputs, &mut ns);
        let squeezed = SpongeAPI::squeeze(&mut sponge, 1, &mut ns);
        sponge.finish(&mut ns).expect("invariant: the pattern was followed");
        squeezed
    };
    Elt::ensure_allocated(&squeezed[0], &mut ns)
}
