//! The assigner: hands every assigned task with its package to the plugin's session.
//!
//! ```text
//! CommittedBlock ─► Projection ─► Close, Notify ────────────────────────► SessionDirectory
//!                        └─► Offer ─► package built (blocking thread) ─►┘   (Deliver)
//! SessionOpening ─► packages of the plugin's open tasks ─► Seed
//! FetchData      ─► a piece of a package that was too long for its offer
//! ```
//!
//! It holds nothing that cannot be rebuilt from the newest snapshot: after a
//! restart every plugin that logs in is told its open tasks again. It decides
//! nothing; a task that ended while its package was built is not offered.
//! Packages are built [`LANES`] at a time; the rest waits in order.

mod projection;

use std::{collections::BTreeMap, sync::Arc};

use actix::prelude::*;
use alloy_primitives::{Bytes, keccak256};
use crowdfold_events::{
    Address, B256, TaskId,
    wire::{ChainStatus, Code, Offer, Package},
};
use tokio::sync::{Semaphore, broadcast};

pub use self::projection::{Assigned, Projection, Tell, standing};
use crate::{
    actors::{
        aggregator::{Aggregator, BuildPackage},
        ledger::CommittedBlock,
        sequencer::now_ms,
        session::{
            Command, Seed, SessionDirectory,
            messages::{Broadcast, DataPiece, Deliver, FetchData, SessionClosed, SessionOpening, TaskProgress},
        },
    },
    node::{NodeEvent, Snapshot},
    proofs::Witnesses,
};

/// Packages built at the same time.
const LANES: usize = 2;
/// Longest package that is sent inside its offer, in bytes.
const INLINE_BYTES: usize = 64 << 10;

/// A package as it is offered.
#[derive(Clone, Debug)]
struct Built {
    package: Package,
    bytes: usize,
    /// Kept for fetching, unless it is sent inside the offer.
    data: Option<(B256, Bytes)>,
}

/// See the module's header.
pub struct Assigner {
    projection: Projection,
    /// After the last block that the sessions were told of.
    snapshot: Arc<Snapshot>,
    witnesses: Witnesses,
    aggregator: Addr<Aggregator>,
    directory: Option<Addr<SessionDirectory>>,
    events: broadcast::Sender<NodeEvent>,
    lanes: Arc<Semaphore>,
    /// Packages of tasks that are offered, by plugin, task and attempt.
    built: BTreeMap<(Address, TaskId, u32), Built>,
    /// Data that can be fetched, and how many offers name it.
    data: BTreeMap<B256, (Bytes, usize)>,
}

/// Where to deliver. Sent once, when the directory is there.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Connect(pub Addr<SessionDirectory>);

/// What a session shows of the chain.
#[must_use]
pub fn chain_status(snapshot: &Snapshot) -> ChainStatus {
    let state = &snapshot.state;
    let block = &state.parameters().block;
    let (registration_work, height, block_hash) = state.registration_work();
    let millis = |ms: u64| u32::try_from(ms).unwrap_or(u32::MAX);
    ChainStatus {
        height,
        time_ms: state.time_ms(),
        block_time_ms: millis(block.target_block_time_ms),
        idle_interval_ms: millis(block.idle_interval_ms),
        block_hash,
        registration_work,
    }
}

impl Assigner {
    /// An assigner without sessions, at the block after which `snapshot` is.
    #[must_use]
    pub fn new(
        snapshot: Arc<Snapshot>,
        witnesses: Witnesses,
        aggregator: Addr<Aggregator>,
        events: broadcast::Sender<NodeEvent>,
    ) -> Self {
        Self {
            projection: Projection::default(),
            snapshot,
            witnesses,
            aggregator,
            directory: None,
            events,
            lanes: Arc::new(Semaphore::new(LANES)),
            built: BTreeMap::new(),
            data: BTreeMap::new(),
        }
    }

    fn deliver(&self, plugin: Address, command: Command) {
        if let Some(directory) = &self.directory {
            // The directory ends a session that cannot take it.
            directory.do_send(Deliver { plugin, command });
        }
    }

    /// Builds a task's package for a plugin; `None` when that is not possible.
    fn build(&self, plugin: Address, task: TaskId) -> impl Future<Output = Option<Built>> + use<> {
        let snapshot = self.snapshot.clone();
        let (witnesses, aggregator, lanes) = (self.witnesses.clone(), self.aggregator.clone(), self.lanes.clone());
        async move {
            let _lane = lanes.acquire().await.ok()?;
            let work = snapshot.state.work(task, plugin)?;
            let package = match work {
                crowdfold_kernel::Work::Aggregate(node) => {
                    aggregator.send(BuildPackage { snapshot, node }).await.ok()?
                }
                work @ crowdfold_kernel::Work::Item(_) => {
                    tokio::task::spawn_blocking(move || witnesses.package(&snapshot, &work)).await.ok()?
                }
            };
            let encoded =
                package.map_err(|fault| fault.to_string()).and_then(|p| p.encode().map_err(|f| f.to_string()));
            let bytes = match encoded {
                Ok(bytes) => Bytes::from(bytes),
                Err(fault) => {
                    tracing::error!(%task, %plugin, fault, "a package cannot be built");
                    return None;
                }
            };
            let length = bytes.len();
            Some(if length <= INLINE_BYTES {
                Built { package: Package::Inline { bytes }, bytes: length, data: None }
            } else {
                let digest = keccak256(&bytes);
                let package = Package::Fetch { digest, length: u32::try_from(length).unwrap_or(u32::MAX) };
                Built { package, bytes: length, data: Some((digest, bytes)) }
            })
        }
    }

