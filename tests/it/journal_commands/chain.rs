//! Every rule of the chain check, one at a time: what is changed in the last
//! block fits everything but that rule, because nothing signs that block.

use crowdfold::audit::chain::{ChainCheck, ChainFault, ChainFaultKind, ChainReport, Tip};
use crowdfold_config::ValidGenesis;
use crowdfold_events::{B256, BlockBody, BlockHeader, Event, EventSeq, Height, StoredEvent, encode_event};
use crowdfold_journal::Head;
use crowdfold_kernel::{CommitFault, commit};

use super::fixture::{Chain, chain, frames};

fn valid(chain: &Chain) -> ValidGenesis {
    chain.genesis.clone().validate().unwrap()
}

fn check(genesis: &ValidGenesis, blocks: &[Vec<StoredEvent>]) -> Result<ChainReport, Box<ChainFault>> {
    let mut check = ChainCheck::new(genesis).unwrap();
    let mut at = Head::EMPTY;
    for events in blocks {
        check.frame(at, events)?;
        at = Head {
            next: EventSeq(at.next.0 + events.len() as u64),
            hash: events.iter().fold(at.hash, |head, event| event.chain(&head)),
        };
    }
    Ok(check.finish(None)?)
}

fn blocks(chain: &Chain) -> Vec<Vec<StoredEvent>> {
    frames(&chain.events).into_iter().map(|frame| frame.into_events()).collect()
}

fn change_header(events: &mut [StoredEvent], change: impl FnOnce(&mut BlockHeader, &mut BlockBody)) {
    let Ok(Event::BlockDecided { mut header, mut body }) = events[0].decode() else { panic!("a block") };
    change(&mut header, &mut body);
    events[0] = encode_event(&Event::BlockDecided { header, body }).unwrap();
}

/// What is found when the last block is changed.
fn last_changed(change: impl FnOnce(&mut BlockHeader, &mut BlockBody)) -> ChainFault {
    let chain = chain();
    let mut blocks = blocks(&chain);
    change_header(blocks.last_mut().unwrap(), change);
    *check(&valid(&chain), &blocks).unwrap_err()
}

#[test]
fn a_whole_chain_is_bound_up_to_its_last_block() {
    let chain = chain();
    let blocks = blocks(&chain);
    let report = check(&valid(&chain), &blocks).unwrap();
    assert_eq!((report.blocks, report.first, report.last), (chain.height, Height(0), Height(chain.height)));
    assert_eq!(report.signatures, chain.height - 1);
    assert!(matches!(report.tip, Tip::Unsigned { .. }));
    let last = blocks.last().unwrap().len() + blocks[blocks.len() - 2].len();
    assert_eq!(
        report.bound.next.0,
        (chain.events.len() - last) as u64,
        "the last signed header binds what is before it"
    );
}

#[test]
fn each_field_that_a_header_shares_is_compared() {
    let named = |fault: ChainFault| match fault.kind {
        ChainFaultKind::Header { what, .. } => what,
        other => panic!("{other}"),
    };
    let wrong = B256::repeat_byte(9);
    assert_eq!(named(last_changed(|h, _| h.chain_id += 1)), "chain id");
    assert_eq!(named(last_changed(|h, _| h.rules_version += 1)), "rules version");
    assert_eq!(named(last_changed(|h, _| h.validators_hash = wrong)), "validators hash");
    assert_eq!(named(last_changed(|h, _| h.transactions_root = wrong)), "transactions root");
    assert_eq!(named(last_changed(|h, _| h.messages_root = wrong)), "messages root");
    assert_eq!(named(last_changed(|h, _| h.last_commit_hash = wrong)), "last commit hash");
    assert_eq!(named(last_changed(|h, _| h.parent = wrong)), "parent");
    assert_eq!(named(last_changed(|_, b| b.transactions.push(vec![1]))), "transactions root");
    let height = chain().height;
    let found = last_changed(|h, _| h.height = Height(height + 1));
    assert_eq!(found.kind, ChainFaultKind::Height { expected: Height(height), found: Height(height + 1) });
    let found = last_changed(|h, _| h.parent_events_head = wrong);
    assert!(matches!(found.kind, ChainFaultKind::EventsHead { expected, .. } if expected == wrong));
    assert_eq!(found.height, Height(height - 1), "the events are those of the block before");
}

