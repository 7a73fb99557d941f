//! One block against its script.
//!
//! The script is what must happen, as steps that are evaluated when it is
//! their turn, each against books that hold everything before it. A step
//! expects one event, or none, or unfolds into further steps:
//!
//! ```text
//! users -> messages -> heartbeats -> silent -> deadlines -> rises -> old tasks
//!   -> batches -> draws -> settlement -> epoch -> seal
//! ```
//!
//! When an event is not the expected one, either it is too many or the expected
//! one is missing; the rest of the block tells. The referee names the check, goes
//! on as far as it can, and gives up after [`MOST`] violations.

use std::collections::{BTreeSet, VecDeque};

use crowdfold_events::{
    Address, B256, BlockBody, BlockHeader, Event, Height, SigningDomain, TaskId, Zkpow,
    event::{InactiveReason, PenaltyReason},
};

use crate::{
    books::Books,
    difference::differences,
    post::Notes,
    violation::{Check, Violation, check_of, kind},
};

/// Violations of one block after which the rest of it says nothing more.
pub(crate) const MOST: usize = 32;

/// What must happen, in terms of the books at that moment.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Users,
    OpenItem(u64),
    Repay { transaction: usize, payer: Address, value: u128 },
    Messages(usize),
    Register(Address),
    OpenAdmission(Address),
    AssignAdmission(Address, TaskId),
    Accept { task: TaskId, plugin: Address, proof: B256 },
    AdmissionPassed(Address, TaskId),
    Activate(Address),
    Deactivate(Address, InactiveReason),
    Reward { task: TaskId, plugin: Address, paid: (Zkpow, Zkpow) },
    Reinstate(Address),
    Trust { plugin: Address, valid: bool },
    Climb(TaskId, B256),
    HandBack(TaskId, Address),
    Charge { plugin: Address, task: TaskId, reason: PenaltyReason, amount: Zkpow },
    Suspend(Address),
    QuarantineIfFailed(TaskId),
    Quarantine(TaskId),
    Withdraw(Address),
    Certify(u64),
    Beat(Address),
    Heartbeats,
    Silent,
    Deadlines,
    Due(TaskId),
    TimedOut(TaskId),
    Refund { plugin: Address, task: TaskId, charged: u128 },
    Rises,
    Rise(TaskId),
    OldTasks,
    Batches,
    OpenNode(u64, u8, u32),
    Draws,
    Draw(TaskId),
    Settlement,
    Epoch,
    Seal,
}

/// What a step makes of the event whose turn it is.
// Turns are made, looked at and dropped one at a time.
#[allow(clippy::large_enum_variant)]
pub(crate) enum Turn {
    /// Nothing has to happen, or other steps took its place.
    Pass,
    /// This event.
    Expect(Event),
    /// An event of this kind, checked by [`Referee::look`].
    Kind(&'static str, Check),
}

/// The slots that are left to draw from in this block.
pub(crate) struct Round {
    pub(crate) list: Vec<Address>,
    pub(crate) root: B256,
}

pub(crate) struct Referee<'a> {
    pub(crate) books: &'a mut Books,
    pub(crate) header: &'a BlockHeader,
    pub(crate) body: &'a BlockBody,
    pub(crate) domain: SigningDomain,
    pub(crate) script: VecDeque<Step>,
    pub(crate) round: Option<Round>,
    /// Transactions and proofs so far.
    pub(crate) transactions: usize,
    pub(crate) proofs: u32,
    /// Messages of each sender.
    pub(crate) senders: std::collections::BTreeMap<Address, u32>,
    pub(crate) registered: BTreeSet<Address>,
    /// Bits of those whose message took effect.
    pub(crate) beats: BTreeSet<u32>,
    pub(crate) notes: Notes,
    pub(crate) out: Vec<Violation>,
}

