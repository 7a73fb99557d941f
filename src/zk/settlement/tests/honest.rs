//! Settlements that are what they say: executed, told to the tree, refused by the planner, priced.

use super::*;

#[test]
fn a_settlement_of_three_chunks_is_executed() {
    let entries = mixed();
    let plan = plan(&entries);
    assert_eq!(plan.chunks.len(), 3);
    let mut after = accounts();
    assert!(accepted(&plan.chunks, statement(&entries), &mut after));
    assert_eq!([plan.end.count, plan.end.digest], statement(&entries));
    assert_eq!(plan.end.seq, Scalar::from(7));
    let balance = |address: Address| after[&address].balance;
    assert_eq!(balance(DEBITABLE[0]), 600);
    assert_eq!(balance(DEBITABLE[1]), 475);
    assert_eq!((balance(USER), after[&USER].nonce), (160, 7));
    assert_eq!((balance(NEW), after[&NEW].nonce), (75, 0));
    assert_eq!(balance(NEWER), 200);
}

#[test]
fn the_circuit_says_what_the_twin_says() {
    let entries = mixed();
    for witness in &plan(&entries).chunks {
        let instance = chunk(witness, statement(&entries));
        instance.assert_satisfied();
        let (ports, twin) = (&instance.output.ports, witness.ports());
        assert_eq!(said(&ports.settle_in), twin.settle_in);
        assert_eq!(said(&ports.settle_out), twin.settle_out);
        assert_eq!(ports.tree.each_ref().map(said), twin.tree);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_random_settlement_is_executed(credits in prop::collection::vec((0..6u8, 1..90u128), 1..6)) {
        let total: u128 = credits.iter().map(|(_, amount)| amount).sum();
        let mut entries = vec![debit(DEBITABLE[2], total)];
        entries.extend(credits.iter().map(|(who, amount)| credit([who * 16 + 1; 20], *amount)));
        let mut after = accounts();
        prop_assert!(accepted(&plan(&entries).chunks, statement(&entries), &mut after));
        let sum = |accounts: &Accounts, skip: Address| -> u128 {
            accounts.iter().filter(|(key, _)| **key != skip).map(|(_, view)| view.balance).sum()
        };
        prop_assert_eq!(sum(&after, DEBITABLE[2]), sum(&accounts(), DEBITABLE[2]) + total);
        prop_assert_eq!(after[&DEBITABLE[2]].balance, u128::MAX - total);
    }
}

#[test]
fn the_tree_says_the_same_messages() {
    let mut now = accounts();
    let entries = mixed();
    let view = |view: &AccountView| Account { nonce: view.nonce, balance: view.balance };
    let tree = StateTree::from_accounts(now.iter().map(|(key, account)| (*key, view(account)))).expect("a tree");
    let mut ops = Vec::new();
    for SettlementEntry { address, amount, credit } in entries.clone() {
        let known = now.get(&address).copied();
        let AccountView { nonce, balance } = known.unwrap_or(AccountView { nonce: 0, balance: 0 });
        let balance = if credit { balance + amount } else { balance - amount };
        let after = AccountView { nonce, balance };
        let account = view(&after);
        ops.push(match known {
            Some(_) => StateOp::Set { address, account },
            None => StateOp::Create { address, account },
        });
        now.insert(address, after);
    }
    let (witnesses, _) = tree.prove_ops(&ops).expect("operations");
    let expected: Vec<_> = witnesses.iter().map(OpWitness::message).collect();
    let chunks = plan(&entries).chunks;
    let ports = chunks.iter().flat_map(|chunk| chunk.ports().tree);
    let said: Vec<_> = ports.filter(|(used, _)| *used).map(|(_, message)| message).collect();
    assert_eq!(said, expected);
}

#[test]
fn a_new_account_is_a_link_and_an_insert() {
    let (witness, data) = pair(credit(NEW, 5));
    let instance = chunk(&witness, data);
    instance.assert_satisfied();
    let [_, _, link, insert] = instance.output.ports.tree.each_ref().map(said);
    let zero = Scalar::ZERO;
    let key = scalar_from_address(&NEW);
    let next = scalar_from_address(&DEBITABLE[0]);
    assert_eq!(link, (true, [Scalar::ONE, Scalar::ONE, key, next, zero, zero, zero, zero]));
    assert_eq!(insert, (true, [Scalar::from(2), Scalar::from(2), key, next, zero, zero, zero, Scalar::from(5)]));
    // A new account brings no nonce, no balance; an old one no link.
    for (change, row) in [
        ((|entry| entry.nonce = Scalar::ONE) as fn(&mut EntryWitness), "nonce if there is none"),
        (|entry| entry.balance_old = Scalar::ONE, "balance if there is none"),
        (|entry| entry.is_new = false, "next if not new"),
    ] {
        let mut witness = witness.clone();
        change(witness.entries[1].as_mut().expect("an entry"));
        chunk(&witness, data).assert_refused_by(row);
    }
}

#[test]
fn successors_follow_accounts_created_in_the_same_settlement() {
    let next = |entries: &[SettlementEntry]| -> Vec<Scalar> {
        let chunks = plan(entries).chunks;
        chunks.iter().flat_map(|chunk| chunk.entries).flatten().map(|entry| entry.next).collect()
    };
    let paid = debit(DEBITABLE[0], 10);
    let beyond = [0xff; 20];
    let (zero, escrow) = (Scalar::ZERO, scalar_from_address(&DEBITABLE[0]));
    assert_eq!(next(&[paid, credit(NEW, 5), credit(NEWER, 5)]), [zero, escrow, escrow]);
    assert_eq!(next(&[paid, credit(NEWER, 5), credit(NEW, 5)]), [zero, escrow, scalar_from_address(&NEWER)]);
    assert_eq!(next(&[paid, credit(beyond, 10)]), [zero, zero]);
    assert_eq!(next(&[paid, credit(NEW, 4), credit(NEW, 6)]), [zero, escrow, zero]);
}

#[test]
fn the_planner_refuses_what_the_circuit_refuses() {
    let refused = |entries: &[SettlementEntry]| plan_on(&accounts(), entries).expect_err("refused");
    assert_eq!(refused(&[]), PlanError::Empty);
    assert_eq!(refused(&[credit(USER, 0)]), PlanError::ZeroAmount { index: 0 });
    assert_eq!(refused(&[debit(USER, 5), credit(OTHER, 5)]), PlanError::DebitOfUser { index: 0, address: USER });
    assert_eq!(
        refused(&[credit(USER, 1_001), debit(DEBITABLE[0], 1_001)]),
        PlanError::Overdrawn { index: 1, balance: 1_000, amount: 1_001 }
    );
    assert_eq!(refused(&[credit(USER, u128::MAX)]), PlanError::Overflow { index: 0, amount: u128::MAX });
    assert_eq!(refused(&[debit(DEBITABLE[0], 5), credit(USER, 4)]), PlanError::Unbalanced { credits: 4, debits: 5 });
    let many = vec![credit(USER, 1); 129];
    assert_eq!(refused(&many), PlanError::TooMany { entries: 129, max: 128 });
}

#[test]
fn cost_and_shape_are_pinned() {
    let (witness, data) = pair(credit(USER, 5));
    // Three constraints and five variables are the flags and the statement.
    assert_eq!(
        chunk(&witness, data).pin(),
        &Pin { constraints: 1480, variables: 1463, non_zeros: 13_223, digest: "e4c193305e69c3e8".into() }
    );
}
