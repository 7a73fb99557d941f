//! Why: the story of a task, a prover or a transaction, from the journal alone.
//!
//! One pass over the events with [`Standing`] and [`Books`]. What concerns the
//! subject becomes an entry: what happened, in which block, by which rule,
//! with the numbers that the rule was given. Draws are recomputed on the way,
//! and amounts come from the books, so an entry says what follows from the
//! events before it; a journal whose amounts do not is refused.

mod words;

use std::collections::BTreeSet;

use crowdfold_config::Genesis;
use crowdfold_events::{Address, B256, BatchIndex, Event, EventSeq, Height, ItemIndex, TaskId, event::TaskKind};
use crowdfold_kernel::State;
use serde::Serialize;

use super::{
    Base, Books, Standing,
    books::Account,
    replay::{Decoded, ReplayError},
    source::Stored,
};

/// Whom or what a story is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A task.
    Task(TaskId),
    /// A prover, or any other account.
    Plugin(Address),
    /// A transaction, or a message of the system lane.
    Transaction(B256),
}

/// Something that happened to the subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The block.
    pub height: Height,
    /// Its time in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The event.
    pub event: EventSeq,
    /// Name of the event's kind.
    pub kind: String,
    /// What happened and why, in words.
    pub text: String,
    /// Amounts by name, in smallest units as decimal strings.
    pub amounts: Vec<(&'static str, String)>,
    /// For a draw: whether the receipt gives the same plugin when it is recomputed.
    pub draw_holds: Option<bool>,
}

/// A subject's story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// In order.
    pub entries: Vec<Entry>,
    /// The subject's money at the end, if it is an account.
    pub account: Option<Account>,
    /// The last block.
    pub height: Height,
}

struct Teller {
    subject: Subject,
    books: Books,
    standing: Standing,
    time_ms: u64,
    /// Tasks that belong to the story.
    tasks: BTreeSet<TaskId>,
    /// The transaction's item.
    item: Option<ItemIndex>,
    /// The item's batch.
    batch: Option<BatchIndex>,
    entries: Vec<Entry>,
}

/// Tells a subject's story from a journal's events, given from the first on.
/// It has no entries if nothing in the journal concerns the subject.
///
/// # Errors
/// [`ReplayError`].
pub fn explain(
    genesis: &Genesis,
    subject: Subject,
    events: impl Iterator<Item = Stored>,
    progress: &mut dyn FnMut(EventSeq),
) -> Result<Story, ReplayError> {
    explain_from(&Base::genesis(genesis)?, subject, events, progress)
}

/// As [`explain`], from a snapshot on, the events from there on being given:
/// what came before is no part of the story, and the money counts from there on.
///
/// # Errors
/// [`ReplayError`].
pub fn explain_from(
    base: &Base,
    subject: Subject,
    events: impl Iterator<Item = Stored>,
    progress: &mut dyn FnMut(EventSeq),
) -> Result<Story, ReplayError> {
    let (state, genesis) = (&base.state, base.state.genesis());
    let (books, standing) = if base.is_genesis() {
        (Books::new(genesis, &genesis.params), Standing::new(&genesis.params, genesis.admission_items))
    } else {
        (Books::after(state), Standing::after(state))
    };
    let mut teller = Teller {
        subject,
        books,
        standing,
        time_ms: state.time_ms(),
        tasks: BTreeSet::new(),
        item: None,
        batch: None,
        entries: Vec::new(),
    };
    teller.take_up(state);
    for event in Decoded::new(events, base.events) {
        let (at, event) = event?;
        if let Event::GenesisLoaded { genesis_hash, .. } = &event
            && *genesis_hash != state.genesis_hash()
        {
            return Err(ReplayError::OtherChain { expected: state.genesis_hash(), found: *genesis_hash });
        }
        teller.event(at, &event)?;
        progress(at.next());
    }
    let account = match subject {
        Subject::Plugin(address) => Some(teller.books.account(&address)),
        Subject::Task(_) | Subject::Transaction(_) => None,
    };
    Ok(Story { entries: teller.entries, account, height: teller.standing.height() })
}

