//! The simulated proof system: proofs are declared, not made.
//!
//! ```text
//! item proof = domain ‖ keccak256(domain ‖ statement, worker and task included)
//! node proof = domain ‖ keccak256(domain ‖ hashes of the children's proofs)
//! ```
//!
//! It establishes nothing about execution: whoever knows a statement can
//! declare its proof. What it keeps of the real system is what the market
//! depends on: one canonical proof per statement, and bytes that are valid for
//! one statement are invalid for every other. Like a real aggregate, a node's
//! proof is bound to its children and not to who folded them. Only a genesis
//! that says so is served by it, and no node runs such a genesis.

use alloy_primitives::{B256, Bytes, Keccak256, keccak256};
use crowdfold_kernel::{AggregateChild, AggregateNode, ProofFault, Work};
use crowdfold_zk::{
    item::{ItemInput, aggregate::Node},
    statement::ItemStatement,
};

use super::{AssembleError, BatchParts, CheckTimes, ProofChecker};

const DOMAIN: &[u8] = b"crowdfold/simulated-proof/1";

/// Accepts exactly the declared proofs.
#[derive(Clone, Copy, Debug, Default)]
pub struct SimulatedChecker;

fn item_digest(of: &ItemStatement) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update(DOMAIN);
    hasher.update(b" item");
    hasher.update(of.chain_id.to_be_bytes());
    hasher.update(of.contract);
    hasher.update(of.position.to_be_bytes());
    for word in [&of.pre_root, &of.post_root, &of.data_hi, &of.data_lo, &of.env] {
        hasher.update(word);
    }
    hasher.update(of.sender);
    hasher.update(of.worker);
    hasher.update(of.task.to_be_bytes());
    hasher.update(of.segments.to_be_bytes());
    hasher.finalize()
}

fn node_digest(children: impl Iterator<Item = B256>) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update(DOMAIN);
    hasher.update(b" node");
    children.for_each(|proof| hasher.update(proof));
    hasher.finalize()
}

fn child_proof(child: &AggregateChild) -> B256 {
    match child {
        AggregateChild::Item { proof, .. } => *proof,
        AggregateChild::Node { accepted, .. } => accepted.proof,
    }
}

fn work_digest(work: &Work) -> B256 {
    match work {
        Work::Item(statement) => item_digest(statement),
        Work::Aggregate(AggregateNode { children, .. }) => node_digest(children.iter().map(child_proof)),
    }
}

fn declared(digest: &B256) -> Vec<u8> {
    [DOMAIN, digest.as_slice()].concat()
}

fn verdict(expected: &B256, proof: &[u8]) -> Result<CheckTimes, ProofFault> {
    match proof.strip_prefix(DOMAIN) {
        Some(digest) if digest == expected.as_slice() => Ok(CheckTimes::default()),
        Some(digest) if digest.len() == expected.len() => Err(ProofFault::Rejected),
        _ => Err(ProofFault::Malformed),
    }
}

impl SimulatedChecker {
    /// What a worker is given: all that its proof depends on, instead of a witness.
    #[must_use]
    pub fn package(work: &Work) -> Bytes {
        Bytes::copy_from_slice(work_digest(work).as_slice())
    }

    /// The proof of a package; `None` for bytes that are no package.
    #[must_use]
    pub fn prove(package: &[u8]) -> Option<Vec<u8>> {
        Some(declared(&B256::try_from(package).ok()?))
    }

    /// Checks a proof of work as the kernel states it.
    ///
    /// # Errors
    /// The prover's fault.
    pub fn check(work: &Work, proof: &[u8]) -> Result<(), ProofFault> {
        verdict(&work_digest(work), proof).map(|_| ())
    }
}

impl ProofChecker for SimulatedChecker {
    fn params_digest(&self) -> B256 {
        keccak256(DOMAIN)
    }

    fn item(&self, input: &ItemInput, proof: &[u8]) -> Result<CheckTimes, ProofFault> {
        verdict(&item_digest(&input.statement), proof)
    }

    fn aggregate(&self, children: &[Node], proof: &[u8]) -> Result<CheckTimes, ProofFault> {
        let proof_of = |child: &Node| match child {
            Node::Item { proof, .. } | Node::Aggregate { proof, .. } => keccak256(proof),
        };
        verdict(&node_digest(children.iter().map(proof_of)), proof)
    }

    fn batch_file(&self, _: BatchParts) -> Result<Vec<u8>, AssembleError> {
        Err(AssembleError::Simulated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> ItemStatement {
        ItemStatement {
            chain_id: 1,
            contract: [2; 20],
            position: 3,
            pre_root: [4; 32],
            post_root: [5; 32],
            data_hi: [6; 32],
            data_lo: [7; 32],
            sender: [8; 20],
            env: [9; 32],
            worker: [10; 20],
            task: 11,
            segments: 12,
        }
    }

    #[test]
    fn a_declared_proof_is_of_one_statement_only() {
        let work = Work::Item(statement());
        let proof = SimulatedChecker::prove(&SimulatedChecker::package(&work)).unwrap();
        SimulatedChecker::check(&work, &proof).unwrap();
        let changes: [fn(&mut ItemStatement); 12] = [
            |s| s.chain_id += 1,
            |s| s.contract[0] += 1,
            |s| s.position += 1,
            |s| s.pre_root[0] += 1,
            |s| s.post_root[0] += 1,
            |s| s.data_hi[0] += 1,
            |s| s.data_lo[0] += 1,
            |s| s.sender[0] += 1,
            |s| s.env[0] += 1,
            |s| s.worker[0] += 1,
            |s| s.task += 1,
            |s| s.segments += 1,
        ];
        for change in changes {
            let mut other = statement();
            change(&mut other);
            assert_eq!(SimulatedChecker::check(&Work::Item(other), &proof), Err(ProofFault::Rejected));
        }
    }

    #[test]
    fn other_bytes_are_no_proof() {
        let work = Work::Item(statement());
        let proof = SimulatedChecker::prove(&SimulatedChecker::package(&work)).unwrap();
        for end in 0..proof.len() {
            assert_eq!(SimulatedChecker::check(&work, &proof[..end]), Err(ProofFault::Malformed));
        }
        let longer = [proof.as_slice(), &[0]].concat();
        assert_eq!(SimulatedChecker::check(&work, &longer), Err(ProofFault::Malformed));
        assert_eq!(SimulatedChecker::prove(b"no package"), None);
    }
}
