//! The commitment key's file, as others are given it.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use alloy_primitives::{Bytes, keccak256};
use crowdfold_events::B256;

/// Why a key's file cannot be given. The disk, or whoever changed the file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The system.
    #[error("read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is another file than it was.
    #[error("{}: keccak-256 is {found}, not {expected}", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What it was.
        expected: B256,
        /// What it is.
        found: B256,
    },
}

#[derive(Debug)]
struct Inner {
    digest: B256,
    /// Where it is read from; what is in memory from the start has no file.
    path: PathBuf,
    bytes: OnceLock<Bytes>,
    reading: Mutex<()>,
}

/// A commitment key's file: read and checked when it is first asked for, then
/// kept once for everybody. Cloning shares it.
#[derive(Clone, Debug)]
pub struct KeyFile(Arc<Inner>);

impl KeyFile {
    /// A file that is `digest` now; it is not kept until it is asked for.
    ///
    /// # Errors
    /// [`KeyFileError`].
    pub fn open(path: PathBuf, digest: B256) -> Result<Self, KeyFileError> {
        read(&path, digest)?;
        Ok(Self(Arc::new(Inner { digest, path, bytes: OnceLock::new(), reading: Mutex::new(()) })))
    }

    /// A key without a file.
    #[must_use]
    pub fn in_memory(bytes: Bytes) -> Self {
        let digest = keccak256(&bytes);
        let bytes = OnceLock::from(bytes);
        Self(Arc::new(Inner { digest, path: PathBuf::new(), bytes, reading: Mutex::new(()) }))
    }

    /// Keccak-256 of the bytes.
    #[must_use]
    pub fn digest(&self) -> B256 {
        self.0.digest
    }

    /// The bytes, if somebody asked before.
    #[must_use]
    pub fn loaded(&self) -> Option<&Bytes> {
        self.0.bytes.get()
    }

    /// The bytes; blocks while they are read the first time.
    ///
    /// # Errors
    /// [`KeyFileError`]; asking again reads again.
    pub fn load(&self) -> Result<&Bytes, KeyFileError> {
        // Nothing is guarded but the reading itself.
        let _one = self.0.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = self.0.bytes.get() {
            return Ok(bytes);
        }
        let bytes = read(&self.0.path, self.0.digest)?;
        Ok(self.0.bytes.get_or_init(|| bytes))
    }
}

fn read(path: &PathBuf, expected: B256) -> Result<Bytes, KeyFileError> {
    let bytes = std::fs::read(path).map_err(|source| KeyFileError::Read { path: path.clone(), source })?;
    let found = keccak256(&bytes);
    if found == expected {
        Ok(bytes.into())
    } else {
        Err(KeyFileError::Changed { path: path.clone(), expected, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_when_asked_for_and_only_as_what_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let digest = keccak256(b"points");
        assert!(matches!(KeyFile::open(path.clone(), digest), Err(KeyFileError::Read { .. })));
        std::fs::write(&path, b"pointz").unwrap();
        assert!(matches!(KeyFile::open(path.clone(), digest), Err(KeyFileError::Changed { .. })));
        std::fs::write(&path, b"points").unwrap();
        let file = KeyFile::open(path.clone(), digest).unwrap();
        assert!(file.loaded().is_none() && file.digest() == digest);
        std::fs::write(&path, b"pointz").unwrap();
        assert!(matches!(file.load(), Err(KeyFileError::Changed { .. })));
        std::fs::write(&path, b"points").unwrap();
        assert_eq!(file.load().unwrap().as_ref(), b"points");
        std::fs::remove_file(&path).unwrap();
        let again = file.clone();
        assert!(std::ptr::eq(file.load().unwrap(), again.load().unwrap()), "one copy for all");
        let memory = KeyFile::in_memory(Bytes::from_static(b"points"));
        assert_eq!((memory.digest(), memory.load().unwrap().as_ref()), (digest, b"points".as_slice()));
    }
}
