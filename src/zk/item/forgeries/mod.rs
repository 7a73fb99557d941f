//! Forged segments and items: each breaks one rule and obeys all others, so the
//! named row alone refuses it. Where a test says *exactly*, deleting that row
//! from the circuit makes the forgery pass and the test fail.

mod items;
mod segments;
mod verifier;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use ff::Field;
use nova_snark::frontend::{
    ConstraintSystem, SynthesisError, num::AllocatedNum, shape_cs::ShapeCS, solver::SatisfyingAssignment,
};

use super::{
    ItemInput, ItemProof, LOG_SIZE, PlanError,
    fixture::*,
    plan::plan,
    proof::ItemError,
    tests::shape,
    trace::{ItemTrace, TraceError, TraceRule, statement_chain},
    witness::{ItemWitness, synthesize},
};
use crate::{
    Engine, Scalar,
    accounts::{ESCROW, ISSUANCE},
    bus,
    poseidon::{self, Domain},
    proof::witness::LeafWitness,
    segment::{self, SegmentSlots, SegmentStart, TREE_SLOTS},
    statement::{PUBLIC_LEN, STATEMENT_LEN, StatementElements, StatementError, StatementIndex, Z},
    testing::KitCS,
    tree::{OpMode, StateOp},
};

// Places in a segment's public inputs.
const FIRST: usize = 0;
const LAST: usize = 1;
const BEFORE: usize = 2 + STATEMENT_LEN;
const AFTER: usize = BEFORE + 4;
const H_OUT: usize = AFTER + 5;
const BUS_OUT: usize = PUBLIC_LEN - 1;

/// The name of every row of the universal shape.
fn names() -> &'static [String] {
    static CELL: OnceLock<Vec<String>> = OnceLock::new();
    CELL.get_or_init(|| {
        let mut cs = KitCS::Shape { inner: ShapeCS::new(), names: Vec::new(), path: Vec::new() };
        let vars = segment::slots(&mut cs, None, None).unwrap();
        let h_out = segment::chain(&mut cs, &vars, None).unwrap();
        segment::balance(&mut cs, &vars, &h_out, None, None).unwrap();
        let KitCS::Shape { names, .. } = cs else { unreachable!("nothing replaces the constraint system") };
        assert_eq!(names.len(), shape().num_cons());
        names
    })
}

/// Indices and names of the rows that a segment's witness breaks.
fn broken(leaf: &LeafWitness) -> Vec<(usize, &'static str)> {
    let z = [leaf.w.clone(), vec![Scalar::ONE], leaf.x.clone()].concat();
    let (az, bz, cz) = shape().multiply_vec(&z).unwrap();
    (0..az.len()).filter(|&i| az[i] * bz[i] != cz[i]).map(|i| (i, names()[i].as_str())).collect()
}

fn assert_passes(leaf: &LeafWitness) {
    assert_eq!(broken(leaf), []);
}

/// Exactly one row refuses, and it has this name.
fn assert_refused_only_by(what: &str, leaf: &LeafWitness, row: &str) {
    let rows: Vec<&str> = broken(leaf).into_iter().map(|(_, name)| name).collect();
    assert_eq!(rows, [row], "{what}");
}

fn rows_named(name: &str) -> Vec<usize> {
    (0..names().len()).filter(|&row| names()[row] == name).collect()
}

/// Private variables of a row, in A, B and C.
fn variables(row: usize) -> [Vec<usize>; 3] {
    [shape().A(), shape().B(), shape().C()].map(|matrix| {
        let range = matrix.indptr[row]..matrix.indptr[row + 1];
        matrix.indices[range].iter().copied().filter(|&column| column < shape().num_vars()).collect()
    })
}

/// Replaces the variables that the gadget behind `rows` allocated: the last one
/// of them and those before it, as many as `values`.
fn splice(leaf: &mut LeafWitness, rows: impl Iterator<Item = usize>, values: &[Scalar]) {
    let last = rows.flat_map(|row| variables(row).concat()).max().unwrap();
    leaf.w[last + 1 - values.len()..=last].copy_from_slice(values);
}

fn rows_under(prefix: &str) -> Vec<usize> {
    (0..names().len()).filter(|&row| names()[row].starts_with(prefix)).collect()
}

/// The private variables of a gadget over public inputs.
fn private<const N: usize>(
    inputs: [Scalar; N],
    gadget: impl Fn(
        &mut SatisfyingAssignment<Engine>,
        [AllocatedNum<Scalar>; N],
    ) -> Result<AllocatedNum<Scalar>, SynthesisError>,
) -> (Vec<Scalar>, Scalar) {
    let mut cs = SatisfyingAssignment::<Engine>::new();
    let inputs = inputs.map(|value| AllocatedNum::alloc_input(&mut cs, || Ok(value)).unwrap());
    let output = gadget(&mut cs, inputs).unwrap().get_value().unwrap();
    (cs.aux_assignment().to_vec(), output)
}

