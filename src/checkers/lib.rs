//! An independent model of the chain's rules that watches each committed block.
//!
//! [`Checkers`] is fed a chain's events, block by block, and keeps its own
//! books of money, plugins, tasks, items and batches from them. For each block
//! it writes the script of what must happen and holds the events against it;
//! beside that it checks what must hold in any case: supply, cover, one live
//! assignment per task, slots, sequences, contiguous roots. It shares with the
//! kernel the event types, the parameters and the hashes of encoded values,
//! and no rule: every formula is written once more in `rules`.
//!
//! [`Checkers::compare`] holds the kernel's state against the books.
//! [`Agreement`] compares validators; [`Liveness`] bounds how long work may take.
//!
//! What this does not establish: that roots are those of the state tree, that
//! statements' digests, signatures and proofs are right. Executing the blocks
//! again checks those.
//!
//! - `referee`: a block against its script; `steps`, `answers`, `phases`, `look`: the script.
//! - `books`, `post`, `post_work`: the books, and what each event changes in them.
//! - `compare`, `agreement`, `liveness`: the other views.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod agreement;
mod answers;
mod books;
mod compare;
mod difference;
mod header;
mod liveness;
mod look;
mod phases;
mod post;
mod post_work;
mod referee;
mod rules;
mod steps;
mod violation;

pub use agreement::Agreement;
pub use liveness::{Bounds, Liveness};
pub use violation::{Check, Violation, kind};

use crowdfold_config::{Genesis, GenesisError};
use crowdfold_events::{Event, Height, encode_event, hash};

use books::Books;
use referee::Referee;

/// Blocks between two recounts of every sum from its parts.
const RECOUNT: u64 = 64;

/// The model of one chain.
#[derive(Clone, Debug)]
pub struct Checkers {
    books: Books,
}

impl Checkers {
    /// Books of a chain before its first event.
    ///
    /// # Errors
    /// What is wrong with the genesis; the operator's fault.
    pub fn new(genesis: &Genesis) -> Result<Self, GenesisError> {
        Ok(Self { books: Books::new(genesis.clone().validate()?) })
    }

    /// Height of the last block seen.
    #[must_use]
    pub fn height(&self) -> Height {
        Height(self.books.tip.height)
    }

    /// Opens the books with the genesis event.
    pub fn genesis(&mut self, events: &[Event]) -> Vec<Violation> {
        let g = &self.books.genesis;
        let mut out = Vec::new();
        let [Event::GenesisLoaded { genesis_hash, chain_id, state_root, supply, time_ms, .. }] = events else {
            out.push(self.of_block(Check::Shape, "events", "GenesisLoaded", events.len()));
            return out;
        };
        let mut same = |field, expected: String, found: String| {
            if expected != found {
                let (check, height) = (Check::Shape, Height(0));
                out.push(Violation {
                    check,
                    height,
                    index: Some(0),
                    event: Some("GenesisLoaded"),
                    field,
                    expected,
                    found,
                });
            }
        };
        same("genesis_hash", g.hash.to_string(), genesis_hash.to_string());
        same("chain_id", g.genesis.chain_id.to_string(), chain_id.to_string());
        same("supply", self.books.supply.to_string(), supply.to_string());
        same("time_ms", g.genesis.time_ms.to_string(), time_ms.to_string());
        self.books.tip.root = *state_root;
        self.chain(events);
        out
    }

    /// Checks one committed block: its events from `BlockDecided` to `BlockSealed`.
    pub fn block(&mut self, events: &[Event]) -> Vec<Violation> {
        let (Some(Event::BlockDecided { header, body }), Some(Event::BlockSealed { .. })) =
            (events.first(), events.last())
        else {
            return vec![self.of_block(Check::Shape, "events", "BlockDecided ... BlockSealed", events.len())];
        };
        let mut out = self.open(header, body);
        let referee = Referee::new(&mut self.books, header, body);
        out.extend(referee.follow(events));
        out.extend(self.close(header));
        self.chain(events);
        out
    }

    fn chain(&mut self, events: &[Event]) {
        let mut head = self.books.tip.events_head;
        for event in events {
            // An event that cannot be encoded cannot be in a journal either.
            if let Ok(stored) = encode_event(event) {
                head = hash::chain(&head, stored.as_bytes());
            }
        }
        self.books.tip.events_head = head;
    }

    pub(crate) fn of_block(
        &self,
        check: Check,
        field: &'static str,
        expected: impl core::fmt::Debug,
        found: impl core::fmt::Debug,
    ) -> Violation {
        let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
        Violation { check, height: Height(self.books.tip.height), index: None, event: None, field, expected, found }
    }
}
