//! What a directory holds as of one look: floor, HEAD and the names of the
//! segments; and walking over its frames across segments.

use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crowdfold_events::EventSeq;

use crate::{
    Floor, Head, JournalError,
    cursor::{SegmentCursor, Step, Until},
    floor,
    head_file::{self, HeadState, Slot},
    segment,
};

/// A look at a directory.
#[derive(Clone, Debug)]
pub(crate) struct Catalog {
    pub(crate) dir: PathBuf,
    pub(crate) floor: Floor,
    pub(crate) slot: Slot,
    /// First events of the segments, ascending.
    pub(crate) segments: Vec<u64>,
}

/// Reads HEAD while somebody may be writing it: a slot that is not whole is
/// looked at again for some milliseconds before it is believed.
pub(crate) fn settled_head(dir: &Path) -> Result<HeadState, JournalError> {
    const ATTEMPTS: u32 = 20;
    const PAUSE: Duration = Duration::from_millis(1);
    let missing = || JournalError::BadHead { path: head_file::path(dir), detail: "it is missing" };
    for _ in 1..ATTEMPTS {
        match head_file::read(dir) {
            Ok(Some(state)) if state.other.is_none() => return Ok(state),
            Ok(None) => return Err(missing()),
            Ok(Some(_)) | Err(_) => thread::sleep(PAUSE),
        }
    }
    head_file::read(dir)?.ok_or_else(missing)
}

impl Catalog {
    /// Looks at `dir`, and says what is wrong with the older slot of HEAD.
    pub(crate) fn load(dir: &Path) -> Result<(Self, Option<JournalError>), JournalError> {
        let HeadState { slot, other } = settled_head(dir)?;
        let segments = segment::list(dir)?.0;
        let floor = floor::read(dir)?;
        Ok((Self { dir: dir.to_owned(), floor, slot, segments }, other))
    }

    /// Looks again; never goes back.
    pub(crate) fn refresh(&mut self) -> Result<(), JournalError> {
        let slot = settled_head(&self.dir)?.slot;
        if slot.generation <= self.slot.generation {
            return Ok(());
        }
        if slot.segment != self.slot.segment || self.segments.is_empty() {
            self.segments = segment::list(&self.dir)?.0;
            self.floor = floor::read(&self.dir)?;
        }
        self.slot = slot;
        Ok(())
    }

    /// Where a segment's frames end.
    fn until(&self, first: u64) -> Until {
        if first == self.slot.segment { Until::Byte(self.slot.segment_end) } else { Until::Footer }
    }

    fn open(&self, first: u64) -> Result<SegmentCursor, JournalError> {
        match SegmentCursor::open(&self.dir, first, self.until(first)) {
            Err(JournalError::Missing { file, at }) => {
                // It may have been pruned since the last look.
                let floor = floor::read(&self.dir)?.head.next;
                if at < floor {
                    Err(JournalError::Pruned { from: at, floor })
                } else {
                    Err(JournalError::Missing { file, at })
                }
            }
            opened => opened,
        }
    }

    /// Checks that event `from` may be read.
    pub(crate) fn check_range(&self, from: EventSeq) -> Result<(), JournalError> {
        let (floor, end) = (self.floor.head.next, self.slot.head.next);
        if from < floor {
            return Err(JournalError::Pruned { from, floor });
        }
        if from > end {
            return Err(JournalError::BeyondEnd { from, end });
        }
        Ok(())
    }

    /// A cursor before the frame that holds event `from`.
    pub(crate) fn cursor(&self, from: EventSeq) -> Result<Cursor, JournalError> {
        self.check_range(from)?;
        if self.slot.segment_end == 0 {
            return Ok(Cursor { segment: None, at: self.slot.head });
        }
        let after = self.segments.partition_point(|first| *first <= from.0.min(self.slot.segment));
        let first = after.checked_sub(1).map_or(self.floor.head.next.0, |at| self.segments[at]);
        let mut segment = self.open(first)?;
        if first == self.floor.head.next.0 {
            segment::check_joint(segment.path(), &self.floor.head, &segment.head())?;
        }
        segment.seek(from.0)?;
        if !segment.has_more() && from < self.slot.head.next {
            // The segment ends before the event and no other begins there.
            let at = segment.head().next;
            return Err(JournalError::Missing { file: segment::path(&self.dir, at.0), at });
        }
        Ok(Cursor { at: segment.head(), segment: Some(segment) })
    }
}

/// A place between two frames of a journal.
#[derive(Debug)]
pub(crate) struct Cursor {
    segment: Option<SegmentCursor>,
    at: Head,
}

impl Cursor {
    /// The head before the next frame.
    pub(crate) fn at(&self) -> Head {
        self.segment.as_ref().map_or(self.at, SegmentCursor::head)
    }

    /// The next frame up to the catalogue's head, checked, with its segment's
    /// file; `None` at the head.
    pub(crate) fn step(&mut self, catalog: &Catalog) -> Result<Option<(Step<'_>, PathRef)>, JournalError> {
        loop {
            let end = catalog.slot.head;
            let Some(segment) = &mut self.segment else {
                if self.at.next >= end.next {
                    return Ok(None);
                }
                let segment = catalog.open(self.at.next.0)?;
                segment::check_joint(segment.path(), &self.at, &segment.head())?;
                self.segment = Some(segment);
                continue;
            };
            if !segment.has_more() {
                self.at = segment.head();
                let first = segment.first()?;
                segment.extend(catalog.until(first))?;
                if segment.has_more() {
                    continue;
                }
                let file = segment.path().to_path_buf();
                let sealed = segment.sealed().map_or(self.at, |sealed| sealed.after);
                if sealed != self.at {
                    return Err(other_history(file, sealed, self.at));
                }
                if first >= catalog.slot.segment {
                    // The newest segment: all of it is acknowledged, and nothing else.
                    return if self.at == end { Ok(None) } else { Err(other_history(file, end, self.at)) };
                }
                self.segment = None;
                continue;
            }
            break;
        }
        let Some(segment) = &mut self.segment else { return Ok(None) };
        let path = segment.path().clone();
        Ok(segment.step()?.map(|step| (step, path)))
    }
}

/// The file of a frame.
pub(crate) type PathRef = std::sync::Arc<Path>;

/// A file that leads elsewhere than it must.
pub(crate) fn other_history(file: PathBuf, expected: Head, found: Head) -> JournalError {
    if found.next < expected.next {
        return JournalError::Behind { file, acknowledged: expected.next, found: found.next };
    }
    JournalError::OtherHistory { file, at: found.next, acknowledged: expected.hash, found: found.hash }
}
