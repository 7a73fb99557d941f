//! Dishonest witnesses: each breaks one rule of the slot.

use super::*;

#[test]
fn every_variable_is_determined() {
    // Free by construction: witnesses that are inputs of the slot (its flags and
    // statement are fixed by the composer) and, of the state, whatever the
    // messages carry. Everything else follows.
    let entries = mixed();
    for witness in &plan(&entries).chunks {
        let instance = chunk(witness, statement(&entries));
        let free = instance.mutation_sweep(1, |_| false);
        let names = |variable: &AllocatedNum<Scalar>| variable.get_variable();
        let mut expected = Vec::new();
        let output = &instance.output;
        if !witness.is_final {
            // The statement is read by the final chunk alone.
            expected.extend(output.data.iter().map(names));
        }
        for (i, entry) in witness.entries.iter().enumerate() {
            let ports = &output.ports.tree[2 * i..];
            match entry {
                // What the account was comes from the tree.
                Some(entry) if entry.is_new => expected.push(names(&ports[0].payload[3])),
                Some(_) => expected.push(names(&ports[0].payload[4])),
                None => {}
            }
        }
        let mut expected: Vec<usize> = expected.into_iter().map(index).collect();
        expected.sort_unstable();
        // The inverse of an unused entry's amount, zero, is free as well.
        let lacks = witness.entries[1].is_none();
        let extra: Vec<_> = free.iter().filter(|i| !expected.contains(i)).collect();
        assert_eq!(extra.len(), usize::from(lacks), "{extra:?}");
        assert!(expected.iter().all(|i| free.contains(i)));
    }
}

fn index(variable: nova_snark::frontend::Variable) -> usize {
    match variable.get_unchecked() {
        nova_snark::frontend::Index::Aux(i) => i,
        nova_snark::frontend::Index::Input(_) => unreachable!("a private variable"),
    }
}

#[test]
fn an_idle_slot_says_nothing() {
    let data = [Scalar::from(3), Scalar::from(4)];
    let flags = Flags { sel: false, first: false, last: false, data };
    let instance = slot(&flags, None);
    instance.assert_satisfied();
    let ports = &instance.output.ports;
    assert_eq!(said(&ports.settle_in), (false, [Scalar::ZERO; 5]));
    assert_eq!(said(&ports.settle_out), (false, [Scalar::ZERO; 5]));
    for port in &ports.tree {
        assert_eq!(said(port), (false, [Scalar::ZERO; 8]));
    }
    // The two elements of the statement.
    assert_eq!(instance.non_zero_values(), 2);
}

#[test]
fn an_idle_slot_cannot_be_first_or_final_or_send() {
    let (witness, data) = pair(credit(USER, 5));
    let idle = Flags { sel: false, first: false, last: false, data };
    let first = Flags { first: true, ..idle.clone() };
    let instance = slot(&first, Some(&witness));
    instance.assert_refused_by("first is active");
    let last = Flags { last: true, ..idle.clone() };
    slot(&last, Some(&witness)).assert_refused_by("final is active");
    // An idle slot with entries would send to the tree.
    let entry = witness.entries[1];
    let second = SettlementChunkWitness { entries: [None, entry], ..SettlementChunkWitness::default() };
    slot(&idle, Some(&second)).assert_refused_by("second entry/implies");
    let entries = SettlementChunkWitness { entries: [entry, None], ..SettlementChunkWitness::default() };
    slot(&idle, Some(&entries)).assert_refused_by("a credit is used");
    for port in [0, 1, 2, 3] {
        let mut instance = slot(&idle, None);
        let selector = instance.output.ports.tree[port].selector.get_variable();
        instance.set(selector, Scalar::ONE);
        assert!(!instance.is_satisfied());
    }
    let mut instance = chunk(&witness, data);
    let sel = instance.output.sel.get_variable();
    instance.set(sel, Scalar::ZERO);
    instance.assert_refused_by("first is active");
}

#[test]
fn the_flags_are_bound() {
    let (witness, data) = pair(credit(USER, 5));
    for flag in [|slot: &Slot| slot.first.get_variable(), |slot: &Slot| slot.last.get_variable()] {
        let mut instance = chunk(&witness, data);
        let variable = flag(&instance.output);
        instance.set(variable, Scalar::ZERO);
        instance.assert_refused_by("not f");
    }
}

#[test]
fn an_overdraw_is_refused() {
    let (mut witness, data) = pair(credit(USER, 5));
    let poor = witness.entries[0].as_mut().expect("an entry");
    poor.balance_old = Scalar::from(4);
    chunk(&witness, data).assert_refused_by("balance/recompose");
    let exact = witness.entries[0].as_mut().expect("an entry");
    exact.balance_old = Scalar::from(5);
    chunk(&witness, data).assert_satisfied();
}

