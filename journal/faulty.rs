//! A journal in memory that survives its process, on a disk that fails when
//! told to.
//!
//! [`FaultyDisk`] is what remains when a process dies; [`FaultyJournal`] is the
//! store that a process opens on it. Frames, rules and errors are those of the
//! store on a real disk. There is no randomness here: whoever drives it says
//! which fault comes next, so one seed always makes the same history, and
//! [`FaultCounts`] says what was really injected.
//!
//! ```text
//! append: frames written ──► synced ──► HEAD synced ──► acknowledged
//! power cut: what was not synced is gone, but for some bytes of it
//! restart:   what was written stays
//! ```

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crowdfold_events::{EventSeq, StoredEvent};

use crate::{
    Frame, Head, JournalError, JournalStore, MemoryJournal, Snapshot, Subscription,
    frame::decode_frame,
    memory::{self, Group},
};

const NAME: &str = "memory";

/// What goes wrong with the next append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFault {
    /// The write fails (EIO) after so many bytes of it.
    Io {
        /// Bytes that were written and not synced.
        written: usize,
    },
    /// The disk is full (ENOSPC) after so many bytes.
    Full {
        /// Bytes that were written and not synced.
        written: usize,
    },
    /// Everything is written, the sync fails.
    Sync,
    /// The sync of frames and of HEAD says that it worked and did nothing.
    Lie,
    /// The sync of the frames did nothing, HEAD is durable.
    LieBeforeHead,
}

/// How often each fault really happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Appends that failed with EIO.
    pub io: u64,
    /// Appends that failed because the disk was full.
    pub full: u64,
    /// Appends whose sync failed.
    pub sync: u64,
    /// Appends that were acknowledged without being durable.
    pub lies: u64,
    /// Power cuts.
    pub power_cuts: u64,
    /// Restarts that kept what was written.
    pub restarts: u64,
    /// Power cuts that left part of a frame.
    pub torn_tails: u64,
    /// Frames that were written, or acknowledged by a lie, and lost.
    pub frames_lost: u64,
    /// Events that were acknowledged and lost; only lies can do that.
    pub acknowledged_lost: u64,
    /// Bits flipped in what one read got.
    pub read_flips: u64,
    /// Bits flipped for good.
    pub rotten: u64,
}

/// A frame as written, possibly only its first bytes.
#[derive(Clone, Debug)]
struct Stored {
    before: Head,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Content {
    frames: Vec<Stored>,
    /// Frames that a power cut leaves.
    synced: usize,
    /// HEAD as written, and as a power cut leaves it.
    head: Head,
    synced_head: Head,
    /// What callers were told is durable.
    acknowledged: Head,
    snapshots: Vec<Snapshot>,
    appends: VecDeque<AppendFault>,
    read_flips: VecDeque<(usize, u8)>,
    counts: FaultCounts,
    /// Number of processes that ever had it open.
    opened: u64,
    is_open: bool,
}

/// What is on the disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct FaultyDisk(Arc<Mutex<Content>>);

impl Default for FaultyDisk {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Content {
            frames: Vec::new(),
            synced: 0,
            head: Head::EMPTY,
            synced_head: Head::EMPTY,
            acknowledged: Head::EMPTY,
            snapshots: Vec::new(),
            appends: VecDeque::new(),
            read_flips: VecDeque::new(),
            counts: FaultCounts::default(),
            opened: 0,
            is_open: false,
        })))
    }
}

impl FaultyDisk {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the journal as a new process does: damage below HEAD is an error,
    /// what is behind HEAD is kept if whole and removed otherwise.
    pub fn open(&self) -> Result<FaultyJournal, JournalError> {
        let mut content = self.content();
        if content.is_open {
            return Err(JournalError::InUse { path: NAME.into() });
        }
        let (view, whole) = content.recover()?;
        content.frames.truncate(whole);
        content.synced = whole;
        (content.head, content.synced_head, content.acknowledged) = (view.head(), view.head(), view.head());
        content.opened += 1;
        content.is_open = true;
        Ok(FaultyJournal { disk: self.clone(), process: content.opened, view, poisoned: None })
    }

    /// The fault of the next append that has none yet.
    pub fn fail_append(&self, fault: AppendFault) {
        self.content().appends.push_back(fault);
    }

    /// The next read of a frame gets it with a bit flipped: `bit` (0 to 7) of
    /// byte `byte` modulo the frame's length. The stored frame stays whole.
    pub fn flip_on_read(&self, byte: usize, bit: u8) {
        self.content().read_flips.push_back((byte, bit % 8));
    }

