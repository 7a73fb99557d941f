//! Journals that are whole pass the audit; changed ones fail at the right place.

pub(crate) mod chains;
mod tampered;
mod whole;
