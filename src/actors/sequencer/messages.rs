//! System messages that wait for a block.
//!
//! By sender in order of sequence; a sequence at or below one that waits or
//! was used is refused, the same message again is not. Bounded per sender and
//! in all. Proofs beyond a block's verification budget wait, and everything
//! that their sender signed after them waits with them, because sequences
//! only rise.

use std::collections::BTreeMap;

use crowdfold_events::{Address, B256, MessageBody, SignedMessage, wire::Code, work};
use crowdfold_kernel::State;

use crate::rpc::ChainIndex;

/// Messages of one sender that may wait.
const PER_SENDER: usize = 16;
/// Messages that may wait.
const TOTAL: usize = 8192;

#[derive(Clone, Debug)]
struct Held {
    message: SignedMessage,
    digest: B256,
    arrival: u64,
}

/// See the module's header.
#[derive(Clone, Debug, Default)]
pub struct MessagePool {
    by_sender: BTreeMap<Address, BTreeMap<u64, Held>>,
    total: usize,
    arrivals: u64,
}

fn is_proof(body: &MessageBody) -> bool {
    matches!(body, MessageBody::SubmitProof { .. } | MessageBody::SubmitAggregate { .. })
}

impl MessagePool {
    /// Takes a message whose signature by `sender` was checked, or says why not.
    ///
    /// # Errors
    /// A code for the sender.
    pub fn insert(
        &mut self,
        sender: Address,
        digest: B256,
        message: SignedMessage,
        state: &State,
        index: &ChainIndex,
    ) -> Result<(), Code> {
        let sequence = message.message.sequence;
        let held = self.by_sender.get(&sender);
        if held.and_then(|held| held.get(&sequence)).is_some_and(|h| h.digest == digest) {
            return Ok(());
        }
        let last_held = held.and_then(|held| held.last_key_value()).map_or(0, |(sequence, _)| *sequence);
        if sequence <= last_held.max(state.account_info(&sender).sequence) {
            return Err(Code::StaleSequence);
        }
        if held.map_or(0, BTreeMap::len) >= PER_SENDER {
            return Err(Code::TooManyMessages);
        }
        if self.total >= TOTAL {
            return Err(Code::MempoolFull);
        }
        check_registration(sender, &message.message.body, state, index)?;
        self.arrivals += 1;
        let arrival = self.arrivals;
        self.by_sender.entry(sender).or_default().insert(sequence, Held { message, digest, arrival });
        self.total += 1;
        Ok(())
    }

    /// Whether something waits that should not wait for an idle chain's next block.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        let bodies = self.by_sender.values().flat_map(BTreeMap::values).map(|h| &h.message.message.body);
        bodies.into_iter().any(|body| !matches!(body, MessageBody::Heartbeat))
    }

    /// Messages for the next block in order of arrival, each sender's in order of sequence.
    #[must_use]
    pub fn candidates(&self, state: &State) -> Vec<SignedMessage> {
        let block = &state.parameters().block;
        let mut chosen: Vec<&Held> = Vec::new();
        let mut proofs: Vec<&Held> = self.by_sender.values().flat_map(BTreeMap::values).collect();
        proofs.retain(|held| is_proof(&held.message.message.body));
        proofs.sort_by_key(|held| held.arrival);
        let last_proof = proofs.get(block.max_proofs as usize).map_or(u64::MAX, |held| held.arrival);
        for held in self.by_sender.values() {
            let in_time = held.values().take_while(|h| !is_proof(&h.message.message.body) || h.arrival < last_proof);
            chosen.extend(in_time.take(block.max_messages_per_sender as usize));
        }
        chosen.sort_by_key(|held| held.arrival);
        chosen.into_iter().take(block.max_messages as usize).map(|held| held.message.clone()).collect()
    }

    /// Forgets a message.
    pub fn remove(&mut self, digest: &B256) {
        let found = self.by_sender.iter().find_map(|(sender, held)| {
            held.iter().find(|(_, h)| h.digest == *digest).map(|(sequence, _)| (*sender, *sequence))
        });
        let Some((sender, sequence)) = found else { return };
        if let Some(held) = self.by_sender.get_mut(&sender) {
            if held.remove(&sequence).is_some() {
                self.total -= 1;
            }
            if held.is_empty() {
                self.by_sender.remove(&sender);
            }
        }
    }

    /// Forgets what a new state has made useless: used sequences.
    pub fn advance(&mut self, state: &State) {
        self.by_sender.retain(|sender, held| {
            let used = state.account_info(sender).sequence;
            held.retain(|sequence, _| *sequence > used);
            !held.is_empty()
        });
        self.total = self.by_sender.values().map(BTreeMap::len).sum();
    }

    /// Highest sequence of a sender that waits.
    #[must_use]
    pub fn last_sequence(&self, sender: &Address) -> Option<u64> {
        Some(*self.by_sender.get(sender)?.last_key_value()?.0)
    }
}

/// A registration costs its sender work before it costs the node a place.
fn check_registration(sender: Address, body: &MessageBody, state: &State, index: &ChainIndex) -> Result<(), Code> {
    let MessageBody::Register { work_height, work_nonce } = body else { return Ok(()) };
    let (expected, head, _) = state.registration_work();
    // Too old for the rules; it need not be looked up among old blocks.
    if work_height.saturating_add(state.parameters().plugins.registration_recent_blocks) < head.0 {
        return Err(Code::NotAcceptedByRules);
    }
    let block = index.block(crowdfold_events::Height(*work_height)).ok_or(Code::NotAcceptedByRules)?;
    let score = work::score(state.genesis().chain_id, sender, block.hash, *work_nonce);
    if score <= work::threshold(expected) { Ok(()) } else { Err(Code::NotAcceptedByRules) }
}
