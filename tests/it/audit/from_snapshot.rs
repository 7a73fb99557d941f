//! Audits, replays and stories that begin at a snapshot, because the journal's
//! beginning is pruned or because somebody asks for it.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    sync::Arc,
};

use crowdfold::audit::{
    Base, Options, Reason, Stored, audit_from,
    base::{At, BaseError},
    explain::{Entry, Subject, explain, explain_from},
    from_reader,
    replay::{Until, state_at, state_from},
};
use crowdfold_events::{Event, EventSeq, Height, StoredEvent, TaskId};
use crowdfold_journal::{JournalStore, Reader, RealDisk, SledJournal, Snapshot};
use crowdfold_kernel::{Kernel, State};
use serde_json::Value;

use super::chains::{
    acts, eventful, stored,
    world::{ALICE, BOB, World, signer},
};
use crate::start::{append, files, flip, open};

fn stream(events: &[StoredEvent]) -> impl Iterator<Item = Stored> + '_ {
    events.iter().cloned().map(Stored::Ok)
}

/// The states between blocks, each with the number of events before it.
fn states(world: &World) -> Vec<Base> {
    let mut state: State = Kernel::genesis(world.state.genesis()).unwrap().0;
    let mut all = Vec::new();
    for (at, event) in world.log.iter().enumerate().skip(1) {
        state.apply(event);
        if matches!(event, Event::BlockSealed { .. }) {
            all.push(Base { state: state.clone(), events: EventSeq(at as u64 + 1) });
        }
    }
    all
}

#[test]
fn an_audit_from_any_block_ends_as_one_from_the_genesis() {
    let world = eventful();
    let events = stored(&world.log);
    let all = states(&world);
    let blocks = all.len() as u64;
    for base in all.into_iter().step_by(3) {
        let (from, height) = (base.events, base.state.height());
        let rest = stream(&events[from.0 as usize..]);
        let report = audit_from(base, rest, Options::default(), &mut |_| {}).unwrap();
        assert!(report.good, "from block {height}: {:?}", report.divergence);
        let began = report.from.unwrap();
        assert_eq!((began.height, began.events), (height, from));
        assert_eq!(report.checked.blocks, blocks - height.0);
        assert_eq!(report.end.events, EventSeq(events.len() as u64));
        assert_eq!(report.end.state_hash, world.state.hash().unwrap());
    }
}

/// What is wrong after the snapshot is named as it is from the genesis on.
#[test]
fn a_change_after_the_snapshot_is_named() {
    let world = eventful();
    let middle = states(&world).remove(world.state.height().0 as usize / 3);
    let from = middle.events.0 as usize;
    let mut kinds = std::collections::BTreeMap::new();
    for (at, event) in world.log.iter().enumerate().skip(from + 1) {
        kinds.entry(stored(std::slice::from_ref(event))[0].event_type()).or_insert(at);
    }
    assert!(kinds.len() > 12);
    for at in kinds.into_values().filter(|at| !matches!(world.log[*at], Event::BlockDecided { .. })) {
        let mut log = stored(&world.log);
        let mut bytes = log[at].as_bytes().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        log[at] = StoredEvent::from_bytes(bytes).unwrap();
        let report = audit_from(middle.clone(), stream(&log[from..]), Options::default(), &mut |_| {}).unwrap();
        let found = report.divergence.unwrap();
        assert_eq!((found.seq, found.reason), (EventSeq(at as u64), Reason::Altered), "{:?}", world.log[at]);
    }
}

