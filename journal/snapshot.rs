//! Snapshots: opaque bytes of a state, tied to a place in the chain.

use std::path::{Path, PathBuf};

use crowdfold_events::B256;

use crate::{Head, JournalError};

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

/// The snapshots of a journal's directory, newest first, with what is wrong
/// with the ones that cannot be read.
pub fn snapshots(dir: &Path) -> Result<Vec<(PathBuf, Result<SnapshotMeta, JournalError>)>, JournalError> {
    let _ = dir;
    Err(JournalError::Unsupported { what: "snapshots" })
}
