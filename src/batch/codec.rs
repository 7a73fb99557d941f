//! The one encoding of a batch file. Numbers are big-endian.
//!
//! ```text
//! "CFBATCH" · 1 (version)
//! chain id 8 · genesis hash 32 · rules 4 · contract 20
//! batch 8 · first item 8 · pre root 32 · last header 32
//! blocks 2, each:
//!   env: base fee 16 · number 8 · timestamp 8 · gas limit 8 · chain id 8 · prevrandao 32 · rules 8
//!   items 2, each:
//!     1 (transfer): payload length 1 · payload · sender 20
//!     2 (settlement): entries 1, each: account 20 · amount 16 · credit 1 (0 or 1)
//!     worker 20 · task 8 · post root 32
//! signatures 1, each: validator 20 · r 32 · s 32 · parity 1
//! proof: `BatchProof::encode`, to the end
//! ```
//!
//! Every count is at least 1 and bounded; blocks that follow each other differ
//! in their environment. Reading allocates no more than the file is long.

use crowdfold_events::{Address, B256, BatchIndex, ItemIndex, TaskId, Zkpow, event::SettlementEntry};
use crowdfold_zk::{
    MAX_SEGMENTS_PER_ITEM, SETTLEMENT_ENTRIES_PER_SEGMENT,
    item::{
        EnvInput, LOG_SIZE,
        batch::{BatchProof, MAX_BATCH_ITEMS},
    },
    transfer::MAX_PAYLOAD_BYTES,
};

use crate::{BatchFile, BatchFileError, FileBlock, FileData, FileItem, ValidatorSignature};

/// Longest file, in bytes: 4,096 items of up to 64 segments.
pub const MAX_FILE_BYTES: usize = 128 << 20;
/// Most entries of a settlement.
pub const MAX_SETTLEMENT_ENTRIES: usize = (MAX_SEGMENTS_PER_ITEM * SETTLEMENT_ENTRIES_PER_SEGMENT) as usize;

const MAGIC: &[u8; 8] = b"CFBATCH\x01";
const TRANSFER: u8 = 1;
const SETTLEMENT: u8 = 2;

impl BatchFile {
    /// The file's bytes. Counts that are out of bounds give bytes that do not decode.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(self.chain_id.to_be_bytes());
        out.extend(self.genesis_hash);
        out.extend(self.rules_version.to_be_bytes());
        out.extend(self.contract);
        out.extend(self.batch.0.to_be_bytes());
        out.extend(self.first_item.0.to_be_bytes());
        out.extend(self.pre_root);
        out.extend(self.last_header);
        out.extend((self.blocks.len() as u16).to_be_bytes());
        for block in &self.blocks {
            encode_env(&mut out, &block.env);
            out.extend((block.items.len() as u16).to_be_bytes());
            block.items.iter().for_each(|item| encode_item(&mut out, item));
        }
        out.push(self.certificate.len() as u8);
        for ValidatorSignature { validator, signature } in &self.certificate {
            out.extend(validator);
            out.extend(signature);
        }
        out.extend(self.proof.encode());
        out
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`BatchFileError`] unless the bytes are the one encoding of a file.
    pub fn decode(bytes: &[u8]) -> Result<Self, BatchFileError> {
        if bytes.len() > MAX_FILE_BYTES {
            return Err(BatchFileError::TooLarge { found: bytes.len(), max: MAX_FILE_BYTES });
        }
        let mut reader = Reader { bytes, offset: 0 };
        if reader.array("magic")? != *MAGIC {
            return Err(BatchFileError::Magic);
        }
        let chain_id = reader.number("chain id")?;
        let genesis_hash = reader.word("genesis hash")?;
        let rules_version = u32::from_be_bytes(reader.array("rules version")?);
        let contract = reader.address("contract")?;
        let batch = BatchIndex(reader.number("batch")?);
        let first_item = ItemIndex(reader.number("first item")?);
        let pre_root = reader.word("pre root")?;
        let last_header = reader.word("last header")?;
        let (blocks, segments) = reader.blocks()?;
        let signatures = reader.count("signatures", 1, usize::from(u8::MAX))?;
        let certificate = (0..signatures).map(|_| reader.signature()).collect::<Result<_, _>>()?;
        let proof = BatchProof::decode(&bytes[reader.offset..], &segments, LOG_SIZE)?;
        Ok(Self {
            chain_id,
            genesis_hash,
            rules_version,
            contract,
            batch,
            first_item,
            pre_root,
            last_header,
            blocks,
            proof,
            certificate,
        })
    }
}

fn encode_env(out: &mut Vec<u8>, env: &EnvInput) {
    out.extend(env.base_fee.to_be_bytes());
    out.extend(env.block_number.to_be_bytes());
    out.extend(env.timestamp.to_be_bytes());
    out.extend(env.block_gas_limit.to_be_bytes());
    out.extend(env.chain_id.to_be_bytes());
    out.extend(env.prevrandao);
    out.extend(env.rules_version.to_be_bytes());
}

