//! What a chain starts from.

use alloy_primitives::{Address, B256, keccak256};
use serde::{Deserialize, Serialize};

use crate::{Amount, ConfigError, Params, Relation, ValidParams};

/// Everything that every participant of a chain must agree on beforehand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// EIP-155 chain id, at least 1.
    pub chain_id: u64,
    /// Which kernel executes the first block.
    pub rules_version: u32,
    /// Time of genesis, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Number of synthetic admission items, at least 1.
    pub admission_items: u32,
    /// Balance of the escrow account; it covers nothing yet.
    pub escrow: Amount,
    /// Balance of the issuance account, which is never filled again.
    pub issuance: Amount,
    /// How items and batches are proven.
    pub proof_system: ProofSystem,
    /// Where batches are posted.
    pub l1: L1,
    /// The validators, each once; exactly one is supported outside simulations.
    pub validators: Vec<GenesisValidator>,
    /// Balances, in strictly ascending order of account.
    #[serde(default)]
    pub allocations: Vec<Allocation>,
    /// The rules' numbers.
    pub params: Params,
}

/// How items and batches are proven.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofSystem {
    /// Where the commitment key comes from.
    pub setup: Setup,
    /// Digest of the verifier's shape.
    pub shape: Pinned,
    /// Keccak-256 of the commitment key's file: with it a prover that has
    /// nothing but the genesis' hash can take the key from anybody. Named on
    /// every chain but a simulated one, which has no key.
    pub key: Pinned,
}

/// Where the commitment key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setup {
    /// Its trapdoor is known to everybody: for development only.
    Development,
    /// There is none: proofs are declared, not made. For simulations only; no node runs such a chain.
    Simulated,
}

/// A digest that a chain names: 32 bytes in hexadecimal, or `unset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Pinned {
    /// The chain does not say.
    Unset,
    /// This and nothing else.
    Is(B256),
}

/// A string that is neither `unset` nor 32 bytes in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is neither \"unset\" nor 32 bytes in hexadecimal")]
pub struct PinnedError {
    text: String,
}

impl TryFrom<String> for Pinned {
    type Error = PinnedError;

    fn try_from(text: String) -> Result<Self, PinnedError> {
        if text == "unset" {
            return Ok(Self::Unset);
        }
        text.parse().map(Self::Is).map_err(|_| PinnedError { text })
    }
}

impl From<Pinned> for String {
    fn from(digest: Pinned) -> Self {
        match digest {
            Pinned::Unset => "unset".to_owned(),
            Pinned::Is(digest) => digest.to_string(),
        }
    }
}

/// Where batches are posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1 {
    /// EIP-155 chain id of the L1.
    pub chain_id: u64,
    /// The contract; its address is part of every proven statement.
    pub contract: Address,
}

/// A validator at genesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisValidator {
    /// Signs headers and batch certificates.
    pub address: Address,
    /// Held by the stake account.
    pub stake: Amount,
}

/// A balance at genesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allocation {
    /// The account.
    pub account: Address,
    /// Its balance.
    pub balance: Amount,
}

/// What the binary form of a genesis begins with; the number is the layout's.
pub const BYTES_PREFIX: &[u8] = b"crowdfold/genesis/2";
/// Longest binary form that is read, in bytes: some 100,000 allocations.
pub const MAX_GENESIS_BYTES: usize = 4 << 20;
const BYTES_CONFIG: bincode::config::Configuration<
    bincode::config::BigEndian,
    bincode::config::Fixint,
    bincode::config::Limit<MAX_GENESIS_BYTES>,
> = bincode::config::standard().with_big_endian().with_fixed_int_encoding().with_limit::<MAX_GENESIS_BYTES>();

/// Most validators of a simulated chain: as many as a certified list may name.
pub const MAX_SIMULATED_VALIDATORS: usize = 64;

