//! `crowdfold audit`: a journal decided again, offline.

use std::{fmt::Write as _, path::PathBuf, sync::Arc, time::Instant};

use crowdfold_config::ValidGenesis;
use crowdfold_events::EventSeq;
use serde_json::json;

use super::{
    Failure, Output,
    data::Data,
    failed,
    progress::Progress,
    source::{self, open},
    unusable,
};
use crate::{
    audit::{
        self, Options, Proofs, Report,
        base::At,
        chain::ChainFault,
        from_reader,
        report::{EventView, ProofReport, Tip},
    },
    params,
    proofs::{ProofStore, RealChecker, SimulatedChecker},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A node's data directory, or a journal's.
    dir: PathBuf,
    /// The chain's genesis file, or `demo` or `local` for a preset; the one beside the journal if not given.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Verify every accepted proof from the store beside the journal.
    #[arg(long)]
    proofs: bool,
    /// Begin at a snapshot: the newest up to this event, or the oldest. Nothing
    /// before it is decided again. A pruned journal is always begun so.
    #[arg(long, value_name = "SEQ", num_args = 0..=1, require_equals = true, conflicts_with = "proofs")]
    from_snapshot: Option<Option<u64>>,
}

pub(super) fn run(args: Args, output: Output) -> Result<(), Failure> {
    let data = Data::find(&args.dir, args.genesis.as_deref())?;
    let genesis = data.valid_genesis()?;
    // Before the journal, so that a node at work is never behind its own commit.
    let tip = data.tip().map_err(|error| failed("the last block's commit", error))?;
    let reader = open(&data.journal)?;
    let started = Instant::now();
    let at = args.from_snapshot.map(|most| most.map_or(At::Oldest, |most| At::Event(EventSeq(most))));
    let base = source::base(&genesis.genesis, &reader, at, At::Oldest)?;
    if args.proofs && !base.is_genesis() {
        // The blocks of work that was open at the snapshot come before it.
        source::whole(&reader)?;
    }
    let links = source::links(&genesis, &reader, None)?;
    if let Some(fault) = &links {
        tracing::warn!("links and signatures: {fault}");
    }
    let proofs = if args.proofs { Some(proofs(&data, &genesis)?) } else { None };
    let (total, floor) = (reader.head().next.0, reader.floor().head.next);
    let (began, not_checked) = (source::began_json(&base, floor), source::not_checked(&base, floor));
    let options = Options { proofs, tip_commit: tip.map(|tip| tip.commit), stated_end: Some(reader.head()) };
    let mut bar = Progress::new("auditing events");
    let events = from_reader(&reader, base.events);
    let report = audit::audit_from(base, events, options, &mut |done| bar.at(done.events, total));
    drop(bar);
    let report = report.map_err(|error| failed("the audit", error))?;
    let elapsed_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let value = json!({
        "good": report.good,
        "elapsed_ms": elapsed_ms,
        "links": links.as_ref().map_or(json!({ "good": true }), |fault| {
            json!({ "good": false, "height": fault.height, "event": fault.at, "fault": fault.kind.to_string(), "signed_up_to_event": fault.bound.next })
        }),
        "began": began,
        "audit": report,
    });
    output.result(&value, text(&report, &not_checked, links.as_ref(), elapsed_ms))?;
    match (report.good, report.divergence) {
        (true, _) => Ok(()),
        (false, Some(found)) => {
            Err(Failure::NotValid(format!("block {}, event {}: {}", found.height, found.seq, found.reason)))
        }
        (false, None) => Err(Failure::NotValid("not every accepted proof could be verified".to_owned())),
    }
}

fn proofs(data: &Data, genesis: &ValidGenesis) -> Result<Proofs, Failure> {
    let missing = || unusable(data.beside.join("proofs").display(), "there is no proof store beside the journal");
    let dir = data.proofs().ok_or_else(missing)?;
    let store = ProofStore::open(dir).map_err(|error| failed("the proof store", error))?;
    if genesis.genesis.is_simulated() {
        return Ok(Proofs { store, checker: Arc::new(SimulatedChecker) });
    }
    let params = params::verifier(genesis).map_err(|error| unusable("proof parameters", error))?;
    Ok(Proofs { store, checker: Arc::new(RealChecker::new(params)) })
}

fn text(report: &Report, not_checked: &[String], links: Option<&ChainFault>, elapsed_ms: u64) -> String {
    let (end, c) = (&report.end, &report.checked);
    let mut out = format!(
        "{}  chain {}, genesis {}\nblocks     {} up to height {}, {} events, {} signatures of validators\nexecuted   {} transactions, {} messages accepted and {} refused, {} settlements of {} entries, {} epochs\nrecomputed {} draws, {} admissions, {} amounts by separate books\nmoney      {} rewards, {} penalties, {} refunds, {} bounty rises, {} repayments; conserved after every block\nbatches    {} proven, {} certified\n",
        if report.good { "good     " } else { "NOT GOOD " },
        report.chain_id,
        report.genesis_hash,
        c.blocks,
        end.height,
        c.events,
        c.signatures,
        c.transactions,
        c.messages_accepted,
        c.messages_refused,
        c.settlements,
        c.settlement_entries,
        c.epochs,
        c.draws,
        c.admissions,
        c.amounts,
        c.rewards,
        c.penalties,
        c.refunds,
        c.bounty_rises,
        c.repayments,
        c.batches_proven,
        c.batches_certified,
    );
    let mut line = |text: String| writeln!(out, "{text}").unwrap_or_default();
    line(proof_line(report.proofs.as_ref(), c.proofs_accepted));
    for missing in report.proofs.iter().flat_map(|p| &p.first_missing) {
        line(format!("           missing: task {} of {}: {}", missing.task, missing.plugin, missing.detail));
    }
    if let Tip::Unsigned { why } = &report.tip {
        line(format!("last block its decision is not shown: {why}"));
    }
    line(format!(
        "state      {} after block {} (state root {}, events head {})",
        end.state_hash, end.height, end.state_root, end.events_head
    ));
    if let Some(fault) = links {
        line(format!("links      {fault}"));
    }
    if let Some(began) = &report.from {
        line(format!("began      after block {} (event {}), with a snapshot's state", began.height, began.events));
    }
    for what in not_checked {
        line(format!("NOT CHECKED {what}"));
    }
    if let Some(found) = &report.divergence {
        line(format!(
            "\nfirst difference: block {}, event {} ({} in the block): {}",
            found.height, found.seq, found.index, found.reason
        ));
        let shown = |e: &Option<EventView>| e.as_ref().map_or_else(|| "nothing".to_owned(), |e| e.text.clone());
        line(format!("  expected {}\n  found    {}\n  around:", shown(&found.expected), shown(&found.found)));
        for event in &found.around {
            let mark = if event.seq == found.seq { '>' } else { ' ' };
            line(format!("  {mark} {:>8}  {}", event.seq.to_string(), event.text));
        }
    }
    line(format!("took       {}.{:03} s", elapsed_ms / 1_000, elapsed_ms % 1_000));
    out
}

fn proof_line(proofs: Option<&ProofReport>, accepted: u64) -> String {
    match proofs {
        None => format!("proofs     {accepted} accepted, not verified again (--proofs does)"),
        Some(p) => {
            let system = if p.simulated { "declared (this chain simulates proofs)" } else { "verified" };
            let (verified, missing, kept) = (p.verified, p.missing, p.retention);
            format!("proofs     {accepted} accepted, {verified} {system}, {missing} missing (kept {kept})")
        }
    }
}
