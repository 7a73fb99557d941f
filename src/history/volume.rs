//! One file of the block index: a run of consecutive blocks, written once.
//!
//! ```text
//! header 104: magic "CFHV" | format u16 | 0 u16 | genesis 32 | first height u64 | first batch u64 | first item u64
//!             | items u64 | blocks u32 | hashes u32 | tasks u32 | batches u32 | records u32
//!             | crc32c of the tables u32 | crc32c of the header u32
//! blocks   n × 40: number of the first event u64, header hash 32     by height
//! hashes   n × 24: first half of a hash 16, height u64               by hash: headers and transactions
//! tasks    n × 12: task u64, record u32                              by task
//! batches  n × 12: first item u64, record u32                        by batch
//! records  n × 16: offset u64, length u32, crc32c u32
//! the records' bytes, one [`Finished`] of the codec each             all little-endian
//! ```
//!
//! Everything in it follows from the journal; what is read is checked: the
//! tables once, before their first use, a record each time.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use crc32c::crc32c;
use crowdfold_events::{
    B256, BatchIndex, EventSeq, Height, ItemIndex, TaskId,
    codec::{self, MAX_EVENT_BYTES},
};
use crowdfold_kernel::Finished;

use super::HistoryError;

const MAGIC: [u8; 4] = *b"CFHV";
const FORMAT: u16 = 1;
pub(super) const HEADER_BYTES: usize = 104;
const BLOCK_BYTES: u64 = 40;
const HASH_BYTES: u64 = 24;
const PAIR_BYTES: u64 = 12;
const RECORD_BYTES: u64 = 16;

/// What a volume is made of.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The first block.
    pub first: Height,
    /// Of each block: number of its first event, hash of its header.
    pub blocks: Vec<(EventSeq, B256)>,
    /// Transactions with their block.
    pub transactions: Vec<(B256, Height)>,
    /// Work that these blocks have dropped from the state, batches in order.
    pub finished: Vec<Arc<Finished>>,
}

/// Counts and firsts; what the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) genesis: B256,
    pub(super) first: u64,
    pub(super) first_batch: u64,
    pub(super) first_item: u64,
    pub(super) items: u64,
    pub(super) blocks: u32,
    pub(super) hashes: u32,
    pub(super) tasks: u32,
    pub(super) batches: u32,
    pub(super) records: u32,
    pub(super) tables_crc: u32,
}

impl Header {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend(MAGIC);
        out.extend(FORMAT.to_le_bytes());
        out.extend([0; 2]);
        out.extend(self.genesis);
        for number in [self.first, self.first_batch, self.first_item, self.items] {
            out.extend(number.to_le_bytes());
        }
        for count in [self.blocks, self.hashes, self.tasks, self.batches, self.records, self.tables_crc] {
            out.extend(count.to_le_bytes());
        }
        let crc = crc32c(&out);
        out.extend(crc.to_le_bytes());
        out.resize(HEADER_BYTES, 0);
        out
    }

    pub(super) fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let u64_at = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
        let u32_at = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        let header = Self {
            genesis: B256::from_slice(&bytes[8..40]),
            first: u64_at(40)?,
            first_batch: u64_at(48)?,
            first_item: u64_at(56)?,
            items: u64_at(64)?,
            blocks: u32_at(72)?,
            hashes: u32_at(76)?,
            tasks: u32_at(80)?,
            batches: u32_at(84)?,
            records: u32_at(88)?,
            tables_crc: u32_at(92)?,
        };
        (header.to_bytes() == bytes).then_some(header)
    }

    /// Where the blocks, hashes, tasks, batches, record places and records begin.
    pub(super) fn offsets(&self) -> [u64; 6] {
        let lengths = [
            u64::from(self.blocks) * BLOCK_BYTES,
            u64::from(self.hashes) * HASH_BYTES,
            u64::from(self.tasks) * PAIR_BYTES,
            u64::from(self.batches) * PAIR_BYTES,
            u64::from(self.records) * RECORD_BYTES,
        ];
        let mut at = HEADER_BYTES as u64;
        let mut offsets = [at; 6];
        for (offset, length) in offsets.iter_mut().skip(1).zip(lengths) {
            at += length;
            *offset = at;
        }
        offsets
    }
}

