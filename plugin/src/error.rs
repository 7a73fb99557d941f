//! What goes wrong at the door, with codes that the extension's texts are keyed by.

use crowdfold_config::GenesisError;
use crowdfold_zk::{
    item::{UniversalShapeError, work::PackageWorkError},
    proof::error::{KeyError, ShapeError},
};

/// Why a call through the door failed.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The configuration is not the JSON that it should be. The caller's fault.
    #[error("the configuration is malformed: {0}")]
    Config(#[from] serde_json::Error),
    /// Not 32 bytes, or not a secret key of secp256k1. The user's fault.
    #[error("a secret key is 32 bytes, not zero and below the group order")]
    Secret,
    /// Not a hash or address in hexadecimal. The caller's fault.
    #[error("{field} is not {bytes} bytes in hexadecimal")]
    Hex {
        /// What was to be read.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// Not a 64-bit number in decimal digits. The caller's fault.
    #[error("{field} is not a 64-bit number")]
    Number {
        /// What was to be read.
        field: &'static str,
    },
    /// Not the bytes of a genesis. The node's fault.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The commitment key is not the chain's. The fault of whoever supplied it.
    #[error("the commitment key is not usable: {0}")]
    Key(#[from] KeyError),
    /// The chain has other circuits than this program: it is too old or too new.
    #[error("the chain's verifying key is {expected}, this program's is {found}")]
    Params {
        /// The chain's, hexadecimal.
        expected: String,
        /// This program's, hexadecimal.
        found: String,
    },
    /// The shape or its parameters cannot be made; a bug.
    #[error("the parameters cannot be made: {0}")]
    Shape(String),
    /// There is no proof.
    #[error(transparent)]
    Work(#[from] PackageWorkError),
    /// A thread of the prover died, of a bug or for want of memory. Nothing may
    /// be asked of this instance any more.
    #[error("the prover died: {0}")]
    Died(String),
    /// The thread pool is not what was asked for. The caller's fault.
    #[error("the thread pool: {0}")]
    Pool(String),
}

impl DoorError {
    /// A stable name.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(_) | Self::Hex { .. } | Self::Number { .. } => "bad-settings",
            Self::Secret => "bad-key",
            Self::Genesis(_) => "node-fault",
            Self::Key(_) => "wrong-keys",
            Self::Params { .. } => "too-old",
            Self::Work(PackageWorkError::Cancelled) => "cancelled",
            Self::Work(error) if error.is_package() => "bad-package",
            Self::Shape(_) | Self::Work(_) => "failed",
            Self::Died(_) => "died",
            Self::Pool(_) => "no-threads",
        }
    }
}

impl From<ShapeError> for DoorError {
    fn from(error: ShapeError) -> Self {
        match error {
            ShapeError::Key(error) => Self::Key(error),
            error => Self::Shape(error.to_string()),
        }
    }
}

impl From<UniversalShapeError> for DoorError {
    fn from(error: UniversalShapeError) -> Self {
        Self::Shape(error.to_string())
    }
}
