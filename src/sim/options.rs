//! What a world is made of: the arguments of `crowdfold sim`.

use std::path::PathBuf;

use super::{
    adversaries::Adversary,
    faults::{FaultKind, FaultLevel},
};

/// Everything that decides what happens in a world. Equal options, equal worlds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimOptions {
    /// The seed.
    pub seed: u64,
    /// Virtual time with faults, in milliseconds; the healed time comes on top.
    pub duration_ms: u64,
    /// Number of plugins, at least 1.
    pub plugins: u32,
    /// Number of validators, 1 to 64.
    pub validators: u32,
    /// Transactions that the users send per block.
    pub transactions_per_block: u32,
    /// How much goes wrong.
    pub faults: FaultLevel,
    /// Kinds of faults that do not happen although the level has them.
    pub without: Vec<FaultKind>,
    /// Data directory of the chain that the world goes on from; a new chain if there is none.
    pub from: Option<PathBuf>,
    /// Attacks that take place; their plugins are the last ones.
    pub adversaries: Vec<Adversary>,
}

impl Default for SimOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            duration_ms: 3_600_000,
            plugins: 100,
            validators: 4,
            transactions_per_block: 20,
            faults: FaultLevel::None,
            without: Vec::new(),
            from: None,
            adversaries: Vec::new(),
        }
    }
}

/// Options that make no world. The caller's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A number is out of its range.
    #[error("{name} = {value} must be between {least} and {most}")]
    Range {
        /// Which.
        name: &'static str,
        /// What was asked for.
        value: u64,
        /// Least value.
        least: u64,
        /// Greatest value.
        most: u64,
    },
}

impl SimOptions {
    /// Checks the ranges.
    ///
    /// # Errors
    /// The first number that is out of its range.
    pub fn check(&self) -> Result<(), OptionsError> {
        for (name, value, least, most) in [
            ("duration", self.duration_ms, 1_000, 365 * 86_400_000),
            ("plugins", self.plugins.into(), 1, 10_000),
            ("validators", self.validators.into(), 1, 64),
            ("transactions-per-block", self.transactions_per_block.into(), 0, 1_000),
        ] {
            if !(least..=most).contains(&value) {
                return Err(OptionsError::Range { name, value, least, most });
            }
        }
        let attackers: u32 = self.adversaries.iter().map(|a| a.identities(self.plugins)).sum();
        if attackers * 2 > self.plugins {
            let (name, value, least) = ("plugins", self.plugins.into(), u64::from(attackers) * 2);
            return Err(OptionsError::Range { name, value, least, most: 10_000 });
        }
        Ok(())
    }

    /// The command that makes the same world again.
    #[must_use]
    pub fn command(&self) -> String {
        let mut text = format!(
            "crowdfold sim --seed {} --duration {}ms --plugins {} --validators {} --transactions-per-block {} --faults {}",
            self.seed,
            self.duration_ms,
            self.plugins,
            self.validators,
            self.transactions_per_block,
            self.faults.name(),
        );
        for kind in &self.without {
            text.push_str(" --without ");
            text.push_str(kind.name());
        }
        if let Some(dir) = &self.from {
            text.push_str(&format!(" --from {}", dir.display()));
        }
        for (place, adversary) in self.adversaries.iter().enumerate() {
            text.push_str(if place == 0 { " --adversaries " } else { "," });
            text.push_str(adversary.name());
        }
        text
    }
}
