//! Mending a directory from what it holds twice, or from elsewhere.
//!
//! Every segment that is not whole is written anew beside the old one, each
//! frame from the first source that has it whole and at its place in the
//! chain: the damaged file itself, the windows, then the source given. Only
//! when all are complete do they replace the old ones, which are kept in
//! `DIR/damaged`. HEAD and the window are made from the segments. The journal
//! must then end where HEAD said, with the same hash; when HEAD itself is lost,
//! where the chain of whole frames ends.
//!
//! Every file is old or new at every moment, and nothing that a repair reads
//! from is removed by it. So one that was cut short can be run again.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Disk, Floor, Head, JournalError, Options, RealDisk, RepairSource,
    catalog::{Catalog, other_history},
    cursor::{SegmentCursor, Until},
    floor, frame,
    head_file::{self, HeadFile, Slot},
    lock::Lock,
    repair_source::{Sources, find_floor},
    segment::{self, Summary},
    snapshot,
    verify::{self, FileKind, Progress},
    window::{self, Window},
};

/// One thing that repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepairAction {
    /// A file was written anew; its damaged predecessor was kept.
    Rewritten {
        /// The file.
        file: PathBuf,
        /// Where the damaged one is now, if there was one.
        aside: Option<PathBuf>,
    },
    /// The window was filled from the newest segment.
    Window {
        /// The new database.
        dir: PathBuf,
    },
    /// A snapshot that cannot be used was put aside.
    PutAside {
        /// Where it is now.
        aside: PathBuf,
    },
}

/// The result of [`repair`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairReport {
    /// Where the journal ends now: exactly where HEAD said, if it was readable.
    pub head: Head,
    /// What was done; empty for a good journal.
    pub actions: Vec<RepairAction>,
}

/// Mends a journal that nobody is writing to. Either it ends where it ended
/// and verifies, or no segment is replaced and the error names what is missing.
///
/// # Errors
/// Another process has the journal, a frame is whole nowhere, or the disk failed.
pub fn repair(dir: &Path, from: Option<&RepairSource>, progress: Progress<'_>) -> Result<RepairReport, JournalError> {
    repair_with(dir, from, &RealDisk, progress)
}

/// As [`repair`], with another way to make things durable.
///
/// # Errors
/// As [`repair`].
pub fn repair_with(
    dir: &Path,
    from: Option<&RepairSource>,
    disk: &dyn Disk,
    progress: Progress<'_>,
) -> Result<RepairReport, JournalError> {
    let _lock = Lock::take(dir)?;
    let before = verify::check(dir, false, progress)?;
    if before.is_good() {
        return Ok(RepairReport { head: before.verified, actions: Vec::new() });
    }
    let found = |kind| before.findings.iter().any(|finding| finding.kind == kind);
    let mut sources = Sources::open(dir, from)?;
    let mut repair = Repair { dir, disk, actions: Vec::new(), rewritten: Vec::new() };
    let state = head_file::read(dir).ok().flatten();
    let listed = segment::list(dir)?.0;
    let (floor, floor_is_new) = find_floor(&mut sources, dir, listed.first().copied().unwrap_or(0))?;
    let listed: Vec<u64> = listed.into_iter().filter(|first| *first >= floor.head.next.0).collect();
    // With one slot damaged the journal may end behind what the other says.
    let exact = state.as_ref().filter(|state| state.other.is_none()).map(|state| state.slot);
    let least = state.map(|state| state.slot);
    let slot = match repair.segments(&mut sources, &floor, &listed, exact.as_ref(), least.as_ref()) {
        Ok(slot) => slot,
        Err(error) => {
            // The error is the one to report.
            repair.rewritten.iter().for_each(|(temporary, _)| disk.remove_file(temporary).unwrap_or_default());
            return Err(error);
        }
    };
    if floor_is_new || found(FileKind::Floor) {
        repair.floor(&floor)?;
    }
    repair.swap()?;
    if found(FileKind::Head) || found(FileKind::Window) || exact != Some(slot) {
        if let Some(least) = least {
            // Nothing that the readable slot acknowledged may be gone.
            let segments = segment::list(dir)?.0;
            snapshot::check_place(&Catalog { dir: dir.to_owned(), floor, slot, segments }, &least.head)?;
        }
        let windows = least.map_or((0, 0), |least| (least.window, least.generation));
        let slot = Slot { window: windows.0.max(slot.window), generation: windows.1.max(slot.generation), ..slot };
        repair.finish(slot, found(FileKind::Head))?;
    }
    let after = verify::check(dir, false, progress)?;
    // Whether a snapshot has its place shows only when HEAD is good.
    let (bad, worse): (Vec<_>, Vec<_>) = after.findings.into_iter().partition(|f| f.kind == FileKind::Snapshot);
    if let Some(finding) = worse.into_iter().next() {
        return Err(finding.error);
    }
    repair.snapshots(&bad.into_iter().map(|finding| finding.file).collect::<Vec<_>>())?;
    Ok(RepairReport { head: after.verified, actions: repair.actions })
}

