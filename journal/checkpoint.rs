//! Signed checkpoints: what a journal was at one size, in the words of
//! validators, as text that can be pasted, mailed or printed.
//!
//! ```text
//! crowdfold checkpoint 1
//! genesis 0x…              hash of the chain's genesis
//! events 4711              size of the journal
//! root 0x…                 RFC 6962 root over the stored events
//! head 0x…                 head of the event chain
//! signed 0x<address> 0x<signature>        one line per validator, ascending
//! ```
//!
//! There is exactly one text per checkpoint. Who may sign, and how many must,
//! is for the caller to decide against the genesis; here a signature is only
//! checked to be by the address beside it.

use core::fmt;

use alloy_primitives::{Address, B256, Keccak256, hex};
use crowdfold_events::{CommitSignature, EventSeq, SignatureError, Signer, signing};

use crate::Head;

/// Longest text of a checkpoint, in bytes.
pub const MAX_CHECKPOINT_BYTES: usize = 64 << 10;

const TITLE: &str = "crowdfold checkpoint 1";
const DOMAIN: &[u8] = b"crowdfold/checkpoint/1\0";

/// Everything that a validator states about a journal at one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Hash of the chain's genesis.
    pub genesis_hash: B256,
    /// Number of events and head of the event chain after them.
    pub head: Head,
    /// Root of the Merkle tree over those events; see [`crate::MerkleTiles`].
    pub root: B256,
}

/// A checkpoint with signatures, each checked to be by the address beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    signatures: Vec<CommitSignature>,
}

/// Why a text is not a signed checkpoint. The fault of whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is longer than any checkpoint.
    #[error("{found} bytes, at most {MAX_CHECKPOINT_BYTES} are allowed")]
    TooLong {
        /// Bytes found.
        found: usize,
    },
    /// A line is missing or not of its form.
    #[error("line {line} is not `{expected}`")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What it should be.
        expected: &'static str,
    },
    /// The text says the same in another form than the one that is written.
    #[error("not written as checkpoints are written")]
    NotCanonical,
    /// There is no signature.
    #[error("nobody signed")]
    Unsigned,
    /// The signatures are not in ascending order of address, or one is there twice.
    #[error("the signature of {0} is out of order")]
    Order(Address),
    /// A signature is not by the address beside it.
    #[error("the signature of {validator} is by {}", .found.map_or_else(|_| "nobody".to_owned(), |a| a.to_string()))]
    Signature {
        /// The address in the text.
        validator: Address,
        /// Who signed.
        found: Result<Address, SignatureError>,
    },
}

impl Checkpoint {
    /// What validators sign: keccak-256 of a domain, genesis, size, root and head.
    #[must_use]
    pub fn digest(&self) -> B256 {
        let mut hasher = Keccak256::new();
        hasher.update(DOMAIN);
        hasher.update(self.genesis_hash);
        hasher.update(self.head.next.0.to_be_bytes());
        hasher.update(self.root);
        hasher.update(self.head.hash);
        hasher.finalize()
    }

    /// The checkpoint signed by one validator.
    #[must_use]
    pub fn sign(self, signer: &Signer) -> SignedCheckpoint {
        let signature = signer.sign(&self.digest()).to_vec();
        SignedCheckpoint {
            checkpoint: self,
            signatures: vec![CommitSignature { validator: signer.address(), signature }],
        }
    }
}

impl SignedCheckpoint {
    /// Takes signatures in ascending order of address, at least one, and checks each.
    pub fn new(checkpoint: Checkpoint, signatures: Vec<CommitSignature>) -> Result<Self, CheckpointError> {
        if signatures.is_empty() {
            return Err(CheckpointError::Unsigned);
        }
        let digest = checkpoint.digest();
        let mut before = None;
        for CommitSignature { validator, signature } in &signatures {
            if before.is_some_and(|before| before >= *validator) {
                return Err(CheckpointError::Order(*validator));
            }
            before = Some(*validator);
            let found = <&[u8; 65]>::try_from(signature.as_slice())
                .map_err(|_| SignatureError::OutOfRange)
                .and_then(|bytes| signing::recover(&digest, bytes));
            if found != Ok(*validator) {
                return Err(CheckpointError::Signature { validator: *validator, found });
            }
        }
        Ok(Self { checkpoint, signatures })
    }

