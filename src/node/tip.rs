//! `last-commit`: what certifies the last block, which no later block does yet.
//!
//! A commit is in the body of the next block, so the last block's is in no
//! journal. The node keeps it in a file beside the journal, with its own
//! signature over where the block's events end, because a header binds only
//! the events before it.
//!
//! ```text
//! crowdfold last commit 1
//! height 12
//! header 0x…
//! signed 0x<address> 0x<signature>      of the header; one line per validator
//! events 4711                           end of the block's events
//! head 0x…                              the event chain there
//! stated 0x<address> 0x<signature>      by the node's validator
//! ```
//!
//! The file is no part of the canonical history: it may be missing or one
//! block behind, and whoever reads it checks the signatures.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use alloy_primitives::{Keccak256, hex};
use crowdfold_events::{Address, B256, Commit, CommitSignature, EventSeq, Height, Signer};
use crowdfold_journal::Head;

/// Name of the file in a data directory.
pub const FILE: &str = "last-commit";
/// Longest file, in bytes.
const MAX_BYTES: u64 = 64 << 10;

const TITLE: &str = "crowdfold last commit 1";
const DOMAIN: &[u8] = b"crowdfold/tip/1\0";

/// The commit of a block, and a validator's word on the events up to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTip {
    /// Certifies the header.
    pub commit: Commit,
    /// Where the block's events end.
    pub head: Head,
    /// Who says so: the signature is over [`digest`].
    pub stated: CommitSignature,
}

/// Why there is no tip to read or none was kept. The disk or whoever changed
/// the file is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TipError {
    /// The system.
    #[error("{}: {step}: {detail}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        step: &'static str,
        /// The system's words.
        detail: String,
    },
    /// The text is not of the form.
    #[error("{}: line {line} is not `{expected}`", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// What it should be.
        expected: &'static str,
    },
}

/// What the node's validator signs: keccak-256 of a domain, the genesis' hash,
/// the height, the number of events up to the block's end and their head.
#[must_use]
pub fn digest(genesis_hash: &B256, height: Height, head: &Head) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update(DOMAIN);
    hasher.update(genesis_hash);
    hasher.update(height.0.to_be_bytes());
    hasher.update(head.next.0.to_be_bytes());
    hasher.update(head.hash);
    hasher.finalize()
}

impl SignedTip {
    /// The file's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Self { commit, head, stated } = self;
        let line = |word: &str, s: &CommitSignature| {
            format!("{word} 0x{} 0x{}\n", hex::encode(s.validator), hex::encode(&s.signature))
        };
        let signed: String = commit.signatures.iter().map(|s| line("signed", s)).collect();
        format!(
            "{TITLE}\nheight {}\nheader {}\n{signed}events {}\nhead {}\n{}",
            commit.height,
            commit.header_hash,
            head.next,
            head.hash,
            line("stated", stated)
        )
    }

    /// Reads a file's text; an error has the line and what it should be.
    fn from_text(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut lines = text.lines().enumerate().map(|(i, line)| (i + 1, line)).peekable();
        let mut next = |name: &str, expected: &'static str| {
            let (at, line) = lines.next().unwrap_or((0, ""));
            line.strip_prefix(name).map(|rest| (at, rest)).ok_or((at, expected))
        };
        let (at, rest) = next(TITLE, TITLE)?;
        if !rest.is_empty() {
            return Err((at, TITLE));
        }
        let (at, height) = next("height ", "height N")?;
        let height = Height(height.parse().map_err(|_| (at, "height N"))?);
        let (at, header) = next("header ", "header 0x…")?;
        let header_hash = hash(header).ok_or((at, "header 0x…"))?;
        let mut signatures = Vec::new();
        while let Some((at, line)) = lines.next_if(|(_, line)| line.starts_with("signed ")) {
            let signed = line.strip_prefix("signed ").and_then(signature);
            signatures.push(signed.ok_or((at, "signed 0x… 0x…"))?);
        }
        let mut next = |name: &str, expected: &'static str| {
            let (at, line) = lines.next().unwrap_or((0, ""));
            line.strip_prefix(name).map(|rest| (at, rest)).ok_or((at, expected))
        };
        let (at, events) = next("events ", "events N")?;
        let events = EventSeq(events.parse().map_err(|_| (at, "events N"))?);
        let (at, head) = next("head ", "head 0x…")?;
        let head = Head { next: events, hash: hash(head).ok_or((at, "head 0x…"))? };
        let (at, stated) = next("stated ", "stated 0x… 0x…")?;
        let stated = signature(stated).ok_or((at, "stated 0x… 0x…"))?;
        match lines.next() {
            Some((at, _)) => Err((at, "the end")),
            None => Ok(Self { commit: Commit { height, header_hash, signatures }, head, stated }),
        }
    }
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    hex::decode(text.strip_prefix("0x")?).ok()?.try_into().ok()
}

