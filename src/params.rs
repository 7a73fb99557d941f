//! Proof parameters of a chain: made or loaded once per process.
//!
//! The development key is deterministic; its digest is a constant, so a
//! cached file is trusted only as far as it hashes to it. The cache is
//! `$CROWDFOLD_PARAMS`, else the user's cache directory; a cache that cannot be
//! read or written costs time, never correctness.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use crowdfold_config::{Setup as SetupKind, ShapeDigest, ValidGenesis};
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

use crate::proofs::store::write_durably;

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
    match genesis.genesis.proof_system.setup {
        SetupKind::Development => Ok(Setup::Development { digest: DEVELOPMENT_KEY }),
        SetupKind::Simulated => Err(ParamsError::Simulated),
    }
}

fn pinned(genesis: &ValidGenesis, params: &VerifierParams) -> Result<(), ParamsError> {
    let found = B256::from(scalar_to_be(&params.vk_digest()));
    match genesis.genesis.proof_system.shape {
        ShapeDigest::Is(expected) if expected != found => Err(ParamsError::Pinned { expected, found }),
        ShapeDigest::Is(_) | ShapeDigest::Unset => Ok(()),
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
    let key = Key::development(LOG_SIZE)?;
    if let Some(file) = file {
        let written = file.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(|error| error.to_string());
        if let Err(error) = written.and_then(|()| write_durably(&file, &key.to_bytes()).map_err(|e| e.to_string())) {
            debug!(%error, "the commitment key is not cached");
        }
    }
    Ok(key)
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
            assert!(matches!(genesis.genesis.proof_system.shape, ShapeDigest::Is(_)), "the preset pins no key");
            verifier(&genesis).unwrap();
        }
    }

    #[test]
    fn the_development_key_is_the_pinned_one() {
        assert_eq!(Key::development(LOG_SIZE).unwrap().digest(), DEVELOPMENT_KEY);
    }
}
