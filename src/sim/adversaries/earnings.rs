//! What each plugin earned, paid and did, counted from the events.

use std::collections::BTreeMap;

use crowdfold_events::{Address, Event, TaskId};
use crowdfold_kernel::State;
use serde::Serialize;

use super::Adversary;

/// Counts of one or several identities. Amounts are in the smallest unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Earned {
    /// Identities used.
    pub identities: u32,
    /// Tasks assigned.
    pub tasks: u64,
    /// Proofs accepted, admission not counted.
    pub proofs: u64,
    /// Segments of those tasks: the work done.
    pub segments: u64,
    /// Deadlines missed.
    pub timeouts: u64,
    /// Tasks handed back.
    pub handed_back: u64,
    /// Rewards.
    pub earned: u128,
    /// Penalties charged, less what was refunded.
    pub penalties: u128,
    /// Fees paid for own transactions.
    pub fees: u128,
    /// Debt left at the end.
    pub debt: u128,
    /// Times suspended.
    pub suspensions: u64,
}

impl Earned {
    /// Rewards less penalties and fees.
    #[must_use]
    pub fn net(&self) -> i128 {
        let signed = |n: u128| i128::try_from(n).unwrap_or(i128::MAX);
        signed(self.earned).saturating_sub(signed(self.penalties)).saturating_sub(signed(self.fees))
    }

    /// [`Self::net`] per segment of work; `None` without work.
    #[must_use]
    pub fn net_per_segment(&self) -> Option<i128> {
        (self.segments > 0).then(|| self.net() / i128::from(self.segments))
    }

    /// [`Self::net`] per identity; `None` without any.
    #[must_use]
    pub fn net_per_identity(&self) -> Option<i128> {
        (self.identities > 0).then(|| self.net() / i128::from(self.identities))
    }

    fn add(&mut self, other: &Self) {
        self.identities += other.identities;
        self.tasks += other.tasks;
        self.proofs += other.proofs;
        self.segments += other.segments;
        self.timeouts += other.timeouts;
        self.handed_back += other.handed_back;
        self.earned += other.earned;
        self.penalties += other.penalties;
        self.fees += other.fees;
        self.debt += other.debt;
        self.suspensions += other.suspensions;
    }
}

/// Who stands for what: an address' attack, or none for honest plugins.
pub(super) type Standing = Option<Adversary>;

/// The count, open until the faults heal.
#[derive(Clone, Debug, Default)]
pub struct Earnings {
    of: BTreeMap<Address, (Standing, Earned)>,
    segments: BTreeMap<TaskId, u32>,
    multiple_bp: Option<(u32, u32)>,
    is_closed: bool,
}

impl Earnings {
    /// Counts an address under an attack, or among the honest.
    pub fn watch(&mut self, address: Address, standing: Standing) {
        let identities = 1;
        self.of.entry(address).or_insert((standing, Earned { identities, ..Earned::default() }));
    }

    /// Counts a user's fees under an attack; it is no identity of a plugin.
    pub fn watch_user(&mut self, address: Address, standing: Standing) {
        self.of.entry(address).or_insert((standing, Earned::default()));
    }

    /// From now on nothing counts: the attackers turn honest. Debts are as in this state.
    pub fn close(&mut self, state: &State) {
        if !self.is_closed {
            self.is_closed = true;
            for (address, (_, earned)) in &mut self.of {
                earned.debt = state.account_info(address).debt.0;
            }
        }
    }

    /// Counts a block; `after` is the state after it.
    pub fn block(&mut self, events: &[Event], after: &State) {
        if self.is_closed {
            return;
        }
        let multiple = after.capacity_multiple_bp();
        let (least, most) = self.multiple_bp.unwrap_or((multiple, multiple));
        self.multiple_bp = Some((least.min(multiple), most.max(multiple)));
        for event in events {
            self.note(event);
        }
    }

