//! Every operation that makes something durable, in one place, so that a test
//! can make it fail, forget it, or cut the power in the middle of it.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

/// What the journal asks of the operating system. Each method's default does
/// it; a test overrides what it wants to break. `path` names the file that
/// `file` was opened as.
pub trait Disk: Send + Sync {
    /// Creates a directory and those above it.
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    /// Creates an empty file, or empties it, for reading and writing.
    fn create_file(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)
    }

    /// Writes all bytes at an offset.
    fn write_at(&self, file: &File, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let _ = path;
        file.write_all_at(bytes, offset)
    }

    /// Cuts or extends a file.
    fn set_len(&self, file: &File, path: &Path, length: u64) -> io::Result<()> {
        let _ = path;
        file.set_len(length)
    }

    /// fsync of a file's content.
    fn sync_data(&self, file: &File, path: &Path) -> io::Result<()> {
        let _ = path;
        file.sync_data()
    }

    /// fsync of a directory's entries.
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// Gives a file another name, replacing what has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Gives a file a second name, which must be free.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    /// Removes a directory with all that is in it.
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    /// Whether segment and window may be written at the same time; a test that
    /// counts operations wants them one after the other.
    fn is_parallel(&self) -> bool {
        true
    }

    /// Called before sled opens, or writes `bytes` bytes to, the database in
    /// `path`; sled itself writes past this interface.
    fn before_sled(&self, path: &Path, bytes: usize) -> io::Result<()> {
        let _ = (path, bytes);
        Ok(())
    }
}

/// The operating system, as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {}
