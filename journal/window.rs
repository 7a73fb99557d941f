//! The window: the frames of the newest segment a second time, in sled 0.34.7,
//! which is trusted with nothing.
//!
//! Facts that shape it:
//! - sled's `flush` is no fsync on Linux; `sync_data` on a handle of its file is.
//! - sled drops damaged records silently when it opens, and may cut its file
//!   then. So a database is written once, by the process that created it, and
//!   never opened again: a later process looks at a copy in a scratch folder
//!   and fills a new database from what it has checked.
//! - sled moves pages above a quarter of its segment to files that it never
//!   syncs. A page holds some 16 to 32 records, so frames are cut into parts of
//!   a 256th of a segment; should such a file appear nevertheless, the append fails.
//!
//! ```text
//! sled/<number, 20 digits>/   key first_seq (8, big-endian) ‖ part (4, big-endian) → part of the frame
//! ```
//!
//! HEAD names the database of the newest segment and that of the segment before.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use crowdfold_events::EventSeq;

use crate::{Disk, Head, JournalError, error::Damage, frame::RawFrame, numbered};

/// The folder of the windows.
pub(crate) fn folder(dir: &Path) -> PathBuf {
    dir.join("sled")
}

/// Window `number`.
pub(crate) fn path(dir: &Path, number: u64) -> PathBuf {
    folder(dir).join(format!("{number:020}"))
}

/// Numbers of all windows, ascending, and the names that are not a window's.
pub(crate) fn list(dir: &Path) -> Result<(Vec<u64>, Vec<PathBuf>), JournalError> {
    numbered::list(&folder(dir), "")
}

/// A database that this process created and writes.
pub(crate) struct Window {
    path: PathBuf,
    db: sled::Db,
    /// Held for the whole life: an fsync error is reported once per handle.
    file: File,
    part_bytes: usize,
    /// Whether the directory entries are durable.
    named: bool,
}

impl Window {
    /// Creates window `number`, which must not exist.
    pub(crate) fn create(
        disk: &dyn Disk,
        dir: &Path,
        number: u64,
        sled_segment_bytes: usize,
    ) -> Result<Self, JournalError> {
        let path = path(dir, number);
        disk.before_sled(&path, 0).map_err(JournalError::io("create", &path))?;
        let db = guarded("create", &path, || config(&path, sled_segment_bytes).open())?;
        let db_path = path.join("db");
        let file = File::options().read(true).write(true).open(&db_path);
        let file = file.map_err(JournalError::io("open", &db_path))?;
        Ok(Self { path, db, file, part_bytes: sled_segment_bytes / 256, named: false })
    }

    /// Adds a frame; not durable before [`Self::sync`].
    pub(crate) fn insert(&self, disk: &dyn Disk, first: u64, frame: &[u8]) -> Result<(), JournalError> {
        disk.before_sled(&self.path, frame.len()).map_err(JournalError::io("write to", &self.path))?;
        guarded("insert into", &self.path, || {
            for (part, value) in frame.chunks(self.part_bytes).enumerate() {
                let mut key = [0; 12];
                key[..8].copy_from_slice(&first.to_be_bytes());
                key[8..].copy_from_slice(&(part as u32).to_be_bytes());
                self.db.insert(key, value)?;
            }
            Ok(())
        })
    }

    /// Makes all that was inserted durable.
    pub(crate) fn sync(&mut self, disk: &dyn Disk) -> Result<(), JournalError> {
        disk.before_sled(&self.path, 0).map_err(JournalError::io("flush", &self.path))?;
        guarded("flush", &self.path, || self.db.flush().map(drop))?;
        let db_path = self.path.join("db");
        disk.sync_data(&self.file, &db_path).map_err(JournalError::io("sync", &db_path))?;
        let blobs = self.path.join("blobs");
        if fs::read_dir(&blobs).map_err(JournalError::io("list", &blobs))?.next().is_some() {
            let detail = "a page was too large for the file that is synced".to_owned();
            return Err(JournalError::Io { step: "keep frames in sled's file", detail });
        }
        if !self.named {
            for entry in fs::read_dir(&self.path).map_err(JournalError::io("list", &self.path))? {
                let path = entry.map_err(JournalError::io("list", &self.path))?.path();
                if path.is_dir() || path == db_path {
                    continue;
                }
                let file = File::open(&path).map_err(JournalError::io("open", &path))?;
                disk.sync_data(&file, &path).map_err(JournalError::io("sync", &path))?;
            }
            for dir in [Some(blobs.as_path()), Some(&self.path), self.path.parent()].into_iter().flatten() {
                disk.sync_dir(dir).map_err(JournalError::io("sync", dir))?;
            }
            self.named = true;
        }
        Ok(())
    }
}

