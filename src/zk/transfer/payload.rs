//! The signing payload of a transaction, natively: the bytes whose Keccak-256
//! is what the sender signs.
//!
//! | kind | bytes |
//! |---|---|
//! | legacy (EIP-155) | rlp[nonce, gasPrice, gas, to, value, data, chainId, 0, 0] |
//! | EIP-2930 | 01 ‖ rlp[chainId, nonce, gasPrice, gas, to, value, data, accessList] |
//! | EIP-1559 | 02 ‖ rlp[chainId, nonce, maxPriority, maxFee, gas, to, value, data, accessList] |
//!
//! [`Payload::parse`] accepts exactly what the circuit of [`super::rlp`] can
//! prove well formed, and names the rule that refuses the rest. Rules about
//! chain, fees and balances belong to [`super::plan`].
//!
//! The RLP rules (Yellow Paper, appendix B): a byte below 0x80 stands for
//! itself and has no other form; a string of up to 55 bytes is `0x80 + length`
//! and the bytes; numbers have no leading zero and zero is the empty string;
//! a list header is minimal and covers exactly the rest of the payload.

use crate::accounts::Address;

/// One Keccak-256 block less one byte of padding.
pub const MAX_PAYLOAD_BYTES: usize = 135;
/// A string with a one-byte header.
pub const MAX_DATA_BYTES: usize = 55;

/// The form of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxKind {
    /// EIP-155.
    Legacy,
    /// EIP-2930, with an empty access list.
    AccessList,
    /// EIP-1559, with an empty access list.
    DynamicFee,
}

/// A number field of a payload, for error messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The chain id, below 2^64.
    ChainId,
    /// The nonce, below 2^64.
    Nonce,
    /// The priority fee, below 2^128.
    PriorityFee,
    /// The maximum fee or the gas price, below 2^128.
    MaxFee,
    /// The gas limit, below 2^64.
    Gas,
    /// The recipient.
    To,
    /// The value, below 2^128.
    Value,
    /// The calldata.
    Data,
    /// The access list, or the two zeros of EIP-155.
    Tail,
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ChainId => "chain id",
            Self::Nonce => "nonce",
            Self::PriorityFee => "priority fee",
            Self::MaxFee => "maximum fee",
            Self::Gas => "gas limit",
            Self::To => "recipient",
            Self::Value => "value",
            Self::Data => "data",
            Self::Tail => "end of the list",
        })
    }
}

/// Why a payload is refused. All are the sender's; `Unsupported*`, `TooLong`,
/// `DataTooLong`, `Create` and `ReservedRecipient` are valid Ethereum that
/// the circuits cannot prove yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// More than [`MAX_PAYLOAD_BYTES`].
    #[error("not provable yet: a signing payload of {bytes} bytes (at most {MAX_PAYLOAD_BYTES})")]
    TooLong {
        /// Length of the payload.
        bytes: usize,
    },
    /// A transaction type other than 1 and 2.
    #[error("not provable yet: transaction type {0}")]
    UnsupportedType(u8),
    /// The list has the six items of a transaction without a chain id.
    #[error("not provable yet: a legacy transaction without a chain id (EIP-155)")]
    UnsupportedUnprotected,
    /// The access list has entries.
    #[error("not provable yet: access list")]
    UnsupportedAccessList,
    /// More than [`MAX_DATA_BYTES`] of calldata.
    #[error("not provable yet: more than {MAX_DATA_BYTES} bytes of data")]
    DataTooLong,
    /// No recipient.
    #[error("not provable yet: contract creation")]
    Create,
    /// The recipient is a precompile or below 2^16.
    #[error("not provable yet: a recipient below 2^16 (precompiles and reserved addresses)")]
    ReservedRecipient,
    /// The bytes end inside an item.
    #[error("malformed RLP: the payload ends inside the {0}")]
    Truncated(Field),
    /// The list header is not minimal or does not cover exactly the rest.
    #[error("malformed RLP: the list header does not match the payload")]
    ListHeader,
    /// The payload is empty or its first byte begins neither a list nor a type.
    #[error("malformed RLP: not a transaction")]
    NotATransaction,
    /// A leading zero, or a header where the byte itself is the encoding.
    #[error("malformed RLP: the {0} is not in its shortest form")]
    NotCanonical(Field),
    /// A list where a string is expected or the reverse.
    #[error("malformed RLP: the {0} has the wrong kind of header")]
    WrongHeader(Field),
    /// The number does not fit its width.
    #[error("the {0} is too large")]
    TooLarge(Field),
    /// Items are left over.
    #[error("malformed RLP: bytes behind the last item")]
    Trailing,
}

