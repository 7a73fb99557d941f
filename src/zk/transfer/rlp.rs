//! The signing payload in the circuit: one block of bytes has one parse.
//!
//! Nothing is searched for: the prover says where each item begins and the
//! constraints leave one choice. For every mark `k` (an item, or the end) the
//! witness holds the staircase `S_k[i] = [start_k ≤ i]` over the window of
//! positions where the item can begin in a provable payload:
//!
//! - a step `e_k[i] = S_k[i] - S_k[i-1]` is boolean and the last stair equals
//!   "the item is there", so exactly one step is 1;
//! - `start_{k+1} = start_k + length of item k`, the length read from the
//!   header byte at `start_k`, the first start from the list header and the
//!   last one equal to what the list header announces;
//! - behind the end every byte is 0, and the step of the end is the 0x01 that
//!   begins Keccak's padding.
//!
//! Numbers come from one running sum over the bytes,
//! `acc[i] = (1 - header[i] - data[i])·(256·acc[i-1] + byte[i])`, read at the
//! next item's header. It restarts at each header and rests inside the data, so
//! it stays below 2^160.
//!
//! Cost: 8 per byte for its bits, 1 for the sum, 2 to count data, and 1 to 4
//! per position of a window, about 3,100 in all. Native twin:
//! [`super::payload::Payload::parse`].

use nova_snark::frontend::{ConstraintSystem, SynthesisError};

use super::{
    lin::{
        Lin, annihilate, boolean, booleans, enforce, equal, inverse_or_zero, is_non_zero, non_zero_when, product,
        range, weighted,
    },
    payload::{MARKS, MAX_PAYLOAD_BYTES, TxKind},
    plan::Advice,
};
use crate::{Scalar, gadgets::alloc};

/// Indices of the marks.
pub(super) mod mark {
    /// Chain id of a typed transaction.
    pub(in super::super) const CHAIN: usize = 0;
    /// Nonce.
    pub(in super::super) const NONCE: usize = 1;
    /// Priority fee (EIP-1559 only).
    pub(in super::super) const PRIORITY: usize = 2;
    /// Maximum fee or gas price.
    pub(in super::super) const MAX_FEE: usize = 3;
    /// Gas limit.
    pub(in super::super) const GAS: usize = 4;
    /// Recipient.
    pub(in super::super) const TO: usize = 5;
    /// Value.
    pub(in super::super) const VALUE: usize = 6;
    /// Calldata.
    pub(in super::super) const DATA: usize = 7;
    /// What follows the calldata: the legacy chain id or the access list.
    pub(in super::super) const DATA_END: usize = 8;
    /// Behind the last byte.
    pub(in super::super) const END: usize = 9;
}

/// First and last position of each mark, over the three kinds, for a payload
/// that keeps every rule: chain id and nonce have 1 to 9 bytes, fees and value
/// 1 to 17, gas 3 to 5 (21,000 to 2^24), the recipient 21, the data at least 1.
pub(super) const WINDOWS: [(usize, usize); MARKS] =
    [(2, 3), (1, 12), (4, 21), (2, 38), (3, 55), (6, 60), (27, 81), (28, 98), (29, 134), (32, 135)];

/// The fields of a payload. Bounds hold when the slot is in use; all are 0 when
/// it is idle.
pub(super) struct Parsed {
    /// The padded Keccak block, 136 bytes.
    pub(super) block: Vec<Lin>,
    /// Below 2^64.
    pub(super) nonce: Lin,
    /// Below 2^128; the gas price in the older kinds.
    pub(super) max_priority_fee: Lin,
    /// Below 2^128.
    pub(super) max_fee: Lin,
    /// Below 2^32.
    pub(super) gas_limit: Lin,
    /// 2^16 or more, below 2^160.
    pub(super) to: Lin,
    /// Below 2^128.
    pub(super) value: Lin,
    /// Zero bytes plus four times the other bytes of the calldata.
    pub(super) tokens: Lin,
}

