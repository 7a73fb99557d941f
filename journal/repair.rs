//! Mending a directory from what it holds twice, or from elsewhere.

use std::path::{Path, PathBuf};

use crate::{Head, JournalError, verify::Progress};

/// Where good frames may come from, besides the directory itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepairSource {
    /// Another journal's directory, e.g. a backup.
    Directory(PathBuf),
    /// A file written by [`crate::export`].
    Export(PathBuf),
}

/// One thing that repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepairAction {
    /// A segment was written anew; its damaged predecessor was kept as `aside`.
    Segment {
        /// The segment.
        file: PathBuf,
        /// Where the damaged one is now, if there was one.
        aside: Option<PathBuf>,
    },
    /// The window was filled from the active segment.
    Window {
        /// The new database.
        dir: PathBuf,
    },
    /// `HEAD` was written anew.
    Head {
        /// What it says now.
        head: Head,
    },
    /// A snapshot that cannot be read was put aside.
    Snapshot {
        /// Where it is now.
        aside: PathBuf,
    },
}

/// The result of [`repair`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairReport {
    /// Where the journal ends now: exactly where `HEAD` said, if it was readable.
    pub head: Head,
    /// What was done; empty for a good journal.
    pub actions: Vec<RepairAction>,
}

/// Mends a journal that nobody is writing to. Either it ends where it ended
/// and verifies, or nothing is replaced and the error names what is missing.
pub fn repair(dir: &Path, from: Option<&RepairSource>, progress: Progress<'_>) -> Result<RepairReport, JournalError> {
    let _ = (dir, from, progress);
    Err(JournalError::Unsupported { what: "repair" })
}
