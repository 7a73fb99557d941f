//! `HEAD`: where the durable journal ends.
//!
//! Two slots of 512 bytes, written in place by turns, so that one fsync of one
//! sector acknowledges an append and a torn write leaves the other slot:
//!
//! ```text
//! magic "CFJHEAD2" | generation u64 | next u64 | hash 32 | segment u64 | segment_end u64
//! | window u64 | window_before u64 | frames u64 | payload u64 | zeros | crc32c u32
//! ```
//!
//! Generation `g` lives in slot `g % 2`. The newest valid slot counts; the
//! other one must hold the generation before, else something damaged it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use crowdfold_events::EventSeq;

use crate::{
    Disk, Head, JournalError,
    bytes::{Fields, checked, push_checksum},
    error::Damage,
};

const MAGIC: [u8; 8] = *b"CFJHEAD2";
/// Bytes of a slot: what a disk writes at once.
pub(crate) const SLOT_BYTES: usize = 512;

/// What a slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Counts writes of HEAD, from 1.
    pub(crate) generation: u64,
    /// The end of the journal.
    pub(crate) head: Head,
    /// First event of the segment that holds the last frame; meaningless in an empty journal.
    pub(crate) segment: u64,
    /// Where that frame ends in its segment, in bytes; 0 in an empty journal.
    pub(crate) segment_end: u64,
    /// Number of the database with the frames of that segment; 0 is none.
    pub(crate) window: u64,
    /// Number of the database with the frames of the segment before; 0 is none.
    pub(crate) window_before: u64,
    /// Frames since the genesis.
    pub(crate) frames: u64,
    /// Bytes of events since the genesis.
    pub(crate) payload: u64,
}

impl Slot {
    pub(crate) const EMPTY: Self = Self {
        generation: 0,
        head: Head::EMPTY,
        segment: 0,
        segment_end: 0,
        window: 0,
        window_before: 0,
        frames: 0,
        payload: 0,
    };

    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SLOT_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.head.next.0.to_le_bytes());
        bytes.extend_from_slice(self.head.hash.as_slice());
        for number in [self.segment, self.segment_end, self.window, self.window_before, self.frames, self.payload] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.resize(SLOT_BYTES - 4, 0);
        push_checksum(&mut bytes, 0);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Damage> {
        let mut fields = Fields(checked(bytes)?);
        if *fields.take()? != MAGIC {
            return Err(Damage::Header);
        }
        Ok(Self {
            generation: fields.u64()?,
            head: Head { next: EventSeq(fields.u64()?), hash: fields.hash()? },
            segment: fields.u64()?,
            segment_end: fields.u64()?,
            window: fields.u64()?,
            window_before: fields.u64()?,
            frames: fields.u64()?,
            payload: fields.u64()?,
        })
    }

    fn offset(generation: u64) -> u64 {
        (generation % 2) * SLOT_BYTES as u64
    }
}

/// What HEAD says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeadState {
    /// The newest valid slot.
    pub(crate) slot: Slot,
    /// What is wrong with the other slot: a torn write, or damage.
    pub(crate) other: Option<JournalError>,
}

/// The file's name in `dir`.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("HEAD")
}

/// Reads HEAD; `None` when there is none.
pub(crate) fn read(dir: &Path) -> Result<Option<HeadState>, JournalError> {
    let path = path(dir);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(JournalError::io("read", &path)(e)),
    };
    let bad = |detail| JournalError::BadHead { path: path.clone(), detail };
    if bytes.len() != 2 * SLOT_BYTES {
        return Err(bad("wrong length"));
    }
    let slots = [0, 1].map(|parity: u64| {
        let found = Slot::from_bytes(&bytes[parity as usize * SLOT_BYTES..][..SLOT_BYTES]);
        found.and_then(|slot| if slot.generation % 2 == parity { Ok(slot) } else { Err(Damage::Header) })
    });
    let torn = |generation, detail| JournalError::BadFile {
        file: path.clone(),
        offset: Slot::offset(generation),
        what: "a slot",
        detail,
    };
    let (slot, other) = match slots {
        [Ok(even), Ok(odd)] => {
            let (old, new) = if even.generation < odd.generation { (even, odd) } else { (odd, even) };
            let gap = new.generation - old.generation != 1;
            (new, gap.then(|| torn(old.generation, Damage::Header)))
        }
        [Ok(even), Err(detail)] => (even, Some(torn(1, detail))),
        [Err(detail), Ok(odd)] => (odd, Some(torn(0, detail))),
        [Err(_), Err(_)] => return Err(bad("neither slot is whole")),
    };
    Ok(Some(HeadState { slot, other }))
}

/// The writer's handle. It is held for the whole life: an fsync error is
/// reported once per handle.
pub(crate) struct HeadFile {
    path: PathBuf,
    file: File,
}

impl HeadFile {
    /// Writes a new HEAD with both slots, by rename.
    pub(crate) fn create(disk: &dyn Disk, dir: &Path, slot: Slot) -> Result<Slot, JournalError> {
        let (path, temporary) = (path(dir), dir.join("HEAD.new"));
        let before = Slot { generation: slot.generation + 2 - slot.generation % 2, ..slot };
        let slot = Slot { generation: before.generation + 1, ..slot };
        let bytes = [before.to_bytes(), slot.to_bytes()].concat();
        let file = disk.create_file(&temporary).map_err(JournalError::io("create", &temporary))?;
        disk.write_at(&file, &temporary, 0, &bytes).map_err(JournalError::io("write", &temporary))?;
        disk.sync_data(&file, &temporary).map_err(JournalError::io("sync", &temporary))?;
        disk.rename(&temporary, &path).map_err(JournalError::io("rename", &path))?;
        disk.sync_dir(dir).map_err(JournalError::io("sync", dir))?;
        Ok(slot)
    }

    /// Opens an existing HEAD for writing.
    pub(crate) fn open(dir: &Path) -> Result<Self, JournalError> {
        let path = path(dir);
        let file = OpenOptions::new().write(true).open(&path).map_err(JournalError::io("open", &path))?;
        Ok(Self { path, file })
    }

    /// Makes a slot durable over the older one.
    pub(crate) fn write(&self, disk: &dyn Disk, slot: &Slot) -> Result<(), JournalError> {
        disk.write_at(&self.file, &self.path, Slot::offset(slot.generation), &slot.to_bytes())
            .map_err(JournalError::io("write", &self.path))?;
        disk.sync_data(&self.file, &self.path).map_err(JournalError::io("sync", &self.path))
    }
}
