//! One writer for a directory.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
};

use crate::JournalError;

/// Held by the writer. The system lets go of it when the process dies.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the lock of a directory, if nobody has it.
    pub(crate) fn take(dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join("LOCK");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(JournalError::io("create", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(JournalError::InUse { path }),
            Err(TryLockError::Error(e)) => Err(JournalError::io("lock", &path)(e)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file is not enough while a child that this process is
        // just starting still has a copy of the handle. There is nobody to
        // tell of a failure, and nothing is lost by it.
        self.0.unlock().unwrap_or_default();
    }
}
