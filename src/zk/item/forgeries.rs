//! Forged segments and items: each breaks one rule and obeys all others, so the
//! named row alone refuses it. Where a test says *exactly*, deleting that row
//! from the circuit makes the forgery pass and the test fail.

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

#[test]
fn the_segments_that_the_forgeries_start_from_are_satisfied() {
    for given in [Given::idle(), Given::first(), Given::last()] {
        assert_passes(&given.leaf());
    }
}

#[test]
fn bus_rule_6_flags_are_boolean() {
    let mut first = Given::first().leaf();
    first.x[FIRST] = Scalar::from(2);
    assert_refused_only_by("first = 2", &first, "boolean");
    let mut last = Given::last().leaf();
    last.x[LAST] = Scalar::from(2);
    assert_refused_only_by("last = 2", &last, "boolean");
}

#[test]
fn bus_rule_6_the_first_segment_starts_from_the_statement() {
    let one = Scalar::ONE;
    let pre = StatementIndex::Pre as usize;
    let forgeries: [(&str, Given, &str); 5] = [
        (
            "another pre-state root",
            Given::first().with(|g| {
                g.start.statement.elements[pre] += one;
                g.h_in = statement_chain(&g.start.statement);
            }),
            "equal when",
        ),
        ("a later phase", Given::first().with(|g| g.start.phase = one), "zero when"),
        ("a later operation", Given::first().with(|g| g.start.next_seq = one), "zero when"),
        ("another chain", Given::first().with(|g| g.h_in += one), "equal when"),
        ("a bus that is not empty", Given::first().with(|g| g.bus_in = one), "zero when"),
    ];
    for (what, given, row) in forgeries {
        assert_refused_only_by(what, &given.leaf(), row);
        // The same is nothing to a segment in the middle.
        assert_passes(&given.with(|g| g.start.first = false).leaf());
    }
}

/// Every element of the statement reaches the chain of the first segment.
#[test]
fn bus_rule_6_the_chain_begins_with_every_element_of_the_statement() {
    for i in 0..STATEMENT_LEN {
        if i == StatementIndex::Pre as usize {
            continue; // has a row of its own as well
        }
        let given = Given::first().with(|g| g.start.statement.elements[i] += Scalar::ONE);
        assert_refused_only_by(&format!("element {i}"), &given.leaf(), "equal when");
    }
}

#[test]
fn bus_rule_6_the_last_segment_ends_in_the_statement() {
    let one = Scalar::ONE;
    let post = StatementIndex::Post as usize;
    let honest = bus::challenges(Given::last().leaf().x[H_OUT]);
    let forgeries: [(&str, Given, &str); 6] = [
        ("another post-state root", Given::last().with(|g| g.start.statement.elements[post] += one), "equal when"),
        ("phase 0", Given::last().with(|g| g.start.phase = Scalar::ZERO), "the last segment ends in phase 2"),
        ("phase 1", Given::last().with(|g| g.start.phase = one), "the last segment ends in phase 2"),
        ("another gamma", Given::last().with(|g| g.challenges = Some((honest.0 + one, honest.1))), "equal when"),
        ("another beta", Given::last().with(|g| g.challenges = Some((honest.0, honest.1 + one))), "equal when"),
        ("an unbalanced bus", Given::last().with(|g| g.bus_in = one), "zero when"),
    ];
    for (what, given, row) in forgeries {
        assert_refused_only_by(what, &given.leaf(), row);
        assert_passes(&given.with(|g| g.start.last = false).leaf());
    }
}

/// γ and β are different squeezes of the chain's end: neither may be the other.
#[test]
fn bus_rule_1_the_challenges_are_two_different_squeezes() {
    let (gamma, beta) = bus::challenges(Given::last().leaf().x[H_OUT]);
    assert_ne!(gamma, beta);
    for forged in [(gamma, gamma), (beta, beta)] {
        assert_refused_only_by("twice", &Given::last().with(|g| g.challenges = Some(forged)).leaf(), "equal when");
    }
    let swapped = Given::last().with(|g| g.challenges = Some((beta, gamma))).leaf();
    assert_eq!(broken(&swapped).len(), 2);
}