/// The whole file.
pub(super) fn encode(genesis: &B256, contents: &Contents) -> Result<Vec<u8>, HistoryError> {
    let mut tables = Vec::new();
    for (seq, hash) in &contents.blocks {
        tables.extend(seq.0.to_le_bytes());
        tables.extend(hash);
    }
    let headers = (contents.first.0..).zip(&contents.blocks).map(|(height, (_, hash))| (*hash, Height(height)));
    let mut hashes: Vec<_> = headers.chain(contents.transactions.iter().copied()).collect();
    hashes.sort_unstable();
    for (hash, height) in &hashes {
        tables.extend(&hash[..16]);
        tables.extend(height.0.to_le_bytes());
    }
    let mut tasks: Vec<(u64, u32)> =
        (0u32..).zip(&contents.finished).flat_map(|(at, f)| f.tasks().into_iter().map(move |id| (id.0, at))).collect();
    tasks.sort_unstable();
    let mut batches = Vec::new();
    let (mut first_batch, mut first_item, mut items) = (0, 0, 0);
    for (at, finished) in (0u32..).zip(&contents.finished) {
        let Finished::Batch(batch) = finished.as_ref() else { continue };
        if batches.is_empty() {
            (first_batch, first_item) = (batch.index.0, batch.batch.first_item.0);
        }
        items += u64::from(batch.batch.items);
        batches.push((batch.batch.first_item.0, at));
    }
    for (key, record) in tasks.iter().chain(&batches) {
        tables.extend(key.to_le_bytes());
        tables.extend(record.to_le_bytes());
    }
    let mut records = Vec::new();
    for finished in &contents.finished {
        let bytes = codec::encode::<_, MAX_EVENT_BYTES>(finished.as_ref())?;
        tables.extend((records.len() as u64).to_le_bytes());
        tables.extend((bytes.len() as u32).to_le_bytes());
        tables.extend(crc32c(&bytes).to_le_bytes());
        records.extend(bytes);
    }
    let header = Header {
        genesis: *genesis,
        first: contents.first.0,
        first_batch,
        first_item,
        items,
        blocks: contents.blocks.len() as u32,
        hashes: hashes.len() as u32,
        tasks: tasks.len() as u32,
        batches: batches.len() as u32,
        records: contents.finished.len() as u32,
        tables_crc: crc32c(&tables),
    };
    Ok([header.to_bytes(), tables, records].concat())
}

/// A volume on the disk. Its file is opened for each question, so that many cost no descriptors.
#[derive(Debug)]
pub(super) struct Volume {
    path: PathBuf,
    genesis: B256,
    pub(super) first: Height,
    pub(super) last: Height,
    /// Set by the first use that found the header and the tables good.
    header: OnceLock<Header>,
}

impl Volume {
    /// The name of the volume of these blocks.
    pub(super) fn name(first: Height, last: Height) -> String {
        format!("{:020}-{:020}.vol", first.0, last.0)
    }

    /// The blocks of a volume's name.
    pub(super) fn parse_name(name: &str) -> Option<(Height, Height)> {
        let (first, last) = name.strip_suffix(".vol")?.split_once('-')?;
        let (first, last) = (Height(first.parse().ok()?), Height(last.parse().ok()?));
        (Self::name(first, last) == name && Height(1) <= first && first <= last).then_some((first, last))
    }

    /// A volume by its name alone; the file is looked at when it is first used.
    pub(super) fn new(dir: &Path, genesis: B256, first: Height, last: Height) -> Self {
        Self { path: dir.join(Self::name(first, last)), genesis, first, last, header: OnceLock::new() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn damaged(&self, what: &'static str) -> HistoryError {
        HistoryError::Damaged { file: self.path.clone(), what }
    }

    fn io(&self) -> impl Fn(io::Error) -> HistoryError + '_ {
        |source| match source.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("it is cut"),
            _ => HistoryError::Io { action: "read", path: self.path.clone(), detail: source.to_string() },
        }
    }

    fn open(&self) -> Result<(File, Header), HistoryError> {
        let file = File::open(&self.path).map_err(self.io())?;
        if let Some(header) = self.header.get() {
            return Ok((file, *header));
        }
        let mut bytes = [0; HEADER_BYTES];
        file.read_exact_at(&mut bytes, 0).map_err(self.io())?;
        let header = Header::from_bytes(&bytes).ok_or_else(|| self.damaged("the header"))?;
        let blocks = self.last.0 - self.first.0 + 1;
        if (header.genesis, header.first, u64::from(header.blocks)) != (self.genesis, self.first.0, blocks) {
            return Err(self.damaged("it is of other blocks"));
        }
        let [begin, .., end] = header.offsets();
        // A length that the file does not have must not be asked of the memory.
        if file.metadata().map_err(self.io())?.len() < end {
            return Err(self.damaged("it is cut"));
        }
        let mut tables = vec![0; (end - begin) as usize];
        file.read_exact_at(&mut tables, begin).map_err(self.io())?;
        if crc32c(&tables) != header.tables_crc {
            return Err(self.damaged("the tables"));
        }
        Ok((file, *self.header.get_or_init(|| header)))
    }

    /// Reads and checks header and tables, if nobody has.
    pub(super) fn check(&self) -> Result<(), HistoryError> {
        self.open().map(drop)
    }

    fn row<const N: usize>(&self, file: &File, table: u64, row: u64) -> Result<[u8; N], HistoryError> {
        let mut bytes = [0; N];
        file.read_exact_at(&mut bytes, table + row * N as u64).map_err(self.io())?;
        Ok(bytes)
    }

