//! How long a start takes, by the length of the journal:
//! `cargo test --release --test it -- --ignored --nocapture start_speed`.
//!
//! The chain begins with real work of the kernel; then come blocks that cost
//! little to make: acceptances of messages of 100 senders, with headers whose
//! market roots are right, so that replay checks them as it checks every block.
//! Nothing is signed, because replay verifies no signature. Times are wall
//! times on whatever machine this is, with its files in the page cache.

use std::{
    num::NonZeroU64,
    path::Path,
    time::{Duration, Instant},
};

use alloy_primitives::keccak256;
use crowdfold::actors::ledger::{Keeping, LedgerCore};
use crowdfold::node::DEFAULT_SNAPSHOT_EVERY;
use crowdfold_events::{Address, BlockBody, BlockHeader, Event, Height, StoredEvent, encode_event};
use crowdfold_journal::{Frame, JournalStore, SledJournal};
use crowdfold_kernel::State;

use crate::audit::chains::world::{ALICE, BOB, World, signer};

const SENDERS: u64 = 100;
const MESSAGES: u64 = 98;

/// Makes blocks and their frames.
struct Mill {
    state: State,
    header: BlockHeader,
    /// Last sequence of every sender.
    sequence: u64,
    next: u64,
}

impl Mill {
    fn of(world: &World) -> Self {
        let header = world.blocks.last().unwrap().header.clone();
        Self { state: world.state.clone(), header, sequence: 0, next: 0 }
    }

    fn events(&mut self) -> Vec<Event> {
        (0..MESSAGES)
            .map(|_| {
                let sender = Address::left_padding_from(&(1_000 + self.next % SENDERS).to_be_bytes());
                self.sequence += u64::from(self.next % SENDERS == 0);
                self.next += 1;
                Event::MessageAccepted { hash: keccak256(self.next.to_be_bytes()), sender, sequence: self.sequence }
            })
            .collect()
    }

    fn block(&mut self) -> Frame {
        let body = BlockBody { last_commit: Default::default(), transactions: Vec::new(), messages: Vec::new() };
        let root = self.state.state_root();
        let mut header = BlockHeader {
            height: self.state.height().next(),
            parent: self.state.head(),
            time_ms: self.state.time_ms() + 1_000,
            parent_events_head: self.state.events_head(),
            pre_state_root: root,
            post_state_root: root,
            items: 0,
            gas_used: 0,
            segments: 0,
            ..self.header.clone()
        };
        let inner = self.events();
        let events = |header: &BlockHeader| {
            let decided = Event::BlockDecided { header: Box::new(header.clone()), body: Box::new(body.clone()) };
            let (height, market_root) = (header.height, header.market_root);
            let sealed = Event::BlockSealed { height, state_root: root, market_root };
            [vec![decided], inner.clone(), vec![sealed]].concat()
        };
        // The market root does not look at the header that contains it.
        let mut probe = self.state.clone();
        events(&header).iter().for_each(|event| probe.apply(event));
        header.market_root = probe.market_root().unwrap();
        let events = events(&header);
        events.iter().for_each(|event| self.state.apply(event));
        Frame::new(stored(&events)).unwrap()
    }
}

fn stored(events: &[Event]) -> Vec<StoredEvent> {
    events.iter().map(|event| encode_event(event).unwrap()).collect()
}

fn world() -> World {
    let mut world = World::new();
    world.admit(2);
    for n in 0..100u32 {
        world.transfer(ALICE, signer(BOB).address(), 1 + u128::from(n));
        world.run(2, 1);
    }
    world
}

fn append(journal: &mut SledJournal, frames: &[Frame]) {
    let next = journal.head().next;
    journal.append(frames, next).unwrap();
}

fn grow(journal: &mut SledJournal, mill: &mut Mill, events: u64) {
    while journal.head().next.0 < events {
        let left = (events - journal.head().next.0).div_ceil(MESSAGES + 2);
        append(journal, &(0..left.min(200)).map(|_| mill.block()).collect::<Vec<_>>());
    }
}

