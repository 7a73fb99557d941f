//! The slot against its native twin, its rules one by one, its cost.

use ff::Field;
use nova_snark::frontend::{AllocatedBit, ConstraintSystem, Index, Variable, num::AllocatedNum};
use proptest::prelude::*;

use super::{
    super::{
        circuit::{Values, synthesize_tree_op, synthesize_values},
        *,
    },
    native::{account, address},
};
use crate::testing::Instance;

/// What a test can look at and change.
struct Ports {
    sel: Variable,
    message: [Variable; 8],
    root_out: Variable,
    leaf_count_out: Variable,
    next_seq_out: Variable,
}

/// The slot with these inputs; `op` is what it gets while the witness is made.
fn slot(op: Option<&OpWitness>, root_in: Scalar, leaf_count_in: u64, seq_in: u64) -> Instance<Ports> {
    Instance::of(|cs| {
        let given = cs.given(op).flatten();
        let selected = cs.given(op.is_some());
        let sel = AllocatedBit::alloc(cs.namespace(|| "sel"), selected)?;
        let mut number = |name: &'static str, value: Scalar| AllocatedNum::alloc(cs.namespace(|| name), || Ok(value));
        let root_in = number("root in", root_in)?;
        let leaf_count_in = number("leaf count in", Scalar::from(leaf_count_in))?;
        let seq_in = number("seq in", Scalar::from(seq_in))?;
        let out = synthesize_tree_op(cs, &sel, &root_in, &leaf_count_in, &seq_in, given)?;
        Ok(Ports {
            sel: sel.get_variable(),
            message: out.message.map(|n| n.get_variable()),
            root_out: out.root_out.get_variable(),
            leaf_count_out: out.leaf_count_out.get_variable(),
            next_seq_out: out.next_seq_out.get_variable(),
        })
    })
}

/// The slot over values that need not be honest, and the outputs' numbers.
fn forged(sel: bool, values: &Values, op: &OpWitness) -> Instance<Ports> {
    Instance::of(|cs| {
        let given = cs.given(values);
        let selected = cs.given(sel);
        let sel = AllocatedBit::alloc(cs.namespace(|| "sel"), selected)?;
        let mut number = |value: Scalar| AllocatedNum::alloc(cs.namespace(|| "in"), || Ok(value));
        let root_in = number(op.root_before)?;
        let count = number(Scalar::from(op.leaf_count_before))?;
        let seq_in = number(Scalar::from(u64::from(op.seq)))?;
        let out = synthesize_values(cs, &sel, &root_in, &count, &seq_in, given)?;
        Ok(Ports {
            sel: sel.get_variable(),
            message: out.message.map(|n| n.get_variable()),
            root_out: out.root_out.get_variable(),
            leaf_count_out: out.leaf_count_out.get_variable(),
            next_seq_out: out.next_seq_out.get_variable(),
        })
    })
}

/// The slot where its inputs are those that the witness was made for.
fn honest(op: &OpWitness) -> Instance<Ports> {
    slot(Some(op), op.root_before, op.leaf_count_before, u64::from(op.seq))
}

fn assert_twin(op: &OpWitness) {
    let instance = honest(op);
    instance.assert_satisfied();
    let ports = &instance.output;
    assert_eq!(ports.message.map(|v| instance.value(v)), op.message());
    assert_eq!(instance.value(ports.root_out), op.root_after);
    assert_eq!(instance.value(ports.leaf_count_out), Scalar::from(op.leaf_count_after()));
    assert_eq!(instance.value(ports.next_seq_out), Scalar::from(u64::from(op.seq) + 1));
}

/// A tree with addresses 10, 20, 30 (in this order) and witnesses of an update
/// of 20, and of link and insert of `new`.
fn scene(new: Address) -> (StateTree, [OpWitness; 3]) {
    let tree = StateTree::from_accounts([10u8, 20, 30].map(|n| (key(n), account(u64::from(n), 1000)))).unwrap();
    let ops = [
        StateOp::Set { address: key(20), account: account(21, u128::MAX) },
        StateOp::Create { address: new, account: account(0, 7) },
    ];
    let witnesses = tree.prove_ops(&ops).unwrap().0;
    (tree, witnesses.try_into().unwrap())
}

fn key(n: u8) -> Address {
    let mut key = [0; 20];
    key[10] = n;
    key
}

/// Recomputes both roots, so that only rules of the mode can refuse.
fn rooted(mut op: OpWitness) -> OpWitness {
    let before = match op.mode {
        OpMode::Insert => empty_hash(0),
        OpMode::Update | OpMode::Link => op.old.hash(),
    };
    op.root_before = climb(&op, before);
    op.root_after = climb(&op, op.new.hash());
    op
}

