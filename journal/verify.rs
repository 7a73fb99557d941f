//! Checking every byte of a directory, read-only.
//!
//! All frames of all segments are checked and chained from the floor to HEAD,
//! the footers compared with what they summarise, and the windows compared
//! with the segments, through copies: sled never sees the original. Behind a
//! damaged frame the walk goes on at the next place where frames can be read,
//! so the report says what is left. What a crash may leave behind HEAD is no
//! damage; opening the journal removes it.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    ops::Range,
    path::{Path, PathBuf},
};

use crowdfold_events::EventSeq;

use crate::{
    Floor, Head, JournalError,
    catalog::{self, Catalog, other_history},
    cursor::{SegmentCursor, Step, Until},
    error::Damage,
    floor,
    head_file::{self, Slot},
    segment, snapshot, window,
};

/// What a file of the directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// `HEAD`, where the journal ends.
    Head,
    /// `FLOOR`, where it begins.
    Floor,
    /// A segment.
    Segment,
    /// A database with the newest frames.
    Window,
    /// A snapshot.
    Snapshot,
}

/// Something wrong, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// What it is for.
    pub kind: FileKind,
    /// Where in the file, in bytes, if it has one place.
    pub offset: Option<u64>,
    /// The first event concerned, if any is.
    pub at: Option<EventSeq>,
    /// What is wrong.
    pub error: JournalError,
}

/// The result of [`verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// Where the journal begins.
    pub floor: Head,
    /// Where it ends according to `HEAD`; `None` when that cannot be read.
    pub acknowledged: Option<Head>,
    /// Up to where every event from the floor on is whole and chained.
    pub verified: Head,
    /// Frames that are good.
    pub frames: u64,
    /// Events that are good.
    pub events: u64,
    /// Bytes of all files looked at.
    pub bytes: u64,
    /// Whether somebody is writing to it; then the windows were not looked at.
    pub live: bool,
    /// What is wrong, in the order of the events; empty for a good journal.
    pub findings: Vec<Finding>,
    /// Ranges of events that can be read, ascending.
    pub readable: Vec<Range<EventSeq>>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }

    /// The first damaged or missing frame's first event.
    #[must_use]
    pub fn first_bad(&self) -> Option<EventSeq> {
        self.findings.iter().filter(|f| f.kind != FileKind::Window).filter_map(|f| f.at).min()
    }
}

/// How far a long operation is: events done, events in all.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Checks every file of a journal and changes none. Damage is in the report.
///
/// # Errors
/// There is no journal.
pub fn verify(dir: &Path, progress: Progress<'_>) -> Result<VerifyReport, JournalError> {
    check(dir, is_live(dir), progress)
}

/// As [`verify`]; the caller knows whether somebody is writing.
pub(crate) fn check(dir: &Path, live: bool, progress: Progress<'_>) -> Result<VerifyReport, JournalError> {
    let mut check = Check::new(dir, live);
    let slot = match if live { catalog::settled_head(dir).map(Some) } else { head_file::read(dir) } {
        Ok(Some(state)) => {
            check.found_all(FileKind::Head, state.other);
            Some(state.slot)
        }
        Ok(None) => {
            let missing = JournalError::BadHead { path: head_file::path(dir), detail: "it is missing" };
            if segment::list(dir)?.0.is_empty() {
                return Err(missing);
            }
            check.found(FileKind::Head, missing);
            None
        }
        Err(error) => {
            check.found(FileKind::Head, error);
            None
        }
    };
    check.report.acknowledged = slot.map(|slot| slot.head);
    let floor = check.floor()?;
    check.segments(slot, floor.as_ref(), progress)?;
    if let Some(slot) = slot {
        if !check.report.live {
            check.windows(&slot);
        }
        check.snapshots(&slot, floor.unwrap_or(Floor::GENESIS))?;
    }
    check.report.findings.sort_by_key(|finding| (finding.at.is_none(), finding.at));
    Ok(check.report)
}

/// Whether a writer holds the lock. It is not taken: a node may start meanwhile.
fn is_live(dir: &Path) -> bool {
    File::open(dir.join("LOCK")).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Frames of a segment by first event, to be compared with a window.
type FrameBytes = BTreeMap<u64, Vec<u8>>;

struct Check<'a> {
    dir: &'a Path,
    report: VerifyReport,
    /// Whether `verified` may still grow.
    unbroken: bool,
    /// Frames of the newest two segments.
    newest: BTreeMap<u64, FrameBytes>,
}

impl<'a> Check<'a> {
    fn new(dir: &'a Path, live: bool) -> Self {
        let report = VerifyReport {
            floor: Head::EMPTY,
            acknowledged: None,
            verified: Head::EMPTY,
            frames: 0,
            events: 0,
            bytes: 0,
            live,
            findings: Vec::new(),
            readable: Vec::new(),
        };
        Self { dir, report, unbroken: true, newest: BTreeMap::new() }
    }

