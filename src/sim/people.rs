//! Keys and genesis of a world: everything from the seed.

use crowdfold_config::{Allocation, Amount, Genesis, GenesisError, GenesisValidator, SIMULATION};
use crowdfold_events::{Signer, Zkpow};
use crowdfold_execution::wallet::Wallet;

use super::{options::SimOptions, random::Seed, users};

/// Stake of each validator: a million ZKPoW.
const STAKE: u128 = 1_000_000 * 10u128.pow(18);

/// Who has which key.
pub struct People {
    /// Of the validators, by number.
    pub validators: Vec<Signer>,
    /// Of the plugins, by number.
    pub plugins: Vec<Signer>,
    /// Of the users, in order of address.
    pub wallets: Vec<Wallet>,
}

/// The key of a concern and a number.
fn signer(seed: Seed, concern: &str, number: u64) -> Signer {
    Signer::from_bytes(&seed.bytes(concern, number).0).expect("invariant: one hash in 2^127 is no key")
}

impl People {
    /// The people of a world.
    #[must_use]
    pub fn new(options: &SimOptions) -> Self {
        let seed = Seed(options.seed);
        let signers = |concern, count: u32| (0..u64::from(count)).map(|n| signer(seed, concern, n)).collect();
        Self {
            validators: signers("validator.key", options.validators),
            plugins: signers("plugin.key", options.plugins),
            wallets: users::wallets(seed, options.transactions_per_block),
        }
    }

    /// The preset with these validators and users.
    ///
    /// # Errors
    /// The preset is not a genesis: a bug.
    pub fn genesis(&self) -> Result<Genesis, GenesisError> {
        let mut genesis = Genesis::from_toml(SIMULATION)?;
        let stake = Amount(Zkpow(STAKE));
        genesis.validators = self.validators.iter().map(|v| GenesisValidator { address: v.address(), stake }).collect();
        let balance = Amount(Zkpow(users::BALANCE));
        genesis.allocations = self.wallets.iter().map(|w| Allocation { account: w.address(), balance }).collect();
        Ok(genesis)
    }
}
