//! Connections between provers and nodes: streams of bytes, as WebSockets are.

use std::mem;

use crowdfold_events::{Address, wire::Resume};

use super::{Happening, World, node::Session};
use crate::{
    actors::{
        assigner::Built,
        session::{LoginCore, LoginStep, SessionCore},
    },
    node::session_config,
    proofs::SimulatedChecker,
    sim::network::Peer,
};

/// Time after which an attempt to connect fails, when nobody refuses it.
const CONNECT_TIMEOUT_MS: u64 = 10_000;

/// How far a connection is, on the node's side.
pub(super) enum Phase {
    /// On its way.
    Opening,
    Login(Box<LoginCore>),
    Session(Address),
    Over,
}

/// A prover's connection to a node.
pub(super) struct Connection {
    prover: usize,
    validator: usize,
    /// The processes at both ends.
    prover_life: u32,
    node_life: u32,
    phase: Phase,
    /// A byte was lost: nothing arrives any more.
    is_broken: bool,
}

impl World {
    fn peers(&self, connection: u64) -> Option<(Peer, Peer, bool)> {
        let found = self.connections.get(&connection)?;
        let (prover, node) = (Peer::Prover(found.prover), Peer::Validator(found.validator));
        Some((prover, node, found.is_broken))
    }

    /// Sends something along a connection, behind everything sent before.
    pub(super) fn stream(&mut self, connection: u64, to_node: bool, happening: Happening) {
        let Some((prover, node, is_broken)) = self.peers(connection) else { return };
        let (from, to) = if to_node { (prover, node) } else { (node, prover) };
        if is_broken {
            return;
        }
        let (now_ms, is_cut) = (self.now_ms, self.weather.is_cut(from, to));
        self.link(from, to);
        let arrives = match self.links.get_mut(&(from, to)) {
            Some(link) if !is_cut => self.weather.stream(link, now_ms, &mut self.counts),
            _ => None,
        };
        match arrives {
            Some(at_ms) => self.queue.put(at_ms, happening),
            None => {
                if let Some(found) = self.connections.get_mut(&connection) {
                    found.is_broken = true;
                }
                // A cut shows by silence; a loss is noticed by both ends soon.
                if !is_cut {
                    // The node's end is the one that forgets the connection, so it hears last.
                    self.queue.put(now_ms + 2_000, Happening::Gone { connection, is_node: false });
                    self.queue.put(now_ms + 2_000, Happening::Gone { connection, is_node: true });
                }
            }
        }
    }

    /// Provers connect to who proposes: there their messages can get into a block.
    pub(super) fn connect(&mut self, prover: usize) {
        let (connection, validator) = (self.next_connection, self.gateway());
        self.next_connection += 1;
        let found = &mut self.provers[prover];
        found.connection = Some(connection);
        let (prover_life, node_life) = (found.life, self.validators[validator].life);
        let (phase, is_broken) = (Phase::Opening, false);
        let new = Connection { prover, validator, prover_life, node_life, phase, is_broken };
        self.connections.insert(connection, new);
        if self.weather.is_cut(Peer::Prover(prover), Peer::Validator(validator)) {
            let at_ms = self.now_ms + CONNECT_TIMEOUT_MS;
            self.queue.put(at_ms, Happening::Gone { connection, is_node: false });
        } else {
            self.stream(connection, true, Happening::Opened { connection });
        }
    }

    /// The validator that users and provers talk to.
    pub(super) fn gateway(&self) -> usize {
        0
    }

    pub(super) fn opened(&mut self, connection: u64) {
        let nonce = self.seed.bytes("login.nonce", connection);
        let Some(found) = self.connections.get_mut(&connection) else { return };
        let (prover, prover_life) = (found.prover, found.prover_life);
        match &self.validators[found.validator].node {
            Some(node) if self.validators[found.validator].life == found.node_life => {
                let limits = session_config(&node.ledger.snapshot().state).limits;
                found.phase = Phase::Login(Box::new(LoginCore::new(node.identity.clone(), limits, nonce)));
                self.queue.put(self.now_ms + PING_FIRST_MS, Happening::Ping { connection });
                let now_ms = self.now_ms;
                if self.provers[prover].connection == Some(connection) {
                    self.with_prover(prover, prover_life, |core| core.connected(now_ms));
                }
            }
            _ => self.stream(connection, false, Happening::Gone { connection, is_node: false }),
        }
    }

    pub(super) fn ping(&mut self, connection: u64) {
        let Some(found) = self.connections.get(&connection) else { return };
        let (prover, prover_life, validator) = (found.prover, found.prover_life, found.validator);
        if self.provers[prover].connection != Some(connection) || found.node_life != self.validators[validator].life {
            return;
        }
        let is_through = !found.is_broken && !self.weather.is_cut(Peer::Prover(prover), Peer::Validator(validator));
        let now_ms = self.now_ms;
        if is_through && let Phase::Session(plugin) = found.phase {
            if let Some(session) = self.session(validator, plugin) {
                session.core.heard(now_ms);
            }
            let found = &mut self.provers[prover];
            if let (true, Some(core)) = (found.life == prover_life, &mut found.core) {
                core.heard(now_ms);
            }
        }
        self.queue.put(now_ms + super::PING_MS, Happening::Ping { connection });
    }

