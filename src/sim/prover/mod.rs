//! Simulated provers: the real core, a simulated machine around it.

mod behaviour;

pub use behaviour::Behaviour;
