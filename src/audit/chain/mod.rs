//! Whether blocks hang together and were decided: links and signatures,
//! without executing anything.
//!
//! ```text
//! header h   binds  its body, its parent's header, the events up to its parent's end
//! commit of h   binds  header h;  it is in the body of h + 1
//! last-commit   binds  the last header and, by one validator's word, its events
//! ```
//!
//! So when the commit of `h` is good, every event before block `h` is one that
//! the validators signed for: a journal all of whose later hashes were made
//! anew still fails. What this never shows is that the events follow from the
//! blocks: that takes execution, which the audit does.

mod report;

use crowdfold_config::ValidGenesis;
use crowdfold_events::{
    B256, BlockBody, BlockHeader, CodecError, Commit, Event, EventSeq, Height, StoredEvent,
    codec::{TAG_BLOCK_SEALED, TAG_GENESIS_LOADED},
    encode_event, signing,
};
use crowdfold_journal::Head;
use crowdfold_kernel::{
    CommitFault, Kernel, RULES_VERSION, StartFault,
    commit::{commit_digest, validators_hash, verify_signatures},
};

pub use self::report::{ChainFault, ChainFaultKind, ChainReport, Tip};
use crate::node::tip::{self, SignedTip};

/// Type of `BlockDecided`, the first event of a block.
const TAG_BLOCK_DECIDED: u32 = 2;

/// The block before.
#[derive(Clone, Copy, Debug)]
struct Last {
    height: Height,
    /// Of its header; of the genesis for height 0.
    hash: B256,
    before: Head,
    after: Head,
    /// Whether it was looked at itself, and everything before it.
    is_whole: bool,
}

/// Checks a journal block by block.
pub struct ChainCheck<'a> {
    genesis: &'a ValidGenesis,
    opening: Vec<StoredEvent>,
    validators_hash: B256,
    last: Option<Last>,
    first: Option<Height>,
    blocks: u64,
    signatures: u64,
    bound: Head,
    has_gap: bool,
}

impl<'a> ChainCheck<'a> {
    /// A check of a chain with this genesis. It may begin at any block.
    ///
    /// # Errors
    /// The genesis cannot start a chain.
    pub fn new(genesis: &'a ValidGenesis) -> Result<Self, StartFault> {
        let (_, opening) = Kernel::genesis(&genesis.genesis)?;
        let opening = opening.iter().map(encode_event).collect::<Result<_, _>>();
        Ok(Self {
            genesis,
            opening: opening.expect("invariant: a genesis' events are far below the limit"),
            validators_hash: validators_hash(genesis),
            last: None,
            first: None,
            blocks: 0,
            signatures: 0,
            bound: Head::EMPTY,
            has_gap: false,
        })
    }

    /// Every event before this is bound by a good commit.
    #[must_use]
    pub fn bound(&self) -> Head {
        self.bound
    }

    /// The last block checked.
    #[must_use]
    pub fn height(&self) -> Option<Height> {
        self.last.map(|last| last.height)
    }

    /// The next frame is not the one after the last: what is between cannot be read.
    pub fn gap(&mut self) {
        self.last = None;
        self.has_gap = true;
    }

