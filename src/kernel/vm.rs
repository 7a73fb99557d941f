//! The seam to execution: one item in, state changes and statement data out.

use crowdfold_events::{AccountChange, Address, B256, Zkpow, event::SettlementEntry};
use crowdfold_execution::{
    BlockEnv, Change, Executed, ExecutionError, Transaction, TransactionError, execute, execute_settlement,
    execute_transaction, synthetic,
};
use crowdfold_zk::{
    accounts,
    statement::ItemStatement,
    tree::{Account, StateOp, StateTree, TreeError},
};

/// Receives all fees and pays rewards.
pub const ESCROW: Address = Address::new(accounts::ESCROW);
/// Tops bounties up.
pub const ISSUANCE: Address = Address::new(accounts::ISSUANCE);
/// Holds the validators' stake.
pub const STAKE: Address = Address::new(accounts::STAKE);
/// A transfer to it repays a debt.
pub const REPAY: Address = Address::new(accounts::REPAY);

/// The state tree with what the kernel asks of it. Two are equal when their roots are.
#[derive(Clone, Debug)]
pub(crate) struct Tree(pub(crate) StateTree);

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.0.root() == other.0.root()
    }
}

impl Tree {
    /// The tree at genesis.
    pub(crate) fn genesis(accounts: &[(Address, u128)]) -> Result<Self, TreeError> {
        let account =
            |(address, balance): &(Address, u128)| (address.into_array(), Account { nonce: 0, balance: *balance });
        StateTree::from_accounts(accounts.iter().map(account)).map(Self)
    }

    fn get(&self, address: &Address) -> Account {
        self.0.get(&address.into_array()).unwrap_or_default()
    }

    pub(crate) fn balance(&self, address: &Address) -> u128 {
        self.get(address).balance
    }

    pub(crate) fn nonce(&self, address: &Address) -> u64 {
        self.get(address).nonce
    }

    /// Sum of all balances; visits every account.
    pub(crate) fn total(&self) -> u128 {
        self.0.iter().map(|(_, account)| account.balance).sum()
    }

    pub(crate) fn root(&self) -> B256 {
        execute::root(&self.0)
    }

    /// Writes the changes of one item in their order; an account that has no leaf gets one.
    pub(crate) fn write(&mut self, changes: &[AccountChange]) -> Result<(), TreeError> {
        let mut created = std::collections::BTreeSet::new();
        let ops: Vec<StateOp> = changes
            .iter()
            .map(|change| {
                let address = change.account.into_array();
                let account = Account { nonce: change.nonce, balance: change.balance.0 };
                if self.0.get(&address).is_some() || !created.insert(address) {
                    StateOp::Set { address, account }
                } else {
                    StateOp::Create { address, account }
                }
            })
            .collect();
        self.0.apply(&ops).map(|_| ())
    }
}

fn changes(of: &[Change]) -> Vec<AccountChange> {
    let change =
        |c: &Change| AccountChange { account: c.address, nonce: c.after.nonce, balance: Zkpow(c.after.balance) };
    of.iter().map(change).collect()
}

/// An executed item with the tree after it.
pub(crate) struct Done {
    pub(crate) tree: Tree,
    pub(crate) changes: Vec<AccountChange>,
    pub(crate) executed: Executed,
}

/// Executes a transaction beside the given tree, which stays as it is.
pub(crate) fn transaction(tree: &Tree, tx: &Transaction, env: &BlockEnv) -> Result<Done, TransactionError> {
    let mut after = tree.0.clone();
    let executed = execute_transaction(&mut after, tx, env)?;
    Ok(Done { tree: Tree(after), changes: changes(&executed.changes), executed })
}

/// Executes a settlement beside the given tree, which stays as it is.
pub(crate) fn settlement(tree: &Tree, entries: &[SettlementEntry], env: &BlockEnv) -> Result<Done, ExecutionError> {
    let mut after = tree.0.clone();
    let executed = execute_settlement(&mut after, entries, env)?;
    Ok(Done { tree: Tree(after), changes: changes(&executed.changes), executed })
}

/// What a proof of an admission item must state; `None` for an item that cannot be executed, which is a bug.
pub(crate) fn admission_statement(
    chain_id: u64,
    contract: Address,
    index: u32,
    worker: Address,
    task: u64,
) -> Option<ItemStatement> {
    synthetic::synthetic_item(chain_id, index).ok().map(|item| item.statement(contract, worker, task))
}
