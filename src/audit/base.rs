//! Where a pass over a journal begins: at the genesis, or at a snapshot.
//!
//! A snapshot is believed as far as the journal says so: its place lies on the
//! event chain, the block that ends there is the state's last one, and that
//! block's sealed roots are the state's, every digest of the tree recomputed.
//! What the roots do not cover (work that is certified, the order of message
//! sequences among it) and all that came before is taken as it stands.

use crowdfold_config::Genesis;
use crowdfold_events::{B256, Event, EventSeq, Height};
use crowdfold_journal::{JournalError, Reader};
use crowdfold_kernel::{Kernel, StartFault, State};

use crate::node::{SavedFault, verified_state};

/// A state that is not decided again, and its place in the journal.
#[derive(Clone, Debug)]
pub struct Base {
    /// The state.
    pub state: State,
    /// Number of events before it; 0 for the genesis, whose own events come yet.
    pub events: EventSeq,
}

/// Why a journal cannot be followed from a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// The genesis; the operator is at fault.
    #[error(transparent)]
    Start(#[from] StartFault),
    /// The folder of the snapshots; the disk is at fault.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// No snapshot there can be used. The operator is at fault, or the disk.
    #[error("no snapshot {place} can be used{}", why(.faults))]
    NoSnapshot {
        /// Where it was looked for.
        place: String,
        /// What is wrong with those that are there.
        faults: Vec<(EventSeq, SnapshotError)>,
    },
}

/// Why a snapshot is not believed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It cannot be read, or does not lie on the event chain.
    #[error("it cannot be read, or does not lie on the chain")]
    Unreadable,
    /// It is not the state of the block that the journal seals at its place.
    #[error(transparent)]
    Saved(#[from] SavedFault),
    /// The journal cannot be read at its place; the disk is at fault.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Another block ends there.
    #[error("the block that ends there is {found}, the state's is {expected}")]
    OtherBlock {
        /// Hash of the state's last header.
        expected: B256,
        /// Hash of the header in the journal.
        found: B256,
    },
}

fn why(faults: &[(EventSeq, SnapshotError)]) -> String {
    faults.iter().map(|(at, fault)| format!("; the one at event {at}: {fault}")).collect()
}

/// Which snapshot to begin at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The oldest, so that as much as possible is decided again.
    Oldest,
    /// The newest with no more events than this.
    Event(EventSeq),
    /// The newest of this block or one before it.
    Height(Height),
}

impl Base {
    /// The genesis.
    ///
    /// # Errors
    /// It cannot start a chain.
    pub fn genesis(genesis: &Genesis) -> Result<Self, StartFault> {
        Ok(Self { state: Kernel::genesis(genesis)?.0, events: EventSeq(0) })
    }

    /// Whether it is the genesis.
    #[must_use]
    pub fn is_genesis(&self) -> bool {
        self.events == EventSeq(0)
    }

    /// A snapshot of the journal that fits it.
    ///
    /// # Errors
    /// [`BaseError`].
    pub fn snapshot(genesis: &Genesis, reader: &Reader, which: At) -> Result<Self, BaseError> {
        let mut places = reader.snapshot_places()?;
        let place = match which {
            At::Oldest => format!("from event {} on", reader.floor().head.next),
            At::Event(most) => {
                places.retain(|at| *at <= most);
                format!("up to event {most}")
            }
            At::Height(most) => format!("up to block {most}"),
        };
        if which != At::Oldest {
            places.reverse();
        }
        let mut faults = Vec::new();
        for at in places {
            match usable(genesis, reader, at) {
                Ok(base) if matches!(which, At::Height(most) if base.state.height() > most) => {}
                Ok(base) => return Ok(base),
                Err(fault) => faults.push((at, fault)),
            }
        }
        Err(BaseError::NoSnapshot { place, faults })
    }
}

/// The snapshot at a place, if it is the state of the block that ends there.
fn usable(genesis: &Genesis, reader: &Reader, at: EventSeq) -> Result<Base, SnapshotError> {
    let stored = reader.snapshot(at)?.filter(|stored| stored.meta.head.next == at);
    let stored = stored.ok_or(SnapshotError::Unreadable)?;
    let state = verified_state(genesis, reader, &stored)?;
    if at > reader.floor().head.next {
        let last = reader.locate(EventSeq(at.0.saturating_sub(1)))?;
        let found = match last.frame.events().first().map(crowdfold_events::StoredEvent::decode) {
            Some(Ok(Event::BlockDecided { header, .. })) => header.hash(),
            Some(Ok(Event::GenesisLoaded { genesis_hash, .. })) => genesis_hash,
            _ => B256::ZERO,
        };
        if found != state.head() {
            return Err(SnapshotError::OtherBlock { expected: state.head(), found });
        }
    }
    Ok(Base { state, events: at })
}
