//! Validators' journals are equal at equal heights.

use std::collections::BTreeMap;

use crowdfold_events::{B256, Height};

use crate::violation::{Check, Violation};

/// The heads of the event chains that validators reported.
#[derive(Clone, Debug, Default)]
pub struct Agreement {
    first: BTreeMap<u64, B256>,
    /// Next height of each validator.
    next: BTreeMap<u32, u64>,
}

impl Agreement {
    /// Notes that a validator, by its number, committed `height` with this head of the event chain.
    ///
    /// A validator that starts again after a crash may report heights once more,
    /// which must then be the same; it may not leave one out.
    pub fn note(&mut self, validator: u32, height: Height, events_head: B256) -> Option<Violation> {
        let violation = |field, expected: String, found: String| {
            Some(Violation { check: Check::Agreement, height, index: None, event: None, field, expected, found })
        };
        let next = self.next.entry(validator).or_insert(height.0);
        if height.0 > *next {
            return violation("height", next.to_string(), height.to_string());
        }
        *next = (*next).max(height.0 + 1);
        let first = self.first.entry(height.0).or_insert(events_head);
        if *first != events_head {
            return violation("events head", first.to_string(), events_head.to_string());
        }
        None
    }

    /// Height up to which every validator of `validators` has reported.
    #[must_use]
    pub fn common(&self, validators: u32) -> Option<Height> {
        let reported = (0..validators).map(|v| self.next.get(&v).map(|n| n - 1)).min().flatten();
        reported.map(Height)
    }
}
