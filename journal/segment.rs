//! Segments: plain files of frames, which are also what is exported, backed up
//! and repaired from.
//!
//! ```text
//! segments/<first event, 20 digits>.cfs
//!   header  magic "CFJS" | format u16 | 0 u16 | first_seq u64 | head_before 32 | crc32c u32
//!   frames  without gaps
//!   footer  magic "CFJE" | format u16 | 0 u16 | first_seq u64 | next u64 | frames u64 | payload u64
//!           | frames_end u64 | head_before 32 | head_after 32 | entries u32
//!           | entries × (seq u64, offset u64) | footer length u32 | crc32c u32
//! ```
//!
//! Only the newest segment grows; a footer seals it, and from then on nothing
//! changes it. The entries name a frame about every [`INDEX_STEP`] bytes. The
//! footer depends on the frames alone.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crowdfold_events::EventSeq;

use crate::{
    Head, JournalError,
    bytes::{Fields, checked, push_checksum},
    error::Damage,
    numbered,
};

const MAGIC: [u8; 4] = *b"CFJS";
/// What a footer begins with.
pub(crate) const FOOTER_MAGIC: [u8; 4] = *b"CFJE";
const FORMAT: u16 = 1;
/// Bytes before the first frame.
pub(crate) const HEADER_BYTES: usize = 4 + 2 + 2 + 8 + 32 + 4;
const FOOTER_FIXED_BYTES: usize = 4 + 2 + 2 + 5 * 8 + 2 * 32 + 4 + 4 + 4;
/// Bytes of frames between two entries of a footer.
const INDEX_STEP: u64 = 64 << 10;

/// The folder of the segments.
pub(crate) fn folder(dir: &Path) -> PathBuf {
    dir.join("segments")
}

/// The segment whose first event is `first`.
pub(crate) fn path(dir: &Path, first: u64) -> PathBuf {
    folder(dir).join(format!("{first:020}.cfs"))
}

/// First events of all segments of a directory, ascending, and the names that
/// are not a segment's.
pub(crate) fn list(dir: &Path) -> Result<(Vec<u64>, Vec<PathBuf>), JournalError> {
    numbered::list(&folder(dir), ".cfs")
}

/// The header of a segment that begins behind `before`.
pub(crate) fn header(before: &Head) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&before.next.0.to_le_bytes());
    bytes.extend_from_slice(before.hash.as_slice());
    push_checksum(&mut bytes, 0);
    bytes
}

fn parse_header(bytes: &[u8], first: u64) -> Result<Head, Damage> {
    let mut fields = Fields(checked(bytes)?);
    if *fields.take()? != MAGIC || *fields.take()? != FORMAT.to_le_bytes() || *fields.take()? != [0; 2] {
        return Err(Damage::Header);
    }
    let next = EventSeq(fields.u64()?);
    if next.0 != first {
        return Err(Damage::Place { found: next });
    }
    Ok(Head { next, hash: fields.hash()? })
}

/// Reads the header of an open segment: the head before it.
pub(crate) fn read_header(file: &File, path: &Path, first: u64) -> Result<Head, JournalError> {
    let mut bytes = [0; HEADER_BYTES];
    let bad = |detail| JournalError::BadFile { file: path.to_owned(), offset: 0, what: "the header", detail };
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => parse_header(&bytes, first).map_err(bad),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            let found = file.metadata().map_or(0, |m| m.len()) as usize;
            Err(bad(Damage::Short { expected: HEADER_BYTES, found }))
        }
        Err(e) => Err(JournalError::io("read", path)(e)),
    }
}

/// What a segment holds; grows with each frame, and is the footer's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The head before the first frame.
    pub(crate) before: Head,
    /// The head after the last.
    pub(crate) after: Head,
    /// Frames.
    pub(crate) frames: u64,
    /// Bytes of their events.
    pub(crate) payload: u64,
    /// Where the last frame ends, in bytes.
    pub(crate) end: u64,
    /// (first event, offset) of some frames, ascending.
    pub(crate) index: Vec<(u64, u64)>,
}

impl Summary {
    /// A segment without frames.
    pub(crate) fn new(before: Head) -> Self {
        Self { before, after: before, frames: 0, payload: 0, end: HEADER_BYTES as u64, index: Vec::new() }
    }

