//! Connections between provers and nodes: streams of bytes, as WebSockets are.

use std::mem;

use alloy_primitives::keccak256;
use crowdfold_events::{
    Address,
    wire::{Code, Resume},
    work,
};
use crowdfold_kernel::ProofFault;
use crowdfold_prover::{Action, ProverCore};

use super::{Happening, Upload, World, node::Session};
use crate::{
    actors::{
        assigner::{Act, Built},
        gate,
        session::{Command, Effect, LoginCore, LoginStep, Output, SessionCore},
    },
    node::session_config,
    proofs::SimulatedChecker,
    sim::{
        faults::FaultKind,
        network::Peer,
        prover::machine::{Running, Work},
    },
};

/// Time after which an attempt to connect fails, when nobody refuses it.
const CONNECT_TIMEOUT_MS: u64 = 10_000;
/// Time for a hashcash.
const SOLVE_MS: u64 = 400;
/// Nonces tried for a hashcash.
const SOLVE_TRIES: u64 = 1 << 24;
/// Shortest and longest verification of a proof.
const CHECK_MS: (u64, u64) = (60, 400);
/// Pause before a prover that was refused is started again by its owner.
const OWNER_MS: u64 = 120_000;

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
    fn stream(&mut self, connection: u64, to_node: bool, happening: Happening) {
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

    pub(super) fn with_prover(&mut self, prover: usize, life: u32, act: impl FnOnce(&mut ProverCore)) {
        let found = &mut self.provers[prover];
        if let (true, Some(core)) = (found.life == life, &mut found.core) {
            act(core);
            self.settle_prover(prover);
        }
    }

    pub(super) fn start_prover(&mut self, prover: usize) {
        if self.stays_away(prover) {
            return;
        }
        let now_ms = self.now_ms;
        let found = &mut self.provers[prover];
        if found.core.is_none() && found.dies_ms.is_none_or(|at| now_ms < at) {
            found.start(now_ms);
            self.settle_prover(prover);
        }
    }

    pub(super) fn prover_wake(&mut self, prover: usize, life: u32) {
        let now_ms = self.now_ms;
        if self.provers[prover].life == life {
            self.provers[prover].wake_ms = u64::MAX;
        }
        self.with_prover(prover, life, |core| core.tick(now_ms));
    }

    pub(super) fn die(&mut self, prover: usize) {
        let is_working = self.provers[prover].core.is_some();
        if is_working {
            self.counts.add(FaultKind::DeadPlugin);
            self.crash_prover(prover);
        }
    }

    /// A prover's process is gone; the node hears of it.
    pub(super) fn crash_prover(&mut self, prover: usize) {
        if let Some(connection) = self.provers[prover].connection {
            self.stream(connection, true, Happening::Gone { connection, is_node: true });
        }
        self.provers[prover].crash();
    }

    /// Does what a prover's core asks for, and sets its next wakeup.
    fn settle_prover(&mut self, prover: usize) {
        loop {
            let actions = self.provers[prover].core.as_mut().map(ProverCore::actions).unwrap_or_default();
            if actions.is_empty() {
                break;
            }
            for action in actions {
                self.act(prover, action);
            }
        }
        let (now_ms, found) = (self.now_ms, &mut self.provers[prover]);
        let Some(wake) = found.core.as_ref().and_then(ProverCore::next_wakeup_ms) else { return };
        let wake = wake.max(now_ms + 1);
        if wake < found.wake_ms {
            found.wake_ms = wake;
            let life = found.life;
            self.queue.put(wake, Happening::ProverWake { prover, life });
        }
    }

    fn act(&mut self, prover: usize, action: Action) {
        let (now_ms, life) = (self.now_ms, self.provers[prover].life);
        match action {
            Action::Connect => self.connect(prover),
            Action::Send(bytes) => {
                if let Some(connection) = self.provers[prover].connection {
                    self.stream(connection, true, Happening::ToNode { connection, bytes });
                }
            }
            Action::Disconnect => {
                if let Some(connection) = self.provers[prover].connection.take() {
                    self.stream(connection, true, Happening::Gone { connection, is_node: true });
                }
            }
            Action::StartWork { task, attempt, kind, segments, package } => {
                let work = self.provers[prover].work(&package, segments, &kind, &self.newest);
                match work {
                    Work::Never(fault) => fault.into_iter().for_each(|fault| self.counts.add(fault)),
                    Work::Ends { in_ms, result, fault } => {
                        let running = Running { task, attempt, result, fault };
                        self.queue.put(now_ms + in_ms, Happening::Proven { prover, life, running });
                    }
                }
            }
            Action::SolveRegistration { chain_id, plugin, height, block_hash, expected } => {
                let start = u64::from(life) << 32;
                if let Some(nonce) = work::solve(chain_id, plugin, block_hash, expected, start, SOLVE_TRIES) {
                    self.queue.put(now_ms + SOLVE_MS, Happening::Solved { prover, life, height, nonce });
                }
            }
            Action::Finished(_) => {
                self.provers[prover].crash();
                self.queue.put(now_ms + OWNER_MS, Happening::StartProver { prover });
            }
            // Work that was cancelled ends all the same, and the core ignores it.
            Action::CancelWork { .. } | Action::Data { .. } | Action::Event(_) => {}
        }
    }

    pub(super) fn proven(&mut self, prover: usize, life: u32, running: Running) {
        let now_ms = self.now_ms;
        let Running { task, attempt, result, fault } = running;
        if self.provers[prover].life == life
            && let Some(kind) = fault
        {
            self.counts.add(kind);
        }
        self.with_prover(prover, life, |core| core.finished(now_ms, task, attempt, result));
    }

    /// Provers connect to who proposes: there their messages can get into a block.
    fn connect(&mut self, prover: usize) {
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

    fn session(&mut self, validator: usize, plugin: Address) -> Option<&mut Session> {
        self.validators[validator].node.as_mut()?.sessions.get_mut(&plugin)
    }

    pub(super) fn to_prover_arrived(&mut self, connection: u64, bytes: &[u8]) {
        let Some(found) = self.connections.get(&connection) else { return };
        let (prover, life, now_ms) = (found.prover, found.prover_life, self.now_ms);
        if !found.is_broken && self.provers[prover].connection == Some(connection) {
            self.with_prover(prover, life, |core| core.receive(now_ms, bytes));
        }
    }

    pub(super) fn to_node_arrived(&mut self, connection: u64, bytes: &[u8]) {
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
    fn hang_up(&mut self, connection: u64) {
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

    pub(super) fn session_wake(&mut self, validator: usize, life: u32, plugin: Address) {
        let now_ms = self.now_ms;
        if self.validators[validator].life != life {
            return;
        }
        if let Some(session) = self.session(validator, plugin) {
            session.wake_ms = u64::MAX;
            session.core.tick(now_ms);
            self.settle_session(validator, plugin);
        }
    }

    /// Tells a session something and does what it asks for.
    pub(super) fn command(&mut self, validator: usize, plugin: Address, command: Command) {
        let now_ms = self.now_ms;
        if let Some(session) = self.session(validator, plugin) {
            session.core.command(now_ms, command);
            self.settle_session(validator, plugin);
        }
    }

    /// Does what a session asks for, and sets its next wakeup.
    fn settle_session(&mut self, validator: usize, plugin: Address) {
        loop {
            let Some(session) = self.session(validator, plugin) else { return };
            let (outputs, connection) = (session.core.outputs(), session.connection);
            if outputs.is_empty() {
                break;
            }
            for output in outputs {
                match (output, connection) {
                    (Output::Send { bytes, .. }, Some(connection)) => {
                        self.stream(connection, false, Happening::ToProver { connection, bytes });
                    }
                    (Output::Hangup, Some(connection)) => {
                        if let Some(session) = self.session(validator, plugin) {
                            session.connection = None;
                        }
                        self.hang_up(connection);
                    }
                    (Output::Send { .. } | Output::Hangup, None) => {}
                    (Output::Effect(effect), _) => self.effect(validator, plugin, effect),
                }
            }
        }
        let (now_ms, life) = (self.now_ms, self.validators[validator].life);
        let Some(session) = self.session(validator, plugin) else { return };
        let Some(wake) = session.core.next_wakeup_ms() else { return };
        let wake = wake.max(now_ms + 1);
        if wake < session.wake_ms {
            session.wake_ms = wake;
            self.queue.put(wake, Happening::SessionWake { validator, life, plugin });
        }
    }

    fn effect(&mut self, validator: usize, plugin: Address, effect: Effect) {
        let now_ms = self.now_ms;
        let luck = self.seed.bytes("check.time", self.queue.count());
        let life = self.validators[validator].life;
        let Some(node) = &mut self.validators[validator].node else { return };
        match effect {
            Effect::Submit { request, digest, message } => {
                let result = node.sequencer.submit_message(plugin, digest, message).map_err(|code| (code, 0));
                self.tell(validator, plugin, Command::Submitted { request, result });
                self.wake_node(validator);
            }
            Effect::CheckProof { task, proof_hash, bytes } => {
                let upload = gate::Upload { plugin, task, proof_hash, bytes: bytes.len() };
                let state = &node.ledger.snapshot().state;
                match node.gate.admit(now_ms, &upload, state, &node.verdicts) {
                    Ok(work) => {
                        let spread = u64::from(luck[0]) * (CHECK_MS.1 - CHECK_MS.0) / 255;
                        let upload = Upload { plugin, task, proof_hash, bytes: bytes.into(), work };
                        let at_ms = now_ms + CHECK_MS.0 + spread;
                        self.queue.put(at_ms, Happening::Checked { validator, life, upload });
                    }
                    Err(code) => {
                        let refused = Some(code);
                        self.tell(validator, plugin, Command::ProofChecked { task, proof_hash, refused });
                    }
                }
            }
            Effect::Fetch { digest, offset, length } => {
                let piece = node.assigner.fetch(&digest, offset, length);
                let result = piece.map(|piece| (piece.total, piece.bytes));
                self.tell(validator, plugin, Command::Fetched { digest, offset, result });
            }
            Effect::Progress { .. } => {}
            Effect::Ended(_) => {
                let connection = node.sessions.remove(&plugin).and_then(|session| session.connection);
                node.assigner.close(plugin);
                if let Some(connection) = connection {
                    self.hang_up(connection);
                }
            }
        }
    }

    /// Tells a session something; whoever calls settles it.
    fn tell(&mut self, validator: usize, plugin: Address, command: Command) {
        let now_ms = self.now_ms;
        if let Some(session) = self.session(validator, plugin) {
            session.core.command(now_ms, command);
        }
    }

    /// A proof's verification has ended.
    pub(super) fn checked(&mut self, validator: usize, life: u32, upload: Upload) {
        if self.validators[validator].life != life {
            return;
        }
        let Upload { plugin, task, proof_hash, bytes, work } = upload;
        let verdict = SimulatedChecker::check(&work, &bytes);
        let result = match verdict {
            Ok(()) => Ok(()),
            Err(ProofFault::Malformed | ProofFault::Rejected) => Err(Code::ProofInvalid),
            Err(ProofFault::Missing) => Err(Code::NodeFault),
        };
        if result.is_ok() {
            debug_assert_eq!(keccak256(&bytes), proof_hash);
            self.validators[validator].disk.put_proof(proof_hash, bytes.clone());
            self.newest.put(plugin, bytes);
        }
        let Some(node) = &mut self.validators[validator].node else { return };
        node.verdicts.put(work, proof_hash, verdict);
        node.gate.checked(self.now_ms, plugin, result);
        self.command(validator, plugin, Command::ProofChecked { task, proof_hash, refused: result.err() });
    }

    /// Does what a node's assigner asks for after a block.
    pub(super) fn assign(&mut self, validator: usize, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Build(of) => {
                    let Some(node) = &mut self.validators[validator].node else { return };
                    let work = node.assigner.snapshot().state.work(of.task, of.plugin);
                    let built = work.map(|work| Built::new(SimulatedChecker::package(&work)));
                    if let Some(offer) = built.and_then(|built| node.assigner.built(of, built)) {
                        self.command(validator, of.plugin, Command::Offer(offer));
                    }
                }
                Act::Deliver(plugin, command) => self.command(validator, plugin, command),
                Act::Broadcast(status) => {
                    let Some(node) = &self.validators[validator].node else { return };
                    let plugins: Vec<Address> = node.sessions.keys().copied().collect();
                    for plugin in plugins {
                        self.command(validator, plugin, Command::Status(status));
                    }
                }
            }
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