    /// Flips a bit of what is stored, for good: `byte` modulo all bytes. False
    /// when there is nothing to flip.
    pub fn rot(&self, byte: usize, bit: u8) -> bool {
        let mut content = self.content();
        let total: usize = content.frames.iter().map(|f| f.bytes.len()).sum();
        if total == 0 {
            return false;
        }
        let mut at = byte % total;
        for frame in &mut content.frames {
            match frame.bytes.get_mut(at) {
                Some(byte) => {
                    *byte ^= 1 << (bit % 8);
                    break;
                }
                None => at -= frame.bytes.len(),
            }
        }
        content.counts.rotten += 1;
        true
    }

    /// The process dies, the machine goes on: what was written stays.
    pub fn restart(&self) {
        let mut content = self.content();
        content.is_open = false;
        content.counts.restarts += 1;
    }

    /// The power fails: of what was written and not synced only the first
    /// `kept` bytes remain.
    pub fn power_cut(&self, kept: usize) {
        let mut content = self.content();
        let content = &mut *content;
        content.is_open = false;
        content.counts.power_cuts += 1;
        let (mut left, mut keep) = (kept, content.synced);
        for frame in &mut content.frames[content.synced..] {
            if left == 0 {
                break;
            }
            keep += 1;
            if frame.bytes.len() > left {
                frame.bytes.truncate(left);
                content.counts.torn_tails += 1;
                break;
            }
            left -= frame.bytes.len();
        }
        content.counts.frames_lost += (content.frames.len() - keep) as u64;
        content.frames.truncate(keep);
        content.synced = content.frames.len();
        content.head = content.synced_head;
        let end = content.whole_end();
        content.counts.acknowledged_lost += content.acknowledged.next.0.saturating_sub(end);
    }

    /// What was injected so far.
    #[must_use]
    pub fn counts(&self) -> FaultCounts {
        self.content().counts
    }

    /// All frames' bytes in order: equal for equal histories.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.content().frames.iter().flat_map(|f| f.bytes.iter().copied()).collect()
    }
}

impl Content {
    /// The whole frames and their number.
    fn recover(&self) -> Result<(MemoryJournal, usize), JournalError> {
        let mut view = MemoryJournal::default();
        let mut whole = 0;
        let mut offset = 0;
        for Stored { bytes, .. } in &self.frames {
            let before = view.head();
            match decode_frame(bytes, &before) {
                Ok(frame) => drop(view.append(&[frame], before.next)?),
                Err(detail) if before.next < self.head.next => {
                    return Err(JournalError::Damaged { file: NAME.into(), offset, at: before.next, detail });
                }
                Err(_) => break,
            }
            offset += bytes.len() as u64;
            whole += 1;
            let end = view.head();
            if end.next == self.head.next && end.hash != self.head.hash {
                let (at, acknowledged, found) = (end.next, self.head.hash, end.hash);
                return Err(JournalError::OtherHistory { file: NAME.into(), at, acknowledged, found });
            }
        }
        if view.head().next < self.head.next {
            let (acknowledged, found) = (self.head.next, view.head().next);
            return Err(JournalError::Behind { file: NAME.into(), acknowledged, found });
        }
        for snapshot in &self.snapshots {
            // A snapshot of a history that a lie has lost is no snapshot of this one.
            view.put_snapshot(snapshot).or_else(|error| if error.is_callers() { Ok(()) } else { Err(error) })?;
        }
        Ok((view, whole))
    }

    /// Number of the event after the last whole frame.
    fn whole_end(&self) -> u64 {
        let mut head = Head::EMPTY;
        for Stored { bytes, .. } in &self.frames {
            let Ok(frame) = decode_frame(bytes, &head) else { break };
            head = frame.head_after(&head);
        }
        head.next.0
    }

    /// Writes frames, of all their bytes only the first `limit`.
    fn write(&mut self, group: &Group, mut limit: usize) {
        for frame in &group.frames {
            if limit == 0 {
                return;
            }
            let bytes = &group.bytes[frame.range.clone()];
            let kept = bytes.len().min(limit);
            self.frames.push(Stored { before: frame.before, bytes: bytes[..kept].to_vec() });
            limit -= kept;
        }
    }

