//! The user lane: each transaction is checked, executed, and opens a proving task.

use alloy_primitives::keccak256;
use crowdfold_events::{Address, Event, TaskId, Zkpow, event::TaskKind};

use crowdfold_execution::{Executed, Transaction, TransactionError, decode_transaction};
use crowdfold_zk::SEGMENTS_PER_TRANSFER;

use crate::{
    faults::{BlockFault, TransactionFault},
    fees::split,
    planted::{self, Bug},
    run::{Dropped, Mode, Run},
    vm::{self, Done},
};

/// Whose debt a transfer to the repay account lowers: the memo's address, else the sender.
///
/// # Errors
/// The memo is neither empty nor an address.
pub(crate) fn beneficiary(tx: &Transaction) -> Result<Address, TransactionFault> {
    match tx.data.len() {
        0 => Ok(tx.sender),
        20 => Ok(Address::from_slice(&tx.data)),
        length => Err(TransactionFault::RepayMemo { length }),
    }
}

impl Run<'_> {
    /// Executes the transactions in order; returns those that are in the block.
    pub(crate) fn user_lane(&mut self, transactions: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, BlockFault> {
        let mut included = Vec::with_capacity(transactions.len());
        for (index, raw) in transactions.into_iter().enumerate() {
            match self.transaction(&raw)? {
                Ok(()) => included.push(raw),
                Err(fault) if self.mode == Mode::Execute => return Err(BlockFault::Transaction { index, fault }),
                Err(fault) => self.dropped.push(Dropped::Transaction { hash: keccak256(&raw), fault }),
            }
        }
        Ok(included)
    }

    /// The outer error is a bug, the inner one the transaction's.
    fn transaction(&mut self, raw: &[u8]) -> Result<Result<(), TransactionFault>, BlockFault> {
        let tx = match decode_transaction(raw, self.env.chain_id) {
            Ok(tx) => tx,
            Err(fault) => return Ok(Err(fault.into())),
        };
        if let Err(fault) = self.state.admit(&tx, self.env.base_fee, SEGMENTS_PER_TRANSFER) {
            return Ok(Err(fault));
        }
        let Done { tree, changes, executed } = match vm::transaction(&self.state.tree, &tx, &self.env) {
            Ok(done) => done,
            Err(TransactionError::Rejected(fault)) => return Ok(Err(fault.into())),
            Err(TransactionError::Bug(fault)) => return Err(fault.into()),
        };
        let shares = split(self.state.params(), executed.fee);
        let item = self.state.chain.next_item;
        let Executed {
            gas_used, effective_gas_price, fee, pre_root, post_root, segments, data_hi, data_lo, env, ..
        } = executed;
        let Transaction { hash, sender, to, value, .. } = tx;
        let event = Event::TransactionExecuted {
            item,
            hash,
            sender,
            to,
            value: Zkpow(value),
            gas_used,
            effective_gas_price,
            fee: Zkpow(fee),
            segments,
            pre_root,
            post_root,
            data_hi,
            data_lo,
            env,
            changes: changes.clone(),
            shares,
        };
        self.state.apply_executed(&event, &changes, tree);
        self.events.push(event);
        self.gas_used = self.gas_used.saturating_add(gas_used);
        self.receipts.transactions.push(crate::header::TransactionReceipt {
            hash,
            item,
            gas_used,
            cumulative_gas_used: self.gas_used,
            effective_gas_price,
        });
        let task = self.next_task();
        self.emit(Event::TaskOpened {
            task,
            kind: TaskKind::Prove { item },
            segments,
            base_bounty: shares.proving,
            funded: shares.proving,
        });
        if to == vm::REPAY {
            // Checked at admission: the memo is good and at most the debt is paid.
            let plugin = beneficiary(&tx).unwrap_or(sender);
            self.emit(Event::DebtRepaid { plugin, amount: Zkpow(value), payer: sender });
            self.reinstate(plugin);
        }
        // The proposer's share of the fee repays its own debt first.
        let proposer = self.state.chain.proposer;
        if !planted::is(Bug::ProposerStaysSuspended) {
            self.reinstate(proposer);
        }
        Ok(Ok(()))
    }

    /// Number of the next task to open.
    pub(crate) fn next_task(&self) -> TaskId {
        self.state.market.last_task.next()
    }
}
