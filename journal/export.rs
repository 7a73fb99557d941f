//! One file with all of a journal, the same bytes from every honest node.
//!
//! ```text
//! header  magic "CFJX" | format u16 | 0 u16 | length u32 | floor (length bytes) | crc32c u32
//! frames  as in the segments, without gaps
//! end     magic "CFJZ" | frames u64 | next u64 | head 32 | crc32c u32
//! ```
//!
//! How the journal is cut into segments does not show.

use std::{
    io::{self, Read, Write},
    path::Path,
    sync::Arc,
};

use crowdfold_events::EventSeq;

use crate::{
    Disk, Floor, Head, JournalError, Reader, RealDisk,
    bytes::{Fields, checked, push_checksum},
    error::Damage,
    fill,
    frame::{self, RawFrame},
    verify::Progress,
};

const MAGIC: [u8; 4] = *b"CFJX";
const END_MAGIC: [u8; 4] = *b"CFJZ";
const FORMAT: u16 = 1;
/// Longest floor: 64 peaks and the fixed fields.
const MAX_FLOOR_BYTES: usize = 4096;
const END_BYTES: usize = 4 + 8 + 8 + 32 + 4;

/// The result of [`export`] and [`import`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportReport {
    /// Where the events begin.
    pub floor: Head,
    /// Where they end.
    pub head: Head,
    /// Frames written.
    pub frames: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes the whole journal of `dir`, checked, up to its head at the start.
///
/// # Errors
/// Something is damaged, HEAD's older half included, or the writer failed. The
/// file has no end record then, and no import accepts it.
pub fn export(dir: &Path, to: &mut dyn Write, progress: Progress<'_>) -> Result<ExportReport, JournalError> {
    let reader = Reader::open(dir)?;
    if let Some(error) = reader.head_damage() {
        return Err(error.clone());
    }
    let failed = |e: io::Error| JournalError::Io { step: "write the export", detail: e.to_string() };
    let floor = reader.floor();
    let header = header(floor);
    to.write_all(&header).map_err(failed)?;
    let mut report = ExportReport { floor: floor.head, head: floor.head, frames: 0, bytes: header.len() as u64 };
    let total = reader.head().next.0 - floor.head.next.0;
    let catalog = reader.catalog();
    let mut cursor = catalog.cursor(floor.head.next)?;
    while let Some((step, _)) = cursor.step(catalog)? {
        to.write_all(step.frame.bytes).map_err(failed)?;
        report.frames += 1;
        report.bytes += step.frame.bytes.len() as u64;
        report.head = step.after;
        progress(step.after.next.0 - floor.head.next.0, total);
    }
    let end = end(&report);
    to.write_all(&end).and_then(|()| to.flush()).map_err(failed)?;
    report.bytes += end.len() as u64;
    Ok(report)
}

fn header(floor: &Floor) -> Vec<u8> {
    let floor = floor.to_bytes();
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    bytes.extend_from_slice(&(floor.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&floor);
    push_checksum(&mut bytes, 0);
    bytes
}

fn end(report: &ExportReport) -> Vec<u8> {
    let mut bytes = END_MAGIC.to_vec();
    bytes.extend_from_slice(&report.frames.to_le_bytes());
    bytes.extend_from_slice(&report.head.next.0.to_le_bytes());
    bytes.extend_from_slice(report.head.hash.as_slice());
    push_checksum(&mut bytes, 0);
    bytes
}

/// Makes a journal in `dir`, which must be empty or absent, from an export.
///
/// # Errors
/// The directory is not empty, the export is damaged or cut, or the disk
/// failed. `dir` is not touched then.
pub fn import(from: &mut dyn Read, dir: &Path, progress: Progress<'_>) -> Result<ExportReport, JournalError> {
    import_with(from, dir, Arc::new(RealDisk), progress)
}

/// As [`import`], with another way to make things durable.
///
/// # Errors
/// As [`import`].
pub fn import_with(
    from: &mut dyn Read,
    dir: &Path,
    disk: Arc<dyn Disk>,
    progress: Progress<'_>,
) -> Result<ExportReport, JournalError> {
    let mut import = Import::begin(from, Path::new("the export"))?;
    let floor = import.floor.clone();
    fill::journal(dir, &floor, &disk, &mut |_| {
        let frame = import.next()?.map(RawFrame::to_frame);
        let at = import.at();
        progress(at.next.0 - floor.head.next.0, 0);
        frame.transpose().map_err(|detail| import.damaged(detail))
    })?;
    Ok(import.report)
}

/// Reads an export frame by frame.
pub(crate) struct Import<'a> {
    from: &'a mut dyn Read,
    /// Its name in errors.
    file: &'a Path,
    pub(crate) floor: Floor,
    report: ExportReport,
    buffer: Vec<u8>,
    ended: bool,
}