/// The staircase of one mark.
struct Stairs {
    first: usize,
    last: usize,
    present: Lin,
    /// `[start ≤ i]` for `first ≤ i < last`.
    stairs: Vec<Lin>,
}

impl Stairs {
    fn new<CS: ConstraintSystem<Scalar>>(
        cs: &mut CS,
        (first, last): (usize, usize),
        present: Lin,
        start: Option<Option<usize>>,
    ) -> Result<Self, SynthesisError> {
        let stairs = (first..last)
            .map(|i| {
                let begun = start.map(|s| Scalar::from(u64::from(s.is_some_and(|s| s <= i))));
                alloc(cs, begun).map(|num| Lin::from(&num))
            })
            .collect::<Result<_, _>>()?;
        let this = Self { first, last, present, stairs };
        for i in first..=last {
            let step = this.step(i);
            annihilate(cs, "step", &step, &Lin::one::<CS>().sub(&step));
        }
        Ok(this)
    }

    /// `[start ≤ i]`.
    fn begun(&self, i: usize) -> Lin {
        if i < self.first {
            Lin::zero()
        } else if i >= self.last {
            self.present.clone()
        } else {
            self.stairs[i - self.first].clone()
        }
    }

    /// `[start = i]`.
    fn step(&self, i: usize) -> Lin {
        if i < self.first || i > self.last {
            return Lin::zero();
        }
        match i {
            0 => self.begun(0),
            _ => self.begun(i).sub(&self.begun(i - 1)),
        }
    }

    /// The start, 0 if absent.
    fn start(&self) -> Lin {
        self.stairs.iter().fold(self.present.times(Scalar::from(self.last as u64)), |s, x| s.sub(x))
    }

    /// `word(start)`, 0 if absent. One constraint per position.
    fn read<CS: ConstraintSystem<Scalar>>(
        &self,
        cs: &mut CS,
        name: &'static str,
        word: impl Fn(usize) -> Lin,
    ) -> Result<Lin, SynthesisError> {
        let mut sum = Lin::zero();
        for i in self.first..=self.last {
            let (step, word) = (self.step(i), word(i));
            let next = sum.value().zip(step.value().zip(word.value())).map(|(sum, (step, word))| sum + step * word);
            let next = Lin::from(&alloc(cs, next)?);
            enforce(cs, name, &step, &word, &next.clone().sub(&sum));
            sum = next;
        }
        Ok(sum)
    }
}

/// A string's header.
struct Header {
    /// Bytes of the item with its header, 0 if absent.
    size: Lin,
    /// Bytes behind the header.
    content: Lin,
    /// The byte itself where it is its own encoding, else 0.
    single: Lin,
    /// `[the item has a header]`.
    long: Lin,
    /// Bits of the header byte.
    bits: Vec<Lin>,
}

/// Reads `word = header + 256·following byte`. A one-byte string below 0x80 must
/// be its own encoding. 25 constraints.
fn header<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    present: &Lin,
    word: &Lin,
) -> Result<(Header, Vec<Lin>), SynthesisError> {
    let mut bits = range(cs, "header bits", 16, word)?;
    let next = bits.split_off(8);
    let long = bits[7].clone();
    let low = weighted(2, &bits[..7]);
    let content = product(cs, "content length", &long, &low)?;
    let some = is_non_zero(cs, "has content", &content)?;
    let many = is_non_zero(cs, "has much content", &content.clone().sub(&some))?;
    let small = Lin::one::<CS>().sub(&next[7]);
    annihilate(cs, "byte in long form", &some.clone().sub(&many), &small);
    let header = Header { size: present.clone().add(&content), single: low.sub(&content), content: some, long, bits };
    Ok((header, next))
}

