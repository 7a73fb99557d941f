//! What an operator's DIR is: a node's data directory, or a journal alone.
//!
//! ```text
//! DATA/journal/        the journal             JOURNAL/HEAD, JOURNAL/segments/, …
//! DATA/genesis.toml    the chain               JOURNAL/genesis.toml
//! DATA/last-commit     signs the last block    JOURNAL/last-commit
//! DATA/proofs/         proofs
//! ```
//!
//! A journal directory named `journal` has its companions one level up, too.

use std::path::{Path, PathBuf};

use crowdfold_config::{Genesis, ValidGenesis};

use super::{Failure, read_genesis, unusable};
use crate::node::tip::{self, SignedTip};

/// The genesis' file in a data directory.
const GENESIS: &str = "genesis.toml";
/// What only a journal's directory has, whatever else is lost.
const MARKS: [&str; 5] = ["HEAD", "segments", "FLOOR", "LOCK", "sled"];

/// A journal with what lies beside it.
#[derive(Clone, Debug)]
pub(super) struct Data {
    /// The journal's directory.
    pub(super) journal: PathBuf,
    /// Where its companions are: the data directory, or the journal's own.
    pub(super) beside: PathBuf,
    /// Whether `beside` is a data directory.
    pub(super) is_node: bool,
    genesis: Option<PathBuf>,
}

impl Data {
    /// Takes `dir` as a node's data directory or as a journal; `genesis`
    /// overrides the genesis found beside it.
    pub(super) fn find(dir: &Path, genesis: Option<&Path>) -> Result<Self, Failure> {
        if !dir.is_dir() {
            let found = if dir.exists() { "not a directory" } else { "there is no such directory" };
            return Err(unusable(dir.display(), found));
        }
        let inner = dir.join("journal");
        let (journal, beside, is_node) = if inner.is_dir() {
            (inner, dir.to_owned(), true)
        } else if MARKS.iter().any(|mark| dir.join(mark).exists()) {
            let parent = std::fs::canonicalize(dir).ok().filter(|full| full.ends_with("journal"));
            let parent = parent.and_then(|full| full.parent().map(Path::to_owned));
            match parent.filter(|_| !dir.join(GENESIS).exists()) {
                Some(parent) => (dir.to_owned(), parent, true),
                None => (dir.to_owned(), dir.to_owned(), false),
            }
        } else {
            return Err(unusable(dir.display(), "neither a node's data directory nor a journal"));
        };
        let found = Some(beside.join(GENESIS)).filter(|file| file.exists());
        Ok(Self { journal, beside, is_node, genesis: genesis.map(Path::to_owned).or(found) })
    }

    /// The genesis' file, or the preset named by the operator.
    pub(super) fn genesis_file(&self) -> Option<&Path> {
        self.genesis.as_deref()
    }

    /// The chain; an error says how to name it when it is not found.
    pub(super) fn genesis(&self) -> Result<Genesis, Failure> {
        let missing = || unusable(self.beside.join(GENESIS).display(), "not found; name the chain with --genesis FILE");
        read_genesis(self.genesis_file().ok_or_else(missing)?)
    }

    /// The chain, checked, with its hash.
    pub(super) fn valid_genesis(&self) -> Result<ValidGenesis, Failure> {
        let genesis = self.genesis()?;
        let file = self.genesis_file().unwrap_or(&self.beside);
        genesis.validate().map_err(|error| unusable(file.display(), error))
    }

    /// What a node said of the last block, if it is there.
    pub(super) fn tip(&self) -> Result<Option<SignedTip>, tip::TipError> {
        tip::read(&self.beside)
    }

    /// The proofs' directory, if there is one.
    pub(super) fn proofs(&self) -> Option<PathBuf> {
        Some(self.beside.join("proofs")).filter(|dir| dir.is_dir())
    }
}