fn encode_item(out: &mut Vec<u8>, item: &FileItem) {
    match &item.data {
        FileData::Transfer { payload, sender } => {
            out.extend([TRANSFER, payload.len() as u8]);
            out.extend(payload);
            out.extend(sender);
        }
        FileData::Settlement { entries } => {
            out.extend([SETTLEMENT, entries.len() as u8]);
            for SettlementEntry { account, amount, credit } in entries {
                out.extend(account);
                out.extend(amount.0.to_be_bytes());
                out.push(u8::from(*credit));
            }
        }
    }
    out.extend(item.worker);
    out.extend(item.task.0.to_be_bytes());
    out.extend(item.post_root);
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], BatchFileError> {
        let end = self.offset.saturating_add(length);
        let taken = self.bytes.get(self.offset..end).ok_or(BatchFileError::Short { field, offset: self.offset })?;
        self.offset = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], BatchFileError> {
        let offset = self.offset;
        self.take(field, N)?.try_into().map_err(|_| BatchFileError::Short { field, offset })
    }

    fn number(&mut self, field: &'static str) -> Result<u64, BatchFileError> {
        self.array(field).map(u64::from_be_bytes)
    }

    fn word(&mut self, field: &'static str) -> Result<B256, BatchFileError> {
        self.array(field).map(B256::new)
    }

    fn address(&mut self, field: &'static str) -> Result<Address, BatchFileError> {
        self.array(field).map(Address::new)
    }

    fn bounded(&self, field: &'static str, width: usize, count: usize, max: usize) -> Result<usize, BatchFileError> {
        if (1..=max).contains(&count) {
            return Ok(count);
        }
        Err(BatchFileError::Value { field, offset: self.offset - width, found: count as u64 })
    }

    /// A count of `width` (1 or 2) bytes between 1 and `max`.
    fn count(&mut self, field: &'static str, width: usize, max: usize) -> Result<usize, BatchFileError> {
        let bytes = self.take(field, width)?;
        let count = bytes.iter().fold(0usize, |n, byte| n << 8 | usize::from(*byte));
        self.bounded(field, width, count, max)
    }

    /// The blocks and the segments of each item.
    fn blocks(&mut self) -> Result<(Vec<FileBlock>, Vec<u32>), BatchFileError> {
        let count = self.count("blocks", 2, MAX_BATCH_ITEMS)?;
        let mut blocks: Vec<FileBlock> = Vec::new();
        let mut segments = Vec::new();
        for index in 0..count {
            let env = self.env()?;
            if blocks.last().is_some_and(|before| before.env == env) {
                return Err(BatchFileError::SameEnvironment(index));
            }
            let left = MAX_BATCH_ITEMS.saturating_sub(segments.len());
            let items = self.count("items", 2, left)?;
            let items = (0..items).map(|_| self.item()).collect::<Result<Vec<_>, _>>()?;
            segments.extend(items.iter().map(FileItem::segments));
            blocks.push(FileBlock { env, items });
        }
        Ok((blocks, segments))
    }

    fn env(&mut self) -> Result<EnvInput, BatchFileError> {
        Ok(EnvInput {
            base_fee: u128::from_be_bytes(self.array("base fee")?),
            block_number: self.number("block number")?,
            timestamp: self.number("timestamp")?,
            block_gas_limit: self.number("block gas limit")?,
            chain_id: self.number("environment's chain id")?,
            prevrandao: self.array("prevrandao")?,
            rules_version: self.number("environment's rules version")?,
        })
    }

    fn item(&mut self) -> Result<FileItem, BatchFileError> {
        let offset = self.offset;
        let [kind] = self.array("kind of item")?;
        let data = match kind {
            TRANSFER => {
                let length = self.count("payload length", 1, MAX_PAYLOAD_BYTES)?;
                FileData::Transfer { payload: self.take("payload", length)?.to_vec(), sender: self.address("sender")? }
            }
            SETTLEMENT => {
                let count = self.count("settlement entries", 1, MAX_SETTLEMENT_ENTRIES)?;
                FileData::Settlement { entries: (0..count).map(|_| self.entry()).collect::<Result<_, _>>()? }
            }
            found => return Err(BatchFileError::Value { field: "kind of item", offset, found: found.into() }),
        };
        Ok(FileItem {
            data,
            worker: self.address("worker")?,
            task: TaskId(self.number("task")?),
            post_root: self.word("post root")?,
        })
    }

    fn entry(&mut self) -> Result<SettlementEntry, BatchFileError> {
        let account = self.address("account")?;
        let amount = Zkpow(u128::from_be_bytes(self.array("amount")?));
        let offset = self.offset;
        let credit = match self.array("credit")? {
            [0] => false,
            [1] => true,
            [found] => return Err(BatchFileError::Value { field: "credit", offset, found: found.into() }),
        };
        Ok(SettlementEntry { account, amount, credit })
    }

    fn signature(&mut self) -> Result<ValidatorSignature, BatchFileError> {
        Ok(ValidatorSignature { validator: self.address("validator")?, signature: self.array("signature")? })
    }
}
