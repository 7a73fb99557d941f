//! Where stored events come from.
//!
//! An audit reads events in order, once. A source that cannot go on says at
//! which event and why; what it gave before that still counts.

use crowdfold_events::{EventSeq, StoredEvent};
use crowdfold_journal::{JournalError, JournalStore};
use serde::Serialize;

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
                Err(fault) => match good_before(&fault, at).map(|good| store.read(at, good)) {
                    Some(Ok(events)) if !events.is_empty() => step = events.into_iter(),
                    _ => {
                        ended = true;
                        return Some(Err(SourceFault { at, detail: fault.to_string() }));
                    }
                },
            }
        }
    })
}

/// Events between `from` and the damaged frame that a read ran into.
fn good_before(fault: &JournalError, from: EventSeq) -> Option<usize> {
    let JournalError::Damaged { at, .. } = fault else { return None };
    at.0.checked_sub(from.0).and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0)
}
