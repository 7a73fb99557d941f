//! A world: validators, provers, users and what is between them, under one queue of virtual time.
//!
//! ```text
//! Queue ─► happening ─► a validator's or prover's core ─► what it asks for ─► Queue, other cores
//!                            └─ a block committed ─► checkers
//! ```
//!
//! Everything that a world does follows from its options. It reads no clock
//! and starts no thread. Time is in milliseconds since the world began; the
//! chain's own time is that of its genesis later.

mod commit;
mod fates;
mod links;
mod machines;
mod node;
mod schemes;
mod sessions;
mod start;
mod validators;
mod write;

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::Bytes;
use crowdfold_config::ValidGenesis;
use crowdfold_events::{Address, B256, EventSeq, Height, TaskId};
use crowdfold_kernel::Work;

use self::{links::Connection, node::Validator};
use super::{
    adversaries::Earnings,
    consensus::Message,
    faults::{FaultCounts, FaultKind, FaultPlan},
    memo::Memo,
    network::{Link, Peer, Weather},
    observe::{Cast, Checker, Violation},
    options::SimOptions,
    prover::machine::{Newest, Prover, Running},
    queue::Queue,
    random::Seed,
    users::Users,
};
use crate::node::Snapshot;

pub use start::WorldError;
pub use write::WriteError;

/// Pause between pings on a connection.
const PING_MS: u64 = 10_000;
/// Longest time in which a healed world comes to rest.
const HEAL_MS: u64 = 4 * 3_600_000;

/// Something that happens at its time.
enum Happening {
    NodeWake {
        validator: usize,
        life: u32,
    },
    SessionWake {
        validator: usize,
        life: u32,
        plugin: Address,
    },
    ProverWake {
        prover: usize,
        life: u32,
    },
    Opened {
        connection: u64,
    },
    ToNode {
        connection: u64,
        bytes: Vec<u8>,
    },
    ToProver {
        connection: u64,
        bytes: Vec<u8>,
    },
    /// An end of a connection hears that the other is gone.
    Gone {
        connection: u64,
        is_node: bool,
    },
    Ping {
        connection: u64,
    },
    Proven {
        prover: usize,
        life: u32,
        running: Running,
    },
    Solved {
        prover: usize,
        life: u32,
        height: Height,
        nonce: u64,
    },
    Checked {
        validator: usize,
        life: u32,
        upload: Box<Upload>,
    },
    Mail {
        from: usize,
        to: usize,
        message: Box<Message>,
    },
    Transaction {
        raw: Bytes,
    },
    Taken {
        hash: B256,
    },
    StartValidator {
        validator: usize,
    },
    StartProver {
        prover: usize,
    },
    Die {
        prover: usize,
    },
    Fault(FaultKind),
    EndOf {
        kind: FaultKind,
        validator: usize,
    },
}

/// A proof in verification.
struct Upload {
    plugin: Address,
    task: TaskId,
    proof_hash: B256,
    bytes: Bytes,
    work: Work,
}

/// Sums for the report.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) transactions: u64,
    pub(super) proofs: u64,
    pub(super) aggregates: u64,
    pub(super) penalties: u64,
    pub(super) batches: u64,
    pub(super) events: u64,
    pub(super) messages: u64,
}

/// See the module's header.
pub struct World {
    pub(super) options: SimOptions,
    pub(super) genesis: Arc<ValidGenesis>,
    /// The chain before the first block of this world.
    pub(super) origin: Arc<Snapshot>,
    /// The origin is not what the genesis gives: it cannot be replayed.
    is_fork: bool,
    seed: Seed,
    plan: FaultPlan,
    pub(super) counts: FaultCounts,
    pub(super) now_ms: u64,
    queue: Queue<Happening>,
    validators: Vec<Validator>,
    provers: Vec<Prover>,
    users: Users,
    weather: Weather,
    links: BTreeMap<(Peer, Peer), Link>,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    memo: Memo,
    newest: Newest,
    checkers: Vec<Box<dyn Checker>>,
    pub(super) cast: Cast,
    fates: fates::Fates,
    /// Highest block that anybody has committed.
    pub(super) tip: Height,
    /// First event of each block, by height.
    block_events: BTreeMap<u64, EventSeq>,
    healed_at: Option<(u64, Height)>,
    is_over: bool,
    pub(super) failure: Option<Violation>,
    pub(super) sums: Sums,
    pub(super) earnings: Earnings,
}

