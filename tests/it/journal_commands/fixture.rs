//! A data directory made by the kernel alone, and the program beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, OnceLock},
};

use crowdfold::node::tip::TipKeeper;
use crowdfold_config::Genesis;
use crowdfold_events::{Address, B256, Commit, EventSeq, Signer, StoredEvent};
use crowdfold_journal::{Frame, Head, JournalStore, Options, RealDisk, SledJournal};
use serde_json::Value;

use crate::audit::chains::{
    eventful, stored,
    world::{ALICE, VALIDATOR, World},
};

/// Small segments, so that a short chain has many.
const SEGMENT_BYTES: u64 = 20 << 10;

#[derive(Clone)]
pub struct Chain {
    pub genesis: Genesis,
    pub genesis_hash: B256,
    pub validator: Signer,
    pub events: Vec<StoredEvent>,
    pub height: u64,
    /// Of the last block.
    pub commit: Commit,
}

static CHAIN: OnceLock<(PathBuf, Chain)> = OnceLock::new();

/// The chain's world, made anew.
pub fn world() -> World {
    let mut world = eventful();
    world.transfer(ALICE, Address::repeat_byte(0xab), 5);
    world.step();
    world
}

fn original() -> &'static (PathBuf, Chain) {
    CHAIN.get_or_init(|| {
        let world = world();
        let chain = Chain {
            genesis: world.state.genesis().clone(),
            genesis_hash: world.state.genesis_hash(),
            validator: world.validator.clone(),
            events: stored(&world.log),
            height: world.state.height().0,
            commit: world.commit.clone(),
        };
        let dir = tempfile::tempdir().unwrap().keep();
        write_data(&dir, &chain);
        (dir, chain)
    })
}

/// A chain with everything in it.
pub fn chain() -> Chain {
    original().1.clone()
}

impl Chain {
    /// The validator's key, as the kernel's tests make it.
    pub fn validator_secret(&self) -> [u8; 32] {
        let mut secret = [0x11; 32];
        secret[31] = VALIDATOR;
        assert_eq!(Signer::from_bytes(&secret).unwrap().address(), self.validator.address());
        secret
    }
}

/// Cuts events into blocks and appends them.
pub fn write_journal(dir: &Path, events: &[StoredEvent]) -> Head {
    let options = Options { segment_bytes: SEGMENT_BYTES, ..Options::default() };
    let mut journal = SledJournal::open_with(dir, options, Arc::new(RealDisk)).unwrap();
    for frame in frames(events) {
        let at = journal.head().next;
        journal.append(&[frame], at).unwrap();
    }
    journal.head()
}

pub fn frames(events: &[StoredEvent]) -> Vec<Frame> {
    let ends = |e: &StoredEvent| matches!(e.event_type(), 1 | 3);
    events.split_inclusive(ends).map(|block| Frame::new(block.to_vec()).unwrap()).collect()
}

/// A node's data directory with this chain.
pub fn write_data(dir: &Path, chain: &Chain) -> Head {
    let head = write_journal(&dir.join("journal"), &chain.events);
    fs::write(dir.join("genesis.toml"), chain.genesis.to_toml().unwrap()).unwrap();
    let tips = TipKeeper::new(dir.to_owned(), chain.genesis_hash, chain.validator.clone());
    tips.keep(&chain.commit, head).unwrap();
    head
}

/// A copy of one data directory that all tests share and nobody changes.
pub fn data() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&original().0, dir.path());
    dir
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Every file below a directory with its bytes.
pub fn bytes_of(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(bytes_of(&path));
        } else {
            all.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crowdfold"));
    command.arg("journal").args(args).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// `crowdfold journal ARGS`.
pub fn journal(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

pub fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The JSON result of a command that ends with `expected`.
pub fn json(args: &[&str], expected: i32) -> Value {
    let output = journal(&[args, &["--json"]].concat());
    assert_eq!(code(&output), expected, "{args:?}: {}{}", out(&output), err(&output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}: {}", out(&output)))
}

/// The text of a command that works.
pub fn text(args: &[&str]) -> String {
    let output = journal(args);
    assert_eq!(code(&output), 0, "{args:?}: {}{}", out(&output), err(&output));
    out(&output)
}

/// What is said on standard error by a command that ends with `expected`.
pub fn fails(args: &[&str], expected: i32) -> String {
    let output = journal(args);
    assert_eq!(code(&output), expected, "{args:?}: {}{}", out(&output), err(&output));
    let said = err(&output);
    assert!(said.contains("error: "), "{args:?} says why: {said}");
    said
}

/// JSON lines.
pub fn lines(args: &[&str]) -> Vec<Value> {
    let output = journal(&[args, &["--json"]].concat());
    assert_eq!(code(&output), 0, "{args:?}: {}", err(&output));
    out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn path(dir: &Path) -> &str {
    dir.to_str().unwrap()
}

pub fn seq(value: &Value) -> EventSeq {
    EventSeq(value.as_u64().unwrap())
}
