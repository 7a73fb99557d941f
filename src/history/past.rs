//! Reading old blocks out of the journal, from any thread.

use std::sync::{Mutex, PoisonError};

use crowdfold_events::{Block, Event, EventSeq};
use crowdfold_journal::{JournalStore, Subscription};

use super::HistoryError;

/// Events read at a time; most blocks have fewer.
const STEP: usize = 128;

/// A view of the journal that lives apart from its writer.
#[derive(Debug)]
pub struct Past(Mutex<Subscription>);

impl Past {
    /// The journal's durable events.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn of(journal: &dyn JournalStore) -> Result<Self, HistoryError> {
        Ok(Self(Mutex::new(journal.subscribe(journal.head().next)?)))
    }

    /// The block whose first event has this number, with its events.
    pub(super) fn block(&self, first: EventSeq) -> Result<(Block, Vec<Event>), HistoryError> {
        let mut journal = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        journal.seek(first)?;
        let mut events = Vec::new();
        loop {
            let portion = journal.poll(STEP)?;
            if portion.is_empty() {
                return Err(HistoryError::NoBlock(first));
            }
            for stored in portion {
                events.push(stored.decode()?);
                if matches!(events.last(), Some(Event::BlockSealed { .. })) {
                    let Some(Event::BlockDecided { header, body }) = events.first() else {
                        return Err(HistoryError::NoBlock(first));
                    };
                    let block = Block { header: (**header).clone(), body: (**body).clone() };
                    return Ok((block, events));
                }
            }
        }
    }
}
