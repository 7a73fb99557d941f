//! The journal in memory: same rules and bytes, nothing survives the process.

use std::collections::BTreeMap;

use crowdfold_events::{EventSeq, StoredEvent};

use crate::{Frame, Head, JournalError, JournalStore, Snapshot, Subscription, error::Damage};

/// Frames in memory, encoded as the other store encodes them.
#[derive(Clone, Debug)]
pub struct MemoryJournal {
    frames: BTreeMap<u64, Vec<u8>>,
    head: Head,
}

impl Default for MemoryJournal {
    fn default() -> Self {
        Self { frames: BTreeMap::new(), head: Head::EMPTY }
    }
}

impl MemoryJournal {
    /// All frames' bytes in order: equal for equal histories.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.frames.values().flatten().copied().collect()
    }
}

impl JournalStore for MemoryJournal {
    fn append(&mut self, frames: &[Frame], expected: EventSeq) -> Result<Head, JournalError> {
        for (before, bytes, after) in encode(frames, expected, self.head)? {
            self.frames.insert(before.next.0, bytes);
            self.head = after;
        }
        Ok(self.head)
    }

    fn head(&self) -> Head {
        self.head
    }

    fn floor(&self) -> Head {
        Head::EMPTY
    }

    fn subscribe(&self, _: EventSeq) -> Result<Subscription, JournalError> {
        Err(JournalError::Unsupported { what: "subscribe" })
    }

    fn put_snapshot(&mut self, _: &Snapshot) -> Result<(), JournalError> {
        Err(JournalError::Unsupported { what: "put_snapshot" })
    }

    fn snapshot(&self, _: EventSeq) -> Result<Option<Snapshot>, JournalError> {
        Err(JournalError::Unsupported { what: "snapshot" })
    }

    fn read(&self, from: EventSeq, limit: usize) -> Result<Vec<StoredEvent>, JournalError> {
        read(from, limit, self.head, |at| {
            let found = self.frames.range(..=at).next_back().or_else(|| self.frames.first_key_value());
            Ok(found.map(|(first, bytes)| (EventSeq(*first), bytes.clone())))
        })
    }
}

/// Frames behind `head` as (head before, bytes, head after), after the checks
/// that every store makes of its caller.
pub(crate) fn encode(
    frames: &[Frame],
    expected: EventSeq,
    head: Head,
) -> Result<Vec<(Head, Vec<u8>, Head)>, JournalError> {
    if expected != head.next {
        return Err(JournalError::WrongPlace { expected, found: head.next });
    }
    let (mut before, mut encoded) = (head, Vec::with_capacity(frames.len()));
    for frame in frames {
        if frame.is_genesis() != (before.next == EventSeq(0)) {
            return Err(JournalError::Genesis { at: before.next, genesis: frame.is_genesis() });
        }
        let after = frame.head_after(&before);
        encoded.push((before, frame.to_bytes(&before), after));
        before = after;
    }
    Ok(encoded)
}

/// Events from a store that finds the frame holding an event by its number.
pub(crate) fn read(
    from: EventSeq,
    limit: usize,
    head: Head,
    frame_with: impl Fn(u64) -> Result<Option<(EventSeq, Vec<u8>)>, JournalError>,
) -> Result<Vec<StoredEvent>, JournalError> {
    if from > head.next {
        return Err(JournalError::BeyondEnd { from, end: head.next });
    }
    let (mut at, mut events, mut before) = (from, Vec::new(), None);
    while events.len() < limit && at < head.next {
        let gap = JournalError::Damaged { file: "memory".into(), offset: 0, at, detail: Damage::Header };
        let Some((first, bytes)) = frame_with(at.0)? else { return Err(gap) };
        let damaged = |detail| JournalError::Damaged { file: "memory".into(), offset: 0, at: first, detail };
        let (frame, previous) = Frame::from_bytes(&bytes, first).map_err(damaged)?;
        let before_frame: Head = before.unwrap_or(Head { next: first, hash: previous });
        if previous != before_frame.hash {
            return Err(damaged(Damage::Chain { expected: before_frame.hash, found: previous }));
        }
        let after = frame.head_after(&before_frame);
        if first > at || after.next <= at {
            return Err(gap);
        }
        if after.next == head.next && after.hash != head.hash {
            return Err(JournalError::OtherHistory {
                file: "memory".into(),
                at: head.next,
                acknowledged: head.hash,
                found: after.hash,
            });
        }
        let skip = (at.0 - first.0) as usize;
        events.extend(frame.into_events().into_iter().skip(skip).take(limit - events.len()));
        (at, before) = (after.next, Some(after));
    }
    Ok(events)
}
