//! The permutation against published vectors and `sha3`, the slot against its
//! native twin.

use std::time::Instant;

use nova_snark::frontend::{AllocatedBit, ConstraintSystem, num::AllocatedNum, solver::SatisfyingAssignment};
use proptest::prelude::*;
use sha3::{Digest, Keccak256};

use super::{circuit::synthesize_with, native::Step, *};
use crate::testing::{Instance, KitCS, Pin};
use crate::{Engine, Scalar};

fn slot(sel: bool, input: Option<State>) -> Instance<(AllocatedBit, KeccakPorts)> {
    Instance::of(|cs: &mut KitCS| {
        let value = cs.given(sel);
        let sel = AllocatedBit::alloc(&mut *cs, value)?;
        let input = if value.is_some() { input } else { None };
        let ports = synthesize_keccak_f(cs, &sel, input.as_ref())?;
        Ok((sel, ports))
    })
}

fn values(elements: &[AllocatedNum<Scalar>; PORT_ELEMENTS]) -> [Scalar; PORT_ELEMENTS] {
    std::array::from_fn(|i| elements[i].get_value().expect("a value"))
}

fn random_state(seed: u64) -> State {
    let mut lane = seed;
    std::array::from_fn(|_| {
        lane = lane.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        lane ^ lane >> 29
    })
}

#[test]
fn the_permutation_of_zero_is_the_published_one() {
    // KeccakCodePackage, KeccakF-1600-IntermediateValues.
    let once = keccak_f(&[0; 25]);
    assert_eq!(once[0], 0xf125_8f79_40e1_dde7);
    assert_eq!(once[24], 0xeaf1_ff7b_5cec_a249);
    let twice = keccak_f(&once);
    assert_eq!(twice[0], 0x2d5c_954d_f96e_cb3c);
    assert_eq!(twice[24], 0x20d0_6cd2_6a8f_bf5c);
}

proptest! {
    #[test]
    fn one_block_is_what_sha3_computes(message in prop::collection::vec(any::<u8>(), 0..=MAX_BLOCK_BYTES)) {
        let block = keccak256_block(&message).expect("one block");
        prop_assert_eq!(block.digest, <[u8; 32]>::from(Keccak256::digest(&message)));
        prop_assert_eq!(block.output, keccak_f(&block.input));
    }
}

#[test]
fn every_length_of_one_block_is_padded_as_sha3_does() {
    for length in 0..=MAX_BLOCK_BYTES {
        let message = vec![0xa5; length];
        let block = keccak256_block(&message).expect("one block");
        assert_eq!(block.digest, <[u8; 32]>::from(Keccak256::digest(&message)));
    }
    assert_eq!(keccak256_block(&[0; MAX_BLOCK_BYTES + 1]), None);
}

#[test]
fn packing_puts_three_lanes_in_an_element() {
    let state: State = std::array::from_fn(|i| i as u64 + 1);
    let packed = pack_state(&state);
    let shift = Scalar::from(1 << 32) * Scalar::from(1 << 32);
    assert_eq!(packed[1], Scalar::from(4) + shift * (Scalar::from(5) + shift * Scalar::from(6)));
    assert_eq!(packed[8], Scalar::from(25));
    let full = pack_state(&[u64::MAX; 25]);
    assert_eq!(full[0] + Scalar::from(1), shift * shift * shift);
}

#[test]
fn the_slot_computes_what_the_twin_does() {
    for state in [[0; 25], [u64::MAX; 25], random_state(7), random_state(8)] {
        let instance = slot(true, Some(state));
        instance.assert_satisfied();
        let (_, ports) = &instance.output;
        assert_eq!(values(&ports.input), pack_state(&state));
        assert_eq!(values(&ports.output), pack_state(&keccak_f(&state)));
    }
}

#[test]
fn every_variable_is_determined() {
    slot(true, Some(random_state(9))).assert_determined(1, |_| false);
    slot(true, Some([0; 25])).assert_determined(1, |_| false);
}

