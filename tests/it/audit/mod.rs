//! Journals that are whole pass the audit; changed ones fail at the right place.

mod chains;
mod tampered;
mod whole;
