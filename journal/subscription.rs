//! Following a journal while it is written.

use crowdfold_events::{EventSeq, StoredEvent};

use crate::{Head, JournalError};

/// What a subscription reads from. Implemented by each store.
pub trait SubscriptionSource: Send {
    /// Where the durable journal ends now.
    fn refresh(&mut self) -> Result<Head, JournalError>;
    /// Up to `limit` events from number `from` on, which is at most the head.
    fn read(&mut self, from: EventSeq, limit: usize) -> Result<Vec<StoredEvent>, JournalError>;
}

/// Durable events in order, without gaps, from a place that the subscriber may
/// keep and resume from. Polling it never waits and never holds up the writer.
pub struct Subscription {
    source: Box<dyn SubscriptionSource>,
    position: EventSeq,
}

impl core::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Subscription").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Subscription {
    /// Starts at event `from`, which may be the head but not beyond it.
    pub fn over(mut source: Box<dyn SubscriptionSource>, from: EventSeq) -> Result<Self, JournalError> {
        let end = source.refresh()?.next;
        if from > end {
            return Err(JournalError::BeyondEnd { from, end });
        }
        Ok(Self { source, position: from })
    }

    /// Up to `limit` next events; empty when there are none yet. After an error
    /// the position is unchanged, so it can be asked again.
    pub fn poll(&mut self, limit: usize) -> Result<Vec<StoredEvent>, JournalError> {
        self.source.refresh()?;
        let events = self.source.read(self.position, limit)?;
        self.position.0 += events.len() as u64;
        Ok(events)
    }

    /// Goes on at event `from`, which may be the head but not beyond it.
    ///
    /// # Errors
    /// The place is beyond the head; the position is then unchanged.
    pub fn seek(&mut self, from: EventSeq) -> Result<(), JournalError> {
        let end = self.source.refresh()?.next;
        if from > end {
            return Err(JournalError::BeyondEnd { from, end });
        }
        self.position = from;
        Ok(())
    }

    /// Number of the event that the next poll begins with.
    #[must_use]
    pub fn position(&self) -> EventSeq {
        self.position
    }
}