fn start(world: &World, dir: &Path) -> (LedgerCore, Duration, Duration) {
    let begun = Instant::now();
    let journal = SledJournal::open(&dir.join("journal")).unwrap();
    let opened = begun.elapsed();
    let keeping = Keeping { dir: dir.join("index"), every: DEFAULT_SNAPSHOT_EVERY };
    let core = LedgerCore::open_keeping(world.state.genesis(), Box::new(journal), keeping).unwrap();
    (core, opened, begun.elapsed() - opened)
}

fn bytes(dir: &Path) -> u64 {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

fn ms(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1_000.0)
}

#[test]
#[ignore = "a measurement; minutes at 10^6 events"]
fn start_time_by_length_of_the_journal() {
    let sizes = std::env::var("CROWDFOLD_START_EVENTS").unwrap_or_else(|_| "10000,100000,1000000".to_owned());
    let every: NonZeroU64 = DEFAULT_SNAPSHOT_EVERY;
    let world = world();
    println!("milliseconds; a start is: open the journal + take the chain up");
    println!(
        "| events | blocks | full replay | snapshot at the end | snapshot {every} blocks before | write the snapshot | an old block by hash | an unknown hash | snapshot, kB | old blocks, kB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for size in sizes.split(',').map(|size| size.trim().parse::<u64>().unwrap()) {
        let dir = tempfile::tempdir().unwrap();
        let mut mill = Mill::of(&world);
        let mut journal = SledJournal::open(&dir.path().join("journal")).unwrap();
        let mut frame = Vec::new();
        for event in &world.log {
            frame.push(encode_event(event).unwrap());
            if matches!(event, Event::GenesisLoaded { .. } | Event::BlockSealed { .. }) {
                append(&mut journal, &[Frame::new(std::mem::take(&mut frame)).unwrap()]);
            }
        }
        grow(&mut journal, &mut mill, size);
        drop(journal);

        let (mut core, open_full, full) = start(&world, dir.path());
        let hash = core.snapshot().state.hash().unwrap();
        assert_eq!(hash, mill.state.hash().unwrap());
        let blocks = core.snapshot().height();
        let begun = Instant::now();
        let save = core.save().unwrap().run();
        core.saved(save).unwrap();
        let written = begun.elapsed();
        drop(core);

        let (core, open_end, end) = start(&world, dir.path());
        assert_eq!(core.snapshot().state.hash().unwrap(), hash);
        assert_eq!(core.snapshot().index.in_memory(), 0, "nothing was replayed");
        drop(core);
        let mut journal = SledJournal::open(&dir.path().join("journal")).unwrap();
        append(&mut journal, &(0..every.get()).map(|_| mill.block()).collect::<Vec<_>>());
        drop(journal);
        let (core, open_rest, rest) = start(&world, dir.path());
        assert_eq!(core.snapshot().state.hash().unwrap(), mill.state.hash().unwrap());
        let index = &core.snapshot().index;
        let hashes: Vec<_> = (1..20).map(|n| index.block(Height(n * blocks.0 / 20)).unwrap().hash).collect();
        let begun = Instant::now();
        assert!(hashes.iter().all(|hash| index.height_of(hash).is_some()));
        let found = begun.elapsed() / hashes.len() as u32;
        let begun = Instant::now();
        assert_eq!(index.height_of(&keccak256(b"unknown")), None);
        let unknown = begun.elapsed();
        println!(
            "| {size} | {blocks} | {} + {} | {} + {} | {} + {} | {} | {} | {} | {} | {} |",
            ms(open_full),
            ms(full),
            ms(open_end),
            ms(end),
            ms(open_rest),
            ms(rest),
            ms(written),
            ms(found),
            ms(unknown),
            bytes(&dir.path().join("journal/snapshots")) / 1_000,
            bytes(&dir.path().join("index")) / 1_000,
        );
    }
}