/// A number of at most `2^log_bytes` bytes without leading zeros; returns its
/// size and, if it is a single byte, that byte. 30 constraints.
fn number<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    present: &Lin,
    word: &Lin,
    log_bytes: usize,
) -> Result<(Lin, Lin), SynthesisError> {
    let (header, next) = header(cs, present, word)?;
    let byte = weighted(2, &header.bits);
    non_zero_when(cs, "zero byte as a number", &byte, present)?;
    non_zero_when(cs, "leading zero", &weighted(2, &next), &header.content)?;
    let sum = |bits: &[Lin]| bits.iter().fold(Lin::zero(), Lin::add);
    let above = sum(&header.bits[log_bytes + 1..7]);
    annihilate(cs, "number too long", &header.long, &above);
    let full = product(cs, "full width", &header.long, &header.bits[log_bytes])?;
    annihilate(cs, "number too wide", &full, &sum(&header.bits[..log_bytes]));
    Ok((header.size, header.single))
}

/// Parses the payload; `chain_id` (below 2^64) is what its chain id must be.
pub(super) fn parse<CS: ConstraintSystem<Scalar>>(
    cs: &mut CS,
    sel: &Lin,
    chain_id: &Lin,
    witness: Option<&Advice>,
) -> Result<Parsed, SynthesisError> {
    let one = Lin::one::<CS>();
    let bytes = (0..MAX_PAYLOAD_BYTES)
        .map(|i| {
            let byte = witness.map(|w| Scalar::from(u64::from(w.bytes[i])));
            Ok(weighted(2, &booleans(cs, "payload bit", 8, byte)?))
        })
        .collect::<Result<Vec<_>, SynthesisError>>()?;
    let byte = |i: usize| bytes.get(i).cloned().unwrap_or_else(Lin::zero);

    // The kind: legacy is what is in use and not typed.
    let kind = |kind| witness.map(|w| w.layout.kind == Some(kind));
    let access_list = boolean(cs, "kind is boolean", kind(TxKind::AccessList))?;
    let dynamic = boolean(cs, "kind is boolean", kind(TxKind::DynamicFee))?;
    let typed = access_list.clone().add(&dynamic);
    let legacy = sel.clone().sub(&typed);
    annihilate(cs, "one kind", &access_list, &dynamic);
    annihilate(cs, "idle kind", &typed, &one.clone().sub(sel));
    let type_is = |n: u64| byte(0).sub(&one.times(Scalar::from(n)));
    annihilate(cs, "type 1", &access_list, &type_is(1));
    annihilate(cs, "type 2", &dynamic, &type_is(2));

    // The marks and the list header.
    let presence = |k: usize| match k {
        mark::CHAIN => typed.clone(),
        mark::PRIORITY => dynamic.clone(),
        _ => sel.clone(),
    };
    let marks = (0..MARKS)
        .map(|k| {
            let start = witness.map(|w| w.layout.starts[k]);
            Stairs::new(cs, WINDOWS[k], presence(k), start)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let start = |k: usize| marks[k].start();
    let long_list = boolean(cs, "long list", witness.map(|w| w.layout.long_list))?;
    annihilate(cs, "idle long list", &long_list, &one.clone().sub(sel));
    let list_start = sel.clone().add(&typed).add(&long_list);
    let list_bytes = start(mark::END).sub(&list_start);
    let shifted = product(cs, "list byte", &typed, &byte(1).sub(&byte(0)))?;
    let list_byte = byte(0).add(&shifted);
    let shifted = product(cs, "list length byte", &typed, &byte(2).sub(&byte(1)))?;
    let length_byte = byte(1).add(&shifted);
    let constant = |n: u64| one.times(Scalar::from(n));
    annihilate(cs, "long list byte", &long_list, &list_byte.clone().sub(&constant(0xf8)));
    annihilate(cs, "long list length", &long_list, &length_byte.sub(&list_bytes));
    annihilate(cs, "short list length", &sel.clone().sub(&long_list), &list_byte.sub(&constant(0xc0)).sub(&list_bytes));
    // 55 - length for a short list, length - 56 for a long one.
    let twice = list_bytes.times(Scalar::from(2)).sub(&constant(111));
    let flip = product(cs, "list form", &long_list, &twice)?;
    let slack = sel.times(Scalar::from(55)).sub(&list_bytes).add(&flip);
    range(cs, "minimal list header", 7, &slack)?;

    // The running sum.
    let in_data = |i: usize| marks[mark::DATA].begun(i - 1).sub(&marks[mark::DATA_END].begun(i));
    let mut acc: Vec<Lin> = Vec::with_capacity(MAX_PAYLOAD_BYTES);
    for i in 0..MAX_PAYLOAD_BYTES - 2 {
        let mut keep = one.clone();
        for mark in &marks[..mark::END] {
            keep = keep.sub(&mark.step(i));
        }
        if i > 0 {
            keep = keep.sub(&in_data(i));
        }
        let before = acc.last().cloned().unwrap_or_else(Lin::zero);
        let sum = byte(i).plus(Scalar::from(256), &before);
        acc.push(product(cs, "running sum", &keep, &sum)?);
    }

    // Headers and the numbers behind them.
    let word = |i: usize| byte(i).plus(Scalar::from(256), &byte(i + 1));
    let read_number = |cs: &mut CS, k: usize, field: &'static str, log_bytes: usize| {
        let cs = &mut cs.namespace(|| field);
        let word = marks[k].read(cs, "read header", word)?;
        number(cs, &presence(k), &word, log_bytes)
    };
    let (chain_size, chain_byte) = read_number(cs, mark::CHAIN, "chain id", 3)?;
    let (nonce_size, nonce_byte) = read_number(cs, mark::NONCE, "nonce", 3)?;
    let (priority_size, priority_byte) = read_number(cs, mark::PRIORITY, "priority fee", 4)?;
    let (max_size, max_byte) = read_number(cs, mark::MAX_FEE, "maximum fee", 4)?;
    let (gas_size, gas_byte) = read_number(cs, mark::GAS, "gas", 2)?;
    let (value_size, value_byte) = read_number(cs, mark::VALUE, "value", 4)?;
    let mut sum_before = |k: usize| marks[k].read(cs, "read number", |i| acc[i - 1].clone());
    let before_nonce = sum_before(mark::NONCE)?;
    let before_priority = sum_before(mark::PRIORITY)?;
    let before_max = sum_before(mark::MAX_FEE)?;
    let before_gas = sum_before(mark::GAS)?;
    let before_to = sum_before(mark::TO)?;
    let to = sum_before(mark::VALUE)?;
    let before_data = sum_before(mark::DATA)?;

    // The recipient: 20 bytes, not all of the upper 18 zero.
    for i in WINDOWS[mark::TO].0..=WINDOWS[mark::TO].1 {
        let header = byte(i).sub(&constant(0x94));
        annihilate(cs, "recipient header", &marks[mark::TO].step(i), &header);
    }
    let upper = marks[mark::VALUE].read(cs, "read upper recipient", |i| acc[i - 3].clone())?;
    non_zero_when(cs, "reserved recipient", &upper, sel)?;

    // The data.
    let data_word = marks[mark::DATA].read(cs, "read data header", word)?;
    let (data, _) = header(&mut cs.namespace(|| "data"), sel, &data_word)?;
    annihilate(cs, "data over 63 bytes", &data.long, &data.bits[6]);
    let eights = product(cs, "data of 32", &data.long, &data.bits[5])?;
    let sixteens = product(cs, "data of 24", &data.bits[4], &data.bits[3])?;
    annihilate(cs, "data over 55 bytes", &eights, &sixteens);
    let mut non_zero = is_non_zero(cs, "single data byte", &data.single)?;
    for i in WINDOWS[mark::DATA].0 + 1..WINDOWS[mark::DATA_END].1 {
        let (inside, byte) = (in_data(i), byte(i));
        let counted =
            inside.value().zip(byte.value()).map(|(inside, byte)| if byte == Scalar::from(0) { byte } else { inside });
        let counted = Lin::from(&alloc(cs, counted)?);
        let inverse = inverse_or_zero(cs, &byte, counted.value())?;
        enforce(cs, "zero data byte counted", &byte, &inverse, &counted);
        annihilate(cs, "data byte not counted", &inside.sub(&counted), &byte);
        non_zero = non_zero.add(&counted);
    }
    // In single form the content has one byte that is the header itself.
    let data_bytes = data.size.clone().sub(&data.long);
    let tokens = data_bytes.plus(Scalar::from(3), &non_zero);

    // What follows the data.
    let tail = marks[mark::DATA_END].read(cs, "read tail", word)?;
    let empty_list = tail.clone().sub(&constant(0xc0));
    annihilate(cs, "access list", &typed, &empty_list);
    let tail_word = product(cs, "legacy chain id", &legacy, &tail)?;
    let (tail_size, tail_byte) = number(&mut cs.namespace(|| "legacy chain id"), &legacy, &tail_word, 3)?;

    // Each item begins where the one before it ends.
    let after_nonce = start(mark::NONCE).add(&nonce_size);
    enforce(cs, "chain id start", &typed, &list_start, &start(mark::CHAIN));
    enforce(cs, "priority start", &dynamic, &after_nonce, &start(mark::PRIORITY));
    let mut follows = |name: &'static str, k: usize, end: Lin| equal(cs, name, &start(k), &end);
    follows("nonce start", mark::NONCE, list_start.add(&chain_size));
    follows("maximum fee start", mark::MAX_FEE, after_nonce.add(&priority_size));
    follows("gas start", mark::GAS, start(mark::MAX_FEE).add(&max_size));
    follows("recipient start", mark::TO, start(mark::GAS).add(&gas_size));
    let to_size = sel.times(Scalar::from(21));
    follows("value start", mark::VALUE, start(mark::TO).add(&to_size));
    follows("data start", mark::DATA, start(mark::VALUE).add(&value_size));
    follows("tail start", mark::DATA_END, start(mark::DATA).add(&data.size));
    // The access list has one byte, the chain id is followed by two.
    let end = start(mark::DATA_END).add(&typed).add(&tail_size).plus(Scalar::from(2), &legacy);
    follows("end", mark::END, end);

    // The chain id, before the nonce or between the data and two zeros.
    let typed_chain = before_nonce.add(&chain_byte).sub(chain_id);
    annihilate(cs, "typed chain id", &typed, &typed_chain);
    let last = marks[mark::END].read(cs, "read end", |i| {
        byte(i - 1).plus(Scalar::from(1 << 8), &byte(i - 2)).plus(Scalar::from(1 << 16), &acc[i - 3])
    })?;
    let expected = constant(0x8080).plus(Scalar::from(1 << 16), chain_id).plus(-Scalar::from(1 << 16), &tail_byte);
    annihilate(cs, "legacy chain id and zeros", &legacy, &last.sub(&expected));

    // Nothing behind the end; then Keccak's padding.
    for i in WINDOWS[mark::END].0..MAX_PAYLOAD_BYTES {
        annihilate(cs, "byte behind the end", &marks[mark::END].begun(i), &byte(i));
    }
    let mut block: Vec<Lin> = (0..=MAX_PAYLOAD_BYTES).map(|i| byte(i).add(&marks[mark::END].step(i))).collect();
    block[MAX_PAYLOAD_BYTES] = block[MAX_PAYLOAD_BYTES].clone().plus(Scalar::from(0x80), sel);

    // Without a priority fee the item before the maximum fee is the nonce.
    let swap = before_priority.sub(&before_max);
    let swap = product(cs, "nonce of the kind", &dynamic, &swap)?;
    let nonce = before_max.clone().add(&swap).add(&nonce_byte);
    let max_fee = before_gas.add(&max_byte);
    let difference = before_max.add(&priority_byte).sub(&max_fee);
    let difference = product(cs, "priority of the kind", &dynamic, &difference)?;
    Ok(Parsed {
        block,
        nonce,
        max_priority_fee: max_fee.clone().add(&difference),
        max_fee,
        gas_limit: before_to.add(&gas_byte),
        to,
        value: before_data.add(&value_byte),
        tokens,
    })
}