impl World {
    /// Runs to the end: the duration with faults, then until the world is at rest, or to the first violation.
    pub fn run(&mut self) {
        while self.failure.is_none() && !self.is_over {
            let end = self.options.duration_ms;
            let next = self.queue.next_ms().unwrap_or(u64::MAX);
            if self.healed_at.is_none() && next >= end {
                self.now_ms = end;
                self.heal();
                continue;
            }
            if let Some((healed_ms, _)) = self.healed_at
                && (self.is_at_rest() || next >= healed_ms + HEAL_MS)
            {
                return self.finish();
            }
            let Some((at_ms, happening)) = self.queue.pop() else { return self.finish() };
            self.now_ms = at_ms;
            self.happen(happening);
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::NodeWake { validator, life } => self.node_wake(validator, life),
            Happening::SessionWake { validator, life, plugin } => self.session_wake(validator, life, plugin),
            Happening::ProverWake { prover, life } => self.prover_wake(prover, life),
            Happening::Opened { connection } => self.opened(connection),
            Happening::ToNode { connection, bytes } => self.arrived_at_node(connection, &bytes),
            Happening::ToProver { connection, bytes } => self.arrived_at_prover(connection, &bytes),
            Happening::Gone { connection, is_node } => self.gone(connection, is_node),
            Happening::Ping { connection } => self.ping(connection),
            Happening::Proven { prover, life, running } => self.proven(prover, life, running),
            Happening::Solved { prover, life, height, nonce } => {
                let now_ms = self.now_ms;
                self.with_prover(prover, life, |core| core.registration_solved(now_ms, height, nonce));
            }
            Happening::Checked { validator, life, upload } => self.checked(validator, life, *upload),
            Happening::Mail { from, to, message } => self.mail_arrived(from, to, *message),
            Happening::Transaction { raw } => self.transaction_arrived(raw),
            Happening::Taken { hash } => self.users.taken(self.now_ms, hash),
            Happening::StartValidator { validator } => self.start_validator(validator),
            Happening::StartProver { prover } => self.start_prover(prover),
            Happening::Die { prover } => self.die(prover),
            Happening::Fault(kind) => self.strike(kind),
            Happening::EndOf { kind, validator } => self.relent(kind, validator),
        }
    }

    /// The chain's time in milliseconds since the Unix epoch.
    fn unix_ms(&self) -> u64 {
        self.origin.state.time_ms() + self.now_ms
    }

    fn link(&mut self, from: Peer, to: Peer) -> &mut Link {
        let seed = self.seed;
        self.links.entry((from, to)).or_insert_with(|| Link::new(seed, from, to))
    }

    /// When a datagram arrives; counts what happens to it.
    fn datagram(&mut self, from: Peer, to: Peer) -> [Option<u64>; 2] {
        if self.weather.is_cut(from, to) {
            return [None, None];
        }
        let (now_ms, seed) = (self.now_ms, self.seed);
        let link = self.links.entry((from, to)).or_insert_with(|| Link::new(seed, from, to));
        self.weather.datagram(link, now_ms, &mut self.counts)
    }

    fn fail(&mut self, violation: Violation) {
        self.failure.get_or_insert(violation);
    }

    /// A core did what no input may make it do.
    fn broken(&mut self, rule: &'static str, validator: usize, detail: impl std::fmt::Display) {
        let height = self.tip.next();
        self.fail(Violation { rule, validator: Some(validator), height, detail: detail.to_string() });
    }
}

impl World {
    /// State root and head of the event chain of the first validator that is up.
    pub(super) fn ends(&self) -> (B256, B256) {
        let node = self.validators.iter().find_map(|v| v.node.as_ref());
        let state = node.map_or(&self.origin.state, |node| &node.ledger.snapshot().state);
        (state.state_root(), state.events_head())
    }

    /// Memoised results that were computed again and compared.
    pub(super) fn rechecked(&self) -> u64 {
        self.memo.checked
    }

    /// Hash of all bytes of the first validator's journal.
    #[must_use]
    pub fn journal_hash(&self) -> B256 {
        self.validators.first().map(|v| commit::hash_of(&v.disk)).unwrap_or_default()
    }
}
