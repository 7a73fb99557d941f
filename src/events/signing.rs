//! Signatures of participants: EIP-712 digests, secp256k1, and nothing else.
//!
//! Every digest is bound to one chain by the domain (name "Crowdfold", version
//! "1", `chainId`, `salt` = genesis hash) and to one purpose by its type, so a
//! signature for one thing can never be shown as another. The sender is
//! recovered from the signature, which has exactly one accepted form: low s,
//! parity 0 or 1.

use alloy_primitives::{Keccak256, keccak256};
use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::{
    Address, B256, known,
    message::{Message, MessageBody, SignedMessage},
    wire::Answer,
};

/// Why a signature names no sender. The fault is the signer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// r or s is zero or not below the group order.
    #[error("r or s is out of range")]
    OutOfRange,
    /// s is above half the group order: the mirrored form of a valid signature.
    #[error("s is not in the lower half")]
    HighS,
    /// The last byte is neither 0 nor 1.
    #[error("parity is {found}, not 0 or 1")]
    BadParity {
        /// The byte found.
        found: u8,
    },
    /// No public key has this signature for this digest.
    #[error("no key recovers from the signature")]
    NoKey,
}

/// Why bytes are not a secret key. The fault is the operator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret key is 32 bytes, not zero and below the group order")]
pub struct KeyError;

/// 65 bytes of a signature (r, s, parity) as a value that can be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignatureBytes(#[serde(with = "crate::message::signature_bytes")] pub [u8; 65]);

/// The chain that a signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningDomain {
    separator: B256,
}

impl SigningDomain {
    /// The domain of a chain; `genesis_hash` is the salt.
    #[must_use]
    pub fn new(chain_id: u64, genesis_hash: B256) -> Self {
        let separator = Struct::new("EIP712Domain(string name,string version,uint256 chainId,bytes32 salt)")
            .word(keccak256(b"Crowdfold"))
            .word(keccak256(b"1"))
            .number(chain_id)
            .word(genesis_hash)
            .hash();
        Self { separator }
    }

    /// Digest of a typed struct in this domain.
    fn digest(&self, struct_hash: B256) -> B256 {
        let mut hasher = Keccak256::new();
        hasher.update([0x19, 0x01]);
        hasher.update(self.separator);
        hasher.update(struct_hash);
        hasher.finalize()
    }

    /// Digest of a system message.
    #[must_use]
    pub fn message(&self, message: &Message) -> B256 {
        let sequence = message.sequence;
        let typed = |name: &str| Struct::new(name).number(sequence);
        self.digest(match &message.body {
            MessageBody::Register { work_height, work_nonce } => {
                typed("Register(uint64 sequence,uint64 workHeight,uint64 workNonce)")
                    .number(*work_height)
                    .number(*work_nonce)
                    .hash()
            }
            MessageBody::Heartbeat => typed("Heartbeat(uint64 sequence)").hash(),
            MessageBody::GoInactive => typed("GoInactive(uint64 sequence)").hash(),
            MessageBody::SubmitProof { task, proof_hash } => {
                typed("SubmitProof(uint64 sequence,uint64 task,bytes32 proofHash)")
                    .number(task.0)
                    .word(*proof_hash)
                    .hash()
            }
            MessageBody::SubmitAggregate { task, proof_hash } => {
                typed("SubmitAggregate(uint64 sequence,uint64 task,bytes32 proofHash)")
                    .number(task.0)
                    .word(*proof_hash)
                    .hash()
            }
            MessageBody::HandBack { task } => typed("HandBack(uint64 sequence,uint64 task)").number(task.0).hash(),
            MessageBody::Withdraw => typed("Withdraw(uint64 sequence)").hash(),
            MessageBody::CertifyBatch { batch, signatures } => {
                let mut hasher = Keccak256::new();
                for signature in signatures {
                    hasher.update(signature.validator);
                    hasher.update(keccak256(&signature.signature));
                }
                typed("CertifyBatch(uint64 sequence,uint64 batch,bytes32 signaturesHash)")
                    .number(batch.0)
                    .word(hasher.finalize())
                    .hash()
            }
        })
    }

    /// Digest that a plugin signs to open a session with one node: the node's
    /// fresh nonce and address, and the protocol version agreed on.
    #[must_use]
    pub fn login(&self, node: Address, nonce: B256, version: u16) -> B256 {
        self.digest(
            Struct::new("Login(address node,bytes32 nonce,uint16 version)")
                .word(node.into_word())
                .word(nonce)
                .number(u64::from(version))
                .hash(),
        )
    }