/// A parsed signing payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Its form.
    pub kind: TxKind,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The sender's transaction count.
    pub nonce: u64,
    /// Wei per gas above the base fee; for the older kinds the gas price.
    pub max_priority_fee: u128,
    /// Wei per gas at most; for the older kinds the gas price.
    pub max_fee: u128,
    /// Gas bought.
    pub gas_limit: u64,
    /// The recipient, at least 2^16 as a number.
    pub to: Address,
    /// Wei sent.
    pub value: u128,
    /// Calldata, at most [`MAX_DATA_BYTES`].
    pub data: Vec<u8>,
}

/// Where the items of a payload begin: what the circuit's state machine is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// `None` in an idle slot.
    pub(super) kind: Option<TxKind>,
    /// The list header has two bytes.
    pub(super) long_list: bool,
    /// Position of the header of each of [`super::rlp::Mark`], `None` if absent.
    pub(super) starts: [Option<usize>; MARKS],
}

/// Items with a position: chain id (typed), nonce, priority fee, maximum fee,
/// gas, to, value, data, what follows the data, end of payload.
pub(super) const MARKS: usize = 10;

impl Payload {
    /// Parses strictly: `encode` of the result is `bytes` again.
    ///
    /// # Errors
    /// The first rule that the bytes break, in the order of the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, PayloadError> {
        Self::parse_with_layout(bytes).map(|(payload, _)| payload)
    }

    pub(super) fn parse_with_layout(bytes: &[u8]) -> Result<(Self, Layout), PayloadError> {
        if bytes.len() > MAX_PAYLOAD_BYTES {
            return Err(PayloadError::TooLong { bytes: bytes.len() });
        }
        let (kind, list) = match bytes.first() {
            None => return Err(PayloadError::NotATransaction),
            Some(0x01) => (TxKind::AccessList, 1),
            Some(0x02) => (TxKind::DynamicFee, 1),
            Some(byte @ 0..=0x7f) => return Err(PayloadError::UnsupportedType(*byte)),
            Some(0x80..=0xbf) => return Err(PayloadError::NotATransaction),
            Some(0xc0..) => (TxKind::Legacy, 0),
        };
        let long_list = list_header(&bytes[list..])?;
        let mut reader = Reader { bytes, at: list + 1 + usize::from(long_list) };
        let mut starts = [None; MARKS];
        let typed = kind != TxKind::Legacy;
        let dynamic = kind == TxKind::DynamicFee;

        let mut chain_id = 0;
        if typed {
            starts[0] = Some(reader.at);
            chain_id = reader.number64(Field::ChainId)?;
        }
        starts[1] = Some(reader.at);
        let nonce = reader.number64(Field::Nonce)?;
        let mut priority = None;
        if dynamic {
            starts[2] = Some(reader.at);
            priority = Some(reader.number(Field::PriorityFee, 16)?);
        }
        starts[3] = Some(reader.at);
        let max_fee = reader.number(Field::MaxFee, 16)?;
        starts[4] = Some(reader.at);
        let gas_limit = reader.number64(Field::Gas)?;
        starts[5] = Some(reader.at);
        let to = reader.recipient()?;
        starts[6] = Some(reader.at);
        let value = reader.number(Field::Value, 16)?;
        starts[7] = Some(reader.at);
        let data = reader.string(Field::Data)?.to_vec();
        starts[8] = Some(reader.at);
        if typed {
            match reader.next(Field::Tail)? {
                0xc0 => {}
                0xc1.. => return Err(PayloadError::UnsupportedAccessList),
                _ => return Err(PayloadError::WrongHeader(Field::Tail)),
            }
        } else {
            if reader.at == bytes.len() {
                return Err(PayloadError::UnsupportedUnprotected);
            }
            chain_id = reader.number64(Field::ChainId)?;
            for _ in 0..2 {
                if reader.next(Field::Tail)? != 0x80 {
                    return Err(PayloadError::WrongHeader(Field::Tail));
                }
            }
        }
        starts[9] = Some(reader.at);
        if reader.at != bytes.len() {
            return Err(PayloadError::Trailing);
        }
        if to[..18] == [0; 18] {
            return Err(PayloadError::ReservedRecipient);
        }
        let payload = Self {
            kind,
            chain_id,
            nonce,
            max_priority_fee: priority.unwrap_or(max_fee),
            max_fee,
            gas_limit,
            to,
            value,
            data,
        };
        let layout = Layout { kind: Some(kind), long_list, starts };
        Ok((payload, layout))
    }

    /// The canonical bytes. For the older kinds `max_fee` is the gas price.
    ///
    /// They parse again only if the fields keep the bounds of their types.
    pub fn encode(&self) -> Vec<u8> {
        let mut list = Vec::with_capacity(MAX_PAYLOAD_BYTES);
        if self.kind != TxKind::Legacy {
            put_number(&mut list, u128::from(self.chain_id));
        }
        put_number(&mut list, u128::from(self.nonce));
        if self.kind == TxKind::DynamicFee {
            put_number(&mut list, self.max_priority_fee);
        }
        put_number(&mut list, self.max_fee);
        put_number(&mut list, u128::from(self.gas_limit));
        put_string(&mut list, &self.to);
        put_number(&mut list, self.value);
        put_string(&mut list, &self.data);
        match self.kind {
            TxKind::Legacy => {
                put_number(&mut list, u128::from(self.chain_id));
                list.extend([0x80, 0x80]);
            }
            TxKind::AccessList | TxKind::DynamicFee => list.push(0xc0),
        }
        let mut bytes = Vec::with_capacity(list.len() + 10);
        match self.kind {
            TxKind::Legacy => {}
            TxKind::AccessList => bytes.push(1),
            TxKind::DynamicFee => bytes.push(2),
        }
        put_header(&mut bytes, 0xc0, list.len());
        bytes.extend(list);
        bytes
    }

    /// Calldata tokens of EIP-7623: 1 for a zero byte, 4 for another.
    pub fn tokens(&self) -> u64 {
        self.data.iter().map(|b| if *b == 0 { 1 } else { 4 }).sum()
    }
}

