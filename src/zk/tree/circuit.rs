//! The slot that proves one operation on the tree.
//!
//! With `u`, `l`, `i` for update, link and insert (at most one is 1, their sum
//! is `sel`), `o` and `n` for the leaf before and after, `m` for the message:
//!
//! ```text
//! field    update        link                insert             idle
//! o.key    m.key         the tree's          0                  0
//! o.next   the tree's    m.next              0                  0
//! o.nonce  m.nonce_old   the tree's          0                  0
//! o.rest   the tree's    the tree's          0                  0
//! n.key    o.key         o.key               m.key              0
//! n.next   o.next        m.key               m.next             0
//! n.nonce  m.nonce_new   o.nonce             m.nonce_new        0
//! n.rest   o.rest        o.rest              EMPTY_REST         0
//! order    -             o.key < m.key < m.next (2^160 for 0)   -
//! index    any           any                 leaf_count_in      0
//! before   H(o)          H(o)                the unused leaf    -
//! ```
//!
//! (balance as nonce). What a mode does not say in its message is 0. The path
//! from the leaf before must lead to `root_in`; `root_out` is the same path
//! from the leaf after. An idle slot says 0 and passes root, leaf count and
//! number through.
//!
//! **Ranges.** A link proves `0 <= o.key < m.key < 2^160` by two 160-bit
//! differences: keys in the tree are below 2^160 by induction from the first
//! leaf, so neither difference can wrap. An insert takes key and next from its
//! message; the item logic sends it only behind a link with the same two.
//! Nonces (u64) and balances (u128) are not range-checked here: old values come
//! from a tree whose first state is valid, new ones from the item logic, which
//! range-checks what it computes. The slot only moves them.
//!
//! **What the slot does not know.** That an insert follows its link, and that
//! operations are consecutive: the item logic numbers its messages, and
//! `next_seq` forces the slots to consume them in that order.
//!
//! Position bits and siblings of an idle slot have no effect; bits are 0 there.
//!
//! Cost: two arity-8 and 2·[`DEPTH`] arity-4 hashes, 8 constraints a level for
//! bits and children, 2·160 for the order, and about 40 for the table.

use ff::{Field, PrimeField};
use nova_snark::frontend::{
    AllocatedBit, ConstraintSystem, LinearCombination, SynthesisError, Variable, num::AllocatedNum,
};

use super::{ARITY, DEPTH, KEY_BITS, Leaf, OpMode, OpWitness, empty_hash, empty_rest, key_scalar};
use crate::{
    Scalar,
    poseidon::{
        Domain,
        gadget::{Gate, Input, Wire, hash4_wires, hash8_wires},
    },
};

type Num = AllocatedNum<Scalar>;

/// What the slot says and passes on.
#[derive(Clone, Debug)]
pub struct TreeOpPorts {
    /// The TREE payload ([`OpWitness::message`]); zeros when idle.
    pub message: [Num; 8],
    /// The tree's root after.
    pub root_out: Num,
    /// Used leaf positions after.
    pub leaf_count_out: Num,
    /// The number that the next operation must have.
    pub next_seq_out: Num,
}

/// The witness as field elements; zeros when idle.
#[derive(Clone)]
pub(super) struct Values {
    pub(super) link: bool,
    pub(super) insert: bool,
    pub(super) message: [Scalar; 8],
    pub(super) old: [Scalar; 5],
    pub(super) new: [Scalar; 5],
    /// 1 if a link's next is 0.
    pub(super) ends: Scalar,
    /// Of a link's next if that is not 0.
    pub(super) inverse: Scalar,
    /// Position within the parent, from the leaves upwards.
    pub(super) positions: [u8; DEPTH],
    /// In the order in which [`children`] takes them.
    pub(super) siblings: [[Scalar; ARITY - 1]; DEPTH],
}

impl Values {
    pub(super) const IDLE: Self = Self {
        link: false,
        insert: false,
        message: [Scalar::ZERO; 8],
        old: [Scalar::ZERO; 5],
        new: [Scalar::ZERO; 5],
        ends: Scalar::ZERO,
        inverse: Scalar::ZERO,
        positions: [0; DEPTH],
        siblings: [[Scalar::ZERO; ARITY - 1]; DEPTH],
    };

