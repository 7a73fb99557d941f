//! Every reason why a transaction is refused.
//!
//! All of them are the sender's fault or a limit of the chain; none is a fault
//! of the node. The texts go to wallets, which look for the words that
//! Ethereum clients use ("nonce too low", "insufficient funds", …), so those
//! words come first.

use alloy_primitives::{Address, B256, U256};

use crate::gas::MAX_TRANSACTION_GAS;

/// Longest raw transaction that is looked at, in bytes.
pub const MAX_RAW_BYTES: usize = 128 * 1024;
/// Longest calldata that the circuits prove, in bytes: a short RLP string.
pub const MAX_DATA_BYTES: usize = 55;
/// Longest signing payload that the circuits prove, in bytes: one Keccak-256 block.
pub const MAX_PAYLOAD_BYTES: usize = 135;
/// Addresses below this are precompiles or reserved for later ones.
pub const RESERVED_ADDRESSES: u32 = 1 << 16;

/// Valid Ethereum that this chain's circuits do not prove yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProvable {
    /// An EIP-4844 transaction.
    #[error("blob transactions (EIP-4844, type 3)")]
    Blob,
    /// An EIP-7702 transaction.
    #[error("set-code transactions (EIP-7702, type 4)")]
    SetCode,
    /// No recipient.
    #[error("contract creation")]
    ContractCreation,
    /// An access list with entries.
    #[error("access lists with entries (this one has {entries})")]
    AccessList {
        /// Number of addresses in the list.
        entries: usize,
    },
    /// Calldata beyond a short RLP string.
    #[error("calldata longer than {MAX_DATA_BYTES} bytes (this one has {bytes})")]
    Data {
        /// Length of the calldata.
        bytes: usize,
    },
    /// A value outside `u128`.
    #[error("values of 2^128 and more")]
    Value,
    /// A recipient among the precompiles.
    #[error("calls of precompiles and reserved addresses below {RESERVED_ADDRESSES} (this one calls {recipient})")]
    Reserved {
        /// The recipient.
        recipient: Address,
    },
    /// A signing payload beyond one block of Keccak-256.
    #[error("signing payloads longer than {MAX_PAYLOAD_BYTES} bytes (this one has {bytes})")]
    Payload {
        /// Length of the payload.
        bytes: usize,
    },
    /// A recipient or sender with code.
    #[error("calls of contracts (account {account} has code)")]
    Code {
        /// The account.
        account: Address,
    },
}

