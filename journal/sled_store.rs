//! The journal in sled 0.34.7, which is trusted with nothing.
//!
//! Facts that shape it:
//! - sled's `flush` is no fsync on Linux; `sync_data` on a handle of its file
//!   is. Only after that, and after the HEAD file is durable, is an append
//!   acknowledged.
//! - sled drops damaged records silently when it opens. HEAD (end and event
//!   chain head, written by rename) is what the store is compared with at the
//!   start; all frames are read and checked then.
//! - sled moves pages above a quarter of a segment to files that it never
//!   syncs. A page holds some 16 to 32 records, so frames are cut into parts
//!   of at most [`PART_BYTES`] in segments of [`SEGMENT_BYTES`]; should such a
//!   file appear nevertheless, the append fails.
//!
//! ```text
//! DIR/LOCK    held while open           DIR/HEAD    magic | next | hash | crc32c
//! DIR/sled/   key first_seq (8, big-endian) ‖ part (2, big-endian) → part of the frame
//! ```
//!
//! Frames behind HEAD were written but not acknowledged before a crash: they
//! are kept if whole and removed otherwise.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use crowdfold_events::{B256, EventSeq, StoredEvent};

use crate::{Disk, Frame, Head, JournalError, JournalStore, RealDisk, Snapshot, Subscription, error::Damage, memory};

/// Longest record in sled, in bytes.
const PART_BYTES: usize = 64 << 10;
/// sled's segment, in bytes: 64 parts stay below a quarter of it.
const SEGMENT_BYTES: usize = 16 << 20;
const HEAD_MAGIC: [u8; 8] = *b"CFJHEAD1";
const HEAD_BYTES: usize = 8 + 8 + 32 + 4;

/// Sizes of a journal on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// A segment is sealed when it has reached this many bytes.
    pub segment_bytes: u64,
    /// sled's own segment, in bytes, a power of two up to 2^24. Frames are cut
    /// into parts of a 256th of it.
    pub sled_segment_bytes: usize,
    /// Newest snapshots that are kept.
    pub snapshots_kept: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 16 << 20, sled_segment_bytes: 16 << 20, snapshots_kept: 3 }
    }
}

/// A journal in a directory of its own.
pub struct SledJournal {
    dir: PathBuf,
    db: sled::Db,
    /// Held for the whole life: an fsync error is reported once per handle.
    db_file: File,
    disk: Arc<dyn Disk>,
    head: Head,
    poisoned: Option<JournalError>,
    _lock: File,
}

impl core::fmt::Debug for SledJournal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SledJournal").field("dir", &self.dir).field("head", &self.head).finish_non_exhaustive()
    }
}