/// Books and standing that were taken up from a state tell what those say that followed everything.
#[test]
fn a_story_from_a_snapshot_is_the_end_of_the_whole_one() {
    let world = eventful();
    let (genesis, events) = (world.state.genesis(), stored(&world.log));
    let mut subjects: Vec<Subject> = (1..=4).map(|n| Subject::Plugin(signer(n).address())).collect();
    subjects.extend((1..40).map(|n| Subject::Task(TaskId(n))));
    for event in &world.log {
        if let Event::TransactionExecuted { hash, .. } = event {
            subjects.push(Subject::Transaction(*hash));
        }
    }
    let bases = states(&world);
    let (mut told, mut accounts) = (0, 0);
    for subject in subjects {
        let whole = explain(genesis, subject, stream(&events), &mut |_| {}).unwrap();
        for base in bases.iter().step_by(23) {
            let rest = stream(&events[base.events.0 as usize..]);
            let story = explain_from(base, subject, rest, &mut |_| {}).unwrap();
            let end: Vec<&Entry> = whole.entries.iter().filter(|entry| entry.event >= base.events).collect();
            // A state forgets what was finished long ago, and then its story ends.
            if !story.entries.is_empty() || !end.is_empty() {
                assert_eq!(story.entries.iter().collect::<Vec<_>>(), end, "{subject:?} from event {}", base.events);
                told += 1;
            }
            if let (Some(found), Some(expected)) = (story.account, &whole.account) {
                assert_eq!((found.accrued, found.debt), (expected.accrued, expected.debt));
                accounts += 1;
            }
        }
    }
    assert!(told > 50 && accounts > 10, "{told} {accounts}");
}

/// A journal with one segment for each block, so that it can be pruned anywhere, and a snapshot at its middle.
fn pruned(dir: &Path, by: impl Fn(EventSeq) -> EventSeq) -> (World, EventSeq) {
    let mut world = World::new();
    world.admit(2);
    for n in 0..70 {
        if n % 5 == 0 {
            world.transfer(ALICE, signer(BOB).address(), 1 + n);
        }
        world.run(2, 1);
    }
    let options = crowdfold_journal::Options { segment_bytes: 1, ..Default::default() };
    let journal = dir.join("journal");
    append(&world, SledJournal::open_with(&journal, options, Arc::new(RealDisk)).unwrap());
    let mut core = open(&world, dir).unwrap();
    let save = core.save().unwrap().run();
    core.saved(save).unwrap();
    let place = EventSeq(core.snapshot().event_count());
    drop(core);
    for n in 0..30 {
        world.transfer(ALICE, signer(BOB).address(), 100 + n);
        world.run(2, 1);
    }
    append(&world, SledJournal::open_with(&journal, options, Arc::new(RealDisk)).unwrap());
    crowdfold_journal::prune(&journal, by(place)).unwrap();
    fs::write(dir.join("genesis.toml"), world.state.genesis().to_toml().unwrap()).unwrap();
    (world, place)
}

fn crowdfold(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_crowdfold")).args(args).env_remove("RUST_LOG").output().unwrap()
}

fn said(output: &Output, code: i32) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let all = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{all}");
    all
}

