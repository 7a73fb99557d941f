//! A [`ChainView`] over the kernel's state, the block index and the stored files.

use std::sync::Arc;

use alloy_primitives::Bytes;
use crowdfold_events::{Address, B256, BatchIndex, BlockHeader, Height, ItemIndex, TaskId, event::TaskKind};
use crowdfold_execution::gas::TRANSACTION_GAS;
use crowdfold_kernel::{
    State, least_base,
    model::{Assignment, Item, ItemKind, ItemStatus, Plugin, Stage, Task, TaskStatus},
    split,
};
use serde_json::{Value, json};

use crate::node::Snapshot;

use super::{
    index::{BlockRecord, ChainIndex},
    view::{
        AccountInfo, AssignmentInfo, BatchInfo, ChainView, ItemInfo, LedgerEntry, ProverInfo, StageInfo, StateHashInfo,
        TaskInfo,
    },
};

/// Files beside the journal.
pub trait Archive: Send + Sync {
    /// A proof by its hash.
    fn proof(&self, hash: &B256) -> Option<Bytes>;
    /// The file of a proven batch.
    fn batch_file(&self, batch: BatchIndex) -> Option<Bytes>;
}

/// A snapshot of the chain with the files beside it. A clone is cheap.
#[derive(Clone)]
pub struct KernelView {
    snapshot: Arc<Snapshot>,
    archive: Arc<dyn Archive>,
}

impl KernelView {
    /// What a snapshot shows.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>, archive: Arc<dyn Archive>) -> Self {
        Self { snapshot, archive }
    }

    fn state(&self) -> &State {
        &self.snapshot.state
    }

    fn prover_info(&self, address: &Address, plugin: &Plugin) -> ProverInfo {
        // Slots are known of active plugins only; others hold none.
        let slots = self.state().active_set().find(|(active, _)| *active == address).map_or(0, |(_, slots)| slots);
        prover_info(address, plugin, slots, self.account(address))
    }
}

/// The index of a chain whose state is `genesis`, the state before block 1.
#[must_use]
pub fn genesis_index(genesis: &State) -> ChainIndex {
    let (zero, root) = (B256::ZERO, genesis.state_root());
    let header = BlockHeader {
        chain_id: genesis.genesis().chain_id,
        rules_version: genesis.genesis().rules_version,
        height: Height(0),
        parent: zero,
        time_ms: genesis.time_ms(),
        proposer: Address::ZERO,
        beacon: genesis.beacon(),
        transactions_root: zero,
        messages_root: zero,
        last_commit_hash: zero,
        base_fee: genesis.next_base_fee(),
        gas_limit: genesis.parameters().block.gas_limit,
        gas_used: 0,
        segments: 0,
        first_item: ItemIndex(0),
        items: 0,
        pre_state_root: root,
        post_state_root: root,
        receipts_root: zero,
        market_root: zero,
        validators_hash: zero,
        next_validators_hash: zero,
        parent_events_head: zero,
    };
    ChainIndex::genesis(genesis.genesis_hash(), header)
}