impl<'a> Referee<'a> {
    pub(crate) fn new(books: &'a mut Books, header: &'a BlockHeader, body: &'a BlockBody) -> Self {
        let domain = SigningDomain::new(books.genesis.genesis.chain_id, books.genesis.hash);
        Self {
            books,
            header,
            body,
            domain,
            script: VecDeque::from([Step::Users]),
            round: None,
            transactions: 0,
            proofs: 0,
            senders: Default::default(),
            registered: BTreeSet::new(),
            beats: BTreeSet::new(),
            notes: Notes::default(),
            out: Vec::new(),
        }
    }

    /// Follows the events after `BlockDecided`.
    pub(crate) fn follow(mut self, events: &[Event]) -> Vec<Violation> {
        let mut place = 1;
        while let Some(event) = events.get(place) {
            if self.out.len() >= MOST {
                return self.out;
            }
            if self.one(event, events.get(place + 1..).unwrap_or_default(), place) {
                place += 1;
            }
        }
        // A sealed block leaves nothing in the script.
        let mut left = 0;
        while let Some(step) = self.script.pop_front() {
            match self.turn(&step, None) {
                Turn::Pass => {}
                Turn::Expect(expected) => self.missing(&expected, events.len(), "end of block"),
                Turn::Kind(name, check) => self.violation(check, events.len(), None, "event", name, "end of block"),
            }
            left += 1;
            if left > 256 || self.out.len() >= MOST {
                break;
            }
        }
        self.out
    }

    /// Holds the next step against an event; true when the event is used up.
    fn one(&mut self, event: &Event, after: &[Event], place: usize) -> bool {
        let Some(step) = self.script.pop_front() else {
            self.violation(check_of(event), place, Some(event), "event", "end of block", kind(event));
            return true;
        };
        let turn = self.turn(&step, Some(event));
        self.drain(place, event);
        let (wanted, check) = match &turn {
            Turn::Pass => return false,
            Turn::Expect(expected) => (kind(expected), check_of(expected)),
            Turn::Kind(name, check) => (*name, *check),
        };
        if wanted != kind(event) {
            // What is expected comes later: then this one is too many.
            let later = match &turn {
                Turn::Expect(expected) => after.contains(expected),
                _ => after.iter().any(|a| kind(a) == wanted),
            };
            if later {
                self.violation(check_of(event), place, Some(event), "event", wanted, kind(event));
                self.script.push_front(step);
                self.post(event, place);
                return true;
            }
            match &turn {
                Turn::Expect(expected) => self.missing(expected, place, kind(event)),
                _ => self.violation(check, place, Some(event), "event", wanted, kind(event)),
            }
            return self.out.len() >= MOST;
        }
        if let Turn::Expect(expected) = &turn {
            for d in differences(expected, event) {
                self.violation(d.check, place, Some(event), d.field, d.expected, d.found);
            }
        }
        self.look(&step, event);
        self.drain(place, event);
        self.post(event, place);
        self.unfold(step, event);
        true
    }

    fn post(&mut self, event: &Event, place: usize) {
        self.notes = self.books.post(event);
        self.drain(place, event);
    }

    /// Turns notes into violations.
    fn drain(&mut self, place: usize, event: &Event) {
        for d in std::mem::take(&mut self.notes.0) {
            self.violation(d.check, place, Some(event), d.field, d.expected, d.found);
        }
    }

    fn missing(&mut self, expected: &Event, place: usize, found: &'static str) {
        let text = format!("{expected:?}");
        self.violation(check_of(expected), place, Some(expected), "event", text, found);
    }

    fn violation(
        &mut self,
        check: Check,
        place: usize,
        event: Option<&Event>,
        field: &'static str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) {
        self.out.push(Violation {
            check,
            height: Height(self.header.height.0),
            index: Some(place),
            event: event.map(kind),
            field,
            expected: expected.into(),
            found: found.into(),
        });
    }

    /// Puts steps in front of the script, in their order.
    pub(crate) fn next(&mut self, steps: impl IntoIterator<Item = Step, IntoIter: DoubleEndedIterator>) {
        for step in steps.into_iter().rev() {
            self.script.push_front(step);
        }
    }
}
