//! Batches of contiguous proven items, their aggregation trees, their certificates.
//!
//! A tree of arity `a` over n items: node (level, position) covers the items
//! `position * a^(level+1) ..` as far as there are any; the root is the first
//! level with one node. A batch of one item still has a node. A node's task
//! opens when all its children are accepted.

use alloy_primitives::keccak256;
use crowdfold_config::Params;
use crowdfold_events::{Address, B256, BatchIndex, CommitSignature, Event, ItemIndex, Zkpow, event::TaskKind};

use crate::{
    certificate::{BatchData, CertifiedBatch},
    commit,
    faults::{MessageFault, Refusal},
    fees::least_base,
    model::Batch,
    planted::{self, Bug},
    run::Run,
    state::State,
};

/// Nodes of a level over `items` items.
#[must_use]
pub fn level_nodes(items: u32, arity: u32, level: u8) -> u32 {
    (0..=level).fold(items, |n, _| n.div_ceil(arity))
}

/// The level of the root.
#[must_use]
pub fn root_level(items: u32, arity: u32) -> u8 {
    (0..u8::MAX).find(|level| level_nodes(items, arity, *level) <= 1).unwrap_or(u8::MAX)
}

/// Children of a node: first position in the level below (item offset for level 0) and their number.
#[must_use]
pub fn child_range(items: u32, arity: u32, level: u8, position: u32) -> (u32, u32) {
    let below = level.checked_sub(1).map_or(items, |l| level_nodes(items, arity, l));
    let first = position.saturating_mul(arity).min(below);
    (first, arity.min(below - first))
}

/// Items below a node: offset of the first in the batch, and their number.
#[must_use]
pub fn item_range(items: u32, arity: u32, level: u8, position: u32) -> (u32, u32) {
    let span = (0..=level).fold(1u32, |span, _| span.saturating_mul(arity));
    let first = span.saturating_mul(position).min(items);
    (first, span.min(items - first))
}

/// Children of all nodes of a tree together: what the aggregation budget is divided by.
fn all_children(items: u32, arity: u32) -> u64 {
    let root = root_level(items, arity);
    u64::from(items) + (0..root).map(|level| u64::from(level_nodes(items, arity, level))).sum::<u64>()
}

/// Base bounty of a node and the part of it that the aggregation fund pays.
fn node_base(params: &Params, batch: &Batch, children: u32, fund: u128) -> (Zkpow, Zkpow) {
    let arity = params.batches.aggregation_arity;
    let share = batch.budget.0 / u128::from(all_children(batch.items, arity).max(1)) * u128::from(children);
    let base = share.max(least_base(params, children)).min(params.bounty.max_base.units());
    (Zkpow(base), Zkpow(base.min(fund)))
}

impl State {
    /// Digest of the items of a batch: transactions or entries, sender and environment of each.
    #[must_use]
    pub fn batch_data_hash(&self, batch: &Batch) -> B256 {
        let mut data = BatchData::default();
        for index in batch.first_item.0..batch.first_item.0 + u64::from(batch.items) {
            if let Some(item) = self.items.get(&ItemIndex(index)) {
                data.item(&item.data_hi, &item.data_lo, &item.sender, &item.env);
            }
        }
        data.finish()
    }

    /// What validators sign to certify a batch; `None` for an unknown or unproven batch.
    #[must_use]
    pub fn certificate_digest(&self, index: BatchIndex) -> Option<B256> {
        let batch = self.batches.get(&index)?;
        let certified = CertifiedBatch {
            batch: index,
            first_item: batch.first_item,
            items: batch.items,
            pre_root: batch.pre_root,
            post_root: batch.post_root,
            data: self.batch_data_hash(batch),
            proof: batch.proof?,
            last_header: batch.last_header,
        };
        Some(certified.digest(&self.genesis))
    }
}