/// The least price per gas at which a plain transfer's fee pays for its proof.
fn least_price(state: &State) -> u128 {
    let params = state.parameters();
    let least = least_base(params, crowdfold_zk::SEGMENTS_PER_TRANSFER);
    let pays = |price: u128| split(params, price.saturating_mul(u128::from(TRANSACTION_GAS))).proving.0 >= least;
    // The supply is below 2^127, so no useful price is above 2^90.
    let (mut low, mut high) = (0u128, 1u128 << 90);
    while low < high {
        let middle = low + (high - low) / 2;
        if pays(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

fn stage(stage: &Stage) -> StageInfo {
    StageInfo { height: stage.height.0, time_ms: stage.time_ms }
}

fn item_info(index: ItemIndex, item: &Item) -> ItemInfo {
    let (kind, hash) = match &item.kind {
        ItemKind::Transaction { hash } => ("transaction", Some(*hash)),
        ItemKind::Settlement { .. } => ("settlement", None),
    };
    let status = match item.status() {
        ItemStatus::Committed => "committed",
        ItemStatus::Assigned => "assigned",
        ItemStatus::Proven => "proven",
        ItemStatus::Aggregated => "aggregated",
        ItemStatus::Certified => "certified",
    };
    let stages = &item.stages;
    ItemInfo {
        item: index.0,
        kind,
        hash,
        status,
        committed: stage(&stages.committed),
        assigned: stages.assigned.as_ref().map(stage),
        proven: stages.proven.as_ref().map(stage),
        aggregated: stages.aggregated.as_ref().map(stage),
        certified: stages.certified.as_ref().map(stage),
        pre_root: item.pre_root,
        post_root: item.post_root,
        segments: item.segments,
        task: item.task.map(|task| task.0),
        prover: item.accepted.map(|accepted| accepted.worker),
        proof: item.accepted.map(|accepted| accepted.proof),
        batch: item.batch.map(|batch| batch.0),
    }
}

fn assignment_info(task: TaskId, assignment: &Assignment) -> AssignmentInfo {
    AssignmentInfo {
        task: task.0,
        prover: assignment.plugin,
        assigned_at: assignment.assigned_at.0,
        deadline: assignment.deadline.0,
        bounty: assignment.bounty.0,
        receipt: assignment.receipt.clone(),
    }
}

fn kind(kind: &TaskKind) -> Value {
    match kind {
        TaskKind::Prove { item } => json!({ "prove": { "item": item } }),
        TaskKind::Admission { plugin, admission_item } => {
            json!({ "admission": { "prover": plugin, "admissionItem": admission_item } })
        }
        TaskKind::Aggregate { batch, level, position, first_item, items } => {
            json!({ "aggregate": { "batch": batch, "level": level, "position": position, "firstItem": first_item, "items": items } })
        }
    }
}

fn task_info(id: TaskId, task: &Task) -> TaskInfo {
    let (status, assignment, done) = match &task.status {
        TaskStatus::Waiting { .. } => ("waiting", None, None),
        TaskStatus::Assigned(assignment) => ("assigned", Some(assignment_info(id, assignment)), None),
        TaskStatus::Quarantined { .. } => ("quarantined", None, None),
        TaskStatus::Done { plugin, proof, .. } => ("done", None, Some((*plugin, *proof))),
        TaskStatus::Lapsed => ("lapsed", None, None),
    };
    TaskInfo {
        task: id.0,
        kind: kind(&task.kind),
        status,
        segments: task.segments,
        base_bounty: task.base.0,
        bounty: task.bumped.0,
        opened_at: task.opened_at.0,
        attempts: task.attempts,
        assignment,
        prover: done.map(|(prover, _)| prover),
        proof: done.map(|(_, proof)| proof),
        failed: task.failed.iter().copied().collect(),
    }
}

fn prover_info(address: &Address, plugin: &Plugin, slots: u32, account: AccountInfo) -> ProverInfo {
    ProverInfo {
        prover: *address,
        active: plugin.active,
        admitted: plugin.index.is_some(),
        suspended: plugin.suspended,
        slots,
        open_tasks: plugin.open.iter().map(|task| task.0).collect(),
        consecutive_valid: plugin.consecutive_valid,
        accepted: plugin.accepted,
        failed: plugin.failed,
        last_seen: plugin.last_seen.0,
        account,
    }
}

impl ChainView for KernelView {
    fn chain_id(&self) -> u64 {
        self.state().genesis().chain_id
    }

    fn head(&self) -> Height {
        self.snapshot.index.head()
    }

    fn block(&self, height: Height) -> Option<Arc<BlockRecord>> {
        self.snapshot.index.block(height)
    }

    fn height_of(&self, hash: &B256) -> Option<Height> {
        self.snapshot.index.height_of(hash)
    }

    fn transaction(&self, hash: &B256) -> Option<(Arc<BlockRecord>, usize)> {
        self.snapshot.index.transaction(hash)
    }

    fn account(&self, address: &Address) -> AccountInfo {
        let info = self.state().account_info(address);
        AccountInfo {
            nonce: info.nonce,
            balance: info.balance.0,
            accrued: info.accrued.0,
            debt: info.debt.0,
            holding: info.holding.0,
            bond: info.bond.0,
        }
    }

    fn next_base_fee(&self) -> u128 {
        self.state().next_base_fee()
    }

    fn suggested_priority_fee(&self) -> u128 {
        least_price(self.state()).saturating_sub(self.state().next_base_fee()).max(1)
    }

    fn item(&self, item: ItemIndex) -> Option<ItemInfo> {
        self.snapshot.item(item).map(|found| item_info(item, &found))
    }

    fn item_of(&self, transaction: &B256) -> Option<ItemInfo> {
        self.snapshot.item_of(transaction).map(|(index, item)| item_info(index, &item))
    }

    fn task(&self, task: TaskId) -> Option<TaskInfo> {
        self.snapshot.task(task).map(|found| task_info(task, &found))
    }

    fn open_tasks(&self, limit: usize) -> Vec<TaskInfo> {
        self.state().open_tasks().take(limit).map(|(id, task)| task_info(id, task)).collect()
    }

    fn prover(&self, address: &Address) -> Option<ProverInfo> {
        self.state().plugin(address).map(|plugin| self.prover_info(address, plugin))
    }

    fn active_set(&self, limit: usize) -> Vec<ProverInfo> {
        let info = |(address, slots): (&Address, u32)| {
            Some(prover_info(address, self.state().plugin(address)?, slots, self.account(address)))
        };
        self.state().active_set().filter_map(info).take(limit).collect()
    }

    fn ledger(&self, after: Address, limit: usize) -> Vec<LedgerEntry> {
        self.state()
            .market_accounts()
            .filter(|(address, account)| **address > after && (account.accrued.0 > 0 || account.debt.0 > 0))
            .take(limit)
            .map(|(address, _)| LedgerEntry { address: *address, account: self.account(address) })
            .collect()
    }

    fn supply(&self) -> Value {
        let report = self.state().supply_report();
        json!({
            "genesis": report.genesis.to_string(),
            "now": report.now.to_string(),
            "conserved": report.conserved,
            "escrow": report.escrow.to_string(),
            "issuance": report.issuance.to_string(),
            "accrued": report.accrued.to_string(),
            "debt": report.debt.to_string(),
            "reserved": report.reserved.to_string(),
            "earmarked": report.earmarked.to_string(),
        })
    }

    fn state_hash(&self) -> Option<StateHashInfo> {
        Some(StateHashInfo {
            height: self.state().height().0,
            block: self.state().head(),
            state_hash: self.state().hash().ok()?,
            state_root: self.state().state_root(),
            market_root: self.state().market_root().ok()?,
            events_head: self.state().events_head(),
        })
    }

    fn parameters(&self) -> Value {
        // Every type in a genesis has a JSON form.
        serde_json::to_value(self.state().genesis()).unwrap_or(Value::Null)
    }

    fn batch(&self, batch: BatchIndex) -> Option<BatchInfo> {
        let found = self.snapshot.batch(batch)?;
        Some(BatchInfo {
            batch: batch.0,
            first_item: found.first_item.0,
            items: found.items,
            segments: found.segments,
            pre_root: found.pre_root,
            post_root: found.post_root,
            closed: stage(&found.closed),
            proven: found.proven.as_ref().map(stage),
            certified: found.certified.as_ref().map(stage),
            proof: found.proof,
            certificate: found.certificate,
        })
    }

    fn batch_file(&self, batch: BatchIndex) -> Option<Bytes> {
        self.archive.batch_file(batch)
    }

    fn proof(&self, hash: &B256) -> Option<Bytes> {
        self.archive.proof(hash)
    }
}

#[cfg(test)]
mod tests {
    use crowdfold_config::{DEMO, Genesis};
    use crowdfold_kernel::Kernel;

    use super::*;

    struct Empty;

    impl Archive for Empty {
        fn proof(&self, _hash: &B256) -> Option<Bytes> {
            None
        }
        fn batch_file(&self, _batch: BatchIndex) -> Option<Bytes> {
            None
        }
    }

    #[test]
    fn a_new_chain_shows_its_genesis() {
        let genesis = Genesis::from_toml(DEMO).unwrap();
        let (state, _) = Kernel::genesis(&genesis).unwrap();
        let view = KernelView::new(Arc::new(Snapshot::genesis(state.clone())), Arc::new(Empty));
        assert_eq!((view.chain_id(), view.head()), (genesis.chain_id, Height(0)));
        assert_eq!(view.height_of(&state.genesis_hash()), Some(Height(0)));
        for allocation in &genesis.allocations {
            let account = view.account(&allocation.account);
            assert_eq!(account.balance, allocation.balance.units());
            assert_eq!(account.holding, i128::try_from(account.balance).unwrap());
        }
        assert_eq!(view.supply()["conserved"], true);
        assert_eq!(view.parameters()["chain_id"], genesis.chain_id);
        assert!(
            view.active_set(10).is_empty()
                && view.ledger(Address::ZERO, 10).is_empty()
                && view.open_tasks(10).is_empty()
        );
        assert!(
            view.task(TaskId(1)).is_none() && view.item(ItemIndex(0)).is_none() && view.batch(BatchIndex(0)).is_none()
        );
    }

    /// A transfer that offers what is suggested pays for its proof, one that offers less at a low base fee does not.
    #[test]
    fn the_suggested_fee_pays_for_a_proof() {
        let (state, _) = Kernel::genesis(&Genesis::from_toml(DEMO).unwrap()).unwrap();
        let params = state.parameters();
        let least = least_base(params, crowdfold_zk::SEGMENTS_PER_TRANSFER);
        let proving = |price: u128| split(params, price * u128::from(TRANSACTION_GAS)).proving.0;
        let price = least_price(&state);
        assert!(proving(price) >= least && (price == 0 || proving(price - 1) < least));
        let view = KernelView::new(Arc::new(Snapshot::genesis(state.clone())), Arc::new(Empty));
        assert!(proving(view.next_base_fee() + view.suggested_priority_fee()) >= least);
    }
}
