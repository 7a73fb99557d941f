//! `crowdfold journal stats`.

use std::{collections::BTreeMap, fmt::Write as _};

use crowdfold_events::EventSeq;
use crowdfold_journal::{JournalStats, Reader, stats};
use serde_json::{Value, json};

use super::{
    super::{
        Failure, Output,
        events::{NAMES, when::utc},
        progress::Progress,
    },
    Place, failure, head_json, path_json,
    walk::Block,
};

/// Events between two reports of progress.
const STEP: u64 = 8192;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    place: Place,
    /// Look at sizes only, and count no types.
    #[arg(long)]
    quick: bool,
}

/// Events of one type.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    events: u64,
    bytes: u64,
}

pub(super) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    let data = args.place.find()?;
    let sizes = stats(&data.journal).map_err(failure)?;
    let reader = Reader::open(&data.journal).map_err(failure)?;
    let types = if args.quick { None } else { Some(types(&reader)?) };
    let span = span(&reader)?;
    let value = json!({
        "journal": path_json(&data.journal),
        "floor": head_json(&sizes.floor),
        "head": head_json(&sizes.head),
        "frames": sizes.frames,
        "events": sizes.events,
        "payload_bytes": sizes.payload_bytes,
        "segments": sizes.segments,
        "segment_bytes": sizes.segment_bytes,
        "window_bytes": sizes.window_bytes,
        "snapshots": sizes.snapshots,
        "snapshot_bytes": sizes.snapshot_bytes,
        "disk_bytes": sizes.disk_bytes,
        "disk_factor": factor(&sizes),
        "span": span.map(|(first, last)| json!({
            "first_height": first.height, "last_height": last.height,
            "first_time_ms": first.time_ms, "last_time_ms": last.time_ms,
        })),
        "types": types.as_ref().map(types_json),
    });
    output.result(&value, text(&sizes, span, types.as_ref()))
}

/// Bytes on the disk per byte of events; `None` for an empty journal.
fn factor(sizes: &JournalStats) -> Option<f64> {
    (sizes.payload_bytes > 0).then(|| sizes.disk_bytes as f64 / sizes.payload_bytes as f64)
}

fn span(reader: &Reader) -> Result<Option<(Block, Block)>, Failure> {
    let (first, end) = (reader.floor().head.next, reader.head().next);
    if first >= end {
        return Ok(None);
    }
    let block = |seq| Block::of(&reader.locate(seq).map_err(failure)?);
    Ok(Some((block(first)?, block(EventSeq(end.0 - 1))?)))
}

fn types(reader: &Reader) -> Result<BTreeMap<u32, Count>, Failure> {
    let mut types: BTreeMap<u32, Count> = BTreeMap::new();
    let (first, end) = (reader.floor().head.next, reader.head().next);
    if first >= end {
        return Ok(types);
    }
    let mut progress = Progress::new("counting events");
    let mut visit = |at: EventSeq, stored: &[u8]| {
        // The stable number of the type comes first in an envelope.
        let tag = stored.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let count = types.entry(tag).or_default();
        count.events += 1;
        count.bytes += stored.len() as u64;
        if at.0.is_multiple_of(STEP) {
            progress.at(at.0 - first.0, end.0 - first.0);
        }
    };
    reader.scan(first, &mut visit).map_err(failure)?;
    Ok(types)
}

fn name(tag: u32) -> String {
    NAMES.iter().find(|(_, known)| *known == tag).map_or_else(|| format!("type {tag}"), |(name, _)| (*name).to_owned())
}

fn types_json(types: &BTreeMap<u32, Count>) -> Value {
    let types = types
        .iter()
        .map(|(tag, count)| json!({ "type": name(*tag), "tag": tag, "events": count.events, "bytes": count.bytes }));
    Value::Array(types.collect())
}

fn text(sizes: &JournalStats, span: Option<(Block, Block)>, types: Option<&BTreeMap<u32, Count>>) -> String {
    let mut out = String::new();
    let mut line = |word: &str, text: String| writeln!(out, "{word:<10} {text}").unwrap_or_default();
    line(
        "events",
        format!("{} in {} frame(s), {} to {}", sizes.events, sizes.frames, sizes.floor.next, sizes.head.next),
    );
    if let Some((first, last)) = span {
        line("blocks", format!("{} to {}", first.height, last.height));
        let seconds = last.time_ms.saturating_sub(first.time_ms) / 1000;
        line("time", format!("{} to {}, {seconds} s", utc(first.time_ms), utc(last.time_ms)));
    }
    line("payload", format!("{} bytes", sizes.payload_bytes));
    line("segments", format!("{}, {} bytes", sizes.segments, sizes.segment_bytes));
    line("window", format!("{} bytes", sizes.window_bytes));
    line("snapshots", format!("{}, {} bytes", sizes.snapshots, sizes.snapshot_bytes));
    let factor = factor(sizes).map(|f| format!(", {f:.2} times the payload")).unwrap_or_default();
    line("disk", format!("{} bytes{factor}", sizes.disk_bytes));
    for (tag, count) in types.into_iter().flatten() {
        line("", format!("{:>10}  {:<20} {} bytes", count.events, name(*tag), count.bytes));
    }
    out
}
