//! Folding and proving: from satisfied segments to one small proof.
pub mod aggregate;
pub mod canonical;
pub mod codec;
pub mod curve;
pub mod error;
pub mod fold;
pub mod item;
pub mod key;
pub mod node;
pub mod params;
mod powers;
pub mod root;
pub mod shape;
pub mod transcript;
pub mod witness;
#[cfg(test)]
#[allow(unreachable_pub)]
mod synthetic;
#[cfg(test)]
mod tests;
