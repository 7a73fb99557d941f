//! `crowdfold journal …` as it is called: results, words, JSON, exit codes.

mod copying;
mod fixture;
mod looking;
mod verify;
