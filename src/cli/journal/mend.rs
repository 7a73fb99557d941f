//! `crowdfold journal repair`, `prune` and `snapshots`.

use std::{fmt::Write as _, path::PathBuf, str::FromStr};

use crowdfold_events::EventSeq;
use crowdfold_journal::{Reader, RepairAction, RepairSource};
use serde_json::{Value, json};

use super::{
    super::{Failure, Output, data::Data, progress::Progress, unusable},
    Place, failure, head_json, path_json, walk,
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Repair {
    #[command(flatten)]
    place: Place,
    /// Another journal, a backup for instance, or an exported file, to take good frames from.
    #[arg(long, value_name = "DIR|FILE")]
    from: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Prune {
    #[command(flatten)]
    place: Place,
    /// Keep this event, or `height:N` this block, and all that follow.
    #[arg(long, value_name = "SEQ|height:N")]
    before: Before,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Snapshots {
    #[command(flatten)]
    place: Place,
}

/// A place that pruning must not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Event(u64),
    Block(u64),
}

impl FromStr for Before {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |_| format!("`{text}` is neither an event's number nor height:N");
        match text.strip_prefix("height:") {
            Some(height) => height.parse().map(Self::Block).map_err(wrong),
            None => text.parse().map(Self::Event).map_err(wrong),
        }
    }
}

pub(super) fn repair(args: &Repair, output: Output) -> Result<(), Failure> {
    let data = args.place.find()?;
    let source = match &args.from {
        None => None,
        Some(dir) if dir.is_dir() => Some(RepairSource::Directory(Data::find(dir, None)?.journal)),
        Some(file) if file.is_file() => Some(RepairSource::Export(file.clone())),
        Some(path) => return Err(unusable(path.display(), "neither a directory nor a file")),
    };
    let mut progress = Progress::new("mending");
    let report = crowdfold_journal::repair(&data.journal, source.as_ref(), &mut |done, total| progress.at(done, total))
        .map_err(failure)?;
    drop(progress);
    let mut text = match report.actions.len() {
        0 => "good       nothing to mend\n".to_owned(),
        n => format!("mended     {n} thing(s)\n"),
    };
    for action in &report.actions {
        let said = match action {
            RepairAction::Rewritten { file, aside: Some(aside) } => {
                format!("wrote      {}; the damaged one is {}", file.display(), aside.display())
            }
            RepairAction::Rewritten { file, aside: None } => format!("wrote      {}", file.display()),
            RepairAction::Window { dir } => format!("refilled   {}", dir.display()),
            RepairAction::PutAside { aside } => format!("put aside  {}", aside.display()),
        };
        writeln!(text, "{said}").unwrap_or_default();
    }
    write!(text, "head       {} after event {}", report.head.hash, report.head.next).unwrap_or_default();
    let actions: Vec<Value> = report.actions.iter().map(action_json).collect();
    output.result(&json!({ "head": head_json(&report.head), "actions": actions }), text)
}

fn action_json(action: &RepairAction) -> Value {
    match action {
        RepairAction::Rewritten { file, aside } => {
            json!({ "action": "rewritten", "file": path_json(file), "aside": aside.as_deref().map(path_json) })
        }
        RepairAction::Window { dir } => json!({ "action": "window_refilled", "dir": path_json(dir) }),
        RepairAction::PutAside { aside } => json!({ "action": "put_aside", "aside": path_json(aside) }),
    }
}

pub(super) fn prune(args: &Prune, output: Output) -> Result<(), Failure> {
    let data = args.place.find()?;
    // What is no journal must not become an empty one.
    let reader = Reader::open(&data.journal).map_err(failure)?;
    let before = match args.before {
        Before::Event(seq) => EventSeq(seq),
        Before::Block(height) => walk::first_block(&reader, |block| block.height.0 >= height)?,
    };
    let report = crowdfold_journal::prune(&data.journal, before).map_err(failure)?;
    let floor = report.floor.head;
    let text = format!(
        "removed    {} segment(s), {} bytes\nbegins at  event {}, head before it {}",
        report.segments, report.bytes, floor.next, floor.hash
    );
    let value = json!({ "floor": head_json(&floor), "segments": report.segments, "bytes": report.bytes });
    output.result(&value, text)
}

pub(super) fn snapshots(args: &Snapshots, output: Output) -> Result<(), Failure> {
    let data = args.place.find()?;
    let listed = crowdfold_journal::snapshots(&data.journal).map_err(failure)?;
    let mut text = format!("snapshots  {}\n", listed.len());
    let mut values = Vec::new();
    for (file, snapshot) in &listed {
        let bytes = std::fs::metadata(file).map_or(0, |found| found.len());
        let (value, said) = match snapshot {
            Ok(meta) => (
                json!({
                    "file": path_json(file), "bytes": bytes, "good": true, "head": head_json(&meta.head),
                    "state_root": meta.state_root, "code_version": meta.code_version,
                }),
                format!(
                    "good       event {:<10} {bytes} bytes, state {}, code version {}, {}",
                    meta.head.next,
                    meta.state_root,
                    meta.code_version,
                    file.display()
                ),
            ),
            Err(error) => (
                json!({ "file": path_json(file), "bytes": bytes, "good": false, "error": error.to_string() }),
                format!("BAD        {error}"),
            ),
        };
        values.push(value);
        writeln!(text, "{said}").unwrap_or_default();
    }
    output.result(&json!({ "snapshots": values }), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_prune_is_read() {
        assert_eq!("12".parse(), Ok(Before::Event(12)));
        assert_eq!("height:12".parse(), Ok(Before::Block(12)));
        for bad in ["", "height:", "h12", "-1", "height:18446744073709551616"] {
            assert!(bad.parse::<Before>().is_err(), "{bad}");
        }
    }
}
