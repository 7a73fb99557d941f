//! The journal in memory: same rules and bytes, nothing survives the process.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use crowdfold_events::{EventSeq, StoredEvent};

use crate::{
    Frame, Head, JournalError, JournalStore, Snapshot, SnapshotWriter, Subscription, SubscriptionSource,
    error::Damage,
    frame::{self, RawFrame},
};

/// Frames in memory, encoded as the other store encodes them. A clone is
/// another journal.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    /// Shared with subscriptions, which only read.
    shared: Arc<RwLock<Content>>,
}

#[derive(Clone, Debug)]
struct Content {
    snapshots: BTreeMap<u64, Snapshot>,
    frames: BTreeMap<u64, Vec<u8>>,
    head: Head,
}

impl Default for Content {
    fn default() -> Self {
        Self { snapshots: BTreeMap::new(), frames: BTreeMap::new(), head: Head::EMPTY }
    }
}

impl Clone for MemoryJournal {
    fn clone(&self) -> Self {
        Self { shared: Arc::new(RwLock::new(self.content().clone())) }
    }
}

impl MemoryJournal {
    /// All frames' bytes in order: equal for equal histories.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.content().frames.values().flatten().copied().collect()
    }

    fn content(&self) -> RwLockReadGuard<'_, Content> {
        self.shared.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl JournalStore for MemoryJournal {
    fn append(&mut self, frames: &[Frame], expected: EventSeq) -> Result<Head, JournalError> {
        let group = encode(frames, expected, self.head())?;
        let mut content = self.shared.write().unwrap_or_else(PoisonError::into_inner);
        for frame in group.frames {
            content.frames.insert(frame.before.next.0, group.bytes[frame.range].to_vec());
        }
        content.head = group.after;
        Ok(group.after)
    }

    fn head(&self) -> Head {
        self.content().head
    }

    fn floor(&self) -> Head {
        Head::EMPTY
    }

    fn read(&self, from: EventSeq, limit: usize) -> Result<Vec<StoredEvent>, JournalError> {
        self.content().read(from, limit)
    }

    fn subscribe(&self, from: EventSeq) -> Result<Subscription, JournalError> {
        Subscription::over(Box::new(Follower(self.shared.clone())), from)
    }

    fn put_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), JournalError> {
        put(&self.shared, snapshot)
    }

    fn snapshot_writer(&self) -> Result<SnapshotWriter, JournalError> {
        let shared = self.shared.clone();
        Ok(Box::new(move |snapshot| put(&shared, snapshot)))
    }

    fn snapshot(&self, at_most: EventSeq) -> Result<Option<Snapshot>, JournalError> {
        Ok(self.content().snapshots.range(..=at_most.0).next_back().map(|(_, snapshot)| snapshot.clone()))
    }
}

fn put(shared: &RwLock<Content>, snapshot: &Snapshot) -> Result<(), JournalError> {
    let at = snapshot.meta.head;
    let mut content = shared.write().unwrap_or_else(PoisonError::into_inner);
    if content.head_at(at.next) != Some(at) {
        return Err(JournalError::SnapshotPlace { at: at.next, found: at.hash });
    }
    content.snapshots.insert(at.next.0, snapshot.clone());
    Ok(())
}

impl Content {
    fn read(&self, from: EventSeq, limit: usize) -> Result<Vec<StoredEvent>, JournalError> {
        let end = self.head.next;
        if from > end {
            return Err(JournalError::BeyondEnd { from, end });
        }
        let first = self.frames.range(..=from.0).next_back().map_or(0, |(first, _)| *first);
        let (mut events, mut before) = (Vec::new(), None);
        for (first, bytes) in self.frames.range(first..) {
            if events.len() >= limit {
                break;
            }
            let at = EventSeq(*first);
            let damaged = |detail: Damage| JournalError::Damaged { file: "memory".into(), offset: 0, at, detail };
            let raw = RawFrame::parse(bytes).map_err(damaged)?;
            let after = raw.check_after(&before.unwrap_or(raw.before)).map_err(damaged)?;
            let skip = from.0.saturating_sub(*first) as usize;
            let frame = raw.to_frame().map_err(damaged)?;
            events.extend(frame.into_events().into_iter().skip(skip).take(limit - events.len()));
            before = Some(after);
        }
        Ok(events)
    }

    /// The head between two frames, if there is such a place.
    fn head_at(&self, next: EventSeq) -> Option<Head> {
        if next == self.head.next {
            return Some(self.head);
        }
        self.frames.get(&next.0).and_then(|bytes| RawFrame::trusted(bytes).ok()).map(|raw| raw.before)
    }
}

/// A subscription's view.
struct Follower(Arc<RwLock<Content>>);

impl SubscriptionSource for Follower {
    fn refresh(&mut self) -> Result<Head, JournalError> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).head)
    }

    fn read(&mut self, from: EventSeq, limit: usize) -> Result<Vec<StoredEvent>, JournalError> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).read(from, limit)
    }
}

/// Frames of one append, encoded.
pub(crate) struct Group {
    /// All frames' bytes.
    pub(crate) bytes: Vec<u8>,
    pub(crate) frames: Vec<Encoded>,
    /// The head after them.
    pub(crate) after: Head,
}

/// A frame of a group.
pub(crate) struct Encoded {
    pub(crate) before: Head,
    pub(crate) after: Head,
    /// Where it is in the group's bytes.
    pub(crate) range: Range<usize>,
    /// Bytes of its events.
    pub(crate) payload: u64,
}

/// Frames behind `head`, after the checks that every store makes of its caller.
pub(crate) fn encode(frames: &[Frame], expected: EventSeq, head: Head) -> Result<Group, JournalError> {
    if expected != head.next {
        return Err(JournalError::WrongPlace { expected, found: head.next });
    }
    let mut group = Group { bytes: Vec::new(), frames: Vec::with_capacity(frames.len()), after: head };
    for one in frames {
        let before = group.after;
        if one.is_genesis() != (before.next == EventSeq(0)) {
            return Err(JournalError::Genesis { at: before.next, genesis: one.is_genesis() });
        }
        let start = group.bytes.len();
        group.after = one.encode(&before, &mut group.bytes);
        let range = start..group.bytes.len();
        let payload = frame::payload_of(range.len());
        group.frames.push(Encoded { before, after: group.after, range, payload });
    }
    Ok(group)
}
