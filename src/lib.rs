//! Crowdfold: a node, its actors and the services around them.

pub mod node;
pub mod proofs;
