//! The slot: one chunk of a verification.
//!
//! State message (all chunks): part, x(R) low and high half, P1's ordinate
//! (residue, low part), P2's sign relative to P1, x(Q) low and high half, P3's
//! ordinate (residue, low part), P4's relative sign, the accumulator's x low
//! and high half, its ordinate (residue, low part), the variant, then the step
//! bits of the later chunks, `WORDS` elements per chunk, next chunk first.
//!
//! Which chunk a slot is, `is_first` and `is_last` say; the constraints are
//! the same. Every element of the current state is `received + is_first·initial`,
//! and what is received is 0 unless the receiving selector is 1.
//!
//! What a receiver checks again: halves of abscissas are cut into 32-bit limbs
//! anew, because a half has many encodings in unchecked limbs; step words into
//! bits. What it need not: ordinates, relative signs and part are single
//! elements whose integer ranges the sender's constraints imply (a slot of
//! this very shape sends every state message: fresh ordinates have weight 1,
//! P1's and P3's weight 0). The part is 0 where nothing is received, grows by
//! 1 per message, and must be `PARTS - 1` in the last chunk: only chains of
//! exactly `PARTS` chunks end.
//!
//! The variant is the first chunk's choice: its initial value is itself. Later
//! chunks have what they receive, and 0 if the slot is idle. It is boolean in
//! every chunk and chooses the accumulator's start, the table's offset and the
//! end.

use super::constants::{columns, constants};
use super::field::{Bit, LIMBS, Lc, Limbs, Term, alloc, alloc_bit, alloc_bits, enforce_zero, multiply, pow2};
use super::native::{Affine, ENDO_BETA, Fe, LazyValue, half_scalar, scalar_from_i128};
use super::plan::{ChunkWitness, pack_steps};
use super::point::{Point, build_table, lookup, lookup_generator, reduce};
use super::relation::{Lazy, Product, Sum};
use super::signature::{self, Signature};
use super::{PARTS, SIG_WIDTH, STATE_WIDTH, STEP_BITS, STEPS, STEPS_PER_WORD, WORDS};
use crate::Scalar;
use ff::Field;
use nova_snark::frontend::gadgets::boolean::AllocatedBit;
use nova_snark::frontend::num::AllocatedNum;
use nova_snark::frontend::{ConstraintSystem, SynthesisError, Variable};

/// What the slot says to the bus. Selectors are 0 or 1 by constraint.
#[derive(Clone, Debug)]
pub struct ChunkPorts {
    /// Received state: selector `sel - is_first`, [`STATE_WIDTH`] elements,
    /// all 0 if the selector is 0.
    pub state_in: (AllocatedNum<Scalar>, Vec<AllocatedNum<Scalar>>),
    /// Sent state: selector `sel - is_last`, [`STATE_WIDTH`] elements, all 0
    /// if the selector is 0.
    pub state_out: (AllocatedNum<Scalar>, Vec<AllocatedNum<Scalar>>),
    /// Provided signature: selector `is_first`, [`SIG_WIDTH`] elements, all 0
    /// if the selector is 0: hash high and low half, x and y of the key so.
    pub sig: (AllocatedNum<Scalar>, Vec<AllocatedNum<Scalar>>),
}

type Lin = Vec<(Variable, Scalar)>;

fn add_lin(lc: Lc, lin: &Lin, factor: Scalar) -> Lc {
    lin.iter().fold(lc, |lc, (v, c)| lc + (*c * factor, *v))
}

fn lin_of(var: Variable) -> Lin {
    vec![(var, Scalar::ONE)]
}

/// Low and high half of an abscissa.
fn halves(limbs: &Limbs) -> [Lin; 2] {
    [0, 4].map(|from| {
        (from..from + 4)
            .map(|i| {
                let t = limbs.terms[i];
                (t.var, t.coef * pow2(32 * (i - from) as u64))
            })
            .collect()
    })
}

/// The words of a chunk's step bits.
fn words(steps: &[[Option<Bit>; STEP_BITS]]) -> Vec<Lin> {
    let word = |steps: &[[Option<Bit>; STEP_BITS]]| {
        let bits = steps.iter().flatten().enumerate();
        bits.filter_map(|(i, b)| Some((b.as_ref()?.var, pow2(i as u64)))).collect()
    };
    steps.chunks(STEPS_PER_WORD).map(word).collect()
}

/// The elements of a point in a state: halves of x, residue and low part of y.
fn point_lin(x: &Limbs, [residue, low]: [Lin; 2]) -> [Lin; 4] {
    let [x_low, x_high] = halves(x);
    [x_low, x_high, residue, low]
}