#[test]
fn a_balance_stays_below_2_128() {
    let (mut witness, data) = pair(credit(USER, 5));
    let rich = witness.entries[1].as_mut().expect("an entry");
    rich.balance_old = Scalar::from_u128(u128::MAX - 4);
    chunk(&witness, data).assert_refused_by("balance/recompose");
    let rich = witness.entries[1].as_mut().expect("an entry");
    rich.balance_old = Scalar::from_u128(u128::MAX - 5);
    chunk(&witness, data).assert_satisfied();
}

/// A chunk that debits `address` by 5 and credits it again, by hand.
fn debit_by_hand(address: Address, is_new: bool) -> (SettlementChunkWitness, [Scalar; 2]) {
    let entries = [debit(address, 5), credit(address, 5)];
    let entry = |credit, balance: u64| EntryWitness {
        address: scalar_from_address(&address),
        amount: Scalar::from(5),
        credit,
        is_new: is_new && !credit,
        balance_old: Scalar::from(balance),
        ..EntryWitness::default()
    };
    let witness = SettlementChunkWitness {
        is_first: true,
        is_final: true,
        state: SettlementState::initial(),
        entries: [Some(entry(false, if is_new { 0 } else { 100 })), Some(entry(true, 95))],
    };
    (witness, statement(&entries))
}

#[test]
fn only_escrow_issuance_and_stake_can_be_debited() {
    for account in DEBITABLE {
        let (witness, data) = debit_by_hand(account, false);
        chunk(&witness, data).assert_satisfied();
    }
    let mut repay = DEBITABLE[0];
    repay[19] = 4;
    for account in [USER, repay, [0; 20]] {
        let (witness, data) = debit_by_hand(account, false);
        chunk(&witness, data).assert_refused_by("of a system account");
    }
    // The products behind that row are bound to the address.
    let (witness, data) = debit_by_hand(USER, false);
    let mut instance = chunk(&witness, data);
    let [two, three] = ["debit/two", "debit/three"].map(|row| instance.outputs_of(row)[0]);
    instance.set(three, Scalar::ZERO);
    assert_eq!(instance.first_unsatisfied().expect("a row").1, "entry/debit/three");
    instance.set(two, Scalar::ZERO);
    assert_eq!(instance.first_unsatisfied().expect("a row").1, "entry/debit/two");
    let (witness, data) = debit_by_hand(DEBITABLE[0], true);
    chunk(&witness, data).assert_refused_by("a new account is credited");
}

#[test]
fn an_amount_is_in_its_range() {
    let over = Scalar::from_u128(u128::MAX) + Scalar::ONE;
    for (amount, row) in [(Scalar::ZERO, "amount/non-zero"), (over, "amount/recompose"), (-Scalar::from(5), "amount/")]
    {
        let (mut witness, _) = pair(credit(USER, 5));
        for entry in witness.entries.iter_mut().flatten() {
            entry.amount = amount;
            entry.balance_old = if entry.credit { Scalar::ZERO } else { amount };
        }
        let end = witness.after();
        assert_eq!(end.sum, Scalar::ZERO);
        chunk(&witness, [end.count, end.digest]).assert_refused_by(row);
    }
}

#[test]
fn an_address_is_below_2_160() {
    let (mut witness, _) = pair(credit(USER, 5));
    let entry = witness.entries[1].as_mut().expect("an entry");
    entry.address += Scalar::from(2).pow_vartime([160]);
    let end = witness.after();
    chunk(&witness, [end.count, end.digest]).assert_refused_by("address/recompose");
}

#[test]
fn the_sum_is_zero_at_the_end() {
    let (mut witness, _) = pair(credit(USER, 5));
    for amount in [4, 6] {
        let entry = witness.entries[1].as_mut().expect("an entry");
        entry.amount = Scalar::from(amount);
        let end = witness.after();
        chunk(&witness, [end.count, end.digest]).assert_refused_by("final/sum");
    }
    // Before the end it may be anything, the next chunk takes it over.
    witness.is_final = false;
    let end = witness.after();
    let instance = chunk(&witness, [end.count, end.digest]);
    instance.assert_satisfied();
    assert_eq!(said(&instance.output.ports.settle_out).1[3], Scalar::ONE);
}

#[test]
fn digest_and_count_are_the_statements() {
    let (witness, [count, digest]) = pair(credit(USER, 5));
    chunk(&witness, [count, digest + Scalar::ONE]).assert_refused_by("final/digest");
    chunk(&witness, [count + Scalar::ONE, digest]).assert_refused_by("final/count");
    // Another list of the same length and sum.
    let other = [debit(DEBITABLE[0], 5), credit(OTHER, 5)];
    chunk(&witness, statement(&other)).assert_refused_by("final/digest");
}

#[test]
fn the_digest_tells_lists_apart() {
    let base = mixed();
    let mut lists = vec![base.clone(), base[..4].to_vec(), base[1..].to_vec(), Vec::new()];
    lists.push([&base[1..2], &base[..1], &base[2..]].concat());
    for change in [
        SettlementEntry { address: NEW, ..base[0] },
        SettlementEntry { amount: 401, ..base[0] },
        SettlementEntry { credit: true, ..base[0] },
    ] {
        let mut list = base.clone();
        list[0] = change;
        lists.push(list);
    }
    let digests: Vec<_> = lists.iter().map(|list| settlement_digest(list).to_bytes()).collect();
    for (i, digest) in digests.iter().enumerate() {
        assert!(!digests[..i].contains(digest), "list {i}");
    }
}

