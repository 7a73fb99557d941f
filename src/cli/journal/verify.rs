//! `crowdfold journal verify`.

use std::{fmt::Write as _, path::PathBuf};

use crowdfold_config::ValidGenesis;
use crowdfold_events::EventSeq;
use crowdfold_journal::{FileKind, Finding, Reader, VerifyReport, verify};
use serde_json::{Value, json};

use super::{
    super::{Failure, Output, data::Data, progress::Progress, unusable},
    failure, head_json, path_json,
};
use crate::audit::chain::{ChainCheck, ChainFault, ChainReport, Tip};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// A node's data directory, or a journal's own.
    dir: PathBuf,
    /// The chain's genesis file, or `demo` or `local`; by default `genesis.toml` beside the journal.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Check files and hashes only: whoever can write files can make all of them anew.
    #[arg(long, conflicts_with = "genesis")]
    files_only: bool,
}

/// What became of the check of blocks and signatures.
enum Chain {
    Good(ChainReport),
    Bad(Box<ChainFault>),
    /// Not done, or not to the end.
    Open(String),
}

pub(super) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    let data = Data::find(&args.dir, args.genesis.as_deref())?;
    let genesis = if args.files_only { None } else { Some(data.valid_genesis()?) };
    // Before the journal: a node that goes on meanwhile is never behind it.
    let tip = data.tip();
    let mut progress = Progress::new("checking files");
    let report = verify(&data.journal, &mut |done, total| progress.at(done, total)).map_err(failure)?;
    drop(progress);
    let chain = match &genesis {
        None => Chain::Open("only files were to be checked".to_owned()),
        Some(genesis) => {
            let (tip, broken) = match tip {
                Ok(tip) => (tip, None),
                Err(error) => (None, Some(error.to_string())),
            };
            chain(&data, genesis, &report, tip.as_ref()).map(|chain| with_broken_tip(chain, broken))?
        }
    };
    let verdict = Verdict { data: &data, report: &report, chain: &chain, genesis: genesis.as_ref() };
    output.result(&verdict.json(), verdict.text())?;
    verdict.summary().map_or(Ok(()), |what| Err(Failure::NotValid(what)))
}

/// Says what is wrong with the file rather than that there is none.
fn with_broken_tip(chain: Chain, broken: Option<String>) -> Chain {
    match (chain, broken) {
        (Chain::Good(report), Some(why)) if matches!(report.tip, Tip::Unsigned { .. }) => {
            Chain::Good(ChainReport { tip: Tip::Unsigned { why }, ..report })
        }
        (chain, _) => chain,
    }
}

fn chain(
    data: &Data,
    genesis: &ValidGenesis,
    report: &VerifyReport,
    tip: Option<&crate::node::tip::SignedTip>,
) -> Result<Chain, Failure> {
    let reader = match Reader::open(&data.journal) {
        Ok(reader) => reader,
        Err(error) => return Ok(Chain::Open(error.to_string())),
    };
    let mut check = ChainCheck::new(genesis).map_err(|error| unusable("the genesis", error))?;
    let mut progress = Progress::new("checking blocks");
    let total = report.events;
    for (index, range) in report.readable.iter().enumerate() {
        if index > 0 {
            check.gap();
        }
        // Where the files are damaged their findings say more than an error here would.
        let Ok(frames) = reader.frames(range.start) else { continue };
        for frame in frames.map_while(Result::ok).take_while(|frame| frame.after.next <= range.end) {
            if let Err(fault) = check.frame(frame.before, frame.frame.events()) {
                return Ok(Chain::Bad(Box::new(fault)));
            }
            progress.at(frame.after.next.0, total);
        }
    }
    if !reaches_end(report) {
        return Ok(Chain::Open("the blocks that can be read are good, the others were not checked".to_owned()));
    }
    Ok(match check.finish(tip) {
        Ok(report) => Chain::Good(report),
        Err(fault) => Chain::Bad(Box::new(fault)),
    })
}

/// Whether every event up to HEAD was readable.
fn reaches_end(report: &VerifyReport) -> bool {
    report.acknowledged.is_some_and(|head| head == report.verified)
}

struct Verdict<'a> {
    data: &'a Data,
    report: &'a VerifyReport,
    chain: &'a Chain,
    genesis: Option<&'a ValidGenesis>,
}

