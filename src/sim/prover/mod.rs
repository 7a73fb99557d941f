//! Simulated provers: the real core, a simulated machine around it.

mod behaviour;
pub mod machine;

pub use behaviour::Behaviour;