    pub(super) fn of(op: &OpWitness) -> Self {
        let link = op.mode == OpMode::Link;
        let next = if link { key_scalar(&op.old.next) } else { Scalar::ZERO };
        let positions: [u8; DEPTH] = std::array::from_fn(|level| (op.index >> (2 * level) & 3) as u8);
        let siblings = std::array::from_fn(|level| {
            let [a, b, c] = op.siblings[level];
            if positions[level] < 2 { [a, b, c] } else { [c, a, b] }
        });
        Self {
            link,
            insert: op.mode == OpMode::Insert,
            message: op.message(),
            old: op.old.elements(),
            new: op.new.elements(),
            ends: Scalar::from(u64::from(link && next == Scalar::ZERO)),
            inverse: next.invert().unwrap_or(Scalar::ZERO),
            positions,
            siblings,
        }
    }
}

/// Proves one operation, or nothing when `sel` is 0.
///
/// `sel` must be constrained boolean by the caller. Without a witness the
/// slot can only be idle.
///
/// # Errors
/// [`SynthesisError::AssignmentMissing`] if `sel` is 1 and there is no witness.
pub fn synthesize_tree_op<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    sel: &AllocatedBit,
    root_in: &Num,
    leaf_count_in: &Num,
    next_seq_in: &Num,
    witness: Option<&OpWitness>,
) -> Result<TreeOpPorts, SynthesisError> {
    let values = match (sel.get_value(), witness) {
        (None, _) => None,
        (Some(false), _) => Some(Values::IDLE),
        (Some(true), Some(op)) => Some(Values::of(op)),
        (Some(true), None) => return Err(SynthesisError::AssignmentMissing),
    };
    synthesize_values(cs, sel, root_in, leaf_count_in, next_seq_in, values.as_ref())
}

