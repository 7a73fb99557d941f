//! How large a journal is.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use crate::{Head, JournalError, Reader, segment, snapshot, window};

/// The result of [`stats`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalStats {
    /// Where it begins.
    pub floor: Head,
    /// Where it ends.
    pub head: Head,
    /// Frames kept.
    pub frames: u64,
    /// Events kept.
    pub events: u64,
    /// Bytes of the events kept, without frames.
    pub payload_bytes: u64,
    /// Number of segments, the newest included.
    pub segments: u64,
    /// Bytes of all segments.
    pub segment_bytes: u64,
    /// Bytes that the windows occupy.
    pub window_bytes: u64,
    /// Number of snapshots.
    pub snapshots: u64,
    /// Bytes of all snapshots.
    pub snapshot_bytes: u64,
    /// Bytes that the directory occupies on disk.
    pub disk_bytes: u64,
}

/// Looks at HEAD, FLOOR and the sizes of files only.
///
/// # Errors
/// There is no journal, or HEAD or FLOOR cannot be read.
pub fn stats(dir: &Path) -> Result<JournalStats, JournalError> {
    let reader = Reader::open(dir)?;
    let (catalog, floor) = (reader.catalog(), reader.floor());
    let segments = &catalog.segments;
    let snapshots = snapshot::list(dir)?.0;
    let size = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    Ok(JournalStats {
        floor: floor.head,
        head: reader.head(),
        frames: catalog.slot.frames - floor.frames,
        events: reader.head().next.0 - floor.head.next.0,
        payload_bytes: catalog.slot.payload - floor.payload,
        segments: segments.len() as u64,
        segment_bytes: segments.iter().map(|first| size(&segment::path(dir, *first))).sum(),
        window_bytes: occupied(&window::folder(dir)),
        snapshots: snapshots.len() as u64,
        snapshot_bytes: snapshots.iter().map(|next| size(&snapshot::path(dir, *next))).sum(),
        disk_bytes: occupied(dir),
    })
}

/// Bytes of the blocks of all files below a directory. What disappears
/// meanwhile counts nothing.
fn occupied(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(file) if file.is_dir() => occupied(&entry.path()),
            Ok(file) => file.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}