    /// First event and hash of a block of this volume.
    pub(super) fn block(&self, height: Height) -> Result<(EventSeq, B256), HistoryError> {
        let (file, header) = self.open()?;
        let row: [u8; 40] = self.row(&file, header.offsets()[0], height.0 - header.first)?;
        let (seq, hash) = row.split_first_chunk::<8>().ok_or_else(|| self.damaged("the tables"))?;
        Ok((EventSeq(u64::from_le_bytes(*seq)), B256::from_slice(hash)))
    }

    /// Blocks that may be or contain what has this hash: half of it is compared.
    pub(super) fn places(&self, hash: &B256) -> Result<Vec<Height>, HistoryError> {
        let (file, header) = self.open()?;
        let table = header.offsets()[1];
        let read = |row: u64| -> Result<([u8; 16], Height), HistoryError> {
            let bytes: [u8; 24] = self.row(&file, table, row)?;
            let (key, height) = bytes.split_first_chunk::<16>().ok_or_else(|| self.damaged("the tables"))?;
            let height = height.try_into().map_err(|_| self.damaged("the tables"))?;
            Ok((*key, Height(u64::from_le_bytes(height))))
        };
        let rows = u64::from(header.hashes);
        let mut row = lower_bound(rows, |row| Ok(read(row)?.0.as_slice() < &hash[..16]))?;
        let mut places = Vec::new();
        while row < rows {
            let (key, height) = read(row)?;
            if key != hash[..16] {
                break;
            }
            places.push(height);
            row += 1;
        }
        Ok(places)
    }

    fn pair(&self, file: &File, table: u64, row: u64) -> Result<(u64, u32), HistoryError> {
        let row: [u8; 12] = self.row(file, table, row)?;
        let [k0, k1, k2, k3, k4, k5, k6, k7, r0, r1, r2, r3] = row;
        Ok((u64::from_le_bytes([k0, k1, k2, k3, k4, k5, k6, k7]), u32::from_le_bytes([r0, r1, r2, r3])))
    }

    fn record(&self, file: &File, header: &Header, record: u32) -> Result<Finished, HistoryError> {
        let [.., places, begin] = header.offsets();
        let row: [u8; 16] = self.row(file, places, record.into())?;
        let [o0, o1, o2, o3, o4, o5, o6, o7, l0, l1, l2, l3, c0, c1, c2, c3] = row;
        let offset = u64::from_le_bytes([o0, o1, o2, o3, o4, o5, o6, o7]);
        let mut bytes = vec![0; u32::from_le_bytes([l0, l1, l2, l3]) as usize];
        file.read_exact_at(&mut bytes, begin + offset).map_err(self.io())?;
        if crc32c(&bytes) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(self.damaged("a record"));
        }
        Ok(codec::decode::<_, MAX_EVENT_BYTES>(&bytes)?)
    }

    /// What the task belongs to, if these blocks dropped it from the state.
    pub(super) fn task(&self, task: TaskId) -> Result<Option<Finished>, HistoryError> {
        let (file, header) = self.open()?;
        let table = header.offsets()[2];
        let rows = u64::from(header.tasks);
        let row = lower_bound(rows, |row| Ok(self.pair(&file, table, row)?.0 < task.0))?;
        if row == rows {
            return Ok(None);
        }
        let (key, record) = self.pair(&file, table, row)?;
        if key == task.0 { self.record(&file, &header, record).map(Some) } else { Ok(None) }
    }

    /// A batch, if these blocks dropped it from the state.
    pub(super) fn batch(&self, batch: BatchIndex) -> Result<Option<Finished>, HistoryError> {
        let (file, header) = self.open()?;
        let Some(row) = batch.0.checked_sub(header.first_batch).filter(|row| *row < header.batches.into()) else {
            return Ok(None);
        };
        let (_, record) = self.pair(&file, header.offsets()[3], row)?;
        self.record(&file, &header, record).map(Some)
    }

    /// The batch of an item, if these blocks dropped it from the state.
    pub(super) fn item(&self, item: ItemIndex) -> Result<Option<Finished>, HistoryError> {
        let (file, header) = self.open()?;
        if item.0.checked_sub(header.first_item).is_none_or(|at| at >= header.items) {
            return Ok(None);
        }
        let table = header.offsets()[3];
        let after = lower_bound(header.batches.into(), |row| Ok(self.pair(&file, table, row)?.0 <= item.0))?;
        let Some(row) = after.checked_sub(1) else { return Ok(None) };
        let (_, record) = self.pair(&file, table, row)?;
        self.record(&file, &header, record).map(Some)
    }
}

/// The first of `rows` sorted rows that is not below.
fn lower_bound(rows: u64, is_below: impl Fn(u64) -> Result<bool, HistoryError>) -> Result<u64, HistoryError> {
    let (mut low, mut high) = (0, rows);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_below(middle)? { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}
