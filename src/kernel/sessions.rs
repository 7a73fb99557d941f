//! Registration with hashcash, admission, and the active set.
//!
//! ```text
//! (unknown) --Register--> admission task --SubmitProof--> active <--Heartbeat-- inactive
//!     ^                        | late                       | ttl, GoInactive, suspended
//!     +------------------------+                            +-----> inactive
//! ```

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Keccak256, U256};
use crowdfold_events::{
    Address, B256, Event, Height, MessageBody, SignedMessage, Zkpow,
    event::{DrawReceipt, InactiveReason, TaskKind},
    work,
};

use crowdfold_zk::SEGMENTS_PER_TRANSFER;

use crate::{
    draw,
    faults::MessageFault,
    planted::{self, Bug},
    run::Run,
};

/// Which admission item an address gets from a beacon.
#[must_use]
pub fn admission_index(beacon: &B256, plugin: &Address, items: u32) -> u32 {
    let mut hasher = Keccak256::new();
    hasher.update(b"crowdfold/admission/1");
    hasher.update(beacon);
    hasher.update(plugin);
    let n = U256::from_be_bytes(hasher.finalize().0) % U256::from(items.max(1));
    n.to::<u32>()
}

impl Run<'_> {
    /// The score of a hashcash that is bound to a recent block; the smaller, the more work.
    fn work_score(&self, sender: Address, height: u64, nonce: u64) -> Result<u64, MessageFault> {
        let block = self.state.recent.get(&Height(height)).filter(|_| height < self.state.chain.height.0);
        let block = block.ok_or(MessageFault::WorkHeight(height))?;
        Ok(work::score(self.env.chain_id, sender, *block, nonce))
    }

    pub(crate) fn check_work(&self, sender: Address, height: u64, nonce: u64) -> Result<(), MessageFault> {
        let expected = self.state.market.registration_work;
        let enough = self.work_score(sender, height, nonce)? <= work::threshold(expected);
        if enough || planted::is(Bug::RegistrationFree) { Ok(()) } else { Err(MessageFault::NotEnoughWork(expected)) }
    }

    /// Whose registrations are among the best of the block.
    pub(crate) fn rank_registrations(&self, messages: &[SignedMessage]) -> BTreeSet<Address> {
        let mut best: BTreeMap<Address, u64> = BTreeMap::new();
        for signed in messages {
            let MessageBody::Register { work_height, work_nonce } = signed.message.body else { continue };
            let digest = self.digest(signed);
            let Ok(sender) = self.envelope(signed, &digest) else { continue };
            if self.state.plugins.contains_key(&sender) || self.check_work(sender, work_height, work_nonce).is_err() {
                continue;
            }
            if let Ok(score) = self.work_score(sender, work_height, work_nonce) {
                best.entry(sender).or_insert(score);
            }
        }
        let mut ranked: Vec<(u64, Address)> = best.into_iter().map(|(sender, score)| (score, sender)).collect();
        ranked.sort_unstable();
        let cap = self.state.params().plugins.max_registrations_per_block as usize;
        ranked.into_iter().take(cap).map(|(_, sender)| sender).collect()
    }

    /// Registers a plugin and gives it its admission item.
    pub(crate) fn register(&mut self, plugin: Address) {
        self.emit(Event::PluginRegistered { plugin });
        let items = self.state.genesis.genesis.admission_items;
        let beacon = self.state.chain.beacon;
        let index = admission_index(&beacon, &plugin, items);
        let index = if planted::is(Bug::AdmissionItemFixed) { 0 } else { index };
        let task = self.next_task();
        let segments = SEGMENTS_PER_TRANSFER;
        let kind = TaskKind::Admission { plugin, admission_item: index };
        self.emit(Event::TaskOpened { task, kind, segments, base_bounty: Zkpow::ZERO, funded: Zkpow::ZERO });
        let now = self.state.chain.height;
        let proving = &self.state.params().proving;
        let deadline = Height(now.0 + proving.deadline_base + proving.deadline_per_segment * u64::from(segments));
        let receipt = DrawReceipt {
            beacon_height: now,
            beacon,
            set_root: draw::slots_root(&[]),
            candidates: items,
            index,
            rejected: 0,
        };
        self.emit(Event::TaskAssigned {
            task,
            plugin,
            attempt: 1,
            bounty: Zkpow::ZERO,
            from_issuance: Zkpow::ZERO,
            deadline,
            receipt,
        });
    }

    pub(crate) fn activate(&mut self, plugin: Address) {
        if self.state.plugins.get(&plugin).is_some_and(|p| !p.active && !p.suspended && p.index.is_some()) {
            self.emit(Event::PluginActivated { plugin });
        }
    }

    pub(crate) fn go_inactive(&mut self, plugin: Address) {
        if self.state.plugins.get(&plugin).is_some_and(|p| p.active) {
            self.emit(Event::PluginDeactivated { plugin, reason: InactiveReason::Requested });
        }
    }

    /// One bitmap of everybody whose message was accepted in this block.
    pub(crate) fn record_heartbeats(&mut self, indices: &[u32]) {
        let Some(last) = indices.iter().max() else { return };
        let mut bitmap = vec![0u8; *last as usize / 8 + 1];
        for index in indices {
            if let Some(byte) = bitmap.get_mut(*index as usize / 8) {
                *byte |= 1 << (index % 8);
            }
        }
        self.emit(Event::HeartbeatsRecorded { bitmap });
    }

    /// Whoever was silent for longer than `heartbeat_ttl` leaves.
    pub(crate) fn expire_silent(&mut self) {
        if planted::is(Bug::HeartbeatsNeverExpire) {
            return;
        }
        let now = self.state.chain.height.0;
        let ttl = self.state.params().plugins.heartbeat_ttl;
        let silent: Vec<Address> =
            self.state.seen.iter().take_while(|(seen, _)| seen.0 + ttl < now).map(|(_, a)| *a).collect();
        for plugin in silent {
            self.emit(Event::PluginDeactivated { plugin, reason: InactiveReason::Expired });
        }
    }
}