fn climb(op: &OpWitness, mut digest: Scalar) -> Scalar {
    for (level, [a, b, c]) in op.siblings.into_iter().enumerate() {
        digest = node_hash(&match op.index >> (2 * level) & 3 {
            0 => [digest, a, b, c],
            1 => [a, digest, b, c],
            2 => [a, b, digest, c],
            _ => [a, b, c, digest],
        });
    }
    digest
}

/// Both the native check and the slot refuse, the slot by this row.
fn assert_refused(op: &OpWitness, rule: Rule, row: &str) {
    let index = op.index;
    assert_eq!(op.verify(), Err(TreeError::Rule { mode: op.mode, index, rule }));
    honest(op).assert_refused_by(row);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn slot_equals_native(
        start in proptest::collection::vec((1u8.., any::<u64>(), any::<u128>()), 0..20),
        set in (any::<prop::sample::Index>(), any::<u64>(), any::<u128>()),
        new in (any::<[u8; 20]>(), any::<u128>()),
    ) {
        let start: std::collections::BTreeMap<_, _> =
            start.iter().map(|(n, a, b)| (address(*n), account(*a, *b))).collect();
        let tree = StateTree::from_accounts(start).unwrap();
        let all: Vec<Address> = tree.iter().map(|(address, _)| address).collect();
        let ops = [
            StateOp::Create { address: new.0, account: account(0, new.1) },
            StateOp::Set { address: all[set.0.index(all.len())], account: account(set.1, set.2) },
        ];
        for op in tree.prove_ops(&ops).unwrap().0 {
            op.verify().unwrap();
            assert_twin(&op);
        }
    }
}

#[test]
fn extreme_keys_and_values_are_proven() {
    let mut one = [0; 20];
    one[19] = 1;
    let mut tree = StateTree::new();
    for new in [[0xff; 20], one, key(1)] {
        let ops = [
            StateOp::Create { address: new, account: account(u64::MAX, u128::MAX) },
            StateOp::Set { address: new, account: account(0, 0) },
            StateOp::Set { address: [0; 20], account: account(0, 1) },
        ];
        let (witnesses, after) = tree.prove_ops(&ops).unwrap();
        witnesses.iter().for_each(assert_twin);
        tree = after;
    }
}

#[test]
fn every_variable_is_determined() {
    for new in [key(15), key(40)] {
        for op in &scene(new).1 {
            honest(op).assert_determined(1, |_| false);
        }
    }
    slot(None, Scalar::from(5), 9, 3).assert_determined(1, |_| false);
}

#[test]
fn idle_slot_passes_through_and_says_nothing() {
    let instance = slot(None, Scalar::from(77), 12, 4);
    instance.assert_satisfied();
    let ports = &instance.output;
    assert_eq!(ports.message.map(|v| instance.value(v)), [Scalar::ZERO; 8]);
    assert_eq!(instance.value(ports.root_out), Scalar::from(77));
    assert_eq!(instance.value(ports.leaf_count_out), Scalar::from(12));
    assert_eq!(instance.value(ports.next_seq_out), Scalar::from(4));
    // The inputs and what is passed through.
    assert_eq!(instance.non_zero_values(), 6);
}

/// Everything an active slot did, with the selector put to 0: no output may stay.
#[test]
fn idle_slot_cannot_change_anything() {
    for op in &scene(key(15)).1 {
        let mut instance = honest(op);
        let sel = instance.output.sel;
        instance.set(sel, Scalar::ZERO);
        assert!(!instance.is_satisfied());
    }
    let mut instance = slot(None, Scalar::from(77), 12, 4);
    let Ports { root_out, leaf_count_out, next_seq_out, message, .. } = instance.output;
    for port in [root_out, leaf_count_out, next_seq_out].into_iter().chain(message) {
        let value = instance.value(port);
        instance.set(port, value + Scalar::ONE);
        assert!(!instance.is_satisfied());
        instance.set(port, value);
        instance.assert_satisfied();
    }
}

#[test]
fn inputs_bind() {
    for op in &scene(key(15)).1 {
        let (root, count, seq) = (op.root_before, op.leaf_count_before, u64::from(op.seq));
        slot(Some(op), root + Scalar::ONE, count, seq).assert_refused_by("root before");
        // The number is the input's, whatever the witness says.
        let other = slot(Some(op), root, count, seq + 5);
        other.assert_satisfied();
        assert_eq!(other.value(other.output.message[0]), Scalar::from(seq + 5));
    }
}

