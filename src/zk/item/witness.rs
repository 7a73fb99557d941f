//! From what the slots do to the witnesses of an item's segments.
//!
//! The slots of all segments are synthesized in parallel; the chain `h` runs
//! through them in order; with (γ, β) squeezed from its end the bus is summed.
//! Everything is deterministic: equal slots and statement give equal witnesses,
//! so anyone can recompute an item's witnesses from public data.

use ff::Field;
use nova_snark::frontend::{SynthesisError, num::AllocatedNum, solver::SatisfyingAssignment};
use rayon::prelude::*;

use crate::{
    Engine, Scalar, bus,
    item::trace::{ItemTrace, statement_chain},
    proof::witness::LeafWitness,
    segment::{self, Logic, SegmentSlots, SegmentStart, SlotVars},
    statement::{StatementElements, Z},
};

/// The witnesses of an item and the running values between its segments.
pub struct ItemWitness {
    /// One per segment.
    pub leaves: Vec<LeafWitness>,
    /// The running values.
    pub trace: ItemTrace,
}

/// Variables of a segment, so that the witness's vector is allocated once.
const VARIABLES_HINT: usize = 1 << 18;

/// Synthesizes every segment of an item that starts from tree root `root` and
/// `leaf_count` used leaves.
///
/// # Errors
/// [`SynthesisError`] when the slots' witnesses are incomplete; whether they
/// satisfy the constraints shows when the proof is made.
pub fn synthesize(
    statement: &StatementElements,
    root: Scalar,
    leaf_count: Scalar,
    segments: &[SegmentSlots],
) -> Result<ItemWitness, SynthesisError> {
    let starts = starts(statement, root, leaf_count, segments);
    let mut parts = starts
        .par_iter()
        .zip(segments)
        .map(|(start, work)| {
            let mut cs = SatisfyingAssignment::<Engine>::with_capacity(VARIABLES_HINT, crate::statement::PUBLIC_LEN);
            let vars = segment::slots(&mut cs, Some(start), Some(work))?;
            Ok((cs, vars))
        })
        .collect::<Result<Vec<_>, SynthesisError>>()?;

    let mut h = statement_chain(statement);
    let mut chains = Vec::with_capacity(parts.len());
    for (cs, vars) in &mut parts {
        let h_out = segment::chain(cs, vars, Some(h))?;
        h = value(&h_out)?;
        chains.push(h_out);
    }
    let (gamma, beta) = bus::challenges(h);

    let mut sum = Scalar::ZERO;
    let mut leaves = Vec::with_capacity(parts.len());
    let mut after = Vec::with_capacity(parts.len());
    for ((mut cs, vars), h_out) in parts.into_iter().zip(&chains) {
        let bus_out = segment::balance(&mut cs, &vars, h_out, Some((gamma, beta)), Some(sum))?;
        sum = value(&bus_out)?;
        after.push(running(&vars, value(h_out)?, sum)?);
        leaves.push(LeafWitness { w: cs.aux_assignment().to_vec(), x: cs.input_assignment()[1..].to_vec() });
    }
    Ok(ItemWitness { leaves, trace: ItemTrace { root, leaf_count, gamma, beta, after } })
}

/// What each segment starts from, following the operations of those before it.
fn starts(
    statement: &StatementElements,
    root: Scalar,
    leaf_count: Scalar,
    segments: &[SegmentSlots],
) -> Vec<SegmentStart> {
    let n = segments.len();
    let mut next = SegmentStart {
        first: true,
        last: n == 1,
        statement: statement.clone(),
        phase: Scalar::ZERO,
        next_seq: Scalar::ZERO,
        root,
        leaf_count,
    };
    let mut starts = Vec::with_capacity(n);
    for (i, work) in segments.iter().enumerate() {
        starts.push(next.clone());
        next.first = false;
        next.last = i + 2 == n;
        next.next_seq += Scalar::from(work.tree.len() as u64);
        if let Some(op) = work.tree.last() {
            next.root = op.root_after;
            next.leaf_count = Scalar::from(op.leaf_count_after());
        }
        next.phase = match &work.logic {
            Logic::Idle => next.phase,
            Logic::Transfer(_) => Scalar::from(2),
            Logic::Settlement(chunk) if chunk.is_final => Scalar::from(2),
            Logic::Settlement(_) => Scalar::ONE,
        };
    }
    starts
}

fn running(vars: &SlotVars, h: Scalar, bus: Scalar) -> Result<Z, SynthesisError> {
    Ok(Z {
        phase: value(&vars.after.phase)?,
        h,
        bus,
        next_seq: value(&vars.after.next_seq)?,
        root: value(&vars.after.root)?,
        leaf_count: value(&vars.after.leaf_count)?,
    })
}

fn value(number: &AllocatedNum<Scalar>) -> Result<Scalar, SynthesisError> {
    number.get_value().ok_or(SynthesisError::AssignmentMissing)
}
