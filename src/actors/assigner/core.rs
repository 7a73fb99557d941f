//! The assigner's decisions, without actors, threads or packages' contents.
//!
//! ```text
//! committed ─► Build, Tell, Broadcast      opening ─► what to build before a session begins
//! built     ─► the offer, if it stands     open    ─► the session's seed, and what came meanwhile
//! ```
//!
//! It keeps the packages of tasks that are offered, and the data that was too
//! long for its offer until the last offer that names it has ended.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{Bytes, keccak256};
use crowdfold_events::{
    Address, B256, TaskId,
    wire::{Account, ChainStatus, Code, Offer, Package},
};

use super::{
    account::{account, differs},
    chain_status,
    projection::{Assigned, Projection, Tell},
};
use crate::{
    actors::session::{Command, Seed, messages::DataPiece},
    node::{Committed, Snapshot},
    planted::{self, Bug},
};

/// Longest package that is sent inside its offer, in bytes.
const INLINE_BYTES: usize = 64 << 10;

/// A package as it is offered.
#[derive(Clone, Debug)]
pub struct Built {
    package: Package,
    bytes: usize,
    /// Kept for fetching, unless it is sent inside the offer.
    data: Option<(B256, Bytes)>,
}

impl Built {
    /// A package of these bytes.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        let length = bytes.len();
        if length <= INLINE_BYTES {
            return Self { package: Package::Inline { bytes }, bytes: length, data: None };
        }
        let digest = keccak256(&bytes);
        let package = Package::Fetch { digest, length: u32::try_from(length).unwrap_or(u32::MAX) };
        Self { package, bytes: length, data: Some((digest, bytes)) }
    }

    /// Bytes of the package.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A package that has to be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// For whom.
    pub plugin: Address,
    /// For which task.
    pub task: TaskId,
    /// For which attempt at it.
    pub attempt: u32,
}

/// What the shell has to do, in this order.
#[derive(Clone, Debug)]
pub enum Act {
    /// Build a package; answer with [`AssignerCore::built`].
    Build(Build),
    /// Tell a plugin's session.
    Deliver(Address, Command),
    /// Tell every session.
    Broadcast(ChainStatus),
}

/// See the module's header.
pub struct AssignerCore {
    projection: Projection,
    /// After the last block that the sessions were told of.
    snapshot: Arc<Snapshot>,
    /// What each open session was last told of its plugin's account.
    accounts: BTreeMap<Address, Account>,
    /// Packages of tasks that are offered, by plugin, task and attempt.
    built: BTreeMap<(Address, TaskId, u32), Built>,
    /// Data that can be fetched, and how many offers name it.
    data: BTreeMap<B256, (Bytes, usize)>,
}