fn hash(text: &str) -> Option<B256> {
    bytes(text).map(B256::new)
}

fn signature(text: &str) -> Option<CommitSignature> {
    let (validator, signature) = text.split_once(' ')?;
    Some(CommitSignature { validator: Address::new(bytes(validator)?), signature: bytes::<65>(signature)?.to_vec() })
}

/// Reads the file of a data directory; `None` when there is none.
///
/// # Errors
/// [`TipError`].
pub fn read(data_dir: &Path) -> Result<Option<SignedTip>, TipError> {
    let path = data_dir.join(FILE);
    let io = |step, fault: std::io::Error| TipError::Io { path: path.clone(), step, detail: fault.to_string() };
    match std::fs::metadata(&path) {
        Ok(found) if found.len() > MAX_BYTES => {
            return Err(TipError::Line { path, line: 1, expected: TITLE });
        }
        Ok(_) => {}
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(fault) => return Err(io("look at it", fault)),
    }
    let found = std::fs::read(&path).map_err(|fault| io("read", fault))?;
    let text = String::from_utf8_lossy(&found);
    SignedTip::from_text(&text).map(Some).map_err(|(line, expected)| TipError::Line { path, line, expected })
}

/// Writes tips of one node.
pub struct TipKeeper {
    data_dir: PathBuf,
    genesis_hash: B256,
    signer: Signer,
}

impl TipKeeper {
    /// Keeps them in `data_dir`, stated by `signer`.
    #[must_use]
    pub fn new(data_dir: PathBuf, genesis_hash: B256, signer: Signer) -> Self {
        Self { data_dir, genesis_hash, signer }
    }

    /// Replaces the file at once, so that a reader sees the old or the new one.
    /// A power cut may lose it: nothing depends on it, and the node writes it
    /// again when it starts.
    ///
    /// # Errors
    /// [`TipError::Io`].
    pub fn keep(&self, commit: &Commit, head: Head) -> Result<(), TipError> {
        let digest = digest(&self.genesis_hash, commit.height, &head);
        let stated =
            CommitSignature { validator: self.signer.address(), signature: self.signer.sign(&digest).to_vec() };
        let text = SignedTip { commit: commit.clone(), head, stated }.to_text();
        write(&self.data_dir.join(FILE), text.as_bytes())
    }
}

/// Replaces a small file at once.
///
/// # Errors
/// [`TipError::Io`].
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), TipError> {
    let io =
        |step| move |fault: std::io::Error| TipError::Io { path: path.to_owned(), step, detail: fault.to_string() };
    let temporary = path.with_extension("new");
    let mut file = std::fs::File::create(&temporary).map_err(io("create"))?;
    file.write_all(bytes).map_err(io("write"))?;
    drop(file);
    std::fs::rename(&temporary, path).map_err(io("rename"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tip_is_read_as_it_was_kept_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), Ok(None));
        let signer = Signer::from_bytes(&[7; 32]).unwrap();
        let commit = crowdfold_kernel::commit::sign_commit(&signer, &B256::ZERO, Height(3), B256::repeat_byte(4));
        let head = Head { next: EventSeq(9), hash: B256::repeat_byte(5) };
        TipKeeper::new(dir.path().to_owned(), B256::ZERO, signer.clone()).keep(&commit, head).unwrap();
        let tip = read(dir.path()).unwrap().unwrap();
        assert_eq!((&tip.commit, tip.head), (&commit, head));
        assert_eq!(tip.stated.signature, signer.sign(&digest(&B256::ZERO, Height(3), &head)).to_vec());
        let text = tip.to_text();
        assert_eq!(SignedTip::from_text(&text), Ok(tip));
        for (from, to, line) in [
            ("crowdfold", "crowdfolk", 1),
            ("height 3", "height 3.5", 2),
            ("height 3", "height 99999999999999999999999", 2),
            ("header 0x04", "header 0x", 3),
            ("signed 0x", "signed ", 4),
            ("events", "event", 5),
            ("head 0x05", "head 0x0505", 6),
            ("stated", "signed", 7),
        ] {
            let altered = text.replace(from, to);
            assert_ne!(altered, text, "{from}");
            assert!(matches!(SignedTip::from_text(&altered), Err((at, _)) if at == line), "{from} → {to}");
        }
        assert!(SignedTip::from_text(&format!("{text}x")).is_err());
        for garbage in [vec![], vec![0xff; 100], vec![b'x'; 100_000]] {
            std::fs::write(dir.path().join(FILE), garbage).unwrap();
            assert!(matches!(read(dir.path()), Err(TipError::Line { line: 0 | 1, .. })));
        }
    }
}
