//! The circuit slot.
