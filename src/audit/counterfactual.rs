//! What everybody would have earned and paid under other amounts.
//!
//! Draws and outcomes are held as they were: who was assigned what, who was
//! late, which proofs came when. Two [`Books`] follow the same events, one
//! with the genesis' parameters, which must give every amount of the journal,
//! and one with the others. Where another debt would have changed who may be
//! drawn, or another amount what is admitted, the table says so beside it.

use std::collections::{BTreeMap, BTreeSet};

use crowdfold_config::{Genesis, Params};
use crowdfold_events::{Address, Event, EventSeq, Height};
use crowdfold_kernel::least_base;
use serde::Serialize;

use super::{
    Books, Standing,
    books::Account,
    replay::{Decoded, ReplayError},
    source::Stored,
};

/// Notes kept; beyond them only their number.
const NOTES_MAX: usize = 1_000;

/// What would have been otherwise than it was, if outcomes were not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Would {
    /// Its debt would have passed `max_debt`, and was held to have stayed in the draws.
    HaveBeenSuspended,
    /// It was suspended, and its debt would not have passed `max_debt`.
    NotHaveBeenSuspended,
    /// It would have been in debt, so with one slot.
    HaveHadOneSlot,
    /// It was in debt, and would not have been.
    NotHaveBeenInDebt,
    /// Its withdrawal would have been refused: too little was free.
    NotHaveWithdrawn,
    /// It repaid more than it would have owed.
    HaveOverpaid,
    /// Its transaction's fee would not have paid for the least bounty.
    NotHaveBeenAdmitted,
}

impl core::fmt::Display for Would {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::HaveBeenSuspended => "would have been suspended",
            Self::NotHaveBeenSuspended => "would not have been suspended",
            Self::HaveHadOneSlot => "would have been in debt, so with one slot",
            Self::NotHaveBeenInDebt => "would not have been in debt",
            Self::NotHaveWithdrawn => "would not have had enough to withdraw",
            Self::HaveOverpaid => "would have owed less than it repaid",
            Self::NotHaveBeenAdmitted => "would have offered too small a fee for its transaction",
        })
    }
}

/// A place where the outcome would have been another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// The block.
    pub height: Height,
    /// The event after which it shows.
    pub event: EventSeq,
    /// Whom it concerns.
    pub account: Address,
    /// What would have been.
    pub would: Would,
}

/// An account under both sets of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The account.
    pub account: Address,
    /// As it was.
    pub was: Account,
    /// As it would have been.
    pub would: Account,
}

/// The comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterfactual {
    /// The last block.
    pub height: Height,
    /// Number of events followed.
    pub events: EventSeq,
    /// Everybody who earned or paid in either, in order of address.
    pub lines: Vec<Line>,
    /// Issuance spent, as it was and as it would have been.
    pub issuance: (u128, u128),
    /// Where outcomes would have been others.
    pub notes: Vec<Note>,
    /// Their number.
    pub note_count: u64,
}

struct Both<'a> {
    params: &'a Params,
    was: Books,
    would: Books,
    standing: Standing,
    suspended: BTreeSet<Address>,
    touched: BTreeSet<Address>,
    /// What already differs: (suspended, in debt).
    differs: BTreeMap<Address, (bool, bool)>,
    notes: Vec<Note>,
    note_count: u64,
}

/// Follows a journal from its first event to its end, or to the end of block `until`.
///
/// # Errors
/// [`ReplayError`]; the journal's own amounts must be those of its genesis.
pub fn counterfactual(
    genesis: &Genesis,
    params: &Params,
    events: impl Iterator<Item = Stored>,
    until: Option<Height>,
    progress: &mut dyn FnMut(EventSeq),
) -> Result<Counterfactual, ReplayError> {
    let mut both = Both {
        params,
        was: Books::new(genesis, &genesis.params),
        would: Books::new(genesis, params),
        standing: Standing::new(&genesis.params, genesis.admission_items),
        suspended: BTreeSet::new(),
        touched: BTreeSet::new(),
        differs: BTreeMap::new(),
        notes: Vec::new(),
        note_count: 0,
    };
    let mut end = EventSeq(0);
    for event in Decoded::new(events, EventSeq(0)) {
        let (at, event) = event?;
        if let Event::GenesisLoaded { genesis_hash, .. } = &event
            && *genesis_hash != genesis.hash()
        {
            return Err(ReplayError::OtherChain { expected: genesis.hash(), found: *genesis_hash });
        }
        both.event(at, &event)?;
        end = at.next();
        progress(end);
        if matches!(&event, Event::BlockSealed { height, .. } if Some(*height) == until) {
            break;
        }
    }
    Ok(both.table(end))
}

