//! `crowdfold journal …` as it is called: results, words, JSON, exit codes.

mod copying;
mod fixture;
mod hostile;
mod looking;
mod proving;
mod verify;
