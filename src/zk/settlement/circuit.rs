//! The slot's constraints; see the module's header for the rules.

use ff::Field;
use nova_snark::frontend::{AllocatedBit, ConstraintSystem, LinearCombination, SynthesisError, num::AllocatedNum};

use super::native::{
    CHUNK_ENTRIES, CHUNK_TREE_PORTS, DEBITABLE, EntryWitness, SETTLE_ELEMENTS, SettlementChunkWitness, TREE_ELEMENTS,
    start,
};
use crate::{
    Scalar,
    gadgets::{
        alloc, bit_as_num, bit_scalar, enforce_bits, enforce_implies, enforce_non_zero_if, enforce_zero_if, range_check,
    },
    poseidon::{
        Domain,
        gadget::{Gate, Input, Wire, hash4_wires},
    },
    statement::scalar_from_address,
};

/// A port of the slot.
#[derive(Clone, Debug)]
pub struct SettlementPort<const N: usize> {
    /// Boolean: whether the message is said.
    pub selector: AllocatedNum<Scalar>,
    /// The message.
    pub payload: [AllocatedNum<Scalar>; N],
}

/// Everything that the slot says and hears.
#[derive(Clone, Debug)]
pub struct SettlementPorts {
    /// SETTLE, received; selector `sel − is_first`.
    pub settle_in: SettlementPort<SETTLE_ELEMENTS>,
    /// SETTLE, sent; selector `sel − is_final`. Its last element counts the tree
    /// operations also in the final chunk, where the message is not said.
    pub settle_out: SettlementPort<SETTLE_ELEMENTS>,
    /// TREE, sent: update or link, then insert, of each entry.
    pub tree: [SettlementPort<TREE_ELEMENTS>; CHUNK_TREE_PORTS],
}