    fn with(&mut self, who: &Address, count: impl FnOnce(&mut Earned)) {
        if let Some((_, earned)) = self.of.get_mut(who) {
            count(earned);
        }
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::TransactionExecuted { sender, fee, .. } => self.with(sender, |e| e.fees += fee.0),
            Event::TaskOpened { task, segments, .. } => drop(self.segments.insert(*task, *segments)),
            Event::TaskAssigned { plugin, from_issuance: _, .. } => self.with(plugin, |e| e.tasks += 1),
            Event::TaskHandedBack { plugin, .. } => self.with(plugin, |e| e.handed_back += 1),
            Event::AssignmentTimedOut { plugin, .. } => self.with(plugin, |e| e.timeouts += 1),
            Event::PluginSuspended { plugin, .. } => self.with(plugin, |e| e.suspensions += 1),
            Event::PenaltyCharged { plugin, amount, .. } => self.with(plugin, |e| e.penalties += amount.0),
            Event::PenaltyRefunded { plugin, amount, .. } => {
                self.with(plugin, |e| e.penalties = e.penalties.saturating_sub(amount.0))
            }
            Event::RewardAccrued { plugin, task, amount, .. } => {
                let segments = self.segments.remove(task).unwrap_or_default();
                self.with(plugin, |e| {
                    e.earned += amount.0;
                    e.proofs += 1;
                    e.segments += u64::from(segments);
                });
            }
            _ => {}
        }
    }

    /// The sums of the honest and of each attack in the world.
    #[must_use]
    pub fn report(&self) -> EarningsReport {
        let mut report = EarningsReport::default();
        for (standing, earned) in self.of.values() {
            match standing {
                None => report.honest.add(earned),
                Some(adversary) => report.adversaries.entry(adversary.name()).or_default().add(earned),
            }
        }
        (report.least_multiple_bp, report.most_multiple_bp) = self.multiple_bp.unwrap_or_default();
        report
    }
}

/// What the honest and each kind of attackers earned up to the end of the faults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EarningsReport {
    /// All honest plugins together.
    pub honest: Earned,
    /// Each attack, by name.
    pub adversaries: BTreeMap<&'static str, Earned>,
    /// Smallest capacity multiple after a block, in basis points.
    pub least_multiple_bp: u32,
    /// Largest capacity multiple after a block, in basis points.
    pub most_multiple_bp: u32,
}

impl EarningsReport {
    /// The sums of an attack; zeros if it was not in the world.
    #[must_use]
    pub fn of(&self, adversary: Adversary) -> Earned {
        self.adversaries.get(adversary.name()).copied().unwrap_or_default()
    }

    /// A line for the honest and for each attack.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        // Thousandths of a ZKPoW are what a proof pays.
        let milli = |n: i128| format!("{}.{:03}", n / 10i128.pow(18), (n % 10i128.pow(18)).abs() / 10i128.pow(15));
        let signed = |n: i128| if n < 0 { format!("-{}", milli(-n)) } else { milli(n) };
        let unsigned = |n: u128| signed(i128::try_from(n).unwrap_or(i128::MAX));
        let micro = |n: i128| (n / 10i128.pow(12)).to_string();
        let mut lines = vec![format!(
            "{:<18} {:>4} {:>6} {:>6} {:>7} {:>9} {:>10} {:>9} {:>9} {:>10} {:>14}",
            "plugins", "ids", "tasks", "proofs", "segm.", "earned", "penalties", "fees", "debt", "net", "net/segment µ"
        )];
        let all = std::iter::once((&"honest", &self.honest)).chain(&self.adversaries);
        for (name, e) in all {
            lines.push(format!(
                "{name:<18} {:>4} {:>6} {:>6} {:>7} {:>9} {:>10} {:>9} {:>9} {:>10} {:>14}",
                e.identities,
                e.tasks,
                e.proofs,
                e.segments,
                unsigned(e.earned),
                unsigned(e.penalties),
                unsigned(e.fees),
                unsigned(e.debt),
                signed(e.net()),
                e.net_per_segment().map_or("-".to_owned(), micro),
            ));
        }
        lines
    }
}
