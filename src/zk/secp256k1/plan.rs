//! The native side: checks a signature as the circuit does, finds its short
//! multipliers, runs the chain, and knows every message beforehand.

use super::constants::constants;
use super::decompose::{Component, biguint, order, short_multipliers};
use super::native::{
    Affine, ENDO_LAMBDA, Fe, HALF_N, LazyValue, N, at_most, half_scalar, lazy_ordinate, scalar_from_i128, words_from_be,
};
use super::{K_WORDS, PARTS, ROUNDS, SIG_WIDTH, STATE_WIDTH, STEP_BITS, STEPS, STEPS_PER_WORD, WORDS};
use crate::Scalar;
use ff::Field;
use num_bigint::BigUint;
use num_traits::{One, Zero};
use thiserror::Error;

/// Why a signature cannot be proven. Always the signer's (or forger's) fault.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SignatureError {
    /// `r` is 0 or not below the group's order.
    #[error("r is not in 1..n")]
    ROutOfRange,
    /// `s` is 0 or above half of the group's order (EIP-2).
    #[error("s is not in 1..=n/2")]
    SOutOfRange,
    /// A coordinate of the public key is not below the field's modulus.
    #[error("a coordinate of the public key is not canonical")]
    NonCanonicalKey,
    /// The public key is not on the curve.
    #[error("the public key is not on the curve")]
    KeyNotOnCurve,
    /// No curve point has abscissa `r`.
    #[error("no point of the curve has abscissa r")]
    NoSuchPoint,
    /// The verification equation does not hold.
    #[error("the signature does not match the hash and the public key")]
    Mismatch,
    /// The chains of both variants meet an addition of two points of one
    /// abscissa, so neither proves anything. Such a signature would show a
    /// relation between the offsets, see the module's header.
    #[error("the signature is made of points that the circuit cannot add")]
    Exceptional,
}

/// What chunk 0 knows beside its state.
#[derive(Clone, Debug, Default)]
pub(super) struct SignatureValues {
    pub(super) z: [u64; 4],
    pub(super) s: [u64; 4],
    pub(super) q: Affine,
    pub(super) r: Affine,
    /// a0, a1, b0, b1.
    pub(super) components: [Component; 4],
    pub(super) k: [u64; 4],
    pub(super) alpha: [u64; 4],
    pub(super) beta: [u64; 4],
}

/// The state between two chunks.
#[derive(Clone, Debug, Default)]
pub(super) struct StateValues {
    pub(super) part: u64,
    pub(super) r_x: Fe,
    /// Ordinate of `P1 = ±R`.
    pub(super) p1_y: LazyValue,
    /// Ordinate of `P1` divided by that of `P2 = ±λR`: 1 or -1.
    pub(super) r_flip: i64,
    pub(super) q_x: Fe,
    /// Ordinate of `P3 = ∓Q`.
    pub(super) p3_y: LazyValue,
    pub(super) q_flip: i64,
    /// Bits of the steps to come.
    pub(super) steps: Vec<u16>,
    pub(super) acc: Affine,
    pub(super) acc_y: LazyValue,
    /// The family of the chain's offsets.
    pub(super) variant: bool,
}