/// Checks the list header at the start of `bytes`; true if it has two bytes.
fn list_header(bytes: &[u8]) -> Result<bool, PayloadError> {
    match *bytes {
        [header @ 0xc0..=0xf7, ref rest @ ..] if usize::from(header) - 0xc0 == rest.len() => Ok(false),
        [0xf8, length @ 56..=255, ref rest @ ..] if usize::from(length) == rest.len() => Ok(true),
        _ => Err(PayloadError::ListHeader),
    }
}

fn put_header(out: &mut Vec<u8>, base: u8, length: usize) {
    if length <= 55 {
        out.push(base + length as u8);
        return;
    }
    let bytes = length.to_be_bytes();
    let digits = &bytes[length.leading_zeros() as usize / 8..];
    out.push(base + 55 + digits.len() as u8);
    out.extend(digits);
}

fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    match *bytes {
        [byte @ 0..=0x7f] => out.push(byte),
        _ => {
            put_header(out, 0x80, bytes.len());
            out.extend(bytes);
        }
    }
}

fn put_number(out: &mut Vec<u8>, number: u128) {
    let bytes = number.to_be_bytes();
    put_string(out, &bytes[number.leading_zeros() as usize / 8..]);
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self, field: Field) -> Result<u8, PayloadError> {
        let byte = *self.bytes.get(self.at).ok_or(PayloadError::Truncated(field))?;
        self.at += 1;
        Ok(byte)
    }

    /// A string of at most 55 bytes.
    fn string(&mut self, field: Field) -> Result<&'a [u8], PayloadError> {
        let start = self.at;
        let length = match self.next(field)? {
            0..=0x7f => return Ok(&self.bytes[start..self.at]),
            header @ 0x80..=0xb7 => usize::from(header) - 0x80,
            0xb8..=0xbf if field == Field::Data => return Err(PayloadError::DataTooLong),
            0xb8..=0xbf => return Err(PayloadError::TooLarge(field)),
            0xc0.. => return Err(PayloadError::WrongHeader(field)),
        };
        let end = self.at + length;
        let content = self.bytes.get(self.at..end).ok_or(PayloadError::Truncated(field))?;
        self.at = end;
        match *content {
            [0..=0x7f] => Err(PayloadError::NotCanonical(field)),
            _ => Ok(content),
        }
    }

    fn number(&mut self, field: Field, max_bytes: usize) -> Result<u128, PayloadError> {
        let content = self.string(field)?;
        if content.first() == Some(&0) {
            return Err(PayloadError::NotCanonical(field));
        }
        if content.len() > max_bytes {
            return Err(PayloadError::TooLarge(field));
        }
        Ok(content.iter().fold(0, |number, byte| number << 8 | u128::from(*byte)))
    }

    fn number64(&mut self, field: Field) -> Result<u64, PayloadError> {
        let number = self.number(field, 8)?;
        u64::try_from(number).map_err(|_| PayloadError::TooLarge(field))
    }

    fn recipient(&mut self) -> Result<Address, PayloadError> {
        let content = self.string(Field::To)?;
        if content.is_empty() {
            return Err(PayloadError::Create);
        }
        content.try_into().map_err(|_| PayloadError::WrongHeader(Field::To))
    }
}
