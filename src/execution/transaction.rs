//! Strict decoding of a raw transaction into the provable subset.
//!
//! Accepted are EIP-155 legacy, EIP-2930 and EIP-1559 transactions that move
//! value to an account without code. Decoding checks all that can be known
//! without state: canonical EIP-2718 encoding, chain id, low s, a recoverable
//! signature, the gas limit against the fixed gas of a transfer, and the
//! bounds of the transfer circuit. Its tests are in `tests/transaction.rs`.

use alloy_consensus::{
    SignableTransaction, TxEip1559, TxEip2930, TxLegacy, transaction::RlpEcdsaDecodableTx,
    transaction::RlpEcdsaEncodableTx,
};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256, uint};
use alloy_rlp::Header;
use crowdfold_events::known;

use crate::{
    gas::{MAX_TRANSACTION_GAS, transfer_gas},
    rejection::{AdmissionError, MAX_DATA_BYTES, MAX_PAYLOAD_BYTES, MAX_RAW_BYTES, NotProvable, RESERVED_ADDRESSES},
};

/// Half of the order of secp256k1, rounded down: the highest `s` (EIP-2).
const HALF_ORDER: U256 = uint!(0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0_U256);

/// Which envelope a transaction came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionKind {
    /// Untyped, EIP-155.
    Legacy,
    /// Type 1, access list empty.
    Eip2930,
    /// Type 2, access list empty.
    Eip1559,
}

impl TransactionKind {
    /// The EIP-2718 type (0 for legacy).
    #[must_use]
    pub fn type_byte(self) -> u8 {
        match self {
            Self::Legacy => 0,
            Self::Eip2930 => 1,
            Self::Eip1559 => 2,
        }
    }
}

/// A decoded transfer whose signature is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Keccak-256 of the raw bytes.
    pub hash: B256,
    /// The envelope.
    pub kind: TransactionKind,
    /// Address of the public key.
    pub sender: Address,
    /// The bytes whose Keccak-256 is signed (EIP-155, EIP-2930, EIP-1559); at most 135.
    pub payload: Vec<u8>,
    /// Uncompressed public key, x then y, big-endian.
    pub pubkey: [u8; 64],
    /// r, s (at most n/2) and y parity.
    pub signature: Signature,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Number of the sender's transactions before this one.
    pub nonce: u64,
    /// Recipient.
    pub to: Address,
    /// Value in the smallest unit of ZKPoW.
    pub value: u128,
    /// Highest gas; at least [`transfer_gas`] of the data.
    pub gas_limit: u64,
    /// Highest price per gas (`gasPrice` before EIP-1559).
    pub max_fee: u128,
    /// Highest price above the base fee (`gasPrice` before EIP-1559); at most `max_fee`.
    pub max_priority_fee: u128,
    /// Calldata, at most 55 bytes.
    pub data: Bytes,
}

impl Transaction {
    /// Keccak-256 of the signing payload: what is signed.
    #[must_use]
    pub fn signing_hash(&self) -> B256 {
        keccak256(&self.payload)
    }

    /// Value plus gas limit times highest price: what the sender must own beside its debt.
    #[must_use]
    pub fn max_cost(&self) -> U256 {
        U256::from(self.gas_limit) * U256::from(self.max_fee) + U256::from(self.value)
    }

    /// Gas that execution uses.
    #[must_use]
    pub fn gas(&self) -> u64 {
        transfer_gas(&self.data)
    }
}

/// Decodes EIP-2718 bytes, recovers the sender, and checks that the chain can prove the transaction.
///
/// # Errors
/// The first reason found, the sender's fault or a limit of the chain; at most [`MAX_RAW_BYTES`] are looked at.
pub fn decode_transaction(raw: &[u8], chain_id: u64) -> Result<Transaction, AdmissionError> {
    if raw.len() > MAX_RAW_BYTES {
        return Err(AdmissionError::Oversized { bytes: raw.len() });
    }
    let fields = match *raw.first().ok_or(AdmissionError::Empty)? {
        0xc0.. => legacy(raw)?,
        1 => access_list(raw)?,
        2 => dynamic_fee(raw)?,
        3 => return Err(NotProvable::Blob.into()),
        4 => return Err(NotProvable::SetCode.into()),
        kind @ 0..0x80 => return Err(AdmissionError::UnknownType { kind }),
        0x80..0xc0 => return Err(AdmissionError::Rlp { source: alloy_rlp::Error::UnexpectedString }),
    };
    fields.check(raw, chain_id)
}

