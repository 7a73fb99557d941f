//! Random chains under the checkers: green without a planted bug, found with each.

mod chain;
mod green;
mod others;
mod planted;