impl SignatureValues {
    /// Checks every range and finds the multipliers; R's ordinate is one of two.
    pub(super) fn new(
        hash: [u8; 32],
        r: [u8; 32],
        s: [u8; 32],
        pubkey: ([u8; 32], [u8; 32]),
    ) -> Result<Self, SignatureError> {
        let [z, r, s] = [hash, r, s].map(|b| words_from_be(&b));
        if r == [0; 4] || at_most(&N, &r) {
            return Err(SignatureError::ROutOfRange);
        }
        if s == [0; 4] || !at_most(&s, &HALF_N) {
            return Err(SignatureError::SOutOfRange);
        }
        let coordinate = |b: &[u8; 32]| Fe::from_words(words_from_be(b)).ok_or(SignatureError::NonCanonicalKey);
        let q = Affine { x: coordinate(&pubkey.0)?, y: coordinate(&pubkey.1)? };
        if !q.is_on_curve() {
            return Err(SignatureError::KeyNotOnCurve);
        }
        let r_point = Fe::from_words(r).and_then(Affine::lift).ok_or(SignatureError::NoSuchPoint)?;

        let n = order();
        let s_inverse = biguint(&s).modpow(&(&n - 2u32), &n);
        let u1 = biguint(&z) * &s_inverse % &n;
        let u2 = biguint(&r) * &s_inverse % &n;
        let components = short_multipliers(&u2);
        let alpha = residue(components[0], components[1]);
        let k = words_of(&(&alpha * u1 % &n));
        debug_assert!(!alpha.is_zero(), "alpha is short and not zero");
        Ok(SignatureValues {
            z,
            s,
            q,
            r: r_point,
            components,
            k,
            alpha: words_of(&alpha),
            beta: words_of(&residue(components[2], components[3])),
        })
    }
}

/// The words of a list of steps, padded with zeros to `count` words.
pub(super) fn pack_steps(steps: &[u16], count: usize) -> Vec<Scalar> {
    let shift = Scalar::from(1 << STEP_BITS);
    let chunks = steps.chunks(STEPS).flat_map(|c| c.chunks(STEPS_PER_WORD));
    let mut words: Vec<Scalar> = chunks
        .map(|word| word.iter().rev().fold(Scalar::ZERO, |acc, s| acc * shift + Scalar::from(u64::from(*s))))
        .collect();
    words.resize(count, Scalar::ZERO);
    words
}

impl StateValues {
    /// The message, see `chunk.rs` for the layout.
    pub(super) fn message(&self) -> Vec<Scalar> {
        let int = |v: i64| scalar_from_i128(i128::from(v));
        let mut out = vec![
            Scalar::from(self.part),
            half_scalar(&self.r_x.0, 0),
            half_scalar(&self.r_x.0, 1),
            self.p1_y.int.to_scalar(),
            scalar_from_i128(self.p1_y.low),
            int(self.r_flip),
            half_scalar(&self.q_x.0, 0),
            half_scalar(&self.q_x.0, 1),
            self.p3_y.int.to_scalar(),
            scalar_from_i128(self.p3_y.low),
            int(self.q_flip),
            half_scalar(&self.acc.x.0, 0),
            half_scalar(&self.acc.x.0, 1),
            self.acc_y.int.to_scalar(),
            scalar_from_i128(self.acc_y.low),
            Scalar::from(u64::from(self.variant)),
        ];
        out.extend(pack_steps(&self.steps, (PARTS - 1) * WORDS));
        out
    }

    /// The four points of the table, `R, λR, -Q, -λQ` with their signs.
    pub(super) fn points(&self, r_y: Fe, q_y: Fe) -> [Affine; 4] {
        let flip = |p: Affine, f: i64| if f < 0 { p.neg() } else { p };
        let p1 = Affine { x: self.r_x, y: r_y };
        let p3 = Affine { x: self.q_x, y: q_y };
        [p1, flip(p1.endo(), self.r_flip), p3, flip(p3.endo(), self.q_flip)]
    }
}

/// The private inputs of one chunk.
#[derive(Clone, Debug)]
pub struct ChunkWitness {
    /// Position in the chain, `0..PARTS`.
    pub(super) part: usize,
    /// State before the chunk.
    pub(super) state: StateValues,
    /// Canonical ordinates of P1 and P3.
    pub(super) ordinates: [Fe; 2],
    /// The state message that the chunk sends.
    pub(super) next: Option<StateValues>,
    pub(super) signature: Option<SignatureValues>,
}

impl ChunkWitness {
    /// The witness of a slot that does nothing: zeros.
    pub(super) fn idle() -> ChunkWitness {
        ChunkWitness { part: 0, state: StateValues::default(), ordinates: [Fe::ZERO; 2], next: None, signature: None }
    }

    /// Position in the chain, `0..PARTS`.
    pub fn part(&self) -> usize {
        self.part
    }