#[test]
fn stale_root_is_refused() {
    let (tree, _) = scene(key(15));
    let set = |balance| StateOp::Set { address: key(20), account: account(1, balance) };
    let (witnesses, _) = tree.prove_ops(&[set(5), set(6)]).unwrap();
    let stale = &tree.prove_ops(&[set(6)]).unwrap().0[0];
    let [first, second] = witnesses.try_into().unwrap();
    assert_twin(&first);
    assert_twin(&second);
    assert_eq!(second.old.account, first.new.account);
    slot(Some(stale), first.root_after, stale.leaf_count_before, 1).assert_refused_by("root before");
    let mut renumbered = stale.clone();
    renumbered.seq = 1;
    assert_eq!(OpWitness::verify_all(&[first.clone(), renumbered]), Err(TreeError::Chain { position: 1 }));
    assert_eq!(OpWitness::verify_all(&[second]), Err(TreeError::Chain { position: 0 }));
}

#[test]
fn insert_elsewhere_is_refused() {
    let (_, [_, _, insert]) = scene(key(15));
    for index in [insert.index + 1, insert.index + 4, 1 << 20] {
        let mut op = insert.clone();
        op.index = index;
        // All siblings unused: a position that is free indeed.
        op.siblings = std::array::from_fn(|level| [empty_hash(level); 3]);
        assert_refused(&rooted(op), Rule::Index, "insert at the leaf count");
    }
    let used = OpWitness { index: 2, ..insert.clone() };
    honest(&used).assert_refused_by("insert at the leaf count");
    // The native rule about a full tree.
    let full = OpWitness { leaf_count_before: LEAF_COUNT_MAX, ..insert };
    assert_eq!(
        full.verify().unwrap_err(),
        TreeError::Rule { mode: OpMode::Insert, index: full.index, rule: Rule::Index }
    );
    assert!(!honest(&full).is_satisfied());
}

#[test]
fn insert_over_a_used_leaf_is_refused() {
    let (tree, [_, _, insert]) = scene(key(15));
    // The path of the leaf at index 2, as an update has it.
    let update = &tree.prove_ops(&[StateOp::Set { address: key(20), account: account(0, 0) }]).unwrap().0[0];
    let op = OpWitness {
        index: update.index,
        siblings: update.siblings,
        leaf_count_before: u64::from(update.index),
        root_before: update.root_before,
        ..insert
    };
    assert_eq!(op.verify(), Err(TreeError::Path { index: op.index, which: Side::Before }));
    honest(&op).assert_refused_by("root before");
}

#[test]
fn insert_with_an_old_leaf_or_code_is_refused() {
    let (_, [_, _, insert]) = scene(key(15));
    let mut op = insert.clone();
    op.new.rest += Scalar::ONE;
    let op = rooted(op);
    assert_eq!(op.verify(), Err(TreeError::Rule { mode: op.mode, index: op.index, rule: Rule::Rest }));
    // The slot has no variable for it: it computes the right leaf instead.
    let instance = honest(&op);
    instance.assert_satisfied();
    assert_eq!(instance.value(instance.output.root_out), insert.root_after);
    for change in [
        |leaf: &mut Leaf| leaf.key[19] = 1,
        |leaf: &mut Leaf| leaf.next[19] = 1,
        |leaf: &mut Leaf| leaf.account.nonce = 1,
        |leaf: &mut Leaf| leaf.account.balance = 1,
        |leaf: &mut Leaf| leaf.rest = Scalar::ONE,
    ] {
        let mut op = insert.clone();
        change(&mut op.old);
        assert_refused(&op, Rule::NotUnused, "of update and link only");
    }
}

/// A second leaf for one account needs a link of a key that is in the list.
#[test]
fn a_key_that_exists_cannot_be_linked() {
    let (tree, _) = scene(key(15));
    for (low, new) in [
        (10, key(10)), // the low leaf itself: not above it
        (10, key(20)), // its successor: not below it
        (10, key(30)), // beyond the successor
        (10, key(25)), // a new key, but of the next gap
        (20, key(10)), // below the low leaf
        (20, key(15)),
        (30, key(30)), // at the end of the list
        (30, key(20)),
        (30, [0; 20]), // key zero is never new
    ] {
        let set = StateOp::Set { address: key(low), account: account(0, 0) };
        let mut op = tree.prove_ops(&[set]).unwrap().0.remove(0);
        op.mode = OpMode::Link;
        op.new = Leaf { next: new, ..op.old };
        let row = if new <= op.old.key { "key above low" } else { "key below next" };
        assert_refused(&rooted(op), Rule::Order, row);
    }
}

