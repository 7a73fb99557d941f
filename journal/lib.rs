//! The replayable journal of events.
