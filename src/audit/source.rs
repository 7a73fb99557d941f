//! Where stored events come from.
//!
//! An audit reads events in order, once. A source that cannot go on says at
//! which event and why; what it gave before that still counts.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use crowdfold_events::{EventSeq, StoredEvent};
use crowdfold_journal::{FrameAt, JournalError, JournalStore, MAX_FRAME_BYTES, Reader};
use serde::Serialize;

/// Bytes of a frame before its events: magic, format, first event, count (at
/// byte 14), length (at byte 18), head before.
const FRAME_HEADER_BYTES: usize = 54;
/// Events read from a store at a time.
const STEP: usize = 4096;

/// Why there are no more events although the journal goes on. The disk or
/// whoever changed the files is at fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("event {} cannot be read: {detail}", .at.0)]
pub struct SourceFault {
    /// The first event that cannot be read: the first of a frame.
    pub at: EventSeq,
    /// The journal's words: file, offset, what was expected and found.
    pub detail: String,
}

/// The next stored event, or why there is none.
pub type Stored = Result<StoredEvent, SourceFault>;

/// All events of an open store from `from` on.
pub fn from_store(store: &dyn JournalStore, from: EventSeq) -> impl Iterator<Item = Stored> + '_ {
    let mut at = from;
    let mut step: std::vec::IntoIter<StoredEvent> = Vec::new().into_iter();
    let mut ended = false;
    std::iter::from_fn(move || {
        loop {
            if let Some(event) = step.next() {
                at = at.next();
                return Some(Ok(event));
            }
            if ended || at >= store.head().next {
                return None;
            }
            match store.read(at, STEP) {
                Ok(events) if events.is_empty() => return None,
                Ok(events) => step = events.into_iter(),
                Err(fault) => {
                    ended = true;
                    return Some(Err(SourceFault { at, detail: fault.to_string() }));
                }
            }
        }
    })
}

/// All events of a journal's directory from the frame of `from` on.
///
/// Where a frame is damaged, its events as far as they can be told apart come
/// before the fault, unchecked: so that whoever recomputes them can say which
/// one was changed.
pub fn from_reader(reader: &Reader, from: EventSeq) -> impl Iterator<Item = Stored> + '_ {
    let (frames, first_fault) = match reader.frames(from) {
        Ok(frames) => (Some(frames), None),
        Err(fault) => (None, Some(fault)),
    };
    let found = frames.into_iter().flatten().chain(first_fault.map(Err));
    found
        .scan(from, |next, frame| {
            let events: Vec<Stored> = match frame {
                Ok(FrameAt { frame, after, .. }) => {
                    *next = after.next;
                    frame.into_events().into_iter().map(Ok).collect()
                }
                Err(fault) => {
                    let found = salvaged(&fault).into_iter().map(Ok);
                    found.chain([Err(SourceFault { at: *next, detail: fault.to_string() })]).collect()
                }
            };
            Some(events)
        })
        .flatten()
}

/// Events of a damaged frame, as far as they can be told apart.
fn salvaged(fault: &JournalError) -> Vec<StoredEvent> {
    let JournalError::Damaged { file, offset, .. } = fault else { return Vec::new() };
    let bytes = frame_bytes(file, *offset).unwrap_or_default();
    let count = bytes.get(14..18).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let mut rest = bytes.get(FRAME_HEADER_BYTES..).unwrap_or_default();
    let mut events = Vec::new();
    while (events.len() as u64) < u64::from(count)
        && let Ok((event, after)) = StoredEvent::split(rest)
    {
        events.push(event);
        rest = after;
    }
    events
}

/// What stands in the place of a frame's header and payload.
fn frame_bytes(file: &Path, offset: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; FRAME_HEADER_BYTES];
    file.read_exact(&mut bytes)?;
    let length = u64::from(u32::from_le_bytes([bytes[18], bytes[19], bytes[20], bytes[21]]));
    file.take(length.min(MAX_FRAME_BYTES as u64)).read_to_end(&mut bytes)?;
    Ok(bytes)
}
