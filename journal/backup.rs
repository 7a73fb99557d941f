//! Copying a journal while it is written.

use std::{path::Path, sync::Arc};

use crate::{Disk, Head, JournalError, JournalStore, Reader, RealDisk, fill, snapshot, stats, verify::Progress};

/// The result of [`backup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackupReport {
    /// Where the copy ends.
    pub head: Head,
    /// Bytes that it occupies.
    pub bytes: u64,
}

/// Copies the journal in `dir`, up to the head that it has at the start, to
/// `to`, which must be empty or absent. The writer may go on meanwhile. The
/// copy is a whole journal with the good snapshots, and every frame is checked
/// on the way.
///
/// # Errors
/// `to` is not empty, something is damaged or is pruned meanwhile, or the disk
/// failed. `to` is not touched then.
pub fn backup(dir: &Path, to: &Path, progress: Progress<'_>) -> Result<BackupReport, JournalError> {
    backup_with(dir, to, Arc::new(RealDisk), progress)
}

/// As [`backup`], with another way to make things durable.
///
/// # Errors
/// As [`backup`].
pub fn backup_with(
    dir: &Path,
    to: &Path,
    disk: Arc<dyn Disk>,
    progress: Progress<'_>,
) -> Result<BackupReport, JournalError> {
    let reader = Reader::open(dir)?;
    if let Some(error) = reader.head_damage() {
        return Err(error.clone());
    }
    let (floor, total) = (reader.floor(), reader.head().next.0 - reader.floor().head.next.0);
    let mut frames = reader.frames(floor.head.next)?;
    let mut snapshots = snapshot::good(reader.catalog())?.into_iter().peekable();
    let mut end = floor.head;
    let head = fill::journal(to, floor, &disk, &mut |journal| {
        // A snapshot is taken along once the frames before it are durable.
        while let Some(snapshot) = snapshots.next_if(|snapshot| snapshot.meta.head.next <= journal.head().next) {
            journal.put_snapshot(&snapshot)?;
        }
        let frame = frames.next().transpose()?;
        end = frame.as_ref().map_or(end, |frame| frame.after);
        progress(end.next.0 - floor.head.next.0, total);
        Ok(frame.map(|frame| frame.frame))
    })?;
    Ok(BackupReport { head, bytes: stats(to)?.disk_bytes })
}
