//! Which events an operator wants to see.

use std::{collections::BTreeSet, str::FromStr};

use alloy_primitives::keccak256;
use crowdfold_events::{Address, B256, Event, ItemIndex, TaskId, event::TaskKind};
use serde_json::Value;

use super::{Shown, fields, when};

/// Names and stable numbers of all events.
pub(in crate::cli) const NAMES: &[(&str, u32)] = &[
    ("GenesisLoaded", 1),
    ("BlockDecided", 2),
    ("BlockSealed", 3),
    ("TransactionExecuted", 10),
    ("MessageRefused", 11),
    ("SettlementApplied", 12),
    ("MessageAccepted", 13),
    ("HeartbeatsRecorded", 20),
    ("PluginRegistered", 21),
    ("AdmissionPassed", 22),
    ("PluginActivated", 23),
    ("PluginDeactivated", 24),
    ("PluginSuspended", 25),
    ("PluginReinstated", 26),
    ("TrustChanged", 27),
    ("AdmissionLapsed", 28),
    ("TaskOpened", 30),
    ("TaskAssigned", 31),
    ("TaskHandedBack", 32),
    ("ProofAccepted", 33),
    ("AggregateAccepted", 34),
    ("AssignmentTimedOut", 35),
    ("BountyBumped", 36),
    ("TaskQuarantined", 37),
    ("PenaltyCharged", 40),
    ("PenaltyRefunded", 41),
    ("RewardAccrued", 42),
    ("DebtRepaid", 43),
    ("WithdrawRequested", 44),
    ("BatchClosed", 50),
    ("BatchProven", 51),
    ("BatchCertified", 52),
    ("EpochStarted", 60),
];

/// Numbers from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Span {
    pub(in crate::cli) first: u64,
    pub(in crate::cli) last: u64,
}

impl Span {
    fn holds(self, number: u64) -> bool {
        (self.first..=self.last).contains(&number)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| {
            part.parse().map_err(|_| format!("`{text}` is no range: write 5, 5..9 (both included), 5.. or ..9"))
        };
        let (first, last) = match text.split_once("..") {
            Some((first, last)) => (
                if first.is_empty() { 0 } else { number(first)? },
                if last.is_empty() { u64::MAX } else { number(last)? },
            ),
            None => (number(text)?, number(text)?),
        };
        if first > last { Err(format!("{first} is after {last}")) } else { Ok(Self { first, last }) }
    }
}

/// The arguments that choose events; all given ones must hold.
#[derive(Clone, Debug, Default, clap::Args)]
pub(in crate::cli) struct FilterArgs {
    /// Events of this type, by name or number; may be repeated.
    #[arg(long = "type", value_name = "TYPE", value_parser = event_type)]
    types: Vec<u32>,
    /// Blocks: 5, 5..9 (both included), 5.. or ..9.
    #[arg(long, value_name = "RANGE")]
    pub(in crate::cli) height: Option<Span>,
    /// Numbers of events, written as heights are.
    #[arg(long, value_name = "RANGE")]
    pub(in crate::cli) seq: Option<Span>,
    /// Events that name this account: as plugin, sender, receiver, payer, proposer, …
    #[arg(long, value_name = "ADDRESS")]
    account: Option<Address>,
    /// Events of this task.
    #[arg(long, value_name = "N")]
    task: Option<u64>,
    /// This transaction or message: its block, what it did, the task to prove it and all that became of that task.
    #[arg(long, value_name = "HASH")]
    transaction: Option<B256>,
    /// Blocks not before this time: 2026-11-22T16:10:00Z, or milliseconds since 1970.
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    pub(in crate::cli) since: Option<u64>,
    /// Blocks not after this time.
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    pub(in crate::cli) until: Option<u64>,
}

impl FilterArgs {
    /// Whether what is wanted depends on earlier events.
    pub(in crate::cli) fn follows(&self) -> bool {
        self.transaction.is_some()
    }
}

fn event_type(text: &str) -> Result<u32, String> {
    let named = NAMES.iter().find(|(name, tag)| name.eq_ignore_ascii_case(text) || tag.to_string() == text);
    named.map(|(_, tag)| *tag).ok_or_else(|| {
        let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        format!("`{text}` is none of {}", names.join(", "))
    })
}

