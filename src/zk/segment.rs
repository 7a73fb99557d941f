//! The universal shape: every slot once or a few times, and the rules that tie
//! them into one segment of an item.
//!
//! ```text
//!   z_in ─► keccak-f ┐                                            ┌─► z_out
//!           curve    │ ports ─► chain h (Poseidon) ─► γ, β ─► bus ┤
//!           tree × 4 │            (all segments)                  │
//!           transfer │                                            │
//!           settle   ┘                                            │
//! ```
//!
//! Synthesis has three steps, because γ and β exist only when the chain over
//! all segments is finished: [`slots`], then [`chain`], then [`balance`]. The
//! shape is the three in a row.
//!
//! Rules of this module (numbers of the bus rules are those of the design):
//! - phase goes 0 → 2 by one transfer, or 0 → 1 → … → 2 by the chunks of one
//!   settlement, and stays otherwise (rule 4: not vacuous, exactly one logic);
//! - the first segment starts from phase 0, sequence 0, an empty bus, a chain
//!   that has absorbed the statement, and the pre-state root; the last one ends
//!   in phase 2, a balanced bus, the post-state root, and (γ, β) squeezed from
//!   its chain (rule 6);
//! - the four tree slots work one after the other on the running root.
//!
//! The verifier checks the links between segments and that statement and
//! challenges are the same in all of them (module `item`).

use ff::Field;
use nova_snark::frontend::{AllocatedBit, ConstraintSystem, SynthesisError, num::AllocatedNum};

use crate::{
    Scalar,
    bus::{self, Kind, Port, Side},
    keccak, poseidon,
    poseidon::Domain,
    secp256k1::{ChunkWitness, synthesize_chunk},
    settlement::{SettlementChunkWitness, synthesize_settlement},
    statement::{STATEMENT_LEN, StatementElements, StatementIndex},
    transfer::{StatementVars, TransferWitness, synthesize_transfer},
    tree::{OpWitness, circuit::synthesize_tree_op},
};

/// Tree operations that one segment can do.
pub const TREE_SLOTS: usize = 4;

/// The item logic that a segment runs, if any.
#[derive(Clone, Debug, Default)]
pub enum Logic {
    /// None.
    #[default]
    Idle,
    /// A whole transfer.
    Transfer(Box<TransferWitness>),
    /// One chunk of a settlement.
    Settlement(Box<SettlementChunkWitness>),
}

/// What each slot of a segment does.
#[derive(Clone, Debug, Default)]
pub struct SegmentSlots {
    /// Input of the permutation.
    pub keccak: Option<[u64; 25]>,
    /// A part of a signature verification.
    pub curve: Option<ChunkWitness>,
    /// Tree operations, in order; at most [`TREE_SLOTS`].
    pub tree: Vec<OpWitness>,
    /// Item logic.
    pub logic: Logic,
}

/// The public values that a segment starts from.
#[derive(Clone, Debug)]
pub struct SegmentStart {
    /// First segment of its item.
    pub first: bool,
    /// Last segment of its item.
    pub last: bool,
    /// The item's statement.
    pub statement: StatementElements,
    /// Phase before it.
    pub phase: Scalar,
    /// Tree operations before it.
    pub next_seq: Scalar,
    /// Tree root before it.
    pub root: Scalar,
    /// Next free leaf before it.
    pub leaf_count: Scalar,
}

type Num = AllocatedNum<Scalar>;

/// The state that the slots change in order.
#[derive(Clone)]
pub struct Running {
    /// Phase of the item.
    pub phase: Num,
    /// Next sequence number of a tree operation.
    pub next_seq: Num,
    /// Root of the account tree.
    pub root: Num,
    /// Next free leaf index.
    pub leaf_count: Num,
}

/// The slots of one segment, synthesized.
pub struct SlotVars {
    first: Num,
    last: Num,
    statement: Vec<Num>,
    /// Running values after the segment (public inputs).
    pub after: Running,
    ports: Vec<Port>,
}