    fn keep(&mut self, plugin: Address, task: TaskId, attempt: u32, built: Built) {
        if let Some((digest, bytes)) = &built.data {
            self.data.entry(*digest).or_insert_with(|| (bytes.clone(), 0)).1 += 1;
        }
        if let Some(before) = self.built.insert((plugin, task, attempt), built) {
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

    fn offer(&self, plugin: Address, task: TaskId, assigned: &Assigned, built: &Built) -> Offer {
        // Nobody may be watching.
        let offered =
            NodeEvent::Offered { plugin, task, attempt: assigned.attempt, package_bytes: built.bytes, at_ms: now_ms() };
        self.events.send(offered).unwrap_or_default();
        Offer {
            task,
            attempt: assigned.attempt,
            kind: assigned.kind.clone(),
            segments: assigned.segments,
            bounty: assigned.bounty,
            assigned: assigned.assigned,
            deadline: assigned.deadline,
            package: built.package.clone(),
        }
    }

    /// Builds the package of a new assignment and offers it if it still stands.
    fn prepare(&self, plugin: Address, task: TaskId, ctx: &mut Context<Self>) {
        let Some(attempt) = self.projection.task(&plugin, task).map(|a| a.attempt) else { return };
        let built = self.build(plugin, task).into_actor(self);
        ctx.spawn(built.map(move |built, actor, _| {
            let Some(built) = built else { return };
            let Some(assigned) = actor.projection.task(&plugin, task).filter(|a| a.attempt == attempt) else { return };
            let offer = actor.offer(plugin, task, assigned, &built);
            actor.keep(plugin, task, attempt, built);
            actor.deliver(plugin, Command::Offer(offer));
        }));
    }
}

impl Actor for Assigner {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(512);
    }
}

impl Handler<Connect> for Assigner {
    type Result = ();

    fn handle(&mut self, Connect(directory): Connect, _: &mut Self::Context) {
        self.directory = Some(directory);
    }
}

impl Handler<CommittedBlock> for Assigner {
    type Result = ();

    fn handle(&mut self, CommittedBlock(committed): CommittedBlock, ctx: &mut Self::Context) {
        self.snapshot = committed.snapshot.clone();
        let height = committed.snapshot.height();
        for tell in self.projection.apply(&committed.snapshot.state, &committed.events) {
            match tell {
                Tell::Offer { plugin, task } => self.prepare(plugin, task, ctx),
                Tell::Close { plugin, task, reason } => {
                    self.forget(|(p, t, _)| *p == plugin && *t == task);
                    self.deliver(plugin, Command::Close { task, reason });
                }
                Tell::Notify { plugin, notice } => self.deliver(plugin, Command::Notify { height, notice }),
            }
        }
        if let Some(directory) = &self.directory {
            directory.do_send(Broadcast { status: chain_status(&committed.snapshot) });
        }
    }
}

impl Handler<SessionOpening> for Assigner {
    type Result = ResponseActFuture<Self, Result<Seed, Code>>;

    fn handle(&mut self, SessionOpening { plugin }: SessionOpening, _: &mut Self::Context) -> Self::Result {
        // Only to know which packages to build before the session is told of them.
        let mut expected = Projection::default();
        expected.open(&self.snapshot.state, plugin);
        let tasks = expected.tasks(&plugin);
        let building: Vec<_> = tasks
            .into_iter()
            .map(|(task, assigned)| {
                let built = self.build(plugin, task);
                async move { (task, assigned.attempt, built.await) }
            })
            .collect();
        let built = futures_util::future::join_all(building).into_actor(self);
        Box::pin(built.map(move |built, actor, ctx| {
            let snapshot = actor.snapshot.clone();
            let state = &snapshot.state;
            let standing = actor.projection.open(state, plugin);
            for (task, attempt, built) in built {
                if let (Some(built), Some(_)) =
                    (built, actor.projection.task(&plugin, task).filter(|a| a.attempt == attempt))
                {
                    actor.keep(plugin, task, attempt, built);
                }
            }
            let mut offers = Vec::new();
            for (task, assigned) in actor.projection.tasks(&plugin) {
                match actor.built.get(&(plugin, task, assigned.attempt)) {
                    Some(built) => offers.push(actor.offer(plugin, task, &assigned, built)),
                    // Assigned while the others were built.
                    None => actor.prepare(plugin, task, ctx),
                }
            }
            let next_sequence = state.account_info(&plugin).sequence.saturating_add(1);
            Ok(Seed { standing, next_sequence, status: chain_status(&snapshot), offers })
        }))
    }
}

impl Handler<SessionClosed> for Assigner {
    type Result = ();

    fn handle(&mut self, SessionClosed { plugin, code }: SessionClosed, _: &mut Self::Context) {
        tracing::debug!(%plugin, %code, "a session is over");
        self.projection.close(&plugin);
        self.forget(|(p, ..)| *p == plugin);
    }
}

impl Handler<FetchData> for Assigner {
    type Result = Result<DataPiece, Code>;

    fn handle(&mut self, FetchData { digest, offset, length }: FetchData, _: &mut Self::Context) -> Self::Result {
        let (bytes, _) = self.data.get(&digest).ok_or(Code::NoSuchData)?;
        let start = usize::try_from(offset).ok().filter(|start| *start < bytes.len()).ok_or(Code::DataRange)?;
        let end = start.saturating_add(length as usize).min(bytes.len());
        Ok(DataPiece { total: bytes.len() as u64, bytes: bytes.slice(start..end) })
    }
}

impl Handler<TaskProgress> for Assigner {
    type Result = ();

    fn handle(&mut self, TaskProgress { plugin, task, permille }: TaskProgress, _: &mut Self::Context) {
        // Nobody may be watching.
        self.events.send(NodeEvent::Progress { plugin, task, permille, at_ms: now_ms() }).unwrap_or_default();
    }
}
