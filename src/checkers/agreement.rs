//! Validators' journals are equal at equal heights.

use std::collections::BTreeMap;

use crowdfold_events::{B256, Height};

use crate::violation::{Check, Violation};

/// The heads of the event chains that validators reported.
#[derive(Clone, Debug, Default)]
pub struct Agreement {
    first: BTreeMap<u64, B256>,
    /// Highest block of each validator.
    highest: BTreeMap<u32, u64>,
}

impl Agreement {
    /// Notes that a validator, by its number, has committed `height` with this head of the event chain.
    ///
    /// After a crash a validator may report heights once more, or go on behind
    /// a block that it made durable and never reported: each head covers all
    /// events before it, so equal heads are equal journals.
    pub fn note(&mut self, validator: u32, height: Height, events_head: B256) -> Option<Violation> {
        let highest = self.highest.entry(validator).or_default();
        *highest = (*highest).max(height.0);
        let first = *self.first.entry(height.0).or_insert(events_head);
        let (expected, found) = (first.to_string(), events_head.to_string());
        let (check, field) = (Check::Agreement, "events head");
        (first != events_head).then_some(Violation { check, height, index: None, event: None, field, expected, found })
    }

    /// Height that every one of `validators` has reached.
    #[must_use]
    pub fn common(&self, validators: u32) -> Option<Height> {
        (0..validators).map(|v| self.highest.get(&v).copied()).min().flatten().map(Height)
    }
}
