//! Walking over the frames of one segment file, each checked on the way.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crowdfold_events::EventSeq;

use crate::{
    Head, JournalError,
    error::Damage,
    frame::{self, RawFrame},
    segment::{self, Summary},
};

/// Bytes read at once.
const READ_BYTES: usize = 256 << 10;

/// Where a segment's frames end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// At its footer, which must be there.
    Footer,
    /// At this byte.
    Byte(u64),
    /// Wherever it is no longer whole.
    Whole,
}

/// An open segment and a place in it.
#[derive(Debug)]
pub(crate) struct SegmentCursor {
    file: File,
    path: Arc<Path>,
    /// The footer's content, if it is known.
    sealed: Option<Summary>,
    /// See [`Self::bare`].
    bare: bool,
    /// Where the frames end, in bytes.
    end: u64,
    offset: u64,
    /// The head before the frame at `offset`.
    before: Head,
    buffer: Vec<u8>,
    /// Offset of the buffer's first byte in the file.
    buffered_at: u64,
}

/// A frame that a cursor stands behind, borrowed from its buffer.
pub(crate) struct Step<'a> {
    pub(crate) frame: RawFrame<'a>,
    pub(crate) before: Head,
    pub(crate) after: Head,
    pub(crate) offset: u64,
}

impl SegmentCursor {
    /// Opens the segment that begins with event `first` and stands before its first frame.
    pub(crate) fn open(dir: &Path, first: u64, until: Until) -> Result<Self, JournalError> {
        let path = segment::path(dir, first);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(JournalError::Missing { file: path, at: EventSeq(first) });
            }
            Err(e) => return Err(JournalError::io("open", &path)(e)),
        };
        Self::over(file, path, first, until)
    }

    /// As [`Self::open`], of a file that is open.
    pub(crate) fn over(file: File, path: PathBuf, first: u64, until: Until) -> Result<Self, JournalError> {
        let before = segment::read_header(&file, &path, first)?;
        let (sealed, end) = match until {
            Until::Footer => {
                let sealed = segment::read_footer(&file, &path, first)?;
                segment::check_joint(&path, &sealed.before, &before)?;
                let end = sealed.end;
                (Some(sealed), end)
            }
            Until::Byte(end) => (None, end),
            Until::Whole => (None, file.metadata().map_err(JournalError::io("look at", &path))?.len()),
        };
        Ok(Self {
            file,
            path: path.into(),
            sealed,
            bare: false,
            end,
            offset: segment::HEADER_BYTES as u64,
            before,
            buffer: Vec::new(),
            buffered_at: 0,
        })
    }

    /// As [`Self::open`], of a file whose header or footer cannot be read. Its
    /// frames are taken from behind where the header is on, and end where they
    /// are no longer whole.
    pub(crate) fn bare(dir: &Path, first: u64, before: Option<Head>, until: Until) -> Result<Self, JournalError> {
        let path = segment::path(dir, first);
        let file = File::open(&path).map_err(JournalError::io("open", &path))?;
        let length = file.metadata().map_err(JournalError::io("look at", &path))?.len();
        let before = match segment::read_header(&file, &path, first) {
            Ok(before) => before,
            Err(error) => before.filter(|before| before.next.0 == first).ok_or(error)?,
        };
        let end = if let Until::Byte(end) = until { end } else { length };
        let offset = segment::HEADER_BYTES as u64;
        Ok(Self {
            file,
            path: path.into(),
            sealed: None,
            bare: true,
            end,
            offset,
            before,
            buffer: Vec::new(),
            buffered_at: 0,
        })
    }

    /// Whether the file was opened although header or footer cannot be read.
    pub(crate) fn is_bare(&self) -> bool {
        self.bare
    }

    /// Goes behind a damaged frame, to the next one that is whole: where the
    /// damaged one's length points to, or at the next place that the footer
    /// names. `false` if there is none; then the cursor stays.
    pub(crate) fn resume(&mut self) -> bool {
        let (at, offset) = (self.before, self.offset);
        let mut places = Vec::new();
        if let Ok(start) = self.fill(frame::HEADER_BYTES)
            && let Some(Ok(length)) = self.buffer[start..].first_chunk().map(frame::frame_bytes)
        {
            places.push(offset + length as u64);
        }
        let index = self.sealed.iter().flat_map(|sealed| &sealed.index);
        places.extend(index.map(|(_, indexed)| *indexed).filter(|indexed| *indexed > offset));
        for place in places {
            self.offset = place;
            let before = self.raw().ok().flatten().map(|raw| raw.before);
            if let Some(before) = before.filter(|before| before.next > at.next) {
                self.before = before;
                return true;
            }
        }
        (self.before, self.offset) = (at, offset);
        false
    }

    /// The file.
    pub(crate) fn path(&self) -> &Arc<Path> {
        &self.path
    }

    /// The head before the next frame.
    pub(crate) fn head(&self) -> Head {
        self.before
    }

    /// What the footer says, if the segment was opened as a sealed one.
    pub(crate) fn sealed(&self) -> Option<&Summary> {
        self.sealed.as_ref()
    }

    /// Lets the frames end further on, in a segment that grew.
    pub(crate) fn extend(&mut self, until: Until) -> Result<(), JournalError> {
        match until {
            Until::Byte(end) => self.end = self.end.max(end),
            Until::Whole => {}
            Until::Footer if self.sealed.is_none() => {
                let sealed = segment::read_footer(&self.file, &self.path, self.first()?)?;
                (self.end, self.sealed) = (sealed.end, Some(sealed));
            }
            Until::Footer => {}
        }
        Ok(())
    }

    /// The first event, as the file is named.
    pub(crate) fn first(&self) -> Result<u64, JournalError> {
        let name = self.path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        name.ok_or_else(|| self.damaged(Damage::Header))
    }

    /// Goes forward to the frame that holds event `seq`. That frame's word for
    /// the head before it is taken; the chain is checked from there on.
    pub(crate) fn seek(&mut self, seq: u64) -> Result<(), JournalError> {
        if let Some((first, offset)) = self.sealed.as_ref().map(|sealed| sealed.place_before(seq))
            && offset > self.offset
        {
            (self.offset, self.before.next) = (offset, EventSeq(first));
            let hash = self.raw()?.map(|raw| raw.before.hash);
            self.before.hash = hash.unwrap_or(self.before.hash);
        }
        let at = self.before.next;
        while self.before.next.0 < seq {
            let (before, offset) = (self.before, self.offset);
            let raw = match self.raw() {
                Ok(Some(raw)) => raw,
                Ok(None) => return Ok(()),
                Err(error) => {
                    // What is damaged may lie before the event that is looked for.
                    if self.resume() && self.before.next.0 <= seq {
                        continue;
                    }
                    (self.before, self.offset) = (before, offset);
                    return Err(error);
                }
            };
            let (before, after, length) = (raw.before, raw.claims_after(), raw.bytes.len());
            if before.next != self.before.next {
                return Err(self.damaged(Damage::Place { found: before.next }));
            }
            if after.next.0 > seq {
                self.before.hash = if at == self.before.next { self.before.hash } else { before.hash };
                return Ok(());
            }
            (self.before, self.offset) = (after, self.offset + length as u64);
        }
        Ok(())
    }

    /// Whether another frame must follow.
    pub(crate) fn has_more(&self) -> bool {
        self.offset < self.end
    }

    /// An error at the next frame.
    pub(crate) fn damaged(&self, detail: Damage) -> JournalError {
        JournalError::Damaged { file: self.path.to_path_buf(), offset: self.offset, at: self.before.next, detail }
    }

    /// The next frame, CRC checked; `None` at the end.
    fn raw(&mut self) -> Result<Option<RawFrame<'_>>, JournalError> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let header = self.fill(frame::HEADER_BYTES)?;
        let length = match self.buffer[header..].first_chunk() {
            Some(header) => frame::frame_bytes(header),
            None => Err(Damage::Short {
                expected: frame::HEADER_BYTES + frame::TRAILER_BYTES,
                found: self.buffer.len() - header,
            }),
        };
        let length = length.map_err(|detail| self.damaged(detail))?;
        let start = self.fill(length)?;
        let left = (self.end - self.offset) as usize;
        let available = left.min(self.buffer.len() - start);
        let (file, offset, at) = (&self.path, self.offset, self.before.next);
        RawFrame::parse(&self.buffer[start..start + available]).map(Some).map_err(|detail| JournalError::Damaged {
            file: file.to_path_buf(),
            offset,
            at,
            detail,
        })
    }

    /// Makes `bytes` bytes from the current offset on available, or all there
    /// are; returns where they begin in the buffer.
    fn fill(&mut self, bytes: usize) -> Result<usize, JournalError> {
        let buffered_to = self.buffered_at + self.buffer.len() as u64;
        if self.offset < self.buffered_at || self.offset > buffered_to {
            self.buffer.clear();
            self.buffered_at = self.offset;
        }
        let start = (self.offset - self.buffered_at) as usize;
        if self.buffer.len() - start >= bytes {
            return Ok(start);
        }
        self.buffer.drain(..start);
        self.buffered_at = self.offset;
        let have = self.buffer.len();
        let left = self.end.saturating_sub(self.offset) as usize;
        let want = bytes.max(READ_BYTES).min(left).max(have);
        self.buffer.resize(want, 0);
        let mut filled = have;
        while filled < want {
            match self.file.read_at(&mut self.buffer[filled..], self.buffered_at + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(JournalError::io("read", &self.path)(e)),
            }
        }
        self.buffer.truncate(filled);
        Ok(0)
    }

    /// The next frame, checked in full; `None` at the end.
    pub(crate) fn step(&mut self) -> Result<Option<Step<'_>>, JournalError> {
        let (before, offset) = (self.before, self.offset);
        let checked = match self.raw()? {
            None => return Ok(None),
            Some(raw) => raw.check_after(&before).map(|after| (after, raw.bytes.len())),
        };
        let (after, length) = checked.map_err(|detail| self.damaged(detail))?;
        self.offset += length as u64;
        self.before = after;
        let start = (offset - self.buffered_at) as usize;
        let frame = RawFrame::trusted(&self.buffer[start..start + length]).map_err(|detail| self.damaged(detail))?;
        Ok(Some(Step { frame, before, after, offset }))
    }

    /// The bytes behind the last whole frame, to tell a footer from nothing.
    pub(crate) fn footer_follows(&self) -> bool {
        let mut magic = [0; 4];
        self.file.read_exact_at(&mut magic, self.offset).is_ok() && magic == segment::FOOTER_MAGIC
    }
}