    fn found(&mut self, kind: FileKind, error: JournalError) {
        let (file, offset, at) = place(&error);
        let file = file.unwrap_or_else(|| self.dir.to_owned());
        self.report.findings.push(Finding { file, kind, offset, at, error });
    }

    fn floor(&mut self) -> Result<Option<Floor>, JournalError> {
        let state = match floor::read_both(self.dir) {
            Ok(state) => state,
            Err(error) => {
                self.found(FileKind::Floor, error);
                return Ok(None);
            }
        };
        // Before anything is removed, a crash may leave one file behind the other.
        let is_crash = state.is_behind && segment::list(self.dir)?.0.iter().any(|n| *n < state.floor.head.next.0);
        self.found_all(FileKind::Floor, state.other.filter(|_| !is_crash));
        Ok(Some(state.floor))
    }

    fn found_all(&mut self, kind: FileKind, errors: impl IntoIterator<Item = JournalError>) {
        errors.into_iter().for_each(|error| self.found(kind, error));
    }

    /// Something is wrong in the row of segments.
    fn broken(&mut self, error: JournalError) {
        self.unbroken = false;
        self.found(FileKind::Segment, error);
    }

    fn segments(
        &mut self,
        slot: Option<Slot>,
        floor: Option<&Floor>,
        progress: Progress<'_>,
    ) -> Result<(), JournalError> {
        let (listed, _) = segment::list(self.dir)?;
        let start = floor.map_or_else(|| listed.first().copied().unwrap_or(0), |floor| floor.head.next.0);
        let last = slot.map_or_else(|| listed.last().copied().unwrap_or(0), |slot| slot.segment);
        let ends = slot.is_none_or(|slot| slot.segment_end != 0);
        let row: Vec<u64> = listed.into_iter().filter(|first| ends && (start..=last).contains(first)).collect();
        let mut at = floor.map(|floor| floor.head);
        self.report.floor = at.unwrap_or(Head { next: EventSeq(start), ..Head::EMPTY });
        self.report.verified = self.report.floor;
        let total = slot.map_or(0, |slot| slot.head.next.0.saturating_sub(start));
        for (index, first) in row.iter().enumerate() {
            if let Some(at) = at.filter(|at| at.next.0 != *first) {
                self.broken(JournalError::Missing { file: segment::path(self.dir, at.next.0), at: at.next });
            }
            let until = match slot {
                Some(slot) if *first == last => Until::Byte(slot.segment_end),
                None if *first == last => Until::Whole,
                _ => Until::Footer,
            };
            let keeps = index + 2 >= row.len();
            at = self.segment(*first, until, at, keeps, &mut |done| progress(done, total));
            at = at.or_else(|| row.get(index + 1).and_then(|next| self.head_before(*next)));
        }
        let Some(slot) = slot.filter(|slot| slot.segment_end != 0) else { return Ok(()) };
        if row.last() != Some(&slot.segment) {
            let at = EventSeq(slot.segment);
            self.broken(JournalError::Missing { file: segment::path(self.dir, slot.segment), at });
        } else if let Some(at) = at.filter(|at| *at != slot.head) {
            self.broken(other_history(segment::path(self.dir, slot.segment), slot.head, at));
        }
        Ok(())
    }

    /// What the header of a segment says, when the end of the one before is unknown.
    fn head_before(&self, first: u64) -> Option<Head> {
        SegmentCursor::open(self.dir, first, Until::Whole).ok().map(|cursor| cursor.head())
    }

