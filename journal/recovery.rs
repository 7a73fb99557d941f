//! Opening a directory for writing.
//!
//! HEAD says what was acknowledged. All of that must be there: the newest
//! segment is read and checked in full and compared with a copy of its window,
//! of the sealed ones header and footer are checked. Damage is an error that
//! names its place; nothing has been changed then. What follows HEAD was
//! written but not acknowledged before a crash, or acknowledged by a slot of
//! HEAD that is damaged: its whole frames are kept, the rest is cut off.
//!
//! Then the newest segment's frames go to a new window (see `window` for why),
//! HEAD is written, and what no longer counts is removed. A crash anywhere in
//! between leaves a directory that opens the same way.

use std::{
    fs::{self, File, OpenOptions},
    ops::Range,
    path::Path,
    sync::{Arc, Mutex},
};

use crate::{
    Disk, Floor, JournalError, Options, SledJournal,
    catalog::{Catalog, other_history},
    cursor::{SegmentCursor, Until},
    error::Damage,
    floor,
    head_file::{self, HeadFile, HeadState, Slot},
    lock::Lock,
    segment::{self, Summary},
    sled_store::Active,
    snapshot,
    window::{self, Window},
};

/// Opens or creates the journal in `dir`.
pub(crate) fn open(dir: &Path, options: Options, disk: Arc<dyn Disk>) -> Result<SledJournal, JournalError> {
    options.check()?;
    disk.create_dir(dir).map_err(JournalError::io("create", dir))?;
    let lock = Lock::take(dir)?;
    let HeadState { slot, other } = match head_file::read(dir)? {
        Some(state) => state,
        None => create(dir, &*disk, &Floor::GENESIS)?,
    };
    let floor = floor::read_both(dir)?;
    let floor_is_whole = floor.other.is_none();
    let floor = floor.floor;
    let (segments, _) = segment::list(dir)?;
    let pruned = segments.partition_point(|first| *first < floor.head.next.0);
    let mut catalog = Catalog { dir: dir.to_owned(), floor, slot, segments: segments[pruned..].to_vec() };
    check_sealed(&catalog)?;
    let newest = newest_segment(&catalog, other)?;
    if let Some(newest) = &newest {
        check_window(&catalog, newest)?;
    }
    // All checks are done; from here on the directory is changed.
    let head_file = HeadFile::open(dir)?;
    if ![segment::folder(dir), window::folder(dir), snapshot::folder(dir)].iter().all(|folder| folder.is_dir()) {
        folders(dir, &*disk)?;
    }
    if !floor_is_whole {
        // Before `tidy` removes anything that only this floor allows to be missing.
        floor::write(&*disk, dir, &catalog.floor)?;
    }
    let (windows, _) = window::list(dir)?;
    let number = windows.last().copied().unwrap_or(0).max(slot.window) + 1;
    let (mut active, mut live) = (None, None);
    if let Some(newest) = newest {
        let (file, summary, sealed) = settle(&catalog, &newest, &options, &*disk)?;
        let mut window = Window::create(&*disk, dir, number, options.sled_segment_bytes)?;
        for (first, range) in &newest.frames {
            window.insert(&*disk, *first, &newest.bytes[range.clone()])?;
        }
        window.sync(&*disk)?;
        live = Some(window);
        let first = summary.before.next.0;
        let mut slot = Slot { generation: slot.generation + 1, head: summary.after, window: number, ..slot };
        if first != slot.segment || catalog.slot.segment_end == 0 {
            (slot.segment, slot.window_before) = (first, catalog.slot.window);
        }
        slot.segment_end = summary.end;
        slot.frames += newest.behind.0;
        slot.payload += newest.behind.1;
        head_file.write(&*disk, &slot)?;
        catalog.slot = slot;
        if !sealed {
            active = Some(Active { file, path: segment::path(dir, first), summary });
        }
    }
    tidy(&mut catalog, &*disk, &segments)?;
    let next_window = number + 1;
    let events = Mutex::default();
    Ok(SledJournal {
        disk,
        options,
        catalog,
        head_file,
        active,
        window: live,
        next_window,
        stale_window: None,
        events,
        poisoned: None,
        _lock: lock,
    })
}

/// Makes a journal without events that begins at `floor`. HEAD comes first, so that a directory without one
/// never has a frame.
pub(crate) fn create(dir: &Path, disk: &dyn Disk, floor: &Floor) -> Result<HeadState, JournalError> {
    let (segments, _) = segment::list(dir)?;
    let (windows, foreign) = window::list(dir)?;
    if !segments.is_empty() || !windows.is_empty() || !foreign.is_empty() {
        return Err(JournalError::BadHead {
            path: head_file::path(dir),
            detail: "missing beside a journal that has frames",
        });
    }
    folders(dir, disk)?;
    if *floor != Floor::GENESIS {
        floor::write(disk, dir, floor)?;
    }
    let empty = Slot { head: floor.head, frames: floor.frames, payload: floor.payload, ..Slot::EMPTY };
    let slot = HeadFile::create(disk, dir, empty)?;
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        disk.sync_dir(parent).map_err(JournalError::io("sync", parent))?;
    }
    Ok(HeadState { slot, other: None })
}

