//! The rules that tie the slots together, gadget by gadget. Forgeries of whole
//! segments are in `item::forgeries`.

use std::collections::BTreeSet;

use ff::Field;
use nova_snark::frontend::solver::SatisfyingAssignment;

use super::*;
use crate::{
    Engine,
    gadgets::bit_scalar,
    statement::SegmentPublic,
    testing::{Instance, KitCS},
};

fn bit(cs: &mut KitCS, value: bool) -> Result<AllocatedBit, SynthesisError> {
    let value = cs.given(value);
    AllocatedBit::alloc(cs, value)
}

/// Phase 0 → 2 by a transfer or a settlement of one chunk, 0 → 1 → … → 2 by the
/// chunks of a longer one; nothing else. Every case that breaks one rule is
/// refused by that rule's row alone.
#[test]
fn bus_rule_4_phases_go_from_0_to_2_by_exactly_one_logic() {
    for case in 0..64u64 {
        let [transfer, used, is_first, is_final] = [1, 2, 4, 8].map(|mask| case & mask != 0);
        if (is_first || is_final) && !used {
            continue; // refused by the settlement slot
        }
        let before = case >> 4;
        let instance = Instance::of(|cs| {
            let transfer = bit(cs, transfer)?;
            let settlement =
                SettlementFlags { used: bit(cs, used)?, is_first: bit(cs, is_first)?, is_final: bit(cs, is_final)? };
            let before = cs.given(Scalar::from(before));
            let before = AllocatedNum::alloc(&mut *cs, || before.ok_or(SynthesisError::AssignmentMissing))?;
            phase_after(cs, &before, &transfer, &settlement)
        });
        let mut expected = BTreeSet::new();
        if transfer && used {
            expected.insert("one item logic in a segment");
        }
        if (transfer || is_first) && before != 0 {
            expected.insert("logic starts in phase 0");
        }
        if used && !is_first && before != 1 {
            expected.insert("logic goes on in phase 1");
        }
        let refused: BTreeSet<&str> = instance.unsatisfied().into_iter().collect();
        assert_eq!(refused, expected, "transfer {transfer} used {used} {is_first} {is_final} before {before}");
        if !expected.is_empty() {
            continue;
        }
        let after = match (transfer, used, is_final) {
            (true, ..) | (_, true, true) => 2,
            (_, true, false) => 1,
            _ => before,
        };
        assert_eq!(instance.output.get_value(), Some(Scalar::from(after)));
        let mut wrong = instance;
        wrong.set(wrong.output.get_variable(), Scalar::from(after + 1));
        wrong.assert_refused_by("phase after");
    }
}

fn idle_slots() -> SlotVars {
    let start = SegmentStart {
        first: false,
        last: false,
        statement: StatementElements { elements: [Scalar::from(3); STATEMENT_LEN] },
        phase: Scalar::ZERO,
        next_seq: Scalar::ZERO,
        root: Scalar::from(4),
        leaf_count: Scalar::from(5),
    };
    let mut cs = SatisfyingAssignment::<Engine>::new();
    slots(&mut cs, Some(&start), Some(&SegmentSlots::default())).unwrap()
}

/// Every element of every port of the real layout reaches the chain: the
/// selector, the payload, used or not.
#[test]
fn bus_rule_2_every_element_of_every_port_is_absorbed() {
    let mut vars = idle_slots();
    let chain = |ports: &[Port]| {
        let mut cs = SatisfyingAssignment::<Engine>::new();
        let h = AllocatedNum::alloc(&mut cs, || Ok(Scalar::from(9))).unwrap();
        bus::absorb(&mut cs, &h, ports).unwrap().get_value().unwrap()
    };
    let honest = chain(&vars.ports);
    let other =
        |number: &Num| AllocatedNum::from_parts(number.get_variable(), number.get_value().map(|v| v + Scalar::ONE));
    for i in 0..vars.ports.len() {
        let kept = vars.ports[i].selector.clone();
        vars.ports[i].selector = other(&kept);
        assert_ne!(chain(&vars.ports), honest, "selector of port {i}");
        vars.ports[i].selector = kept;
        for j in 0..vars.ports[i].payload.len() {
            let kept = vars.ports[i].payload[j].clone();
            vars.ports[i].payload[j] = other(&kept);
            assert_ne!(chain(&vars.ports), honest, "element {j} of port {i}");
            vars.ports[i].payload[j] = kept;
        }
    }
}

/// Each kind has one type of provider slot, and the sides are what the layout
/// says; a second sender of a provider's kind would need the same checks.
#[test]
fn bus_rule_2_each_kind_has_one_provider() {
    let ports = idle_slots().ports;
    let count = |kind, side| ports.iter().filter(|port| port.kind == kind && port.side == side).count();
    let table = [
        // Providers of facts send; the item logic receives.
        (Kind::Keccak, 1, 2),
        (Kind::Signature, 1, 1),
        (Kind::CurveState, 1, 1),
        // The item logics send; the tree slots provide by receiving.
        (Kind::Tree, 4 + 4, TREE_SLOTS),
        (Kind::Settlement, 1, 1),
    ];
    for (kind, send, receive) in table {
        assert_eq!((count(kind, Side::Send), count(kind, Side::Receive)), (send, receive), "{kind:?}");
    }
    assert_eq!(ports.len(), table.iter().map(|(_, send, receive)| send + receive).sum::<usize>());
    for (i, (kind, ..)) in table.iter().enumerate() {
        assert_ne!(*kind as u64, 0);
        assert!(table[..i].iter().all(|(other, ..)| *other as u64 != *kind as u64));
    }
    assert!(ports.iter().all(|port| port.selector.get_value() == Some(Scalar::ZERO)));
}