    /// Digest of a node's answer to a submitted message: taken into its
    /// mempool at `height` (code 0), or refused with a code.
    #[must_use]
    pub fn receipt(&self, message: B256, answer: &Answer) -> B256 {
        let (height, code, reason) = match answer {
            Answer::Accepted { height } => (height.0, 0, 0),
            Answer::Refused { height, code, reason } => (height.0, code.number(), *reason),
        };
        self.digest(
            Struct::new("Receipt(bytes32 message,uint64 height,uint16 code,uint16 reason)")
                .word(message)
                .number(height)
                .number(u64::from(code))
                .number(u64::from(reason))
                .hash(),
        )
    }
}

/// Builder of one struct's hash: type hash, then 32-byte words.
struct Struct(Keccak256);

impl Struct {
    fn new(type_string: &str) -> Self {
        let mut hasher = Keccak256::new();
        hasher.update(keccak256(type_string.as_bytes()));
        Self(hasher)
    }

    fn word(mut self, word: B256) -> Self {
        self.0.update(word);
        self
    }

    fn number(self, number: u64) -> Self {
        let mut word = B256::ZERO;
        word[24..].copy_from_slice(&number.to_be_bytes());
        self.word(word)
    }

    fn hash(self) -> B256 {
        self.0.finalize()
    }
}

/// The signer of a digest. `signature` is r, s (32 bytes each, big-endian) and
/// the parity of R's y.
pub fn recover(digest: &B256, signature: &[u8; 65]) -> Result<Address, SignatureError> {
    if let Some(known) = known::find(digest, signature) {
        return Ok(known.address);
    }
    let parity = signature[64];
    if parity > 1 {
        return Err(SignatureError::BadParity { found: parity });
    }
    let rs = Signature::from_slice(&signature[..64]).map_err(|_| SignatureError::OutOfRange)?;
    if rs.normalize_s().is_some() {
        return Err(SignatureError::HighS);
    }
    let id = RecoveryId::new(parity == 1, false);
    let key = VerifyingKey::recover_from_prehash(digest.as_slice(), &rs, id).map_err(|_| SignatureError::NoKey)?;
    Ok(Address::from_public_key(&key))
}

impl SignedMessage {
    /// EIP-712 digest of the message: its hash in receipts and events.
    #[must_use]
    pub fn digest(&self, chain_id: u64, genesis_hash: B256) -> B256 {
        SigningDomain::new(chain_id, genesis_hash).message(&self.message)
    }

    /// The sender.
    pub fn recover(&self, chain_id: u64, genesis_hash: B256) -> Result<Address, SignatureError> {
        recover(&self.digest(chain_id, genesis_hash), &self.signature)
    }
}

/// A secp256k1 key that signs digests. Signatures are deterministic (RFC 6979)
/// and low-s. The key is never shown by `Debug`.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
    address: Address,
}

impl core::fmt::Debug for Signer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Signer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Signer {
    /// A signer from 32 big-endian bytes.
    pub fn from_bytes(secret: &[u8; 32]) -> Result<Self, KeyError> {
        SigningKey::from_slice(secret).map(Self::from_key).map_err(|_| KeyError)
    }

    /// A signer from a key.
    #[must_use]
    pub fn from_key(key: SigningKey) -> Self {
        let address = Address::from_private_key(&key);
        Self { key, address }
    }

    /// The Ethereum address of the key.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// r, s and parity over a digest.
    #[must_use]
    pub fn sign(&self, digest: &B256) -> [u8; 65] {
        let (signature, id) = self
            .key
            .sign_prehash_recoverable(digest.as_slice())
            .expect("invariant: signing 32 bytes fails only for a nonce that nobody can find");
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        bytes[64] = u8::from(id.is_y_odd());
        known::note(digest, &bytes, || {
            let point = self.key.verifying_key().to_encoded_point(false);
            let key = point.as_bytes()[1..].try_into().expect("invariant: an uncompressed point is 65 bytes");
            known::Known { address: self.address, key }
        });
        bytes
    }

    /// Signs a system message.
    #[must_use]
    pub fn sign_message(&self, domain: &SigningDomain, message: Message) -> SignedMessage {
        let signature = self.sign(&domain.message(&message));
        SignedMessage { message, signature }
    }
}
