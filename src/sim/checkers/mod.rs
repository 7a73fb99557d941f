//! The independent model of the rules as a checker of worlds.
//!
//! [`Model`] follows the first validator that commits a height, through the
//! events alone; [`Replica`] applies the same events to a state of its own and
//! compares it with the live one. A world that goes on from another chain has
//! no history to follow, so both stay out of it.

use crowdfold_checkers::{Agreement, Bounds, Checkers, Liveness, Violation as Found};
use crowdfold_kernel::State;

use super::observe::{Checker, Committed, End, Opening, Violation};

/// Blocks between two comparisons of everything.
const COMPARE_EVERY: u64 = 32;
/// Blocks between two comparisons of a replayed market.
const REPLAY_EVERY: u64 = 8;

/// The chain against the books of `crowdfold-checkers`.
#[derive(Default)]
pub struct Model {
    books: Option<Checkers>,
    agreement: Agreement,
    liveness: Option<Liveness>,
}

fn of(found: &Found, validator: Option<usize>) -> Violation {
    let Found { check, height, .. } = found;
    Violation { rule: check.name(), validator, height: *height, detail: found.to_string() }
}

fn first(found: &[Found], validator: usize) -> Result<(), Violation> {
    found.first().map_or(Ok(()), |found| Err(of(found, Some(validator))))
}

impl Checker for Model {
    fn opening(&mut self, opening: &Opening<'_>) -> Result<(), Violation> {
        let height = opening.state.height();
        self.liveness = Some(Liveness::new(Bounds::of(&opening.genesis.params)));
        if height.0 > 0 {
            return Ok(());
        }
        let wrong = |detail: String| Violation { rule: "genesis", validator: None, height, detail };
        let mut books = Checkers::new(&opening.genesis.genesis).map_err(|fault| wrong(fault.to_string()))?;
        first(&books.genesis(opening.events), 0)?;
        self.books = Some(books);
        Ok(())
    }

    fn committed(&mut self, seen: &Committed<'_>) -> Result<(), Violation> {
        let height = seen.block.header.height;
        let number = u32::try_from(seen.validator).unwrap_or(u32::MAX);
        if let Some(found) = self.agreement.note(number, height, seen.after.events_head()) {
            return Err(of(&found, Some(seen.validator)));
        }
        if !seen.is_first {
            return Ok(());
        }
        if let Some(liveness) = &mut self.liveness {
            first(&liveness.block(seen.events), seen.validator)?;
        }
        let Some(books) = &mut self.books else { return Ok(()) };
        first(&books.block(seen.events), seen.validator)?;
        let compared = match height.0.is_multiple_of(COMPARE_EVERY) {
            true => books.compare(seen.after),
            false => books.compare_sums(seen.after),
        };
        first(&compared, seen.validator)
    }

    fn end(&mut self, end: &End<'_>) -> Result<(), Violation> {
        // The users let go of what is in no block only when a node never took it; that is another rule's.
        let unfinished = self.liveness.as_ref().map(Liveness::unfinished);
        if let Some((_, tasks, items, batches)) =
            unfinished.filter(|(_, tasks, items, batches)| tasks + items + batches > 0)
        {
            let detail =
                format!("{tasks} tasks are open, {items} items in no proven batch, {batches} batches uncertified");
            return Err(Violation { rule: "liveness", validator: None, height: end.healed_at, detail });
        }
        let Some(books) = &self.books else { return Ok(()) };
        let whole = end.validators.iter().enumerate().find(|(_, v)| v.state.height() == books.height());
        whole.map_or(Ok(()), |(number, validator)| first(&books.compare(validator.state), number))
    }
}

/// A state that only ever applies events.
#[derive(Default)]
pub struct Replica {
    state: Option<State>,
}

impl Checker for Replica {
    fn opening(&mut self, opening: &Opening<'_>) -> Result<(), Violation> {
        self.state = Some(opening.state.clone());
        Ok(())
    }

    fn committed(&mut self, seen: &Committed<'_>) -> Result<(), Violation> {
        let Some(state) = self.state.as_mut().filter(|_| seen.is_first) else { return Ok(()) };
        for event in seen.events {
            state.apply(event);
        }
        let (validator, height) = (Some(seen.validator), seen.block.header.height);
        let wrong = |detail: String| Err(Violation { rule: "replay", validator, height, detail });
        let heads = (state.head(), state.events_head(), state.state_root());
        let live = (seen.after.head(), seen.after.events_head(), seen.after.state_root());
        if heads != live {
            return wrong(format!("the live state is at {live:?}, the events give {heads:?}"));
        }
        if !height.0.is_multiple_of(REPLAY_EVERY) {
            return Ok(());
        }
        // What differs once stays different, so the costly root is compared now and then.
        match state.market_root() {
            Ok(root) if root == seen.block.header.market_root => Ok(()),
            root => wrong(format!("the market is {}, the events give {root:?}", seen.block.header.market_root)),
        }
    }
}
