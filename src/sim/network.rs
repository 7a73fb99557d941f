//! The simulated network: how long everything takes, and what gets lost.
//!
//! Validators and users send datagrams, which may be lost, late, doubled or
//! overtaken. A prover's connection is a stream, as its WebSocket is: bytes
//! come in order or not at all, so a loss breaks the connection and a delay
//! holds up what follows. During a partition nothing crosses between its two
//! sides; a connection that crosses is dead from the first byte it loses.

use super::{
    faults::{FaultCounts, FaultKind, FaultPlan},
    random::{Seed, Stream},
};

/// Who is at an end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// A validator by number.
    Validator(usize),
    /// A prover by number.
    Prover(usize),
    /// All users together: their wallets share an uplink.
    Users,
}

impl Peer {
    fn number(self) -> u64 {
        match self {
            Self::Validator(number) => number as u64,
            Self::Prover(number) => (1 << 32) + number as u64,
            Self::Users => 1 << 33,
        }
    }
}

/// Shortest and longest latency without faults, in milliseconds.
const LATENCY_MS: (u64, u64) = (15, 120);
/// Shortest and longest latency of a delayed message, in milliseconds.
const DELAY_MS: (u64, u64) = (1_000, 12_000);
/// Longest by which a message is held back so that later ones overtake it.
const REORDER_MS: u64 = 1_500;

/// One direction between two peers.
#[derive(Clone, Debug)]
pub struct Link {
    latency: Stream,
    loss: Stream,
    delay: Stream,
    duplicate: Stream,
    reorder: Stream,
    /// When the last byte of the stream arrives.
    last_ms: u64,
}

impl Link {
    /// The link from one peer to another.
    #[must_use]
    pub fn new(seed: Seed, from: Peer, to: Peer) -> Self {
        let number = from.number() << 24 ^ to.number();
        let stream = |concern| seed.stream(concern, number);
        Self {
            latency: stream("link.latency"),
            loss: stream("link.loss"),
            delay: stream("link.delay"),
            duplicate: stream("link.duplicate"),
            reorder: stream("link.reorder"),
            last_ms: 0,
        }
    }
}

/// How often messages suffer, and the present partition.
#[derive(Clone, Debug)]
pub struct Weather {
    loss: u32,
    stream_loss: u32,
    delay: u32,
    duplicate: u32,
    reorder: u32,
    /// Peers on the other side.
    cut: Vec<Peer>,
}

impl Weather {
    /// The weather of a plan, without a partition.
    #[must_use]
    pub fn new(plan: &FaultPlan) -> Self {
        Self {
            loss: plan.per_million(FaultKind::MessageLoss, 120_000),
            stream_loss: plan.per_million(FaultKind::MessageLoss, 2_000),
            delay: plan.per_million(FaultKind::MessageDelay, 30_000),
            duplicate: plan.per_million(FaultKind::MessageDuplicate, 100_000),
            reorder: plan.per_million(FaultKind::MessageReorder, 100_000),
            cut: Vec::new(),
        }
    }

    /// No more faults.
    pub fn heal(&mut self) {
        *self = Self { loss: 0, stream_loss: 0, delay: 0, duplicate: 0, reorder: 0, cut: Vec::new() };
    }

    /// Cuts these off from everybody else; an empty list ends the partition.
    pub fn cut(&mut self, peers: Vec<Peer>) {
        self.cut = peers;
    }

    /// Whether a partition lies between two peers.
    #[must_use]
    pub fn is_cut(&self, a: Peer, b: Peer) -> bool {
        !self.cut.is_empty() && self.cut.contains(&a) != self.cut.contains(&b)
    }

    /// When a datagram arrives: not at all, once, or twice.
    pub fn datagram(&self, link: &mut Link, now_ms: u64, counts: &mut FaultCounts) -> [Option<u64>; 2] {
        let mut at = now_ms + link.latency.between(LATENCY_MS.0, LATENCY_MS.1);
        if link.loss.chance(self.loss) {
            counts.add(FaultKind::MessageLoss);
            return [None, None];
        }
        if link.delay.chance(self.delay) {
            counts.add(FaultKind::MessageDelay);
            at += link.delay.between(DELAY_MS.0, DELAY_MS.1);
        }
        if link.reorder.chance(self.reorder) {
            counts.add(FaultKind::MessageReorder);
            at += link.reorder.between(1, REORDER_MS);
        }
        let again = link.duplicate.chance(self.duplicate).then(|| {
            counts.add(FaultKind::MessageDuplicate);
            at + link.duplicate.between(1, REORDER_MS)
        });
        [Some(at), again]
    }

    /// When bytes of a stream arrive; `None` breaks it.
    pub fn stream(&self, link: &mut Link, now_ms: u64, counts: &mut FaultCounts) -> Option<u64> {
        let mut at = now_ms + link.latency.between(LATENCY_MS.0, LATENCY_MS.1);
        if link.loss.chance(self.stream_loss) {
            counts.add(FaultKind::MessageLoss);
            return None;
        }
        if link.delay.chance(self.delay / 10) {
            counts.add(FaultKind::MessageDelay);
            at += link.delay.between(DELAY_MS.0, DELAY_MS.1);
        }
        link.last_ms = link.last_ms.max(at);
        Some(link.last_ms)
    }
}
