//! What attackers do beyond their machines: new identities, leaving together.

use crowdfold_events::{Height, Signer};

use super::{Happening, World};
use crate::sim::{
    adversaries::{Adversary, Role},
    prover::Behaviour,
};

/// Blocks in which drop-outs are there, and then are not.
const DROP_OUT_BLOCKS: u64 = 90;
/// Pause before somebody who stays away looks again.
const AWAY_MS: u64 = 30_000;

impl World {
    /// After the first commit of a height.
    pub(super) fn scheme(&mut self, height: Height) {
        if self.healed_at.is_some() {
            return;
        }
        for prover in 0..self.provers.len() {
            let Behaviour::Adversary(Role { adversary, .. }) = self.provers[prover].behaviour else { continue };
            match adversary {
                Adversary::DebtAbandoner => self.abandon_if_suspended(prover),
                Adversary::DropOuts if is_away(height) => {
                    let now_ms = self.now_ms;
                    let found = &mut self.provers[prover];
                    let life = found.life;
                    if found.core.is_some() && !std::mem::replace(&mut found.leaves, true) {
                        self.with_prover(prover, life, |core| core.stop(now_ms));
                    }
                }
                _ => {}
            }
        }
    }

    /// A drop-out does not start while its group is away.
    pub(super) fn stays_away(&mut self, prover: usize) -> bool {
        let role = self.provers[prover].behaviour;
        let drops = matches!(role, Behaviour::Adversary(Role { adversary: Adversary::DropOuts, .. }));
        let away = drops && self.healed_at.is_none() && is_away(self.tip);
        if away {
            self.queue.put(self.now_ms + AWAY_MS, Happening::StartProver { prover });
        }
        away
    }

    /// A suspended identity is left behind for a new one.
    fn abandon_if_suspended(&mut self, prover: usize) {
        let gateway = self.gateway();
        let Some(node) = &self.validators[gateway].node else { return };
        let address = self.provers[prover].signer.address();
        let suspended = node.ledger.snapshot().state.plugin(&address).is_some_and(|p| p.suspended);
        if !suspended {
            return;
        }
        let number = (prover as u64) << 32 | u64::from(self.provers[prover].life);
        let Ok(signer) = Signer::from_bytes(&self.seed.bytes("identity.key", number).0) else { return };
        self.earnings.watch(signer.address(), Some(Adversary::DebtAbandoner));
        self.crash_prover(prover);
        self.provers[prover].signer = signer;
        self.queue.put(self.now_ms + 1_000, Happening::StartProver { prover });
    }
}

fn is_away(height: Height) -> bool {
    height.0 / DROP_OUT_BLOCKS % 2 == 1
}