impl Teller {
    /// A transaction that was executed before the first event is followed from where it stands.
    fn take_up(&mut self, state: &State) {
        let Subject::Transaction(hash) = self.subject else { return };
        if let Some((index, item)) = state.item_of(&hash) {
            (self.item, self.batch) = (Some(index), item.batch);
            self.tasks.extend(item.task);
        }
    }

    fn event(&mut self, at: EventSeq, event: &Event) -> Result<(), ReplayError> {
        if let Event::BlockDecided { header, .. } = event {
            self.time_ms = header.time_ms;
        }
        let wrong = |detail: String| ReplayError::Amount { at, detail };
        let own = self.books.amounts(event, &self.standing).map_err(|f| wrong(f.to_string()))?;
        if own != *event {
            return Err(wrong(format!("the rules give {own:?}")));
        }
        if self.concerns(event) {
            self.tell(at, event);
        }
        self.books.post(&own, event, &self.standing).map_err(|f| wrong(f.to_string()))?;
        self.standing.apply(event);
        Ok(())
    }

    /// Whether an event belongs to the story; widens the story by what follows from it.
    fn concerns(&mut self, event: &Event) -> bool {
        match self.subject {
            Subject::Task(task) => event.task() == Some(task),
            Subject::Plugin(address) => names(event, &address),
            Subject::Transaction(hash) => self.follows(event, &hash),
        }
    }

    fn follows(&mut self, event: &Event, hash: &B256) -> bool {
        match event {
            Event::TransactionExecuted { hash: found, item, .. } if found == hash => {
                self.item = Some(*item);
                true
            }
            Event::MessageAccepted { hash: found, .. } | Event::MessageRefused { hash: found, .. } => found == hash,
            Event::TaskOpened { task, kind: TaskKind::Prove { item }, .. } if Some(*item) == self.item => {
                self.tasks.insert(*task);
                true
            }
            Event::BatchClosed { batch, first_item, items, .. } => {
                let is_in = self.item.is_some_and(|i| i >= *first_item && i.0 - first_item.0 < u64::from(*items));
                if is_in {
                    self.batch = Some(*batch);
                }
                is_in
            }
            Event::BatchProven { batch, .. } | Event::BatchCertified { batch, .. } => Some(*batch) == self.batch,
            _ => event.task().is_some_and(|task| self.tasks.contains(&task)),
        }
    }

    fn tell(&mut self, at: EventSeq, event: &Event) {
        let (draw_holds, text) = words::text(event, &self.books, &self.standing);
        let debug = format!("{event:?}");
        self.entries.push(Entry {
            height: self.standing.height().max(words::height(event)),
            time_ms: self.time_ms,
            event: at,
            kind: debug.split([' ', '{']).next().unwrap_or_default().to_owned(),
            text,
            amounts: words::amounts(event, self.subject),
            draw_holds,
        });
    }
}

/// Whether an event names an account as the one it happens to.
fn names(event: &Event, address: &Address) -> bool {
    match event {
        Event::PluginRegistered { plugin }
        | Event::AdmissionPassed { plugin, .. }
        | Event::AdmissionLapsed { plugin, .. }
        | Event::PluginActivated { plugin }
        | Event::PluginDeactivated { plugin, .. }
        | Event::PluginSuspended { plugin, .. }
        | Event::PluginReinstated { plugin }
        | Event::TrustChanged { plugin, .. }
        | Event::WithdrawRequested { plugin, .. }
        | Event::TaskAssigned { plugin, .. }
        | Event::TaskHandedBack { plugin, .. }
        | Event::ProofAccepted { plugin, .. }
        | Event::AggregateAccepted { plugin, .. }
        | Event::AssignmentTimedOut { plugin, .. }
        | Event::PenaltyCharged { plugin, .. }
        | Event::PenaltyRefunded { plugin, .. }
        | Event::RewardAccrued { plugin, .. } => plugin == address,
        Event::DebtRepaid { plugin, payer, .. } => plugin == address || payer == address,
        Event::MessageRefused { sender, .. } => sender == address,
        Event::TransactionExecuted { sender, to, .. } => sender == address || to == address,
        Event::SettlementApplied { entries, .. } => entries.iter().any(|e| e.account == *address),
        _ => false,
    }
}
