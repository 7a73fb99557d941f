//! The slot against its native twin, whole settlements against a model of the
//! bus and the tree, and dishonest witnesses for every rule.

use std::collections::BTreeMap;

use ff::{Field, PrimeField};
use nova_snark::frontend::{AllocatedBit, SynthesisError, num::AllocatedNum};
use proptest::prelude::*;

use super::*;
use crate::{
    Scalar,
    accounts::Address,
    gadgets::alloc,
    statement::scalar_from_address,
    testing::{Instance, KitCS, Pin},
    tree::{Account, OpWitness, StateOp, StateTree},
};

const USER: Address = [0x11; 20];
const OTHER: Address = [0x22; 20];
const NEW: Address = [0x33; 20];
const NEWER: Address = [0x44; 20];

type Accounts = BTreeMap<Address, AccountView>;

fn accounts() -> Accounts {
    let view = |nonce, balance| AccountView { nonce, balance };
    [
        (DEBITABLE[0], view(0, 1_000)),
        (DEBITABLE[1], view(0, 500)),
        (DEBITABLE[2], view(0, u128::MAX)),
        (USER, view(7, 10)),
        (OTHER, view(8, 0)),
    ]
    .into()
}

fn credit(address: Address, amount: u128) -> SettlementEntry {
    SettlementEntry { address, amount, credit: true }
}

fn debit(address: Address, amount: u128) -> SettlementEntry {
    SettlementEntry { address, amount, credit: false }
}

fn plan_on(accounts: &Accounts, entries: &[SettlementEntry]) -> Result<SettlementPlan, PlanError> {
    let above = |address: &Address| accounts.range(*address..).next().map(|(key, _)| *key);
    plan_settlement(entries, |address| accounts.get(address).copied(), above)
}

fn plan(entries: &[SettlementEntry]) -> SettlementPlan {
    plan_on(&accounts(), entries).expect("a settlement")
}

/// Five entries in three chunks: updates, two inserts, an odd end.
fn mixed() -> Vec<SettlementEntry> {
    vec![debit(DEBITABLE[0], 400), credit(USER, 150), credit(NEWER, 200), credit(NEW, 75), debit(DEBITABLE[1], 25)]
}

#[derive(Clone)]
struct Flags {
    sel: bool,
    first: bool,
    last: bool,
    data: [Scalar; 2],
}

struct Slot {
    ports: SettlementPorts,
    sel: AllocatedBit,
    first: AllocatedBit,
    last: AllocatedBit,
    data: [AllocatedNum<Scalar>; 2],
}

fn slot(flags: &Flags, witness: Option<&SettlementChunkWitness>) -> Instance<Slot> {
    Instance::of(|cs: &mut KitCS| -> Result<Slot, SynthesisError> {
        let bit = |cs: &mut KitCS, value: bool| {
            let value = cs.given(value);
            AllocatedBit::alloc(cs, value)
        };
        let sel = bit(cs, flags.sel)?;
        let first = bit(cs, flags.first)?;
        let last = bit(cs, flags.last)?;
        let given = cs.given(flags.data);
        let hi = alloc(cs, given.map(|data| data[0]))?;
        let lo = alloc(cs, given.map(|data| data[1]))?;
        let witness = given.and(witness);
        let ports = synthesize_settlement(cs, &sel, &first, &last, &hi, &lo, witness)?;
        Ok(Slot { ports, sel, first, last, data: [hi, lo] })
    })
}

/// One chunk of an honest or dishonest plan under the statement (count, digest).
fn chunk(witness: &SettlementChunkWitness, data: [Scalar; 2]) -> Instance<Slot> {
    let flags = Flags { sel: true, first: witness.is_first, last: witness.is_final, data };
    slot(&flags, Some(witness))
}

fn statement(entries: &[SettlementEntry]) -> [Scalar; 2] {
    [Scalar::from(entries.len() as u64), settlement_digest(entries)]
}

fn said<const N: usize>(port: &SettlementPort<N>) -> (bool, [Scalar; N]) {
    let value = |number: &AllocatedNum<Scalar>| number.get_value().expect("a value");
    let selector = value(&port.selector);
    assert!(selector == Scalar::ZERO || selector == Scalar::ONE);
    (selector == Scalar::ONE, port.payload.each_ref().map(value))
}

fn address_of(key: Scalar) -> Address {
    let repr = key.to_repr();
    let mut address: Address = repr.as_ref()[..20].try_into().expect("20 bytes");
    address.reverse();
    address
}

fn small(number: Scalar) -> u128 {
    let repr = number.to_repr();
    u128::from_le_bytes(repr.as_ref()[..16].try_into().expect("16 bytes"))
}

/// Whether an item of these chunks is accepted: every slot satisfied, SETTLE
/// messages balanced, TREE messages numbered 0, 1, … and true of the accounts.
fn accepted(chunks: &[SettlementChunkWitness], data: [Scalar; 2], accounts: &mut Accounts) -> bool {
    let (mut sent, mut received, mut tree) = (Vec::new(), Vec::new(), Vec::new());
    for witness in chunks {
        let instance = chunk(witness, data);
        if !instance.is_satisfied() {
            return false;
        }
        let ports = &instance.output.ports;
        let messages = [(said(&ports.settle_in), &mut received), (said(&ports.settle_out), &mut sent)];
        for ((selector, payload), side) in messages {
            if selector {
                side.push(payload.map(|element| element.to_bytes()));
            }
        }
        tree.extend(ports.tree.iter().map(said).filter(|(selector, _)| *selector).map(|(_, message)| message));
    }
    sent.sort();
    received.sort();
    sent == received && executes(tree, accounts)
}

/// A model of the tree slots over a map of accounts.
fn executes(mut tree: Vec<[Scalar; TREE_ELEMENTS]>, accounts: &mut Accounts) -> bool {
    tree.sort_by_key(|message| message[0].to_repr().as_ref().iter().rev().copied().collect::<Vec<_>>());
    let mut linked = None;
    for (i, [seq, mode, key, next, nonce_old, old, nonce_new, new]) in tree.into_iter().enumerate() {
        let address = address_of(key);
        let known = accounts.get(&address).copied();
        let ok = seq == Scalar::from(i as u64)
            && match small(mode) {
                0 => known.is_some_and(|view| {
                    nonce_old == Scalar::from(view.nonce)
                        && old == Scalar::from_u128(view.balance)
                        && next == Scalar::ZERO
                }),
                1 => {
                    let above = accounts.range(address..).next().map_or([0; 20], |(key, _)| *key);
                    linked = Some((key, next));
                    known.is_none() && next == scalar_from_address(&above)
                }
                2 => linked.take() == Some((key, next)) && nonce_old == Scalar::ZERO && old == Scalar::ZERO,
                _ => false,
            };
        if !ok {
            return false;
        }
        if small(mode) != 1 {
            accounts.insert(address, AccountView { nonce: small(nonce_new) as u64, balance: small(new) });
        }
    }
    linked.is_none()
}

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

/// A settlement of one chunk: escrow pays 5 to the second entry's account.
fn pair(second: SettlementEntry) -> (SettlementChunkWitness, [Scalar; 2]) {
    let entries = [debit(DEBITABLE[0], 5), second];
    (plan(&entries).chunks[0].clone(), statement(&entries))
}

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
