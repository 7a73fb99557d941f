//! A journal that is decided or followed again: where to begin, and whether
//! its blocks are the ones that the validators signed.

use std::path::Path;

use crowdfold_config::{Genesis, ValidGenesis};
use crowdfold_events::{EventSeq, Height};
use crowdfold_journal::Reader;
use serde_json::{Value, json};

use super::{Failure, data::Data, failed, progress::Progress, unusable};
use crate::audit::{
    Base,
    base::{At, BaseError},
    chain::{ChainCheck, ChainFault, ChainFaultKind},
    replay::Until,
};

/// The journal in `dir`.
pub(super) fn open(journal: &Path) -> Result<Reader, Failure> {
    Reader::open(journal).map_err(|error| failed(journal.display(), error))
}

/// Whether the journal's beginning is pruned.
pub(super) fn is_pruned(reader: &Reader) -> bool {
    reader.floor().head.next > EventSeq(0)
}

/// An error for what cannot be done without the journal's beginning.
pub(super) fn whole(reader: &Reader) -> Result<(), Failure> {
    if !is_pruned(reader) {
        return Ok(());
    }
    let said = format!("it begins at event {}: what was before is pruned", reader.floor().head.next);
    Err(unusable(reader.dir().display(), said))
}

/// Where to begin: at the genesis if the journal does and no snapshot is asked for.
pub(super) fn base(genesis: &Genesis, reader: &Reader, snapshot: Option<At>, pruned: At) -> Result<Base, Failure> {
    let which = snapshot.or_else(|| is_pruned(reader).then_some(pruned));
    let found = match which {
        None => Base::genesis(genesis).map_err(BaseError::from),
        Some(which) => Base::snapshot(genesis, reader, which),
    };
    found.map_err(|error| match error {
        BaseError::Journal(error) => failed(reader.dir().display(), error),
        error @ BaseError::NoSnapshot { .. } if is_pruned(reader) => {
            let floor = reader.floor().head.next;
            unusable(reader.dir().display(), format!("it begins at event {floor}: what was before is pruned; {error}"))
        }
        error => unusable(reader.dir().display(), error),
    })
}

/// For a report: where a pass began, and what was not checked.
pub(super) fn began_json(base: &Base, floor: EventSeq) -> Value {
    if base.is_genesis() {
        return Value::Null;
    }
    json!({ "height": base.state.height(), "event": base.events, "not_checked": not_checked(base, floor) })
}

/// What a pass that began at a snapshot says nothing about.
pub(super) fn not_checked(base: &Base, floor: EventSeq) -> Vec<String> {
    let (at, height) = (base.events, base.state.height());
    let mut all = Vec::new();
    if base.is_genesis() {
        return all;
    }
    if floor > EventSeq(0) {
        all.push(format!("events before {floor}: they are pruned, nothing here shows what they were"));
    }
    if floor < at {
        all.push(format!("events {floor} to {}: their links and signatures alone", at.0.saturating_sub(1)));
    }
    all.push(format!(
        "the state after block {height} (event {at}): it is a snapshot's, which has the roots that this block seals"
    ));
    all
}

/// The cheap pass over all blocks, or as many as bind what `until` names: links
/// and signatures. `None` when they are good, and where the files cannot be
/// read: whoever reads the events next reports that.
pub(super) fn links(
    genesis: &ValidGenesis,
    reader: &Reader,
    until: Option<Until>,
) -> Result<Option<ChainFault>, Failure> {
    let mut check = ChainCheck::new(genesis).map_err(|error| unusable("genesis", error))?;
    let total = reader.head().next.0;
    let mut bar = Progress::new("checking links and signatures of events");
    let Ok(frames) = reader.frames(reader.floor().head.next) else { return Ok(None) };
    for frame in frames {
        let Ok(found) = frame else { return Ok(None) };
        if let Err(fault) = check.frame(found.before, found.frame.events()) {
            return Ok(Some(fault));
        }
        bar.at(found.after.next.0, total);
        let is_bound = match until {
            Some(Until::Event(last)) => check.bound().next > last,
            // The commit of the block after it, which names the head of its events, is one block later.
            Some(Until::Height(last)) => check.height() >= Some(Height(last.0.saturating_add(2))),
            Some(Until::End) | None => false,
        };
        if is_bound {
            break;
        }
    }
    Ok(None)
}

/// Refuses a journal whose events up to `until` the validators did not sign
/// for, before anything in it is followed.
pub(super) fn signed(data: &Data, genesis: &ValidGenesis, reader: &Reader, until: Until) -> Result<(), Failure> {
    match links(genesis, reader, Some(until))? {
        None => Ok(()),
        Some(fault) if matches!(fault.kind, ChainFaultKind::Genesis { .. }) => {
            Err(unusable(data.journal.display(), fault.kind))
        }
        Some(fault) => Err(Failure::NotValid(format!("{}: {fault}", data.journal.display()))),
    }
}