    pub(super) fn arrived_at_prover(&mut self, connection: u64, bytes: &[u8]) {
        let Some(found) = self.connections.get(&connection) else { return };
        let (prover, life, now_ms) = (found.prover, found.prover_life, self.now_ms);
        if !found.is_broken && self.provers[prover].connection == Some(connection) {
            self.with_prover(prover, life, |core| core.receive(now_ms, bytes));
        }
    }

    pub(super) fn arrived_at_node(&mut self, connection: u64, bytes: &[u8]) {
        let now_ms = self.now_ms;
        let Some(found) = self.connections.get_mut(&connection) else { return };
        let validator = found.validator;
        if found.is_broken || found.node_life != self.validators[validator].life {
            return;
        }
        match &mut found.phase {
            Phase::Login(core) => match core.receive(bytes) {
                LoginStep::Send(bytes) => self.stream(connection, false, Happening::ToProver { connection, bytes }),
                LoginStep::Refuse(_, bytes) => self.refuse(connection, bytes),
                LoginStep::Done { plugin, resume } => self.logged_in(connection, validator, plugin, resume),
            },
            Phase::Session(plugin) => {
                let plugin = *plugin;
                let own = self.session(validator, plugin).filter(|s| s.connection == Some(connection));
                if let Some(session) = own {
                    session.core.receive(now_ms, bytes);
                    self.settle_session(validator, plugin);
                }
            }
            Phase::Opening | Phase::Over => {}
        }
    }

    fn refuse(&mut self, connection: u64, bytes: Vec<u8>) {
        self.stream(connection, false, Happening::ToProver { connection, bytes });
        self.hang_up(connection);
    }

    /// The node closes its end.
    pub(super) fn hang_up(&mut self, connection: u64) {
        if let Some(found) = self.connections.get_mut(&connection) {
            found.phase = Phase::Over;
        }
        self.stream(connection, false, Happening::Gone { connection, is_node: false });
    }

    fn logged_in(&mut self, connection: u64, validator: usize, plugin: Address, resume: Option<Resume>) {
        let now_ms = self.now_ms;
        let token = self.seed.bytes("session.token", connection);
        if let Some(found) = self.connections.get_mut(&connection) {
            found.phase = Phase::Session(plugin);
        }
        let Some(node) = &mut self.validators[validator].node else { return };
        match node.sessions.get_mut(&plugin) {
            Some(session) => {
                if session.connection.is_some() {
                    session.core.supersede(now_ms);
                    self.settle_session(validator, plugin);
                }
            }
            None => {
                let state = &node.assigner.snapshot().state;
                let config = session_config(state);
                let ready = node.assigner.opening(plugin).into_iter().filter_map(|of| {
                    let work = state.work(of.task, of.plugin)?;
                    Some((of, Built::new(SimulatedChecker::package(&work))))
                });
                let ready = ready.collect();
                let (seed, _) = node.assigner.open(plugin, ready);
                let core = SessionCore::new(config, node.identity.clone(), plugin, seed, now_ms);
                node.sessions.insert(plugin, Session { core, connection: None, wake_ms: u64::MAX });
            }
        }
        if let Some(session) = self.session(validator, plugin) {
            session.connection = Some(connection);
            session.core.attach(now_ms, token, resume);
        }
        self.settle_session(validator, plugin);
    }

    pub(super) fn gone(&mut self, connection: u64, is_node: bool) {
        let now_ms = self.now_ms;
        let Some(found) = self.connections.get_mut(&connection) else { return };
        let (prover, prover_life, validator) = (found.prover, found.prover_life, found.validator);
        let is_ours = found.node_life == self.validators[validator].life;
        if !is_node {
            if matches!(found.phase, Phase::Opening | Phase::Over) {
                self.connections.remove(&connection);
            }
            if self.provers[prover].connection == Some(connection) {
                self.provers[prover].connection = None;
                self.with_prover(prover, prover_life, |core| core.disconnected(now_ms));
            }
            return;
        }
        let phase = mem::replace(&mut found.phase, Phase::Over);
        self.connections.remove(&connection);
        if let (true, Phase::Session(plugin)) = (is_ours, phase)
            && let Some(session) = self.session(validator, plugin).filter(|s| s.connection == Some(connection))
        {
            session.connection = None;
            session.core.detach(now_ms);
            self.settle_session(validator, plugin);
        }
    }

    /// A node's process is gone: its connections break.
    pub(super) fn drop_connections(&mut self, validator: usize) {
        let ours: Vec<u64> =
            self.connections.iter().filter(|(_, c)| c.validator == validator).map(|(id, _)| *id).collect();
        for connection in ours {
            self.stream(connection, false, Happening::Gone { connection, is_node: false });
        }
    }
}

/// Pause before the first ping of a connection.
const PING_FIRST_MS: u64 = 5_000;
