//! Newtypes, messages, events and their one byte encoding.
