//! Execution of one item by the EVM over the project's own state.
//!
//! An item is a user transaction or a settlement. This crate decides whether
//! raw bytes are a transaction that the chain accepts, what the transaction
//! does to the state tree, and what a prover must be given to prove it. It has
//! no clock, socket, thread or database of its own, so that a browser runs the
//! same code as a validator.
//!
//! - [`transaction`]: strict decoding, sender recovery, the provable subset.
//! - [`rejection`]: every reason why a transaction is refused.
//! - [`admission`]: checks against an account.
//! - [`synthetic`]: the admission items of a genesis.
//! - [`call`]: calls and gas estimates without a signature.
//! - [`gas`]: what a transfer costs, in integers.
//! - [`view`]: what execution reads of the state.
//! - [`evm`]: the EVM of this chain; all fees go to the escrow.
//! - [`effect`]: the changes of a transfer, in the order in which they are proven.
//! - [`execute`]: an item applied to the state tree.
//! - [`input`]: what a prover is given.
//! - [`env`]: the environment of a block.
//! - [`wallet`]: signs transfers, deterministically.
//!
//! A transaction that the circuits cannot prove is refused by name
//! ([`rejection::NotProvable`]): circuits and execution agree on every
//! transaction of a block.

pub mod admission;
pub mod call;
pub mod effect;
pub mod env;
pub mod evm;
pub mod execute;
pub mod gas;
pub mod input;
pub mod rejection;
pub mod synthetic;
pub mod transaction;
pub mod view;
pub mod wallet;

pub use admission::{AdmissionContext, check_admission};
pub use effect::{Change, Effect, EffectError, transfer_effect};
pub use env::BlockEnv;
pub use execute::{Executed, ExecutionError, TransactionError, execute_settlement, execute_transaction};
pub use input::{ItemPlace, ItemSource, item_input};
pub use rejection::{AdmissionError, NotProvable};
pub use transaction::{Transaction, TransactionKind, decode_transaction};
pub use view::{AccountView, Accounts, StateReadError};
