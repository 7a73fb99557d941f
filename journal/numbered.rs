//! Folders whose entries are named by a number of twenty digits.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::JournalError;

/// The numbers of all entries `NUMBER` + `suffix`, ascending, and the paths of
/// everything else, ascending. A folder that is not there is empty.
pub(crate) fn list(folder: &Path, suffix: &str) -> Result<(Vec<u64>, Vec<PathBuf>), JournalError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), Vec::new())),
        Err(e) => return Err(JournalError::io("list", folder)(e)),
    };
    let (mut numbers, mut foreign) = (Vec::new(), Vec::new());
    for entry in entries {
        let path = entry.map_err(JournalError::io("list", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(suffix));
        match name.filter(|digits| digits.len() == 20).and_then(|digits| digits.parse().ok()) {
            Some(number) => numbers.push(number),
            None => foreign.push(path),
        }
    }
    numbers.sort_unstable();
    foreign.sort_unstable();
    Ok((numbers, foreign))
}
