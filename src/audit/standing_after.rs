//! Who stood where after a block, as the chain's state has it: what [`Standing`]
//! begins with when the events before are not followed.

use std::collections::BTreeMap;

use crowdfold_events::{Height, event::TaskKind};
use crowdfold_kernel::{
    State,
    model::{Task, TaskStatus},
};

use super::standing::{Prover, Standing, Work};

impl Standing {
    /// The standing in a chain whose state after its last block this is.
    #[must_use]
    pub fn after(state: &State) -> Self {
        let genesis = state.genesis();
        let mut standing = Self::new(&genesis.params, genesis.admission_items);
        let height = state.height();
        let provers = state.plugins().map(|(address, p)| {
            let open = p.open.iter().copied().collect();
            let (admitted, active) = (p.index.is_some(), p.active);
            (*address, Prover { admitted, active, consecutive_valid: p.consecutive_valid, open })
        });
        let debts = state.market_accounts().filter(|(_, a)| a.debt.0 > 0).map(|(address, a)| (*address, a.debt.0));
        let tasks: BTreeMap<_, _> = state.open_tasks().map(|(id, task)| (id, work(task))).collect();
        let lag = genesis.params.proving.draw_lag;
        let frozen = (height.0.saturating_sub(lag)..=height.0).map(Height);
        standing.begin(
            height,
            provers.collect(),
            debts.collect(),
            tasks,
            frozen.filter_map(|at| Some((at, state.frozen_slots(at)?.1))).collect(),
        );
        standing
    }
}

fn work(task: &Task) -> Work {
    let is_admission = matches!(task.kind, TaskKind::Admission { .. });
    Work {
        kind: task.kind.clone(),
        segments: task.segments,
        opened_at: task.opened_at,
        attempts: task.attempts,
        failed: task.failed.iter().copied().collect(),
        holder: match &task.status {
            TaskStatus::Assigned(a) => Some((a.plugin, a.deadline)),
            _ => None,
        },
        waiting: match &task.status {
            // An admission is assigned without a draw.
            TaskStatus::Waiting { since } if !is_admission => Some(*since),
            _ => None,
        },
    }
}
