//! Crowdfold.

pub mod rpc;