fn json(args: &[&str], code: i32) -> Value {
    let output = crowdfold(&[args, &["--json"]].concat());
    said(&output, code);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_pruned_journal_is_audited_replayed_and_explained_from_its_snapshot() {
    // Some blocks before the snapshot, and exactly at it.
    for before in [60, 0] {
        let dir = tempfile::tempdir().unwrap();
        let (world, place) = pruned(dir.path(), |place| EventSeq(place.0 - before));
        let data = dir.path().to_str().unwrap();
        let floor = Reader::open(&dir.path().join("journal")).unwrap().floor().head.next;
        assert!(floor > EventSeq(0) && if before == 0 { floor == place } else { floor < place });
        let hash = world.state.hash().unwrap().to_string();

        let report = json(&["audit", data], 0);
        assert_eq!(report["began"]["event"], place.0);
        assert_eq!(report["audit"]["from"]["events"], place.0);
        assert_eq!(report["audit"]["end"]["state_hash"], hash);
        assert!(report["audit"]["checked"]["amounts"].as_u64().unwrap() > 20);
        let text = said(&crowdfold(&["audit", data]), 0);
        assert!(text.contains(&format!("NOT CHECKED events before {floor}: they are pruned")), "{text}");
        let links = text.contains(&format!("NOT CHECKED events {floor} to {}: their links", place.0 - 1));
        assert_eq!(links, before > 0, "{text}");
        let proofs = said(&crowdfold(&["audit", data, "--proofs"]), 2);
        assert!(proofs.contains("what was before is pruned"), "{proofs}");

        let replayed = json(&["replay", data], 0);
        assert_eq!((&replayed["state_hash"], &replayed["began"]["event"]), (&hash.clone().into(), &place.0.into()));
        let text = said(&crowdfold(&["replay", data, "--at", &place.0.to_string()]), 0);
        assert!(text.contains("(inside the block)") && text.contains("NOT CHECKED"), "{text}");
        said(&crowdfold(&["replay", data, "--at", "3"]), 2);
        said(&crowdfold(&["replay", data, "--set", "timeout_penalty=1 ZKPoW"]), 2);

        let who = signer(BOB).address().to_string();
        let text = said(&crowdfold(&["explain", data, "--plugin", &who]), 0);
        assert!(text.starts_with("older history is pruned: this begins after block "), "{text}");
        let text = said(&crowdfold(&["explain", data, "--task", "99999"]), 2);
        assert!(text.contains("older history is pruned"), "{text}");

        // The node starts from it as well, and without it nothing does.
        assert_eq!(open(&world, dir.path()).unwrap().snapshot().state, world.state);
        for path in files(&dir.path().join("journal/snapshots"), ".snap") {
            flip(&path, 1_000);
        }
        for command in ["audit", "replay"] {
            let text = said(&crowdfold(&[command, data]), 2);
            assert!(text.contains("is pruned; no snapshot"), "{text}");
        }
    }
}

/// A whole journal is audited from a snapshot only when that is asked for.
#[test]
fn a_whole_journal_can_be_audited_from_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let (world, place) = pruned(dir.path(), |_| EventSeq(0));
    let data = dir.path().to_str().unwrap();
    assert_eq!(json(&["audit", data], 0)["began"], Value::Null);
    assert_eq!(json(&["audit", data, "--from-snapshot"], 0)["began"]["event"], place.0);
    let most = format!("--from-snapshot={}", place.0 + 2);
    assert_eq!(json(&["audit", data, &most], 0)["began"]["event"], place.0);
    let text = said(&crowdfold(&["audit", data, "--from-snapshot=5"]), 2);
    assert!(text.contains("no snapshot up to event 5"), "{text}");
    let whole = json(&["replay", data], 0);
    let part = json(&["replay", data, "--from-snapshot"], 0);
    assert_eq!(whole["state_hash"], part["state_hash"]);
    assert_eq!((&whole["began"], &part["began"]["event"]), (&Value::Null, &place.0.into()));
    let reader = Reader::open(&dir.path().join("journal")).unwrap();
    for seq in [place.0, place.0 + 3, place.0 + 40] {
        let base = Base::snapshot(world.state.genesis(), &reader, At::Event(EventSeq(seq))).unwrap();
        let until = Until::Event(EventSeq(seq));
        let events = from_reader(&reader, base.events);
        let found = state_from(base, events, until, &mut |_| {}).unwrap();
        let whole = state_at(world.state.genesis(), from_reader(&reader, EventSeq(0)), until, &mut |_| {}).unwrap();
        assert_eq!((found.state, found.events), (whole.state, whole.events));
    }
}

/// A snapshot that is not the state of the block at its place, although its checksums are right.
#[test]
fn a_snapshot_of_another_block_is_not_believed() {
    for at_floor in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (world, place) = pruned(dir.path(), |place| if at_floor { place } else { EventSeq(place.0 - 60) });
        let path = dir.path().join("journal");
        let mut journal = SledJournal::open(&path).unwrap();
        // Another chain's state of the same height would do; here that of another block, with this one's place.
        let mut core = open_copy(&world, dir.path());
        let save = core.save().unwrap().run();
        core.saved(save).unwrap();
        drop(core);
        let other = SledJournal::open(&dir.path().join("copy/journal")).unwrap();
        let later = other.snapshot(other.head().next).unwrap().unwrap();
        assert!(later.meta.head.next > place);
        let good = journal.snapshot(place).unwrap().unwrap();
        journal.put_snapshot(&Snapshot { meta: good.meta, bytes: later.bytes }).unwrap();
        drop(journal);
        let reader = Reader::open(&path).unwrap();
        let refused = Base::snapshot(world.state.genesis(), &reader, At::Oldest);
        let Err(BaseError::NoSnapshot { faults, .. }) = refused else { panic!("believed") };
        assert_eq!(faults.len(), 1);
        assert!(open(&world, dir.path()).is_err());
    }
}

