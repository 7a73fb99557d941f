//! Proof parameters of a chain: made or loaded once per process.
//!
//! The development key is deterministic; its digest is a constant, so a
//! cached file is trusted only as far as it hashes to it. The cache is
//! `$CROWDFOLD_PARAMS`, else the user's cache directory; a cache that cannot be
//! read or written costs time, never correctness.

mod file;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, mpsc},
    time::{Duration, Instant},
};

use alloy_primitives::{b256, keccak256};

use crowdfold_config::{Pinned, Setup as SetupKind, ValidGenesis};
use crowdfold_events::B256;
use crowdfold_zk::{
    item::{DEVELOPMENT_KEY, LOG_SIZE, UniversalShapeError, padded_shape},
    proof::{
        error::{KeyError, ShapeError},
        key::{HEADER_LEN, Key, KeyHeader, Setup},
        params::{ProofParams, VerifierParams},
    },
    statement::scalar_to_be,
};
use tracing::{debug, info, warn};

pub use self::file::{KeyFile, KeyFileError};
use crate::proofs::store::write_durably;

/// Keccak-256 of the file of the development key: what a genesis names.
pub const DEVELOPMENT_KEY_FILE: B256 = b256!("fb884c1caf3356db67221574665de74b6795cc32c4ff8b441b253831f1355865");
/// How often somebody who waits for a key to be made hears of it.
const STILL_MAKING: Duration = Duration::from_secs(10);

/// Why the parameters of a chain cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ParamsError {
    /// The universal shape; a bug.
    #[error(transparent)]
    Synthesis(#[from] UniversalShapeError),
    /// The key does not fit the shape or the genesis.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The key; the cache or a bug is at fault.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The genesis pins another shape than this program has; the operator runs
    /// a program that is too old or too new for the chain.
    #[error("the genesis pins the verifying key {expected}, this program has {found}")]
    Pinned {
        /// In the genesis.
        expected: B256,
        /// Of this program.
        found: B256,
    },
    /// The genesis names another commitment key than this program has; the
    /// operator runs a program that is too old or too new for the chain.
    #[error("the genesis names the commitment key {expected:?}, this program has {found}")]
    OtherKey {
        /// In the genesis.
        expected: Pinned,
        /// Of this program.
        found: B256,
    },
    /// The key's file.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The chain's proofs are declared, not made; the operator wants `crowdfold sim`.
    #[error("the genesis declares simulated proofs: there is nothing to prove or verify with")]
    Simulated,
}

/// What proving on this chain needs. Takes seconds the first time.
///
/// # Errors
/// [`ParamsError`].
pub fn prover(genesis: &ValidGenesis) -> Result<Arc<ProofParams>, ParamsError> {
    let setup = setup(genesis)?;
    static CELL: OnceLock<Arc<ProofParams>> = OnceLock::new();
    let params = match CELL.get() {
        Some(params) => params.clone(),
        None => {
            info!("loading proof parameters");
            let made = quietly(|| Ok::<_, ParamsError>(Arc::new(ProofParams::new(padded_shape()?, key()?, &setup)?)))?;
            CELL.get_or_init(|| made).clone()
        }
    };
    pinned(genesis, params.verifier())?;
    Ok(params)
}

/// What verifying on this chain needs; no points of the key are loaded.
///
/// # Errors
/// [`ParamsError`].
pub fn verifier(genesis: &ValidGenesis) -> Result<Arc<VerifierParams>, ParamsError> {
    let setup = setup(genesis)?;
    static CELL: OnceLock<Arc<VerifierParams>> = OnceLock::new();
    let params = match CELL.get() {
        Some(params) => params.clone(),
        None => {
            let made =
                quietly(|| Ok::<_, ParamsError>(Arc::new(VerifierParams::new(&padded_shape()?, &header()?, &setup)?)))?;
            CELL.get_or_init(|| made).clone()
        }
    };
    pinned(genesis, &params)?;
    Ok(params)
}

/// Runs `make` with standard output shut: halo2curves prints every bit of a
/// constant when it checks a point of G2, which would spoil JSON on stdout.
fn quietly<T>(make: impl FnOnce() -> T) -> T {
    let shut = gag::Gag::stdout();
    if let Err(error) = &shut {
        debug!(%error, "standard output stays open");
    }
    let made = make();
    drop(shut);
    made
}

fn setup(genesis: &ValidGenesis) -> Result<Setup, ParamsError> {
    let system = &genesis.genesis.proof_system;
    match system.setup {
        SetupKind::Development if system.key != Pinned::Is(DEVELOPMENT_KEY_FILE) => {
            Err(ParamsError::OtherKey { expected: system.key, found: DEVELOPMENT_KEY_FILE })
        }
        SetupKind::Development => Ok(Setup::Development { digest: DEVELOPMENT_KEY }),
        SetupKind::Simulated => Err(ParamsError::Simulated),
    }
}

fn pinned(genesis: &ValidGenesis, params: &VerifierParams) -> Result<(), ParamsError> {
    let found = B256::from(scalar_to_be(&params.vk_digest()));
    match genesis.genesis.proof_system.shape {
        Pinned::Is(expected) if expected != found => Err(ParamsError::Pinned { expected, found }),
        Pinned::Is(_) | Pinned::Unset => Ok(()),
    }
}