    /// Payload of the received state message ([`STATE_WIDTH`] elements); zeros
    /// for the first chunk, which receives none.
    pub fn state_in(&self) -> Vec<Scalar> {
        if self.part == 0 { vec![Scalar::ZERO; STATE_WIDTH] } else { self.state.message() }
    }

    /// Payload of the sent state message ([`STATE_WIDTH`] elements); zeros for
    /// the last chunk, which sends none.
    pub fn state_out(&self) -> Vec<Scalar> {
        match &self.next {
            Some(next) => next.message(),
            None => vec![Scalar::ZERO; STATE_WIDTH],
        }
    }

    /// Payload of the provided signature message: hash, x, y of the key, each
    /// as high and low half; zeros for all chunks but the first.
    pub fn sig(&self) -> Vec<Scalar> {
        match &self.signature {
            Some(v) => {
                [&v.z, &v.q.x.0, &v.q.y.0].into_iter().flat_map(|w| [half_scalar(w, 1), half_scalar(w, 0)]).collect()
            }
            None => vec![Scalar::ZERO; SIG_WIDTH],
        }
    }
}

/// A verified signature, cut into the chunks of its proof.
#[derive(Clone, Debug)]
pub struct EcdsaPlan {
    chunks: [ChunkWitness; PARTS],
}

fn words_of(value: &BigUint) -> [u64; 4] {
    let digits = value.to_u64_digits();
    core::array::from_fn(|i| digits.get(i).copied().unwrap_or(0))
}

/// `a + b·λ mod n`.
fn residue(a: Component, b: Component) -> BigUint {
    let n = order();
    let signed = |c: Component, factor: BigUint| {
        let v = factor * c.magnitude % &n;
        if c.negative { (&n - v) % &n } else { v }
    };
    (signed(a, BigUint::one()) + signed(b, biguint(&ENDO_LAMBDA))) % &n
}

/// The bits of every step, first step first: bits 0–3 and 4–7 are those of
/// a0, a1, b0, b1 for the first and second doubling, bits 8–15 the index
/// into the generator's table.
pub(super) fn step_bits(components: &[Component; 4], k: &[u64; 4]) -> Vec<u16> {
    let component = |i: usize, bit: usize| -> u16 {
        let m = u128::from(components[i].magnitude);
        (m >> bit & 1) as u16
    };
    let piece = |j: usize, bit: usize| -> u16 {
        let at = 2 * ROUNDS * j + bit;
        k.get(at / 64).map_or(0, |w| (w >> (at % 64) & 1) as u16)
    };
    (0..ROUNDS)
        .rev()
        .map(|round| {
            let (high, low) = (2 * round + 1, 2 * round);
            let mut bits = 0;
            for i in 0..4 {
                bits |= component(i, high) << i;
                bits |= component(i, low) << (4 + i);
            }
            for j in 0..K_WORDS {
                bits |= piece(j, low) << (8 + 2 * j);
                bits |= piece(j, high) << (9 + 2 * j);
            }
            bits
        })
        .collect()
}

/// The table of `offset + Σ b_i·P_i`, index bit i for `P_i`: `None` if an
/// addition is exceptional.
pub(super) fn table_of(offset: Affine, points: &[Affine; 4]) -> Option<Vec<Affine>> {
    let mut table = vec![offset];
    for point in points {
        for i in 0..table.len() {
            table.push(table[i].add(*point)?);
        }
    }
    Some(table)
}

/// The accumulator after every chunk: `None` if an addition is exceptional.
fn run(points: &[Affine; 4], steps: &[u16], variant: bool) -> Option<Vec<(Affine, LazyValue)>> {
    let constants = constants();
    let family = constants.family(variant);
    let table = table_of(family.offset, points)?;
    let mut acc = family.start;
    let mut after = Vec::with_capacity(PARTS);
    for (i, bits) in steps.iter().enumerate() {
        for entry in [bits & 15, bits >> 4 & 15] {
            acc = acc.add(table[usize::from(entry)])?.add(acc)?;
        }
        let addend = constants.generator[usize::from(bits >> 8)];
        if acc.x == addend.x {
            return None;
        }
        let (slope, sum) = acc.chord(addend);
        acc = sum;
        if i % STEPS == STEPS - 1 {
            let y = LazyValue::from_limbs(&addend.y.limbs());
            after.push((acc, lazy_ordinate(slope, addend.x, acc.x, &y)));
        }
    }
    Some(after)
}

