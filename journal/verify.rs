//! Checking every byte of a directory, read-only.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use crowdfold_events::EventSeq;

use crate::{Head, JournalError};

/// What a file of the directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// `HEAD`, where the journal ends.
    Head,
    /// `FLOOR`, where it begins.
    Floor,
    /// A segment.
    Segment,
    /// A database with the recent frames.
    Window,
    /// A snapshot.
    Snapshot,
    /// Something that the journal did not write.
    Foreign,
}

/// Something wrong, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// What it is for.
    pub kind: FileKind,
    /// Where in the file, in bytes, if it has one place.
    pub offset: Option<u64>,
    /// The first event concerned, if any is.
    pub at: Option<EventSeq>,
    /// What is wrong.
    pub error: JournalError,
}

/// The result of [`verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// Where the journal begins.
    pub floor: Head,
    /// Where it ends according to `HEAD`; `None` when that cannot be read.
    pub acknowledged: Option<Head>,
    /// Up to where every event from the floor on is whole and chained.
    pub verified: Head,
    /// Frames checked.
    pub frames: u64,
    /// Events checked.
    pub events: u64,
    /// Bytes of all files looked at.
    pub bytes: u64,
    /// What is wrong, in the order of the events; empty for a good journal.
    pub findings: Vec<Finding>,
    /// Ranges of events that can be read, ascending.
    pub readable: Vec<Range<EventSeq>>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }

    /// The first damaged or missing frame's first event.
    #[must_use]
    pub fn first_bad(&self) -> Option<EventSeq> {
        self.findings.iter().filter_map(|f| f.at).min()
    }
}

/// How far a long operation is: events done, events in all.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Checks every file of a journal that nobody is writing to, and changes none.
/// Damage is in the report; an error means that it could not be looked at.
pub fn verify(dir: &Path, progress: Progress<'_>) -> Result<VerifyReport, JournalError> {
    let _ = (dir, progress);
    Err(JournalError::Unsupported { what: "verify" })
}