/// One chunk of a settlement, if `sel` is set.
///
/// `sel`, `is_first` and `is_final` must already be boolean; that the last two
/// imply the first is enforced here. `data_hi` and `data_lo` are the statement's.
/// The witness may be missing while a shape is built and in an idle slot, where
/// everything is then zero. The witness's flags are not read. Cost: 1477
/// constraints.
pub fn synthesize_settlement<CS>(
    cs: &mut CS,
    sel: &AllocatedBit,
    is_first: &AllocatedBit,
    is_final: &AllocatedBit,
    data_hi: &AllocatedNum<Scalar>,
    data_lo: &AllocatedNum<Scalar>,
    witness: Option<&SettlementChunkWitness>,
) -> Result<SettlementPorts, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    let idle = SettlementChunkWitness::default();
    let witness = match sel.get_value() {
        Some(false) => witness.or(Some(&idle)),
        _ => witness,
    };

    enforce_implies(&mut cs.namespace(|| "first is active"), is_first, sel);
    enforce_implies(&mut cs.namespace(|| "final is active"), is_final, sel);
    let not_first = difference(&mut cs.namespace(|| "not first"), sel, is_first)?;
    let not_final = difference(&mut cs.namespace(|| "not final"), sel, is_final)?;

    let mut before = Vec::with_capacity(SETTLE_ELEMENTS);
    for i in 0..SETTLE_ELEMENTS {
        before.push(alloc(cs, witness.map(|witness| witness.state.payload()[i]))?);
    }
    let before: [_; SETTLE_ELEMENTS] = before.try_into().expect("invariant: one number for each element");
    for (i, element) in before.iter().enumerate() {
        let constant = if i == 1 { start() } else { Scalar::ZERO };
        enforce_zero_if(&mut cs.namespace(|| "start"), is_first, |lc| {
            lc + element.get_variable() - (constant, CS::one())
        });
    }
    let [chunk, digest, count, sum, seq] = &before;

    let second = {
        let cs = &mut cs.namespace(|| "second entry");
        let second = AllocatedBit::alloc(&mut *cs, witness.map(|witness| witness.entries[1].is_some()))?;
        enforce_implies(cs, &second, sel);
        cs.enforce(
            || "only the final chunk may lack it",
            |lc| lc + not_final.get_variable(),
            |lc| lc + CS::one() - second.get_variable(),
            |lc| lc,
        );
        second
    };
    let zero = {
        let zero = alloc(cs, witness.map(|_| Scalar::ZERO))?;
        cs.enforce(|| "zero", |lc| lc + zero.get_variable(), |lc| lc + CS::one(), |lc| lc);
        zero
    };

    let mut tree = Vec::with_capacity(CHUNK_TREE_PORTS);
    let (mut digest, mut seq) = (digest.clone(), seq.clone());
    let mut signed = Vec::with_capacity(CHUNK_ENTRIES);
    for (i, used) in [sel, &second].into_iter().enumerate() {
        let cs = &mut cs.namespace(|| "entry");
        let entry = witness.map(|witness| witness.entries[i].unwrap_or_default());
        let entry = synthesize_entry(cs, used, &digest, &seq, &zero, entry.as_ref())?;
        digest = entry.digest;
        seq = entry.seq;
        signed.push(entry.signed);
        tree.extend(entry.ports);
    }

    let one_more = |number: &AllocatedNum<Scalar>, bits: &[&AllocatedBit]| {
        let bits = bits.iter().map(|bit| bit.get_value().map(bit_scalar));
        bits.fold(number.get_value(), |total, bit| Some(total? + bit?))
    };
    let chunk = linear(cs, one_more(chunk, &[sel]), |lc| lc + chunk.get_variable() + sel.get_variable())?;
    let count = linear(cs, one_more(count, &[sel, &second]), |lc| {
        lc + count.get_variable() + sel.get_variable() + second.get_variable()
    })?;
    let total = signed.iter().fold(sum.get_value(), |total, term| Some(total? + term.get_value()?));
    let sum = linear(cs, total, |lc| signed.iter().fold(lc + sum.get_variable(), |lc, term| lc + term.get_variable()))?;

    {
        let cs = &mut cs.namespace(|| "final");
        let equal = |a: &AllocatedNum<Scalar>, b: &AllocatedNum<Scalar>| {
            let (a, b) = (a.get_variable(), b.get_variable());
            move |lc: LinearCombination<Scalar>| lc + a - b
        };
        enforce_zero_if(&mut cs.namespace(|| "digest"), is_final, equal(&digest, data_lo));
        enforce_zero_if(&mut cs.namespace(|| "count"), is_final, equal(&count, data_hi));
        enforce_zero_if(&mut cs.namespace(|| "sum"), is_final, |lc| lc + sum.get_variable());
    }
    Ok(SettlementPorts {
        settle_in: SettlementPort { selector: not_first, payload: before },
        settle_out: SettlementPort { selector: not_final, payload: [chunk, digest, count, sum, seq] },
        tree: tree.try_into().expect("invariant: two ports for each entry"),
    })
}

/// What an entry leaves behind.
struct Entry {
    digest: AllocatedNum<Scalar>,
    seq: AllocatedNum<Scalar>,
    /// The amount, negative for a debit, zero where the entry is unused.
    signed: AllocatedNum<Scalar>,
    ports: [SettlementPort<TREE_ELEMENTS>; 2],
}