/// First step: public inputs and slots.
///
/// # Errors
/// Those of the constraint system; [`SynthesisError::AssignmentMissing`] when
/// a witness has more tree operations than slots.
pub fn slots<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    start: Option<&SegmentStart>,
    work: Option<&SegmentSlots>,
) -> Result<SlotVars, SynthesisError> {
    if work.is_some_and(|w| w.tree.len() > TREE_SLOTS) {
        return Err(SynthesisError::AssignmentMissing);
    }
    let input = |cs: &mut CS, name: &'static str, value: Option<Scalar>| {
        AllocatedNum::alloc_input(cs.namespace(|| name), || value.ok_or(SynthesisError::AssignmentMissing))
    };
    let flag = |b: bool| if b { Scalar::ONE } else { Scalar::ZERO };
    let first = input(cs, "first", start.map(|s| flag(s.first)))?;
    let last = input(cs, "last", start.map(|s| flag(s.last)))?;
    boolean(cs, &first);
    boolean(cs, &last);
    let mut statement = Vec::with_capacity(STATEMENT_LEN);
    for i in 0..STATEMENT_LEN {
        statement.push(input(cs, "statement", start.map(|s| s.statement.elements[i]))?);
    }
    let before = Running {
        phase: input(cs, "phase before", start.map(|s| s.phase))?,
        next_seq: input(cs, "sequence before", start.map(|s| s.next_seq))?,
        root: input(cs, "root before", start.map(|s| s.root))?,
        leaf_count: input(cs, "leaf count before", start.map(|s| s.leaf_count))?,
    };
    let mut ports = Vec::with_capacity(24);

    keccak_slot(cs, work, &mut ports)?;
    curve_slot(cs, work, &mut ports)?;
    let (root, leaf_count, next_seq) = tree_slots(cs, &before, work, &mut ports)?;
    let transfer = transfer_slot(cs, &statement, work, &mut ports)?;
    let settlement = settlement_slot(cs, &statement, work, &mut ports)?;
    let phase = phase_after(cs, &before.phase, &transfer, &settlement)?;

    let output = |cs: &mut CS, name: &'static str, computed: &Num| -> Result<Num, SynthesisError> {
        let public = input(cs, name, computed.get_value())?;
        equal(cs, &public, computed);
        Ok(public)
    };
    let after = Running {
        phase: output(cs, "phase after", &phase)?,
        next_seq: output(cs, "sequence after", &next_seq)?,
        root: output(cs, "root after", &root)?,
        leaf_count: output(cs, "leaf count after", &leaf_count)?,
    };

    // Start and end conditions that do not depend on the chain.
    let pre_root = state_root(&mut cs.namespace(|| "pre"), &before.root, &before.leaf_count)?;
    let post_root = state_root(&mut cs.namespace(|| "post"), &after.root, &after.leaf_count)?;
    when_equal(cs, &first, &pre_root, &statement[StatementIndex::Pre as usize]);
    when_zero(cs, &first, &before.phase);
    when_zero(cs, &first, &before.next_seq);
    when_equal(cs, &last, &post_root, &statement[StatementIndex::Post as usize]);
    cs.enforce(
        || "the last segment ends in phase 2",
        |lc| lc + last.get_variable(),
        |lc| lc + after.phase.get_variable() - (Scalar::from(2), CS::one()),
        |lc| lc,
    );
    Ok(SlotVars { first, last, statement, after, ports })
}

/// Second step: the chain over the statement (first segment) and all ports.
/// Returns the public input `h` after the segment.
///
/// # Errors
/// Those of the constraint system.
pub fn chain<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    vars: &SlotVars,
    h_in: Option<Scalar>,
) -> Result<Num, SynthesisError> {
    let h_in =
        AllocatedNum::alloc_input(cs.namespace(|| "h before"), || h_in.ok_or(SynthesisError::AssignmentMissing))?;
    let zero = bus::constant_zero(cs)?;
    let mut padded = vars.statement.clone();
    padded.resize(bus::ABSORB_RATE + 1, zero);
    let padded: [Num; bus::ABSORB_RATE + 1] = padded.try_into().map_err(|_| SynthesisError::AssignmentMissing)?;
    let absorbed = poseidon::gadget::hash24(cs.namespace(|| "statement"), Domain::Statement, &padded)?;
    when_equal(cs, &vars.first, &h_in, &absorbed);
    let computed = bus::absorb(cs, &h_in, &vars.ports)?;
    let h_out = AllocatedNum::alloc_input(cs.namespace(|| "h after"), || {
        computed.get_value().ok_or(SynthesisError::AssignmentMissing)
    })?;
    equal(cs, &h_out, &computed);
    Ok(h_out)
}

