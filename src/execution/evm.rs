//! The EVM of this chain: revm at Osaka, with every fee paid to the escrow.
//!
//! Ethereum burns the base fee and pays the rest to the block's producer. Here
//! both go to [`ESCROW`], out of which provers, validators and posting are
//! paid. That is the only rule that differs; there is no block reward.
//!
//! Nothing is written: the caller gets the accounts that changed. No account
//! has code, so the interpreter never runs an instruction yet; what revm does
//! is the validation, the gas, and the transfer.

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, TxKind, U256};
use crowdfold_zk::accounts;
use revm::{
    Context, Database, MainBuilder, MainContext,
    context::{
        BlockEnv as RevmBlock, CfgEnv, ContextTr, JournalTr, TxEnv, journaled_state::account::JournaledAccountTr,
    },
    context_interface::{
        Block, Transaction as _,
        result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
    },
    database_interface::DBErrorMarker,
    handler::{EvmTr, FrameResult, Handler, MainnetContext},
    primitives::{StorageKey, StorageValue, hardfork::SpecId},
    state::{AccountInfo, Bytecode},
};

use crate::{
    env::BlockEnv,
    transaction::Transaction,
    view::{AccountView, Accounts, StateReadError},
};

/// Receives every fee.
pub const ESCROW: Address = Address::new(accounts::ESCROW);

/// Why the EVM did not execute a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvmError {
    /// The transaction is not valid on this state: the fault of whoever put it into a block.
    #[error("transaction is invalid here: {0}")]
    Invalid(InvalidTransaction),
    /// The state cannot be read: a damaged node.
    #[error(transparent)]
    State(#[from] StateReadError),
    /// The base fee of the block is beyond the EVM's range: the fault of the configuration.
    #[error("base fee {base_fee} is above {}", u64::MAX)]
    BaseFee {
        /// The base fee.
        base_fee: u128,
    },
    /// An account has a balance beyond `u128`, or code: impossible while the supply is below 2^127.
    #[error("account {address} left the EVM in a form that the state cannot hold")]
    Account {
        /// The account.
        address: Address,
    },
    /// A transfer did not end in success, which a call of an account without code always does.
    #[error("a transfer ended with {outcome}")]
    Outcome {
        /// What revm reported.
        outcome: String,
    },
    /// revm refused the environment or itself.
    #[error("EVM failure: {0}")]
    Internal(String),
}

/// What a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvmOutcome {
    /// Gas used, after the calldata floor.
    pub gas_used: u64,
    /// Accounts that the transaction touched and that are not empty, in ascending order of address.
    pub touched: Vec<(Address, AccountView)>,
}

/// Runs a transaction on a state.
///
/// # Errors
/// See [`EvmError`]; the state is only read.
pub fn run(state: &impl Accounts, tx: &Transaction, env: &BlockEnv) -> Result<EvmOutcome, EvmError> {
    let block = RevmBlock {
        number: U256::from(env.number),
        beneficiary: ESCROW,
        timestamp: U256::from(env.time_ms / 1000),
        gas_limit: env.gas_limit,
        basefee: u64::try_from(env.base_fee).map_err(|_| EvmError::BaseFee { base_fee: env.base_fee })?,
        prevrandao: Some(env.beacon),
        ..RevmBlock::default()
    };
    let transaction = TxEnv {
        tx_type: tx.kind.type_byte(),
        caller: tx.sender,
        gas_limit: tx.gas_limit,
        gas_price: tx.max_fee,
        kind: TxKind::Call(tx.to),
        value: U256::from(tx.value),
        data: tx.data.clone(),
        nonce: tx.nonce,
        chain_id: Some(tx.chain_id),
        access_list: Default::default(),
        gas_priority_fee: (tx.kind.type_byte() == 2).then_some(tx.max_priority_fee),
        blob_hashes: Vec::new(),
        max_fee_per_blob_gas: 0,
        authorization_list: Vec::new(),
    };
    let cfg = CfgEnv::new_with_spec(SpecId::OSAKA).with_chain_id(env.chain_id);
    let mut evm =
        Context::mainnet().with_db(Db(state)).with_cfg(cfg).with_block(block).with_tx(transaction).build_mainnet();
    let result = EscrowHandler::default().run(&mut evm).map_err(|error| match error {
        EVMError::Transaction(invalid) => EvmError::Invalid(invalid),
        EVMError::Database(error) => EvmError::State(error),
        other => EvmError::Internal(other.to_string()),
    })?;
    let gas_used = match &result {
        ExecutionResult::Success { .. } => result.tx_gas_used(),
        other => return Err(EvmError::Outcome { outcome: format!("{other:?}") }),
    };
    let mut touched = Vec::with_capacity(3);
    for (address, account) in evm.ctx.journal_mut().finalize() {
        if !account.is_touched() || account.info.is_empty() {
            continue;
        }
        let balance = u128::try_from(account.info.balance).map_err(|_| EvmError::Account { address })?;
        if account.info.code_hash != KECCAK256_EMPTY {
            return Err(EvmError::Account { address });
        }
        touched.push((address, AccountView { nonce: account.info.nonce, balance }));
    }
    touched.sort_by_key(|(address, _)| *address);
    Ok(EvmOutcome { gas_used, touched })
}

/// Reads accounts for revm. There is no code, storage or block hash to read.
struct Db<'a, S>(&'a S);

impl DBErrorMarker for StateReadError {}

impl<S: Accounts> Database for Db<'_, S> {
    type Error = StateReadError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        Ok(self.0.account(&address)?.map(|account| AccountInfo {
            nonce: account.nonce,
            balance: U256::from(account.balance),
            code_hash: KECCAK256_EMPTY,
            code: Some(Bytecode::default()),
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash(&mut self, _code_hash: B256) -> Result<Bytecode, Self::Error> {
        Ok(Bytecode::default())
    }

    fn storage(&mut self, _address: Address, _index: StorageKey) -> Result<StorageValue, Self::Error> {
        Ok(StorageValue::ZERO)
    }

    fn block_hash(&mut self, _number: u64) -> Result<B256, Self::Error> {
        Ok(B256::ZERO)
    }
}

/// Ethereum's rules, except that the whole price of the gas goes to the beneficiary.
struct EscrowHandler<EVM>(core::marker::PhantomData<EVM>);

impl<EVM> Default for EscrowHandler<EVM> {
    fn default() -> Self {
        Self(core::marker::PhantomData)
    }
}

impl<DB, EVM> Handler for EscrowHandler<EVM>
where
    DB: Database<Error = StateReadError>,
    EVM: EvmTr<
            Context = MainnetContext<DB>,
            Frame: revm::handler::evm::FrameTr<
                FrameResult = FrameResult,
                FrameInit = revm::interpreter::interpreter_action::FrameInit,
            >,
        >,
{
    type Evm = EVM;
    type Error = EVMError<StateReadError, InvalidTransaction>;
    type HaltReason = HaltReason;

    fn reward_beneficiary(&self, evm: &mut Self::Evm, exec_result: &mut FrameResult) -> Result<(), Self::Error> {
        let ctx = evm.ctx();
        let price = ctx.tx().effective_gas_price(u128::from(ctx.block().basefee()));
        let beneficiary = ctx.block().beneficiary();
        let fee = U256::from(price) * U256::from(exec_result.gas().used());
        ctx.journal_mut().load_account_mut(beneficiary)?.incr_balance(fee);
        Ok(())
    }
}
