//! The slot against its native twin, whole settlements against a model of the
//! bus and the tree, and dishonest witnesses for every rule.

mod forged;
mod honest;

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

/// A settlement of one chunk: escrow pays 5 to the second entry's account.
fn pair(second: SettlementEntry) -> (SettlementChunkWitness, [Scalar; 2]) {
    let entries = [debit(DEBITABLE[0], 5), second];
    (plan(&entries).chunks[0].clone(), statement(&entries))
}