impl<'a> Import<'a> {
    /// Reads the header.
    pub(crate) fn begin(from: &'a mut dyn Read, file: &'a Path) -> Result<Self, JournalError> {
        let report = ExportReport { floor: Head::EMPTY, head: Head::EMPTY, frames: 0, bytes: 0 };
        let mut import = Self { from, file, floor: Floor::GENESIS, report, buffer: Vec::new(), ended: false };
        import.more(12)?;
        let floor = import.header().map_err(|detail| import.bad("the header", detail))?;
        import.more(floor + 4)?;
        let parsed = checked(&import.buffer).and_then(|body| Floor::from_bytes(&body[12..]));
        import.floor = parsed.map_err(|detail| import.bad("the header", detail))?;
        (import.report.floor, import.report.head) = (import.floor.head, import.floor.head);
        import.report.bytes = import.buffer.len() as u64;
        Ok(import)
    }

    fn header(&self) -> Result<usize, Damage> {
        let mut fields = Fields(&self.buffer);
        if *fields.take()? != MAGIC || *fields.take()? != FORMAT.to_le_bytes() || *fields.take()? != [0; 2] {
            return Err(Damage::Header);
        }
        Ok(fields.u32()? as usize)
            .and_then(|length| if length > MAX_FLOOR_BYTES { Err(Damage::Header) } else { Ok(length) })
    }

    /// Where the last frame ended.
    pub(crate) fn at(&self) -> Head {
        self.report.head
    }

    /// Where the next frame begins, in bytes.
    pub(crate) fn offset(&self) -> u64 {
        self.report.bytes
    }

    /// The next frame, checked; `None` behind a good end record.
    pub(crate) fn next(&mut self) -> Result<Option<RawFrame<'_>>, JournalError> {
        if self.ended {
            return Ok(None);
        }
        self.buffer.clear();
        self.more(4)?;
        if self.buffer == END_MAGIC {
            self.more(END_BYTES - 4)?;
            if self.buffer != end(&self.report) {
                return Err(self.bad("the end record", Damage::Header));
            }
            self.report.bytes += END_BYTES as u64;
            self.ended = true;
            if self.from.read(&mut [0]).map_err(|e| self.failed(e))? != 0 {
                return Err(self.bad("the end", Damage::Header));
            }
            return Ok(None);
        }
        self.more(frame::HEADER_BYTES - 4)?;
        let length = self.buffer.first_chunk().map_or(Err(Damage::Header), frame::frame_bytes);
        let length = length.map_err(|detail| self.damaged(detail))?;
        self.more(length - frame::HEADER_BYTES)?;
        let checked = RawFrame::parse(&self.buffer).and_then(|raw| raw.check_after(&self.report.head));
        self.report.head = checked.map_err(|detail| self.damaged(detail))?;
        self.report.frames += 1;
        self.report.bytes += length as u64;
        let (file, at) = (self.file, self.report.head.next);
        RawFrame::trusted(&self.buffer).map(Some).map_err(|detail| JournalError::Damaged {
            file: file.to_owned(),
            offset: 0,
            at,
            detail,
        })
    }

    fn more(&mut self, bytes: usize) -> Result<(), JournalError> {
        let have = self.buffer.len();
        self.buffer.resize(have + bytes, 0);
        match self.from.read_exact(&mut self.buffer[have..]) {
            Ok(()) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.bad("the end", Damage::Short { expected: bytes, found: 0 }))
            }
            Err(e) => Err(self.failed(e)),
        }
    }

    fn failed(&self, e: io::Error) -> JournalError {
        JournalError::io("read", self.file)(e)
    }

    fn bad(&self, what: &'static str, detail: Damage) -> JournalError {
        JournalError::BadFile { file: self.file.to_owned(), offset: self.report.bytes, what, detail }
    }

    fn damaged(&self, detail: Damage) -> JournalError {
        let at = EventSeq(self.report.head.next.0);
        JournalError::Damaged { file: self.file.to_owned(), offset: self.report.bytes, at, detail }
    }
}
