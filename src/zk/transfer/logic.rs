//! The rules of a plain transfer in the circuit.
//!
//! EVM rules of Osaka on the provable subset (no code runs, so the gas used is
//! the calldata floor):
//!
//! - EIP-155 / 2930 / 1559: the chain id is the environment's (in [`super::rlp`]);
//! - EIP-7623: `used = 21000 + 10·tokens`, `tokens` = zero bytes + 4·other
//!   bytes, and `gas limit ≥ used`;
//! - EIP-7825: `gas limit ≤ 2^24`, and at most the block's;
//! - EIP-1559: `max fee ≥ base fee`, `max fee ≥ priority fee`, price =
//!   `min(max fee, base fee + priority fee)`;
//! - EIP-2681: the account's nonce is the transaction's and below 2^64 - 1;
//! - `balance ≥ value + gas limit · max fee`; the fee is `used · price`;
//! - all fees go to the escrow account.
//!
//! State operations are numbered 0, 1, … : the sender pays; if the value is not
//! zero the recipient gets it (an update, or link and insert where the account
//! is new; the tree slots refuse the wrong one of the two); the escrow gets the
//! fee. Each names the old values at its own number, so sender, recipient and
//! escrow may be the same account.
//!
//! No wrap-around: prices, values and old balances are below 2^128 (the tree
//! holds no other balance, because every credit is checked here), gas is below
//! 2^32, so every difference below is far from r.

use ff::PrimeField;
use nova_snark::frontend::{ConstraintSystem, SynthesisError, num::AllocatedNum};

use super::{
    env::EnvVars,
    hash::integer,
    lin::{Lin, annihilate, boolean, is_non_zero, materialize, non_zero_when, product, range},
    plan::Advice,
    rlp::Parsed,
};
use crate::{Scalar, accounts::ESCROW, gadgets::alloc};

/// EIP-2028 / EIP-7623: gas of a transfer without data.
pub const TRANSFER_GAS: u64 = 21_000;
/// EIP-7623: gas per token of calldata where nothing is executed.
pub const FLOOR_GAS_PER_TOKEN: u64 = 10;
/// EIP-7825: most gas that a transaction may buy.
pub const MAX_GAS_LIMIT: u64 = 1 << 24;

/// TREE messages with their selectors.
pub(super) type TreePorts = [(AllocatedNum<Scalar>, [AllocatedNum<Scalar>; 8]); 4];

/// What the transfer costs; differences of these are in range.
struct Charges {
    /// Gas used times price.
    fee: Lin,
    /// Value and gas limit times maximum fee.
    worst: Lin,
}

fn charges<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    sel: &Lin,
    parsed: &Parsed,
    env: &EnvVars,
    witness: Option<&Advice>,
) -> Result<Charges, SynthesisError> {
    let used = sel.times(Scalar::from(TRANSFER_GAS)).plus(Scalar::from(FLOOR_GAS_PER_TOKEN), &parsed.tokens);
    let gas = &parsed.gas_limit;
    let cap = sel.times(Scalar::from(MAX_GAS_LIMIT));
    range(cs, "gas limit covers the gas used", 24, &gas.clone().sub(&used))?;
    range(cs, "gas limit cap", 25, &cap.sub(gas))?;
    let block = env.block_gas_limit.clone();
    range(cs, "gas limit of the block", 64, &block.sub(gas))?;

    let max_fee = &parsed.max_fee;
    let base_fee = &env.base_fee;
    let priority = &parsed.max_priority_fee;
    range(cs, "maximum fee covers the base fee", 128, &max_fee.clone().sub(base_fee))?;
    range(cs, "maximum fee covers the priority fee", 128, &max_fee.clone().sub(priority))?;
    // over = base + priority - max; the price is max where over ≥ 0.
    let wanted = base_fee.clone().add(priority);
    let over = wanted.clone().sub(max_fee);
    let capped = boolean(cs, "price is capped", witness.map(|w| w.capped))?;
    let cut = product(cs, "price cut", &capped, &over)?;
    let distance = cut.times(Scalar::from(2)).sub(&over);
    range(cs, "price is the minimum", 129, &distance)?;
    let price = wanted.sub(&cut);
    let fee = product(cs, "fee", &used, &price)?;
    let worst = product(cs, "worst fee", gas, max_fee)?.add(&parsed.value);
    Ok(Charges { fee, worst })
}