/// A port on values for the bus alone.
fn port(cs: &mut KitCS, kind: Kind, side: Side, said: bool, payload: &[u64]) -> Result<Port, SynthesisError> {
    let mut number = |value: Scalar| {
        let value = cs.given(value);
        AllocatedNum::alloc(&mut *cs, || value.ok_or(SynthesisError::AssignmentMissing))
    };
    Ok(Port {
        kind,
        side,
        selector: number(bit_scalar(said))?,
        payload: payload.iter().map(|m| number(Scalar::from(*m))).collect::<Result<_, _>>()?,
    })
}

type Said<'a> = (Kind, Side, bool, &'a [u64]);

fn bus_of(said: &[Said<'_>]) -> Scalar {
    let instance = Instance::of(|cs| {
        let ports =
            said.iter().map(|(kind, side, on, m)| port(cs, *kind, *side, *on, m)).collect::<Result<Vec<_>, _>>()?;
        let mut given = |value: u64| {
            let value = cs.given(Scalar::from(value));
            AllocatedNum::alloc(&mut *cs, || value.ok_or(SynthesisError::AssignmentMissing))
        };
        let (gamma, beta, bus_in) = (given(1_000_003)?, given(1_000_033)?, given(0)?);
        Ok(bus::sum(cs, &ports, &gamma, &beta, &bus_in)?.1)
    });
    instance.assert_satisfied();
    instance.output.unwrap()
}

/// Only equal messages of one kind cancel: the kind is a coordinate, every
/// coordinate has its own weight, and what is not said does not count.
#[test]
fn bus_rule_1_messages_cancel_only_if_equal_in_kind_and_every_coordinate() {
    use Kind::{Keccak, Settlement, Tree};
    use Side::{Receive, Send};
    let m: &[u64] = &[5, 6, 7];
    assert_eq!(bus_of(&[(Tree, Send, true, m), (Tree, Receive, true, m)]), Scalar::ZERO);
    assert_eq!(bus_of(&[(Tree, Send, false, m), (Tree, Receive, false, &[1])]), Scalar::ZERO);
    let unbalanced: [&[Said<'_>]; 9] = [
        &[(Tree, Send, true, m)],
        &[(Tree, Send, true, m), (Tree, Receive, false, m)],
        &[(Tree, Send, true, m), (Tree, Send, true, m)],
        &[(Tree, Send, true, m), (Keccak, Receive, true, m)],
        &[(Tree, Send, true, m), (Settlement, Receive, true, m)],
        &[(Tree, Send, true, m), (Tree, Receive, true, &[6, 6, 7])],
        &[(Tree, Send, true, m), (Tree, Receive, true, &[5, 7, 6])],
        &[(Tree, Send, true, m), (Tree, Receive, true, &[5, 6, 8])],
        // Two receivers of one message: no multiplicities.
        &[(Tree, Send, true, m), (Tree, Receive, true, m), (Tree, Receive, true, m)],
    ];
    for said in unbalanced {
        assert_ne!(bus_of(said), Scalar::ZERO);
    }
}

/// The order of the public inputs is that of [`SegmentPublic::to_vec`].
#[test]
fn bus_rule_6_the_public_inputs_have_the_documented_order() {
    let mut cs = SatisfyingAssignment::<Engine>::new();
    let start = SegmentStart {
        first: false,
        last: false,
        statement: StatementElements { elements: std::array::from_fn(|i| Scalar::from(100 + i as u64)) },
        phase: Scalar::ZERO,
        next_seq: Scalar::from(31),
        root: Scalar::from(32),
        leaf_count: Scalar::from(33),
    };
    let vars = slots(&mut cs, Some(&start), Some(&SegmentSlots::default())).unwrap();
    let h_out = chain(&mut cs, &vars, Some(Scalar::from(34))).unwrap();
    balance(&mut cs, &vars, &h_out, Some((Scalar::from(35), Scalar::from(36))), Some(Scalar::from(37))).unwrap();
    let z = crate::statement::Z {
        phase: start.phase,
        h: Scalar::from(34),
        bus: Scalar::from(37),
        next_seq: start.next_seq,
        root: start.root,
        leaf_count: start.leaf_count,
    };
    let public = SegmentPublic {
        first: false,
        last: false,
        z_in: z,
        statement: start.statement.clone(),
        gamma: Scalar::from(35),
        beta: Scalar::from(36),
        z_out: crate::statement::Z { h: h_out.get_value().unwrap(), ..z },
    };
    assert_eq!(cs.input_assignment()[1..], public.to_vec());
}
