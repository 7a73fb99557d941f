//! What happens next: things in order of virtual time, then of being scheduled.

use std::collections::BTreeMap;

/// A queue of things to come. Two of the same time come in the order in which they were put.
#[derive(Debug)]
pub struct Queue<T> {
    things: BTreeMap<(u64, u64), T>,
    next: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { things: BTreeMap::new(), next: 0 }
    }
}

impl<T> Queue<T> {
    /// Puts a thing at a time in virtual milliseconds.
    pub fn put(&mut self, at_ms: u64, thing: T) {
        self.things.insert((at_ms, self.next), thing);
        self.next += 1;
    }

    /// The next thing and its time.
    pub fn pop(&mut self) -> Option<(u64, T)> {
        self.things.pop_first().map(|((at_ms, _), thing)| (at_ms, thing))
    }

    /// When the next thing is.
    #[must_use]
    pub fn next_ms(&self) -> Option<u64> {
        self.things.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    /// Things put so far: how much has happened or will.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.next
    }
}