    /// What was signed.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Who signed it, in ascending order of address.
    #[must_use]
    pub fn signatures(&self) -> &[CommitSignature] {
        &self.signatures
    }

    /// The same checkpoint with one more signature; a validator's newer one replaces its older one.
    #[must_use]
    pub fn signed_by(mut self, signer: &Signer) -> Self {
        let signature = signer.sign(&self.checkpoint.digest()).to_vec();
        self.signatures.retain(|s| s.validator != signer.address());
        self.signatures.push(CommitSignature { validator: signer.address(), signature });
        self.signatures.sort_by_key(|s| s.validator);
        self
    }

    /// Reads the text form; surrounding blank lines and spaces are forgiven.
    pub fn from_text(text: &str) -> Result<Self, CheckpointError> {
        if text.len() > MAX_CHECKPOINT_BYTES {
            return Err(CheckpointError::TooLong { found: text.len() });
        }
        let mut lines = text.trim().lines().map(str::trim_end).enumerate();
        let mut field = |expected: &'static str, name: &str| {
            let (line, text) = lines.next().map_or((0, ""), |(line, text)| (line + 1, text));
            text.strip_prefix(name).ok_or(CheckpointError::Line { line, expected }).map(|rest| (line, rest))
        };
        let (line, rest) = field(TITLE, TITLE)?;
        if !rest.is_empty() {
            return Err(CheckpointError::Line { line, expected: TITLE });
        }
        let mut hash = |expected: &'static str, name: &str| {
            let (line, value) = field(expected, name)?;
            hash_of(value).ok_or(CheckpointError::Line { line, expected })
        };
        let genesis_hash = hash("genesis 0x…", "genesis ")?;
        let (line, events) = field("events N", "events ")?;
        let next = events.parse().map_err(|_| CheckpointError::Line { line, expected: "events N" })?;
        let mut hash = |expected: &'static str, name: &str| {
            let (line, value) = field(expected, name)?;
            hash_of(value).ok_or(CheckpointError::Line { line, expected })
        };
        let root = hash("root 0x…", "root ")?;
        let head = Head { next: EventSeq(next), hash: hash("head 0x…", "head ")? };
        let mut signatures = Vec::new();
        for (line, text) in lines {
            let wrong = CheckpointError::Line { line: line + 1, expected: "signed 0x… 0x…" };
            let signed = text.strip_prefix("signed ").and_then(signature_of);
            signatures.push(signed.ok_or(wrong)?);
        }
        let read = Self::new(Checkpoint { genesis_hash, head, root }, signatures)?;
        // One text per checkpoint: no leading zeros, no other case.
        let is_same = read.to_string().lines().eq(text.trim().lines().map(str::trim_end));
        if is_same { Ok(read) } else { Err(CheckpointError::NotCanonical) }
    }
}

fn hash_of(text: &str) -> Option<B256> {
    bytes_of(text)?.try_into().ok().map(|bytes: [u8; 32]| B256::new(bytes))
}

fn bytes_of(text: &str) -> Option<Vec<u8>> {
    hex::decode(text.strip_prefix("0x")?).ok()
}

fn signature_of(text: &str) -> Option<CommitSignature> {
    let (validator, signature) = text.split_once(' ')?;
    let validator: [u8; 20] = bytes_of(validator)?.try_into().ok()?;
    let signature = bytes_of(signature).filter(|bytes| bytes.len() == 65)?;
    Some(CommitSignature { validator: Address::new(validator), signature })
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checkpoint { genesis_hash, head, root } = &self.checkpoint;
        writeln!(f, "{TITLE}\ngenesis {genesis_hash}\nevents {}\nroot {root}\nhead {}", head.next, head.hash)?;
        self.signatures.iter().try_for_each(|CommitSignature { validator, signature }| {
            writeln!(f, "signed 0x{} 0x{}", hex::encode(validator), hex::encode(signature))
        })
    }
}