/// Third step: challenges and the bus. Returns the public input `bus` after
/// the segment.
///
/// # Errors
/// Those of the constraint system and of [`bus::sum`].
pub fn balance<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    vars: &SlotVars,
    h_out: &Num,
    challenges: Option<(Scalar, Scalar)>,
    bus_in: Option<Scalar>,
) -> Result<Num, SynthesisError> {
    let input = |cs: &mut CS, name: &'static str, value: Option<Scalar>| {
        AllocatedNum::alloc_input(cs.namespace(|| name), || value.ok_or(SynthesisError::AssignmentMissing))
    };
    let gamma = input(cs, "gamma", challenges.map(|c| c.0))?;
    let beta = input(cs, "beta", challenges.map(|c| c.1))?;
    let bus_in = input(cs, "bus before", bus_in)?;
    for (tag, challenge) in [(0u64, &gamma), (1, &beta)] {
        let tag_var = AllocatedNum::alloc(cs.namespace(|| "tag"), || Ok(Scalar::from(tag)))?;
        cs.enforce(
            || "tag is its constant",
            |lc| lc + tag_var.get_variable() - (Scalar::from(tag), CS::one()),
            |lc| lc + CS::one(),
            |lc| lc,
        );
        let squeezed =
            poseidon::gadget::hash2(cs.namespace(|| "squeeze"), Domain::Challenge, &[h_out.clone(), tag_var])?;
        when_equal(cs, &vars.last, challenge, &squeezed);
    }
    let (total, value) = bus::sum(cs, &vars.ports, &gamma, &beta, &bus_in)?;
    let bus_out = input(cs, "bus after", value)?;
    cs.enforce(|| "bus after is the sum", |lc| lc + &total - bus_out.get_variable(), |lc| lc + CS::one(), |lc| lc);
    when_zero(cs, &vars.first, &bus_in);
    when_zero(cs, &vars.last, &bus_out);
    Ok(bus_out)
}

fn keccak_slot<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    work: Option<&SegmentSlots>,
    ports: &mut Vec<Port>,
) -> Result<(), SynthesisError> {
    let selector = AllocatedBit::alloc(cs.namespace(|| "keccak selector"), work.map(|w| w.keccak.is_some()))?;
    let idle = [0u64; 25];
    let input = work.map(|w| w.keccak.as_ref().unwrap_or(&idle));
    let slot = keccak::synthesize_keccak_f(&mut cs.namespace(|| "keccak"), &selector, input)?;
    let payload = slot.input.into_iter().chain(slot.output).collect();
    ports.push(Port { kind: Kind::Keccak, side: Side::Send, selector: number(&selector), payload });
    Ok(())
}

fn curve_slot<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    work: Option<&SegmentSlots>,
    ports: &mut Vec<Port>,
) -> Result<(), SynthesisError> {
    let selector = AllocatedBit::alloc(cs.namespace(|| "curve selector"), work.map(|w| w.curve.is_some()))?;
    let witness = work.and_then(|w| w.curve.as_ref());
    let slot = synthesize_chunk(&mut cs.namespace(|| "curve"), &selector, witness)?;
    let mut push =
        |kind, side, (selector, payload): (Num, Vec<Num>)| ports.push(Port { kind, side, selector, payload });
    push(Kind::CurveState, Side::Receive, slot.state_in);
    push(Kind::CurveState, Side::Send, slot.state_out);
    push(Kind::Signature, Side::Send, slot.sig);
    Ok(())
}