/// The slot over values that nothing has checked.
pub(super) fn synthesize_values<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    sel: &AllocatedBit,
    root_in: &Num,
    leaf_count_in: &Num,
    next_seq_in: &Num,
    values: Option<&Values>,
) -> Result<TreeOpPorts, SynthesisError> {
    let one = CS::one();
    let s = sel.get_variable();
    let gate = Gate::selected(sel);

    let link = AllocatedBit::alloc(cs.namespace(|| "link"), values.map(|v| v.link))?;
    let insert = AllocatedBit::alloc(cs.namespace(|| "insert"), values.map(|v| v.insert))?;
    let (l, i) = (link.get_variable(), insert.get_variable());
    // At most one mode, and none when idle: for sel = 0 this reads
    // (l + i)(1 + l + i) = 0.
    cs.enforce(|| "one mode", |lc| lc + s - l - i, |lc| lc + one - s + l + i, |lc| lc);

    // What the slot passes through enters the message, whatever a witness says.
    let seq = number(
        cs,
        "seq",
        values.and(next_seq_in.get_value()).zip(sel.get_value()).map(|(n, s)| match s {
            true => n,
            false => Scalar::ZERO,
        }),
    )?;
    let m = |at: usize| values.map(|v| v.message[at]);
    let mode = number(cs, "mode", m(1))?;
    let key = number(cs, "key", m(2))?;
    let next = number(cs, "next", m(3))?;
    let before = [number(cs, "nonce before", m(4))?, number(cs, "balance before", m(5))?];
    let after = [number(cs, "nonce after", m(6))?, number(cs, "balance after", m(7))?];
    let old_names = ["old key", "old next", "old nonce", "old balance", "old rest"];
    let mut old = Vec::with_capacity(5);
    for (at, name) in old_names.into_iter().enumerate() {
        old.push(number(cs, name, values.map(|v| v.old[at]))?);
    }
    let new_names = ["new key", "new next", "new nonce", "new balance"];
    let mut new = Vec::with_capacity(4);
    for (at, name) in new_names.into_iter().enumerate() {
        new.push(number(cs, name, values.map(|v| v.new[at]))?);
    }

    let v = Num::get_variable;
    cs.enforce(|| "seq", |lc| lc + s, |lc| lc + v(next_seq_in), |lc| lc + v(&seq));
    cs.enforce(|| "mode number", |lc| lc + l + (Scalar::from(2), i), |lc| lc + one, |lc| lc + v(&mode));
    cs.enforce(|| "idle key", |lc| lc + one - s, |lc| lc + v(&key), |lc| lc);
    cs.enforce(|| "next of link and insert only", |lc| lc + one - l - i, |lc| lc + v(&next), |lc| lc);
    for (name, field) in old_names.into_iter().zip(&old) {
        // Insert or idle.
        cs.enforce(|| format!("{name} of update and link only"), |lc| lc + one - s + i, |lc| lc + v(field), |lc| lc);
    }
    cs.enforce(|| "update: old key", |lc| lc + s - l - i, |lc| lc + v(&old[0]) - v(&key), |lc| lc);
    cs.enforce(|| "link: old next", |lc| lc + l, |lc| lc + v(&old[1]) - v(&next), |lc| lc);
    cs.enforce(|| "new key", |lc| lc + i, |lc| lc + v(&key), |lc| lc + v(&new[0]) - v(&old[0]));
    // update: o.next + 0; link: m.next + m.next + m.key - 2·m.next; insert: 0 + m.next.
    cs.enforce(
        || "new next",
        |lc| lc + l,
        |lc| lc + v(&key) - (Scalar::from(2), v(&next)),
        |lc| lc + v(&new[1]) - v(&old[1]) - v(&next),
    );
    for at in 0..2 {
        let (before, after, old, new) = (v(&before[at]), v(&after[at]), v(&old[2 + at]), v(&new[2 + at]));
        cs.enforce(|| format!("value before {at}"), |lc| lc + s - l - i, |lc| lc + old, |lc| lc + before);
        cs.enforce(
            || format!("value after {at} of update and insert only"),
            |lc| lc + one - s + l,
            |lc| lc + after,
            |lc| lc,
        );
        cs.enforce(|| format!("new value {at}"), |lc| lc + l, |lc| lc + old, |lc| lc + new - after);
    }
    enforce_order(cs, values, l, &old[0], &key, &next)?;

    let bits = (0..2 * DEPTH)
        .map(|k| {
            let bit = values.map(|v| v.positions[k / 2] >> (k % 2) & 1 == 1);
            AllocatedBit::alloc(cs.namespace(|| format!("position {k}")), bit)
        })
        .collect::<Result<Vec<_>, _>>()?;
    cs.enforce(|| "idle index", |lc| lc + one - s, |_| weighted(&bits), |lc| lc);
    cs.enforce(|| "insert at the leaf count", |lc| lc + i, |_| weighted(&bits) - v(leaf_count_in), |lc| lc);

    // An insert's old leaf is all zero, so its digest is a constant, which the
    // difference turns into that of the unused leaf.
    let unused = empty_hash(0) - Leaf::ZERO.hash();
    let old: Vec<Wire> = old.iter().map(|n| Wire::of(cs, n)).collect();
    let mut new: Vec<Wire> = new.iter().map(|n| Wire::of(cs, n)).collect();
    let rest = Gate::selected(&insert).times(cs, empty_rest());
    new.push(old[4].clone().and(&rest));
    let leaves = [
        leaf_hash(cs.namespace(|| "leaf before"), &gate, old)?.and(&Gate::selected(&insert).times(cs, unused)),
        leaf_hash(cs.namespace(|| "leaf after"), &gate, new)?,
    ];
    let [top_before, top_after] = climb(cs, &gate, values, &bits, leaves)?;

    cs.enforce(|| "root before", |lc| lc + s, |_| top_before.lc() - v(root_in), |lc| lc);
    let root_out = number(
        cs,
        "root after",
        match sel.get_value() {
            Some(true) => top_after.value(),
            _ => root_in.get_value(),
        },
    )?;
    cs.enforce(|| "root after", |lc| lc + s, |_| top_after.lc() - v(root_in), |lc| lc + v(&root_out) - v(root_in));
    let sum = |a: &Num, bit: &AllocatedBit| {
        let bit = bit.get_value().map(|b| Scalar::from(u64::from(b)));
        a.get_value().zip(bit).map(|(a, b)| a + b)
    };
    let leaf_count_out = number(cs, "leaf count after", sum(leaf_count_in, &insert))?;
    cs.enforce(|| "leaf count after", |lc| lc + v(leaf_count_in) + i, |lc| lc + one, |lc| lc + v(&leaf_count_out));
    let next_seq_out = number(cs, "next seq after", sum(next_seq_in, sel))?;
    cs.enforce(|| "next seq after", |lc| lc + v(next_seq_in) + s, |lc| lc + one, |lc| lc + v(&next_seq_out));

    let ([nonce_old, balance_old], [nonce_new, balance_new]) = (before, after);
    Ok(TreeOpPorts {
        message: [seq, mode, key, next, nonce_old, balance_old, nonce_new, balance_new],
        root_out,
        leaf_count_out,
        next_seq_out,
    })
}

