//! `crowdfold journal …` as it is called: results, words, JSON, exit codes.

mod fixture;
mod verify;