/// Enforces the rules and returns the state operations of a transfer from
/// `sender` (below 2^160).
pub(super) fn operate<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    sel: &Lin,
    sender: &Lin,
    parsed: &Parsed,
    env: &EnvVars,
    witness: Option<&Advice>,
) -> Result<TreePorts, SynthesisError> {
    let Charges { fee, worst } = charges(cs, sel, parsed, env, witness)?;
    let one = Lin::one::<CS>();
    let zero = Lin::zero();
    let wide = |value: Option<u128>| value.map(Scalar::from_u128);

    // Sender.
    let nonce = &parsed.nonce;
    let last_nonce = sel.times(Scalar::from(u64::MAX));
    non_zero_when(cs, "last nonce", &last_nonce.sub(nonce), sel)?;
    let balance = Lin::from(&alloc(cs, wide(witness.map(|w| w.sender_balance)))?);
    range(cs, "balance covers the worst case", 128, &balance.clone().sub(&worst))?;
    let paid = balance.clone().sub(&parsed.value).sub(&fee);
    let sender_update = [
        zero.clone(),
        zero.clone(),
        sender.clone(),
        zero.clone(),
        nonce.clone(),
        balance,
        nonce.clone().add(sel),
        paid,
    ];

    // Recipient.
    let value = &parsed.value;
    let sends = is_non_zero(cs, "value is sent", value)?;
    let new = boolean(cs, "recipient is new", witness.map(|w| w.recipient.is_new))?;
    annihilate(cs, "new without value", &new, &one.clone().sub(&sends));
    let next = Lin::from(&alloc(cs, witness.map(|w| integer(&w.recipient.next)))?);
    annihilate(cs, "next of an update", &one.sub(&new), &next);
    let nonce = witness.map(|w| Scalar::from(w.recipient.nonce));
    let nonce = Lin::from(&alloc(cs, nonce)?);
    annihilate(cs, "nonce of a link", &new, &nonce);
    let balance = Lin::from(&alloc(cs, wide(witness.map(|w| w.recipient.balance)))?);
    annihilate(cs, "balance of a link", &new, &balance);
    let credited = balance.clone().add(value);
    range(cs, "recipient balance overflows", 128, &credited)?;
    let created = product(cs, "value of a new account", &new, value)?;
    let update_or_link = [
        sends.clone(),
        new.clone(),
        parsed.to.clone(),
        next.clone(),
        nonce.clone(),
        balance,
        nonce,
        credited.sub(&created),
    ];
    let twice = new.times(Scalar::from(2));
    let insert = [twice.clone(), twice, parsed.to.clone(), next, zero.clone(), zero.clone(), zero.clone(), created];

    // Escrow.
    let nonce = witness.map(|w| Scalar::from(w.escrow_nonce));
    let nonce = Lin::from(&alloc(cs, nonce)?);
    let balance = Lin::from(&alloc(cs, wide(witness.map(|w| w.escrow_balance)))?);
    let credited = balance.clone().add(&fee);
    range(cs, "escrow balance overflows", 128, &credited)?;
    let escrow_update = [
        sel.clone().add(&sends).add(&new),
        zero.clone(),
        sel.times(integer(&ESCROW)),
        zero,
        nonce.clone(),
        balance,
        nonce,
        credited,
    ];

    let mut port = |selector: &Lin, message: [Lin; 8]| {
        let selector = materialize(cs, "operation selector", selector)?;
        let message = message.each_ref().map(|x| materialize(cs, "operation", x));
        let [a, b, c, d, e, f, g, h] = message;
        Ok::<_, SynthesisError>((selector, [a?, b?, c?, d?, e?, f?, g?, h?]))
    };
    Ok([port(sel, sender_update)?, port(&sends, update_or_link)?, port(&new, insert)?, port(sel, escrow_update)?])
}
