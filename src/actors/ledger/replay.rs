//! Applying a journal's events, block by block, each block's roots compared.

use crowdfold_events::{B256, Block, Event, EventSeq, Height};
use crowdfold_journal::JournalStore;
use crowdfold_kernel::State;

use super::LedgerError;
use crate::{
    node::Snapshot,
    planted::{self, Bug},
};

/// Events read from the journal at a time.
const REPLAY_STEP: usize = 4096;

/// Applies a journal's events, block by block.
pub(super) struct Replay {
    at: EventSeq,
    /// The chain after the last whole block.
    snapshot: Snapshot,
    /// The state after the last event.
    state: State,
    /// Events of the block that is being read.
    block: Vec<Event>,
    /// Blocks after which old ones are sealed, if there is a history.
    every: u64,
}

impl Replay {
    /// Goes on after `snapshot`; with its first event the journal's genesis is checked.
    pub(super) fn after(snapshot: Snapshot, every: u64) -> Self {
        let at = if snapshot.height() == Height(0) { EventSeq(0) } else { EventSeq(snapshot.event_count()) };
        Self { at, state: snapshot.state.clone(), snapshot, block: Vec::new(), every }
    }

    /// Reads the journal to its end.
    pub(super) fn run(mut self, journal: &dyn JournalStore) -> Result<Snapshot, LedgerError> {
        let end = journal.head();
        while self.at < end.next {
            for stored in journal.read(self.at, REPLAY_STEP)? {
                let event = stored.decode().map_err(|fault| LedgerError::Event { at: self.at, fault })?;
                self.event(event)?;
            }
        }
        if !self.block.is_empty() {
            return Err(LedgerError::Shape(self.at));
        }
        let found = self.state.events_head();
        if found != end.hash {
            let (height, expected) = (self.state.height(), end.hash);
            return Err(LedgerError::Replay { height, what: "event chain's head", expected, found });
        }
        Ok(self.snapshot)
    }

    fn event(&mut self, event: Event) -> Result<(), LedgerError> {
        let at = self.at;
        self.at = at.next();
        match &event {
            Event::GenesisLoaded { genesis_hash, .. } if at == EventSeq(0) => {
                let expected = self.state.genesis_hash();
                return if *genesis_hash == expected {
                    Ok(())
                } else {
                    Err(LedgerError::OtherChain { expected, found: *genesis_hash })
                };
            }
            Event::GenesisLoaded { .. } => return Err(LedgerError::Shape(at)),
            Event::BlockDecided { .. } if self.block.is_empty() => {}
            _ if self.block.is_empty() => return Err(LedgerError::Shape(at)),
            _ => {}
        }
        self.state.apply(&event);
        if planted::is(Bug::ReplayAppliesTwice) && matches!(event, Event::TrustChanged { .. }) {
            self.state.apply(&event);
        }
        let is_last = matches!(event, Event::BlockSealed { .. });
        self.block.push(event);
        if is_last { self.block_end() } else { Ok(()) }
    }

    fn block_end(&mut self) -> Result<(), LedgerError> {
        let events = std::mem::take(&mut self.block);
        let (Some(Event::BlockDecided { header, body }), Some(Event::BlockSealed { market_root, .. })) =
            (events.first(), events.last())
        else {
            return Err(LedgerError::Shape(self.at));
        };
        let height = header.height;
        let same = |what, expected: B256, found: B256| {
            if expected == found { Ok(()) } else { Err(LedgerError::Replay { height, what, expected, found }) }
        };
        same("state root", header.post_state_root, self.state.state_root())?;
        same("market root", header.market_root, *market_root)?;
        same("market root", header.market_root, self.state.market_root()?)?;
        let block = Block { header: (**header).clone(), body: (**body).clone() };
        self.snapshot.advance(&block, &events, self.state.clone())?;
        self.seal()
    }

    /// Old blocks leave the memory while the replay goes on.
    fn seal(&mut self) -> Result<(), LedgerError> {
        let index = &mut self.snapshot.index;
        if index.sealed().is_some_and(|sealed| index.head().0 - sealed.0 >= self.every)
            && let Some(history) = index.seal()?
        {
            let finished = index.finished_count();
            index.adopt(history, finished);
        }
        Ok(())
    }
}