    /// Checks the events of the next block, or of the genesis, that stand at `before`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn frame(&mut self, before: Head, events: &[StoredEvent]) -> Result<(), ChainFault> {
        let after = Head {
            next: EventSeq(before.next.0 + events.len() as u64),
            hash: events.iter().fold(before.hash, |head, event| event.chain(&head)),
        };
        if before.next == EventSeq(0) {
            if self.is_fork(events) {
                // What it goes on from is another chain's: its first block is taken as one in the middle.
                return Ok(());
            }
            self.genesis_frame(events)?;
            self.bound = after;
            self.first = Some(Height(0));
            self.last = Some(Last { height: Height(0), hash: self.genesis.hash, before, after, is_whole: true });
            return Ok(());
        }
        let (header, body, sealed) = self.parts(before, events)?;
        let height = header.height;
        let last = match self.last {
            Some(last) => last,
            // What is before the first block is known by what this one says of it.
            None => {
                let parent = Height(height.0.saturating_sub(1));
                Last { height: parent, hash: header.parent, before, after: before, is_whole: false }
            }
        };
        let expected = last.height.next();
        if height != expected {
            return Err(self.fault(height, before.next, ChainFaultKind::Height { expected, found: height }));
        }
        self.commit(&last, &header, &body.last_commit, before.next)?;
        if header.parent_events_head != before.hash {
            let kind = ChainFaultKind::EventsHead { expected: header.parent_events_head, found: before.hash };
            return Err(self.fault(last.height, last.before.next, kind));
        }
        self.header(&header, &body).map_err(|kind| self.fault(height, before.next, kind))?;
        self.sealed(&header, &sealed).map_err(|kind| self.fault(height, EventSeq(after.next.0 - 1), kind))?;
        self.blocks += 1;
        self.first.get_or_insert(height);
        self.last = Some(Last { height, hash: header.hash(), before, after, is_whole: !self.has_gap });
        Ok(())
    }

    /// What was checked, and what signs the last block.
    ///
    /// # Errors
    /// The tip is of another history.
    pub fn finish(mut self, tip: Option<&SignedTip>) -> Result<ChainReport, ChainFault> {
        let (height, hash) = (Height(0), self.genesis.hash);
        let none = Last { height, hash, before: Head::EMPTY, after: Head::EMPTY, is_whole: false };
        let last = self.last.unwrap_or(none);
        let tip = match tip {
            None if last.height == Height(0) => Tip::Genesis,
            None => Tip::Unsigned { why: format!("there is no {}", tip::FILE) },
            Some(tip) => self.tip(&last, tip)?,
        };
        Ok(ChainReport {
            blocks: self.blocks,
            signatures: self.signatures,
            first: self.first.unwrap_or(last.height),
            last: last.height,
            last_header: last.hash,
            bound: self.bound,
            tip,
        })
    }

    fn fault(&self, height: Height, at: EventSeq, kind: ChainFaultKind) -> ChainFault {
        ChainFault { height, at, kind, bound: self.bound }
    }

    /// Whether a simulated chain begins with another chain's state instead of its genesis'.
    fn is_fork(&self, events: &[StoredEvent]) -> bool {
        let [opening] = events else { return false };
        let Ok(Event::GenesisLoaded { genesis_hash, chain_id, .. }) = opening.decode() else { return false };
        let genesis = &self.genesis.genesis;
        let is_of_genesis = genesis_hash == self.genesis.hash && chain_id == genesis.chain_id;
        genesis.is_simulated() && is_of_genesis && self.opening.first() != Some(opening)
    }

    fn genesis_frame(&self, events: &[StoredEvent]) -> Result<(), ChainFault> {
        if events == self.opening.as_slice() {
            return Ok(());
        }
        let expected = self.genesis.hash;
        let kind = match events.first().map(StoredEvent::decode) {
            Some(Ok(Event::GenesisLoaded { genesis_hash, .. })) if genesis_hash != expected => {
                ChainFaultKind::Genesis { expected, found: genesis_hash }
            }
            Some(Err(fault)) => ChainFaultKind::Event(fault),
            _ => ChainFaultKind::Opening,
        };
        Err(self.fault(Height(0), EventSeq(0), kind))
    }

    /// First and last event of a block, decoded.
    fn parts(&self, before: Head, events: &[StoredEvent]) -> Result<(BlockHeader, BlockBody, Event), ChainFault> {
        let height = self.last.map_or(Height(0), |last| last.height.next());
        let fault = |index: usize, kind| self.fault(height, EventSeq(before.next.0 + index as u64), kind);
        let end = events.len().saturating_sub(1);
        let links =
            |e: &StoredEvent| matches!(e.event_type(), TAG_BLOCK_DECIDED | TAG_BLOCK_SEALED | TAG_GENESIS_LOADED);
        if let Some(at) = events.iter().take(end).skip(1).position(links) {
            return Err(fault(at + 1, ChainFaultKind::Shape));
        }
        let decoded = |index: usize| match events.get(index) {
            None => Err(fault(index, ChainFaultKind::Shape)),
            Some(event) => event.decode().map_err(|e| fault(index, ChainFaultKind::Event(e))),
        };
        let (first, sealed) = (decoded(0)?, decoded(end)?);
        match (first, &sealed) {
            (Event::BlockDecided { header, body }, Event::BlockSealed { .. }) => Ok((*header, *body, sealed)),
            _ => Err(fault(0, ChainFaultKind::Shape)),
        }
    }

    /// The commit that a block carries, of the block before.
    fn commit(&mut self, last: &Last, header: &BlockHeader, commit: &Commit, at: EventSeq) -> Result<(), ChainFault> {
        if last.height == Height(0) {
            if *commit != Commit::default() {
                return Err(self.fault(header.height, at, ChainFaultKind::Commit(CommitFault::NotEmpty)));
            }
            if header.parent != last.hash {
                return Err(self.fault(header.height, at, differs("parent", last.hash, header.parent)));
            }
            return Ok(());
        }
        let parent = |kind| self.fault(last.height, last.before.next, kind);
        if commit.height != last.height {
            let fault = CommitFault::Height { found: commit.height, expected: last.height };
            return Err(parent(ChainFaultKind::Commit(fault)));
        }
        let digest = commit_digest(&self.genesis.hash, commit.height, &commit.header_hash);
        verify_signatures(self.genesis, &digest, &commit.signatures)
            .map_err(|fault| parent(ChainFaultKind::Commit(fault)))?;
        if commit.header_hash != last.hash {
            return Err(parent(ChainFaultKind::NotSigned { expected: commit.header_hash, found: last.hash }));
        }
        if header.parent != last.hash {
            return Err(self.fault(header.height, at, differs("parent", last.hash, header.parent)));
        }
        self.signatures += commit.signatures.len() as u64;
        if last.is_whole {
            // The signed header names the head of the events before its block, which was compared.
            self.bound = last.before;
        }
        Ok(())
    }

    /// What a header must have in common with the chain and its own body.
    fn header(&self, header: &BlockHeader, body: &BlockBody) -> Result<(), ChainFaultKind> {
        let hashed = |hash: Result<B256, CodecError>| hash.map_err(ChainFaultKind::Event);
        let same = |what, expected: B256, found: B256| {
            if expected == found { Ok(()) } else { Err(differs(what, expected, found)) }
        };
        if header.chain_id != self.genesis.genesis.chain_id {
            return Err(differs("chain id", self.genesis.genesis.chain_id, header.chain_id));
        }
        if header.rules_version != RULES_VERSION {
            return Err(differs("rules version", RULES_VERSION, header.rules_version));
        }
        same("validators hash", self.validators_hash, header.validators_hash)?;
        same("transactions root", body.transactions_root(), header.transactions_root)?;
        same("messages root", hashed(body.messages_root())?, header.messages_root)?;
        same("last commit hash", hashed(body.last_commit.hash())?, header.last_commit_hash)
    }

    fn sealed(&self, header: &BlockHeader, sealed: &Event) -> Result<(), ChainFaultKind> {
        let Event::BlockSealed { height, state_root, market_root } = sealed else {
            return Err(ChainFaultKind::Shape);
        };
        let differs = |what, expected: String, found: String| Err(ChainFaultKind::Sealed { what, expected, found });
        if *height != header.height {
            return differs("height", header.height.to_string(), height.to_string());
        }
        if *state_root != header.post_state_root {
            return differs("state root", header.post_state_root.to_string(), state_root.to_string());
        }
        if *market_root != header.market_root {
            return differs("market root", header.market_root.to_string(), market_root.to_string());
        }
        Ok(())
    }

    /// What the file beside the journal says of the last block.
    fn tip(&mut self, last: &Last, tip: &SignedTip) -> Result<Tip, ChainFault> {
        let SignedTip { commit, head, stated } = tip;
        let digest = commit_digest(&self.genesis.hash, commit.height, &commit.header_hash);
        let unsigned = |why: String| Ok(Tip::Unsigned { why: format!("{}: {why}", tip::FILE) });
        if let Err(fault) = verify_signatures(self.genesis, &digest, &commit.signatures) {
            return unsigned(fault.to_string());
        }
        if commit.height > last.height {
            let kind = ChainFaultKind::CutShort { signed: commit.height };
            return Err(self.fault(last.height, last.before.next, kind));
        }
        if commit.height < last.height {
            return unsigned(format!("it is of block {}, {} is the last", commit.height, last.height));
        }
        if commit.header_hash != last.hash {
            let kind = ChainFaultKind::NotSigned { expected: commit.header_hash, found: last.hash };
            return Err(self.fault(last.height, last.before.next, kind));
        }
        self.signatures += commit.signatures.len() as u64;
        if last.is_whole {
            self.bound = last.before;
        }
        let by = stated.validator;
        let is_validator = self.genesis.genesis.validators.iter().any(|v| v.address == by);
        let digest = tip::digest(&self.genesis.hash, commit.height, head);
        let signed = <&[u8; 65]>::try_from(stated.signature.as_slice());
        let is_good = signed.is_ok_and(|bytes| signing::recover(&digest, bytes) == Ok(by));
        if !is_validator || !is_good {
            return Ok(Tip::HeaderOnly { why: format!("{}: no validator's word on the events", tip::FILE) });
        }
        if *head != last.after {
            let kind = ChainFaultKind::TipEvents { by, stated: *head, found: last.after };
            return Err(self.fault(last.height, last.before.next, kind));
        }
        if last.is_whole {
            self.bound = last.after;
        }
        Ok(Tip::Signed { by })
    }
}

fn differs(what: &'static str, expected: impl ToString, found: impl ToString) -> ChainFaultKind {
    ChainFaultKind::Header { what, expected: expected.to_string(), found: found.to_string() }
}