impl Both<'_> {
    fn event(&mut self, at: EventSeq, event: &Event) -> Result<(), ReplayError> {
        let wrong = |detail: String| ReplayError::Amount { at, detail };
        let own = self.was.amounts(event, &self.standing).map_err(|f| wrong(f.to_string()))?;
        if own != *event {
            return Err(wrong(format!("the rules give {own:?}")));
        }
        self.was.post(&own, event, &self.standing).map_err(|f| wrong(f.to_string()))?;
        let other = self.would.amounts(event, &self.standing).map_err(|f| wrong(f.to_string()))?;
        self.look_before(at, event, &other);
        self.would.post(&other, event, &self.standing).map_err(|f| wrong(f.to_string()))?;
        self.standing.apply(event);
        match event {
            Event::PluginSuspended { plugin, .. } => {
                self.suspended.insert(*plugin);
            }
            Event::PluginReinstated { plugin } => {
                self.suspended.remove(plugin);
            }
            Event::PenaltyCharged { plugin, .. }
            | Event::PenaltyRefunded { plugin, .. }
            | Event::RewardAccrued { plugin, .. }
            | Event::ProofAccepted { plugin, .. }
            | Event::AggregateAccepted { plugin, .. }
            | Event::DebtRepaid { plugin, .. } => {
                self.touched.insert(*plugin);
            }
            Event::TransactionExecuted { .. } => {
                self.touched.insert(self.standing.proposer());
            }
            Event::BlockSealed { .. } => self.look_after(at),
            _ => {}
        }
        Ok(())
    }

    /// What the other amounts would have refused.
    fn look_before(&mut self, at: EventSeq, event: &Event, other: &Event) {
        match (event, other) {
            (Event::WithdrawRequested { plugin, .. }, _) => {
                let bond = self.would.bond(plugin, &self.standing);
                let free = self.would.account(plugin).accrued.saturating_sub(bond);
                if free <= self.params.settlement.withdraw_fee.units() {
                    self.note(at, *plugin, Would::NotHaveWithdrawn);
                }
            }
            (Event::DebtRepaid { plugin, amount, .. }, Event::DebtRepaid { amount: owed, .. }) if owed < amount => {
                self.note(at, *plugin, Would::HaveOverpaid);
            }
            (Event::TransactionExecuted { sender, segments, .. }, Event::TransactionExecuted { shares, .. })
                if shares.proving.0 < least_base(self.params, *segments) =>
            {
                self.note(at, *sender, Would::NotHaveBeenAdmitted);
            }
            _ => {}
        }
    }

    /// Whether another debt would have changed who may be drawn, after a block.
    fn look_after(&mut self, at: EventSeq) {
        let max = self.params.proving.max_debt.units();
        for account in std::mem::take(&mut self.touched) {
            if self.standing.prover(&account).is_none() {
                continue;
            }
            let (was, would) = (self.was.account(&account).debt, self.would.account(&account).debt);
            let is_suspended = self.suspended.contains(&account);
            let now = ((would > max) != is_suspended, (would > 0) != (was > 0));
            let before = self.differs.insert(account, now).unwrap_or_default();
            if now.0 && !before.0 {
                let would = if is_suspended { Would::NotHaveBeenSuspended } else { Would::HaveBeenSuspended };
                self.note(at, account, would);
            }
            if now.1 && !before.1 {
                let would = if was > 0 { Would::NotHaveBeenInDebt } else { Would::HaveHadOneSlot };
                self.note(at, account, would);
            }
        }
    }

    fn note(&mut self, event: EventSeq, account: Address, would: Would) {
        self.note_count += 1;
        if self.notes.len() < NOTES_MAX {
            self.notes.push(Note { height: self.standing.height(), event, account, would });
        }
    }

    fn table(self, events: EventSeq) -> Counterfactual {
        let accounts: BTreeSet<Address> =
            self.was.accounts().chain(self.would.accounts()).map(|(address, _)| *address).collect();
        let line = |account| Line { account, was: self.was.account(&account), would: self.would.account(&account) };
        let lines: Vec<Line> = accounts
            .into_iter()
            .map(line)
            .filter(|l| l.was != Account::default() || l.would != Account::default())
            .collect();
        let spent = |of: fn(&Line) -> &Account| lines.iter().map(|l| of(l).totals.from_issuance).sum();
        let issuance = (spent(|l| &l.was), spent(|l| &l.would));
        Counterfactual {
            height: self.standing.height(),
            events,
            lines,
            issuance,
            notes: self.notes,
            note_count: self.note_count,
        }
    }
}