impl EcdsaPlan {
    /// Checks a signature exactly as the circuit does. All numbers are big
    /// endian; `hash` may be any 256-bit number, `pubkey` is affine. The chain
    /// is of the first variant unless that is exceptional, so a signature has
    /// one plan.
    ///
    /// Errors: [`SignatureError`] says which rule the signature breaks.
    pub fn new(
        hash: [u8; 32],
        r: [u8; 32],
        s: [u8; 32],
        pubkey: ([u8; 32], [u8; 32]),
    ) -> Result<EcdsaPlan, SignatureError> {
        let values = SignatureValues::new(hash, r, s, pubkey)?;
        let mut error = SignatureError::Mismatch;
        for r in [values.r, values.r.neg()] {
            let values = SignatureValues { r, ..values.clone() };
            // A chain without exception says whether this is the point R.
            let chain = [false, true].into_iter().find_map(|v| Some((chain_of(values.clone(), v)?, v)));
            match chain {
                Some(((chunks, end), variant)) if end == constants().family(variant).end => {
                    return Ok(EcdsaPlan { chunks });
                }
                Some(_) => {}
                None => error = SignatureError::Exceptional,
            }
        }
        Err(error)
    }

    /// The witnesses of the chunks, first to last.
    pub fn chunks(&self) -> [ChunkWitness; PARTS] {
        self.chunks.clone()
    }
}

/// The state before chunk 0 and the canonical ordinates of P1 and P3.
fn initial_state(values: &SignatureValues, variant: bool) -> (StateValues, [Fe; 2]) {
    let start = constants().family(variant).start;
    let sign = |i: usize| {
        if values.components[i].negative { -1i64 } else { 1 }
    };
    let signed = |y: Fe, factor: i64| {
        let lazy = LazyValue::default().add_times(factor, &LazyValue::from_limbs(&y.limbs()));
        (if factor < 0 { y.neg() } else { y }, lazy)
    };
    let (r_y, p1_y) = signed(values.r.y, sign(0));
    let (q_y, p3_y) = signed(values.q.y, -sign(2));
    let state = StateValues {
        part: 0,
        r_x: values.r.x,
        p1_y,
        r_flip: sign(0) * sign(1),
        q_x: values.q.x,
        p3_y,
        q_flip: sign(2) * sign(3),
        steps: step_bits(&values.components, &values.k),
        acc: start,
        acc_y: LazyValue::from_limbs(&start.y.limbs()),
        variant,
    };
    (state, [r_y, q_y])
}

/// The chunk witnesses for these values, right or wrong, with the offsets of
/// this variant, and where the accumulator ends; `None` if an addition is
/// exceptional.
pub(super) fn chain_of(values: SignatureValues, variant: bool) -> Option<([ChunkWitness; PARTS], Affine)> {
    let (initial, ordinates) = initial_state(&values, variant);
    let after = run(&initial.points(ordinates[0], ordinates[1]), &initial.steps, variant)?;
    let (end, _) = *after.last()?;
    let state_at = |part: usize| {
        let mut state = initial.clone();
        state.part = part as u64;
        state.steps.drain(..part * STEPS);
        if let Some((acc, acc_y)) = part.checked_sub(1).and_then(|p| after.get(p)) {
            state.acc = *acc;
            state.acc_y = *acc_y;
        }
        state
    };
    let chunks = core::array::from_fn(|part| ChunkWitness {
        part,
        state: state_at(part),
        ordinates,
        next: (part + 1 < PARTS).then(|| state_at(part + 1)),
        signature: (part == 0).then(|| values.clone()),
    });
    Some((chunks, end))
}
