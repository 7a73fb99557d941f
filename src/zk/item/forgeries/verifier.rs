//! What the verifier makes itself, what it decodes, and what the prover refuses to begin with.

use super::*;

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
    use crate::item::batch::{ARITY_RANGE, MAX_BATCH_ITEMS, level_sizes};
    for arity in ARITY_RANGE {
        assert!(level_sizes(MAX_BATCH_ITEMS, arity).len() <= crate::proof::fold::HEIGHT_MAX as usize, "arity {arity}");
    }
}