impl Run<'_> {
    /// Closes every batch that is full or old enough.
    pub(crate) fn close_batches(&mut self) {
        while let Some((items, segments)) = self.ripe_run() {
            let mut first_item = self.state.market.next_batch_item;
            let mut items = items;
            if planted::is(Bug::BatchGap) && items > 1 {
                (first_item, items) = (first_item.next(), items - 1);
            }
            let last = ItemIndex(first_item.0 + u64::from(items) - 1);
            let roots = self
                .state
                .items
                .get(&first_item)
                .zip(self.state.items.get(&last))
                .map(|(a, b)| (a.pre_root, b.post_root));
            let Some((pre_root, post_root)) = roots else { return };
            let batch = self.state.market.next_batch;
            self.emit(Event::BatchClosed { batch, first_item, items, segments, pre_root, post_root });
            let nodes = level_nodes(items, self.state.params().batches.aggregation_arity, 0);
            for position in 0..nodes {
                self.open_node(batch, 0, position);
            }
        }
    }

    /// Items and segments of the run to close now, if it is full or its first item is old enough.
    fn ripe_run(&self) -> Option<(u32, u32)> {
        let params = &self.state.params().batches;
        let start = self.state.market.next_batch_item;
        let proven_at = self.state.items.get(&start)?.stages.proven?.height;
        let (mut items, mut segments, mut full) = (0u32, 0u32, false);
        for (_, item) in self.state.items.range(start..) {
            if item.accepted.is_none() {
                break;
            }
            let fits = segments.saturating_add(item.segments) <= params.max_segments;
            if !fits && !planted::is(Bug::BatchTooLarge) {
                full = true;
                break;
            }
            items += 1;
            segments += item.segments;
        }
        full |= segments == params.max_segments;
        let old = self.state.chain.height.0 - proven_at.0 >= params.max_age;
        ((full || old) && items > 0).then_some((items, segments))
    }

    fn open_node(&mut self, index: BatchIndex, level: u8, position: u32) {
        let Some(batch) = self.state.batches.get(&index) else { return };
        let params = self.state.params();
        let arity = params.batches.aggregation_arity;
        let (offset, items) = item_range(batch.items, arity, level, position);
        let (_, children) = child_range(batch.items, arity, level, position);
        let first_item = ItemIndex(batch.first_item.0 + u64::from(offset));
        let below = self.state.items.range(first_item..ItemIndex(first_item.0 + u64::from(items)));
        // The worker may have to recompute everything below.
        let segments = below.map(|(_, item)| item.segments).sum::<u32>().saturating_add(children);
        let (base_bounty, funded) = node_base(params, batch, children, self.state.market.aggregation_fund);
        let kind = TaskKind::Aggregate { batch: index, level, position, first_item, items };
        let task = self.next_task();
        self.emit(Event::TaskOpened { task, kind, segments, base_bounty, funded });
    }

    /// After a node of `level` was accepted: its parent may open, or the batch is proven.
    pub(crate) fn climb(&mut self, index: BatchIndex, level: u8, position: u32, proof_hash: B256) {
        let Some(batch) = self.state.batches.get(&index) else { return };
        let arity = self.state.params().batches.aggregation_arity;
        if level >= root_level(batch.items, arity) {
            self.emit(Event::BatchProven { batch: index, proof_hash });
            return;
        }
        let parent = position / arity;
        let (first, count) = child_range(batch.items, arity, level + 1, parent);
        let complete =
            (first..first + count).all(|p| batch.nodes.get(&(level, p)).is_some_and(|n| n.accepted.is_some()));
        let open = planted::is(Bug::AggregateEarly) && !batch.nodes.contains_key(&(level + 1, parent));
        if complete || open {
            self.open_node(index, level + 1, parent);
        }
    }

    /// Batches are certified in order, because each certified validator set names the next.
    pub(crate) fn check_certificate(
        &self,
        sender: Address,
        index: BatchIndex,
        signatures: &[CommitSignature],
    ) -> Result<Result<(), Refusal>, MessageFault> {
        if !self.state.genesis.genesis.validators.iter().any(|v| v.address == sender) {
            return Err(MessageFault::UnknownSender(sender));
        }
        if index < self.state.market.next_certified {
            return Ok(Err(Refusal::AlreadyCertified));
        }
        let digest = self.state.certificate_digest(index).filter(|_| index == self.state.market.next_certified);
        let Some(digest) = digest else { return Ok(Err(Refusal::BatchNotProven)) };
        commit::verify_signatures(&self.state.genesis, &digest, signatures)?;
        Ok(Ok(()))
    }

    pub(crate) fn certify(&mut self, batch: BatchIndex, signatures: &[CommitSignature]) {
        let Some(digest) = self.state.certificate_digest(batch) else { return };
        let mut bytes = digest.to_vec();
        for signature in signatures {
            bytes.extend_from_slice(signature.validator.as_slice());
            bytes.extend_from_slice(&signature.signature);
        }
        self.emit(Event::BatchCertified { batch, certificate_hash: keccak256(bytes) });
    }
}