fn tree_slots<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    before: &Running,
    work: Option<&SegmentSlots>,
    ports: &mut Vec<Port>,
) -> Result<(Num, Num, Num), SynthesisError> {
    let (mut root, mut leaf_count, mut next_seq) =
        (before.root.clone(), before.leaf_count.clone(), before.next_seq.clone());
    for i in 0..TREE_SLOTS {
        let witness = work.and_then(|w| w.tree.get(i));
        let selector = AllocatedBit::alloc(cs.namespace(|| "tree selector"), work.map(|w| i < w.tree.len()))?;
        let slot = synthesize_tree_op(&mut cs.namespace(|| "tree"), &selector, &root, &leaf_count, &next_seq, witness)?;
        (root, leaf_count, next_seq) = (slot.root_out, slot.leaf_count_out, slot.next_seq_out);
        ports.push(Port {
            kind: Kind::Tree,
            side: Side::Receive,
            selector: number(&selector),
            payload: slot.message.into(),
        });
    }
    Ok((root, leaf_count, next_seq))
}

fn transfer_slot<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    statement: &[Num],
    work: Option<&SegmentSlots>,
    ports: &mut Vec<Port>,
) -> Result<AllocatedBit, SynthesisError> {
    let selector =
        AllocatedBit::alloc(cs.namespace(|| "transfer selector"), work.map(|w| matches!(w.logic, Logic::Transfer(_))))?;
    let witness = work.and_then(|w| match &w.logic {
        Logic::Transfer(witness) => Some(witness.as_ref()),
        _ => None,
    });
    let at = |index: StatementIndex| statement[index as usize].clone();
    let vars = StatementVars {
        data_hi: at(StatementIndex::DataHi),
        data_lo: at(StatementIndex::DataLo),
        sender: at(StatementIndex::Sender),
        env: at(StatementIndex::Env),
    };
    let slot = synthesize_transfer(&mut cs.namespace(|| "transfer"), &selector, &vars, witness)?;
    // A verifier may know the environment by its digest alone.
    when_equal(cs, &number(&selector), &slot.chain_id, &statement[StatementIndex::Chain as usize]);
    let mut receive = |kind, payload| {
        ports.push(Port { kind, side: Side::Receive, selector: number(&selector), payload });
    };
    for message in slot.keccak {
        receive(Kind::Keccak, message.into());
    }
    receive(Kind::Signature, slot.sig.into());
    for (selector, message) in slot.tree {
        ports.push(Port { kind: Kind::Tree, side: Side::Send, selector, payload: message.into() });
    }
    Ok(selector)
}

/// Selectors of the settlement slot that the phase depends on.
struct SettlementFlags {
    used: AllocatedBit,
    is_first: AllocatedBit,
    is_final: AllocatedBit,
}

fn settlement_slot<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    statement: &[Num],
    work: Option<&SegmentSlots>,
    ports: &mut Vec<Port>,
) -> Result<SettlementFlags, SynthesisError> {
    let witness = work.and_then(|w| match &w.logic {
        Logic::Settlement(witness) => Some(witness.as_ref()),
        _ => None,
    });
    let bit = |cs: &mut CS, name: &'static str, of: fn(&SettlementChunkWitness) -> bool| {
        AllocatedBit::alloc(cs.namespace(|| name), work.map(|_| witness.is_some_and(of)))
    };
    let used = bit(cs, "settlement selector", |_| true)?;
    let is_first = bit(cs, "settlement starts", |w| w.is_first)?;
    let is_final = bit(cs, "settlement ends", |w| w.is_final)?;
    let slot = synthesize_settlement(
        &mut cs.namespace(|| "settlement"),
        &used,
        &is_first,
        &is_final,
        &statement[StatementIndex::DataHi as usize],
        &statement[StatementIndex::DataLo as usize],
        witness,
    )?;
    // A settlement has no sender; a transfer's sender is a key's address.
    when_zero(cs, &number(&used), &statement[StatementIndex::Sender as usize]);
    let mut push = |kind, side, selector, payload: Vec<Num>| ports.push(Port { kind, side, selector, payload });
    push(Kind::Settlement, Side::Receive, slot.settle_in.selector, slot.settle_in.payload.into());
    push(Kind::Settlement, Side::Send, slot.settle_out.selector, slot.settle_out.payload.into());
    for port in slot.tree {
        push(Kind::Tree, Side::Send, port.selector, port.payload.into());
    }
    Ok(SettlementFlags { used, is_first, is_final })
}