/// A prover who could choose the tag could draw challenges until he likes them.
#[test]
fn bus_rule_1_the_tags_of_the_squeezes_are_constants() {
    let h = Given::last().leaf().x[H_OUT];
    let tags = rows_named("tag is its constant");
    assert_eq!(tags.len(), 2);
    for (which, &row) in tags.iter().enumerate() {
        let tag = Scalar::from(99);
        let forged = poseidon::hash2(Domain::Challenge, &[h, tag]);
        let (gamma, beta) = bus::challenges(h);
        let challenges = if which == 0 { (forged, beta) } else { (gamma, forged) };
        let mut leaf = Given::last().with(|g| g.challenges = Some(challenges)).leaf();
        leaf.w[variables(row)[0][0]] = tag;
        let (values, squeezed) = private([h, tag], |cs, inputs| {
            poseidon::gadget::hash2(cs.namespace(|| "squeeze"), Domain::Challenge, &inputs)
        });
        assert_eq!(squeezed, forged);
        splice(&mut leaf, (row + 1..).take_while(|&row| names()[row].starts_with("squeeze/")), &values);
        assert_refused_only_by("tag 99", &leaf, "tag is its constant");
    }
}

/// The public values after a segment are those that its slots computed.
#[test]
fn bus_rule_6_the_values_after_a_segment_are_computed() {
    let one = Scalar::ONE;
    for (what, at) in [("phase", AFTER), ("sequence", AFTER + 1)] {
        let mut leaf = Given::idle().leaf();
        leaf.x[at] += one;
        assert_refused_only_by(what, &leaf, "equal");
    }
    // Root and leaf count are hashed behind the row that binds them.
    for (what, at) in [("root", AFTER + 2), ("leaf count", AFTER + 3)] {
        let mut leaf = Given::idle().leaf();
        leaf.x[at] += one;
        let (values, _) = state_root(leaf.x[AFTER + 2], leaf.x[AFTER + 3], Scalar::ZERO);
        splice(&mut leaf, rows_under("post/").into_iter(), &values);
        assert_refused_only_by(what, &leaf, "equal");
    }
    assert_refused_only_by("chain", &Given::idle().with(|g| g.h_out = Some(one)).leaf(), "equal");
    let mut leaf = Given::idle().leaf();
    leaf.x[BUS_OUT] += one;
    assert_refused_only_by("bus", &leaf, "bus after is the sum");
}

/// What fills a hash up is zero: a free filling would be a second preimage.
#[test]
fn bus_rule_2_the_filling_of_every_hash_is_zero() {
    for side in ["pre", "post"] {
        let mut leaf = Given::idle().leaf();
        let (values, _) = state_root(leaf.x[BEFORE + 2], leaf.x[BEFORE + 3], Scalar::from(6));
        splice(&mut leaf, rows_under(&format!("{side}/")).into_iter(), &values);
        assert_refused_only_by(side, &leaf, &format!("{side}/zero"));
    }
    let zeros = rows_named("zero");
    assert_eq!(zeros.len(), 2, "statement and ports");
    let filling = Scalar::from(6);

    // The statement's chain: another filling, another chain, which h_in then is.
    let statement = Given::first().start.statement.elements;
    let (values, other) = {
        let mut cs = SatisfyingAssignment::<Engine>::new();
        let mut input = |value| AllocatedNum::alloc_input(&mut cs, || Ok(value)).unwrap();
        let mut inputs: Vec<_> = statement.into_iter().map(&mut input).collect();
        inputs.resize(bus::ABSORB_RATE + 1, input(filling));
        let inputs: [_; bus::ABSORB_RATE + 1] = inputs.try_into().map_err(|_| "length").unwrap();
        let digest = poseidon::gadget::hash24(cs.namespace(|| "statement"), Domain::Statement, &inputs).unwrap();
        (cs.aux_assignment().to_vec(), digest.get_value().unwrap())
    };
    let mut leaf = Given::first().with(|g| g.h_in = other).leaf();
    leaf.w[variables(zeros[0])[0][0]] = filling;
    splice(&mut leaf, rows_under("statement/").into_iter(), &values);
    assert_refused_only_by("statement", &leaf, "zero");

    // The last group of ports.
    let last = (0..).take_while(|i| !rows_under(&format!("absorb {i}/")).is_empty()).last().unwrap();
    let honest = Given::idle().leaf();
    let rows = rows_under(&format!("absorb {last}/"));
    let zero = variables(zeros[1])[0][0];
    // The chain before the last group is the digest that the group before allocated.
    let before = if last == 0 {
        honest.x[H_OUT - 1]
    } else {
        let rows = rows_under(&format!("absorb {}/", last - 1));
        honest.w[rows.into_iter().flat_map(|row| variables(row).concat()).max().unwrap()]
    };
    let used = rows.iter().flat_map(|&row| variables(row).concat()).collect::<BTreeSet<_>>();
    assert!(used.contains(&zero), "the last group is filled up");
    let fillings = bus::ABSORB_RATE - port_elements() % bus::ABSORB_RATE;
    assert_eq!(absorb_idle(before, fillings, Scalar::ZERO).1, honest.x[H_OUT]);
    let (values, h) = absorb_idle(before, fillings, filling);
    let mut leaf = Given::idle().with(|g| g.h_out = Some(h)).leaf();
    leaf.w[zero] = filling;
    splice(&mut leaf, rows.into_iter(), &values);
    assert_refused_only_by("ports", &leaf, "zero");
}

