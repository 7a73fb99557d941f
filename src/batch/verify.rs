//! Verifying a batch file from public data only.
//!
//! Cheap checks come first: the encoding, the genesis, the certificate (which
//! signs every byte of the root's proof), then the rules of the running values
//! and the transcript of the folds, and last Spartan's verifier.

use alloy_primitives::{B256, keccak256};
use crowdfold_config::{Pinned, ValidGenesis};
use crowdfold_events::{CommitSignature, event::SettlementEntry};
use crowdfold_kernel::{
    certificate::{BatchData, CertifiedBatch},
    commit::verify_signatures,
};
use crowdfold_zk::{
    ItemStatement, SEGMENTS_PER_TRANSFER, Scalar,
    item::EnvInput,
    proof::params::VerifierParams,
    settlement::{self, settlement_digest},
    settlement_segments,
    statement::scalar_to_be,
    transfer::env_digest,
};

use crate::{BatchFile, BatchFileError, BatchReport, FileData, FileItem};

/// Decodes and verifies a batch file.
///
/// # Errors
/// [`BatchFileError`]: what is wrong with it.
pub fn verify(bytes: &[u8], genesis: &ValidGenesis, params: &VerifierParams) -> Result<BatchReport, BatchFileError> {
    let file = BatchFile::decode(bytes)?;
    let statements = file.verify(genesis, params)?;
    Ok(BatchReport::new(&file, &statements, bytes.len()))
}

impl FileItem {
    /// Segments that its proof has.
    #[must_use]
    pub fn segments(&self) -> u32 {
        match &self.data {
            FileData::Transfer { .. } => SEGMENTS_PER_TRANSFER,
            FileData::Settlement { entries } => settlement_segments(entries.len() as u32),
        }
    }

    /// `data_hi`, `data_lo` and sender of its statement.
    fn data(&self) -> ([u8; 32], [u8; 32], [u8; 20]) {
        match &self.data {
            FileData::Transfer { payload, sender } => {
                let hash = keccak256(payload);
                let (mut hi, mut lo) = ([0; 32], [0; 32]);
                hi[16..].copy_from_slice(&hash[..16]);
                lo[16..].copy_from_slice(&hash[16..]);
                (hi, lo, sender.into_array())
            }
            FileData::Settlement { entries } => {
                let count = Scalar::from(entries.len() as u64);
                (scalar_to_be(&count), scalar_to_be(&settlement_digest(&list(entries))), [0; 20])
            }
        }
    }
}

fn list(entries: &[SettlementEntry]) -> Vec<settlement::SettlementEntry> {
    let entry = |e: &SettlementEntry| settlement::SettlementEntry {
        address: e.account.into_array(),
        amount: e.amount.0,
        credit: e.credit,
    };
    entries.iter().map(entry).collect()
}

impl BatchFile {
    /// The statement of every item, computed from the posted data.
    ///
    /// # Errors
    /// [`BatchFileError::Environment`].
    pub fn statements(&self) -> Result<Vec<ItemStatement>, BatchFileError> {
        let mut statements: Vec<ItemStatement> = Vec::new();
        for (index, block) in self.blocks.iter().enumerate() {
            let fields = block.env.fields().ok_or(BatchFileError::Environment(index))?;
            let env = scalar_to_be(&env_digest(&fields));
            for item in &block.items {
                let (data_hi, data_lo, sender) = item.data();
                statements.push(ItemStatement {
                    chain_id: self.chain_id,
                    contract: self.contract.into_array(),
                    position: self.first_item.0.saturating_add(statements.len() as u64),
                    pre_root: statements.last().map_or(self.pre_root.0, |before| before.post_root),
                    post_root: item.post_root.0,
                    data_hi,
                    data_lo,
                    sender,
                    env,
                    worker: item.worker.into_array(),
                    task: item.task.0,
                    segments: item.segments(),
                });
            }
        }
        Ok(statements)
    }

    /// What the validators sign, computed from the posted data and the root's proof.
    #[must_use]
    pub fn certificate_digest(&self, genesis: &ValidGenesis, statements: &[ItemStatement]) -> B256 {
        let mut data = BatchData::default();
        for s in statements {
            data.item(&s.data_hi.into(), &s.data_lo.into(), &s.sender.into(), &s.env.into());
        }
        let certified = CertifiedBatch {
            batch: self.batch,
            first_item: self.first_item,
            items: statements.len() as u32,
            pre_root: self.pre_root,
            post_root: statements.last().map_or(self.pre_root, |last| last.post_root.into()),
            data: data.finish(),
            proof: self.proof.root_node().content_hash().into(),
            last_header: self.last_header,
        };
        certified.digest(genesis)
    }

    /// Verifies everything; returns the items' statements.
    ///
    /// # Errors
    /// [`BatchFileError`].
    pub fn verify(
        &self,
        genesis: &ValidGenesis,
        params: &VerifierParams,
    ) -> Result<Vec<ItemStatement>, BatchFileError> {
        self.check_chain(genesis)?;
        check_shape(genesis, params)?;
        let statements = self.statements()?;
        for (index, statement) in statements.iter().enumerate() {
            let elements = statement.elements(params.vk_digest());
            elements.map_err(|source| BatchFileError::Statement { index, source })?;
        }
        let digest = self.certificate_digest(genesis, &statements);
        let signatures: Vec<CommitSignature> = self.certificate.iter().map(CommitSignature::from).collect();
        verify_signatures(genesis, &digest, &signatures)?;
        self.proof.verify(params, &statements)?;
        Ok(statements)
    }

    fn check_chain(&self, genesis: &ValidGenesis) -> Result<(), BatchFileError> {
        let g = &genesis.genesis;
        same("chain id", self.chain_id, g.chain_id)?;
        same("genesis hash", self.genesis_hash, genesis.hash)?;
        same("rules version", self.rules_version, g.rules_version)?;
        same("contract", self.contract, g.l1.contract)?;
        same("arity", self.proof.arity as u64, u64::from(g.params.batches.aggregation_arity))?;
        for EnvInput { chain_id, rules_version, .. } in self.blocks.iter().map(|block| &block.env) {
            same("environment's chain id", *chain_id, g.chain_id)?;
            same("environment's rules version", *rules_version, u64::from(g.rules_version))?;
        }
        Ok(())
    }
}

fn same<T: PartialEq + core::fmt::Display>(field: &'static str, found: T, expected: T) -> Result<(), BatchFileError> {
    if found == expected {
        return Ok(());
    }
    Err(BatchFileError::OtherChain { field, found: found.to_string(), expected: expected.to_string() })
}

fn check_shape(genesis: &ValidGenesis, params: &VerifierParams) -> Result<(), BatchFileError> {
    let found = B256::from(scalar_to_be(&params.vk_digest()));
    match genesis.genesis.proof_system.shape {
        Pinned::Is(expected) if expected != found => Err(BatchFileError::OtherShape { found, expected }),
        _ => Ok(()),
    }
}
