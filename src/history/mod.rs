//! Old blocks and finished work, out of memory.
//!
//! ```text
//! recent blocks ─ in memory ([`crate::rpc::ChainIndex`]) ─► sealed with a snapshot ─► DIR/<first>-<last>.vol
//! a question    ─► volume: where in the journal ─► the block's events, checked ─► BlockRecord
//!               └► volume: a batch with its items and tasks, as the state dropped it
//! ```
//!
//! Volumes are derived from the journal and from nothing else: without them a
//! node replays everything and writes them again. A block that is read is
//! compared with the hash that its volume names; a damaged volume is put aside
//! and reported, never answered from. Volumes are kept for ever; they cost some
//! 64 bytes a block, 24 a transaction, and a record per batch and admission.
//! Small ones are merged, so their number grows with the logarithm of the
//! number of blocks, up to [`LARGEST`].

mod merge;
mod past;
#[cfg(test)]
mod tests;
mod volume;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crowdfold_events::{B256, BatchIndex, CodecError, EventSeq, Height, ItemIndex, TaskId};
use crowdfold_journal::JournalError;
use crowdfold_kernel::Finished;

pub use past::Past;
pub use volume::Contents;
use volume::Volume;

use crate::{
    proofs::{StoreError, write_durably},
    rpc::{BlockRecord, index::IndexError},
};

/// What is wrong with the files of old blocks. The disk's fault; a full replay makes new ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// A file or directory.
    #[error("{action} {path}: {detail}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// A volume is not what was written.
    #[error("{file}: damaged: {what}")]
    Damaged {
        /// The volume.
        file: PathBuf,
        /// Which part.
        what: &'static str,
    },
    /// Volumes do not cover the blocks up to a height.
    #[error("there is no volume from block {from} on that fits, up to block {end}")]
    Gap {
        /// The first block without a volume.
        from: Height,
        /// The last block to be covered.
        end: Height,
    },
    /// The blocks to be sealed are not the ones after the last volume.
    #[error("blocks from {found} on cannot follow {end}")]
    Order {
        /// The last block in a volume.
        end: Height,
        /// The first block given.
        found: Height,
    },
    /// The journal has another block than a volume says.
    #[error("the journal has block {found} where the index has {expected}")]
    OtherBlock {
        /// Hash in the index.
        expected: B256,
        /// Hash in the journal.
        found: B256,
    },
    /// No block begins with this event.
    #[error("no block begins with event {0}")]
    NoBlock(EventSeq),
    /// The journal.
    #[error("journal: {0}")]
    Journal(#[from] JournalError),
    /// Bytes that are not what they should be, or too many to write.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A block's events do not fit its body.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A volume could not be written.
    #[error("write a volume: {0}")]
    Write(String),
}

impl From<StoreError> for HistoryError {
    fn from(fault: StoreError) -> Self {
        Self::Write(fault.to_string())
    }
}

/// Blocks 1 to [`History::end`] and what they finished. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct History {
    dir: Arc<Path>,
    genesis: B256,
    past: Arc<Past>,
    /// Contiguous from block 1 on.
    volumes: imbl::Vector<Arc<Volume>>,
    /// Files that were merged: removed with the next volume, when nobody asks them any more.
    merged: imbl::Vector<PathBuf>,
}

/// Volumes that are merged into one.
const FAN_IN: usize = 8;
/// The newest volumes stay as they are: older snapshots end where they end.
const UNMERGED: usize = 6;
/// Blocks of the largest volumes.
const LARGEST: u64 = 1 << 16;

fn io_at<'a>(action: &'static str, path: &'a Path) -> impl Fn(io::Error) -> HistoryError + 'a {
    move |source| HistoryError::Io { action, path: path.to_owned(), detail: source.to_string() }
}