#[test]
fn the_first_chunk_starts_from_the_constants() {
    let (witness, data) = pair(credit(USER, 5));
    let change: [fn(&mut SettlementState); 5] = [
        |state| state.chunk = Scalar::ONE,
        |state| state.digest = Scalar::ZERO,
        |state| state.count = Scalar::ONE,
        |state| state.sum = Scalar::ONE,
        |state| state.seq = Scalar::ONE,
    ];
    for change in change {
        let mut witness = witness.clone();
        change(&mut witness.state);
        chunk(&witness, data).assert_refused_by("start");
    }
}

#[test]
fn chunks_cannot_be_reordered_left_out_or_doubled() {
    let entries: Vec<_> = [debit(DEBITABLE[0], 60)].into_iter().chain((0..5).map(|_| credit(USER, 12))).collect();
    let honest = plan(&entries).chunks;
    let data = statement(&entries);
    assert!(accepted(&honest, data, &mut accounts()));
    let [a, b, c] = [honest[0].clone(), honest[1].clone(), honest[2].clone()];

    // The order of segments is free, what they say to each other is not.
    assert!(accepted(&[b.clone(), a.clone(), c.clone()], data, &mut accounts()));
    assert!(!accepted(&[a.clone(), c.clone()], data, &mut accounts()));
    assert!(!accepted(&[b.clone(), c.clone()], data, &mut accounts()));
    assert!(!accepted(&[a.clone(), b.clone()], data, &mut accounts()));
    // Doubled, alone or as a whole second settlement beside the first.
    assert!(!accepted(&[a.clone(), b.clone(), b.clone(), c.clone()], data, &mut accounts()));
    assert!(!accepted(&[a.clone(), a.clone(), b.clone(), c.clone()], data, &mut accounts()));
    let twice = [honest.clone(), honest.clone()].concat();
    assert!(!accepted(&twice, data, &mut accounts()));

    // Swapped, with states renumbered so that they chain: the digest differs.
    let mut swapped = vec![a.clone(), b.clone(), c.clone()];
    swapped[0].entries = b.entries;
    swapped[1].entries = a.entries;
    for i in 1..3 {
        swapped[i].state = swapped[i - 1].after();
    }
    assert!(!accepted(&swapped, data, &mut accounts()));

    // A cycle of chunks beside the settlement cannot close: chunk counts up.
    let mut cycle = b.clone();
    cycle.entries = [Some(EntryWitness { credit: true, ..a.entries[0].expect("an entry") }); 2];
    cycle.state = cycle.after();
    assert!(!accepted(&[a, b, c, cycle], data, &mut accounts()));
}

#[test]
fn an_unused_entry_is_zero() {
    let entries = mixed();
    let last = plan(&entries).chunks[2].clone();
    assert_eq!(last.entries[1], None);
    // An entry that says something although it is not used.
    for (value, row) in [
        (EntryWitness { address: Scalar::ONE, ..EntryWitness::default() }, "entry/address if unused"),
        (EntryWitness { nonce: Scalar::ONE, ..EntryWitness::default() }, "entry/nonce if there is none"),
        (EntryWitness { balance_old: Scalar::ONE, ..EntryWitness::default() }, "entry/balance if there is none"),
        (EntryWitness { next: Scalar::ONE, ..EntryWitness::default() }, "entry/next if not new"),
    ] {
        let mut witness = last.clone();
        witness.entries[1] = Some(value);
        let mut instance = chunk(&witness, statement(&entries));
        let used = instance.output.ports.tree[2].selector.get_variable();
        instance.set(used, Scalar::ZERO);
        assert!(instance.unsatisfied().contains(&row), "{row}: {:?}", instance.unsatisfied());
    }
    // An amount would count in the sum without being in the digest.
    let mut instance = chunk(&last, statement(&entries));
    let amount = instance.outputs_of("amount/recompose")[1];
    instance.set(amount, Scalar::ONE);
    assert!(instance.unsatisfied().contains(&"entry/amount if unused"));
}

#[test]
fn an_entry_cannot_be_skipped() {
    let entries = mixed();
    let chunks = plan(&entries).chunks;
    // Left out of the tree, still in the digest.
    let mut instance = chunk(&chunks[0], statement(&entries));
    let selector = instance.output.ports.tree[2].selector.get_variable();
    instance.set(selector, Scalar::ZERO);
    assert!(!instance.is_satisfied());
    // Left out altogether, of a chunk that is not the final one.
    let mut short = chunks[0].clone();
    short.entries[1] = None;
    chunk(&short, statement(&entries)).assert_refused_by("only the final chunk may lack it");
}