/// A variable with a value, if there is a witness.
fn number<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    name: &'static str,
    value: Option<Scalar>,
) -> Result<Num, SynthesisError> {
    AllocatedNum::alloc(cs.namespace(|| name), || value.ok_or(SynthesisError::AssignmentMissing))
}

/// For a link: `low < key` and `key < next`, where next 0 stands for 2^160.
///
/// ```text
/// l·(key - low - 1)               = Σ 2^k·a_k,  a_k boolean, k < 160
/// l·(next + 2^160·z - key - 1)    = Σ 2^k·b_k,  b_k boolean, k < 160
/// z = l·[next = 0]:   z·next = 0,   next·w = l - z,   w·(1 - l + z) = 0
/// ```
///
/// `w` is the inverse of a non-zero next in a link and otherwise 0; its last
/// equation only makes it unique. Without a link all sums and bits are 0.
fn enforce_order<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    values: Option<&Values>,
    l: Variable,
    low: &Num,
    key: &Num,
    next: &Num,
) -> Result<(), SynthesisError> {
    let one = CS::one();
    let (low_v, key_v, next_v) = (low.get_variable(), key.get_variable(), next.get_variable());
    let top = Scalar::from(2).pow_vartime([KEY_BITS as u64]);
    let link = values.map(|v| v.link);
    let scalar = |value: Option<Scalar>| if link == Some(true) { value } else { link.map(|_| Scalar::ZERO) };
    let z_value = values.map(|v| v.ends);
    let z = number(cs, "end of list", z_value)?.get_variable();
    let w = number(cs, "inverse of next", values.map(|v| v.inverse))?.get_variable();
    cs.enforce(|| "end has no next", |lc| lc + z, |lc| lc + next_v, |lc| lc);
    cs.enforce(|| "no next is the end", |lc| lc + next_v, |lc| lc + w, |lc| lc + l - z);
    cs.enforce(|| "inverse or zero", |lc| lc + w, |lc| lc + one - l + z, |lc| lc);

    let one_value = Scalar::ONE;
    let above_low = key.get_value().zip(low.get_value()).map(|(k, o)| k - o - one_value);
    let below_next = key.get_value().zip(next.get_value()).zip(z_value).map(|((k, n), z)| n + top * z - k - one_value);
    let above = range_bits(cs, "above low", scalar(above_low))?;
    cs.enforce(|| "key above low", |lc| lc + l, |lc| lc + key_v - low_v - one, |_| weighted(&above));
    let below = range_bits(cs, "below next", scalar(below_next))?;
    cs.enforce(|| "key below next", |lc| lc + l, |lc| lc + next_v + (top, z) - key_v - one, |_| weighted(&below));
    Ok(())
}

