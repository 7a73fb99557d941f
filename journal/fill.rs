//! Making a whole journal from frames that come from elsewhere.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{Disk, Floor, Frame, Head, JournalError, JournalStore, Options, SledJournal, recovery};

/// Bytes of events that are appended at once.
const GROUP_BYTES: usize = 1 << 20;

/// Makes a journal in `dir`, which must be empty or absent: it begins at
/// `floor` and gets frames until `next`, which is asked again then, has no more. It is written beside `dir`
/// and gets its name when it is whole, so that `dir` is never half a journal; what an attempt that was cut
/// short left beside it, the next one removes. `next` may add snapshots to the store that it is given.
pub(crate) fn journal(
    dir: &Path,
    floor: &Floor,
    disk: &Arc<dyn Disk>,
    next: &mut dyn FnMut(&mut SledJournal) -> Result<Option<Frame>, JournalError>,
) -> Result<Head, JournalError> {
    match fs::read_dir(dir) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(JournalError::NotEmpty { path: dir.to_owned() });
            }
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(JournalError::io("list", dir)(e)),
    }
    let unfinished = beside(dir)?;
    if unfinished.exists() {
        disk.remove_dir(&unfinished).map_err(JournalError::io("remove", &unfinished))?;
    }
    let filled = fill(&unfinished, floor, disk, next);
    if filled.is_err() {
        // The error that stopped it is the one to report.
        disk.remove_dir(&unfinished).unwrap_or_default();
    }
    let head = filled?;
    disk.rename(&unfinished, dir).map_err(JournalError::io("rename", dir))?;
    if let Some(parent) = unfinished.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        disk.sync_dir(parent).map_err(JournalError::io("sync", parent))?;
    }
    Ok(head)
}

fn beside(dir: &Path) -> Result<PathBuf, JournalError> {
    let Some(name) = dir.file_name() else {
        return Err(JournalError::Unsupported { what: "a directory without a name" });
    };
    let mut name = name.to_owned();
    name.push(".unfinished");
    Ok(dir.with_file_name(name))
}

fn fill(
    dir: &Path,
    floor: &Floor,
    disk: &Arc<dyn Disk>,
    next: &mut dyn FnMut(&mut SledJournal) -> Result<Option<Frame>, JournalError>,
) -> Result<Head, JournalError> {
    disk.create_dir(dir).map_err(JournalError::io("create", dir))?;
    recovery::create(dir, &**disk, floor)?;
    let mut journal = SledJournal::open_with(dir, Options::default(), disk.clone())?;
    let (mut group, mut bytes) = (Vec::new(), 0);
    loop {
        let frame = next(&mut journal)?;
        let ends = frame.is_none();
        if ends && group.is_empty() {
            return Ok(journal.head());
        }
        bytes += frame.iter().flat_map(Frame::events).map(|event| event.as_bytes().len()).sum::<usize>();
        group.extend(frame);
        if ends || bytes >= GROUP_BYTES {
            let expected = journal.head().next;
            journal.append(&group, expected)?;
            (group, bytes) = (Vec::new(), 0);
        }
    }
}
