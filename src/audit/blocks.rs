//! From a stream of events to the events of one block after the other.
//!
//! A group begins anywhere and ends with `BlockSealed`, or before the next
//! `BlockDecided`, or where the stream ends. In a whole journal the first
//! group is the genesis and every other is a block; in a damaged one the
//! groups stay aligned to the blocks around the damage.

use std::iter::Peekable;

use crowdfold_events::{
    EventSeq, StoredEvent,
    codec::{TAG_BLOCK_SEALED, TAG_GENESIS_LOADED},
};

use super::source::{SourceFault, Stored};

/// Type of `BlockDecided`, the first event of a block.
const TAG_BLOCK_DECIDED: u32 = 2;
/// Most events of a group: a block of a whole journal has far fewer.
const GROUP_MAX: usize = 1 << 20;

/// The events of one block as they are stored.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// Number of the first.
    pub(crate) first: EventSeq,
    /// At least one, unless the stream ended with a fault.
    pub(crate) events: Vec<StoredEvent>,
    /// Why the stream ended inside or before this group.
    pub(crate) fault: Option<SourceFault>,
}

impl Group {
    /// Whether the first event begins a block.
    pub(crate) fn begins_block(&self) -> bool {
        self.events.first().is_some_and(|e| e.event_type() == TAG_BLOCK_DECIDED)
    }
}

/// Cuts a stream into groups.
pub(crate) struct Groups<I: Iterator<Item = Stored>> {
    events: Peekable<I>,
    next: EventSeq,
}

impl<I: Iterator<Item = Stored>> Groups<I> {
    /// `from` is the number of the stream's first event.
    pub(crate) fn new(events: I, from: EventSeq) -> Self {
        Self { events: events.peekable(), next: from }
    }
}

impl<I: Iterator<Item = Stored>> Iterator for Groups<I> {
    type Item = Group;

    fn next(&mut self) -> Option<Group> {
        let mut group = Group { first: self.next, events: Vec::new(), fault: None };
        while group.events.len() < GROUP_MAX {
            match self.events.peek() {
                None => break,
                Some(Ok(event)) if !group.events.is_empty() && event.event_type() == TAG_BLOCK_DECIDED => break,
                Some(_) => {}
            }
            match self.events.next() {
                Some(Ok(event)) => {
                    self.next = self.next.next();
                    let kind = event.event_type();
                    group.events.push(event);
                    if kind == TAG_BLOCK_SEALED || (kind == TAG_GENESIS_LOADED && group.first == EventSeq(0)) {
                        break;
                    }
                }
                Some(Err(fault)) => {
                    group.fault = Some(fault);
                    break;
                }
                None => break,
            }
        }
        (!group.events.is_empty() || group.fault.is_some()).then_some(group)
    }
}
