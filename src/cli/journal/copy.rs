//! `crowdfold journal export`, `import` and `backup`.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Read, Write, stderr, stdin, stdout},
    path::{Path, PathBuf},
};

use crowdfold_journal::{BackupReport, ExportReport, JournalError};
use serde_json::{Value, json};

use super::{
    super::{Failure, Output, data::Data, failed, progress::Progress, unusable},
    Place, failure, head_json, path_json,
};
use crate::node::tip;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Export {
    #[command(flatten)]
    place: Place,
    /// The file to write; it must not exist. `-` is standard output.
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Import {
    /// An exported file; `-` is standard input.
    file: PathBuf,
    /// The journal's new directory, empty or absent: for a node `DATA/journal`.
    dir: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Backup {
    #[command(flatten)]
    place: Place,
    /// Where to copy to, empty or absent.
    to: PathBuf,
}

pub(super) fn export(args: &Export, output: Output) -> Result<(), Failure> {
    let data = args.place.find()?;
    let mut progress = Progress::new("exporting events");
    let mut at = |done, total| progress.at(done, total);
    if args.file == Path::new("-") {
        let mut out = BufWriter::new(stdout().lock());
        let report = crowdfold_journal::export(&data.journal, &mut out, &mut at).map_err(failure)?;
        out.flush().map_err(|error| failed("standard output", error))?;
        let (value, text) = exported(&report, &args.file, "exported");
        let said = if output.json { value.to_string() } else { text };
        // Nobody is left to tell when standard error is closed.
        writeln!(stderr(), "{said}").unwrap_or_default();
        return Ok(());
    }
    let file = File::create_new(&args.file).map_err(|error| unusable(args.file.display(), error))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let written = crowdfold_journal::export(&data.journal, &mut out, &mut at).map_err(failure).and_then(|report| {
        let synced = out.flush().and_then(|()| out.get_ref().sync_all());
        synced.map(|()| report).map_err(|error| failed(args.file.display(), error))
    });
    drop(progress);
    let report = written.inspect_err(|_| {
        // What is left has no end record, so that nobody takes it for an export.
        fs::remove_file(&args.file).unwrap_or_default();
    })?;
    let (value, text) = exported(&report, &args.file, "exported");
    output.result(&value, text)
}

pub(super) fn import(args: &Import, output: Output) -> Result<(), Failure> {
    let mut from: Box<dyn Read> = if args.file == Path::new("-") {
        Box::new(BufReader::new(stdin().lock()))
    } else {
        let file = File::open(&args.file).map_err(|error| unusable(args.file.display(), error))?;
        Box::new(BufReader::with_capacity(1 << 20, file))
    };
    let mut progress = Progress::new("importing events");
    let imported = crowdfold_journal::import(&mut from, &args.dir, &mut |done, total| progress.at(done, total));
    drop(progress);
    let report = imported.map_err(|error| match error {
        error @ (JournalError::Io { .. } | JournalError::NotEmpty { .. } | JournalError::InUse { .. }) => {
            failure(error)
        }
        error => Failure::NotValid(format!("{}: {error}", args.file.display())),
    })?;
    let (value, text) = exported(&report, &args.dir, "imported");
    output.result(&value, text)
}

fn exported(report: &ExportReport, to: &Path, word: &str) -> (Value, String) {
    let ExportReport { floor, head, frames, bytes } = report;
    let value = json!({
        "to": path_json(to),
        "floor": head_json(floor),
        "head": head_json(head),
        "frames": frames,
        "bytes": bytes,
    });
    let events = head.next.0.saturating_sub(floor.next.0);
    let text = format!(
        "{word}   {events} event(s) in {frames} frame(s), {bytes} bytes, to {}\nhead       {} after event {}",
        to.display(),
        head.hash,
        head.next
    );
    (value, text)
}

pub(super) fn backup(args: &Backup, output: Output) -> Result<(), Failure> {
    let data = args.place.find()?;
    let is_free = match fs::read_dir(&args.to) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !is_free {
        return Err(unusable(args.to.display(), "it must be an empty directory, or absent"));
    }
    let stage = beside(&args.to)?;
    if stage.exists() {
        fs::remove_dir_all(&stage).map_err(|error| failed(stage.display(), error))?;
    }
    let copied = copy_to(&stage, &data).and_then(|copied| {
        let named = fs::rename(&stage, &args.to).and_then(|()| match args.to.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
            _ => File::open(".")?.sync_all(),
        });
        named.map(|()| copied).map_err(|error| failed(args.to.display(), error))
    });
    let (report, has_tip) = copied.inspect_err(|_| {
        // The error is the one to report; the next backup to this place removes what is left.
        fs::remove_dir_all(&stage).unwrap_or_default();
    })?;
    let value = json!({
        "to": path_json(&args.to),
        "head": head_json(&report.head),
        "bytes": report.bytes,
        "last_commit": has_tip,
    });
    let unsigned = if has_tip { "" } else { "\nlast block its commit is not in the copy" };
    let text = format!(
        "copied     {} bytes to {}\nhead       {} after event {}{unsigned}",
        report.bytes,
        args.to.display(),
        report.head.hash,
        report.head.next
    );
    output.result(&value, text)
}

/// Where a copy is made before it gets its name, so that a copy that is cut short has none.
fn beside(to: &Path) -> Result<PathBuf, Failure> {
    let mut name = to.file_name().ok_or_else(|| unusable(to.display(), "it has no name"))?.to_owned();
    name.push(".unfinished");
    Ok(to.with_file_name(name))
}

/// Copies the journal and what belongs to it, durably; says whether the last block's commit is among it.
fn copy_to(stage: &Path, data: &Data) -> Result<(BackupReport, bool), Failure> {
    let journal = if data.is_node { stage.join("journal") } else { stage.to_owned() };
    if data.is_node {
        fs::create_dir_all(stage).map_err(|error| unusable(stage.display(), error))?;
    }
    let before = data.tip().ok().flatten();
    let mut progress = Progress::new("copying events");
    let report = crowdfold_journal::backup(&data.journal, &journal, &mut |done, total| progress.at(done, total))
        .map_err(failure)?;
    drop(progress);
    let keep = |name: &str, bytes: &[u8]| {
        let to = stage.join(name);
        let written = File::create(&to).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
        written.map_err(|error| failed(to.display(), error))
    };
    if let Some(genesis) = data.genesis_file() {
        keep("genesis.toml", &fs::read(genesis).map_err(|error| failed(genesis.display(), error))?)?;
    }
    // The node may have gone on: only the commit of the copy's own last block belongs to it.
    let of_copy = [before, data.tip().ok().flatten()].into_iter().flatten().find(|tip| tip.head == report.head);
    if let Some(tip) = &of_copy {
        keep(tip::FILE, tip.to_text().as_bytes())?;
    }
    File::open(stage).and_then(|dir| dir.sync_all()).map_err(|error| failed(stage.display(), error))?;
    Ok((report, of_copy.is_some()))
}
