//! The proof store: files named by the Keccak-256 of their content.
//!
//! A proof is durable here before its message is acknowledged. A file is
//! written under a temporary name, synced, renamed, and the directory synced,
//! so a name always has its whole content; the hash is checked again at every
//! read, because the disk may lie. Proofs are kept for as long as the journal
//! is: nothing is deleted.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use alloy_primitives::{B256, keccak256};

/// Largest proof that is stored, in bytes: an item of 64 segments takes about 25 kB.
pub const MAX_PROOF_BYTES: usize = 1 << 17;

/// How long proofs are kept, in words.
pub const RETENTION: &str = "for as long as the journal: nothing is deleted";

/// What can go wrong with the store; the disk or its operator is at fault
/// unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused.
    #[error("{action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The proof is larger than [`MAX_PROOF_BYTES`]; its sender is at fault.
    #[error("a proof of {bytes} bytes, at most {MAX_PROOF_BYTES} are stored")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The content does not hash to the name.
    #[error("the content of proof {name} hashes to {found}")]
    Corrupt {
        /// The name.
        name: B256,
        /// The hash of what is there.
        found: B256,
    },
}

/// A directory of proofs.
#[derive(Clone, Debug)]
pub struct ProofStore {
    dir: PathBuf,
}

impl ProofStore {
    /// Opens the store, creating the directory.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let dir = dir.into();
        fs::create_dir_all(&dir).map_err(io_error("create directory", &dir))?;
        Ok(Self { dir })
    }

    /// Stores a proof durably and returns its name. Storing it again is free.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn put(&self, proof: &[u8]) -> Result<B256, StoreError> {
        if proof.len() > MAX_PROOF_BYTES {
            return Err(StoreError::TooLarge { bytes: proof.len() });
        }
        let name = keccak256(proof);
        if self.get(name)?.is_some() {
            return Ok(name);
        }
        write_durably(&self.path(name), proof)?;
        Ok(name)
    }

    /// Reads a proof; `None` if it is not here.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the content is not the name's.
    pub fn get(&self, name: B256) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error("read", &path)(error)),
        };
        let found = keccak256(&bytes);
        if found == name { Ok(Some(bytes)) } else { Err(StoreError::Corrupt { name, found }) }
    }

    fn path(&self, name: B256) -> PathBuf {
        self.dir.join(hex::encode(name))
    }
}

/// Writes a file so that its name never has half of its content, even after a
/// power cut.
///
/// # Errors
/// [`StoreError::Io`].
pub fn write_durably(path: &Path, content: &[u8]) -> Result<(), StoreError> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary).map_err(io_error("create", &temporary))?;
    file.write_all(content).map_err(io_error("write", &temporary))?;
    file.sync_all().map_err(io_error("sync", &temporary))?;
    fs::rename(&temporary, path).map_err(io_error("rename", &temporary))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(io_error("sync", dir))
}

fn io_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> StoreError + 'a {
    move |source| StoreError::Io { action, path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_got_under_its_hash() {
        let dir = tempfile::tempdir().unwrap();
        let store = ProofStore::open(dir.path().join("proofs")).unwrap();
        let name = store.put(b"a proof").unwrap();
        assert_eq!(name, keccak256(b"a proof"));
        assert_eq!(store.put(b"a proof").unwrap(), name);
        assert_eq!(store.get(name).unwrap().unwrap(), b"a proof");
        assert!(store.get(B256::ZERO).unwrap().is_none());
    }

    #[test]
    fn changed_content_is_reported_never_returned() {
        let dir = tempfile::tempdir().unwrap();
        let store = ProofStore::open(dir.path()).unwrap();
        let name = store.put(b"a proof").unwrap();
        fs::write(dir.path().join(hex::encode(name)), b"a lie").unwrap();
        assert!(matches!(store.get(name), Err(StoreError::Corrupt { name: n, .. }) if n == name));
    }

    #[test]
    fn an_oversized_proof_is_refused_before_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let store = ProofStore::open(dir.path()).unwrap();
        assert!(matches!(store.put(&vec![0; MAX_PROOF_BYTES + 1]), Err(StoreError::TooLarge { .. })));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
