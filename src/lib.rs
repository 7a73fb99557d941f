//! Crowdfold.

pub mod actors;
pub mod headless;