/// A state, element by element, without its step words.
fn state_lin(
    part: Lin,
    r_x: &Limbs,
    p1: [Lin; 3],
    q_x: &Limbs,
    p3: [Lin; 3],
    acc: [Lin; 4],
    variant: Variable,
) -> Vec<Lin> {
    let mut out = vec![part];
    out.extend(halves(r_x));
    out.extend(p1);
    out.extend(halves(q_x));
    out.extend(p3);
    out.extend(acc);
    out.push(lin_of(variant));
    out
}

/// The state before chunk 0, to be multiplied by `is_first`.
fn initial_state(gate: Bit, variant: Variable, signature: &Signature) -> Vec<Lin> {
    let [first, second] = constants().both(|family| family.start).map(|start| {
        let y = LazyValue::from_limbs(&start.y.limbs());
        [half_scalar(&start.x.0, 0), half_scalar(&start.x.0, 1), y.int.to_scalar(), scalar_from_i128(y.low)]
    });
    let start = core::array::from_fn(|i| vec![(gate.var, first[i]), (variant, second[i] - first[i])]);
    let ordinate = |o: &signature::SignedOrdinate| [o.residue, o.low, o.flip].map(lin_of);
    let mut out = state_lin(
        Vec::new(),
        &signature.r_x,
        ordinate(&signature.p1),
        &signature.q_x,
        ordinate(&signature.p3),
        start,
        variant,
    );
    for steps in signature.steps.chunks(STEPS) {
        out.extend(words(steps));
    }
    out
}

/// A received or initial point and its image under the endomorphism.
pub(super) fn endomorphism_pair<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    gate: Bit,
    point: Point,
    (flip, flip_value): (Variable, i64),
) -> Result<[Point; 2], SynthesisError> {
    let beta = Limbs::constant(gate, ENDO_BETA.limbs());
    let product = Product::new(cs, &[(1, &point.x)], &[(1, &beta)])?;
    let image = point.at.endo();
    let x = reduce(cs, gate, image.x, Sum { products: &[(1, &product)], ..Sum::default() })?;
    let value = LazyValue::default().add_times(flip_value, &point.y.value);
    let residue = multiply(cs, value.int.to_scalar(), |lc| lc + flip, |lc| point.y.residue.add_to(lc, Scalar::ONE))?;
    let low = multiply(cs, scalar_from_i128(value.low), |lc| lc + flip, |lc| point.y.low.add_to(lc, Scalar::ONE))?;
    let y = Lazy { residue: Term::one(residue), low: Term::one(low), value, weight: 0 };
    let at = if flip_value < 0 { image.neg() } else { image };
    Ok([point, Point { x, y, at }])
}

fn number<CS: ConstraintSystem<Scalar>>(cs: &mut CS, value: Scalar) -> Result<AllocatedNum<Scalar>, SynthesisError> {
    AllocatedNum::alloc(cs, || Ok(value))
}

/// `sel - bit` as number: 1 constraint.
fn without<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    sel: Bit,
    bit: Bit,
) -> Result<AllocatedNum<Scalar>, SynthesisError> {
    let out = number(cs, Scalar::from(u64::from(sel.val && !bit.val)))?;
    let var = out.get_variable();
    enforce_zero(cs, |lc| lc + sel.var - bit.var - var);
    Ok(out)
}

/// The payload `selector·elements`.
fn gated<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    selector: Variable,
    elements: &[Lin],
    values: &[Scalar],
) -> Result<Vec<AllocatedNum<Scalar>>, SynthesisError> {
    let mut out = Vec::with_capacity(elements.len());
    for (lin, value) in elements.iter().zip(values) {
        let element = number(cs, *value)?;
        let var = element.get_variable();
        cs.enforce(|| "payload", |lc| lc + selector, |lc| add_lin(lc, lin, Scalar::ONE), |lc| lc + var);
        out.push(element);
    }
    Ok(out)
}

/// One step: two doublings with table entries, one generator entry.
fn step<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    gate: Bit,
    acc: &Point,
    table: &[Point],
    bits: &[Bit],
) -> Result<Point, SynthesisError> {
    let first = lookup(cs, table, &bits[..4])?;
    let acc = acc.double_add(cs, gate, &first)?;
    let second = lookup(cs, table, &bits[4..8])?;
    let acc = acc.double_add(cs, gate, &second)?;
    let addend = lookup_generator(cs, gate, &bits[8..])?;
    acc.add(cs, gate, &addend)
}

