//! Why a batch file is refused.

use crowdfold_events::B256;
use crowdfold_kernel::CommitFault;
use crowdfold_zk::{item::batch::BatchError, statement::StatementError};

/// Why a batch file is refused. The fault is its maker's, unless the variant
/// says that the reader holds another genesis.
#[derive(Debug, thiserror::Error)]
pub enum BatchFileError {
    /// The file is too large to be one.
    #[error("{found} bytes, a batch file has at most {max}")]
    TooLarge {
        /// Bytes found.
        found: usize,
        /// Most bytes allowed.
        max: usize,
    },
    /// The file does not start with magic and version.
    #[error("this is not a batch file of a known version")]
    Magic,
    /// The file ends inside a field.
    #[error("the file ends in {field}, at byte {offset}")]
    Short {
        /// The field.
        field: &'static str,
        /// Where it starts.
        offset: usize,
    },
    /// Bytes are left after the last field.
    #[error("{bytes} bytes after the end")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A value that no canonical file has.
    #[error("{field} at byte {offset} is {found}, which is not allowed")]
    Value {
        /// The field.
        field: &'static str,
        /// Where it starts.
        offset: usize,
        /// What it says.
        found: u64,
    },
    /// Two blocks that follow each other have one environment.
    #[error("block {0} has the environment of the block before it")]
    SameEnvironment(usize),
    /// A field is not the genesis'. Perhaps the reader holds another chain's genesis.
    #[error("{field} is {found}, the genesis says {expected}")]
    OtherChain {
        /// The field.
        field: &'static str,
        /// What the file says.
        found: String,
        /// What the genesis says.
        expected: String,
    },
    /// The verifier's parameters are not those that the genesis pins. The reader's fault.
    #[error("the verifier's shape is {found}, the genesis pins {expected}")]
    OtherShape {
        /// Digest of the parameters.
        found: B256,
        /// Digest in the genesis.
        expected: B256,
    },
    /// An environment has a field element that is not canonical.
    #[error("the environment of block {0} is not canonical")]
    Environment(usize),
    /// An item's values do not make a statement.
    #[error("item {index}: {source}")]
    Statement {
        /// Index in the batch.
        index: usize,
        /// What is wrong.
        source: StatementError,
    },
    /// The certificate.
    #[error("the certificate is not valid: {0}")]
    Certificate(#[from] CommitFault),
    /// The proof.
    #[error("the proof is not valid: {0}")]
    Proof(#[from] BatchError),
}