/// r, s and parity (0 or 1).
pub(crate) fn compact(signature: &Signature) -> [u8; 65] {
    let mut bytes = signature.as_bytes();
    bytes[64] = u8::from(signature.v());
    bytes
}

/// What the three envelopes have in common.
struct Fields {
    kind: TransactionKind,
    chain_id: u64,
    nonce: u64,
    to: TxKind,
    value: U256,
    gas_limit: u64,
    max_fee: u128,
    max_priority_fee: u128,
    data: Bytes,
    access_list_entries: usize,
    payload: Vec<u8>,
    signature: Signature,
}

impl Fields {
    fn check(self, raw: &[u8], chain_id: u64) -> Result<Transaction, AdmissionError> {
        if self.chain_id != chain_id {
            return Err(AdmissionError::WrongChainId { expected: chain_id, got: self.chain_id });
        }
        if self.signature.s() > HALF_ORDER {
            return Err(AdmissionError::HighS);
        }
        let to = self.provable()?;
        let value = u128::try_from(self.value).map_err(|_| NotProvable::Value)?;
        if self.nonce == u64::MAX {
            return Err(AdmissionError::NonceOverflow);
        }
        if self.max_priority_fee > self.max_fee {
            return Err(AdmissionError::PriorityAboveFee {
                max_priority_fee: self.max_priority_fee,
                max_fee: self.max_fee,
            });
        }
        if self.gas_limit > MAX_TRANSACTION_GAS {
            return Err(AdmissionError::GasAboveCap { gas_limit: self.gas_limit });
        }
        let needed = transfer_gas(&self.data);
        if self.gas_limit < needed {
            return Err(AdmissionError::IntrinsicGas { gas_limit: self.gas_limit, needed });
        }
        let pubkey = self.public_key()?;
        Ok(Transaction {
            hash: keccak256(raw),
            kind: self.kind,
            sender: Address::from_raw_public_key(&pubkey),
            payload: self.payload,
            pubkey,
            signature: self.signature,
            chain_id,
            nonce: self.nonce,
            to,
            value,
            gas_limit: self.gas_limit,
            max_fee: self.max_fee,
            max_priority_fee: self.max_priority_fee,
            data: self.data,
        })
    }

    /// The public key of the signer, x and y.
    fn public_key(&self) -> Result<[u8; 64], AdmissionError> {
        let digest = keccak256(&self.payload);
        if let Some(known) = known::find(&digest, &compact(&self.signature)) {
            return Ok(known.key);
        }
        let key = self.signature.recover_from_prehash(&digest).map_err(|_| AdmissionError::Signature)?;
        let point = key.to_encoded_point(false);
        Ok(point.as_bytes()[1..].try_into().expect("invariant: an uncompressed point is 65 bytes"))
    }

    /// The bounds of the transfer circuit; returns the recipient.
    fn provable(&self) -> Result<Address, NotProvable> {
        let TxKind::Call(to) = self.to else { return Err(NotProvable::ContractCreation) };
        if self.access_list_entries > 0 {
            return Err(NotProvable::AccessList { entries: self.access_list_entries });
        }
        if self.data.len() > MAX_DATA_BYTES {
            return Err(NotProvable::Data { bytes: self.data.len() });
        }
        if is_reserved(&to) {
            return Err(NotProvable::Reserved { recipient: to });
        }
        if self.payload.len() > MAX_PAYLOAD_BYTES {
            return Err(NotProvable::Payload { bytes: self.payload.len() });
        }
        Ok(to)
    }
}

/// True for precompiles and addresses kept for later ones.
#[must_use]
pub fn is_reserved(address: &Address) -> bool {
    U256::from_be_slice(address.as_slice()) < U256::from(RESERVED_ADDRESSES)
}

