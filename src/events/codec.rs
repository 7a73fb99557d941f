//! The one byte encoding: of events, blocks, messages and frames.
//!
//! Values are bincode 2.0.1 with fixed-width little-endian integers and a byte
//! limit. Decoding takes the whole input or fails, and every value has exactly
//! one encoding, so bytes may be hashed and signed.
//!
//! Anything stored or sent whose kind can change is wrapped in an envelope
//!
//! ```text
//! type u32 | version u16 | len u32 | payload (len bytes)      all little-endian
//! ```
//!
//! whose types and versions are the hand-written numbers of [`crate::tagged`]
//! tables. The order of an enum's variants or of a variant's fields in the
//! source does not matter to the bytes. A payload's nested enums are numbered
//! by their declaration: new variants go last, and the golden bytes of each
//! (type, version) pin it.
//!
//! The decoder never panics and allocates at most its limit.

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    event::Event,
    hash,
    upcast::{UPCASTS, upcast},
};

/// Longest payload of an event, in bytes. A block's body is the largest.
pub const MAX_EVENT_BYTES: usize = 16 << 20;
/// Longest encoding of a state or of a part of one, in bytes.
pub const MAX_STATE_BYTES: usize = 1 << 30;
/// Bytes of an envelope before its payload.
pub const ENVELOPE_HEADER_BYTES: usize = 10;

/// Type of `GenesisLoaded`, the first event of a journal.
pub const TAG_GENESIS_LOADED: u32 = 1;
/// Type of `BlockSealed`, the last event of a block.
pub const TAG_BLOCK_SEALED: u32 = 3;

/// Why bytes are not a value, or a value has no bytes.
///
/// Decoding errors are the fault of whoever wrote the bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The encoding is longer than the limit of its kind.
    #[error("{found} bytes, at most {limit} are allowed")]
    TooLong {
        /// Length found.
        found: usize,
        /// Length allowed.
        limit: usize,
    },
    /// The bytes end before the value does.
    #[error("truncated: {needed} more bytes needed")]
    Truncated {
        /// A lower bound of what is missing.
        needed: usize,
    },
    /// Bytes are left over after the value.
    #[error("{extra} bytes follow the value")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// No such type and version is known to this code.
    #[error("unknown type {tag} version {version}")]
    UnknownType {
        /// The envelope's type.
        tag: u32,
        /// The envelope's version.
        version: u16,
    },
    /// The bytes have the wrong structure.
    #[error("malformed: {detail}")]
    Malformed {
        /// The decoder's words.
        detail: String,
    },
    /// The value cannot be encoded at all (a bug of the caller's type).
    #[error("not encodable: {detail}")]
    NotEncodable {
        /// The encoder's words.
        detail: String,
    },
}

/// Encodes a value; `LIMIT` bounds the result in bytes.
pub fn encode<T: Serialize + ?Sized, const LIMIT: usize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let config = bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<LIMIT>();
    let bytes =
        bincode::serde::encode_to_vec(value, config).map_err(|e| CodecError::NotEncodable { detail: e.to_string() })?;
    if bytes.len() > LIMIT {
        return Err(CodecError::TooLong { found: bytes.len(), limit: LIMIT });
    }
    Ok(bytes)
}

/// Decodes a value from exactly these bytes.
pub fn decode<T: DeserializeOwned, const LIMIT: usize>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > LIMIT {
        return Err(CodecError::TooLong { found: bytes.len(), limit: LIMIT });
    }
    let config = bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<LIMIT>();
    let (value, read) = bincode::serde::decode_from_slice(bytes, config).map_err(|e| match e {
        bincode::error::DecodeError::UnexpectedEnd { additional } => CodecError::Truncated { needed: additional },
        other => CodecError::Malformed { detail: other.to_string() },
    })?;
    if read != bytes.len() {
        return Err(CodecError::Trailing { extra: bytes.len() - read });
    }
    Ok(value)
}

/// Encodes anything the size of an event or a block.
pub fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    encode::<T, MAX_EVENT_BYTES>(value)
}

/// Decodes anything the size of an event or a block, from exactly these bytes.
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    decode::<T, MAX_EVENT_BYTES>(bytes)
}