/// `is_last` forces the accumulator to be the end point of the variant.
pub(super) fn enforce_end<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    gate: Bit,
    is_last: Bit,
    variant: Bit,
    acc: &Point,
) -> Result<(), SynthesisError> {
    let ends = constants().both(|family| family.end);
    let [first, second] = ends.map(columns);
    // `term` minus the end's column.
    let without = |lc: Lc, term: Term, i: usize| {
        term.add_to(lc, Scalar::ONE) - (first[i], CS::one()) - (second[i] - first[i], variant.var)
    };
    for (i, term) in acc.x.terms.iter().enumerate() {
        cs.enforce(|| "end", |lc| lc + is_last.var, |lc| without(lc, *term, i), |lc| lc);
    }
    let end_y = LazyValue::from_limbs(&ends[usize::from(variant.val)].y.limbs());
    let value = if is_last.val { acc.y.value.add_times(-1, &end_y) } else { LazyValue::default() };
    let residue = multiply(cs, value.int.to_scalar(), |lc| lc + is_last.var, |lc| without(lc, acc.y.residue, LIMBS))?;
    let low = multiply(cs, scalar_from_i128(value.low), |lc| lc + is_last.var, |lc| without(lc, acc.y.low, LIMBS + 1))?;
    let difference = Lazy { residue: Term::one(residue), low: Term::one(low), value, weight: acc.y.weight };
    Sum { lazies: &[(1, &difference)], ..Sum::default() }.enforce_zero_mod_p(cs, gate)
}

