//! Snapshots: opaque bytes of a state, tied to a place in the chain.
//!
//! ```text
//! snapshots/<next event, 20 digits>.snap
//!   magic "CFJP" | format u16 | 0 u16 | next u64 | head 32 | state_root 32 | code_version u32
//!   | length u64 | bytes | crc32c u32
//! ```
//!
//! A snapshot is a shortcut, never the only copy of anything: one that cannot
//! be read, or that names another chain, is passed over for the one before it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crowdfold_events::{B256, EventSeq};

use crate::{
    Disk, Head, JournalError,
    bytes::{Fields, checked, push_checksum},
    catalog::Catalog,
    error::Damage,
    floor, numbered,
};

const MAGIC: [u8; 4] = *b"CFJP";
const FORMAT: u16 = 1;

/// What a snapshot is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotMeta {
    /// The chain after the last event that the state has applied.
    pub head: Head,
    /// The state's root.
    pub state_root: B256,
    /// Version of the code that wrote the bytes; another version must not read them.
    pub code_version: u32,
}

/// A state's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What it is of.
    pub meta: SnapshotMeta,
    /// The state, opaque to the journal.
    pub bytes: Vec<u8>,
}

impl Snapshot {
    fn to_bytes(&self) -> Vec<u8> {
        let SnapshotMeta { head, state_root, code_version } = &self.meta;
        let mut bytes = Vec::with_capacity(self.bytes.len() + 100);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&head.next.0.to_le_bytes());
        bytes.extend_from_slice(head.hash.as_slice());
        bytes.extend_from_slice(state_root.as_slice());
        bytes.extend_from_slice(&code_version.to_le_bytes());
        bytes.extend_from_slice(&(self.bytes.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&self.bytes);
        push_checksum(&mut bytes, 0);
        bytes
    }

    fn from_bytes(bytes: &[u8], at: u64) -> Result<Self, Damage> {
        let mut fields = Fields(checked(bytes)?);
        if *fields.take()? != MAGIC || *fields.take()? != FORMAT.to_le_bytes() || *fields.take()? != [0; 2] {
            return Err(Damage::Header);
        }
        let head = Head { next: EventSeq(fields.u64()?), hash: fields.hash()? };
        let meta = SnapshotMeta { head, state_root: fields.hash()?, code_version: fields.u32()? };
        if head.next.0 != at {
            return Err(Damage::Place { found: head.next });
        }
        let expected = fields.u64()? as usize;
        if fields.0.len() != expected {
            return Err(Damage::Short { expected, found: fields.0.len() });
        }
        Ok(Self { meta, bytes: fields.0.to_vec() })
    }
}

/// The folder of the snapshots.
pub(crate) fn folder(dir: &Path) -> PathBuf {
    dir.join("snapshots")
}

pub(crate) fn path(dir: &Path, next: u64) -> PathBuf {
    folder(dir).join(format!("{next:020}.snap"))
}

/// Places of all snapshots, ascending, and the names that are not a snapshot's.
pub(crate) fn list(dir: &Path) -> Result<(Vec<u64>, Vec<PathBuf>), JournalError> {
    numbered::list(&folder(dir), ".snap")
}

fn read(dir: &Path, next: u64) -> Result<Snapshot, JournalError> {
    let path = path(dir, next);
    let bytes = fs::read(&path).map_err(JournalError::io("read", &path))?;
    Snapshot::from_bytes(&bytes, next).map_err(|detail| JournalError::BadFile {
        file: path,
        offset: 0,
        what: "the snapshot",
        detail,
    })
}

/// The snapshots of a journal's directory, newest first, with what is wrong
/// with the ones that cannot be read.
///
/// # Errors
/// The folder cannot be listed.
pub fn snapshots(dir: &Path) -> Result<Vec<(PathBuf, Result<SnapshotMeta, JournalError>)>, JournalError> {
    let places = list(dir)?.0;
    Ok(places.into_iter().rev().map(|next| (path(dir, next), read(dir, next).map(|s| s.meta))).collect())
}

/// Checks that a place lies on the chain, between two frames.
pub(crate) fn check_place(catalog: &Catalog, at: &Head) -> Result<(), JournalError> {
    let elsewhere = JournalError::SnapshotPlace { at: at.next, found: at.hash };
    if at.next < catalog.floor.head.next || at.next > catalog.slot.head.next {
        return Err(elsewhere);
    }
    if [catalog.slot.head, catalog.floor.head].contains(at) {
        return Ok(());
    }
    let mut cursor = catalog.cursor(at.next)?;
    match cursor.step(catalog)? {
        Some((step, _)) if step.before == *at => Ok(()),
        _ => Err(elsewhere),
    }
}

/// Makes a snapshot durable and removes the oldest beyond `kept`.
pub(crate) fn put(disk: &dyn Disk, catalog: &Catalog, snapshot: &Snapshot, kept: usize) -> Result<(), JournalError> {
    check_place(catalog, &snapshot.meta.head)?;
    let folder = folder(&catalog.dir);
    disk.create_dir(&folder).map_err(JournalError::io("create", &folder))?;
    floor::replace(disk, &folder, &path(&catalog.dir, snapshot.meta.head.next.0), &snapshot.to_bytes())?;
    let places = list(&catalog.dir)?.0;
    remove(disk, &catalog.dir, &places[..places.len().saturating_sub(kept)])
}

/// Removes what cannot be continued from `floor` on.
pub(crate) fn remove_before(disk: &dyn Disk, dir: &Path, floor: EventSeq) -> Result<(), JournalError> {
    let places = list(dir)?.0;
    remove(disk, dir, &places[..places.partition_point(|next| *next < floor.0)])
}

fn remove(disk: &dyn Disk, dir: &Path, places: &[u64]) -> Result<(), JournalError> {
    for next in places {
        let path = path(dir, *next);
        disk.remove_file(&path).map_err(JournalError::io("remove", &path))?;
    }
    Ok(())
}

/// The good snapshots between floor and head, oldest first.
pub(crate) fn good(catalog: &Catalog) -> Result<Vec<Snapshot>, JournalError> {
    let read = list(&catalog.dir)?.0.into_iter().filter_map(|next| read(&catalog.dir, next).ok());
    Ok(read.filter(|snapshot| check_place(catalog, &snapshot.meta.head).is_ok()).collect())
}

/// The newest good snapshot between floor and head, at or before `at_most`.
pub(crate) fn newest(catalog: &Catalog, at_most: EventSeq) -> Result<Option<Snapshot>, JournalError> {
    for next in list(&catalog.dir)?.0.into_iter().rev().filter(|next| *next <= at_most.0) {
        if let Ok(snapshot) = read(&catalog.dir, next)
            && check_place(catalog, &snapshot.meta.head).is_ok()
        {
            return Ok(Some(snapshot));
        }
    }
    Ok(None)
}
