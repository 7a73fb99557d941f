//! The provers' machines: they do what the provers' cores ask for.

use crowdfold_events::work;
use crowdfold_prover::{Action, ProverCore};

use super::{Happening, World};
use crate::sim::{
    faults::FaultKind,
    prover::machine::{Running, Work},
};

/// Time for a hashcash.
const SOLVE_MS: u64 = 400;
/// Nonces tried for a hashcash.
const SOLVE_TRIES: u64 = 1 << 24;
/// Pause before a prover that was refused is started again by its owner.
const OWNER_MS: u64 = 120_000;

impl World {
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
}