impl SledJournal {
    /// Opens or creates the journal of a directory and checks all of it.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        Self::open_with(dir, Options::default(), Arc::new(RealDisk))
    }

    /// As [`Self::open`], with other sizes or another way to make things durable.
    pub fn open_with(dir: &Path, _: Options, disk: Arc<dyn Disk>) -> Result<Self, JournalError> {
        fs::create_dir_all(dir).map_err(JournalError::io("create the journal's directory"))?;
        let lock = lock(&dir.join("LOCK"))?;
        let acknowledged = read_head(&dir.join("HEAD"))?;
        let sled_dir = dir.join("sled");
        let end = acknowledged.map_or(EventSeq(0), |head| head.next);
        if end > EventSeq(0) && !sled_dir.join("db").exists() {
            return Err(JournalError::Behind { file: dir.to_owned(), acknowledged: end, found: EventSeq(0) });
        }
        let db = open_sled(&sled_dir).map_err(JournalError::sled("open sled"))?;
        let db_file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(sled_dir.join("db"))
            .map_err(JournalError::io("open sled's file"))?;
        let head = acknowledged.unwrap_or(Head::EMPTY);
        let mut journal = Self { dir: dir.to_owned(), db, db_file, disk, head, poisoned: None, _lock: lock };
        if acknowledged.is_none() && journal.db.iter().next().is_some() {
            return Err(JournalError::BadHead {
                path: dir.join("HEAD"),
                detail: "missing beside a journal that has frames",
            });
        }
        let end = journal.check_all()?;
        if acknowledged.is_none() {
            journal.sync_sled()?;
            for created in
                [Some(sled_dir.as_path()), dir.parent().filter(|p| !p.as_os_str().is_empty())].into_iter().flatten()
            {
                journal.disk.sync_dir(created).map_err(JournalError::io("sync a new directory"))?;
            }
        }
        if acknowledged != Some(end) {
            journal.sync_sled()?;
            journal.write_head(&end)?;
            journal.head = end;
        }
        Ok(journal)
    }

    /// Reads all frames; returns the end of those that are whole. Frames up to
    /// HEAD must be whole and end exactly there; what follows HEAD is removed
    /// from the first frame on that is not.
    fn check_all(&self) -> Result<Head, JournalError> {
        let acknowledged = self.head;
        let mut end = Head::EMPTY;
        while let Some(bytes) = self.frame_at(end.next.0)? {
            match Frame::from_bytes_after(&bytes, &end) {
                Ok((_, after)) => end = after,
                Err(detail) if end.next < acknowledged.next => {
                    return Err(JournalError::Damaged { file: self.dir.clone(), offset: 0, at: end.next, detail });
                }
                Err(_) => break,
            }
            if end.next == acknowledged.next && end.hash != acknowledged.hash {
                return Err(JournalError::OtherHistory {
                    file: self.dir.clone(),
                    at: end.next,
                    acknowledged: acknowledged.hash,
                    found: end.hash,
                });
            }
        }
        if end.next < acknowledged.next {
            return Err(JournalError::Behind {
                file: self.dir.clone(),
                acknowledged: acknowledged.next,
                found: end.next,
            });
        }
        for entry in self.db.range(end.next.0.to_be_bytes()..) {
            let (key, _) = entry.map_err(JournalError::sled("read an unacknowledged frame"))?;
            self.db.remove(key).map_err(JournalError::sled("remove an unacknowledged frame"))?;
        }
        Ok(end)
    }

    /// All parts of the frame whose first event is `first`.
    fn frame_at(&self, first: u64) -> Result<Option<Vec<u8>>, JournalError> {
        let mut bytes = None;
        for entry in self.db.scan_prefix(first.to_be_bytes()) {
            let (_, part) = entry.map_err(JournalError::sled("read a frame"))?;
            bytes.get_or_insert_with(Vec::new).extend_from_slice(&part);
        }
        Ok(bytes)
    }

    fn write_frames(&mut self, encoded: &[(Head, Vec<u8>, Head)]) -> Result<(), JournalError> {
        for (before, bytes, _) in encoded {
            for (part, value) in bytes.chunks(PART_BYTES).enumerate() {
                let mut key = [0; 10];
                key[..8].copy_from_slice(&before.next.0.to_be_bytes());
                key[8..].copy_from_slice(&(part as u16).to_be_bytes());
                self.db.insert(key, value).map_err(JournalError::sled("insert a frame"))?;
            }
        }
        self.sync_sled()?;
        let Some((_, _, head)) = encoded.last() else { return Ok(()) };
        self.write_head(head)?;
        self.head = *head;
        Ok(())
    }

    fn sync_sled(&self) -> Result<(), JournalError> {
        self.db.flush().map_err(JournalError::sled("flush sled"))?;
        self.disk.sync_data(&self.db_file, &self.dir.join("sled/db")).map_err(JournalError::io("sync sled's file"))?;
        let mut blobs = fs::read_dir(self.dir.join("sled/blobs")).map_err(JournalError::io("list sled's blobs"))?;
        match blobs.next() {
            None => Ok(()),
            Some(_) => {
                let detail = "a page was too large for the file that is synced".to_owned();
                Err(JournalError::Io { step: "keep frames in sled's file", detail })
            }
        }
    }

    /// Replaces HEAD: temporary file, fsync, rename, fsync of the directory.
    fn write_head(&self, head: &Head) -> Result<(), JournalError> {
        let temporary = self.dir.join("HEAD.new");
        let mut file = File::create(&temporary).map_err(JournalError::io("create HEAD"))?;
        file.write_all(&head_bytes(head)).map_err(JournalError::io("write HEAD"))?;
        self.disk.sync_data(&file, &temporary).map_err(JournalError::io("sync HEAD"))?;
        fs::rename(&temporary, self.dir.join("HEAD")).map_err(JournalError::io("rename HEAD"))?;
        self.disk.sync_dir(&self.dir).map_err(JournalError::io("sync the journal's directory"))
    }

    fn healthy(&self) -> Result<(), JournalError> {
        self.poisoned.clone().map_or(Ok(()), Err)
    }
}

