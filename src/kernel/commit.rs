//! The seam to consensus: who may propose, and what certifies a block.
//!
//! One validator decides blocks; its signature over each header is the commit
//! that the next block carries. Stake is counted, so that a set of several
//! needs no other rule here.

use alloy_primitives::Keccak256;
use crowdfold_config::ValidGenesis;
use crowdfold_events::{B256, Commit, CommitSignature, Height, Signer, signing};

use crate::{faults::CommitFault, state::State};

/// What a validator signs to decide a header.
#[must_use]
pub fn commit_digest(genesis_hash: &B256, height: Height, header_hash: &B256) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update(b"crowdfold/commit-vote/1");
    hasher.update(genesis_hash);
    hasher.update(height.0.to_be_bytes());
    hasher.update(header_hash);
    hasher.finalize()
}

/// The commit of a single validator over a header.
#[must_use]
pub fn sign_commit(signer: &Signer, genesis_hash: &B256, height: Height, header_hash: B256) -> Commit {
    let signature = signer.sign(&commit_digest(genesis_hash, height, &header_hash)).to_vec();
    Commit { height, header_hash, signatures: vec![CommitSignature { validator: signer.address(), signature }] }
}

/// Digest of the validator set: addresses and stakes in order.
#[must_use]
pub fn validators_hash(genesis: &ValidGenesis) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update(b"crowdfold/validators/1");
    for validator in &genesis.genesis.validators {
        hasher.update(validator.address);
        hasher.update(validator.stake.units().to_be_bytes());
    }
    hasher.finalize()
}

/// Randomness of a block: follows from its parent's and from the commit that it carries.
#[must_use]
pub fn next_beacon(parent: &B256, height: Height, last_commit_hash: &B256) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update(b"crowdfold/beacon/1");
    hasher.update(parent);
    hasher.update(height.0.to_be_bytes());
    hasher.update(last_commit_hash);
    hasher.finalize()
}

/// More than two thirds of the stake signed the digest, each validator once, in ascending order.
///
/// # Errors
/// What is wrong with the signatures.
pub fn verify_signatures(
    genesis: &ValidGenesis,
    digest: &B256,
    signatures: &[CommitSignature],
) -> Result<(), CommitFault> {
    let validators = &genesis.genesis.validators;
    let total = validators.iter().map(|v| v.stake.units()).sum::<u128>();
    let mut signed = 0u128;
    let mut before = None;
    for CommitSignature { validator, signature } in signatures {
        if before.is_some_and(|b| b >= *validator) {
            return Err(CommitFault::Order(*validator));
        }
        before = Some(*validator);
        let known =
            validators.iter().find(|v| v.address == *validator).ok_or(CommitFault::UnknownValidator(*validator))?;
        let bytes: &[u8; 65] = signature.as_slice().try_into().map_err(|_| CommitFault::BadSignature(*validator))?;
        if signing::recover(digest, bytes) != Ok(*validator) {
            return Err(CommitFault::BadSignature(*validator));
        }
        signed += known.stake.units();
    }
    // signed > 2/3 total, without overflow: unsigned stake is less than a third.
    if signed > 0 && total - signed < total.div_ceil(3) {
        Ok(())
    } else {
        Err(CommitFault::NotEnough { signed, total })
    }
}

impl State {
    /// Checks that a commit certifies this state's last block.
    ///
    /// # Errors
    /// Why it does not.
    pub fn verify_commit(&self, commit: &Commit) -> Result<(), CommitFault> {
        if self.chain.height == Height(0) {
            return if *commit == Commit::default() { Ok(()) } else { Err(CommitFault::NotEmpty) };
        }
        if commit.height != self.chain.height {
            return Err(CommitFault::Height { found: commit.height, expected: self.chain.height });
        }
        if commit.header_hash != self.chain.head {
            return Err(CommitFault::HeaderHash { found: commit.header_hash, expected: self.chain.head });
        }
        let digest = commit_digest(&self.genesis.hash, commit.height, &commit.header_hash);
        verify_signatures(&self.genesis, &digest, &commit.signatures)
    }
}
