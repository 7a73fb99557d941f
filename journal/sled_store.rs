//! The journal on disk: the writer.
//!
//! ```text
//! DIR/LOCK        held while open      DIR/HEAD     the end; see head_file
//! DIR/segments/   all frames           DIR/sled/    the newest ones again; see window
//! DIR/snapshots/  states               DIR/FLOOR    the beginning, after pruning
//! ```
//!
//! An append writes its frames to the newest segment and to the window, makes
//! both durable, then HEAD, and only then returns. So every acknowledged frame
//! is in a segment, and those of the newest segment (and of the one before, in
//! the window before) are there twice. Reads come from the segments.
//! [`crate::recovery`] opens a directory.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use crowdfold_events::{EventSeq, StoredEvent};

use crate::{
    Disk, Frame, Head, JournalError, JournalStore, Options, PruneReport, RealDisk, Snapshot, SnapshotWriter,
    Subscription,
    catalog::Catalog,
    head_file::{HeadFile, Slot},
    lock::Lock,
    memory, prune,
    reader::{EventCursor, Reader},
    recovery,
    segment::{self, Summary},
    snapshot,
    window::{self, Window},
};

/// A journal in a directory of its own.
pub struct SledJournal {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
    pub(crate) catalog: Catalog,
    pub(crate) head_file: HeadFile,
    /// The newest segment unless it is sealed.
    pub(crate) active: Option<Active>,
    /// The database of the newest segment, once there is one.
    pub(crate) window: Option<Window>,
    /// Number of the next database.
    pub(crate) next_window: u64,
    /// A database that HEAD no longer names.
    pub(crate) stale_window: Option<u64>,
    pub(crate) events: Mutex<EventCursor>,
    pub(crate) poisoned: Option<JournalError>,
    pub(crate) _lock: Lock,
}

/// A segment that grows.
pub(crate) struct Active {
    /// Held for the whole life: an fsync error is reported once per handle.
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) summary: Summary,
}

impl core::fmt::Debug for SledJournal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SledJournal")
            .field("dir", &self.catalog.dir)
            .field("head", &self.catalog.slot.head)
            .finish_non_exhaustive()
    }
}