/// `after = 2·transfer + (used + final) + (1 − transfer − used)·before`, with
/// a transfer or a settlement's first chunk only in phase 0 and its other
/// chunks only in phase 1.
fn phase_after<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    before: &Num,
    transfer: &AllocatedBit,
    settlement: &SettlementFlags,
) -> Result<Num, SynthesisError> {
    let SettlementFlags { used, is_first, is_final } = settlement;
    cs.enforce(
        || "one item logic in a segment",
        |lc| lc + transfer.get_variable(),
        |lc| lc + used.get_variable(),
        |lc| lc,
    );
    cs.enforce(
        || "logic starts in phase 0",
        |lc| lc + transfer.get_variable() + is_first.get_variable(),
        |lc| lc + before.get_variable(),
        |lc| lc,
    );
    cs.enforce(
        || "logic goes on in phase 1",
        |lc| lc + used.get_variable() - is_first.get_variable(),
        |lc| lc + before.get_variable() - CS::one(),
        |lc| lc,
    );
    let after = AllocatedNum::alloc(cs.namespace(|| "phase"), || {
        let bit = |b: &AllocatedBit| b.get_value().map(|v| if v { Scalar::ONE } else { Scalar::ZERO });
        let value = || {
            let (t, u, f) = (bit(transfer)?, bit(used)?, bit(is_final)?);
            Some(t.double() + u + f + (Scalar::ONE - t - u) * before.get_value()?)
        };
        value().ok_or(SynthesisError::AssignmentMissing)
    })?;
    cs.enforce(
        || "phase after",
        |lc| lc + CS::one() - transfer.get_variable() - used.get_variable(),
        |lc| lc + before.get_variable(),
        |lc| {
            lc + after.get_variable()
                - (Scalar::from(2), transfer.get_variable())
                - used.get_variable()
                - is_final.get_variable()
        },
    );
    Ok(after)
}

/// The chain's state root in a circuit; natively `tree::state_root`.
fn state_root<CS: ConstraintSystem<Scalar>>(cs: &mut CS, root: &Num, leaf_count: &Num) -> Result<Num, SynthesisError> {
    let zero = bus::constant_zero(cs)?;
    poseidon::gadget::hash4(
        cs.namespace(|| "state root"),
        Domain::Root,
        &[root.clone(), leaf_count.clone(), zero.clone(), zero],
    )
}

fn number(bit: &AllocatedBit) -> Num {
    AllocatedNum::from_parts(bit.get_variable(), bit.get_value().map(|b| if b { Scalar::ONE } else { Scalar::ZERO }))
}

fn boolean<CS: ConstraintSystem<Scalar>>(cs: &mut CS, x: &Num) {
    cs.enforce(|| "boolean", |lc| lc + x.get_variable(), |lc| lc + CS::one() - x.get_variable(), |lc| lc);
}

fn equal<CS: ConstraintSystem<Scalar>>(cs: &mut CS, a: &Num, b: &Num) {
    cs.enforce(|| "equal", |lc| lc + a.get_variable() - b.get_variable(), |lc| lc + CS::one(), |lc| lc);
}

fn when_equal<CS: ConstraintSystem<Scalar>>(cs: &mut CS, when: &Num, a: &Num, b: &Num) {
    cs.enforce(|| "equal when", |lc| lc + when.get_variable(), |lc| lc + a.get_variable() - b.get_variable(), |lc| lc);
}

fn when_zero<CS: ConstraintSystem<Scalar>>(cs: &mut CS, when: &Num, a: &Num) {
    cs.enforce(|| "zero when", |lc| lc + when.get_variable(), |lc| lc + a.get_variable(), |lc| lc);
}

#[cfg(test)]
mod tests;