fn synthesize_entry<CS>(
    cs: &mut CS,
    used: &AllocatedBit,
    digest: &AllocatedNum<Scalar>,
    seq: &AllocatedNum<Scalar>,
    zero: &AllocatedNum<Scalar>,
    witness: Option<&EntryWitness>,
) -> Result<Entry, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    let credit = AllocatedBit::alloc(&mut *cs, witness.map(|entry| entry.credit))?;
    let is_new = AllocatedBit::alloc(&mut *cs, witness.map(|entry| entry.is_new))?;
    enforce_implies(&mut cs.namespace(|| "a credit is used"), &credit, used);
    enforce_implies(&mut cs.namespace(|| "a new account is credited"), &is_new, &credit);

    let address = alloc(cs, witness.map(|entry| entry.address))?;
    let amount = alloc(cs, witness.map(|entry| entry.amount))?;
    let next = alloc(cs, witness.map(|entry| entry.next))?;
    let nonce = alloc(cs, witness.map(|entry| entry.nonce))?;
    let balance_old = alloc(cs, witness.map(|entry| entry.balance_old))?;
    range_check(&mut cs.namespace(|| "address"), &address, 160)?;
    range_check(&mut cs.namespace(|| "amount"), &amount, 128)?;
    enforce_non_zero_if(&mut cs.namespace(|| "amount"), used, &amount)?;

    // Values that have no meaning in an entry of this kind are zero.
    let unused = |lc: LinearCombination<Scalar>| lc + CS::one() - used.get_variable();
    let not_existing = |lc: LinearCombination<Scalar>| unused(lc) + is_new.get_variable();
    let not_new = |lc: LinearCombination<Scalar>| lc + CS::one() - is_new.get_variable();
    vanish(cs, "address if unused", &address, unused);
    vanish(cs, "amount if unused", &amount, unused);
    vanish(cs, "nonce if there is none", &nonce, not_existing);
    vanish(cs, "balance if there is none", &balance_old, not_existing);
    vanish(cs, "next if not new", &next, not_new);

    let amount_value = amount.get_value();
    let times = |bit: &AllocatedBit| Some(bit_scalar(bit.get_value()?) * amount_value?);
    let credited = product(&mut cs.namespace(|| "credited"), times(&credit), &credit, &amount)?;
    let inserted = product(&mut cs.namespace(|| "inserted"), times(&is_new), &is_new, &amount)?;
    let twice = Scalar::from(2);
    let signed = linear(
        cs,
        credited.get_value().zip(amount_value).map(|(credited, amount)| credited.double() - amount),
        |lc| lc + (twice, credited.get_variable()) - amount.get_variable(),
    )?;
    let updated = {
        let value = [&signed, &inserted].map(AllocatedNum::get_value);
        let value = match (balance_old.get_value(), value) {
            (Some(old), [Some(signed), Some(inserted)]) => Some(old + signed - inserted),
            _ => None,
        };
        linear(cs, value, |lc| lc + balance_old.get_variable() + signed.get_variable() - inserted.get_variable())?
    };
    enforce_bits(&mut cs.namespace(|| "balance"), updated.get_value(), 128, |lc| lc + updated.get_variable())?;
    enforce_debitable(&mut cs.namespace(|| "debit"), used, &credit, &address)?;

    let digest = synthesize_digest(cs, used, [digest, &address, &amount, &bit_as_num(&credit)])?;

    let new = bit_as_num(&is_new);
    let plus = |a: Option<Scalar>, b: &AllocatedBit| Some(a? + bit_scalar(b.get_value()?));
    let mode = linear(cs, new.get_value().map(|new| new.double()), |lc| lc + (twice, new.get_variable()))?;
    let seq_insert = linear(cs, plus(seq.get_value(), &is_new), |lc| lc + seq.get_variable() + is_new.get_variable())?;
    let seq_after =
        linear(cs, plus(seq_insert.get_value(), used), |lc| lc + seq_insert.get_variable() + used.get_variable())?;

    let change = SettlementPort {
        selector: bit_as_num(used),
        payload: [seq.clone(), new.clone(), address.clone(), next.clone(), nonce.clone(), balance_old, nonce, updated],
    };
    let insert = SettlementPort {
        selector: new,
        payload: [seq_insert, mode, address, next, zero.clone(), zero.clone(), zero.clone(), inserted],
    };
    Ok(Entry { digest, seq: seq_after, signed, ports: [change, insert] })
}

