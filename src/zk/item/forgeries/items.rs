//! An item: what its segments say to each other, to the tree and to the statement.

use super::*;

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
