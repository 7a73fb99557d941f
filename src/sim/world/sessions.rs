//! A node's sessions: they do what the sessions' cores ask for, and tell them what the node's other cores decide.

use alloy_primitives::keccak256;
use crowdfold_events::{Address, wire::Code};
use crowdfold_kernel::ProofFault;

use super::{Happening, Upload, World, node::Session};
use crate::{
    actors::{
        assigner::{Act, Built},
        gate,
        session::{Command, Effect, Output},
    },
    proofs::SimulatedChecker,
};

/// Shortest and longest verification of a proof.
const CHECK_MS: (u64, u64) = (60, 400);

impl World {
    pub(super) fn session(&mut self, validator: usize, plugin: Address) -> Option<&mut Session> {
        self.validators[validator].node.as_mut()?.sessions.get_mut(&plugin)
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
    pub(super) fn settle_session(&mut self, validator: usize, plugin: Address) {
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
                        let upload = Box::new(Upload { plugin, task, proof_hash, bytes: bytes.into(), work });
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
}
