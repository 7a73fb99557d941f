//! keccak-f[1600] on 64-bit lanes, the packing of its ports, and Keccak-256 of
//! messages that fit one block.

use ff::PrimeField;

use crate::Scalar;

/// 25 lanes; lane x + 5y of FIPS 202, bit z of a lane has weight 2^z.
pub type State = [u64; 25];

/// Field elements that carry one state: three lanes each, the last one alone.
pub const PORT_ELEMENTS: usize = 9;

/// The longest message of [`keccak256_block`]: the rate less one byte of padding.
pub const MAX_BLOCK_BYTES: usize = 135;

/// Round constants of ι (FIPS 202, section 3.2.5).
pub(super) const ROUND_CONSTANTS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// ρ's left rotation of lane x + 5y (FIPS 202, table 2, modulo 64).
pub(super) const ROTATIONS: [u32; 25] = [
    0, 1, 62, 28, 27, //
    36, 44, 6, 55, 20, //
    3, 10, 43, 25, 39, //
    41, 45, 15, 21, 8, //
    18, 2, 61, 56, 14,
];

/// π: the lane that lane `to` = x + 5y receives, x' + 5x with x' = x + 3y.
pub(super) const fn pi_source(to: usize) -> usize {
    let (x, y) = (to % 5, to / 5);
    (x + 3 * y) % 5 + 5 * x
}

/// What one round computes before ι; the circuit allocates exactly these.
pub(super) struct Round {
    /// ⊕ of the first three lanes of each column.
    pub(super) partial: [u64; 5],
    /// ⊕ of all five lanes of each column.
    pub(super) parity: [u64; 5],
    /// After θ.
    pub(super) theta: State,
    /// After ρ, π and χ.
    pub(super) chi: State,
}

pub(super) fn round(a: &State) -> Round {
    round_with(a, &mut |_, _| {})
}

/// The steps of a round, in the order in which they are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Partial,
    Parity,
    Theta,
    Chi,
}

/// A round whose lanes `change` may alter after each step; what follows is
/// computed from the altered ones.
pub(super) fn round_with(a: &State, change: &mut impl FnMut(Step, &mut [u64])) -> Round {
    let mut partial: [u64; 5] = std::array::from_fn(|x| a[x] ^ a[x + 5] ^ a[x + 10]);
    change(Step::Partial, &mut partial);
    let mut parity: [u64; 5] = std::array::from_fn(|x| partial[x] ^ a[x + 15] ^ a[x + 20]);
    change(Step::Parity, &mut parity);
    let mut theta: State = std::array::from_fn(|i| a[i] ^ parity[(i + 4) % 5] ^ parity[(i + 1) % 5].rotate_left(1));
    change(Step::Theta, &mut theta);
    let b: State = std::array::from_fn(|to| {
        let from = pi_source(to);
        theta[from].rotate_left(ROTATIONS[from])
    });
    let mut chi: State = std::array::from_fn(|i| {
        let row = i - i % 5;
        b[i] ^ (!b[row + (i + 1) % 5] & b[row + (i + 2) % 5])
    });
    change(Step::Chi, &mut chi);
    Round { partial, parity, theta, chi }
}

/// The permutation.
pub fn keccak_f(input: &State) -> State {
    ROUND_CONSTANTS.iter().fold(*input, |state, constant| {
        let mut next = round(&state).chi;
        next[0] ^= constant;
        next
    })
}

/// A state as the payload of a port: element i is lane 3i + 2^64 · lane (3i+1) +
/// 2^128 · lane (3i+2); the ninth is lane 24.
pub fn pack_state(state: &State) -> [Scalar; PORT_ELEMENTS] {
    std::array::from_fn(|i| {
        let mut repr = <Scalar as PrimeField>::Repr::default();
        let lanes = &state[3 * i..(3 * i + 3).min(25)];
        for (bytes, lane) in repr.as_mut().chunks_exact_mut(8).zip(lanes) {
            bytes.copy_from_slice(&lane.to_le_bytes());
        }
        Scalar::from_repr(repr).into_option().expect("invariant: 192 bits are below r")
    })
}

/// One block of Keccak-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeccakBlock {
    /// The padded block, absorbed into the zero state.
    pub input: State,
    /// The permuted state.
    pub output: State,
    /// The first 32 bytes of `output`, lanes little-endian.
    pub digest: [u8; 32],
}

/// Keccak-256 (the padding of Ethereum, 0x01 … 0x80, not SHA-3's) of a message
/// of at most [`MAX_BLOCK_BYTES`] bytes; `None` for a longer one.
pub fn keccak256_block(message: &[u8]) -> Option<KeccakBlock> {
    if message.len() > MAX_BLOCK_BYTES {
        return None;
    }
    let mut block = [0u8; 200];
    block[..message.len()].copy_from_slice(message);
    block[message.len()] ^= 0x01;
    block[MAX_BLOCK_BYTES] ^= 0x80;
    let mut input = [0u64; 25];
    for (lane, bytes) in input.iter_mut().zip(block.chunks_exact(8)) {
        *lane = bytes.iter().rev().fold(0, |lane, byte| lane << 8 | u64::from(*byte));
    }
    let output = keccak_f(&input);
    let mut digest = [0u8; 32];
    for (bytes, lane) in digest.chunks_exact_mut(8).zip(&output) {
        bytes.copy_from_slice(&lane.to_le_bytes());
    }
    Some(KeccakBlock { input, output, digest })
}
