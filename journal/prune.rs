//! Forgetting old segments while the rest stays verifiable.
//!
//! FLOOR (twice) keeps the head of the chain and the Merkle peaks at the new beginning
//! and is durable before the first segment is removed, so what remains can be
//! checked and proven at every moment. A removal that was cut short is
//! finished when the journal is opened next.

use std::{fs, path::Path, sync::Arc};

use crowdfold_events::EventSeq;

use crate::{
    CompactRange, Disk, Floor, JournalError, Options, RealDisk, SledJournal,
    catalog::Catalog,
    cursor::{SegmentCursor, Until},
    error::Damage,
    floor, merkle_log, segment, snapshot,
};

/// The result of pruning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PruneReport {
    /// Where the journal begins now.
    pub floor: Floor,
    /// Segments removed.
    pub segments: u64,
    /// Bytes freed.
    pub bytes: u64,
}

/// Removes the sealed segments that end at or before event `before` of a
/// journal that nobody is writing to; see [`SledJournal::prune`].
///
/// # Errors
/// As [`SledJournal::open`] and [`SledJournal::prune`].
pub fn prune(dir: &Path, before: EventSeq) -> Result<PruneReport, JournalError> {
    SledJournal::open_with(dir, Options::default(), Arc::new(RealDisk))?.prune(before)
}

/// Prunes the journal of a catalogue, whose lock the caller has.
pub(crate) fn run(disk: &dyn Disk, catalog: &mut Catalog, before: EventSeq) -> Result<PruneReport, JournalError> {
    let dir = catalog.dir.clone();
    let mut floor = catalog.floor.clone();
    let bad_peaks = || JournalError::BadFile {
        file: floor::paths(&dir)[1].clone(),
        offset: 0,
        what: "the Merkle peaks",
        detail: Damage::Header,
    };
    let mut tree = CompactRange::new(floor.head.next.0, floor.peaks.clone()).ok_or_else(bad_peaks)?;
    let (mut removed, mut bytes) = (0, 0);
    for first in catalog.segments.iter().filter(|first| **first < catalog.slot.segment) {
        let mut cursor = SegmentCursor::open(&dir, *first, Until::Footer)?;
        segment::check_joint(cursor.path(), &floor.head, &cursor.head())?;
        let Some(sealed) = cursor.sealed().filter(|sealed| sealed.after.next <= before).cloned() else { break };
        while let Some(step) = cursor.step()? {
            step.frame.events().for_each(|event| tree.push(merkle_log::leaf_hash(event)));
        }
        if cursor.head() != sealed.after {
            let (file, offset) = (cursor.path().to_path_buf(), sealed.end);
            let detail = Damage::Hash { expected: sealed.after.hash, found: cursor.head().hash };
            return Err(JournalError::BadFile { file, offset, what: "the footer", detail });
        }
        floor.head = sealed.after;
        floor.frames += sealed.frames;
        floor.payload += sealed.payload;
        removed += 1;
        bytes += fs::metadata(cursor.path()).map_or(0, |file| file.len());
    }
    if removed == 0 {
        return Ok(PruneReport { floor, segments: 0, bytes: 0 });
    }
    let newest = snapshot::newest(catalog, catalog.slot.head.next)?;
    if newest.is_none_or(|snapshot| snapshot.meta.head.next < floor.head.next) {
        return Err(JournalError::NeedsSnapshot { floor: floor.head.next });
    }
    floor.peaks = tree.peaks().to_vec();
    floor::write(disk, &dir, &floor)?;
    catalog.floor = floor.clone();
    for first in catalog.segments.drain(..removed) {
        let path = segment::path(&dir, first);
        disk.remove_file(&path).map_err(JournalError::io("remove", &path))?;
    }
    let folder = segment::folder(&dir);
    disk.sync_dir(&folder).map_err(JournalError::io("sync", &folder))?;
    snapshot::remove_before(disk, &dir, floor.head.next)?;
    Ok(PruneReport { floor, segments: removed as u64, bytes })
}
