//! The state at any point of a journal: its events applied, not decided again.

use crowdfold_config::Genesis;
use crowdfold_events::{B256, CodecError, Event, EventSeq, Height};
use crowdfold_kernel::{InvariantFault, StartFault, State};

use super::{
    Base,
    source::{SourceFault, Stored},
};

/// Where to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After this event.
    Event(EventSeq),
    /// After this block.
    Height(Height),
    /// After the last event.
    End,
}

/// A state and its place in the journal.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The state after the last event applied.
    pub state: State,
    /// Number of events applied.
    pub events: EventSeq,
    /// Whether the last event applied is not the last of its block.
    pub inside_block: bool,
}

/// Why there is no state at the place asked for.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The genesis; the operator is at fault.
    #[error(transparent)]
    Start(#[from] StartFault),
    /// The journal cannot be read; the disk is at fault.
    #[error(transparent)]
    Source(#[from] SourceFault),
    /// An event has no meaning for this program; the operator's fault.
    #[error("event {at}: {fault}")]
    Event {
        /// The event.
        at: EventSeq,
        /// The decoder's words.
        fault: CodecError,
    },
    /// The journal is of another chain; the operator's fault.
    #[error("the journal begins with genesis {found}, this is {expected}")]
    OtherChain {
        /// This chain's.
        expected: B256,
        /// The journal's.
        found: B256,
    },
    /// The events are not a chain's: an audit says more.
    #[error("event {0} is not where a chain would have it; an audit says more")]
    Shape(EventSeq),
    /// The journal ends before; the operator's fault.
    #[error("the journal ends with event {} of block {height}", .events.0.saturating_sub(1))]
    Beyond {
        /// Number of events in the journal.
        events: EventSeq,
        /// The last block.
        height: Height,
    },
    /// Replay does not end where the block says: a forged journal, or a bug. An audit says more.
    #[error("after block {height} the {what} is {found}, the block says {expected}; an audit says more")]
    Roots {
        /// The block.
        height: Height,
        /// Which root.
        what: &'static str,
        /// The block's.
        expected: B256,
        /// Replay's.
        found: B256,
    },
    /// An event moves an amount out of its range, as no block may: a forged journal. An audit says more.
    #[error("event {at}: {fault}; an audit says more")]
    Broken {
        /// The event.
        at: EventSeq,
        /// What it breaks.
        fault: InvariantFault,
    },
    /// An amount in the journal is not what the rules give. An audit says more.
    #[error("event {at}: {detail}; an audit says more")]
    Amount {
        /// The event.
        at: EventSeq,
        /// What the rules give.
        detail: String,
    },
    /// A part of the state cannot be encoded; a bug.
    #[error("encoding: {0}")]
    Encoding(#[from] CodecError),
}

/// The state of a chain with this genesis at a place of its journal, whose events are given from the first on.
///
/// # Errors
/// [`ReplayError`].
pub fn state_at(
    genesis: &Genesis,
    events: impl Iterator<Item = Stored>,
    until: Until,
    progress: &mut dyn FnMut(EventSeq),
) -> Result<Replayed, ReplayError> {
    state_from(Base::genesis(genesis)?, events, until, progress)
}

/// As [`state_at`], from a snapshot on, the events from there on being given.
///
/// # Errors
/// [`ReplayError`].
pub fn state_from(
    Base { state, events: from }: Base,
    events: impl Iterator<Item = Stored>,
    until: Until,
    progress: &mut dyn FnMut(EventSeq),
) -> Result<Replayed, ReplayError> {
    let mut replayed = Replayed { state, events: from, inside_block: false };
    let mut sealed = None;
    // The snapshot itself may be what is asked for.
    let mut is_there = from > EventSeq(0) && is_there(&replayed, until);
    let mut events = Decoded::new(events, from);
    while !is_there && let Some(event) = events.next() {
        let (at, event) = event?;
        match &event {
            Event::GenesisLoaded { genesis_hash, .. } if at == EventSeq(0) => {
                let expected = replayed.state.genesis_hash();
                if *genesis_hash != expected {
                    return Err(ReplayError::OtherChain { expected, found: *genesis_hash });
                }
            }
            Event::BlockDecided { header, .. } => {
                if replayed.inside_block || header.height != replayed.state.height().next() {
                    return Err(ReplayError::Shape(at));
                }
                replayed.inside_block = true;
                replayed.state.apply(&event);
            }
            _ if !replayed.inside_block => return Err(ReplayError::Shape(at)),
            Event::BlockSealed { state_root, market_root, .. } => {
                replayed.inside_block = false;
                sealed = Some((*state_root, *market_root));
                replayed.state.apply(&event);
            }
            event => replayed.state.apply(event),
        }
        if let Some(fault) = replayed.state.broken() {
            return Err(ReplayError::Broken { at, fault: fault.clone() });
        }
        replayed.events = at.next();
        progress(replayed.events);
        is_there = self::is_there(&replayed, until);
    }
    if !is_there && until != Until::End {
        return Err(ReplayError::Beyond { events: replayed.events, height: replayed.state.height() });
    }
    if let Some((state_root, market_root)) = sealed.filter(|_| !replayed.inside_block) {
        let height = replayed.state.height();
        let same = |what, expected: B256, found: B256| {
            if expected == found { Ok(()) } else { Err(ReplayError::Roots { height, what, expected, found }) }
        };
        same("state root", state_root, replayed.state.state_root())?;
        same("market root", market_root, replayed.state.market_root()?)?;
    }
    Ok(replayed)
}

fn is_there(replayed: &Replayed, until: Until) -> bool {
    match until {
        Until::Event(last) => replayed.events > last,
        Until::Height(last) => replayed.state.height() >= last && !replayed.inside_block,
        Until::End => false,
    }
}

/// Stored events with their numbers, decoded.
pub(crate) struct Decoded<I> {
    events: I,
    next: EventSeq,
}

impl<I: Iterator<Item = Stored>> Decoded<I> {
    pub(crate) fn new(events: I, from: EventSeq) -> Self {
        Self { events, next: from }
    }
}

impl<I: Iterator<Item = Stored>> Iterator for Decoded<I> {
    type Item = Result<(EventSeq, Event), ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.next;
        self.next = at.next();
        Some(match self.events.next()? {
            Ok(stored) => stored.decode().map(|event| (at, event)).map_err(|fault| ReplayError::Event { at, fault }),
            Err(fault) => Err(fault.into()),
        })
    }
}
