//! `crowdfold explain`: why something was assigned, penalised or paid.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use alloy_primitives::{Address, B256};
use crowdfold_config::Amount;
use crowdfold_events::{TaskId, Zkpow};
use serde_json::json;

use super::{
    Failure, Output,
    data::Data,
    progress::Progress,
    replay::{account_json, replay_failure},
    source::{self, open},
};
use crate::audit::{
    base::At,
    explain::{Entry, Story, Subject, explain_from},
    from_reader,
    replay::Until,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A node's data directory, or a journal's.
    dir: PathBuf,
    /// The chain's genesis file, or `demo` or `local` for a preset; the one beside the journal if not given.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    #[command(flatten)]
    subject: SubjectArgs,
    /// Follow the events without first checking links and signatures of their blocks.
    #[arg(long)]
    unchecked: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct SubjectArgs {
    /// A task, by its number.
    #[arg(long, value_name = "T")]
    task: Option<u64>,
    /// A prover or another account.
    #[arg(long, value_name = "ADDRESS")]
    plugin: Option<Address>,
    /// A transaction or a message, by its hash.
    #[arg(long, value_name = "HASH")]
    tx: Option<B256>,
}

pub(super) fn run(args: Args, output: Output) -> Result<(), Failure> {
    let data = Data::find(&args.dir, args.genesis.as_deref())?;
    let genesis = data.valid_genesis()?;
    let reader = open(&data.journal)?;
    if !args.unchecked {
        source::signed(&data, &genesis, &reader, Until::End)?;
    }
    let base = source::base(&genesis.genesis, &reader, None, At::Oldest)?;
    let floor = reader.floor().head.next;
    let began = source::began_json(&base, floor);
    let pruned = (!base.is_genesis()).then(|| {
        format!("older history is pruned: this begins after block {} (event {})", base.state.height(), base.events)
    });
    let subject = match args.subject {
        SubjectArgs { task: Some(task), .. } => Subject::Task(TaskId(task)),
        SubjectArgs { plugin: Some(plugin), .. } => Subject::Plugin(plugin),
        SubjectArgs { tx, .. } => Subject::Transaction(tx.unwrap_or_default()),
    };
    let total = reader.head().next.0;
    let mut bar = Progress::new("reading events");
    let events = from_reader(&reader, base.events);
    let story = explain_from(&base, subject, events, &mut |done| bar.at(done.0, total));
    drop(bar);
    let story = story.map_err(replay_failure)?;
    if story.entries.is_empty() {
        let mut said = format!("nothing in this journal, up to block {}, concerns it", story.height);
        pruned.iter().for_each(|pruned| said.push_str(&format!("; {pruned}")));
        return Err(Failure::Unusable(said));
    }
    let entries: Vec<_> = story.entries.iter().map(entry_json).collect();
    let value = json!({
        "height": story.height,
        "entries": entries,
        "account": story.account.as_ref().map(account_json),
        "began": began,
    });
    let pruned = pruned.map_or_else(String::new, |pruned| format!("{pruned}\n"));
    output.result(&value, pruned + &text(&story))
}

fn entry_json(entry: &Entry) -> serde_json::Value {
    let amounts: BTreeMap<_, _> = entry.amounts.iter().cloned().collect();
    json!({
        "height": entry.height,
        "time_ms": entry.time_ms,
        "event": entry.event,
        "kind": entry.kind,
        "text": entry.text,
        "amounts": amounts,
        "draw_holds": entry.draw_holds,
    })
}

fn text(story: &Story) -> String {
    let mut out = String::new();
    for entry in &story.entries {
        writeln!(out, "block {:<6} event {:<8} {}", entry.height.to_string(), entry.event.to_string(), entry.text)
            .unwrap_or_default();
    }
    if let Some(account) = &story.account {
        let t = &account.totals;
        let money = |units| Amount(Zkpow(units)).to_string();
        writeln!(
            out,
            "\nup to block {}: earned {} by proofs ({} of it from issuance) and {} as proposer, charged {}, refunded {}; {} accrued, {} owed, {} paid out",
            story.height,
            money(t.rewards),
            money(t.from_issuance),
            money(t.proposer_shares),
            money(t.penalties),
            money(t.refunds),
            money(account.accrued),
            money(account.debt),
            money(t.settled),
        )
        .unwrap_or_default();
    }
    out
}
