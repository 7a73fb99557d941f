//! The transfer-logic slot: from a signing payload to state operations.
//!
//! Statement (public): `data` = Keccak-256 of the payload, the sender, the
//! digest of the block environment. The slot shows that the payload is a well
//! formed transaction ([`rlp`]), that its hash is `data` and the sender is the
//! address of a key that signed that hash ([`hash`]), that the rules of a plain
//! transfer hold ([`logic`]), and what changes in the state. Others are asked
//! over the bus:
//!
//! ```text
//! KECCAK 0  padded payload        -> data
//! KECCAK 1  padded Qx ‖ Qy        -> sender
//! SIG       data, Q               a signature by Q exists
//! TREE 0    sender pays           always
//! TREE 1    recipient is credited if value > 0 (update, or link if new)
//! TREE 2    recipient is inserted if value > 0 and it is new
//! TREE 3    escrow gets the fee   always
//! ```
//!
//! It never decides whether an account exists (the tree slots do), whether a
//! permutation or a signature is right (theirs), or whether a debt is covered
//! (market state, at admission).
//!
//! An idle slot (`sel` = 0) is satisfied by zeros whatever the statement says,
//! and its TREE selectors are 0 for every witness.

mod env;
mod hash;
mod lin;
mod logic;
mod payload;
mod plan;
mod rlp;
#[cfg(test)]
mod tests;

use nova_snark::frontend::{AllocatedBit, ConstraintSystem, SynthesisError, num::AllocatedNum};

pub use env::{EnvFields, env_digest};
pub use logic::{FLOOR_GAS_PER_TOKEN, MAX_GAS_LIMIT, TRANSFER_GAS};
pub use payload::{Field, MAX_DATA_BYTES, MAX_PAYLOAD_BYTES, Payload, PayloadError, TxKind};
pub use plan::{AccountView, Statement, TransferError, TransferWitness, TreeMessage, gas_used, plan_transfer};

use self::{
    hash::{big_endian, keccak, padded_key},
    lin::{Lin, annihilate, booleans, materialize, weighted},
    plan::Advice,
};
use crate::Scalar;

/// The statement's part that a transfer reads. See [`Statement`] for the values.
#[derive(Clone, Debug)]
pub struct StatementVars {
    /// Upper 128 bits of the payload's Keccak-256.
    pub data_hi: AllocatedNum<Scalar>,
    /// Lower 128 bits.
    pub data_lo: AllocatedNum<Scalar>,
    /// The sender's address as an integer.
    pub sender: AllocatedNum<Scalar>,
    /// Digest of the environment.
    pub env: AllocatedNum<Scalar>,
}

/// What the slot says to others. The selector of `keccak` and `sig` is the
/// slot's own.
#[derive(Clone, Debug)]
pub struct TransferPorts {
    /// Payload and public key.
    pub keccak: [[AllocatedNum<Scalar>; 18]; 2],
    /// Hash hi, lo, Qx hi, lo, Qy hi, lo.
    pub sig: [AllocatedNum<Scalar>; 6],
    /// Boolean selector and message, in order.
    pub tree: [(AllocatedNum<Scalar>, [AllocatedNum<Scalar>; 8]); 4],
    /// The chain id that the environment names and the sender signed for; the
    /// segment binds it to the statement's.
    pub chain_id: AllocatedNum<Scalar>,
}

/// Enforces the statement of a transfer where `sel` is 1.
///
/// # Errors
/// [`SynthesisError::AssignmentMissing`] if `sel` is 1 and there is no witness.
pub fn synthesize_transfer<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    sel: &AllocatedBit,
    statement: &StatementVars,
    witness: Option<&TransferWitness>,
) -> Result<TransferPorts, SynthesisError> {
    let idle = Advice::idle();
    let witness = match sel.get_value() {
        None => None,
        Some(false) => Some(&idle),
        Some(true) => Some(&witness.ok_or(SynthesisError::AssignmentMissing)?.advice),
    };
    let env = env::open(cs, sel, &statement.env, witness.map(|w| &w.env))?;
    let sel = &Lin::from(sel);
    let parsed = rlp::parse(cs, sel, &env.chain_id, witness)?;

    // The signing hash is the statement's data.
    let output = witness.map(|w| &w.outputs[0]);
    let (payload_port, digest) = keccak(cs, &parsed.block, output)?;
    let hash_hi = materialize(cs, "hash", &big_endian(&digest[..16]))?;
    let hash_lo = materialize(cs, "hash", &big_endian(&digest[16..]))?;
    let difference = Lin::from(&hash_hi).sub(&Lin::from(&statement.data_hi));
    annihilate(cs, "statement data hi", sel, &difference);
    let difference = Lin::from(&hash_lo).sub(&Lin::from(&statement.data_lo));
    annihilate(cs, "statement data lo", sel, &difference);

    // The sender is the signer.
    let key = (0..64)
        .map(|i| {
            let byte = witness.map(|w| Scalar::from(u64::from(w.key[i])));
            Ok(weighted(2, &booleans(cs, "key bit", 8, byte)?))
        })
        .collect::<Result<Vec<_>, SynthesisError>>()?;
    let output = witness.map(|w| &w.outputs[1]);
    let (key_port, digest) = keccak(cs, &padded_key(&key, sel), output)?;
    let sender = Lin::from(&materialize(cs, "sender", &big_endian(&digest[12..]))?);
    let difference = sender.clone().sub(&Lin::from(&statement.sender));
    annihilate(cs, "statement sender", sel, &difference);
    let mut half = |i: usize| materialize(cs, "key half", &big_endian(&key[16 * i..16 * i + 16]));
    let sig = [hash_hi, hash_lo, half(0)?, half(1)?, half(2)?, half(3)?];

    let tree = logic::operate(cs, sel, &sender, &parsed, &env, witness)?;
    Ok(TransferPorts { keccak: [payload_port, key_port], sig, tree, chain_id: env.chain })
}