/// The variables of `segment::state_root` with the padding `zero`.
fn state_root(root: Scalar, leaf_count: Scalar, zero: Scalar) -> (Vec<Scalar>, Scalar) {
    private([root, leaf_count], |cs, [root, count]| {
        let zero = AllocatedNum::alloc(cs.namespace(|| "zero"), || Ok(zero))?;
        poseidon::gadget::hash4(cs.namespace(|| "root"), Domain::Root, &[root, count, zero.clone(), zero])
    })
}

/// Everything that a segment is made of, checked by nobody.
#[derive(Clone)]
struct Given {
    start: SegmentStart,
    work: SegmentSlots,
    h_in: Scalar,
    /// In place of the chain's value.
    h_out: Option<Scalar>,
    /// In place of those squeezed from the chain.
    challenges: Option<(Scalar, Scalar)>,
    bus_in: Scalar,
}

impl Given {
    /// A segment in the middle of nothing that does nothing: satisfied.
    fn idle() -> Self {
        let root = Scalar::from(77);
        let leaf_count = Scalar::from(5);
        let mut elements: [Scalar; STATEMENT_LEN] = std::array::from_fn(|i| Scalar::from(1000 + i as u64));
        let state = state_root(root, leaf_count, Scalar::ZERO).1;
        elements[StatementIndex::Pre as usize] = state;
        elements[StatementIndex::Post as usize] = state;
        Self {
            start: SegmentStart {
                first: false,
                last: false,
                statement: StatementElements { elements },
                phase: Scalar::ONE,
                next_seq: Scalar::from(3),
                root,
                leaf_count,
            },
            work: SegmentSlots::default(),
            h_in: Scalar::from(11),
            h_out: None,
            challenges: Some((Scalar::from(12), Scalar::from(13))),
            bus_in: Scalar::from(14),
        }
    }

    /// An idle first segment: satisfied.
    fn first() -> Self {
        let mut given = Self::idle();
        given.start.first = true;
        given.start.phase = Scalar::ZERO;
        given.start.next_seq = Scalar::ZERO;
        given.h_in = statement_chain(&given.start.statement);
        given.bus_in = Scalar::ZERO;
        given
    }

    /// An idle last segment: satisfied.
    fn last() -> Self {
        let mut given = Self::idle();
        given.start.last = true;
        given.start.phase = Scalar::from(2);
        given.challenges = None;
        given.bus_in = Scalar::ZERO;
        given
    }

    fn leaf(&self) -> LeafWitness {
        let mut cs = SatisfyingAssignment::<Engine>::new();
        let vars = segment::slots(&mut cs, Some(&self.start), Some(&self.work)).unwrap();
        let computed = segment::chain(&mut cs, &vars, Some(self.h_in)).unwrap();
        let h = self.h_out.or(computed.get_value()).unwrap();
        let h_out = AllocatedNum::from_parts(computed.get_variable(), Some(h));
        let challenges = self.challenges.unwrap_or_else(|| bus::challenges(h));
        segment::balance(&mut cs, &vars, &h_out, Some(challenges), Some(self.bus_in)).unwrap();
        let mut x = cs.input_assignment()[1..].to_vec();
        x[H_OUT] = h;
        LeafWitness { w: cs.aux_assignment().to_vec(), x }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// An item's slots with the statement that goes with them.
struct Item {
    input: ItemInput,
    elements: StatementElements,
    slots: Vec<SegmentSlots>,
}

impl Item {
    fn of(input: ItemInput) -> Self {
        let elements = input.statement.elements(Scalar::from(1)).unwrap();
        let slots = plan(&input).unwrap();
        Self { input, elements, slots }
    }

    fn transfer() -> Self {
        let mut world = World::new();
        let payload = world.payload([0x55; 20], 5);
        Self::of(world.transfer(&payload))
    }

    fn settlement() -> Self {
        let mut world = World::new();
        Self::of(world.settlement(&[
            ([0x55; 20], 10, true),
            ([0x22; 20], 20, true),
            (ESCROW, 20, false),
            (ISSUANCE, 10, false),
        ]))
    }

    fn synthesize(&self) -> ItemWitness {
        let first = &self.input.ops[0];
        synthesize(&self.elements, first.root_before, Scalar::from(first.leaf_count_before), &self.slots).unwrap()
    }

    /// The names of all rows that refuse, over all segments.
    fn refused(&self) -> Vec<&'static str> {
        self.synthesize().leaves.iter().flat_map(|leaf| broken(leaf).into_iter().map(|(_, name)| name)).collect()
    }

    /// Every slot is satisfied, and the bus alone shows the lie: the row in the
    /// last segment, and the verifier's own rule.
    fn assert_unbalanced(&self, what: &str) {
        let witness = self.synthesize();
        let result = witness.trace.publics(&self.elements);
        assert_eq!(result, Err(TraceError::Rule(TraceRule::Bus)), "{what}");
        assert_eq!(self.refused(), ["zero when"], "{what}");
    }
}
