//! `crowdfold replay`: the state at any point, or everybody's money under other amounts.

use std::{fmt::Write as _, path::PathBuf};

use alloy_primitives::Address;
use crowdfold_config::{Amount, Genesis};
use crowdfold_events::{EventSeq, Height, Zkpow};
use crowdfold_journal::Reader;
use serde_json::{Value, json};

use super::{
    Failure, Output,
    data::Data,
    failed,
    progress::Progress,
    source::{self, open},
};
use crate::audit::{
    base::At,
    books::Account,
    counterfactual::{Counterfactual, counterfactual},
    from_reader,
    replay::{ReplayError, Replayed, Until, state_from},
    settings::{self, Setting},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A node's data directory, or a journal's.
    dir: PathBuf,
    /// The chain's genesis file, or `demo` or `local` for a preset; the one beside the journal if not given.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Stop after this event; the whole journal if neither this nor a height is given.
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["height", "set"])]
    at: Option<u64>,
    /// Stop after this block.
    #[arg(long, value_name = "H")]
    height: Option<u64>,
    /// Show this account too; may be repeated.
    #[arg(long, value_name = "ADDRESS")]
    account: Vec<Address>,
    /// What everybody would have earned and paid under another amount, such as
    /// `timeout_penalty="0.5 ZKPoW"` or `bump_rate=5%`, with draws and outcomes
    /// held as they were; may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Begin at the newest snapshot before that place, not at the genesis. A
    /// pruned journal is always begun so.
    #[arg(long, conflicts_with = "set")]
    from_snapshot: bool,
    /// Follow the events without first checking links and signatures of their blocks.
    #[arg(long)]
    unchecked: bool,
}

/// What a journal's events lead to when they cannot be followed.
pub(super) fn replay_failure(error: ReplayError) -> Failure {
    match error {
        ReplayError::Start(_) | ReplayError::OtherChain { .. } | ReplayError::Beyond { .. } => {
            Failure::Unusable(error.to_string())
        }
        ReplayError::Source(_) | ReplayError::Event { .. } | ReplayError::Encoding(_) => failed("the journal", error),
        ReplayError::Shape(_) | ReplayError::Roots { .. } | ReplayError::Broken { .. } | ReplayError::Amount { .. } => {
            Failure::NotValid(error.to_string())
        }
    }
}

pub(super) fn run(args: Args, output: Output) -> Result<(), Failure> {
    let data = Data::find(&args.dir, args.genesis.as_deref())?;
    let valid = data.valid_genesis()?;
    let genesis = &valid.genesis;
    let mut params = genesis.params.clone();
    let settings = settings::set(&mut params, &args.set).map_err(|error| Failure::Unusable(error.to_string()))?;
    let reader = open(&data.journal)?;
    let until = match (args.at, args.height) {
        (Some(at), _) => Until::Event(EventSeq(at)),
        (None, Some(height)) => Until::Height(Height(height)),
        (None, None) => Until::End,
    };
    if !args.unchecked {
        source::signed(&data, &valid, &reader, until)?;
    }
    if settings.is_empty() {
        return state(&args, genesis, &reader, until, output);
    }
    source::whole(&reader)?;
    let total = reader.head().next.0;
    let mut bar = Progress::new("replaying events");
    let events = from_reader(&reader, EventSeq(0));
    let found = counterfactual(genesis, &params, events, args.height.map(Height), &mut |done| bar.at(done.0, total));
    drop(bar);
    let mut found = found.map_err(replay_failure)?;
    if !args.account.is_empty() {
        found.lines.retain(|line| args.account.contains(&line.account));
    }
    // A chain could not be started with parameters that do not fit together; a comparison can be made.
    let fault = params.validate().err().map(|fault| fault.to_string());
    output.result(&table_json(&settings, &found, fault.as_deref()), table_text(&settings, &found, fault.as_deref()))
}