/// One group of an idle segment: zeros, then fillings.
fn absorb_idle(h: Scalar, fillings: usize, filling: Scalar) -> (Vec<Scalar>, Scalar) {
    let mut inputs = [Scalar::ZERO; bus::ABSORB_RATE + 1];
    inputs[0] = h;
    inputs[bus::ABSORB_RATE + 1 - fillings..].fill(filling);
    private(inputs, |cs, inputs| poseidon::gadget::hash24(cs.namespace(|| "absorb"), Domain::Bus, &inputs))
}

/// Selectors and payload elements of all ports: one product per element, one
/// inverse per port.
fn port_elements() -> usize {
    rows_named("product").len() + rows_named("inverse times denominator is the selector").len()
}

#[test]
fn bus_rule_2_products_and_inverses_are_constrained() {
    // The last product of each port is the one that the denominator takes.
    let honest = Given::idle().leaf();
    let products = rows_named("product");
    for row in products {
        if names().get(row + 1).map(String::as_str) == Some("inverse times denominator is the selector") {
            let mut leaf = honest.clone();
            leaf.w[variables(row)[2][0]] += Scalar::ONE;
            assert_refused_only_by("product", &leaf, "product");
        }
    }
    for row in rows_named("inverse times denominator is the selector") {
        let mut leaf = honest.clone();
        leaf.w[variables(row)[0][0]] += Scalar::ONE;
        // The sum follows the inverse, with whichever sign it has.
        let mut names = BTreeMap::new();
        for delta in [Scalar::ONE, -Scalar::ONE] {
            let mut leaf = leaf.clone();
            leaf.x[BUS_OUT] += delta;
            let rows: Vec<&str> = broken(&leaf).into_iter().map(|(_, name)| name).collect();
            names.insert(rows.len(), rows);
        }
        assert_eq!(names[&1], ["inverse times denominator is the selector"]);
    }
}