struct Repair<'a> {
    dir: &'a Path,
    disk: &'a dyn Disk,
    actions: Vec<RepairAction>,
    /// (complete new file, its place).
    rewritten: Vec<(PathBuf, PathBuf)>,
}

impl Repair<'_> {
    /// Checks all segments and prepares new ones for those that are not whole.
    /// Returns what HEAD must say: what `slot` does, or no less than `least`.
    fn segments(
        &mut self,
        sources: &mut Sources,
        floor: &Floor,
        listed: &[u64],
        slot: Option<&Slot>,
        least: Option<&Slot>,
    ) -> Result<Slot, JournalError> {
        let (mut at, mut frames, mut payload) = (floor.head, floor.frames, floor.payload);
        let last = slot.map_or_else(|| listed.last().copied().unwrap_or(at.next.0), |slot| slot.segment);
        let mut found = Slot { head: at, ..Slot::EMPTY };
        let end = slot.map(|slot| slot.head);
        while end.is_none_or(|end| at.next < end.next) && at.next.0 <= last {
            let first = at.next.0;
            let newest = first == last;
            // Where this segment must end: at the next one that is there.
            let upto = if newest {
                end.map(|end| end.next.0)
            } else {
                Some(listed.iter().copied().find(|next| *next > first).map_or(last, |next| next.min(last)))
            };
            let summary = match whole(self.dir, &at, newest, slot, upto) {
                Some(summary) => summary,
                None => self.rebuild(sources, at, upto, newest)?,
            };
            if summary.frames == 0 {
                break;
            }
            frames += summary.frames;
            payload += summary.payload;
            (found.segment, found.segment_end) = (first, summary.end);
            at = summary.after;
        }
        if let Some(end) = end.filter(|end| *end != at) {
            return Err(other_history(segment::path(self.dir, last), end, at));
        }
        if let Some(least) = least.filter(|least| least.head.next > at.next) {
            let detail = Box::new(other_history(segment::path(self.dir, last), least.head, at));
            return Err(JournalError::Unrepairable { at: at.next, detail });
        }
        let windows = window::list(self.dir)?.0.last().copied().unwrap_or(0);
        // At least as many as HEAD was ever written: once for each append and for each window.
        let generation = slot.map_or(frames + windows + 2, |slot| slot.generation);
        let (window, window_before) = slot.map_or((0, 0), |slot| (slot.window, slot.window_before));
        Ok(Slot { generation, head: at, frames, payload, window, window_before, ..found })
    }

    /// Writes a segment anew, beside the old one.
    fn rebuild(
        &mut self,
        sources: &mut Sources,
        before: Head,
        upto: Option<u64>,
        newest: bool,
    ) -> Result<Summary, JournalError> {
        let path = segment::path(self.dir, before.next.0);
        let mut summary = Summary::new(before);
        let mut bytes = segment::header(&before);
        while upto.is_none_or(|upto| summary.after.next.0 < upto) {
            match sources.frame(&summary.after, before.next.0, summary.end) {
                Ok((frame, after)) => {
                    summary.push(after, frame.len() as u64, frame::payload_of(frame.len()));
                    bytes.extend_from_slice(&frame);
                }
                Err(_) if upto.is_none() => break,
                Err(error) => {
                    return Err(JournalError::Unrepairable { at: summary.after.next, detail: Box::new(error) });
                }
            }
        }
        if !newest {
            bytes.extend_from_slice(&summary.footer());
        }
        let footer = summary.footer();
        if fs::read(&path).is_ok_and(|old| {
            old.strip_prefix(bytes.as_slice()).is_some_and(|rest| newest && (rest.is_empty() || rest == footer))
        }) {
            return Ok(summary);
        }
        let temporary = path.with_extension("new");
        let file = self.disk.create_file(&temporary).map_err(JournalError::io("create", &temporary))?;
        self.disk.write_at(&file, &temporary, 0, &bytes).map_err(JournalError::io("write", &temporary))?;
        self.disk.sync_data(&file, &temporary).map_err(JournalError::io("sync", &temporary))?;
        self.rewritten.push((temporary, path));
        Ok(summary)
    }

    /// Writes the files of the floor that are not as they must be.
    fn floor(&mut self, floor: &Floor) -> Result<(), JournalError> {
        let expected = Some(floor.to_bytes()).filter(|_| *floor != Floor::GENESIS);
        for path in floor::paths(self.dir) {
            if fs::read(&path).ok() == expected {
                continue;
            }
            let aside = self.aside(&path)?;
            match &expected {
                Some(bytes) => floor::replace(self.disk, self.dir, &path, bytes)?,
                None => {
                    self.disk.remove_file(&path).map_err(JournalError::io("remove", &path))?;
                    self.disk.sync_dir(self.dir).map_err(JournalError::io("sync", self.dir))?;
                }
            }
            self.actions.push(RepairAction::Rewritten { file: path, aside });
        }
        Ok(())
    }

    /// Puts the new segments in their places.
    fn swap(&mut self) -> Result<(), JournalError> {
        for (temporary, path) in std::mem::take(&mut self.rewritten) {
            let aside = self.aside(&path)?;
            self.disk.rename(&temporary, &path).map_err(JournalError::io("rename", &path))?;
            self.actions.push(RepairAction::Rewritten { file: path, aside });
        }
        let folder = segment::folder(self.dir);
        self.disk.sync_dir(&folder).map_err(JournalError::io("sync", &folder))
    }

    /// Gives a file a second, durable name in `damaged`; its own place may then be overwritten.
    fn aside(&self, path: &Path) -> Result<Option<PathBuf>, JournalError> {
        let Some(name) = path.file_name().filter(|_| path.exists()) else { return Ok(None) };
        let folder = self.dir.join("damaged");
        if !folder.is_dir() {
            self.disk.create_dir(&folder).map_err(JournalError::io("create", &folder))?;
            self.disk.sync_dir(self.dir).map_err(JournalError::io("sync", self.dir))?;
        }
        let free = |n: u32| {
            let mut name = name.to_owned();
            name.push(format!(".{n}"));
            Some(folder.join(name)).filter(|path| !path.exists())
        };
        let aside = (0..).find_map(free).unwrap_or_else(|| folder.join(name));
        self.disk.hard_link(path, &aside).map_err(JournalError::io("keep", path))?;
        self.disk.sync_dir(&folder).map_err(JournalError::io("sync", &folder))?;
        Ok(Some(aside))
    }

    fn snapshots(&mut self, bad: &[PathBuf]) -> Result<(), JournalError> {
        for path in bad {
            if let Some(aside) = self.aside(path)? {
                self.disk.remove_file(path).map_err(JournalError::io("remove", path))?;
                self.actions.push(RepairAction::PutAside { aside });
            }
        }
        let folder = snapshot::folder(self.dir);
        if bad.is_empty() { Ok(()) } else { self.disk.sync_dir(&folder).map_err(JournalError::io("sync", &folder)) }
    }

    /// Fills a window from the newest segment and writes HEAD.
    fn finish(&mut self, mut slot: Slot, head_is_new: bool) -> Result<(), JournalError> {
        let folder = window::folder(self.dir);
        self.disk.create_dir(&folder).map_err(JournalError::io("create", &folder))?;
        let number = window::list(self.dir)?.0.last().copied().unwrap_or(0).max(slot.window) + 1;
        slot.window_before = 0;
        if slot.segment_end != 0 {
            let mut window = Window::create(self.disk, self.dir, number, Options::default().sled_segment_bytes)?;
            let mut cursor = SegmentCursor::open(self.dir, slot.segment, Until::Byte(slot.segment_end))?;
            while let Some(step) = cursor.step()? {
                window.insert(self.disk, step.before.next.0, step.frame.bytes)?;
            }
            window.sync(self.disk)?;
            slot.window = number;
            self.actions.push(RepairAction::Window { dir: window::path(self.dir, number) });
        }
        let path = head_file::path(self.dir);
        let aside = if head_is_new { self.aside(&path)? } else { None };
        HeadFile::create(self.disk, self.dir, slot)?;
        self.actions.push(RepairAction::Rewritten { file: path, aside });
        Ok(())
    }
}

/// What a segment holds if it is whole, begins behind `before` and ends at
/// `upto`; a newest one needs no footer.
fn whole(dir: &Path, before: &Head, newest: bool, slot: Option<&Slot>, upto: Option<u64>) -> Option<Summary> {
    let until = match slot {
        _ if !newest => Until::Footer,
        Some(slot) => Until::Byte(slot.segment_end),
        // Without HEAD its end is wherever the last source ends.
        None => return None,
    };
    let mut cursor = SegmentCursor::open(dir, before.next.0, until).ok().filter(|cursor| cursor.head() == *before)?;
    let mut summary = Summary::new(*before);
    while let Some(step) = cursor.step().ok()? {
        summary.push(step.after, step.frame.bytes.len() as u64, step.frame.payload_bytes());
    }
    let ends = upto.is_none_or(|upto| summary.after.next.0 == upto);
    let footer = cursor.sealed().is_none_or(|sealed| *sealed == summary);
    (ends && footer).then_some(summary)
}
