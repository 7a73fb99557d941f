//! Which rules a world is held to, and what is checked here itself: that the
//! validators agree, that each block follows the one before, that the kernel's
//! sums are the sums of their parts, and that a healed world comes to rest.

use std::collections::{BTreeMap, BTreeSet};

use crowdfold_events::{B256, Event, Height};

use super::{
    checkers::{Model, Replica},
    observe::{Checker, Committed, End, Violation},
};

/// Blocks between two recomputations of every sum.
const AUDIT_EVERY: u64 = 16;

/// All checkers, new, in the order in which they are asked.
#[must_use]
pub fn all() -> Vec<Box<dyn Checker>> {
    vec![
        Box::<Rest>::default(),
        Box::<Agreement>::default(),
        Box::<Model>::default(),
        Box::<Replica>::default(),
        Box::<Sums>::default(),
    ]
}

/// One block per height, the same events and states everywhere.
#[derive(Default)]
struct Agreement {
    heads: BTreeMap<Height, (B256, B256)>,
}

impl Checker for Agreement {
    fn committed(&mut self, seen: &Committed<'_>) -> Result<(), Violation> {
        let height = seen.block.header.height;
        let wrong = |rule, detail: String| Err(Violation { rule, validator: Some(seen.validator), height, detail });
        if seen.block.header.parent != seen.before.head() || height != seen.before.height().next() {
            return wrong("contiguous-blocks", format!("the block does not follow {}", seen.before.height()));
        }
        if seen.block.header.pre_state_root != seen.before.state_root() {
            return wrong("contiguous-roots", format!("the block begins at {}", seen.block.header.pre_state_root));
        }
        let found = (seen.block.hash(), seen.after.events_head());
        let expected = *self.heads.entry(height).or_insert(found);
        if expected != found {
            return wrong("agreement", format!("{expected:?} was committed before, here it is {found:?}"));
        }
        Ok(())
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), Violation> {
        let Some(first) = end.validators.first() else { return Ok(()) };
        for (number, validator) in end.validators.iter().enumerate() {
            if validator.journal_hash != first.journal_hash {
                let (height, validator) = (validator.state.height(), Some(number));
                let detail = "its journal is not byte for byte that of validator 0".to_owned();
                return Err(Violation { rule: "identical-journals", validator, height, detail });
            }
        }
        Ok(())
    }
}

/// The kernel's running totals are what their parts sum to.
#[derive(Default)]
struct Sums {
    seen: u64,
}

impl Checker for Sums {
    fn committed(&mut self, seen: &Committed<'_>) -> Result<(), Violation> {
        if !seen.is_first {
            return Ok(());
        }
        self.seen += 1;
        if !self.seen.is_multiple_of(AUDIT_EVERY) {
            return Ok(());
        }
        let (validator, height) = (Some(seen.validator), seen.block.header.height);
        seen.after.audit().map_err(|fault| Violation { rule: "sums", validator, height, detail: fault.to_string() })
    }
}

/// A healed world comes to rest: everything that was taken is in a block, proven and certified.
#[derive(Default)]
struct Rest {
    /// Transactions that are in blocks.
    executed: BTreeSet<B256>,
}

impl Checker for Rest {
    fn committed(&mut self, seen: &Committed<'_>) -> Result<(), Violation> {
        if seen.is_first {
            self.executed.extend(seen.events.iter().filter_map(|event| match event {
                Event::TransactionExecuted { hash, .. } => Some(*hash),
                _ => None,
            }));
        }
        Ok(())
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), Violation> {
        let wrong = |rule, height, detail| Err(Violation { rule, validator: None, height, detail });
        if end.validators.len() < end.cast.validators.len() {
            let detail = format!("{} of {} validators are up", end.validators.len(), end.cast.validators.len());
            return wrong("validators-return", end.healed_at, detail);
        }
        for validator in &end.validators {
            let (state, height) = (validator.state, validator.state.height());
            if let Err(fault) = state.audit() {
                return wrong("sums", height, fault.to_string());
            }
            if state.has_work() {
                let open: Vec<String> =
                    state.open_tasks().take(4).map(|(id, task)| format!("{id}: {:?}", task.status)).collect();
                let detail = format!("{} tasks are open: {}", state.open_tasks().count(), open.join("; "));
                return wrong("work-ends", height, detail);
            }
        }
        if let Some(hash) = end.acknowledged.keys().find(|hash| !self.executed.contains(*hash)) {
            return wrong("transactions-arrive", end.healed_at, format!("{hash} was taken and is in no block"));
        }
        Ok(())
    }
}
