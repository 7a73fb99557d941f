//! Where repair looks for good frames.

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufReader,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::{
    CompactRange, Floor, Head, JournalError, Reader, catalog::Cursor, error::Damage, export::Import, floor,
    frame::RawFrame, merkle_log, segment, window,
};

/// Where good frames may come from, besides the directory itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepairSource {
    /// Another journal's directory, e.g. a backup.
    Directory(PathBuf),
    /// A file written by [`crate::export`].
    Export(PathBuf),
}

/// A source that is open.
enum Outside {
    Directory(Box<Reader>, Option<Cursor>),
    /// The file, its floor, and (first event → offset, length) of its good frames.
    Export(File, Floor, BTreeMap<u64, (u64, usize)>),
}

/// All places that may have a frame.
pub(crate) struct Sources {
    dir: PathBuf,
    windows: Vec<BTreeMap<u64, Vec<u8>>>,
    outside: Option<Outside>,
    /// The segment that was looked into last.
    own: Option<(u64, Vec<u8>)>,
}

impl Sources {
    /// Opens what can be opened. A window that cannot be read has nothing.
    pub(crate) fn open(dir: &Path, from: Option<&RepairSource>) -> Result<Self, JournalError> {
        let windows = window::list(dir)?.0.into_iter().rev();
        let windows = windows.filter_map(|number| window::read_copy(dir, number).ok()).collect();
        let outside = match from {
            None => None,
            Some(RepairSource::Directory(from)) => Some(Outside::Directory(Box::new(Reader::open(from)?), None)),
            Some(RepairSource::Export(from)) => Some(open_export(from)?),
        };
        Ok(Self { dir: dir.to_owned(), windows, outside, own: None })
    }

    /// A good frame behind `before`, and the head after it. `segment` is the
    /// first event of the directory's segment in which it stands at `offset`.
    /// The error is what is wrong there, when no source has the frame.
    pub(crate) fn frame(&mut self, before: &Head, segment: u64, offset: u64) -> Result<(Vec<u8>, Head), JournalError> {
        let good = |bytes: &[u8]| -> Result<(Vec<u8>, Head), Damage> {
            let raw = RawFrame::parse(bytes)?;
            Ok((raw.bytes.to_vec(), raw.check_after(before)?))
        };
        if self.own.as_ref().is_none_or(|(first, _)| *first != segment) {
            let bytes = std::fs::read(segment::path(&self.dir, segment)).unwrap_or_default();
            self.own = Some((segment, bytes));
        }
        let own = self.own.as_ref().and_then(|(_, bytes)| bytes.get(offset as usize..)).unwrap_or_default();
        let detail = match good(own) {
            Ok(found) => return Ok(found),
            Err(detail) => detail,
        };
        let windows = self.windows.iter().filter_map(|window| window.get(&before.next.0));
        if let Some(found) = windows.filter_map(|bytes| good(bytes).ok()).next() {
            return Ok(found);
        }
        if let Some(found) = self.outside.as_mut().and_then(|outside| outside.bytes(before)).and_then(|b| good(&b).ok())
        {
            return Ok(found);
        }
        let file = segment::path(&self.dir, segment);
        Err(JournalError::Damaged { file, offset, at: before.next, detail })
    }

    /// Whether the outside source does not begin with the genesis.
    fn is_pruned(&self) -> bool {
        self.outside.as_ref().is_some_and(|outside| outside.floor() != Floor::GENESIS)
    }

    /// The floor at event `first`, worked out from an outside source.
    pub(crate) fn floor(&mut self, first: u64) -> Option<Floor> {
        let outside = self.outside.as_mut()?;
        let mut floor = outside.floor();
        let mut tree = CompactRange::new(floor.head.next.0, floor.peaks.clone())?;
        while floor.head.next.0 < first {
            let bytes = outside.bytes(&floor.head)?;
            let raw = RawFrame::parse(&bytes).ok()?;
            raw.events().for_each(|event| tree.push(merkle_log::leaf_hash(event)));
            floor.frames += 1;
            floor.payload += raw.payload_bytes();
            floor.head = raw.check_after(&floor.head).ok()?;
        }
        floor.peaks = tree.peaks().to_vec();
        (floor.head.next.0 == first).then_some(floor)
    }
}

impl Outside {
    fn floor(&self) -> Floor {
        match self {
            Self::Directory(reader, _) => reader.floor().clone(),
            Self::Export(_, floor, _) => floor.clone(),
        }
    }

    /// The bytes of a frame that may follow `before`.
    fn bytes(&mut self, before: &Head) -> Option<Vec<u8>> {
        match self {
            Self::Directory(reader, cursor) => {
                let catalog = reader.catalog();
                // The next frame is mostly the one behind the last.
                let mut open = match cursor.take().filter(|cursor| cursor.at() == *before) {
                    Some(cursor) => cursor,
                    None => catalog.cursor(before.next).ok()?,
                };
                let bytes = open.step(catalog).ok()??.0.frame.bytes.to_vec();
                *cursor = Some(open);
                Some(bytes)
            }
            Self::Export(file, _, index) => {
                let (offset, length) = index.get(&before.next.0)?;
                let mut bytes = vec![0; *length];
                file.read_exact_at(&mut bytes, *offset).ok()?;
                Some(bytes)
            }
        }
    }
}

/// Walks over an export up to its end or first damage.
fn open_export(path: &Path) -> Result<Outside, JournalError> {
    let file = File::open(path).map_err(JournalError::io("open", path))?;
    let mut buffered = BufReader::new(file.try_clone().map_err(JournalError::io("open", path))?);
    let mut import = Import::begin(&mut buffered, path)?;
    let (floor, mut index) = (import.floor.clone(), BTreeMap::new());
    loop {
        let offset = import.offset();
        match import.next() {
            Ok(Some(raw)) => drop(index.insert(raw.before.next.0, (offset, raw.bytes.len()))),
            Ok(None) | Err(_) => return Ok(Outside::Export(file, floor, index)),
        }
    }
}

/// The directory's own floor, or one that can be worked out, and whether the
/// file must be written anew.
pub(crate) fn find_floor(sources: &mut Sources, dir: &Path, first: u64) -> Result<(Floor, bool), JournalError> {
    match floor::read(dir) {
        // FLOOR itself may be missing: a source that begins later tells.
        Ok(floor) if floor == Floor::GENESIS && first > 0 => match sources.is_pruned() {
            true => Ok(sources.floor(first).map_or((floor, false), |found| (found, true))),
            false => Ok((floor, false)),
        },
        Ok(floor) => Ok((floor, false)),
        // Nothing was removed yet, so nothing needs a floor.
        Err(_) if first == 0 => Ok((Floor::GENESIS, true)),
        Err(error) => sources.floor(first).map(|floor| (floor, true)).ok_or(error),
    }
}
