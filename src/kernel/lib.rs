//! The pure kernel: state and block in, events and next state out.