/// The digest after the entry, or the digest as it was if the entry is unused:
/// used·(hash − digest) = after − digest.
fn synthesize_digest<CS>(
    cs: &mut CS,
    used: &AllocatedBit,
    inputs: [&AllocatedNum<Scalar>; 4],
) -> Result<AllocatedNum<Scalar>, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    let before = inputs[0];
    let inputs = inputs.map(|input| Input::Wire(Wire::of(cs, input)));
    let gate = Gate::selected(used);
    let hash = hash4_wires(cs.namespace(|| "hash"), &gate, Domain::Settlement, &inputs)?;
    let value = match used.get_value() {
        Some(true) => hash.value(),
        Some(false) => before.get_value(),
        None => None,
    };
    let after = alloc(cs, value)?;
    cs.enforce(
        || "digest",
        |lc| lc + used.get_variable(),
        |_| hash.lc() - before.get_variable(),
        |lc| lc + after.get_variable() - before.get_variable(),
    );
    Ok(after)
}

/// A debit is of escrow, issuance or stake: (used − credit)·Π(address − used·sᵢ) = 0.
/// The constants carry `used`, so that an unused entry has zeros here. Cost: 3.
fn enforce_debitable<CS>(
    cs: &mut CS,
    used: &AllocatedBit,
    credit: &AllocatedBit,
    address: &AllocatedNum<Scalar>,
) -> Result<(), SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    let [escrow, issuance, stake] = DEBITABLE.map(|account| scalar_from_address(&account));
    let value = |account: Scalar| Some(address.get_value()? - bit_scalar(used.get_value()?) * account);
    let term = |account: Scalar| {
        let (address, used) = (address.get_variable(), used.get_variable());
        move |lc: LinearCombination<Scalar>| lc + address - (account, used)
    };
    let both = alloc(cs, value(escrow).zip(value(issuance)).map(|(a, b)| a * b))?;
    cs.enforce(|| "two", term(escrow), term(issuance), |lc| lc + both.get_variable());
    let all = alloc(cs, both.get_value().zip(value(stake)).map(|(a, b)| a * b))?;
    cs.enforce(|| "three", |lc| lc + both.get_variable(), term(stake), |lc| lc + all.get_variable());
    cs.enforce(
        || "of a system account",
        |lc| lc + used.get_variable() - credit.get_variable(),
        |lc| lc + all.get_variable(),
        |lc| lc,
    );
    Ok(())
}

/// `factor · number = 0`.
fn vanish<CS>(
    cs: &mut CS,
    name: &'static str,
    number: &AllocatedNum<Scalar>,
    factor: impl FnOnce(LinearCombination<Scalar>) -> LinearCombination<Scalar>,
) where
    CS: ConstraintSystem<Scalar>,
{
    cs.enforce(|| name, |lc| lc + number.get_variable(), factor, |lc| lc);
}

/// A new number that equals a linear combination. Cost: 1.
fn linear<CS>(
    cs: &mut CS,
    value: Option<Scalar>,
    lc: impl FnOnce(LinearCombination<Scalar>) -> LinearCombination<Scalar>,
) -> Result<AllocatedNum<Scalar>, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    let out = alloc(cs, value)?;
    cs.enforce(|| "linear", lc, |lc| lc + CS::one(), |lc| lc + out.get_variable());
    Ok(out)
}

/// A new number that equals bit · number. Cost: 1.
fn product<CS>(
    cs: &mut CS,
    value: Option<Scalar>,
    bit: &AllocatedBit,
    number: &AllocatedNum<Scalar>,
) -> Result<AllocatedNum<Scalar>, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    let out = alloc(cs, value)?;
    cs.enforce(
        || "product",
        |lc| lc + bit.get_variable(),
        |lc| lc + number.get_variable(),
        |lc| lc + out.get_variable(),
    );
    Ok(out)
}

/// A new number that equals `a − b`, boolean where `b` implies `a`. Cost: 1.
fn difference<CS>(cs: &mut CS, a: &AllocatedBit, b: &AllocatedBit) -> Result<AllocatedNum<Scalar>, SynthesisError>
where
    CS: ConstraintSystem<Scalar>,
{
    let value = a.get_value().zip(b.get_value()).map(|(a, b)| bit_scalar(a) - bit_scalar(b));
    linear(cs, value, |lc| lc + a.get_variable() - b.get_variable())
}