/// Makes the folders durable before anything in them counts.
fn folders(dir: &Path, disk: &dyn Disk) -> Result<(), JournalError> {
    for folder in [segment::folder(dir), window::folder(dir), snapshot::folder(dir)] {
        disk.create_dir(&folder).map_err(JournalError::io("create", &folder))?;
    }
    disk.sync_dir(dir).map_err(JournalError::io("sync", dir))
}

/// Checks headers and footers of the segments before the newest.
fn check_sealed(catalog: &Catalog) -> Result<(), JournalError> {
    let Catalog { dir, floor: Floor { head: floor, .. }, slot, segments } = catalog;
    if slot.segment_end == 0 {
        return Ok(());
    }
    let mut at = *floor;
    for first in segments.iter().take_while(|first| **first < slot.segment) {
        if *first != at.next.0 {
            return Err(JournalError::Missing { file: segment::path(dir, at.next.0), at: at.next });
        }
        let segment = SegmentCursor::open(dir, *first, Until::Footer)?;
        segment::check_joint(segment.path(), &at, &segment.head())?;
        at = segment.sealed().map_or(at, |sealed| sealed.after);
    }
    if slot.segment != at.next.0 || !segments.contains(&slot.segment) {
        return Err(JournalError::Missing { file: segment::path(dir, at.next.0), at: at.next });
    }
    let newest = SegmentCursor::open(dir, slot.segment, Until::Byte(slot.segment_end))?;
    segment::check_joint(newest.path(), &at, &newest.head())
}

/// The newest segment's content.
struct Newest {
    /// The file's bytes.
    bytes: Vec<u8>,
    summary: Summary,
    /// (first event, place) of its frames.
    frames: Vec<(u64, Range<usize>)>,
    /// Frames, and bytes of their events, behind HEAD; in all segments.
    behind: (u64, u64),
    /// A segment before it that must be sealed first.
    unsealed: Option<Summary>,
}

/// Reads the newest segment, and the one that a crash left behind it.
fn newest_segment(catalog: &Catalog, other: Option<JournalError>) -> Result<Option<Newest>, JournalError> {
    let Catalog { dir, slot, segments, floor } = catalog;
    let mut newest = None;
    if slot.segment_end != 0 {
        let read = read_whole(dir, slot.segment, slot)?;
        let torn = read.bytes.len() as u64 > read.summary.end && !footer_fits(&read);
        if torn && let Some(error) = other {
            // HEAD is written after the frames are durable, so a torn slot
            // cannot stand before torn frames.
            return Err(error);
        }
        newest = Some(read);
    }
    let end = newest.as_ref().map_or(floor.head, |newest| newest.summary.after);
    for first in segments.iter().filter(|first| slot.segment_end == 0 || **first > slot.segment) {
        if *first != end.next.0 {
            let detail = Damage::Place { found: crowdfold_events::EventSeq(*first) };
            let file = segment::path(dir, *first);
            return Err(JournalError::BadFile { file, offset: 0, what: "a segment beyond the end", detail });
        }
        let behind = Slot { head: end, segment_end: 0, ..*slot };
        if let Ok(mut read) = read_whole(dir, *first, &behind)
            && read.summary.before == end
            && read.summary.frames > 0
        {
            if let Some(before) = newest {
                read.behind = (read.behind.0 + before.behind.0, read.behind.1 + before.behind.1);
                read.unsealed = (!footer_fits(&before)).then_some(before.summary);
            }
            return Ok(Some(read));
        }
    }
    Ok(newest)
}

/// Reads a segment up to the last whole frame, which must not be before HEAD.
fn read_whole(dir: &Path, first: u64, slot: &Slot) -> Result<Newest, JournalError> {
    let path = segment::path(dir, first);
    let bytes = fs::read(&path).map_err(JournalError::io("read", &path))?;
    let mut cursor = SegmentCursor::open(dir, first, Until::Whole)?;
    let mut summary = Summary::new(cursor.head());
    let (mut frames, mut behind) = (Vec::new(), (0, 0));
    loop {
        let acknowledged = summary.after.next >= slot.head.next;
        if summary.after.next == slot.head.next
            && (summary.after != slot.head || slot.segment_end != 0 && summary.end != slot.segment_end)
        {
            return Err(other_history(path, slot.head, summary.after));
        }
        match cursor.step() {
            Ok(Some(step)) => {
                let (start, length) = (step.offset as usize, step.frame.bytes.len());
                let payload = step.frame.payload_bytes();
                frames.push((step.before.next.0, start..start + length));
                summary.push(step.after, length as u64, payload);
                if acknowledged {
                    behind = (behind.0 + 1, behind.1 + payload);
                }
            }
            Err(JournalError::Damaged { .. }) | Ok(None) if acknowledged => break,
            Ok(None) => return Err(other_history(path, slot.head, summary.after)),
            Err(error) => return Err(error),
        }
    }
    if summary.after.next < slot.head.next {
        return Err(other_history(path, slot.head, summary.after));
    }
    Ok(Newest { bytes, summary, frames, behind, unsealed: None })
}