fn open_copy(world: &World, dir: &Path) -> crowdfold::actors::ledger::LedgerCore {
    for name in ["journal", "index"] {
        crate::journal_commands::fixture::copy(&dir.join(name), &dir.join("copy").join(name));
    }
    open(world, &dir.join("copy")).unwrap()
}

/// Events that no validator would sign, with amounts and numbers at the ends of
/// their ranges: an error that names its event, or a state, never a panic.
#[test]
fn a_forged_journal_never_stops_a_replay_otherwise_than_by_an_error() {
    let world = acts::chain(&[
        acts::Act::Transfer { from_alice: true, to: 1, value: 7 },
        acts::Act::Lazy(1),
        acts::Act::Blocks(3),
        acts::Act::Work,
        acts::Act::Work,
        acts::Act::Withdraw(3),
        acts::Act::HandBack(2),
        acts::Act::Work,
        acts::Act::Blocks(9),
        acts::Act::Work,
        acts::Act::Work,
    ]);
    let (genesis, events) = (world.state.genesis(), stored(&world.log));
    let (mut forged, mut refused, mut broken) = (0, 0, 0);
    let mut seen = std::collections::BTreeMap::<u32, u32>::new();
    for at in 1..events.len() {
        let count = seen.entry(events[at].event_type()).or_default();
        *count += 1;
        if *count > 4 {
            continue;
        }
        let bytes = events[at].as_bytes();
        // Every field in turn at its largest; what no longer decodes is an error at once.
        for place in 10..bytes.len().min(260) {
            for (width, value) in [(1, 0xff), (4, 0xff), (8, 0xff), (16, 0xff), (8, 0x00)] {
                let mut changed = bytes.to_vec();
                let end = (place + width).min(changed.len());
                changed[place..end].fill(value);
                let Ok(event) = StoredEvent::from_bytes(changed) else { continue };
                let Ok(event_is) = event.decode() else { continue };
                if matches!(event_is, Event::BlockDecided { .. }) && *count > 1 {
                    continue;
                }
                forged += 1;
                let journal = events[..at].iter().chain([&event]).chain(&events[at + 1..]).cloned().map(Stored::Ok);
                match state_at(genesis, journal, Until::End, &mut |_| {}) {
                    Ok(_) => {}
                    Err(crowdfold::audit::replay::ReplayError::Broken { at: found, .. }) => {
                        assert!(found >= EventSeq(at as u64));
                        broken += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
        }
    }
    eprintln!("{forged} forged, {refused} refused, {broken} broken");
    assert!(forged > 1_000 && refused > 0 && broken > 0);
}

/// The program looks at links and signatures first, and says where they end.
#[test]
fn a_replay_of_a_journal_that_nobody_signed_names_the_block() {
    let dir = tempfile::tempdir().unwrap();
    let world = eventful();
    let at = world.log.iter().position(|e| matches!(e, Event::RewardAccrued { .. })).unwrap();
    let mut changed = eventful();
    let Event::RewardAccrued { amount, .. } = &mut changed.log[at] else { panic!() };
    amount.0 += 1;
    append(&changed, SledJournal::open(&dir.path().join("journal")).unwrap());
    fs::write(dir.path().join("genesis.toml"), world.state.genesis().to_toml().unwrap()).unwrap();
    let data = dir.path().to_str().unwrap();
    let height = world.log[..at].iter().filter(|e| matches!(e, Event::BlockDecided { .. })).count() as u64;
    let far = (at + 400).to_string();
    for args in [&["replay", data][..], &["replay", data, "--at", &far], &["explain", data, "--task", "1"]] {
        let text = said(&crowdfold(args), 3);
        assert!(text.contains(&format!("block {}, event", Height(height))), "{text}");
    }
    // What lies before it is good.
    said(&crowdfold(&["replay", data, "--at", &(at - 50).to_string()]), 0);
    let text = said(&crowdfold(&["replay", data, "--unchecked"]), 3);
    assert!(!text.contains("panicked"), "{text}");
}