    /// Adds a frame of `bytes` bytes that ends at `after`.
    pub(crate) fn push(&mut self, after: Head, bytes: u64, payload: u64) {
        if self.index.last().is_none_or(|(_, offset)| self.end - offset >= INDEX_STEP) {
            self.index.push((self.after.next.0, self.end));
        }
        self.after = after;
        self.frames += 1;
        self.payload += payload;
        self.end += bytes;
    }

    /// The footer that seals the segment.
    pub(crate) fn footer(&self) -> Vec<u8> {
        let length = FOOTER_FIXED_BYTES + 16 * self.index.len();
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(&FOOTER_MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        for number in [self.before.next.0, self.after.next.0, self.frames, self.payload, self.end] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(self.before.hash.as_slice());
        bytes.extend_from_slice(self.after.hash.as_slice());
        bytes.extend_from_slice(&(self.index.len() as u32).to_le_bytes());
        for (seq, offset) in &self.index {
            bytes.extend_from_slice(&seq.to_le_bytes());
            bytes.extend_from_slice(&offset.to_le_bytes());
        }
        bytes.extend_from_slice(&(length as u32).to_le_bytes());
        push_checksum(&mut bytes, 0);
        bytes
    }

    fn parse(bytes: &[u8], first: u64) -> Result<Self, Damage> {
        let mut fields = Fields(checked(bytes)?);
        if *fields.take()? != FOOTER_MAGIC || *fields.take()? != FORMAT.to_le_bytes() || *fields.take()? != [0; 2] {
            return Err(Damage::Header);
        }
        let (start, next, frames, payload, end) =
            (fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?);
        if start != first {
            return Err(Damage::Place { found: EventSeq(start) });
        }
        let before = Head { next: EventSeq(start), hash: fields.hash()? };
        let after = Head { next: EventSeq(next), hash: fields.hash()? };
        let mut index = Vec::new();
        for _ in 0..fields.u32()? {
            index.push((fields.u64()?, fields.u64()?));
        }
        Ok(Self { before, after, frames, payload, end, index })
    }

    /// Where to begin to look for event `seq`: the first event and the offset of a frame at or before it.
    pub(crate) fn place_before(&self, seq: u64) -> (u64, u64) {
        let after = self.index.partition_point(|(first, _)| *first <= seq);
        after.checked_sub(1).map_or((self.before.next.0, HEADER_BYTES as u64), |at| self.index[at])
    }
}

/// Reads the footer of an open sealed segment.
pub(crate) fn read_footer(file: &File, path: &Path, first: u64) -> Result<Summary, JournalError> {
    let length = file.metadata().map_err(JournalError::io("look at", path))?.len();
    let bad = |offset, detail| JournalError::BadFile { file: path.to_owned(), offset, what: "the footer", detail };
    let least = FOOTER_FIXED_BYTES as u64;
    let short = bad(length, Damage::Short { expected: FOOTER_FIXED_BYTES, found: length as usize });
    let mut tail = [0; 8];
    let start = length.checked_sub(least).ok_or(short)? + least - 8;
    file.read_exact_at(&mut tail, start).map_err(JournalError::io("read", path))?;
    let footer = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    let Some(start) = length.checked_sub(footer).filter(|_| footer >= least) else {
        return Err(bad(length - 8, Damage::Header));
    };
    let mut bytes = vec![0; footer as usize];
    file.read_exact_at(&mut bytes, start).map_err(JournalError::io("read", path))?;
    let summary = Summary::parse(&bytes, first).map_err(|detail| bad(start, detail))?;
    if summary.end != start || bytes != summary.footer() {
        return Err(bad(start, Damage::Header));
    }
    Ok(summary)
}

/// The head that a sealed segment must begin with, or an error that names it.
pub(crate) fn check_joint(path: &Path, expected: &Head, found: &Head) -> Result<(), JournalError> {
    if expected == found {
        return Ok(());
    }
    let detail = if expected.next == found.next {
        Damage::Chain { expected: expected.hash, found: found.hash }
    } else {
        Damage::Place { found: found.next }
    };
    Err(JournalError::BadFile { file: path.to_owned(), offset: 0, what: "the header", detail })
}