fn header() -> Result<KeyHeader, ParamsError> {
    let cached =
        cache_file().and_then(|file| read_start(&file, HEADER_LEN)).and_then(|b| KeyHeader::from_bytes(&b).ok());
    match cached {
        Some(header) if header.digest() == DEVELOPMENT_KEY => Ok(header),
        _ => Ok(key()?.header().clone()),
    }
}

fn key() -> Result<Key, ParamsError> {
    let file = cache_file();
    if let Some(bytes) = file.as_deref().and_then(|file| std::fs::read(file).ok()) {
        match Key::from_bytes(&bytes) {
            Ok(key) if key.digest() == DEVELOPMENT_KEY => return Ok(key),
            Ok(_) => warn!("the cached commitment key is another one; making it anew"),
            Err(error) => warn!(%error, "the cached commitment key is damaged; making it anew"),
        }
    }
    info!("making the development commitment key of 2^{LOG_SIZE} points");
    let key = announcing(|| Key::development(LOG_SIZE))?;
    if file.is_some() {
        cache(&key.to_bytes());
    }
    Ok(key)
}

/// Runs what takes long and says so now and then.
fn announcing<T>(make: impl FnOnce() -> T) -> T {
    let (done, waiting) = mpsc::channel::<()>();
    let started = Instant::now();
    let teller = std::thread::spawn(move || {
        while waiting.recv_timeout(STILL_MAKING) == Err(mpsc::RecvTimeoutError::Timeout) {
            info!(seconds = started.elapsed().as_secs(), "still making the commitment key");
        }
    });
    let made = make();
    drop(done);
    // It ends at once, and has nothing to say that matters.
    teller.join().unwrap_or_default();
    made
}

/// Writes a key's bytes to the cache; whether they are there now.
fn cache(bytes: &[u8]) -> bool {
    let Some(file) = cache_file() else { return false };
    let made = file.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(|error| error.to_string());
    match made.and_then(|()| write_durably(&file, bytes).map_err(|error| error.to_string())) {
        Ok(()) => true,
        Err(error) => {
            debug!(%error, "the commitment key is not cached");
            false
        }
    }
}

/// The key's file of a chain, to give it to others. Makes the key if it is
/// not cached, which takes a minute or two; keeps it in memory if it cannot be cached.
///
/// # Errors
/// [`ParamsError`].
pub fn key_file(genesis: &ValidGenesis) -> Result<KeyFile, ParamsError> {
    setup(genesis)?;
    if let Some(file) = cache_file().and_then(|path| KeyFile::open(path, DEVELOPMENT_KEY_FILE).ok()) {
        return Ok(file);
    }
    let bytes = quietly(key)?.to_bytes();
    match cache_file().and_then(|path| KeyFile::open(path, DEVELOPMENT_KEY_FILE).ok()) {
        Some(file) => Ok(file),
        None => Ok(KeyFile::in_memory(bytes.into())),
    }
}

/// The digest of the key that a chain's prover needs and this machine has not;
/// `None` if it is cached.
///
/// # Errors
/// [`ParamsError`]: the program has no such key.
pub fn wanted_key(genesis: &ValidGenesis) -> Result<Option<B256>, ParamsError> {
    setup(genesis)?;
    let cached = cache_file().and_then(|file| read_start(&file, HEADER_LEN));
    let header = cached.and_then(|bytes| quietly(|| KeyHeader::from_bytes(&bytes)).ok());
    Ok(header.is_none_or(|header| header.digest() != DEVELOPMENT_KEY).then_some(DEVELOPMENT_KEY_FILE))
}

/// Keeps a key that somebody gave, if it is the one; whether it is kept.
#[must_use]
pub fn keep_key(bytes: &[u8]) -> bool {
    keccak256(bytes) == DEVELOPMENT_KEY_FILE && cache(bytes)
}

fn read_start(file: &Path, bytes: usize) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut start = vec![0; bytes];
    std::fs::File::open(file).ok()?.read_exact(&mut start).ok()?;
    Some(start)
}

fn cache_file() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let dir = std::env::var_os("CROWDFOLD_PARAMS")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home).map(|d| d.join("crowdfold")))?;
    Some(dir.join(format!("development-{LOG_SIZE}.key")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_pin_this_programs_verifying_key() {
        for preset in [crowdfold_config::DEMO, crowdfold_config::LOCAL] {
            let genesis = crowdfold_config::Genesis::from_toml(preset).unwrap().validate().unwrap();
            assert!(matches!(genesis.genesis.proof_system.shape, Pinned::Is(_)), "the preset pins no key");
            assert_eq!(genesis.genesis.proof_system.key, Pinned::Is(DEVELOPMENT_KEY_FILE));
            verifier(&genesis).unwrap();
            let mut other = genesis.genesis.clone();
            other.proof_system.key = Pinned::Is(B256::ZERO);
            let other = other.validate().unwrap();
            assert!(matches!(verifier(&other), Err(ParamsError::OtherKey { .. })));
            assert!(matches!(key_file(&other), Err(ParamsError::OtherKey { .. })));
            assert!(matches!(wanted_key(&other), Err(ParamsError::OtherKey { .. })));
        }
    }

    #[test]
    fn the_development_key_is_the_pinned_one() {
        let key = Key::development(LOG_SIZE).unwrap();
        assert_eq!(key.digest(), DEVELOPMENT_KEY);
        assert_eq!(keccak256(key.to_bytes()), DEVELOPMENT_KEY_FILE);
    }
}