#[test]
fn a_commit_must_be_of_the_block_before_and_signed_by_its_validators() {
    let chain = chain();
    let (height, genesis) = (chain.height, chain.genesis_hash);
    let parent = |fault: &ChainFault| assert_eq!(fault.height, Height(height - 1));
    let found = last_changed(|_, b| b.last_commit.height = Height(height - 2));
    assert!(matches!(found.kind, ChainFaultKind::Commit(CommitFault::Height { .. })));
    parent(&found);
    let found = last_changed(|_, b| b.last_commit.signatures.clear());
    assert!(matches!(found.kind, ChainFaultKind::Commit(CommitFault::NotEnough { .. })));
    let found = last_changed(|_, b| b.last_commit.signatures[0].signature[5] ^= 1);
    assert!(matches!(found.kind, ChainFaultKind::Commit(CommitFault::BadSignature(_))));
    let stranger = crowdfold_events::Signer::from_bytes(&[8; 32]).unwrap();
    let found = last_changed(|_, b| {
        b.last_commit = commit::sign_commit(&stranger, &genesis, Height(height - 1), b.last_commit.header_hash);
    });
    assert!(matches!(found.kind, ChainFaultKind::Commit(CommitFault::UnknownValidator(_))));
    // A good commit of another block at that height.
    let other = B256::repeat_byte(3);
    let found = last_changed(|_, b| {
        b.last_commit = commit::sign_commit(&chain.validator, &genesis, Height(height - 1), other);
    });
    assert!(matches!(found.kind, ChainFaultKind::NotSigned { expected, .. } if expected == other));
    parent(&found);
    // The first block carries none.
    let mut blocks = blocks(&chain);
    blocks.truncate(2);
    change_header(&mut blocks[1], |_, b| b.last_commit.height = Height(1));
    let found = check(&valid(&chain), &blocks).unwrap_err();
    assert_eq!(found.kind, ChainFaultKind::Commit(CommitFault::NotEmpty));
    change_header(&mut blocks[1], |h, b| {
        b.last_commit.height = Height(0);
        h.parent = other;
    });
    let found = check(&valid(&chain), &blocks).unwrap_err();
    assert!(matches!(found.kind, ChainFaultKind::Header { what: "parent", .. }));
}

#[test]
fn the_seal_says_what_the_header_says() {
    let chain = chain();
    let sealed = |change: &dyn Fn(&mut Height, &mut B256, &mut B256)| {
        let mut blocks = blocks(&chain);
        let last = blocks.last_mut().unwrap();
        let end = last.len() - 1;
        let Ok(Event::BlockSealed { mut height, mut state_root, mut market_root }) = last[end].decode() else {
            panic!("a seal");
        };
        change(&mut height, &mut state_root, &mut market_root);
        last[end] = encode_event(&Event::BlockSealed { height, state_root, market_root }).unwrap();
        let found = check(&valid(&chain), &blocks).unwrap_err();
        assert_eq!((found.height, found.at), (Height(chain.height), EventSeq(chain.events.len() as u64 - 1)));
        match found.kind {
            ChainFaultKind::Sealed { what, .. } => what,
            other => panic!("{other}"),
        }
    };
    assert_eq!(sealed(&|h, _, _| h.0 += 1), "height");
    assert_eq!(sealed(&|_, s, _| *s = B256::ZERO), "state root");
    assert_eq!(sealed(&|_, _, m| *m = B256::ZERO), "market root");
}

#[test]
fn a_frame_is_one_block() {
    let chain = chain();
    let genesis = valid(&chain);
    let good = blocks(&chain);
    let shaped = |events: Vec<StoredEvent>| {
        let mut blocks = good.clone();
        *blocks.last_mut().unwrap() = events;
        check(&genesis, &blocks).unwrap_err().kind
    };
    let last = good.last().unwrap().clone();
    assert_eq!(shaped(Vec::new()), ChainFaultKind::Shape);
    assert_eq!(shaped(last[1..].to_vec()), ChainFaultKind::Shape);
    assert_eq!(shaped(last[..last.len() - 1].to_vec()), ChainFaultKind::Shape);
    assert_eq!(shaped([&last[..1], &last[..]].concat()), ChainFaultKind::Shape);
    assert_eq!(shaped([&last[..1], &good[0][..], &last[1..]].concat()), ChainFaultKind::Shape);
    let mut unknown = last.clone();
    let mut bytes = unknown[0].as_bytes().to_vec();
    bytes[4] = 77;
    unknown[0] = StoredEvent::from_bytes(bytes).unwrap();
    assert!(matches!(shaped(unknown), ChainFaultKind::Event(_)));
}

#[test]
fn a_chain_may_be_checked_from_any_block_and_past_a_gap() {
    let chain = chain();
    let genesis = valid(&chain);
    let blocks = blocks(&chain);
    let mut heads = vec![Head::EMPTY];
    for events in &blocks {
        let before = heads[heads.len() - 1];
        heads.push(Head {
            next: EventSeq(before.next.0 + events.len() as u64),
            hash: events.iter().fold(before.hash, |head, event| event.chain(&head)),
        });
    }
    let mut pruned = ChainCheck::new(&genesis).unwrap();
    for at in 30..blocks.len() {
        pruned.frame(heads[at], &blocks[at]).unwrap();
    }
    let report = pruned.finish(None).unwrap();
    assert_eq!((report.first, report.blocks), (Height(30), blocks.len() as u64 - 30));
    assert_eq!(report.bound, heads[blocks.len() - 2]);
    // Behind a gap the blocks are checked, and nothing more is said to be bound.
    let mut check = ChainCheck::new(&genesis).unwrap();
    for at in (0..10).chain(20..40) {
        if at == 20 {
            check.gap();
        }
        check.frame(heads[at], &blocks[at]).unwrap();
    }
    let mut altered = blocks[40].clone();
    change_header(&mut altered, |_, b| b.last_commit.signatures.clear());
    let found = check.frame(heads[40], &altered).unwrap_err();
    assert_eq!((found.height, found.bound), (Height(39), heads[8]));
}