#[test]
fn the_end_of_the_list_cannot_be_claimed() {
    let (_, [_, link, _]) = scene(key(15));
    // A link whose leaf has a successor, with a message that says 0.
    let mut instance = honest(&link);
    let next = instance.output.message[3];
    instance.set(next, Scalar::ZERO);
    assert!(!instance.is_satisfied());
}

#[test]
fn each_mode_changes_its_fields_only() {
    let (_, [update, link, _]) = scene(key(15));
    type Change = fn(&mut Leaf);
    let key_changes: Change = |leaf| leaf.key[19] ^= 1;
    let next_changes: Change = |leaf| leaf.next[19] ^= 1;
    let nonce_changes: Change = |leaf| leaf.account.nonce ^= 1;
    let balance_changes: Change = |leaf| leaf.account.balance ^= 1;
    let rest_changes: Change = |leaf| leaf.rest += Scalar::ONE;
    for (op, changes) in [
        (&update, vec![(key_changes, "new key"), (next_changes, "new next")]),
        (&link, vec![(key_changes, "new key"), (nonce_changes, "new value 0"), (balance_changes, "new value 1")]),
    ] {
        for (change, row) in changes {
            let mut op = op.clone();
            change(&mut op.new);
            assert_refused(&rooted(op), Rule::FieldChanged, row);
        }
    }
    for op in [&update, &link] {
        let mut changed = op.clone();
        rest_changes(&mut changed.new);
        let changed = rooted(changed);
        assert!(matches!(changed.verify(), Err(TreeError::Rule { rule: Rule::FieldChanged, .. })));
        // The slot has no variable for it: the old digest stays.
        let instance = honest(&changed);
        assert_eq!(instance.value(instance.output.root_out), op.root_after);
    }
}

#[test]
fn a_message_is_what_was_done() {
    for op in &scene(key(15)).1 {
        let mut instance = honest(op);
        for port in instance.output.message {
            let value = instance.value(port);
            for wrong in [Scalar::ZERO, value + Scalar::ONE] {
                if wrong != value {
                    instance.set(port, wrong);
                    assert!(!instance.is_satisfied());
                }
            }
            instance.set(port, value);
        }
        instance.assert_satisfied();
    }
}

#[test]
fn a_witness_is_needed_where_selected() {
    let mut cs = nova_snark::frontend::solver::SatisfyingAssignment::<crate::Engine>::new();
    let sel = AllocatedBit::alloc(&mut cs, Some(true)).unwrap();
    let zero = AllocatedNum::alloc(&mut cs, || Ok(Scalar::ZERO)).unwrap();
    assert!(synthesize_tree_op(&mut cs, &sel, &zero, &zero, &zero, None).is_err());
}

#[test]
fn cost_is_pinned() {
    let pin = slot(None, Scalar::ZERO, 1, 0);
    let pin = pin.pin();
    // Less the test's own selector.
    let found = (pin.constraints - 1, pin.variables - 4, pin.non_zeros, pin.digest.as_str());
    assert_eq!(found, (10_495, 10_534, 172_869, "1ee431a54557c6b9"));
}

