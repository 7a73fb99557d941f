//! After the faults heal, work is finished within its bounds.
//!
//! The bounds count blocks. A bound runs from the later of two: when the work
//! appeared, and when the faults healed.

use std::collections::BTreeMap;

use alloy_primitives::keccak256;
use crowdfold_config::Params;
use crowdfold_events::{B256, Event, Height, event::TaskKind};

use crate::violation::{Check, Violation};

/// Blocks that each stage may take in a healed world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// From a transaction's submission until it is in a block.
    pub inclusion: u64,
    /// From a task's opening until its proof is accepted.
    pub proof: u64,
    /// From an item's proof until its batch is proven; an item may take both bounds together.
    pub aggregation: u64,
    /// From a batch's proof until its certificate is in a block.
    pub certificate: u64,
}

impl Bounds {
    /// What the rules allow at worst when every assignee but the last fails: a task that
    /// `quarantine_attempts` plugins missed, then one open deadline; for a batch its age and such a
    /// task on each level.
    #[must_use]
    pub fn of(params: &Params) -> Self {
        let tries = u64::from(params.proving.quarantine_attempts) + 1;
        let item = params.missed_deadline_blocks(params.proving.max_segments_per_item) + params.proving.draw_lag;
        let node = params.missed_deadline_blocks(2 * params.batches.max_segments) + params.proving.draw_lag;
        let levels = u64::from(params.batches.max_segments.ilog(params.batches.aggregation_arity)) + 1;
        Self {
            inclusion: 64,
            proof: tries * item.max(node),
            aggregation: params.batches.max_age + tries * item + levels * tries * node,
            certificate: 64,
        }
    }
}

/// What is still unfinished, and since when.
#[derive(Clone, Debug)]
pub struct Liveness {
    bounds: Bounds,
    healed: Option<u64>,
    now: u64,
    submitted: BTreeMap<B256, u64>,
    tasks: BTreeMap<u64, u64>,
    /// Items whose batch is not proven, by when they appeared.
    items: BTreeMap<u64, u64>,
    /// First item, items, and when it was proven, of batches without certificate.
    batches: BTreeMap<u64, (u64, u32, Option<u64>)>,
}

impl Liveness {
    /// Nothing unfinished yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            healed: None,
            now: 0,
            submitted: BTreeMap::new(),
            tasks: BTreeMap::new(),
            items: BTreeMap::new(),
            batches: BTreeMap::new(),
        }
    }

    /// From now on no fault is injected.
    pub fn healed(&mut self) {
        self.healed.get_or_insert(self.now);
    }

    /// A valid transaction was handed to the network; its raw bytes.
    pub fn submitted(&mut self, raw: &[u8]) {
        self.submitted.entry(keccak256(raw)).or_insert(self.now);
    }

    /// Its sender gave the transaction up, or it became invalid.
    pub fn withdrawn(&mut self, raw: &[u8]) {
        self.submitted.remove(&keccak256(raw));
    }

    /// Notes a committed block and says what takes too long.
    pub fn block(&mut self, events: &[Event]) -> Vec<Violation> {
        for event in events {
            self.note(event);
        }
        self.late()
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::BlockDecided { header, .. } => self.now = header.height.0,
            Event::TransactionExecuted { hash, item, .. } => {
                self.submitted.remove(hash);
                self.items.insert(item.0, self.now);
            }
            Event::SettlementApplied { item, .. } => {
                self.items.insert(item.0, self.now);
            }
            Event::TaskOpened { task, kind, .. } if !matches!(kind, TaskKind::Admission { .. }) => {
                self.tasks.insert(task.0, self.now);
            }
            Event::ProofAccepted { task, .. } | Event::AggregateAccepted { task, .. } => {
                self.tasks.remove(&task.0);
            }
            Event::BatchClosed { batch, first_item, items, .. } => {
                self.batches.insert(batch.0, (first_item.0, *items, None));
            }
            Event::BatchProven { batch, .. } => {
                if let Some((first, items, proven)) = self.batches.get_mut(&batch.0) {
                    *proven = Some(self.now);
                    for index in *first..*first + u64::from(*items) {
                        self.items.remove(&index);
                    }
                }
            }
            Event::BatchCertified { batch, .. } => drop(self.batches.remove(&batch.0)),
            _ => {}
        }
    }

    fn late(&self) -> Vec<Violation> {
        let Some(healed) = self.healed else { return Vec::new() };
        let now = self.now;
        let late = |since: u64, bound: u64| now > since.max(healed).saturating_add(bound);
        let violation = |field, bound: u64, found: String| Violation {
            check: Check::Liveness,
            height: Height(now),
            index: None,
            event: None,
            field,
            expected: format!("within {bound} blocks of {healed}"),
            found,
        };
        let b = &self.bounds;
        let mut out = Vec::new();
        if let Some((hash, since)) = self.submitted.iter().find(|(_, since)| late(**since, b.inclusion)) {
            out.push(violation("inclusion", b.inclusion, format!("{hash} waits since {since}")));
        }
        if let Some((task, since)) = self.tasks.iter().find(|(_, since)| late(**since, b.proof)) {
            out.push(violation("proof", b.proof, format!("task {task} is open since {since}")));
        }
        // Items are numbered as they appear: the first is the oldest.
        let whole = b.proof + b.aggregation;
        if let Some((item, since)) = self.items.iter().next().filter(|(_, since)| late(**since, whole)) {
            out.push(violation("aggregation", whole, format!("item {item} waits since {since}")));
        }
        if let Some((batch, (_, _, since))) =
            self.batches.iter().find(|(_, (_, _, proven))| proven.is_some_and(|at| late(at, b.certificate)))
        {
            out.push(violation("certificate", b.certificate, format!("batch {batch} is proven since {since:?}")));
        }
        out
    }

    /// Work that is not finished: transactions, tasks, items without a proven batch, batches without certificate.
    #[must_use]
    pub fn unfinished(&self) -> (usize, usize, usize, usize) {
        (self.submitted.len(), self.tasks.len(), self.items.len(), self.batches.len())
    }
}