/// Writes an envelope around a payload.
pub(crate) fn envelope(tag: u32, version: u16, payload: &[u8], limit: usize) -> Result<Vec<u8>, CodecError> {
    let len = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= limit);
    let len = len.ok_or(CodecError::TooLong { found: payload.len(), limit })?;
    let mut bytes = Vec::with_capacity(ENVELOPE_HEADER_BYTES + payload.len());
    bytes.extend_from_slice(&tag.to_le_bytes());
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&len.to_le_bytes());
    bytes.extend_from_slice(payload);
    Ok(bytes)
}

/// An envelope's fields, borrowed from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// Stable number of the type.
    pub tag: u32,
    /// Version of the payload's layout, from 1.
    pub version: u16,
    /// The payload.
    pub payload: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Splits the first envelope from `bytes`; returns it and what follows.
    pub fn split(bytes: &'a [u8], limit: usize) -> Result<(Self, &'a [u8]), CodecError> {
        let Some((header, rest)) = bytes.split_first_chunk::<ENVELOPE_HEADER_BYTES>() else {
            return Err(CodecError::Truncated { needed: ENVELOPE_HEADER_BYTES - bytes.len() });
        };
        let [t0, t1, t2, t3, v0, v1, l0, l1, l2, l3] = *header;
        let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if len > limit {
            return Err(CodecError::TooLong { found: len, limit });
        }
        let Some((payload, rest)) = rest.split_at_checked(len) else {
            return Err(CodecError::Truncated { needed: len - rest.len() });
        };
        let envelope =
            Self { tag: u32::from_le_bytes([t0, t1, t2, t3]), version: u16::from_le_bytes([v0, v1]), payload };
        Ok((envelope, rest))
    }

    /// The envelope that is exactly these bytes.
    pub fn parse(bytes: &'a [u8], limit: usize) -> Result<Self, CodecError> {
        let (envelope, rest) = Self::split(bytes, limit)?;
        if !rest.is_empty() {
            return Err(CodecError::Trailing { extra: rest.len() });
        }
        Ok(envelope)
    }
}

/// An event as it is stored: one well-formed envelope. Its payload may be of a
/// type or version that this code does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent(Vec<u8>);

impl StoredEvent {
    /// Takes bytes that are exactly one envelope.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, CodecError> {
        Envelope::parse(&bytes, MAX_EVENT_BYTES)?;
        Ok(Self(bytes))
    }

    /// Splits the first event from `bytes`; returns it and what follows.
    pub fn split(bytes: &[u8]) -> Result<(Self, &[u8]), CodecError> {
        let (_, rest) = Envelope::split(bytes, MAX_EVENT_BYTES)?;
        let length = bytes.len() - rest.len();
        Ok((Self(bytes[..length].to_vec()), rest))
    }

    /// The stored bytes: what is hashed and written.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Stable number of the event's type.
    #[must_use]
    pub fn event_type(&self) -> u32 {
        u32::from_le_bytes([self.0[0], self.0[1], self.0[2], self.0[3]])
    }

    /// Version of the payload's layout.
    #[must_use]
    pub fn event_version(&self) -> u16 {
        u16::from_le_bytes([self.0[4], self.0[5]])
    }

    /// The event, if this code knows its type and version.
    pub fn decode(&self) -> Result<Event, CodecError> {
        decode_event(&self.0)
    }

    /// Head of the event chain after this event; see [`hash::chain`].
    #[must_use]
    pub fn chain(&self, previous: &crate::B256) -> crate::B256 {
        hash::chain(previous, &self.0)
    }
}

/// Encodes an event with its current version.
pub fn encode_event(event: &Event) -> Result<StoredEvent, CodecError> {
    let (tag, version, payload) = event.encode_parts()?;
    envelope(tag, version, &payload, MAX_EVENT_BYTES).map(StoredEvent)
}

/// Decodes an event of any version ever written from exactly these bytes.
pub fn decode_event(bytes: &[u8]) -> Result<Event, CodecError> {
    let envelope = Envelope::parse(bytes, MAX_EVENT_BYTES)?;
    let (version, payload) = upcast(UPCASTS, envelope.tag, envelope.version, envelope.payload)?;
    Event::decode_parts(envelope.tag, version, &payload)
}

