//! What a running node tells whoever watches it, and a table made of that.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use crowdfold_events::{Address, B256, BatchIndex, Event, Height, TaskId, Zkpow, event::TaskKind, wire::Code};

use super::Committed;

/// Something that happened in this node. Local: not part of the chain, lost on restart.
#[derive(Clone, Debug)]
pub enum NodeEvent {
    /// A block is durable.
    Committed(Arc<Committed>),
    /// A task's package went to its plugin's session.
    Offered {
        /// The plugin.
        plugin: Address,
        /// The task.
        task: TaskId,
        /// The attempt, from 1.
        attempt: u32,
        /// Bytes of the package.
        package_bytes: usize,
        /// Wall clock, in milliseconds since the Unix epoch.
        at_ms: u64,
    },
    /// A plugin says how far it is.
    Progress {
        /// The plugin.
        plugin: Address,
        /// The task.
        task: TaskId,
        /// Part done, in thousandths.
        permille: u16,
        /// Wall clock, in milliseconds since the Unix epoch.
        at_ms: u64,
    },
    /// An uploaded proof was checked, or refused before that.
    Checked(ProofCheck),
    /// The file of a certified batch is durable.
    BatchWritten {
        /// The batch.
        batch: BatchIndex,
        /// Where.
        path: PathBuf,
        /// Its size.
        bytes: usize,
    },
    /// The node failed and stops by itself; the text says why.
    Failed(String),
}

/// The check of one uploaded proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofCheck {
    /// Who uploaded it.
    pub plugin: Address,
    /// For which task.
    pub task: TaskId,
    /// Keccak-256 of the bytes.
    pub proof_hash: B256,
    /// Their number.
    pub proof_bytes: usize,
    /// Wall clock when the upload was complete, in milliseconds since the Unix epoch.
    pub submitted_at_ms: u64,
    /// Decoding and verifying, in milliseconds; 0 when refused before.
    pub verify_ms: u64,
    /// Check for the canonical witness, in milliseconds; 0 for aggregates and when refused before.
    pub canonical_ms: u64,
    /// Why it was refused.
    pub refused: Option<Code>,
}

/// One task from its opening to its proof, as this node saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskReport {
    /// What it is about; `None` when the watching began after its opening.
    pub kind: Option<TaskKind>,
    /// Proof segments.
    pub segments: u32,
    /// Assignments so far.
    pub attempts: u32,
    /// Who has or had it last.
    pub plugin: Option<Address>,
    /// What the last assignment pays.
    pub bounty: Zkpow,
    /// Block of the last assignment and that block's time.
    pub assigned_at: Option<(Height, u64)>,
    /// Its deadline.
    pub deadline: Height,
    /// The newest attempt that was offered, and when by the wall clock, in milliseconds since the Unix epoch.
    pub offered: Option<(u32, u64)>,
    /// Part done, in thousandths, as the plugin says.
    pub permille: u16,
    /// The last check of a proof for it.
    pub check: Option<ProofCheck>,
    /// Block of the accepted proof and that block's time.
    pub accepted_at: Option<(Height, u64)>,
    /// Who timed out on it, in order.
    pub timed_out: Vec<Address>,
}

impl TaskReport {
    /// From the offer to the complete upload, in milliseconds: what proving took, as seen from the node.
    #[must_use]
    pub fn prove_ms(&self) -> Option<u64> {
        let (attempt, at_ms) = self.offered?;
        let submitted_at_ms = self.check.as_ref()?.submitted_at_ms;
        (attempt == self.attempts).then(|| submitted_at_ms.saturating_sub(at_ms))
    }
}

/// A table of all tasks, made of a node's events alone.
#[derive(Clone, Debug, Default)]
pub struct TaskReports {
    tasks: BTreeMap<TaskId, TaskReport>,
}

impl TaskReports {
    /// Takes one event in.
    pub fn apply(&mut self, event: &NodeEvent) {
        match event {
            NodeEvent::Committed(committed) => {
                let header = &committed.block.header;
                committed.events.iter().for_each(|event| self.chain_event(event, (header.height, header.time_ms)));
            }
            // It may come before the block of the assignment, and again when a session is resumed.
            NodeEvent::Offered { task, attempt, at_ms, .. } => {
                let report = self.entry(*task);
                if report.offered.is_none_or(|(before, _)| before < *attempt) {
                    report.offered = Some((*attempt, *at_ms));
                }
            }
            NodeEvent::Progress { task, permille, .. } => self.entry(*task).permille = *permille,
            NodeEvent::Checked(check) => self.entry(check.task).check = Some(check.clone()),
            NodeEvent::BatchWritten { .. } | NodeEvent::Failed(_) => {}
        }
    }

    /// A task's report.
    #[must_use]
    pub fn get(&self, task: TaskId) -> Option<&TaskReport> {
        self.tasks.get(&task)
    }

    /// All reports in order of task.
    pub fn iter(&self) -> impl Iterator<Item = (TaskId, &TaskReport)> {
        self.tasks.iter().map(|(id, report)| (*id, report))
    }

    fn entry(&mut self, task: TaskId) -> &mut TaskReport {
        self.tasks.entry(task).or_default()
    }

    fn chain_event(&mut self, event: &Event, at: (Height, u64)) {
        match event {
            Event::TaskOpened { task, kind, segments, .. } => {
                let report = self.entry(*task);
                report.kind = Some(kind.clone());
                report.segments = *segments;
            }
            Event::TaskAssigned { task, plugin, attempt, bounty, deadline, .. } => {
                let report = self.entry(*task);
                report.plugin = Some(*plugin);
                report.attempts = *attempt;
                report.bounty = *bounty;
                report.assigned_at = Some(at);
                report.deadline = *deadline;
                report.permille = 0;
            }
            Event::AssignmentTimedOut { task, plugin, .. } => self.entry(*task).timed_out.push(*plugin),
            Event::ProofAccepted { task, plugin, .. } | Event::AggregateAccepted { task, plugin, .. } => {
                let report = self.entry(*task);
                report.plugin = Some(*plugin);
                report.permille = 1000;
                report.accepted_at = Some(at);
            }
            _ => {}
        }
    }
}