fn config(path: &Path, segment_bytes: usize) -> sled::Config {
    sled::Config::new().path(path).segment_size(segment_bytes).flush_every_ms(None)
}

/// sled asserts what it believes about its files; a failed assertion is an
/// error like any other.
fn guarded<T>(
    step: &'static str,
    path: &Path,
    run: impl FnOnce() -> Result<T, sled::Error>,
) -> Result<T, JournalError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(JournalError::sled(step, path)),
        Err(_) => Err(JournalError::Io { step, detail: format!("{}: sled gave up", path.display()) }),
    }
}

/// All frames of window `number` by first event, read from a copy in a scratch
/// folder; the window is not touched. Frames may be cut or damaged.
pub(crate) fn read_copy(dir: &Path, number: u64) -> Result<BTreeMap<u64, Vec<u8>>, JournalError> {
    let path = path(dir, number);
    if !path.join("db").is_file() {
        return Err(JournalError::Missing { file: path, at: EventSeq(0) });
    }
    let scratch = tempfile::tempdir().map_err(JournalError::io("create a scratch folder beside", &path))?;
    copy(&path, scratch.path())?;
    // The size of a segment is in sled's own configuration file.
    let conf = fs::read(path.join("conf")).unwrap_or_default();
    let conf = String::from_utf8_lossy(&conf);
    let segment = conf.lines().find_map(|line| line.strip_prefix("segment_size: ")?.trim().parse::<usize>().ok());
    let segment = segment.filter(|bytes| bytes.is_power_of_two() && (256..=1 << 24).contains(bytes));
    let Some(segment) = segment else {
        let detail = Damage::Header;
        return Err(JournalError::BadFile { file: path.join("conf"), offset: 0, what: "sled's configuration", detail });
    };
    let mut frames = BTreeMap::<u64, Vec<u8>>::new();
    let read = guarded("read", &path, || {
        let db = config(scratch.path(), segment).open()?;
        for entry in db.iter() {
            let (key, value) = entry?;
            let Some(first) = key.first_chunk::<8>() else { continue };
            frames.entry(u64::from_be_bytes(*first)).or_default().extend_from_slice(&value);
        }
        Ok(())
    });
    match read {
        Ok(()) => Ok(frames),
        Err(JournalError::Io { detail, .. }) => Err(JournalError::BadWindow { path, detail }),
        Err(error) => Err(error),
    }
}

/// Compares frames of a segment before `end`, ascending, with those of a window.
pub(crate) fn compare<'a>(
    window: &Path,
    copy: &BTreeMap<u64, Vec<u8>>,
    frames: impl Iterator<Item = (u64, &'a [u8])>,
    end: &Head,
) -> Result<(), JournalError> {
    for (first, expected) in frames.take_while(|(first, _)| *first < end.next.0) {
        let at = EventSeq(first);
        let Some(found) = copy.get(&first) else {
            return Err(JournalError::Behind { file: window.to_owned(), acknowledged: end.next, found: at });
        };
        if found == expected {
            continue;
        }
        let detail = match (RawFrame::parse(found), RawFrame::trusted(expected)) {
            (Err(detail), _) | (_, Err(detail)) => detail,
            (Ok(_), Ok(_)) if found.len() != expected.len() => {
                Damage::Short { expected: expected.len(), found: found.len() }
            }
            (Ok(found), Ok(good)) => {
                Damage::Hash { expected: good.claims_after().hash, found: found.claims_after().hash }
            }
        };
        return Err(JournalError::Damaged { file: window.to_owned(), offset: 0, at, detail });
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), JournalError> {
    fs::create_dir_all(to).map_err(JournalError::io("create", to))?;
    for entry in fs::read_dir(from).map_err(JournalError::io("list", from))? {
        let entry = entry.map_err(JournalError::io("list", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target)?;
        } else {
            fs::copy(&source, &target).map_err(JournalError::io("copy", &source))?;
        }
    }
    Ok(())
}