fn state(args: &Args, genesis: &Genesis, reader: &Reader, until: Until, output: Output) -> Result<(), Failure> {
    let before = match until {
        Until::Event(last) => At::Event(last.next().min(reader.head().next)),
        Until::Height(last) => At::Height(last),
        Until::End => At::Event(reader.head().next),
    };
    let base = source::base(genesis, reader, args.from_snapshot.then_some(before), before)?;
    let floor = reader.floor().head.next;
    let (began, not_checked) = (source::began_json(&base, floor), source::not_checked(&base, floor));
    let total = args.at.map_or(reader.head().next.0, |at| at.saturating_add(1));
    let mut bar = Progress::new("replaying events");
    let events = from_reader(reader, base.events);
    let replayed = state_from(base, events, until, &mut |done| bar.at(done.0, total));
    drop(bar);
    let Replayed { state, events, inside_block } = replayed.map_err(replay_failure)?;
    let encoding = |error| failed("the state", error);
    let (hash, market_root) = (state.hash().map_err(encoding)?, state.market_root().map_err(encoding)?);
    let supply = state.supply_report();
    let accounts: Vec<(Address, crowdfold_kernel::AccountInfo)> =
        args.account.iter().map(|a| (*a, state.account_info(a))).collect();
    let shown: Vec<Value> = accounts
        .iter()
        .map(|(address, a)| {
            json!({
                "account": address,
                "nonce": a.nonce,
                "balance": a.balance.to_string(),
                "accrued": a.accrued.to_string(),
                "debt": a.debt.to_string(),
                "holding": a.holding.to_string(),
                "bond": a.bond.to_string(),
            })
        })
        .collect();
    let value = json!({
        "height": state.height(),
        "events": events,
        "inside_block": inside_block,
        "time_ms": state.time_ms(),
        "block": state.head(),
        "state_hash": hash,
        "state_root": state.state_root(),
        "market_root": market_root,
        "events_head": state.events_head(),
        "items": state.item_count(),
        "unproven_segments": state.unproven_segments(),
        "supply": {
            "genesis": supply.genesis.to_string(),
            "now": supply.now.to_string(),
            "conserved": supply.conserved,
            "escrow": supply.escrow.to_string(),
            "issuance": supply.issuance.to_string(),
            "accrued": supply.accrued.to_string(),
            "debt": supply.debt.to_string(),
            "reserved": supply.reserved.to_string(),
            "earmarked": supply.earmarked.to_string(),
        },
        "accounts": shown,
        "began": began,
    });
    let money = |amount: Zkpow| Amount(amount);
    let mut text = format!(
        "height      {}{}\nevents      {events}\nblock       {}\nstate hash  {hash}\nstate root  {}\nmarket root {market_root}\nevents head {}\nsupply      {} ({}), escrow {}, issuance {}, accrued {}, debt {}\n",
        state.height(),
        if inside_block { " (inside the block)" } else { "" },
        state.head(),
        state.state_root(),
        state.events_head(),
        money(supply.now),
        if supply.conserved { "conserved" } else { "NOT conserved, or inside a block" },
        money(supply.escrow),
        money(supply.issuance),
        money(supply.accrued),
        money(supply.debt),
    );
    for (address, a) in accounts {
        let (balance, accrued, debt, bond) = (money(a.balance), money(a.accrued), money(a.debt), money(a.bond));
        writeln!(text, "{address}  balance {balance}, accrued {accrued} (bond {bond}), debt {debt}, nonce {}", a.nonce)
            .unwrap_or_default();
    }
    for what in not_checked {
        writeln!(text, "NOT CHECKED {what}").unwrap_or_default();
    }
    output.result(&value, text)
}

/// An account of the books, amounts as decimal strings.
pub(super) fn account_json(account: &Account) -> Value {
    let t = &account.totals;
    json!({
        "rewards": t.rewards.to_string(),
        "from_issuance": t.from_issuance.to_string(),
        "proposer_shares": t.proposer_shares.to_string(),
        "penalties": t.penalties.to_string(),
        "refunds": t.refunds.to_string(),
        "withdraw_fees": t.withdraw_fees.to_string(),
        "repaid": t.repaid.to_string(),
        "settled": t.settled.to_string(),
        "accrued": account.accrued.to_string(),
        "debt": account.debt.to_string(),
        "net": account.net().to_string(),
    })
}

fn table_json(settings: &[Setting], found: &Counterfactual, fault: Option<&str>) -> Value {
    let set: Vec<Value> = settings.iter().map(|s| json!({ "name": s.name, "was": s.was, "is": s.is })).collect();
    let lines: Vec<Value> = found
        .lines
        .iter()
        .map(|line| {
            json!({
                "account": line.account,
                "was": account_json(&line.was),
                "would": account_json(&line.would),
                "difference": line.would.net().saturating_sub(line.was.net()).to_string(),
            })
        })
        .collect();
    json!({
        "height": found.height,
        "events": found.events,
        "set": set,
        "no_chain_could_have_these_parameters": fault,
        "accounts": lines,
        "issuance_spent": { "was": found.issuance.0.to_string(), "would": found.issuance.1.to_string() },
        "outcomes_held": found.notes,
        "outcomes_held_count": found.note_count,
    })
}

/// A signed amount in ZKPoW with six decimals, rounded towards zero: for a column.
fn column(units: i128) -> String {
    let micro = units.unsigned_abs() / 10u128.pow(12);
    let sign = if units < 0 && micro > 0 { "-" } else { "" };
    format!("{sign}{}.{:06}", micro / 1_000_000, micro % 1_000_000)
}

fn table_text(settings: &[Setting], found: &Counterfactual, fault: Option<&str>) -> String {
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "{text}").unwrap_or_default();
    for s in settings {
        line(format!("{}: {} instead of {}", s.name, s.is, s.was));
    }
    line(format!(
        "up to block {}, with draws and outcomes held as they were; in ZKPoW, was | would have been",
        found.height
    ));
    if let Some(fault) = fault {
        line(format!("(no chain could be started with these parameters: {fault})"));
    }
    let signed = |n: u128| column(i128::try_from(n).unwrap_or(i128::MAX));
    let pair = |was: String, would: String| format!("{was} | {would}");
    line(format!(
        "{:<42}  {:>27}  {:>27}  {:>27}  {:>27}  {:>13}",
        "account", "earned", "penalties", "debt", "net", "difference"
    ));
    for found in &found.lines {
        let (was, would) = (&found.was, &found.would);
        let earned = |a: &Account| signed(a.totals.rewards.saturating_add(a.totals.proposer_shares));
        let charged = |a: &Account| signed(a.totals.penalties.saturating_sub(a.totals.refunds));
        line(format!(
            "{:<42}  {:>27}  {:>27}  {:>27}  {:>27}  {:>13}",
            found.account.to_string(),
            pair(earned(was), earned(would)),
            pair(charged(was), charged(would)),
            pair(signed(was.debt), signed(would.debt)),
            pair(column(was.net()), column(would.net())),
            column(would.net().saturating_sub(was.net())),
        ));
    }
    line(format!("issuance spent: {}", pair(signed(found.issuance.0), signed(found.issuance.1))));
    if found.note_count > 0 {
        line(format!("\noutcomes that were held although they would have been others ({}):", found.note_count));
    }
    for note in &found.notes {
        line(format!("  block {}, event {}: {} {}", note.height, note.event, note.account, note.would));
    }
    out
}
