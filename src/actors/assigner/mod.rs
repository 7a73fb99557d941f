//! The assigner: hands every assigned task with its package to the plugin's session.
//!
//! ```text
//! CommittedBlock ─► Projection ─► Close, Notify, Account ───────────────► SessionDirectory
//!                        └─► Offer ─► package built (blocking thread) ─►┘   (Deliver)
//! SessionOpening ─► packages of the plugin's open tasks ─► Seed
//! FetchData      ─► a piece of a package that was too long for its offer
//! ```
//!
//! It holds nothing that cannot be rebuilt from the newest snapshot: after a
//! restart every plugin that logs in is told its open tasks again. It decides
//! nothing; a task that ended while its package was built is not offered.
//! Packages are built [`LANES`] at a time; the rest waits in order.

mod account;
mod core;
mod projection;
mod recent;

use std::sync::Arc;

use actix::prelude::*;
use alloy_primitives::Bytes;
use crowdfold_events::{
    Address,
    wire::{ChainStatus, Code, Offer, Package},
};
use tokio::sync::{Semaphore, broadcast};

pub use self::{
    account::{account, differs},
    core::{Act, AssignerCore, Build, Built},
    projection::{Assigned, Projection, Tell, standing},
    recent::Recent,
};
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

/// The actor around [`AssignerCore`]; see the module's header.
pub struct Assigner {
    core: AssignerCore,
    witnesses: Witnesses,
    aggregator: Addr<Aggregator>,
    directory: Option<Addr<SessionDirectory>>,
    events: broadcast::Sender<NodeEvent>,
    lanes: Arc<Semaphore>,
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
        let (core, lanes) = (AssignerCore::new(snapshot), Arc::new(Semaphore::new(LANES)));
        Self { core, witnesses, aggregator, directory: None, events, lanes }
    }

    fn deliver(&self, plugin: Address, command: Command) {
        if let Some(directory) = &self.directory {
            // The directory ends a session that cannot take it.
            directory.do_send(Deliver { plugin, command });
        }
    }

    /// Builds a package; `None` when that is not possible.
    fn build(&self, of: Build) -> impl Future<Output = Option<Built>> + use<> {
        let Build { plugin, task, .. } = of;
        let snapshot = self.core.snapshot().clone();
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
            match encoded {
                Ok(bytes) => Some(Built::new(Bytes::from(bytes))),
                Err(fault) => {
                    tracing::error!(%task, %plugin, fault, "a package cannot be built");
                    None
                }
            }
        }
    }

    /// Tells who watches of an offer that goes out.
    fn show(&self, plugin: Address, offer: &Offer) {
        let package_bytes = match &offer.package {
            Package::Inline { bytes } => bytes.len(),
            Package::Fetch { length, .. } => *length as usize,
        };
        let (task, attempt) = (offer.task, offer.attempt);
        // Nobody may be watching.
        self.events
            .send(NodeEvent::Offered { plugin, task, attempt, package_bytes, at_ms: now_ms() })
            .unwrap_or_default();
    }

    /// Builds the package of a new assignment and offers it if it still stands.
    fn prepare(&self, of: Build, ctx: &mut Context<Self>) {
        let built = self.build(of).into_actor(self);
        ctx.spawn(built.map(move |built, actor, _| {
            let Some(offer) = built.and_then(|built| actor.core.built(of, built)) else { return };
            actor.show(of.plugin, &offer);
            actor.deliver(of.plugin, Command::Offer(offer));
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
        for act in self.core.committed(&committed) {
            match act {
                Act::Build(of) => self.prepare(of, ctx),
                Act::Deliver(plugin, command) => self.deliver(plugin, command),
                Act::Broadcast(status) => {
                    if let Some(directory) = &self.directory {
                        directory.do_send(Broadcast { status });
                    }
                }
            }
        }
    }
}

impl Handler<SessionOpening> for Assigner {
    type Result = ResponseActFuture<Self, Result<Seed, Code>>;

    fn handle(&mut self, SessionOpening { plugin }: SessionOpening, _: &mut Self::Context) -> Self::Result {
        let building: Vec<_> = self
            .core
            .opening(plugin)
            .into_iter()
            .map(|of| {
                let built = self.build(of);
                async move { Some((of, built.await?)) }
            })
            .collect();
        let built = futures_util::future::join_all(building).into_actor(self);
        Box::pin(built.map(move |built, actor, ctx| {
            let (seed, missing) = actor.core.open(plugin, built.into_iter().flatten().collect());
            seed.offers.iter().for_each(|offer| actor.show(plugin, offer));
            missing.into_iter().for_each(|of| actor.prepare(of, ctx));
            Ok(seed)
        }))
    }
}

impl Handler<SessionClosed> for Assigner {
    type Result = ();

    fn handle(&mut self, SessionClosed { plugin, code }: SessionClosed, _: &mut Self::Context) {
        tracing::debug!(%plugin, %code, "a session is over");
        self.core.close(plugin);
    }
}

impl Handler<FetchData> for Assigner {
    type Result = Result<DataPiece, Code>;

    fn handle(&mut self, FetchData { digest, offset, length }: FetchData, _: &mut Self::Context) -> Self::Result {
        self.core.fetch(&digest, offset, length)
    }
}

impl Handler<TaskProgress> for Assigner {
    type Result = ();

    fn handle(&mut self, TaskProgress { plugin, task, permille }: TaskProgress, _: &mut Self::Context) {
        // Nobody may be watching.
        self.events.send(NodeEvent::Progress { plugin, task, permille, at_ms: now_ms() }).unwrap_or_default();
    }
}