/// Writes the table of an enum's stable types, versions and field orders, and
/// derives `encode_parts` and `decode_parts` from it. Every variant must be
/// listed with all of its fields. `LIMIT` bounds a payload in bytes.
#[macro_export]
macro_rules! tagged {
    ($enum:ident, $limit:expr; $($tag:literal v $version:literal => $variant:ident { $($field:ident),* $(,)? }),+ $(,)?) => {
        impl $enum {
            /// Every (type, version) that is written today, in table order.
            pub const TAGS: &'static [(u32, u16)] = &[$(($tag, $version)),+];

            /// Type, version and payload of this value.
            pub(crate) fn encode_parts(&self) -> Result<(u32, u16, Vec<u8>), $crate::codec::CodecError> {
                match self {
                    $(Self::$variant { $($field),* } => {
                        Ok(($tag, $version, $crate::codec::encode::<_, { $limit }>(&($($field,)*))?))
                    })+
                }
            }

            /// The value of a payload that is written today.
            pub(crate) fn decode_parts(tag: u32, version: u16, payload: &[u8]) -> Result<Self, $crate::codec::CodecError> {
                match (tag, version) {
                    $(($tag, $version) => {
                        let ($($field,)*) = $crate::codec::decode::<_, { $limit }>(payload)?;
                        Ok(Self::$variant { $($field),* })
                    })+
                    _ => Err($crate::codec::CodecError::UnknownType { tag, version }),
                }
            }
        }
    };
}

tagged! { Event, MAX_EVENT_BYTES;
    1 v 1 => GenesisLoaded { genesis_hash, chain_id, rules_version, state_root, supply, time_ms },
    2 v 1 => BlockDecided { header, body },
    3 v 1 => BlockSealed { height, state_root, market_root },
    10 v 1 => TransactionExecuted { item, hash, sender, to, value, gas_used, effective_gas_price, fee, segments, pre_root, post_root, data_hi, data_lo, env, changes, shares },
    11 v 1 => MessageRefused { hash, sender, sequence, reason },
    12 v 1 => SettlementApplied { item, entries, segments, pre_root, post_root, data_lo, env, changes },
    13 v 1 => MessageAccepted { hash, sender, sequence },
    20 v 1 => HeartbeatsRecorded { bitmap },
    21 v 1 => PluginRegistered { plugin },
    22 v 1 => AdmissionPassed { plugin, task },
    23 v 1 => PluginActivated { plugin },
    24 v 1 => PluginDeactivated { plugin, reason },
    25 v 1 => PluginSuspended { plugin, debt },
    26 v 1 => PluginReinstated { plugin },
    28 v 1 => AdmissionLapsed { plugin, task },
    27 v 1 => TrustChanged { plugin, consecutive_valid, slots },
    30 v 1 => TaskOpened { task, kind, segments, base_bounty, funded },
    31 v 1 => TaskAssigned { task, plugin, attempt, bounty, from_issuance, deadline, receipt },
    32 v 1 => TaskHandedBack { task, plugin },
    33 v 1 => ProofAccepted { task, plugin, proof_hash },
    34 v 1 => AggregateAccepted { task, plugin, proof_hash },
    35 v 1 => AssignmentTimedOut { task, plugin, deadline },
    36 v 1 => BountyBumped { task, bounty },
    37 v 1 => TaskQuarantined { task, deadline },
    40 v 1 => PenaltyCharged { plugin, task, reason, amount, from_accrued, to_debt, holding_after },
    41 v 1 => PenaltyRefunded { plugin, task, amount, to_debt },
    42 v 1 => RewardAccrued { plugin, task, amount, from_fees, from_issuance, to_debt },
    43 v 1 => DebtRepaid { plugin, amount, payer },
    44 v 1 => WithdrawRequested { plugin, fee },
    50 v 1 => BatchClosed { batch, first_item, items, segments, pre_root, post_root },
    51 v 1 => BatchProven { batch, proof_hash },
    52 v 1 => BatchCertified { batch, certificate_hash },
    60 v 1 => EpochStarted { epoch, issuance_allowance, registration_work },
}
