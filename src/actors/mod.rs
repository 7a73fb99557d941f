//! The actors: everything that talks, waits or writes.

pub mod session;