    fn append(&mut self, group: &Group) -> Result<(), JournalError> {
        let head = group.after;
        let failed = |step, detail: &str| Err(JournalError::Io { step, detail: detail.to_owned() });
        match self.appends.pop_front() {
            Some(AppendFault::Io { written }) => {
                self.write(group, written);
                self.counts.io += 1;
                return failed("write a frame", "Input/output error (os error 5)");
            }
            Some(AppendFault::Full { written }) => {
                self.write(group, written);
                self.counts.full += 1;
                return failed("write a frame", "No space left on device (os error 28)");
            }
            Some(AppendFault::Sync) => {
                self.write(group, usize::MAX);
                self.counts.sync += 1;
                return failed("sync a frame", "Input/output error (os error 5)");
            }
            Some(AppendFault::Lie) => {
                self.write(group, usize::MAX);
                self.counts.lies += 1;
                self.head = head;
            }
            Some(AppendFault::LieBeforeHead) => {
                self.write(group, usize::MAX);
                self.counts.lies += 1;
                (self.head, self.synced_head) = (head, head);
            }
            None => {
                self.write(group, usize::MAX);
                self.synced = self.frames.len();
                (self.head, self.synced_head) = (head, head);
            }
        }
        self.acknowledged = head;
        Ok(())
    }
}

/// A journal on a [`FaultyDisk`], for the life of one process.
#[derive(Debug)]
pub struct FaultyJournal {
    disk: FaultyDisk,
    process: u64,
    /// What this process knows to be acknowledged.
    view: MemoryJournal,
    poisoned: Option<JournalError>,
}

impl FaultyJournal {
    fn healthy(&self) -> Result<MutexGuard<'_, Content>, JournalError> {
        if let Some(error) = &self.poisoned {
            return Err(error.clone());
        }
        let content = self.disk.content();
        if content.is_open && content.opened == self.process {
            Ok(content)
        } else {
            Err(JournalError::Io { step: "use the journal", detail: "this process was killed".to_owned() })
        }
    }

    /// Finds a flipped bit in the frame that holds event `at`, as every read must.
    fn flipped(&self, content: &mut Content, at: EventSeq) -> Result<(), JournalError> {
        let Some((index, stored)) = content.frames.iter().enumerate().rfind(|(_, f)| f.before.next <= at) else {
            return Ok(());
        };
        let Some((byte, bit)) = content.read_flips.pop_front() else { return Ok(()) };
        content.counts.read_flips += 1;
        let mut bytes = stored.bytes.clone();
        let length = bytes.len();
        bytes[byte % length] ^= 1 << bit;
        let offset = content.frames[..index].iter().map(|f| f.bytes.len() as u64).sum();
        let damaged = |detail| JournalError::Damaged { file: NAME.into(), offset, at: stored.before.next, detail };
        decode_frame(&bytes, &stored.before).map(drop).map_err(damaged)
    }
}

impl Drop for FaultyJournal {
    /// Lets the disk go, unless the process was killed before and another has it.
    fn drop(&mut self) {
        let mut content = self.disk.content();
        if content.opened == self.process {
            content.is_open = false;
        }
    }
}

impl JournalStore for FaultyJournal {
    fn append(&mut self, frames: &[Frame], expected: EventSeq) -> Result<Head, JournalError> {
        let mut content = self.healthy()?;
        let group = memory::encode(frames, expected, self.view.head())?;
        if frames.is_empty() {
            return Ok(group.after);
        }
        let result = content.append(&group);
        drop(content);
        if let Err(error) = result {
            self.poisoned = Some(error.clone());
            return Err(error);
        }
        self.view.append(frames, expected)
    }

    fn head(&self) -> Head {
        self.view.head()
    }

    fn floor(&self) -> Head {
        self.view.floor()
    }

    fn read(&self, from: EventSeq, limit: usize) -> Result<Vec<StoredEvent>, JournalError> {
        let mut content = self.healthy()?;
        if limit > 0 && from < self.view.head().next {
            self.flipped(&mut content, from)?;
        }
        drop(content);
        self.view.read(from, limit)
    }

    fn subscribe(&self, from: EventSeq) -> Result<Subscription, JournalError> {
        drop(self.healthy()?);
        self.view.subscribe(from)
    }

    fn put_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), JournalError> {
        drop(self.healthy()?);
        self.view.put_snapshot(snapshot)?;
        self.disk.content().snapshots.push(snapshot.clone());
        Ok(())
    }

    fn snapshot(&self, at_most: EventSeq) -> Result<Option<Snapshot>, JournalError> {
        drop(self.healthy()?);
        self.view.snapshot(at_most)
    }
}
