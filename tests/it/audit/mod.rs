//! Journals that are whole pass the audit; changed ones fail at the right place.

mod books;
pub(crate) mod chains;
mod from_snapshot;
mod live;
mod replayed;
mod tampered;
mod whole;