fn legacy(raw: &[u8]) -> Result<Fields, AdmissionError> {
    let (tx, signature) = canonical::<TxLegacy>(raw, raw)?;
    let chain_id = tx.chain_id.ok_or(AdmissionError::NotReplayProtected)?;
    Ok(Fields {
        kind: TransactionKind::Legacy,
        chain_id,
        nonce: tx.nonce,
        to: tx.to,
        value: tx.value,
        gas_limit: tx.gas_limit,
        max_fee: tx.gas_price,
        max_priority_fee: tx.gas_price,
        access_list_entries: 0,
        payload: tx.encoded_for_signing(),
        data: tx.input,
        signature,
    })
}

fn access_list(raw: &[u8]) -> Result<Fields, AdmissionError> {
    let (tx, signature) = canonical::<TxEip2930>(raw, &raw[1..])?;
    Ok(Fields {
        kind: TransactionKind::Eip2930,
        chain_id: tx.chain_id,
        nonce: tx.nonce,
        to: tx.to,
        value: tx.value,
        gas_limit: tx.gas_limit,
        max_fee: tx.gas_price,
        max_priority_fee: tx.gas_price,
        access_list_entries: tx.access_list.0.len(),
        payload: tx.encoded_for_signing(),
        data: tx.input,
        signature,
    })
}

fn dynamic_fee(raw: &[u8]) -> Result<Fields, AdmissionError> {
    let (tx, signature) = canonical::<TxEip1559>(raw, &raw[1..])?;
    Ok(Fields {
        kind: TransactionKind::Eip1559,
        chain_id: tx.chain_id,
        nonce: tx.nonce,
        to: tx.to,
        value: tx.value,
        gas_limit: tx.gas_limit,
        max_fee: tx.max_fee_per_gas,
        max_priority_fee: tx.max_priority_fee_per_gas,
        access_list_entries: tx.access_list.0.len(),
        payload: tx.encoded_for_signing(),
        data: tx.input,
        signature,
    })
}

/// Decodes `list` (the raw bytes without a type byte) and insists that encoding it again gives `raw`.
fn canonical<T: RlpEcdsaDecodableTx + RlpEcdsaEncodableTx>(
    raw: &[u8],
    list: &[u8],
) -> Result<(T, Signature), AdmissionError> {
    let mut rest = list;
    let decoded = T::rlp_decode_with_signature(&mut rest);
    let (tx, signature) =
        decoded.map_err(
            |source| if parity_is_wrong(list) { AdmissionError::Parity } else { AdmissionError::Rlp { source } },
        )?;
    if !rest.is_empty() {
        return Err(AdmissionError::TrailingBytes { bytes: rest.len() });
    }
    let mut again = Vec::with_capacity(raw.len());
    tx.eip2718_encode(&signature, &mut again);
    if again != raw {
        return Err(AdmissionError::NotCanonical);
    }
    Ok((tx, signature))
}

/// True when the bytes are a list of items and the third item from the end is not a y parity or an EIP-155 `v`.
fn parity_is_wrong(list: &[u8]) -> bool {
    let mut rest = list;
    let Ok(header) = Header::decode(&mut rest) else { return false };
    if !header.list || rest.len() < header.payload_length {
        return false;
    }
    let mut items = &rest[..header.payload_length];
    let typed = match count_items(items) {
        Some(11 | 12) => true,
        Some(9) => false,
        _ => return false,
    };
    let fields = if typed { count_items(items).unwrap_or_default() } else { 9 };
    for _ in 0..fields - 3 {
        if skip_item(&mut items).is_none() {
            return false;
        }
    }
    match <u128 as alloy_rlp::Decodable>::decode(&mut items) {
        Ok(v) if typed => v > 1,
        Ok(v) => !(v >= 35 || v == 27 || v == 28),
        Err(_) => true,
    }
}

fn count_items(mut items: &[u8]) -> Option<usize> {
    let mut count = 0;
    while !items.is_empty() {
        skip_item(&mut items)?;
        count += 1;
    }
    Some(count)
}

fn skip_item(items: &mut &[u8]) -> Option<()> {
    let header = Header::decode(items).ok()?;
    *items = items.get(header.payload_length..)?;
    Some(())
}

#[cfg(test)]
#[path = "tests/transaction.rs"]
mod tests;