impl SledJournal {
    /// Opens or creates the journal of a directory, after a check of HEAD, of
    /// the newest segment and its window, and of the other segments' footers.
    ///
    /// # Errors
    /// Another process has it, it is damaged (nothing is changed then), or the
    /// disk failed.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        Self::open_with(dir, Options::default(), Arc::new(RealDisk))
    }

    /// As [`Self::open`], with other sizes or another way to make things durable.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(dir: &Path, options: Options, disk: Arc<dyn Disk>) -> Result<Self, JournalError> {
        recovery::open(dir, options, disk)
    }

    /// Removes the sealed segments that end at or before event `before`, after
    /// a check of them. A good snapshot must lie between the new floor and the
    /// head. Killed in between, the next open finishes it.
    ///
    /// # Errors
    /// There is no such snapshot, a segment is damaged, or the disk failed
    /// (final).
    pub fn prune(&mut self, before: EventSeq) -> Result<PruneReport, JournalError> {
        self.healthy()?;
        let pruned = prune::run(&*self.disk, &mut self.catalog, before);
        self.poison_on_error(pruned)
    }

    fn healthy(&self) -> Result<(), JournalError> {
        self.poisoned.clone().map_or(Ok(()), Err)
    }

    fn poison_on_error<T>(&mut self, result: Result<T, JournalError>) -> Result<T, JournalError> {
        if let Err(error) = &result
            && !error.is_callers()
        {
            self.poisoned = Some(error.clone());
        }
        result
    }

    fn write(&mut self, group: &memory::Group) -> Result<(), JournalError> {
        let (disk, dir, before) = (&*self.disk, &self.catalog.dir, self.catalog.slot);
        if let Some(number) = self.stale_window.take() {
            let path = window::path(dir, number);
            disk.remove_dir(&path).map_err(JournalError::io("remove", &path))?;
        }
        let mut slot = Slot { generation: before.generation + 1, head: group.after, ..before };
        let rolls = self.active.is_none();
        let mut bytes = Vec::new();
        if rolls {
            let path = segment::path(dir, before.head.next.0);
            let file = disk.create_file(&path).map_err(JournalError::io("create", &path))?;
            bytes = segment::header(&before.head);
            self.active = Some(Active { file, path, summary: Summary::new(before.head) });
            self.window = Some(Window::create(disk, dir, self.next_window, self.options.sled_segment_bytes)?);
            (slot.window, slot.window_before) = (self.next_window, before.window);
            slot.segment = before.head.next.0;
            self.next_window += 1;
        }
        let no_segment = "invariant: a segment and its window were just made sure of";
        let (active, window) = (self.active.as_mut().expect(no_segment), self.window.as_mut().expect(no_segment));
        let offset = if rolls { 0 } else { active.summary.end };
        for frame in &group.frames {
            active.summary.push(frame.after, frame.range.len() as u64, frame.payload);
            slot.frames += 1;
            slot.payload += frame.payload;
        }
        slot.segment_end = active.summary.end;
        let seals = active.summary.end >= self.options.segment_bytes;
        let footer = if seals { active.summary.footer() } else { Vec::new() };
        let whole;
        let bytes = if bytes.is_empty() && footer.is_empty() {
            &group.bytes
        } else {
            whole = [bytes.as_slice(), &group.bytes, &footer].concat();
            &whole
        };
        let to_segment = || {
            disk.write_at(&active.file, &active.path, offset, bytes)
                .map_err(JournalError::io("write", &active.path))?;
            disk.sync_data(&active.file, &active.path).map_err(JournalError::io("sync", &active.path))?;
            let folder = segment::folder(dir);
            if rolls { disk.sync_dir(&folder).map_err(JournalError::io("sync", &folder)) } else { Ok(()) }
        };
        let mut to_window = || {
            for frame in &group.frames {
                window.insert(disk, frame.before.next.0, &group.bytes[frame.range.clone()])?;
            }
            window.sync(disk)
        };
        if disk.is_parallel() {
            thread::scope(|scope| {
                let segment = scope.spawn(to_segment);
                let window = to_window();
                let died = JournalError::Io { step: "write the segment", detail: "its thread died".to_owned() };
                segment.join().unwrap_or(Err(died)).and(window)
            })?;
        } else {
            to_segment()?;
            to_window()?;
        }
        self.head_file.write(disk, &slot)?;
        self.catalog.slot = slot;
        if seals {
            self.active = None;
        }
        if rolls {
            self.catalog.segments.push(slot.segment);
            self.stale_window = Some(before.window_before).filter(|number| *number != 0);
        }
        Ok(())
    }
}

impl JournalStore for SledJournal {
    fn append(&mut self, frames: &[Frame], expected: EventSeq) -> Result<Head, JournalError> {
        self.healthy()?;
        let group = memory::encode(frames, expected, self.head())?;
        if !group.frames.is_empty() {
            let written = self.write(&group);
            self.poison_on_error(written)?;
        }
        Ok(self.head())
    }

    fn head(&self) -> Head {
        self.catalog.slot.head
    }

    fn floor(&self) -> Head {
        self.catalog.floor.head
    }

    fn read(&self, from: EventSeq, limit: usize) -> Result<Vec<StoredEvent>, JournalError> {
        self.healthy()?;
        self.events.lock().unwrap_or_else(PoisonError::into_inner).read(&self.catalog, from, limit)
    }

    fn subscribe(&self, from: EventSeq) -> Result<Subscription, JournalError> {
        self.healthy()?;
        Reader::subscribe(&self.catalog.dir, from)
    }

    fn put_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), JournalError> {
        self.healthy()?;
        let put = snapshot::put(&*self.disk, &self.catalog, snapshot, self.options.snapshots_kept);
        self.poison_on_error(put)
    }

    fn snapshot_writer(&self) -> Result<SnapshotWriter, JournalError> {
        self.healthy()?;
        let (dir, disk, kept) = (self.catalog.dir.clone(), self.disk.clone(), self.options.snapshots_kept);
        Ok(Box::new(move |snapshot| snapshot::put(&*disk, &Catalog::load(&dir)?.0, snapshot, kept)))
    }

    fn snapshot(&self, at_most: EventSeq) -> Result<Option<Snapshot>, JournalError> {
        self.healthy()?;
        snapshot::newest(&self.catalog, at_most)
    }
}
