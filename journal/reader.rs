//! Reading from any process, without the writer's lock and without sled.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crowdfold_events::{EventSeq, StoredEvent};

use crate::{Floor, Frame, Head, JournalError};

/// A frame with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameAt {
    /// The head before it; `before.next` is the number of its first event.
    pub before: Head,
    /// The head after it.
    pub after: Head,
    /// The frame, checked.
    pub frame: Frame,
    /// The file that holds it.
    pub file: Arc<Path>,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// Its length in the file, in bytes.
    pub bytes: u64,
}

/// A view of a journal's directory as of its last refresh.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
}

impl Reader {
    /// Opens the journal in `dir`, read-only.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        let _ = dir;
        Err(JournalError::Unsupported { what: "Reader" })
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the journal begins.
    #[must_use]
    pub fn floor(&self) -> &Floor {
        const { &Floor::GENESIS }
    }

    /// Where it ended when it was last looked at.
    #[must_use]
    pub fn head(&self) -> Head {
        Head::EMPTY
    }

    /// Looks again where it ends; never goes back.
    pub fn refresh(&mut self) -> Result<Head, JournalError> {
        Err(JournalError::Unsupported { what: "Reader" })
    }

    /// Up to `limit` events from number `from` on, checked.
    pub fn read(&self, from: EventSeq, limit: usize) -> Result<Vec<StoredEvent>, JournalError> {
        let _ = (from, limit);
        Err(JournalError::Unsupported { what: "Reader" })
    }

    /// The frames from the one that holds event `from` on, up to the head, in
    /// order, each checked against the one before. After an error it ends.
    pub fn frames(&self, from: EventSeq) -> Result<Frames<'_>, JournalError> {
        let _ = from;
        Err(JournalError::Unsupported { what: "Reader" })
    }

    /// The frame that holds event `seq`.
    pub fn locate(&self, seq: EventSeq) -> Result<FrameAt, JournalError> {
        let _ = seq;
        Err(JournalError::Unsupported { what: "Reader" })
    }
}

/// See [`Reader::frames`].
#[derive(Debug)]
pub struct Frames<'a> {
    _reader: &'a Reader,
}

impl Iterator for Frames<'_> {
    type Item = Result<FrameAt, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}
