//! Crowdfold.

pub mod actors;
