//! What a simulated plugin is up to.

use serde::Serialize;

use crate::sim::adversaries::Role;

/// A plugin's way. All run the real prover's core; they differ in the machine
/// around it: what it proves, when, and what it lets the core say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// Proves what it is given.
    Honest,
    /// Proves several times slower than it believes.
    Slow,
    /// Works until it is gone for good.
    Dead,
    /// Keeps its session and its heartbeat, proves nothing.
    Lazy,
    /// Submits bytes that are no proof.
    Liar,
    /// Submits the newest proof of somebody else.
    Thief,
    /// Takes part in an attack.
    Adversary(Role),
}

impl Behaviour {
    /// The name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Honest => "honest",
            Self::Slow => "slow",
            Self::Dead => "dead",
            Self::Lazy => "lazy",
            Self::Liar => "liar",
            Self::Thief => "thief",
            Self::Adversary(role) => role.adversary.name(),
        }
    }
}
