//! What a state forgets, so that it follows the live part of the chain.
//!
//! A batch that was certified more than [`FINISHED_BLOCKS_KEPT`] blocks ago
//! goes with its items, the tasks of its items and nodes, and the places of its
//! transactions; an admission task goes that long after it was closed. No later
//! decision reads any of it: certificates, batches, deadlines and the market
//! root look at what is not certified, and a message about a task that was
//! forgotten is refused as one about a closed task is. The events keep all of it.

use crowdfold_events::{BatchIndex, ItemIndex, TaskId};
use serde::{Deserialize, Serialize};

use crate::{
    model::{Batch, Item, ItemKind, Task},
    state::State,
};

/// Blocks for which finished work stays in the state, for whoever asks about it.
pub const FINISHED_BLOCKS_KEPT: u64 = 256;

/// A certified batch with everything below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishedBatch {
    /// Its number.
    pub index: BatchIndex,
    /// The batch.
    pub batch: Batch,
    /// Its items in order; the first is `batch.first_item`.
    pub items: Vec<Item>,
    /// The tasks of its items and nodes, in order.
    pub tasks: Vec<(TaskId, Task)>,
}

/// Work that no later block looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant)] // Nearly all are batches.
pub enum Finished {
    /// A certified batch.
    Batch(FinishedBatch),
    /// A closed admission.
    Admission(TaskId, Task),
}

impl State {
    /// True for a task that was opened, even if it is forgotten.
    pub(crate) fn was_opened(&self, task: TaskId) -> bool {
        task > TaskId(0) && task <= self.market.last_task
    }

    /// Forgets what was finished long ago. Ends every block.
    pub(crate) fn prune(&mut self) {
        let Some(last) = self.chain.height.0.checked_sub(FINISHED_BLOCKS_KEPT) else { return };
        // Batches are certified in order, so the oldest come first.
        while let Some((index, batch)) = self.batches.get_min()
            && batch.certified.is_some_and(|at| at.height.0 <= last)
        {
            let (index, batch) = (*index, batch.clone());
            self.batches.remove(&index);
            for item in self.items_between(batch.first_item, batch.end_item()) {
                let Some(item) = self.items.remove(&item) else { continue };
                if let ItemKind::Transaction { hash } = &item.kind {
                    self.by_hash.remove(hash);
                }
                if let Some(task) = item.task {
                    self.tasks.remove(&task);
                }
            }
            for node in batch.nodes.values() {
                self.tasks.remove(&node.task);
            }
        }
        while let Some((at, task)) = self.closed.get_min().copied()
            && at.0 <= last
        {
            self.closed.remove(&(at, task));
            self.tasks.remove(&task);
        }
    }

    /// What `after`, the state after the next block, has forgotten of this one.
    #[must_use]
    pub fn pruned_by(&self, after: &Self) -> Vec<Finished> {
        let gone = self.batches.iter().take_while(|(index, _)| !after.batches.contains_key(index));
        let batches = gone.map(|(index, batch)| Finished::Batch(self.finished(*index, batch)));
        let closed = self.closed.iter().take_while(|entry| !after.closed.contains(entry));
        let admissions = closed.filter_map(|(_, id)| Some(Finished::Admission(*id, self.tasks.get(id)?.clone())));
        batches.chain(admissions).collect()
    }

    fn finished(&self, index: BatchIndex, batch: &Batch) -> FinishedBatch {
        let items: Vec<Item> = batch.item_range().filter_map(|item| self.items.get(&item).cloned()).collect();
        let ids = items.iter().filter_map(|item| item.task).chain(batch.nodes.values().map(|node| node.task));
        let mut tasks: Vec<_> = ids.filter_map(|id| Some((id, self.tasks.get(&id)?.clone()))).collect();
        tasks.sort_unstable_by_key(|(id, _)| *id);
        FinishedBatch { index, batch: batch.clone(), items, tasks }
    }
}

impl Batch {
    /// Its items' numbers.
    pub fn item_range(&self) -> impl Iterator<Item = ItemIndex> + use<> {
        let first = self.first_item.0;
        (first..self.end_item().0).map(ItemIndex)
    }

    /// The item after its last one.
    #[must_use]
    pub fn end_item(&self) -> ItemIndex {
        ItemIndex(self.first_item.0.saturating_add(u64::from(self.items)))
    }
}

impl Finished {
    /// Numbers of the tasks in it, in order.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskId> {
        match self {
            Self::Batch(batch) => batch.tasks.iter().map(|(id, _)| *id).collect(),
            Self::Admission(id, _) => vec![*id],
        }
    }

    /// A task in it.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        match self {
            Self::Batch(batch) => {
                let at = batch.tasks.binary_search_by_key(&id, |(id, _)| *id).ok()?;
                batch.tasks.get(at).map(|(_, task)| task)
            }
            Self::Admission(found, task) => (*found == id).then_some(task),
        }
    }

    /// The batch, if it is one.
    #[must_use]
    pub fn batch(&self) -> Option<&Batch> {
        if let Self::Batch(batch) = self { Some(&batch.batch) } else { None }
    }

    /// An item in it.
    #[must_use]
    pub fn item(&self, index: ItemIndex) -> Option<&Item> {
        let Self::Batch(batch) = self else { return None };
        let at = index.0.checked_sub(batch.batch.first_item.0)?;
        batch.items.get(usize::try_from(at).ok()?)
    }
}