/// Why a genesis cannot be used. The operator's fault.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// Not TOML, an unknown key, a missing key or a value of the wrong type.
    #[error("cannot read the genesis")]
    Toml(#[from] toml::de::Error),
    /// A number has no TOML form.
    #[error("cannot write the genesis")]
    Text(#[from] toml::ser::Error),
    /// A parameter or a relation between parameters.
    #[error(transparent)]
    Params(#[from] ConfigError),
    /// The chain id is zero.
    #[error("chain_id must be at least 1")]
    ChainId,
    /// There are no admission items.
    #[error("admission_items must be at least 1")]
    AdmissionItems,
    /// More or fewer than one validator.
    #[error("exactly one validator is supported, {found} are named")]
    Validators {
        /// How many are named.
        found: usize,
    },
    /// Fewer than one or more than [`MAX_SIMULATED_VALIDATORS`] validators of a simulated chain.
    #[error("a simulated chain has 1 to {MAX_SIMULATED_VALIDATORS} validators, {found} are named")]
    SimulatedValidators {
        /// How many are named.
        found: usize,
    },
    /// A validator is named twice.
    #[error("validator {0} is named twice")]
    ValidatorTwice(Address),
    /// Declared proofs have no shape that could be pinned.
    #[error("a simulated proof system has no shape to pin")]
    SimulatedShape,
    /// Declared proofs have no commitment key.
    #[error("a simulated proof system has no commitment key to name")]
    SimulatedKey,
    /// Provers could not check the key that they are given.
    #[error("proof_system.key must name the commitment key's file by its keccak-256")]
    KeyUnnamed,
    /// Bytes that are not a genesis; whoever sent them is at fault.
    #[error("not a genesis in binary form")]
    Bytes,
    /// A validator without stake has no vote.
    #[error("validator {0} has no stake")]
    NoStake(Address),
    /// Allocations must ascend strictly, so that each account occurs once.
    #[error("allocation {0} is not above the one before it")]
    AllocationOrder(Address),
    /// The address is reserved for the chain (`c0f01d00…`) or zero.
    #[error("allocation {0} names an account that belongs to the chain")]
    SystemAccount(Address),
}

/// A genesis whose parts were checked. Only [`Genesis::validate`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidGenesis {
    /// What was checked.
    pub genesis: Genesis,
    /// Its parameters.
    pub params: ValidParams,
    /// Its hash.
    pub hash: B256,
}

/// The chain's own accounts are `c0f01d`, sixteen zero bytes and a number.
fn is_system(account: &Address) -> bool {
    account.is_zero() || (account[..3] == [0xc0, 0xf0, 0x1d] && account[3..19].iter().all(|b| *b == 0))
}

impl Genesis {
    /// Reads a genesis file.
    ///
    /// # Errors
    /// What is wrong with it; it is not validated yet.
    pub fn from_toml(text: &str) -> Result<Self, GenesisError> {
        Ok(toml::from_str(text)?)
    }

    /// The genesis as a file's text; [`Genesis::from_toml`] gives it back.
    ///
    /// # Errors
    /// [`GenesisError::Text`]: a chain id, time or gas limit above `i64::MAX`.
    pub fn to_toml(&self) -> Result<String, GenesisError> {
        Ok(toml::to_string(self)?)
    }

    /// The one binary form: [`BYTES_PREFIX`], then every field in the order of
    /// declaration. Nodes serve it by its hash.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = BYTES_PREFIX.to_vec();
        bincode::serde::encode_into_std_write(self, &mut bytes, BYTES_CONFIG)
            .expect("invariant: a genesis in memory can be encoded");
        bytes
    }

    /// Reads exactly the bytes of [`Genesis::to_bytes`]. That they are of the
    /// wanted chain, their keccak-256 says.
    ///
    /// # Errors
    /// [`GenesisError::Bytes`]; it is not validated yet.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, GenesisError> {
        let rest = bytes.strip_prefix(BYTES_PREFIX).filter(|_| bytes.len() <= MAX_GENESIS_BYTES);
        let rest = rest.ok_or(GenesisError::Bytes)?;
        let decoded = bincode::serde::decode_from_slice::<Self, _>(rest, BYTES_CONFIG);
        let genesis = decoded.ok().filter(|(_, read)| *read == rest.len()).map(|(genesis, _)| genesis);
        // One genesis has one form: nothing that is read leniently passes.
        genesis.filter(|genesis| genesis.to_bytes() == bytes).ok_or(GenesisError::Bytes)
    }

    /// Keccak-256 of [`Genesis::to_bytes`]: what "the same chain" means.
    #[must_use]
    pub fn hash(&self) -> B256 {
        keccak256(self.to_bytes())
    }

    /// The sum of all balances at genesis, `None` past 2^127.
    #[must_use]
    pub fn supply(&self) -> Option<u128> {
        let system = [self.escrow, self.issuance];
        let stakes = self.validators.iter().map(|v| v.stake);
        let balances = self.allocations.iter().map(|a| a.balance);
        let sum =
            system.into_iter().chain(stakes).chain(balances).try_fold(0u128, |sum, a| sum.checked_add(a.units()))?;
        (sum < 1 << 127).then_some(sum)
    }

    /// Whether proofs are declared instead of made. Only a simulation may run such a chain.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        self.proof_system.setup == Setup::Simulated
    }

    fn check_validators(&self) -> Result<(), GenesisError> {
        let found = self.validators.len();
        if self.is_simulated() {
            if !(1..=MAX_SIMULATED_VALIDATORS).contains(&found) {
                return Err(GenesisError::SimulatedValidators { found });
            }
            if self.proof_system.shape != Pinned::Unset {
                return Err(GenesisError::SimulatedShape);
            }
            if self.proof_system.key != Pinned::Unset {
                return Err(GenesisError::SimulatedKey);
            }
        } else if found != 1 {
            return Err(GenesisError::Validators { found });
        } else if self.proof_system.key == Pinned::Unset {
            return Err(GenesisError::KeyUnnamed);
        }
        for (at, validator) in self.validators.iter().enumerate() {
            if validator.stake.units() == 0 {
                return Err(GenesisError::NoStake(validator.address));
            }
            if self.validators[..at].iter().any(|v| v.address == validator.address) {
                return Err(GenesisError::ValidatorTwice(validator.address));
            }
        }
        Ok(())
    }

    /// Checks everything.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(self) -> Result<ValidGenesis, GenesisError> {
        let params = self.params.clone().validate()?;
        if self.chain_id == 0 {
            return Err(GenesisError::ChainId);
        }
        if self.admission_items == 0 {
            return Err(GenesisError::AdmissionItems);
        }
        self.check_validators()?;
        let mut before = None;
        for Allocation { account, .. } in &self.allocations {
            if is_system(account) {
                return Err(GenesisError::SystemAccount(*account));
            }
            if before.is_some_and(|b| b >= *account) {
                return Err(GenesisError::AllocationOrder(*account));
            }
            before = Some(*account);
        }
        if self.supply().is_none() {
            return Err(
                ConfigError::Relation { relation: Relation::SupplyInRange, left: u128::MAX, right: 1 << 127 }.into()
            );
        }
        let hash = self.hash();
        Ok(ValidGenesis { genesis: self, params, hash })
    }
}
