//! The block environment that a transfer runs in, and its digest.

use ff::{Field, PrimeField};
use nova_snark::frontend::{AllocatedBit, ConstraintSystem, SynthesisError, num::AllocatedNum};

use super::lin::{Lin, range};
use crate::{
    Scalar,
    gadgets::alloc,
    poseidon::{
        Domain,
        gadget::{Gate, Input, Wire, hash8_wires},
        hash8,
    },
};

/// Hashed fields; the eighth input of the hash is 0.
pub(super) const ENV_FIELDS: usize = 7;

/// What execution and proof share about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvFields {
    /// Wei per gas, paid to the escrow like the rest of the fee.
    pub base_fee: u128,
    /// Height.
    pub block_number: u64,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// Gas that the block may use.
    pub block_gas_limit: u64,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The block's random value as a field element; the caller maps its bytes.
    pub prevrandao: Scalar,
    /// Rules in force.
    pub rules_version: u64,
}

impl Default for EnvFields {
    fn default() -> Self {
        Self {
            base_fee: 0,
            block_number: 0,
            timestamp: 0,
            block_gas_limit: 0,
            chain_id: 0,
            prevrandao: Scalar::ZERO,
            rules_version: 0,
        }
    }
}

impl EnvFields {
    /// In the order in which they are hashed.
    pub(super) fn elements(&self) -> [Scalar; ENV_FIELDS] {
        [
            Scalar::from_u128(self.base_fee),
            Scalar::from(self.block_number),
            Scalar::from(self.timestamp),
            Scalar::from(self.block_gas_limit),
            Scalar::from(self.chain_id),
            self.prevrandao,
            Scalar::from(self.rules_version),
        ]
    }
}

/// `hash8(Domain::Env, base_fee, block_number, timestamp, block_gas_limit,
/// chain_id, prevrandao, rules_version, 0)`.
pub fn env_digest(env: &EnvFields) -> Scalar {
    let mut inputs = [Scalar::ZERO; 8];
    inputs[..ENV_FIELDS].copy_from_slice(&env.elements());
    hash8(Domain::Env, &inputs)
}

/// The opened fields that the rules use, range-checked.
pub(super) struct EnvVars {
    /// Below 2^128.
    pub(super) base_fee: Lin,
    /// Below 2^64.
    pub(super) block_gas_limit: Lin,
    /// Below 2^64.
    pub(super) chain_id: Lin,
    /// The same as a variable.
    pub(super) chain: AllocatedNum<Scalar>,
}

/// Opens `digest` where `sel` is 1. One hash, 257 constraints.
pub(super) fn open<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    sel: &AllocatedBit,
    digest: &AllocatedNum<Scalar>,
    env: Option<&[Scalar; ENV_FIELDS]>,
) -> Result<EnvVars, SynthesisError> {
    let mut inputs: [Input; 8] = std::array::from_fn(|_| Input::Constant(Scalar::ZERO));
    let mut fields = Vec::with_capacity(ENV_FIELDS);
    let mut numbers = Vec::with_capacity(ENV_FIELDS);
    for (i, input) in inputs.iter_mut().take(ENV_FIELDS).enumerate() {
        let field = alloc(cs, env.map(|values| values[i]))?;
        *input = Input::Wire(Wire::of(cs, &field));
        fields.push(Lin::from(&field));
        numbers.push(field);
    }
    range(cs, "base fee range", 128, &fields[0])?;
    range(cs, "block gas limit range", 64, &fields[3])?;
    range(cs, "environment chain id range", 64, &fields[4])?;
    let hash = cs.namespace(|| "environment hash");
    let opened = hash8_wires(hash, &Gate::selected(sel), Domain::Env, &inputs)?;
    cs.enforce(
        || "environment digest",
        |lc| lc + sel.get_variable(),
        |lc| lc + &opened.lc() - digest.get_variable(),
        |lc| lc,
    );
    Ok(EnvVars {
        base_fee: fields[0].clone(),
        block_gas_limit: fields[3].clone(),
        chain_id: fields[4].clone(),
        chain: numbers.swap_remove(4),
    })
}
