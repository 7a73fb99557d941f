//! Reading from any process, without the writer's lock and without sled.
//!
//! A reader sees the journal up to the HEAD of its last look, which is durable;
//! what is before that never changes, so a writer may go on meanwhile.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use crowdfold_events::{EventSeq, StoredEvent};

use crate::{
    Floor, Frame, Head, JournalError, Snapshot, Subscription, SubscriptionSource,
    catalog::{Catalog, Cursor},
    error::Damage,
    snapshot,
};

/// A frame with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameAt {
    /// The head before it; `before.next` is the number of its first event.
    pub before: Head,
    /// The head after it.
    pub after: Head,
    /// The frame, checked.
    pub frame: Frame,
    /// The file that holds it.
    pub file: Arc<Path>,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// Its length in the file, in bytes.
    pub bytes: u64,
}

/// A view of a journal's directory as of its last refresh.
#[derive(Debug)]
pub struct Reader {
    catalog: Catalog,
    head_damage: Option<JournalError>,
    /// Where the last read ended, because the next one often begins there.
    events: Mutex<EventCursor>,
}

impl Reader {
    /// Opens the journal in `dir`, read-only.
    ///
    /// # Errors
    /// There is no journal, or `HEAD` or `FLOOR` cannot be read.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        let (catalog, head_damage) = Catalog::load(dir)?;
        Ok(Self { catalog, head_damage, events: Mutex::default() })
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.catalog.dir
    }

    /// Where the journal begins.
    #[must_use]
    pub fn floor(&self) -> &Floor {
        &self.catalog.floor
    }

    /// Where it ended when it was last looked at.
    #[must_use]
    pub fn head(&self) -> Head {
        self.catalog.slot.head
    }

    /// What is wrong with the older half of `HEAD`: if anything is, the
    /// journal may end later than [`Self::head`] says.
    #[must_use]
    pub fn head_damage(&self) -> Option<&JournalError> {
        self.head_damage.as_ref()
    }

    /// Looks again where it ends; never goes back.
    ///
    /// # Errors
    /// `HEAD` or `FLOOR` cannot be read.
    pub fn refresh(&mut self) -> Result<Head, JournalError> {
        self.catalog.refresh()?;
        Ok(self.head())
    }

    /// Up to `limit` events from number `from` on, checked.
    ///
    /// # Errors
    /// `from` is out of range, or a frame is damaged.
    pub fn read(&self, from: EventSeq, limit: usize) -> Result<Vec<StoredEvent>, JournalError> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).read(&self.catalog, from, limit)
    }

    /// The frames from the one that holds event `from` on, up to the head, in
    /// order, each checked against the one before. After an error it ends.
    ///
    /// # Errors
    /// `from` is out of range, or the frame that holds it is damaged.
    pub fn frames(&self, from: EventSeq) -> Result<Frames<'_>, JournalError> {
        Ok(Frames { catalog: &self.catalog, cursor: Some(self.catalog.cursor(from)?) })
    }

    /// The frame that holds event `seq`.
    ///
    /// # Errors
    /// `seq` is out of range, or the frame is damaged.
    pub fn locate(&self, seq: EventSeq) -> Result<FrameAt, JournalError> {
        let end = JournalError::BeyondEnd { from: seq, end: self.head().next };
        self.frames(seq)?.next().ok_or(end)?
    }

    /// Calls `visit` with the number and stored bytes of each event from
    /// `from`'s frame on, up to the head, all checked, none copied.
    ///
    /// # Errors
    /// `from` is out of range, or a frame is damaged; what comes before it was visited.
    pub fn scan(&self, from: EventSeq, visit: &mut dyn FnMut(EventSeq, &[u8])) -> Result<Head, JournalError> {
        let mut cursor = self.catalog.cursor(from)?;
        while let Some((step, _)) = cursor.step(&self.catalog)? {
            for (event, at) in step.frame.events().zip(step.before.next.0..) {
                visit(EventSeq(at), event);
            }
        }
        Ok(self.head())
    }

    /// The newest good snapshot at or before event `at_most` that lies on the chain.
    ///
    /// # Errors
    /// The folder of the snapshots cannot be listed.
    pub fn snapshot(&self, at_most: EventSeq) -> Result<Option<Snapshot>, JournalError> {
        snapshot::newest(&self.catalog, at_most)
    }

    /// Places of the snapshots between floor and head, ascending. Whether they
    /// are good shows when they are read.
    ///
    /// # Errors
    /// The folder of the snapshots cannot be listed.
    pub fn snapshot_places(&self) -> Result<Vec<EventSeq>, JournalError> {
        let kept = self.catalog.floor.head.next..=self.head().next;
        Ok(snapshot::list(self.dir())?.0.into_iter().map(EventSeq).filter(|at| kept.contains(at)).collect())
    }

    /// A subscription that lives on its own.
    ///
    /// # Errors
    /// As [`Self::open`], or `from` is out of range.
    pub fn subscribe(dir: &Path, from: EventSeq) -> Result<Subscription, JournalError> {
        Subscription::over(Box::new(Self::open(dir)?), from)
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        &self.catalog
    }
}