    /// Checks a segment that begins behind `before`; returns the head after
    /// it, if that is known.
    fn segment(
        &mut self,
        first: u64,
        until: Until,
        before: Option<Head>,
        keeps: bool,
        progress: &mut dyn FnMut(u64),
    ) -> Option<Head> {
        let path = segment::path(self.dir, first);
        self.report.bytes += fs::metadata(&path).map_or(0, |file| file.len());
        let opened = SegmentCursor::open(self.dir, first, until).or_else(|error| {
            self.broken(error);
            // The frames may be whole although header or footer is not.
            SegmentCursor::bare(self.dir, first, before, until)
        });
        let mut cursor = match opened {
            Ok(cursor) => cursor,
            Err(_) => return None,
        };
        if let Some(Err(error)) = before.map(|before| segment::check_joint(&path, &before, &cursor.head())) {
            self.broken(error);
        }
        let mut frames = FrameBytes::new();
        let (mut whole, frames_before, mut payload) = (true, self.report.frames, 0);
        loop {
            let footer_follows = cursor.is_bare() && cursor.footer_follows();
            match cursor.step() {
                Ok(Some(step)) => {
                    if keeps {
                        frames.insert(step.before.next.0, step.frame.bytes.to_vec());
                    }
                    payload += step.frame.payload_bytes();
                    self.good(&step);
                    progress(self.report.events);
                }
                Ok(None) => break,
                Err(_) if footer_follows => break,
                Err(error) => {
                    whole = false;
                    self.broken(error);
                    if !cursor.resume() {
                        break;
                    }
                }
            }
        }
        self.newest.insert(first, frames);
        while self.newest.len() > 2 {
            self.newest.pop_first();
        }
        let end = cursor.head();
        if let Some(sealed) = cursor.sealed().cloned() {
            let counted = (self.report.frames - frames_before, payload);
            if whole && (sealed.after != end || (sealed.frames, sealed.payload) != counted) {
                let detail = Damage::Hash { expected: sealed.after.hash, found: end.hash };
                self.broken(JournalError::BadFile { file: path, offset: sealed.end, what: "the footer", detail });
            }
            return Some(sealed.after);
        }
        whole.then_some(end)
    }

    fn good(&mut self, step: &Step<'_>) {
        let (start, end) = (step.before.next, step.after.next);
        self.report.frames += 1;
        self.report.events += end.0 - start.0;
        if self.unbroken {
            self.report.verified = step.after;
        }
        match self.report.readable.last_mut() {
            Some(range) if range.end == start => range.end = end,
            _ => self.report.readable.push(start..end),
        }
    }

    fn windows(&mut self, slot: &Slot) {
        let Some((newest, _)) = self.newest.last_key_value().filter(|_| slot.segment_end != 0) else { return };
        let newest = *newest;
        let before = self.newest.keys().find(|first| **first < newest).copied();
        if newest == slot.segment {
            self.window(slot.window, newest, slot.head);
        }
        if let Some(before) = before.filter(|_| slot.window_before != 0) {
            let end = Head { next: EventSeq(newest), ..slot.head };
            self.window(slot.window_before, before, end);
        }
    }

    /// Compares a window with the frames of a segment that are good, up to `end`.
    fn window(&mut self, number: u64, first: u64, end: Head) {
        let path = window::path(self.dir, number);
        self.report.bytes += fs::metadata(path.join("db")).map_or(0, |file| file.len());
        let compared = window::read_copy(self.dir, number).and_then(|copy| {
            let frames = self.newest.get(&first).into_iter().flatten();
            window::compare(&path, &copy, frames.map(|(first, bytes)| (*first, bytes.as_slice())), &end)
        });
        if let Err(error) = compared {
            self.found(FileKind::Window, error);
        }
    }

    fn snapshots(&mut self, slot: &Slot, floor: Floor) -> Result<(), JournalError> {
        let segments = segment::list(self.dir)?.0;
        let catalog = Catalog { dir: self.dir.to_owned(), floor, slot: *slot, segments };
        for (path, read) in snapshot::snapshots(self.dir)? {
            self.report.bytes += fs::metadata(&path).map_or(0, |file| file.len());
            let checked = match read {
                // Left behind by a pruning that was cut short.
                Ok(meta) if meta.head.next < catalog.floor.head.next => Ok(()),
                Ok(meta) => match snapshot::check_place(&catalog, &meta.head) {
                    Err(error @ JournalError::SnapshotPlace { .. }) => Err(error),
                    // Damage of a segment is not the snapshot's.
                    Ok(()) | Err(_) => Ok(()),
                },
                Err(error) => Err(error),
            };
            if let Err(error) = checked {
                let (_, offset, _) = place(&error);
                self.report.findings.push(Finding { file: path, kind: FileKind::Snapshot, offset, at: None, error });
            }
        }
        Ok(())
    }
}

/// File, offset and event that an error names.
fn place(error: &JournalError) -> (Option<PathBuf>, Option<u64>, Option<EventSeq>) {
    match error {
        JournalError::Damaged { file, offset, at, .. } => (Some(file.clone()), Some(*offset), Some(*at)),
        JournalError::BadFile { file, offset, .. } => (Some(file.clone()), Some(*offset), None),
        JournalError::Missing { file, at } => (Some(file.clone()), None, Some(*at)),
        JournalError::Behind { file, found, .. } => (Some(file.clone()), None, Some(*found)),
        JournalError::OtherHistory { file, at, .. } => (Some(file.clone()), None, Some(*at)),
        JournalError::BadWindow { path, .. } => (Some(path.clone()), None, None),
        JournalError::BadHead { path, .. } => (Some(path.clone()), Some(0), None),
        _ => (None, None, None),
    }
}
