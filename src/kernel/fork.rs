//! Another chain that goes on from this one's state: for simulations.
//!
//! Accounts change their addresses, so that whoever simulates has their keys;
//! validators and chain id are those of the new genesis. What is history (items,
//! batches, accepted proofs) stays as it was. Only a genesis whose proofs are
//! simulated can be forked into: nobody could prove what is open, because the
//! state tree of the fork is another one.

use std::{collections::BTreeMap, sync::Arc};

use crowdfold_config::Genesis;
use crowdfold_events::{Address, Event, Zkpow, event::TaskKind, hash};

use crate::{
    draw::slots_root,
    kernel::StartFault,
    model::{Task, TaskStatus},
    state::State,
    vm::Tree,
};

impl State {
    /// The state of a chain of `genesis` that goes on after this state's last
    /// block, its accounts renamed, and the events that open its journal.
    ///
    /// # Errors
    /// The genesis is not of a simulated chain or not valid, two accounts get
    /// the same address, or the stakes do not sum to what is staked.
    pub fn fork(
        &self,
        genesis: &Genesis,
        rename: &BTreeMap<Address, Address>,
    ) -> Result<(Self, Vec<Event>), StartFault> {
        if !genesis.is_simulated() {
            return Err(StartFault::ForkOfReal);
        }
        let genesis = Arc::new(genesis.clone().validate()?);
        let new = |address: &Address| rename.get(address).copied().unwrap_or(*address);
        let accounts = self.tree.0.iter().map(|(address, account)| (new(&address.into()).into_array(), account));
        let tree = Tree(crowdfold_zk::tree::StateTree::from_accounts(accounts)?);
        let mut state = self.clone();
        let loaded = Event::GenesisLoaded {
            genesis_hash: genesis.hash,
            chain_id: genesis.genesis.chain_id,
            rules_version: genesis.genesis.rules_version,
            state_root: tree.root(),
            supply: Zkpow(self.supply),
            time_ms: self.chain.time_ms,
        };
        state.genesis = genesis;
        state.tree = tree;
        state.chain.proposer = new(&self.chain.proposer);
        state.market.settlement_cursor = new(&self.market.settlement_cursor);
        state.accounts = self.accounts.iter().map(|(address, account)| (new(address), *account)).collect();
        state.plugins = self.plugins.iter().map(|(address, plugin)| (new(address), plugin.clone())).collect();
        state.roster = self.roster.iter().map(new).collect();
        state.seen = self.seen.iter().map(|(height, address)| (*height, new(address))).collect();
        state.tasks = self.tasks.iter().map(|(id, task)| (*id, renamed(task, new))).collect();
        for frozen in state.frozen.clone().keys() {
            let Some(list) = state.frozen.get_mut(frozen) else { continue };
            let mut slots: Vec<Address> = list.slots.iter().map(new).collect();
            slots.sort_unstable();
            list.root = slots_root(&slots);
            list.slots = slots.into();
        }
        state.events_head = hash::CHAIN_START;
        state.chain_event(&loaded);
        if state.accounts.len() != self.accounts.len() || state.plugins.len() != self.plugins.len() {
            return Err(StartFault::Renaming);
        }
        state.audit()?;
        Ok((state, vec![loaded]))
    }
}

fn renamed(task: &Task, new: impl Fn(&Address) -> Address) -> Task {
    let mut task = task.clone();
    if let TaskKind::Admission { plugin, .. } = &mut task.kind {
        *plugin = new(plugin);
    }
    match &mut task.status {
        TaskStatus::Assigned(assignment) => assignment.plugin = new(&assignment.plugin),
        TaskStatus::Done { plugin, .. } => *plugin = new(plugin),
        TaskStatus::Waiting { .. } | TaskStatus::Quarantined { .. } | TaskStatus::Lapsed => {}
    }
    task.failed = task.failed.iter().map(&new).collect();
    task.penalties = task.penalties.iter().map(|(address, amount)| (new(address), *amount)).collect();
    task
}