impl SubscriptionSource for Reader {
    fn refresh(&mut self) -> Result<Head, JournalError> {
        Self::refresh(self)
    }

    fn read(&mut self, from: EventSeq, limit: usize) -> Result<Vec<StoredEvent>, JournalError> {
        Self::read(self, from, limit)
    }
}

/// See [`Reader::frames`].
#[derive(Debug)]
pub struct Frames<'a> {
    catalog: &'a Catalog,
    cursor: Option<Cursor>,
}

impl Iterator for Frames<'_> {
    type Item = Result<FrameAt, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.cursor.as_mut()?.step(self.catalog).and_then(|step| {
            let Some((step, file)) = step else { return Ok(None) };
            let (before, after, offset, bytes) = (step.before, step.after, step.offset, step.frame.bytes.len() as u64);
            let damaged =
                |detail: Damage| JournalError::Damaged { file: file.to_path_buf(), offset, at: before.next, detail };
            let frame = step.frame.to_frame().map_err(damaged)?;
            Ok(Some(FrameAt { before, after, frame, file, offset, bytes }))
        });
        if !matches!(step, Ok(Some(_))) {
            self.cursor = None;
        }
        step.transpose()
    }
}

/// Reads events in portions and remembers where the last one ended.
#[derive(Debug, Default)]
pub(crate) struct EventCursor {
    cursor: Option<Cursor>,
    /// Events of the last frame that were not asked for yet.
    pending: VecDeque<StoredEvent>,
    /// Number of the first of them, or of the next frame's first event.
    next: EventSeq,
}

impl EventCursor {
    /// Up to `limit` events from number `from` on.
    pub(crate) fn read(
        &mut self,
        catalog: &Catalog,
        from: EventSeq,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, JournalError> {
        catalog.check_range(from)?;
        if from != self.next {
            *self = Self { next: from, ..Self::default() };
        }
        let events = self.portion(catalog, limit);
        if events.is_err() {
            *self = Self::default();
        }
        events
    }

    fn portion(&mut self, catalog: &Catalog, limit: usize) -> Result<Vec<StoredEvent>, JournalError> {
        let mut events = Vec::new();
        while events.len() < limit {
            if let Some(event) = self.pending.pop_front() {
                events.push(event);
                self.next.0 += 1;
                continue;
            }
            let cursor = match &mut self.cursor {
                Some(cursor) => cursor,
                None => self.cursor.insert(catalog.cursor(self.next)?),
            };
            let Some((step, file)) = cursor.step(catalog)? else { break };
            let skip = (self.next.0 - step.before.next.0.min(self.next.0)) as usize;
            let damaged = |detail| JournalError::Damaged {
                file: file.to_path_buf(),
                offset: step.offset,
                at: step.before.next,
                detail,
            };
            self.pending = step.frame.to_frame().map_err(damaged)?.into_events().into_iter().skip(skip).collect();
        }
        Ok(events)
    }
}
