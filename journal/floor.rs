//! `FLOOR` and `FLOOR.copy`: where a pruned journal begins, twice.
//!
//! ```text
//! magic "CFJFLOR1" | next u64 | head 32 | frames u64 | payload u64 | peaks u32 | peaks × 32 | crc32c u32
//! ```
//!
//! Both files are durable before anything is removed; neither is there when
//! nothing was. So one that is damaged, missing or older than the other takes
//! nothing with it: the newer good one counts, and the next open writes both
//! again. A removal that was cut short is finished at the next open.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crowdfold_events::{B256, EventSeq};

use crate::{
    Disk, Head, JournalError,
    bytes::{Fields, checked, push_checksum},
    error::Damage,
};

const MAGIC: [u8; 8] = *b"CFJFLOR1";

/// What is kept of the events before the first one: enough to check all that
/// follows, and to prove inclusion and consistency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Floor {
    /// The first event kept and the chain's head before it.
    pub head: Head,
    /// Frames before it.
    pub frames: u64,
    /// Bytes of the events before it.
    pub payload: u64,
    /// Roots of the complete subtrees of the RFC 6962 tree over the events
    /// before it, largest first.
    pub peaks: Vec<B256>,
}

impl Floor {
    /// Nothing is pruned.
    pub const GENESIS: Self = Self { head: Head::EMPTY, frames: 0, payload: 0, peaks: Vec::new() };

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.head.next.0.to_le_bytes());
        bytes.extend_from_slice(self.head.hash.as_slice());
        bytes.extend_from_slice(&self.frames.to_le_bytes());
        bytes.extend_from_slice(&self.payload.to_le_bytes());
        bytes.extend_from_slice(&(self.peaks.len() as u32).to_le_bytes());
        for peak in &self.peaks {
            bytes.extend_from_slice(peak.as_slice());
        }
        push_checksum(&mut bytes, 0);
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Damage> {
        let mut fields = Fields(checked(bytes)?);
        if *fields.take()? != MAGIC {
            return Err(Damage::Header);
        }
        let head = Head { next: EventSeq(fields.u64()?), hash: fields.hash()? };
        let (frames, payload) = (fields.u64()?, fields.u64()?);
        let mut peaks = Vec::new();
        for _ in 0..fields.u32()? {
            peaks.push(fields.hash()?);
        }
        // One complete subtree for each bit of the number of events.
        if !fields.0.is_empty() || peaks.len() != head.next.0.count_ones() as usize {
            return Err(Damage::Header);
        }
        Ok(Self { head, frames, payload, peaks })
    }
}

/// What the two files say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FloorState {
    /// The newer good one.
    pub(crate) floor: Floor,
    /// What is wrong with the other one.
    pub(crate) other: Option<JournalError>,
    /// Whether that is only that it is missing or older: before anything is
    /// removed, a crash between writing the two leaves it so.
    pub(crate) is_behind: bool,
}

/// Names of the files in `dir`, in the order in which they are written.
pub(crate) fn paths(dir: &Path) -> [PathBuf; 2] {
    ["FLOOR.copy", "FLOOR"].map(|name| dir.join(name))
}

fn read_one(path: &Path) -> Result<Option<Floor>, JournalError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(JournalError::io("read", path)(e)),
    };
    Floor::from_bytes(&bytes).map(Some).map_err(|detail| bad(path, detail))
}

fn bad(path: &Path, detail: Damage) -> JournalError {
    JournalError::BadFile { file: path.to_owned(), offset: 0, what: "the floor", detail }
}

/// Reads the floor; an error when a file is damaged and the other one is not good either.
pub(crate) fn read(dir: &Path) -> Result<Floor, JournalError> {
    read_both(dir).map(|state| state.floor)
}

/// As [`read`], with what is wrong with one of the files.
pub(crate) fn read_both(dir: &Path) -> Result<FloorState, JournalError> {
    let [copy, main] = &paths(dir);
    let (of_copy, of_main) = (read_one(copy), read_one(main));
    let missing = |path, floor: &Floor| bad(path, Damage::Short { expected: floor.to_bytes().len(), found: 0 });
    let old = |path, floor: &Floor| bad(path, Damage::Place { found: floor.head.next });
    let is_behind = of_copy.is_ok() && of_main.is_ok();
    let (floor, other) = match (of_copy, of_main) {
        (Ok(None), Ok(None)) => (Floor::GENESIS, None),
        (Ok(Some(copied)), Ok(Some(found))) if copied == found => (found, None),
        (Ok(Some(copied)), Ok(Some(found))) if copied.head.next > found.head.next => {
            let other = old(main, &found);
            (copied, Some(other))
        }
        (Ok(Some(copied)), Ok(Some(found))) => {
            let other = old(copy, &copied);
            (found, Some(other))
        }
        (Ok(Some(floor)), Ok(None)) => {
            let other = missing(main, &floor);
            (floor, Some(other))
        }
        (Ok(None), Ok(Some(floor))) => {
            let other = missing(copy, &floor);
            (floor, Some(other))
        }
        (Ok(Some(floor)), Err(error)) | (Err(error), Ok(Some(floor))) => (floor, Some(error)),
        (Err(error), Ok(None) | Err(_)) | (Ok(None), Err(error)) => return Err(error),
    };
    Ok(FloorState { floor, other, is_behind })
}

/// Makes a floor durable, twice.
pub(crate) fn write(disk: &dyn Disk, dir: &Path, floor: &Floor) -> Result<(), JournalError> {
    paths(dir).iter().try_for_each(|path| replace(disk, dir, path, &floor.to_bytes()))
}

/// Replaces a small file of folder `dir`: temporary file, fsync, rename, fsync of the folder.
pub(crate) fn replace(disk: &dyn Disk, dir: &Path, path: &Path, bytes: &[u8]) -> Result<(), JournalError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let file = disk.create_file(&temporary).map_err(JournalError::io("create", &temporary))?;
    disk.write_at(&file, &temporary, 0, bytes).map_err(JournalError::io("write", &temporary))?;
    disk.sync_data(&file, &temporary).map_err(JournalError::io("sync", &temporary))?;
    disk.rename(&temporary, path).map_err(JournalError::io("rename", path))?;
    disk.sync_dir(dir).map_err(JournalError::io("sync", dir))
}
