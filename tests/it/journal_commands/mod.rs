//! `crowdfold journal …` as it is called: results, words, JSON, exit codes.

mod chain;
mod copying;
pub(crate) mod fixture;
mod hostile;
mod live;
mod looking;
mod proving;
mod verify;