/// Every selector of a slot is boolean by a row of its own; the others are
/// differences and products of these (settlement, curve, transfer: see there).
#[test]
fn bus_rule_2_selectors_are_boolean() {
    for (name, slots) in [
        ("keccak selector", 1),
        ("curve selector", 1),
        ("tree selector", TREE_SLOTS),
        ("transfer selector", 1),
        ("settlement selector", 1),
        ("settlement starts", 1),
        ("settlement ends", 1),
    ] {
        let rows = rows_named(&format!("{name}/boolean constraint"));
        assert_eq!(rows.len(), slots, "{name}");
        for row in rows {
            let mut leaf = Given::idle().leaf();
            leaf.w[variables(row)[1][0]] = Scalar::from(2);
            assert!(broken(&leaf).iter().any(|(index, _)| *index == row), "{name}");
        }
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

/// Every public input of every segment of a real item is constrained.
#[test]
fn bus_rule_6_every_public_input_is_constrained() {
    for item in [Item::transfer(), Item::settlement()] {
        for (segment, leaf) in item.synthesize().leaves.iter().enumerate() {
            assert_passes(leaf);
            let free = free_inputs(leaf);
            assert!(free.is_empty(), "public inputs {free:?} of segment {segment} are free");
        }
    }
}

/// The public inputs that can grow by one without breaking a row. Looks at the
/// rows that contain them only.
fn free_inputs(leaf: &LeafWitness) -> Vec<usize> {
    let z = [leaf.w.clone(), vec![Scalar::ONE], leaf.x.clone()].concat();
    let (az, bz, cz) = shape().multiply_vec(&z).unwrap();
    let from = shape().num_vars() + 1;
    let mut deltas = vec![BTreeMap::<usize, [Scalar; 3]>::new(); PUBLIC_LEN];
    for (at, matrix) in [shape().A(), shape().B(), shape().C()].into_iter().enumerate() {
        for (row, range) in matrix.indptr.windows(2).enumerate() {
            for entry in range[0]..range[1] {
                if let Some(input) = matrix.indices[entry].checked_sub(from) {
                    deltas[input].entry(row).or_default()[at] += matrix.data[entry];
                }
            }
        }
    }
    let holds = |(row, [a, b, c]): (&usize, &[Scalar; 3])| (az[*row] + a) * (bz[*row] + b) == cz[*row] + c;
    (0..PUBLIC_LEN).filter(|&input| deltas[input].iter().all(holds)).collect()
}

/// An item of idle segments proves nothing and is refused, whatever its phase.
#[test]
fn bus_rule_4_an_item_without_logic_is_refused() {
    let both = |phase: u64| {
        Given::first().with(|g| {
            g.start.last = true;
            g.start.phase = Scalar::from(phase);
            g.challenges = None;
        })
    };
    assert_refused_only_by("phase 0", &both(0).leaf(), "the last segment ends in phase 2");
    assert_refused_only_by("phase 2", &both(2).leaf(), "zero when");
}

/// The logic's inputs are the statement's.
#[test]
fn bus_rule_4_the_logic_reads_the_statement() {
    for (index, row) in [
        (StatementIndex::Chain, "equal when"),
        (StatementIndex::DataHi, "transfer/statement data hi"),
        (StatementIndex::DataLo, "transfer/statement data lo"),
        (StatementIndex::Sender, "transfer/statement sender"),
        (StatementIndex::Env, "transfer/environment digest"),
    ] {
        let mut item = Item::transfer();
        item.elements.elements[index as usize] += Scalar::ONE;
        assert_eq!(item.refused(), [row]);
    }
    for index in [StatementIndex::DataHi, StatementIndex::DataLo] {
        let mut item = Item::settlement();
        item.elements.elements[index as usize] += Scalar::ONE;
        let refused = item.refused();
        assert!(refused.len() == 1 && refused[0].starts_with("settlement/final/"), "{refused:?}");
    }
}

/// A settlement is never the transaction of somebody.
#[test]
fn bus_rule_4_a_settlement_has_no_sender() {
    let mut item = Item::settlement();
    item.elements.elements[StatementIndex::Sender as usize] = Scalar::from(5);
    let refused = item.refused();
    assert_eq!(refused.len(), item.slots.len());
    assert!(refused.iter().all(|row| *row == "zero when"));
}

/// A transfer believes nobody but the providers.
#[test]
fn bus_rule_2_what_the_logic_hears_was_said_by_a_provider() {
    let change = |what: &str, change: &dyn Fn(&mut Vec<SegmentSlots>)| {
        let mut item = Item::transfer();
        change(&mut item.slots);
        item.assert_unbalanced(what);
    };
    let last = Item::transfer().slots.len() - 1;
    change("no signing hash", &|slots| slots[0].keccak = None);
    change("no sender's hash", &|slots| slots[1].keccak = None);
    change("another permutation", &|slots| slots[0].keccak.as_mut().unwrap()[0] ^= 1);
    change("a permutation for nobody", &|slots| slots[1].keccak.as_mut().unwrap()[24] ^= 1);
    change("no signature", &|slots| slots.iter_mut().for_each(|slot| slot.curve = None));
    change("no first chunk", &|slots| slots[0].curve = None);
    change("no last chunk", &|slots| slots[last].curve = None);
    change("the first chunk twice", &|slots| slots[last].curve = slots[0].curve.clone());
    // The chunks of another signature, by the same key or not.
    let mut world = World::new();
    let payload = world.payload([0x55; 20], 6);
    let other = Item::of(world.transfer(&payload));
    change("another signature", &|slots| {
        slots.iter_mut().zip(&other.slots).for_each(|(slot, other)| slot.curve = other.curve.clone());
    });
    change("another signature's end", &|slots| slots[last].curve = other.slots[last].curve.clone());
}

/// A multiset has no order: a slot may serve a message from any segment. This
/// is no forgery; what needs an order carries a number.
#[test]
fn a_provider_may_be_in_another_segment() {
    let mut item = Item::transfer();
    let first = item.slots[0].keccak.take();
    item.slots[0].keccak = std::mem::replace(&mut item.slots[1].keccak, first);
    assert_eq!(item.refused(), Vec::<&str>::new());
    item.synthesize().trace.publics(&item.elements).unwrap();
}

/// The state after these operations, run in this order by the tree slots of
/// segment 0, is what the statement then says.
fn with_ops(item: &mut Item, ops: &[StateOp]) {
    let (ops, after) = World::new().tree.prove_ops(ops).unwrap();
    item.elements.elements[StatementIndex::Post as usize] = after.root();
    item.slots[0].tree = ops;
}

fn state_ops(item: &Item) -> Vec<StateOp> {
    item.input
        .ops
        .iter()
        .map(|op| {
            assert_eq!(op.mode, OpMode::Update);
            StateOp::Set { address: op.new.key, account: op.new.account }
        })
        .collect()
}

/// Numbers give the multiset an order: the same operations in another order end
/// in the same state, and are refused nevertheless.
#[test]
fn bus_rule_3_operations_run_in_the_order_of_their_numbers() {
    let item = Item::transfer();
    let ops = state_ops(&item);
    assert_eq!(ops.len(), 3);
    for order in [[1, 0, 2], [0, 2, 1], [2, 1, 0]] {
        let mut item = Item::transfer();
        with_ops(&mut item, &order.map(|i| ops[i]));
        item.assert_unbalanced(&format!("{order:?}"));
    }
}

/// The tree does what the logic asked for: nothing more, nothing less, nothing else.
#[test]
fn bus_rule_3_the_tree_does_what_the_logic_asked_for() {
    let item = Item::transfer();
    let ops = state_ops(&item);
    let mint = |address, balance| StateOp::Set { address, account: crate::tree::Account { nonce: 0, balance } };
    let forged: [(&str, Vec<StateOp>); 5] = [
        ("one more", [&ops[..], &[mint([0x55; 20], 9 * ETHER)]].concat()),
        ("no fee", ops[..2].to_vec()),
        ("no debit", ops[1..].to_vec()),
        ("more value", vec![ops[0], mint([0x55; 20], 9 * ETHER), ops[2]]),
        ("twice", vec![ops[0], ops[1], ops[1], ops[2]]),
    ];
    for (what, ops) in forged {
        let mut item = Item::transfer();
        with_ops(&mut item, &ops);
        item.assert_unbalanced(what);
    }
}

/// The tree slots work one after the other: an operation on the root before its
/// predecessor (a stale read) is refused by its path.
#[test]
fn bus_rule_3_a_stale_read_is_refused() {
    let mut world = World::new();
    let me = address(&world.key);
    let payload = world.payload(me, 5);
    let mut item = Item::of(world.transfer(&payload));
    let stale = item.input.ops[0].clone();
    item.slots[0].tree[1] = crate::tree::OpWitness { seq: 1, ..stale };
    assert!(item.refused().contains(&"tree/root before"), "{:?}", item.refused());
}

#[test]
fn bus_rule_3_self_transfers_and_transfers_to_the_escrow_balance() {
    let mut world = World::new();
    let me = address(&world.key);
    for to in [me, ESCROW] {
        let payload = world.payload(to, 5);
        let item = Item::of(world.transfer(&payload));
        assert_eq!(item.refused(), Vec::<&str>::new());
        item.synthesize().trace.publics(&item.elements).unwrap();
    }
}

/// A settlement's chunks are bound to each other by their messages, not by
/// their places alone.
#[test]
fn bus_rule_2_a_settlement_continues_its_own_state() {
    let mut item = Item::settlement();
    let crate::segment::Logic::Settlement(chunk) = &mut item.slots[1].logic else { panic!("a settlement") };
    // The second chunk claims that one unit less was credited before it, and its
    // last entry debits as much less: the sum is zero again.
    chunk.state.sum -= Scalar::ONE;
    let refused = item.refused();
    assert!(refused.contains(&"zero when"), "{refused:?}");
    assert_eq!(item.synthesize().trace.publics(&item.elements), Err(TraceError::Rule(TraceRule::Bus)));
}

#[test]
fn trap_the_verifier_refuses_every_broken_trace() {
    let item = Item::transfer();
    let honest = item.synthesize().trace;
    honest.publics(&item.elements).unwrap();
    let one = Scalar::ONE;
    let n = honest.after.len();
    let of = |change: &dyn Fn(&mut ItemTrace)| {
        let mut trace = honest.clone();
        change(&mut trace);
        trace.publics(&item.elements)
    };
    let rules: [(TraceRule, &dyn Fn(&mut ItemTrace)); 9] = [
        (TraceRule::PreRoot, &|t| t.root += one),
        (TraceRule::PreRoot, &|t| t.leaf_count += one),
        (TraceRule::PostRoot, &|t| t.after[n - 1].root += one),
        (TraceRule::PostRoot, &|t| t.after[n - 1].leaf_count += one),
        (TraceRule::Phase, &|t| t.after[n - 1].phase = one),
        (TraceRule::Bus, &|t| t.after[n - 1].bus = one),
        (TraceRule::Challenges, &|t| t.after[n - 1].h += one),
        (TraceRule::Challenges, &|t| t.gamma += one),
        (TraceRule::Challenges, &|t| t.beta += one),
    ];
    for (rule, change) in rules {
        assert_eq!(of(change), Err(TraceError::Rule(rule)));
    }
    assert!(matches!(of(&|t| t.after.truncate(n - 1)), Err(TraceError::Segments { .. })));
    assert!(matches!(of(&|t| t.after.clear()), Err(TraceError::Segments { .. })));
    assert!(matches!(of(&|t| t.after.push(t.after[0])), Err(TraceError::Segments { .. })));
}

/// Links, flags and statement of every segment follow from the position.
#[test]
fn trap_the_verifier_makes_links_and_flags_itself() {
    let item = Item::transfer();
    let trace = item.synthesize().trace;
    let publics = trace.publics(&item.elements).unwrap();
    let n = publics.len();
    for (i, public) in publics.iter().enumerate() {
        assert_eq!((public.first, public.last), (i == 0, i + 1 == n));
        assert_eq!(public.statement, item.elements);
        assert_eq!((public.gamma, public.beta), (trace.gamma, trace.beta));
        assert_eq!(public.z_out, trace.after[i]);
        let before = match i {
            0 => Z {
                phase: Scalar::ZERO,
                h: statement_chain(&item.elements),
                bus: Scalar::ZERO,
                next_seq: Scalar::ZERO,
                root: trace.root,
                leaf_count: trace.leaf_count,
            },
            _ => trace.after[i - 1],
        };
        assert_eq!(public.z_in, before);
    }
}

/// One encoding per trace; hostile lengths and counts are errors.
#[test]
fn trap_traces_and_proofs_decode_canonically() {
    let trace = Item::settlement().synthesize().trace;
    let bytes = trace.encode();
    let n = trace.after.len();
    assert_eq!(ItemTrace::decode(&bytes, n).unwrap(), trace);
    assert!(matches!(ItemTrace::decode(&bytes[1..], n), Err(TraceError::Length { .. })));
    assert!(matches!(ItemTrace::decode(&bytes, n + 1), Err(TraceError::Length { .. })));
    for word in 0..bytes.len() / 32 {
        let mut forged = bytes.clone();
        forged[32 * word..32 * (word + 1)].fill(0xff);
        assert_eq!(ItemTrace::decode(&forged, n), Err(TraceError::NotCanonical { index: word }));
    }
    for segments in [0, 65, u32::MAX] {
        let result = ItemProof::decode(&bytes, segments, LOG_SIZE);
        let expected = TraceError::Statement(StatementError::Segments { segments });
        assert!(matches!(result, Err(ItemError::Trace(error)) if error == expected), "{segments}");
    }
}

/// Whoever makes an input lies about one thing; the prover names it.
#[test]
fn inputs_that_do_not_fit_their_statement_are_refused() {
    let honest = Item::transfer().input;
    let changed = |change: &dyn Fn(&mut ItemInput)| {
        let mut input = honest.clone();
        change(&mut input);
        plan(&input).unwrap_err()
    };
    let changes: [&dyn Fn(&mut ItemInput); 8] = [
        &|i| i.statement.pre_root[31] ^= 1,
        &|i| i.statement.post_root[31] ^= 1,
        &|i| i.statement.env[31] ^= 1,
        &|i| i.statement.data_hi[31] ^= 1,
        &|i| i.statement.data_lo[31] ^= 1,
        &|i| i.statement.sender[0] ^= 1,
        &|i| i.statement.chain_id += 1,
        &|i| i.statement.segments += 1,
    ];
    for change in changes {
        assert!(matches!(changed(change), PlanError::Mismatch(_)));
    }
    assert!(matches!(changed(&|i| i.ops.clear()), PlanError::NoOperations));
    assert!(matches!(changed(&|i| i.ops[1].seq = 7), PlanError::Tree(_)));
}

/// The smallest arity carries the largest batch.
#[test]
fn the_largest_batch_fits_the_tree_at_every_arity() {
    use super::batch::{ARITY_RANGE, MAX_BATCH_ITEMS, level_sizes};
    for arity in ARITY_RANGE {
        assert!(level_sizes(MAX_BATCH_ITEMS, arity).len() <= crate::proof::fold::HEIGHT_MAX as usize, "arity {arity}");
    }
}