impl Verdict<'_> {
    /// What is wrong, in one line; `None` when nothing is.
    fn summary(&self) -> Option<String> {
        let dir = self.data.journal.display();
        if let Some(finding) = first(self.report) {
            let (frame, at) = place(finding);
            return Some(format!("{dir}: {frame}{at}{}", finding.error));
        }
        match self.chain {
            Chain::Bad(fault) => Some(format!("{dir}: {fault}")),
            _ => None,
        }
    }

    fn text(&self) -> String {
        let VerifyReport { floor, verified, frames, events, bytes, findings, readable, .. } = self.report;
        let mut out = String::new();
        let said = if self.summary().is_some() { "BAD " } else { "good" };
        let mut line = |word: &str, text: &str| writeln!(out, "{word:<10} {text}").unwrap_or_default();
        let dir = self.data.journal.display();
        line(said, &format!("{dir}: {events} event(s) in {frames} frame(s), {bytes} bytes looked at"));
        line("from", &format!("event {}{}", floor.next, if floor.next.0 > 0 { " (pruned before it)" } else { "" }));
        line("to", &format!("event {}, head of the event chain {}", verified.next, verified.hash));
        if let Some(finding) = first(self.report) {
            let (frame, at) = place(finding);
            line("first bad", &format!("{frame}{at}{}", finding.error));
        }
        for finding in findings.iter() {
            line("wrong", &format!("{}: {}", word(finding.kind), finding.error));
        }
        if !findings.is_empty() {
            let ranges: Vec<String> = readable.iter().map(|r| format!("{} to {}", r.start, last(r.end))).collect();
            let ranges = if ranges.is_empty() { "nothing".to_owned() } else { format!("events {}", ranges.join(", ")) };
            line("readable", &ranges);
        }
        if self.report.live {
            line("live", "a node is writing: the window of newest frames was not compared");
        }
        match self.chain {
            Chain::Bad(fault) => line("chain", &format!("BAD: {fault}")),
            Chain::Open(why) => line("chain", &format!("NOT CHECKED: {why}")),
            Chain::Good(report) => {
                let genesis = self.genesis.map(|g| g.hash.to_string()).unwrap_or_default();
                let ChainReport { blocks, signatures, first, last, .. } = report;
                line(
                    "chain",
                    &format!("{blocks} block(s), {first} to {last}, {signatures} signature(s); genesis {genesis}"),
                );
                line("last block", &tip_text(&report.tip));
                line("bound", &format!("events before {} are signed for", report.bound.next));
            }
        }
        out
    }

    fn json(&self) -> Value {
        let report = self.report;
        let findings: Vec<Value> = report.findings.iter().map(finding_json).collect();
        let readable: Vec<Value> =
            report.readable.iter().map(|r| json!({ "first": r.start, "last": last(r.end) })).collect();
        json!({
            "good": self.summary().is_none(),
            "journal": path_json(&self.data.journal),
            "live": report.live,
            "floor": head_json(&report.floor),
            "acknowledged": report.acknowledged.as_ref().map(head_json),
            "verified": head_json(&report.verified),
            "frames": report.frames,
            "events": report.events,
            "bytes": report.bytes,
            "first_bad": first(report).map(finding_json),
            "findings": findings,
            "readable": readable,
            "chain": self.chain_json(),
        })
    }

    fn chain_json(&self) -> Value {
        let genesis = self.genesis.map(|genesis| genesis.hash);
        match self.chain {
            Chain::Open(why) => json!({ "state": "not_checked", "genesis": genesis, "why": why }),
            Chain::Bad(fault) => json!({
                "state": "bad",
                "genesis": genesis,
                "height": fault.height,
                "event": fault.at,
                "error": fault.kind.to_string(),
                "bound": head_json(&fault.bound),
            }),
            Chain::Good(report) => json!({
                "state": "good",
                "genesis": genesis,
                "blocks": report.blocks,
                "signatures": report.signatures,
                "first": report.first,
                "last": report.last,
                "last_header": report.last_header,
                "bound": head_json(&report.bound),
                "last_block": tip_json(&report.tip),
            }),
        }
    }
}

/// The first damaged frame, else the first other damage.
fn first(report: &VerifyReport) -> Option<&Finding> {
    let bad = report.first_bad();
    let of_frame = report.findings.iter().find(|f| f.kind != FileKind::Window && bad.is_some() && f.at == bad);
    of_frame.or(report.findings.first())
}

fn place(finding: &Finding) -> (String, String) {
    let frame = finding.at.map(|at| format!("the frame at event {at}: ")).unwrap_or_default();
    // The error's own words name the file where it matters; else it is named here.
    let file = finding.file.display().to_string();
    let at = if finding.error.to_string().contains(&file) { String::new() } else { format!("{file}: ") };
    (frame, at)
}

fn last(end: EventSeq) -> u64 {
    end.0.saturating_sub(1)
}

fn word(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Head => "head",
        FileKind::Floor => "floor",
        FileKind::Segment => "segment",
        FileKind::Window => "window",
        FileKind::Snapshot => "snapshot",
    }
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "file": path_json(&finding.file),
        "kind": word(finding.kind),
        "offset": finding.offset,
        "event": finding.at,
        "error": finding.error.to_string(),
    })
}

fn tip_text(tip: &Tip) -> String {
    match tip {
        Tip::Genesis => "there is none".to_owned(),
        Tip::Signed { by } => format!("signed; its events by the word of validator {by}"),
        Tip::HeaderOnly { why } => format!("its header is signed, its events are covered by NO signature: {why}"),
        Tip::Unsigned { why } => format!("covered by NO signature: {why}"),
    }
}

fn tip_json(tip: &Tip) -> Value {
    match tip {
        Tip::Genesis => json!({ "signed": "none_needed" }),
        Tip::Signed { by } => json!({ "signed": "events", "by": by }),
        Tip::HeaderOnly { why } => json!({ "signed": "header", "why": why }),
        Tip::Unsigned { why } => json!({ "signed": "nothing", "why": why }),
    }
}
