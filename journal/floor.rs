//! `FLOOR`: where a pruned journal begins.
//!
//! ```text
//! magic "CFJFLOR1" | next u64 | head 32 | frames u64 | payload u64 | peaks u32 | peaks × 32 | crc32c u32
//! ```
//!
//! It is durable before anything is removed; a file that is not there means
//! that nothing was. A removal that was cut short is finished at the next open.

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

/// The file's name in `dir`.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("FLOOR")
}

/// Reads the floor.
pub(crate) fn read(dir: &Path) -> Result<Floor, JournalError> {
    let path = path(dir);
    match fs::read(&path) {
        Ok(bytes) => Floor::from_bytes(&bytes).map_err(|detail| JournalError::BadFile {
            file: path,
            offset: 0,
            what: "the floor",
            detail,
        }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Floor::GENESIS),
        Err(e) => Err(JournalError::io("read", &path)(e)),
    }
}

/// Makes a floor durable.
pub(crate) fn write(disk: &dyn Disk, dir: &Path, floor: &Floor) -> Result<(), JournalError> {
    replace(disk, dir, &path(dir), &floor.to_bytes())
}

/// Replaces a small file of folder `dir`: temporary file, fsync, rename, fsync of the folder.
pub(crate) fn replace(disk: &dyn Disk, dir: &Path, path: &Path, bytes: &[u8]) -> Result<(), JournalError> {
    let temporary = path.with_extension("new");
    let file = disk.create_file(&temporary).map_err(JournalError::io("create", &temporary))?;
    disk.write_at(&file, &temporary, 0, bytes).map_err(JournalError::io("write", &temporary))?;
    disk.sync_data(&file, &temporary).map_err(JournalError::io("sync", &temporary))?;
    disk.rename(&temporary, path).map_err(JournalError::io("rename", path))?;
    disk.sync_dir(dir).map_err(JournalError::io("sync", dir))
}