/// One lie at a time about the message, the modes and the list's end.
#[test]
fn lies_are_refused_by_their_row() {
    let (tree, [update, link, insert]) = scene(key(15));
    type Lie = fn(&mut Values);
    let lies: [(bool, &OpWitness, Lie, &str); 22] = [
        (true, &update, |v| (v.link, v.insert) = (true, true), "one mode"),
        (true, &update, |v| v.message[1] = Scalar::ONE, "mode number"),
        (true, &update, |v| v.message[2] += Scalar::ONE, "update: old key"),
        (true, &update, |v| v.message[3] = Scalar::ONE, "next of link and insert only"),
        (true, &update, |v| v.message[4] += Scalar::ONE, "value before 0"),
        (true, &update, |v| v.message[5] += Scalar::ONE, "value before 1"),
        (true, &update, |v| v.message[6] += Scalar::ONE, "new value 0"),
        (true, &update, |v| v.message[7] += Scalar::ONE, "new value 1"),
        (true, &link, |v| v.message[2] += Scalar::ONE, "new next"),
        (true, &link, |v| v.message[3] += Scalar::ONE, "link: old next"),
        (true, &link, |v| v.message[4] = Scalar::ONE, "value before 0"),
        (true, &link, |v| v.message[5] = Scalar::ONE, "value before 1"),
        (true, &link, |v| v.message[6] = Scalar::ONE, "value after 0 of update and insert only"),
        (true, &link, |v| v.message[7] = Scalar::ONE, "value after 1 of update and insert only"),
        (true, &insert, |v| v.message[2] += Scalar::ONE, "new key"),
        (true, &insert, |v| v.message[3] += Scalar::ONE, "new next"),
        (true, &insert, |v| v.message[4] = Scalar::ONE, "value before 0"),
        (true, &insert, |v| v.message[6] += Scalar::ONE, "new value 0"),
        (false, &update, |v| (*v).clone_from(&Values { link: true, ..Values::IDLE }), "one mode"),
        (false, &update, |v| (*v).clone_from(&Values { insert: true, ..Values::IDLE }), "one mode"),
        (
            false,
            &update,
            |v| {
                *v = Values::IDLE;
                v.message[2] = Scalar::ONE
            },
            "idle key",
        ),
        (
            false,
            &update,
            |v| {
                *v = Values::IDLE;
                v.positions[9] = 2
            },
            "idle index",
        ),
    ];
    for (sel, op, lie, row) in lies {
        let mut values = Values::of(op);
        lie(&mut values);
        forged(sel, &values, op).assert_refused_by(row);
    }

    // A key beyond the successor, below an end that only the prover sees.
    let set = StateOp::Set { address: key(10), account: account(0, 0) };
    let mut beyond = tree.prove_ops(&[set]).unwrap().0.remove(0);
    beyond.mode = OpMode::Link;
    beyond.new = Leaf { next: key(25), ..beyond.old };
    let beyond = rooted(beyond);
    let mut values = Values::of(&beyond);
    let (new, next) = (key_scalar(&key(25)), key_scalar(&key(20)));
    let top = Scalar::from(2).pow_vartime([160]);
    values.ends = (new + Scalar::ONE - next) * top.invert().unwrap();
    values.inverse = (Scalar::ONE - values.ends) * next.invert().unwrap();
    forged(true, &values, &beyond).assert_refused_by("end has no next");

    let (_, [_, last, _]) = scene(key(40));
    let mut values = Values::of(&last);
    values.inverse = Scalar::from(5);
    forged(true, &values, &last).assert_refused_by("inverse or zero");
    values = Values::of(&last);
    values.ends = Scalar::ZERO;
    forged(true, &values, &last).assert_refused_by("no next is the end");
}

/// Two bits that together keep their sum.
#[test]
fn bits_are_boolean() {
    let (_, [update, link, _]) = scene(key(15));
    let at = |variable: Variable, offset: usize| match variable.get_unchecked() {
        Index::Aux(i) => Variable::new_unchecked(Index::Aux(i + offset)),
        Index::Input(_) => panic!("ports are private"),
    };
    // Behind the message: five old fields, four new ones, the end's two.
    let first = 1 + 5 + 4 + 2;
    for (op, name, start, len) in [
        (&link, "above low", first, 160),
        (&link, "below next", first + 160, 160),
        (&update, "position", first + 320, 32),
    ] {
        let mut instance = honest(op);
        let last_port = instance.output.message[7];
        for bit in 0..len - 1 {
            let low = at(last_port, start + bit);
            let high = at(last_port, start + bit + 1);
            let (a, b) = (instance.value(low), instance.value(high));
            instance.set(low, a + Scalar::from(2));
            instance.set(high, b - Scalar::ONE);
            instance.assert_refused_by(&format!("{name} {bit}"));
            instance.set(low, a);
            instance.set(high, b);
        }
    }
}

#[test]
fn outputs_are_refused_by_their_row() {
    for op in &scene(key(15)).1 {
        let mut instance = honest(op);
        let ports = &instance.output;
        for (port, row) in [
            (ports.message[0], "seq"),
            (ports.root_out, "root after"),
            (ports.leaf_count_out, "leaf count after"),
            (ports.next_seq_out, "next seq after"),
        ] {
            let value = instance.value(port);
            instance.set(port, value + Scalar::ONE);
            instance.assert_refused_by(row);
            instance.set(port, value);
        }
    }
}

/// Children that are not those of the path are refused before they are hashed:
/// some variable is held by every swap alone.
#[test]
fn swaps_are_constrained() {
    let (_, [update, ..]) = scene(key(15));
    let mut instance = honest(&update);
    let Index::Aux(end) = instance.output.root_out.get_unchecked() else { panic!("ports are private") };
    let mut held = std::collections::BTreeSet::new();
    for column in 0..end {
        let variable = Variable::new_unchecked(Index::Aux(column));
        let value = instance.value(variable);
        instance.set(variable, value + Scalar::ONE);
        if let Some((_, name)) = instance.first_unsatisfied().filter(|(_, name)| name.ends_with(" swap")) {
            held.insert(name.to_owned());
        }
        instance.set(variable, value);
    }
    assert_eq!(held.len(), DEPTH * 2 * 3);
}