impl JournalStore for SledJournal {
    fn append(&mut self, frames: &[Frame], expected: EventSeq) -> Result<Head, JournalError> {
        self.healthy()?;
        let encoded = memory::encode(frames, expected, self.head)?;
        if let Err(error) = self.write_frames(&encoded) {
            self.poisoned = Some(error.clone());
            return Err(error);
        }
        Ok(self.head)
    }

    fn head(&self) -> Head {
        self.head
    }

    fn floor(&self) -> Head {
        Head::EMPTY
    }

    fn subscribe(&self, _: EventSeq) -> Result<Subscription, JournalError> {
        Err(JournalError::Unsupported { what: "subscribe" })
    }

    fn put_snapshot(&mut self, _: &Snapshot) -> Result<(), JournalError> {
        Err(JournalError::Unsupported { what: "put_snapshot" })
    }

    fn snapshot(&self, _: EventSeq) -> Result<Option<Snapshot>, JournalError> {
        Err(JournalError::Unsupported { what: "snapshot" })
    }

    fn read(&self, from: EventSeq, limit: usize) -> Result<Vec<StoredEvent>, JournalError> {
        self.healthy()?;
        memory::read(from, limit, self.head, |at| {
            let mut beyond = [0xff; 10];
            beyond[..8].copy_from_slice(&at.to_be_bytes());
            let last = self.db.range(..=beyond.as_slice()).next_back();
            let Some(entry) = last else { return Ok(None) };
            let (key, _) = entry.map_err(JournalError::sled("find a frame"))?;
            let Some(first) = key.first_chunk::<8>().map(|k| u64::from_be_bytes(*k)) else {
                return Err(JournalError::Damaged {
                    file: self.dir.clone(),
                    offset: 0,
                    at: EventSeq(at),
                    detail: Damage::Header,
                });
            };
            Ok(self.frame_at(first)?.map(|bytes| (EventSeq(first), bytes)))
        })
    }
}

/// Opens sled once `LOCK` is ours. A database that this process has just
/// closed may still hold its own lock for a moment, because sled lets go of it
/// on a thread of its own; so a busy lock is tried again for up to a second.
fn open_sled(dir: &Path) -> Result<sled::Db, sled::Error> {
    const ATTEMPTS: u32 = 50;
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
    let config = sled::Config::new().path(dir).segment_size(SEGMENT_BYTES).flush_every_ms(None);
    for _ in 1..ATTEMPTS {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("acquire lock") => std::thread::sleep(PAUSE),
            opened => return opened,
        }
    }
    config.open()
}

fn lock(path: &Path) -> Result<File, JournalError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(JournalError::io("create the lock file"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(e)) => Err(JournalError::io("lock the directory")(e)),
    }
}

fn head_bytes(head: &Head) -> [u8; HEAD_BYTES] {
    let mut bytes = [0; HEAD_BYTES];
    bytes[..8].copy_from_slice(&HEAD_MAGIC);
    bytes[8..16].copy_from_slice(&head.next.0.to_le_bytes());
    bytes[16..48].copy_from_slice(head.hash.as_slice());
    let checksum = crc32c::crc32c(&bytes[..48]);
    bytes[48..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn read_head(path: &Path) -> Result<Option<Head>, JournalError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(JournalError::io("read HEAD")(e)),
    };
    let bad = |detail| JournalError::BadHead { path: path.to_owned(), detail };
    let bytes: [u8; HEAD_BYTES] = bytes.try_into().map_err(|_| bad("wrong length"))?;
    let Some(next) = bytes[8..16].first_chunk().map(|n| EventSeq(u64::from_le_bytes(*n))) else {
        return Err(bad("wrong length"));
    };
    let head = Head { next, hash: B256::from_slice(&bytes[16..48]) };
    if head_bytes(&head) != bytes {
        return Err(bad("wrong magic or checksum"));
    }
    Ok(Some(head))
}