#[test]
fn a_wrong_bit_anywhere_is_refused_by_its_own_row() {
    // One bit is wrong and everything after it is computed from the wrong one,
    // so that exactly one row stands between it and a forged permutation.
    let state = random_state(12);
    for (round, step, row) in [
        (0, Step::Partial, "partial parity"),
        (1, Step::Parity, "column parity"),
        (12, Step::Theta, "theta"),
        (22, Step::Chi, "chi"),
        (23, Step::Partial, "partial parity"),
        (23, Step::Chi, "chi"),
    ] {
        let instance = Instance::of(|cs: &mut KitCS| {
            let sel = cs.given(true);
            let sel = AllocatedBit::alloc(&mut *cs, sel)?;
            let input = cs.given(&state);
            synthesize_with(cs, &sel, input, |n, at, lanes| {
                if (n, at) == (round, step) {
                    lanes[3] ^= 1 << 17;
                }
            })
        });
        assert_eq!(instance.unsatisfied(), [row], "round {round}, {step:?}");
        assert_ne!(values(&instance.output.output), pack_state(&keccak_f(&state)));
    }
}

#[test]
fn ports_are_the_packed_states() {
    let mut instance = slot(true, Some(random_state(13)));
    let ports = instance.output.1.clone();
    for element in ports.input.iter().chain(&ports.output) {
        let value = element.get_value().expect("a value");
        instance.set(element.get_variable(), value + Scalar::from(1));
        assert_eq!(instance.unsatisfied(), ["pack"]);
        instance.set(element.get_variable(), value);
    }
    instance.assert_satisfied();
}

#[test]
fn an_idle_slot_is_all_zero_whatever_it_is_given() {
    for input in [None, Some(random_state(10))] {
        let instance = slot(false, input);
        instance.assert_satisfied();
        assert_eq!(instance.non_zero_values(), 0);
    }
}

#[test]
fn the_idle_witness_does_not_pass_as_a_permutation() {
    // Without ι's constants zero would be a fixed point.
    let mut instance = slot(false, None);
    let sel = instance.output.0.get_variable();
    instance.set(sel, Scalar::from(1));
    instance.assert_refused_by("partial parity");
}

#[test]
fn input_bits_are_boolean() {
    // Bits 0 and 1 of lane 0 hold 2 and 0 instead of 0 and 1: the packed port
    // is the same, only the booleanity differs.
    let mut state = [0; 25];
    state[0] = 2;
    let mut instance = slot(true, Some(state));
    let first = instance.output.0.get_variable();
    let nova_snark::frontend::Index::Aux(sel) = first.get_unchecked() else { unreachable!("sel is private") };
    let bit = |i: usize| nova_snark::frontend::Variable::new_unchecked(nova_snark::frontend::Index::Aux(sel + 1 + i));
    instance.set(bit(0), Scalar::from(2));
    instance.set(bit(1), Scalar::from(0));
    instance.assert_refused_by("input bit");
}

#[test]
fn cost_and_shape_are_pinned() {
    assert_eq!(
        slot(true, Some([0; 25])).pin(),
        &Pin { constraints: 93_778 + 1, variables: 93_778 + 1, non_zeros: 891_568, digest: "7eea0e4057250f9c".into() }
    );
}

/// Prints the time of one witness; run with `--nocapture`.
#[test]
#[allow(clippy::print_stdout)]
fn a_witness_is_quick() {
    let state = random_state(11);
    let mut best = u128::MAX;
    for _ in 0..5 {
        let mut cs = SatisfyingAssignment::<Engine>::with_capacity(100_000, 1);
        let start = Instant::now();
        let sel = AllocatedBit::alloc(&mut cs, Some(true)).expect("a bit");
        synthesize_keccak_f(&mut cs, &sel, Some(&state)).expect("a witness");
        best = best.min(start.elapsed().as_micros());
        assert_eq!(cs.aux_slice().len(), 93_779);
    }
    println!("keccak-f witness: {best} us");
    assert!(best < 250_000, "{best} us, ten times the target");
}
