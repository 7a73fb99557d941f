//! Honest transfers satisfy the circuit, and its ports say what the planner says.

use proptest::prelude::*;

use super::world::*;
use crate::{
    Scalar,
    accounts::{Address, ESCROW},
    transfer::*,
};

/// Satisfied, and every port equals its native twin.
fn check(w: &TransferWitness) {
    let instance = honest(w);
    instance.assert_satisfied();
    let ports = &instance.output;
    for (port, message) in ports.keccak.iter().zip(w.keccak_messages()) {
        assert_eq!(values(port), message);
    }
    assert_eq!(values(&ports.sig), w.sig_message());
    for ((selector, port), (sent, message)) in ports.tree.iter().zip(w.tree_messages()) {
        assert_eq!(selector.get_value(), Some(Scalar::from(u64::from(sent))));
        assert_eq!(values(port), message);
    }
}

fn transfer(kind: TxKind, change: impl FnOnce(&mut Payload)) -> TransferWitness {
    let mut payload = payload(kind);
    change(&mut payload);
    World::new().plan(&payload).expect("a valid transfer")
}

#[test]
fn every_kind_to_every_recipient() {
    let recipients: [(Address, u128); 6] =
        [(KNOWN, 1), (UNKNOWN, 1 << 90), (sender(), 7), (ESCROW, 7), (KNOWN, 0), (UNKNOWN, 0)];
    for kind in KINDS {
        for (to, value) in recipients {
            let w = transfer(kind, |p| (p.to, p.value) = (to, value));
            check(&w);
            let sent = w.tree_messages().map(|(sent, _)| sent);
            let new = to == UNKNOWN && value > 0;
            assert_eq!(sent, [true, value > 0, new, true]);
        }
    }
}

#[test]
fn data_of_every_length_and_kind_of_byte() {
    let mut datas = vec![vec![], vec![0], vec![1], vec![0x7f], vec![0x80], vec![0xff]];
    for n in [2, 23, 24, 31, 32, 47, 48, 55] {
        datas.push(vec![0; n]);
        datas.push((0..n).map(|i| (i * 37 % 5 * 60) as u8).collect());
    }
    for (i, data) in datas.into_iter().enumerate() {
        let tokens: u64 = data.iter().map(|b| if *b == 0 { 1 } else { 4 }).sum();
        let w = transfer(KINDS[i % 3], |p| p.data = data);
        assert_eq!(w.gas_used, 21_000 + 10 * tokens);
        check(&w);
    }
}

#[test]
fn payload_of_exactly_one_block_less_one_byte() {
    let mut world = World::new();
    world.env.chain_id = u64::MAX;
    world.nonce = u64::MAX - 1;
    world.balance = u128::MAX;
    for kind in KINDS {
        let mut payload = payload(kind);
        payload.chain_id = world.env.chain_id;
        payload.nonce = world.nonce;
        payload.max_fee = 1 << 103;
        payload.max_priority_fee = payload.max_fee;
        payload.gas_limit = 1 << 24;
        payload.value = 1 << 121;
        while payload.encode().len() < MAX_PAYLOAD_BYTES {
            payload.data.push(1);
        }
        assert_eq!(payload.encode().len(), 135);
        check(&world.plan(&payload).expect("a valid transfer"));
    }
}

#[test]
fn smallest_and_largest_values() {
    let mut world = World::new();
    world.env = EnvFields::default();
    world.env.block_gas_limit = u64::MAX;
    world.env.chain_id = 0;
    world.nonce = 0;
    world.balance = 0;
    for kind in KINDS {
        let small = Payload {
            kind,
            chain_id: 0,
            nonce: 0,
            max_priority_fee: 0,
            max_fee: 0,
            gas_limit: 21_000,
            to: {
                let mut to = [0; 20];
                to[17] = 1;
                to
            },
            value: 0,
            data: vec![],
        };
        check(&world.plan(&small).expect("costs nothing"));
    }
    world.env.chain_id = u64::MAX;
    world.nonce = u64::MAX - 1;
    world.balance = u128::MAX;
    let max_fee = (1 << 103) - 1;
    world.env.base_fee = max_fee;
    for kind in KINDS {
        let large = Payload {
            kind,
            chain_id: u64::MAX,
            nonce: u64::MAX - 1,
            max_priority_fee: max_fee,
            max_fee,
            gas_limit: 1 << 24,
            to: [0xff; 20],
            value: u128::MAX - (max_fee << 24),
            data: vec![0xff; 12],
        };
        check(&world.plan(&large).expect("the balance covers it"));
    }
}

#[test]
fn price_is_the_smaller_of_two() {
    for (priority, max_fee, price) in
        [(20, 5_000, 1_020), (4_000, 5_000, 5_000), (4_500, 5_000, 5_000), (0, 1_000, 1_000)]
    {
        let w = transfer(TxKind::DynamicFee, |p| {
            (p.max_priority_fee, p.max_fee) = (priority, max_fee);
        });
        assert_eq!(w.price, price);
        check(&w);
    }
}

#[test]
fn an_idle_slot_is_zero_whatever_is_stated() {
    let planned = transfer(TxKind::DynamicFee, |_| ());
    for witness in [None, Some(&planned)] {
        let instance = slot(witness, false, &planned.statement());
        instance.assert_satisfied();
        // The four values of the statement.
        assert_eq!(instance.non_zero_values(), 4);
        for (selector, _) in &instance.output.tree {
            assert_eq!(selector.get_value(), Some(Scalar::from(0)));
        }
    }
}

prop_compose! {
    fn wide()(bits in 0..=128_u32, x in any::<u128>()) -> u128 {
        x.checked_shr(128 - bits).unwrap_or(0)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_the_planner_accepts_is_provable(
        kind in 0..3_usize,
        chain in any::<u64>(), chain_bits in 0..=64_u32,
        nonce in 0..u64::MAX, nonce_bits in 1..=64_u32,
        fees in [wide(), wide(), wide()],
        gas in 21_000..=MAX_GAS_LIMIT,
        to in any::<[u8; 20]>(),
        value in wide(),
        data in proptest::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..=55),
    ) {
        let [mut base, mut priority, mut max_fee] = fees.map(|x| x >> 25);
        if base > max_fee { std::mem::swap(&mut base, &mut max_fee); }
        if KINDS[kind] != TxKind::DynamicFee { priority = max_fee; }
        priority = priority.min(max_fee);
        let payload = Payload {
            kind: KINDS[kind],
            chain_id: chain.checked_shr(64 - chain_bits).unwrap_or(0),
            nonce: nonce >> (64 - nonce_bits),
            max_priority_fee: priority,
            max_fee,
            gas_limit: gas,
            to,
            value: value >> 1,
            data,
        };
        let mut world = World::new();
        world.nonce = payload.nonce;
        world.balance = u128::MAX;
        world.known = 0;
        world.env.base_fee = base;
        world.env.chain_id = payload.chain_id;
        prop_assume!(payload.encode().len() <= MAX_PAYLOAD_BYTES);
        prop_assume!(payload.gas_limit >= gas_used(payload.tokens()));
        check(&world.plan(&payload).expect("made to be valid"));
    }
}