impl History {
    /// The blocks up to `end`, which must be the last of a volume (or 0, for
    /// none). Volumes behind it are removed: they are written again.
    ///
    /// Costs a listing of the directory; a volume is looked at when it is used.
    ///
    /// # Errors
    /// [`HistoryError::Gap`], or the directory.
    pub fn open(dir: &Path, genesis: B256, end: Height, past: Arc<Past>) -> Result<Self, HistoryError> {
        fs::create_dir_all(dir).map_err(io_at("create", dir))?;
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).map_err(io_at("list", dir))? {
            let path = entry.map_err(io_at("list", dir))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            match Volume::parse_name(name) {
                Some((first, last)) if last <= end => found.push((first, last)),
                Some(_) => fs::remove_file(&path).map_err(io_at("remove", &path))?,
                None => {}
            }
        }
        // Of two that begin together the longer is the merged one.
        found.sort_unstable_by_key(|(first, last)| (*first, std::cmp::Reverse(*last)));
        let mut next = Height(1);
        let (mut volumes, mut merged) = (imbl::Vector::new(), imbl::Vector::new());
        for (first, last) in found {
            if first == next {
                volumes.push_back(Arc::new(Volume::new(dir, genesis, first, last)));
                next = last.next();
            } else if last < next {
                merged.push_back(dir.join(Volume::name(first, last)));
            }
        }
        if next != end.next() {
            return Err(HistoryError::Gap { from: next, end });
        }
        Ok(Self { dir: dir.into(), genesis, past, volumes, merged })
    }

    /// The last block.
    #[must_use]
    pub fn end(&self) -> Height {
        self.volumes.last().map_or(Height(0), |volume| volume.last)
    }

    /// Writes the next blocks to a volume; when it returns they are durable.
    ///
    /// # Errors
    /// [`HistoryError`]; the history is unchanged then.
    pub fn seal(&mut self, contents: &Contents) -> Result<(), HistoryError> {
        let (end, first) = (self.end(), contents.first);
        if first != end.next() || contents.blocks.is_empty() {
            return Err(HistoryError::Order { end, found: first });
        }
        let last = Height(first.0 + contents.blocks.len() as u64 - 1);
        let volume = Volume::new(&self.dir, self.genesis, first, last);
        write_durably(volume.path(), &volume::encode(&self.genesis, contents)?)?;
        self.volumes.push_back(Arc::new(volume));
        for path in std::mem::take(&mut self.merged) {
            // It may never have been there; what stays is tried again at the next start.
            fs::remove_file(&path).unwrap_or_default();
        }
        while self.merge()? {}
        Ok(())
    }

    /// Makes one of the last few volumes of about the same size, so that a hash
    /// is looked for in few places; false when there is nothing to merge.
    fn merge(&mut self) -> Result<bool, HistoryError> {
        let Some(first) = self.volumes.len().checked_sub(UNMERGED + FAN_IN) else { return Ok(false) };
        let few: Vec<_> = self.volumes.iter().skip(first).take(FAN_IN).cloned().collect();
        let size = |volume: &Volume| (volume.last.0 - volume.first.0 + 1).ilog2() / FAN_IN.ilog2();
        let (Some(oldest), Some(newest)) = (few.first(), few.last()) else { return Ok(false) };
        if few.iter().any(|v| size(v) != size(oldest)) || newest.last.0 - oldest.first.0 >= LARGEST {
            return Ok(false);
        }
        let read = |volume: &Arc<Volume>| fs::read(volume.path()).map_err(io_at("read", volume.path()));
        let files = few.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        // A damaged one is found and reported by whoever asks it.
        let Some(bytes) = merge::merge(&files) else { return Ok(false) };
        let volume = Volume::new(&self.dir, self.genesis, oldest.first, newest.last);
        write_durably(volume.path(), &bytes)?;
        self.merged.extend(few.iter().map(|volume| volume.path().to_owned()));
        let newer = self.volumes.split_off(first + FAN_IN);
        self.volumes.truncate(first);
        self.volumes.push_back(Arc::new(volume));
        self.volumes.append(newer);
        Ok(true)
    }

    /// Reads and checks the tables of every volume.
    ///
    /// # Errors
    /// The first that is damaged.
    pub fn check(&self) -> Result<(), HistoryError> {
        self.volumes.iter().try_for_each(|volume| volume.check())
    }

    /// An answer of a volume. A damaged one is put aside, so that the next start notices.
    fn ask<T>(volume: &Volume, answer: Result<T, HistoryError>) -> Result<T, HistoryError> {
        if let Err(HistoryError::Damaged { file, what }) = &answer {
            tracing::error!(?file, what, "a volume of old blocks is damaged; the next start makes new ones");
            let aside = volume.path().with_extension("bad");
            if let Err(fault) = fs::rename(volume.path(), &aside) {
                tracing::warn!(%fault, ?file, "the damaged volume cannot be put aside");
            }
        }
        answer
    }

    /// A block.
    ///
    /// # Errors
    /// Its volume is damaged, or the journal does not have it (any more).
    pub fn block(&self, height: Height) -> Result<Option<BlockRecord>, HistoryError> {
        let at = self.volumes.binary_search_by(|volume| match height {
            h if h < volume.first => std::cmp::Ordering::Greater,
            h if h > volume.last => std::cmp::Ordering::Less,
            _ => std::cmp::Ordering::Equal,
        });
        let Some(volume) = at.ok().and_then(|at| self.volumes.get(at)) else { return Ok(None) };
        let (seq, expected) = Self::ask(volume, volume.block(height))?;
        let (block, events) = self.past.block(seq)?;
        let record = BlockRecord::new(&block, &events)?;
        if (record.hash, record.header.height) != (expected, height) {
            return Err(HistoryError::OtherBlock { expected, found: record.hash });
        }
        Ok(Some(record))
    }

    /// The block whose hash this is, or that has the transaction with this hash.
    ///
    /// # Errors
    /// As [`Self::block`].
    pub fn block_with(&self, hash: &B256) -> Result<Option<BlockRecord>, HistoryError> {
        // Most questions are about what is new.
        for volume in self.volumes.iter().rev() {
            for height in Self::ask(volume, volume.places(hash))? {
                let Some(record) = self.block(height)? else { continue };
                if record.hash == *hash || record.transactions.iter().any(|t| t.hash == *hash) {
                    return Ok(Some(record));
                }
            }
        }
        Ok(None)
    }

    fn find(
        &self,
        ask: impl Fn(&Volume) -> Result<Option<Finished>, HistoryError>,
    ) -> Result<Option<Finished>, HistoryError> {
        for volume in self.volumes.iter().rev() {
            if let Some(found) = Self::ask(volume, ask(volume))? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// What a task belongs to, if it left the state in these blocks.
    ///
    /// # Errors
    /// A volume is damaged.
    pub fn task(&self, task: TaskId) -> Result<Option<Finished>, HistoryError> {
        self.find(|volume| volume.task(task))
    }

    /// A batch that left the state in these blocks.
    ///
    /// # Errors
    /// A volume is damaged.
    pub fn batch(&self, batch: BatchIndex) -> Result<Option<Finished>, HistoryError> {
        self.find(|volume| volume.batch(batch))
    }

    /// The batch of an item that left the state in these blocks.
    ///
    /// # Errors
    /// A volume is damaged.
    pub fn item(&self, item: ItemIndex) -> Result<Option<Finished>, HistoryError> {
        self.find(|volume| volume.item(item))
    }
}