fn footer_fits(newest: &Newest) -> bool {
    newest.bytes[newest.summary.end as usize..] == newest.summary.footer()
}

/// Compares the acknowledged frames of the newest segment with its window's copy.
fn check_window(catalog: &Catalog, newest: &Newest) -> Result<(), JournalError> {
    let slot = &catalog.slot;
    if slot.segment_end == 0 || newest.summary.before.next.0 != slot.segment {
        return Ok(());
    }
    let copy = window::read_copy(&catalog.dir, slot.window)?;
    let frames = newest.frames.iter().map(|(first, range)| (*first, &newest.bytes[range.clone()]));
    window::compare(&window::path(&catalog.dir, slot.window), &copy, frames, &slot.head)
}

/// Cuts what is not whole from the newest segment, seals it if it is full, and
/// makes it durable; the same for the one before it when a crash left that open.
fn settle(
    catalog: &Catalog,
    newest: &Newest,
    options: &Options,
    disk: &dyn Disk,
) -> Result<(File, Summary, bool), JournalError> {
    if let Some(before) = &newest.unsealed {
        let path = segment::path(&catalog.dir, before.before.next.0);
        let file = open_segment(&path)?;
        cut(disk, &file, &path, before.end)?;
        seal(disk, &file, &path, before)?;
    }
    let summary = newest.summary.clone();
    let path = segment::path(&catalog.dir, summary.before.next.0);
    let file = open_segment(&path)?;
    let sealed = footer_fits(newest);
    if !sealed {
        cut(disk, &file, &path, summary.end)?;
        if summary.end >= options.segment_bytes {
            seal(disk, &file, &path, &summary)?;
        }
    }
    disk.sync_data(&file, &path).map_err(JournalError::io("sync", &path))?;
    let folder = segment::folder(&catalog.dir);
    disk.sync_dir(&folder).map_err(JournalError::io("sync", &folder))?;
    let sealed = sealed || summary.end >= options.segment_bytes;
    Ok((file, summary, sealed))
}

fn open_segment(path: &Path) -> Result<File, JournalError> {
    OpenOptions::new().read(true).write(true).open(path).map_err(JournalError::io("open", path))
}

fn cut(disk: &dyn Disk, file: &File, path: &Path, end: u64) -> Result<(), JournalError> {
    if file.metadata().map_err(JournalError::io("look at", path))?.len() != end {
        disk.set_len(file, path, end).map_err(JournalError::io("cut", path))?;
    }
    Ok(())
}

fn seal(disk: &dyn Disk, file: &File, path: &Path, summary: &Summary) -> Result<(), JournalError> {
    disk.write_at(file, path, summary.end, &summary.footer()).map_err(JournalError::io("seal", path))?;
    disk.sync_data(file, path).map_err(JournalError::io("sync", path))
}

/// Removes pruned segments, a segment that a crash left without a frame, and
/// windows that HEAD does not name.
fn tidy(catalog: &mut Catalog, disk: &dyn Disk, listed: &[u64]) -> Result<(), JournalError> {
    let slot = catalog.slot;
    let kept = |first: u64| slot.segment_end != 0 && (catalog.floor.head.next.0..=slot.segment).contains(&first);
    let mut removed = false;
    for first in listed.iter().filter(|first| !kept(**first)) {
        let path = segment::path(&catalog.dir, *first);
        disk.remove_file(&path).map_err(JournalError::io("remove", &path))?;
        removed = true;
    }
    if removed {
        let folder = segment::folder(&catalog.dir);
        disk.sync_dir(&folder).map_err(JournalError::io("sync", &folder))?;
    }
    catalog.segments = listed.iter().copied().filter(|first| kept(*first)).collect();
    snapshot::remove_before(disk, &catalog.dir, catalog.floor.head.next)?;
    let (windows, _) = window::list(&catalog.dir)?;
    for number in windows.into_iter().filter(|n| *n != slot.window && *n != slot.window_before) {
        let path = window::path(&catalog.dir, number);
        disk.remove_dir(&path).map_err(JournalError::io("remove", &path))?;
    }
    Ok(())
}