/// Synthesizes one chunk slot. `sel` must be boolean. With `sel = 0` the slot
/// is satisfied by zeros whatever `witness` is; without values (shape) it may
/// be `None`.
///
/// Errors: [`SynthesisError::AssignmentMissing`] if `sel` is 1 and there is no
/// witness (a bug of the caller), or what the constraint system reports.
pub fn synthesize_chunk<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    sel: &AllocatedBit,
    witness: Option<&ChunkWitness>,
) -> Result<ChunkPorts, SynthesisError> {
    let active = sel.get_value().unwrap_or(false);
    let idle = ChunkWitness::idle();
    let witness = match (active, witness) {
        (true, Some(witness)) => witness,
        (true, None) => return Err(SynthesisError::AssignmentMissing),
        (false, _) => &idle,
    };
    let sel = Bit { var: sel.get_variable(), val: active };
    let is_first = alloc_bit(cs, active && witness.part == 0)?;
    let is_last = alloc_bit(cs, active && witness.part == PARTS - 1)?;
    // At most one of both, and none without sel.
    cs.enforce(|| "first and last", |lc| lc + is_first.var, |lc| lc + is_last.var, |lc| lc);
    cs.enforce(|| "needs sel", |lc| lc + is_first.var + is_last.var, |lc| lc + CS::one() - sel.var, |lc| lc);
    let receives = without(cs, sel, is_first)?;
    let sends = without(cs, sel, is_last)?;

    let none = Default::default();
    let signature_values = witness.signature.as_ref().unwrap_or(&none);
    let signature = signature::synthesize(cs, is_first, signature_values)?;

    // The current state.
    let state = &witness.state;
    let message = state.message();
    let current = |cs: &mut CS, i: usize| alloc(cs, message[i]);
    let part = current(cs, 0)?;
    let r_x = Limbs::alloc(cs, state.r_x.limbs())?;
    let p1 = [current(cs, 3)?, current(cs, 4)?, current(cs, 5)?];
    let q_x = Limbs::alloc(cs, state.q_x.limbs())?;
    let p3 = [current(cs, 8)?, current(cs, 9)?, current(cs, 10)?];
    let acc_x = Limbs::alloc(cs, state.acc.x.limbs())?;
    let acc_y = [current(cs, 13)?, current(cs, 14)?];
    let variant = alloc_bit(cs, state.variant)?;
    let initial = initial_state(is_first, variant.var, &signature);
    let mut steps = Vec::with_capacity(STEPS);
    for i in 0..STEPS {
        let bits = state.steps.get(i).copied().unwrap_or(0);
        steps.push(alloc_bits(cs, u128::from(bits), STEP_BITS)?);
    }
    let mut state_now = state_lin(
        lin_of(part),
        &r_x,
        p1.map(lin_of),
        &q_x,
        p3.map(lin_of),
        point_lin(&acc_x, acc_y.map(lin_of)),
        variant.var,
    );
    let fixed = state_now.len();
    let own: Vec<[Option<Bit>; STEP_BITS]> = steps.iter().map(|s| core::array::from_fn(|i| Some(s[i]))).collect();
    state_now.extend(words(&own));
    let later = pack_steps(state.steps.get(STEPS..).unwrap_or(&[]), (PARTS - 1) * WORDS);
    for value in &later {
        state_now.push(lin_of(alloc(cs, *value)?));
    }

    // current = received + is_first·initial; nothing received, all zero.
    let received_values = witness.state_in();
    let mut received = Vec::with_capacity(STATE_WIDTH);
    for (i, now) in state_now.iter().enumerate() {
        let element = match received_values.get(i) {
            Some(value) => Some(number(cs, *value)?),
            None => None,
        };
        if let Some(element) = &element {
            let var = element.get_variable();
            cs.enforce(
                || "received only if selected",
                |lc| lc + var,
                |lc| lc + CS::one() - receives.get_variable(),
                |lc| lc,
            );
        }
        cs.enforce(
            || "current state",
            |lc| lc + is_first.var,
            |lc| add_lin(lc, &initial[i], Scalar::ONE),
            |lc| {
                let lc = add_lin(lc, now, Scalar::ONE);
                match &element {
                    Some(element) => lc - element.get_variable(),
                    None => lc,
                }
            },
        );
        received.extend(element);
    }

    // The table and the steps.
    let lazy = |y: [Variable; 2], value: LazyValue, weight: u32| Lazy {
        residue: Term::one(y[0]),
        low: Term::one(y[1]),
        value,
        weight,
    };
    let at = |x: Fe, y: Fe| Affine { x, y };
    let p1_point =
        Point { x: r_x.clone(), y: lazy([p1[0], p1[1]], state.p1_y, 0), at: at(state.r_x, witness.ordinates[0]) };
    let p3_point =
        Point { x: q_x.clone(), y: lazy([p3[0], p3[1]], state.p3_y, 0), at: at(state.q_x, witness.ordinates[1]) };
    let [p1_point, p2_point] = endomorphism_pair(cs, sel, p1_point, (p1[2], state.r_flip))?;
    let [p3_point, p4_point] = endomorphism_pair(cs, sel, p3_point, (p3[2], state.q_flip))?;
    let table = build_table(cs, sel, variant, &[p1_point, p2_point, p3_point, p4_point])?;
    let mut acc = Point { x: acc_x, y: lazy(acc_y, state.acc_y, 1), at: state.acc };
    for bits in &steps {
        acc = step(cs, sel, &acc, &table, bits)?;
    }

    // The end, or the next chunk's state.
    enforce_end(cs, sel, is_last, variant, &acc)?;
    enforce_last_part(cs, is_last, part);
    let term = |t: Term| vec![(t.var, t.coef)];
    let mut next = state_lin(
        vec![(part, Scalar::ONE), (CS::one(), Scalar::ONE)],
        &r_x,
        p1.map(lin_of),
        &q_x,
        p3.map(lin_of),
        point_lin(&acc.x, [term(acc.y.residue), term(acc.y.low)]),
        variant.var,
    );
    next.extend_from_slice(&state_now[fixed + WORDS..]);
    let sent = gated(cs, sends.get_variable(), &next, &witness.state_out())?;
    let mut sig_lin = Vec::with_capacity(SIG_WIDTH);
    for limbs in [&signature.z, &signature.q_x, &signature.q_y] {
        let [low, high] = halves(limbs);
        sig_lin.extend([high, low]);
    }
    let sig = gated(cs, is_first.var, &sig_lin, &witness.sig())?;
    let first = AllocatedNum::from_parts(is_first.var, sel_value(sends.get_value(), is_first));
    Ok(ChunkPorts { state_in: (receives, received), state_out: (sends, sent), sig: (first, sig) })
}

/// The selector's value, absent where the constraint system has no values.
fn sel_value(known: Option<Scalar>, bit: Bit) -> Option<Scalar> {
    known.map(|_| Scalar::from(u64::from(bit.val)))
}

/// The last chunk's part is `PARTS - 1`.
fn enforce_last_part<CS: ConstraintSystem<Scalar>>(cs: &mut CS, is_last: Bit, part: Variable) {
    cs.enforce(
        || "last part",
        |lc| lc + is_last.var,
        |lc| lc + part - (Scalar::from(PARTS as u64 - 1), CS::one()),
        |lc| lc,
    );
}