/// The low [`KEY_BITS`] bits of `value`, boolean; the caller constrains their sum.
fn range_bits<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    name: &'static str,
    value: Option<Scalar>,
) -> Result<Vec<AllocatedBit>, SynthesisError> {
    let bytes = value.map(|v| v.to_repr());
    (0..KEY_BITS)
        .map(|k| {
            let bit = bytes.as_ref().map(|b| b.as_ref()[k / 8] >> (k % 8) & 1 == 1);
            AllocatedBit::alloc(cs.namespace(|| format!("{name} {k}")), bit)
        })
        .collect()
}

/// `Σ 2^k·bit_k`.
fn weighted(bits: &[AllocatedBit]) -> LinearCombination<Scalar> {
    let start = (LinearCombination::zero(), Scalar::ONE);
    bits.iter().fold(start, |(lc, weight), bit| (lc + (weight, bit.get_variable()), weight.double())).0
}

fn leaf_hash<CS: ConstraintSystem<Scalar>>(cs: CS, gate: &Gate, fields: Vec<Wire>) -> Result<Wire, SynthesisError> {
    let mut fields = fields.into_iter();
    let inputs = std::array::from_fn(|_| match fields.next() {
        Some(wire) => Input::Wire(wire),
        None => Input::Constant(Scalar::ZERO),
    });
    hash8_wires(cs, gate, Domain::Leaf, &inputs)
}

/// Both paths over the same siblings at the same position.
fn climb<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    gate: &Gate,
    values: Option<&Values>,
    bits: &[AllocatedBit],
    mut nodes: [Wire; 2],
) -> Result<[Wire; 2], SynthesisError> {
    for (level, position) in bits.chunks(2).enumerate() {
        let mut cs = cs.namespace(|| format!("level {level}"));
        let mut siblings = Vec::with_capacity(ARITY - 1);
        for (at, name) in ["sibling 0", "sibling 1", "sibling 2"].into_iter().enumerate() {
            let sibling = number(&mut cs, name, values.map(|v| v.siblings[level][at]))?;
            siblings.push(Wire::of(&cs, &sibling));
        }
        for (node, name) in nodes.iter_mut().zip(["before", "after"]) {
            let mut cs = cs.namespace(|| name);
            let children = children(&mut cs, position, node, &siblings)?;
            let cs = cs.namespace(|| "hash");
            *node = hash4_wires(cs, gate, Domain::Node, &children.map(Input::Wire))?;
        }
    }
    Ok(nodes)
}

/// The four children: `own` at `position` (two bits, low first), the siblings
/// around it. The low bit swaps `own` with sibling 0, the high bit swaps the
/// pair with siblings 1 and 2:
///
/// ```text
/// position 0: own s0 s1 s2    1: s0 own s1 s2    2: s1 s2 own s0    3: s1 s2 s0 own
/// ```
fn children<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    position: &[AllocatedBit],
    own: &Wire,
    siblings: &[Wire],
) -> Result<[Wire; ARITY], SynthesisError> {
    let (x, y) = swap(cs, "low", &position[0], own, &siblings[0])?;
    let (first, third) = swap(cs, "high first", &position[1], &x, &siblings[1])?;
    let (second, fourth) = swap(cs, "high second", &position[1], &y, &siblings[2])?;
    Ok([first, second, third, fourth])
}

/// `(a, b)`, or `(b, a)` where `bit` is 1: `bit·(b - a) = first - a`.
fn swap<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    name: &'static str,
    bit: &AllocatedBit,
    a: &Wire,
    b: &Wire,
) -> Result<(Wire, Wire), SynthesisError> {
    let value = match bit.get_value() {
        Some(true) => b.value(),
        Some(false) => a.value(),
        None => None,
    };
    let first = number(cs, name, value)?;
    cs.enforce(
        || format!("{name} swap"),
        |lc| lc + bit.get_variable(),
        |_| b.lc() - &a.lc(),
        |lc| lc + first.get_variable() - &a.lc(),
    );
    let first = Wire::of(cs, &first);
    let second = a.clone().and(b).minus(&first);
    Ok((first, second))
}