/// Why a transaction is not admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// No bytes at all.
    #[error("malformed transaction: empty")]
    Empty,
    /// More bytes than are looked at.
    #[error("oversized data: transaction of {bytes} bytes, limit {MAX_RAW_BYTES}")]
    Oversized {
        /// Length of the raw transaction.
        bytes: usize,
    },
    /// A type byte that no fork of Ethereum in use defines.
    #[error("transaction type not supported: {kind}")]
    UnknownType {
        /// The EIP-2718 type byte.
        kind: u8,
    },
    /// Not RLP, or not the fields of its type.
    #[error("malformed transaction: {source}")]
    Rlp {
        /// What the decoder found.
        #[source]
        source: alloy_rlp::Error,
    },
    /// Bytes after the transaction.
    #[error("malformed transaction: {bytes} trailing bytes")]
    TrailingBytes {
        /// How many.
        bytes: usize,
    },
    /// It decodes, but its encoding is not the canonical one.
    #[error("malformed transaction: encoding is not canonical")]
    NotCanonical,
    /// A legacy transaction without a chain id in `v`.
    #[error("only replay-protected (EIP-155) transactions are allowed")]
    NotReplayProtected,
    /// For another chain.
    #[error("invalid chain id for signer: have {got} want {expected}")]
    WrongChainId {
        /// This chain's id.
        expected: u64,
        /// The transaction's.
        got: u64,
    },
    /// `v` or the y parity is none of the values that the type allows.
    #[error("invalid signature: y parity or v out of range")]
    Parity,
    /// `s` above half of the group order (EIP-2).
    #[error("invalid signature: s is above n/2 (EIP-2)")]
    HighS,
    /// r or s out of range, or no public key recovers.
    #[error("invalid signature: no sender recovers from it")]
    Signature,
    /// Priority fee above the fee.
    #[error("max priority fee per gas higher than max fee per gas: {max_priority_fee} > {max_fee}")]
    PriorityAboveFee {
        /// `maxPriorityFeePerGas`.
        max_priority_fee: u128,
        /// `maxFeePerGas`.
        max_fee: u128,
    },
    /// Nonce 2^64 - 1 (EIP-2681).
    #[error("nonce has max value: {}", u64::MAX)]
    NonceOverflow,
    /// The gas limit does not cover intrinsic gas and calldata floor.
    #[error("intrinsic gas too low: gas {gas_limit}, minimum needed {needed}")]
    IntrinsicGas {
        /// The transaction's gas limit.
        gas_limit: u64,
        /// What it must at least be.
        needed: u64,
    },
    /// Above the cap on one transaction's gas (EIP-7825).
    #[error("transaction gas limit too high: {gas_limit}, cap {MAX_TRANSACTION_GAS}")]
    GasAboveCap {
        /// The transaction's gas limit.
        gas_limit: u64,
    },
    /// Above the block's gas limit.
    #[error("exceeds block gas limit: {gas_limit}, block {block_gas_limit}")]
    GasAboveBlock {
        /// The transaction's gas limit.
        gas_limit: u64,
        /// The block's.
        block_gas_limit: u64,
    },
    /// Valid Ethereum beyond what is proven.
    #[error("not provable yet: {0}; this chain accepts plain transfers (legacy EIP-155, EIP-2930, EIP-1559)")]
    NotProvable(#[from] NotProvable),
    /// The nonce is used.
    #[error("nonce too low: next nonce {expected}, tx nonce {got}")]
    NonceTooLow {
        /// The sender's next nonce.
        expected: u64,
        /// The transaction's.
        got: u64,
    },
    /// Transactions before this one are missing.
    #[error("nonce too high: next nonce {expected}, tx nonce {got}")]
    NonceGap {
        /// The sender's next nonce.
        expected: u64,
        /// The transaction's.
        got: u64,
    },
    /// The balance does not cover value, highest fee and debt.
    #[error(
        "insufficient funds for gas * price + value: address {sender} have {balance} want {cost}{}",
        if *.debt > 0 { format!(" and its proving debt of {debt} on top") } else { String::new() }
    )]
    InsufficientFunds {
        /// The sender.
        sender: Address,
        /// Its balance.
        balance: u128,
        /// Value plus gas limit times highest price.
        cost: U256,
        /// Its debt, which encumbers the balance.
        debt: u128,
    },
    /// The price is below the base fee.
    #[error("max fee per gas less than block base fee: maxFeePerGas {max_fee}, baseFee {base_fee}")]
    FeeTooLow {
        /// The transaction's highest price.
        max_fee: u128,
        /// The block's base fee.
        base_fee: u128,
    },
    /// The fee cannot pay for the work it causes.
    #[error("transaction underpriced: it pays a fee of {fee}, its proof costs at least {needed}")]
    Underpriced {
        /// Gas times effective price.
        fee: u128,
        /// The least fee.
        needed: u128,
    },
    /// It is in the pool or in the chain already.
    #[error("already known: {hash}")]
    AlreadyKnown {
        /// Its hash.
        hash: B256,
    },
    /// It has the nonce of another pending transaction and does not pay enough more.
    #[error("replacement transaction underpriced: needs maxFeePerGas {needed}")]
    ReplacementUnderpriced {
        /// The price that replaces.
        needed: u128,
    },
    /// The pool has no room.
    #[error("txpool is full: {limit} transactions")]
    PoolFull {
        /// Its capacity.
        limit: usize,
    },
}

impl AdmissionError {
    /// True when the same transaction may be valid in a later block: the pool keeps it, a block builder skips it.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::NonceGap { .. }
                | Self::FeeTooLow { .. }
                | Self::GasAboveBlock { .. }
                | Self::InsufficientFunds { .. }
                | Self::Underpriced { .. }
        )
    }
}