/// Chooses events that are shown to it in order.
pub(in crate::cli) struct Filter {
    args: FilterArgs,
    /// Items of the transaction.
    items: BTreeSet<ItemIndex>,
    /// Tasks of those items.
    tasks: BTreeSet<TaskId>,
}

impl Filter {
    pub(in crate::cli) fn new(args: FilterArgs) -> Self {
        Self { args, items: BTreeSet::new(), tasks: BTreeSet::new() }
    }

    /// Whether the event is wanted.
    pub(in crate::cli) fn wants(&mut self, shown: &Shown<'_>) -> bool {
        // Followed even where it is not shown: the task of a transaction opens before the range, too.
        let is_of_transaction = match (self.args.transaction, shown.event) {
            (Some(hash), Some(event)) => self.is_of(hash, event),
            (wanted, _) => wanted.is_none(),
        };
        let args = &self.args;
        let fits = (args.types.is_empty() || args.types.contains(&shown.stored.event_type()))
            && args.height.is_none_or(|span| span.holds(shown.height.0))
            && args.seq.is_none_or(|span| span.holds(shown.seq.0))
            && args.since.is_none_or(|time| shown.time_ms >= time)
            && args.until.is_none_or(|time| shown.time_ms <= time)
            && args.task.is_none_or(|task| shown.event.and_then(Event::task) == Some(TaskId(task)));
        is_of_transaction && fits && args.account.is_none_or(|account| names(shown, &account))
    }

    fn is_of(&mut self, wanted: B256, event: &Event) -> bool {
        match event {
            Event::TransactionExecuted { item, hash, .. } => {
                let is_it = *hash == wanted;
                if is_it {
                    self.items.insert(*item);
                }
                is_it
            }
            Event::MessageAccepted { hash, .. } | Event::MessageRefused { hash, .. } => *hash == wanted,
            Event::BlockDecided { body, .. } => body.transactions.iter().any(|raw| keccak256(raw) == wanted),
            Event::TaskOpened { task, kind: TaskKind::Prove { item }, .. } => {
                let is_its = self.items.contains(item);
                if is_its {
                    self.tasks.insert(*task);
                }
                is_its
            }
            event => event.task().is_some_and(|task| self.tasks.contains(&task)),
        }
    }
}

/// Whether a field of the event is this account.
fn names(shown: &Shown<'_>, account: &Address) -> bool {
    // Most events do not have the bytes anywhere.
    let stored = shown.stored.as_bytes();
    if !stored.windows(20).any(|window| window == account.as_slice()) {
        return false;
    }
    let text = format!("0x{}", hex::encode(account));
    shown.event.and_then(fields).is_some_and(|(_, fields)| has(&fields, &text))
}

fn has(value: &Value, text: &str) -> bool {
    match value {
        Value::String(found) => found.eq_ignore_ascii_case(text),
        Value::Array(items) => items.iter().any(|item| has(item, text)),
        Value::Object(fields) => fields.values().any(|field| has(field, text)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_is_written_has_a_name() {
        let mut tags: Vec<u32> = Event::TAGS.iter().map(|(tag, _)| *tag).collect();
        tags.sort_unstable();
        assert_eq!(NAMES.iter().map(|(_, tag)| *tag).collect::<Vec<_>>(), tags);
        assert_eq!(event_type("taskopened"), Ok(30));
        assert_eq!(event_type("30"), Ok(30));
        assert!(event_type("Task").is_err());
    }

    #[test]
    fn ranges_are_read() {
        let span = |first, last| Ok(Span { first, last });
        assert_eq!("5".parse(), span(5, 5));
        assert_eq!("5..9".parse(), span(5, 9));
        assert_eq!("5..".parse(), span(5, u64::MAX));
        assert_eq!("..9".parse(), span(0, 9));
        assert_eq!("..".parse(), span(0, u64::MAX));
        for bad in ["", "9..5", "a", "1...3", "-1", "18446744073709551616"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