impl AssignerCore {
    /// Without sessions, at the block after which `snapshot` is.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self {
            projection: Projection::default(),
            snapshot,
            accounts: BTreeMap::new(),
            built: BTreeMap::new(),
            data: BTreeMap::new(),
        }
    }

    /// After the last block that the sessions were told of.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// A block was committed.
    pub fn committed(&mut self, committed: &Committed) -> Vec<Act> {
        self.snapshot = committed.snapshot.clone();
        let height = committed.snapshot.height();
        let mut acts = Vec::new();
        for tell in self.projection.apply(&committed.snapshot.state, &committed.events) {
            match tell {
                Tell::Offer { plugin, task } => acts.extend(self.offer(plugin, task)),
                Tell::Close { plugin, task, reason } => {
                    self.forget(|(p, t, _)| *p == plugin && *t == task);
                    acts.push(Act::Deliver(plugin, Command::Close { task, reason }));
                }
                Tell::Notify { plugin, notice } => {
                    acts.push(Act::Deliver(plugin, Command::Notify { height, notice }));
                }
            }
        }
        acts.extend(self.changed_accounts());
        acts.push(Act::Broadcast(chain_status(&committed.snapshot)));
        acts
    }

    /// What the last block changed in the accounts of plugins with a session.
    fn changed_accounts(&mut self) -> Vec<Act> {
        let mut acts = Vec::new();
        for plugin in self.projection.open_sessions() {
            let now = account(&self.snapshot.state, plugin);
            if self.accounts.get(plugin).is_none_or(|told| differs(told, &now)) {
                self.accounts.insert(*plugin, now);
                acts.push(Act::Deliver(*plugin, Command::Account(now)));
            }
        }
        acts
    }

    /// A package is built once for an attempt; a renewed offer takes it again.
    fn offer(&self, plugin: Address, task: TaskId) -> Option<Act> {
        let assigned = self.projection.task(&plugin, task)?;
        let attempt = assigned.attempt;
        if planted::is(Bug::AssignerOffersOnce) && attempt > 1 {
            return None;
        }
        Some(match self.built.get(&(plugin, task, attempt)) {
            Some(built) => Act::Deliver(plugin, Command::Offer(offer(task, assigned, built))),
            None => Act::Build(Build { plugin, task, attempt }),
        })
    }

    /// A package is built; the offer, if the assignment still stands.
    pub fn built(&mut self, of: Build, built: Built) -> Option<Offer> {
        let assigned = self.standing(&of)?;
        let offer = offer(of.task, &assigned, &built);
        self.keep(of, built);
        Some(offer)
    }

    fn standing(&self, of: &Build) -> Option<Assigned> {
        self.projection.task(&of.plugin, of.task).filter(|a| a.attempt == of.attempt).cloned()
    }

    /// Which packages to build before a plugin's session is told of them.
    #[must_use]
    pub fn opening(&self, plugin: Address) -> Vec<Build> {
        let mut expected = Projection::default();
        expected.open(&self.snapshot.state, plugin);
        let tasks = expected.tasks(&plugin).into_iter();
        tasks.map(|(task, assigned)| Build { plugin, task, attempt: assigned.attempt }).collect()
    }

    /// A session begins with the packages that were built for it, and what has
    /// to be built because it was assigned meanwhile.
    pub fn open(&mut self, plugin: Address, ready: Vec<(Build, Built)>) -> (Seed, Vec<Build>) {
        let snapshot = self.snapshot.clone();
        let standing = self.projection.open(&snapshot.state, plugin);
        for (of, built) in ready {
            if self.standing(&of).is_some() {
                self.keep(of, built);
            }
        }
        let (mut offers, mut missing) = (Vec::new(), Vec::new());
        for (task, assigned) in self.projection.tasks(&plugin) {
            let attempt = assigned.attempt;
            match self.built.get(&(plugin, task, attempt)) {
                Some(built) => offers.push(offer(task, &assigned, built)),
                None => missing.push(Build { plugin, task, attempt }),
            }
        }
        let next_sequence = snapshot.state.account_info(&plugin).sequence.saturating_add(1);
        let account = account(&snapshot.state, &plugin);
        self.accounts.insert(plugin, account);
        let recent = self.projection.recent(&plugin);
        let status = chain_status(&snapshot);
        (Seed { standing, next_sequence, status, account, recent, offers }, missing)
    }

    /// A session is over.
    pub fn close(&mut self, plugin: Address) {
        self.projection.close(&plugin);
        self.accounts.remove(&plugin);
        self.forget(|(p, ..)| *p == plugin);
    }

    /// A piece of a package that was too long for its offer.
    ///
    /// # Errors
    /// A code for the plugin.
    pub fn fetch(&self, digest: &B256, offset: u64, length: u32) -> Result<DataPiece, Code> {
        let (bytes, _) = self.data.get(digest).ok_or(Code::NoSuchData)?;
        DataPiece::of(bytes, offset, length)
    }

    fn keep(&mut self, of: Build, built: Built) {
        if let Some((digest, bytes)) = &built.data {
            self.data.entry(*digest).or_insert_with(|| (bytes.clone(), 0)).1 += 1;
        }
        if let Some(before) = self.built.insert((of.plugin, of.task, of.attempt), built) {
            self.release(&before);
        }
    }

    fn release(&mut self, built: &Built) {
        let Some((digest, _)) = &built.data else { return };
        if let Some(entry) = self.data.get_mut(digest) {
            entry.1 -= 1;
            if entry.1 == 0 {
                self.data.remove(digest);
            }
        }
    }

    fn forget(&mut self, gone: impl Fn(&(Address, TaskId, u32)) -> bool) {
        let keys: Vec<_> = self.built.keys().filter(|key| gone(key)).copied().collect();
        for key in keys {
            if let Some(built) = self.built.remove(&key) {
                self.release(&built);
            }
        }
    }
}

fn offer(task: TaskId, assigned: &Assigned, built: &Built) -> Offer {
    Offer {
        task,
        attempt: assigned.attempt,
        kind: assigned.kind.clone(),
        segments: assigned.segments,
        bounty: assigned.bounty,
        assigned: assigned.assigned,
        deadline: assigned.deadline,
        package: built.package.clone(),
        draw: assigned.draw.clone(),
    }
}
