//! Golden bytes, canonical decoding, fuzz, hashes.
//!
//! `tests/golden/events.txt` holds a line `type version hex` per
//! sample. Lines of versions that are no longer written stay for ever. New
//! lines are added, and nothing else is changed, by
//! `CROWDFOLD_ADD_GOLDEN=1 cargo test -p crowdfold-events golden`.

use std::{collections::BTreeSet, fs, path::PathBuf};

use crowdfold_events::{
    B256, CodecError, Event, SignedMessage, StoredEvent,
    codec::{self, ENVELOPE_HEADER_BYTES, Envelope, MAX_EVENT_BYTES},
    decode_event, encode_event, hash,
};
use proptest::prelude::*;

use crate::samples;

fn golden_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/events.txt")
}

/// The first lines of the golden file and their keccak-256.
const RELEASED: (usize, &str) = (38, "0x97847b989b8c9028413033d1cb4bf2cc0bb6bbc636823aa9c93c9f58dbe0e875");

fn line(stored: &StoredEvent) -> String {
    format!("{} {} {}", stored.event_type(), stored.event_version(), hex::encode(stored.as_bytes()))
}

#[test]
fn golden_bytes_of_every_type_and_version() {
    let current: Vec<String> = samples::events().iter().map(|e| line(&encode_event(e).unwrap())).collect();
    let mut golden: Vec<String> =
        fs::read_to_string(golden_path()).unwrap_or_default().lines().map(str::to_owned).collect();
    if std::env::var("CROWDFOLD_ADD_GOLDEN").is_ok_and(|v| v == "1") {
        let known: BTreeSet<String> = golden.iter().cloned().collect();
        golden.extend(current.iter().filter(|line| !known.contains(*line)).cloned());
        fs::write(golden_path(), golden.join("\n") + "\n").unwrap();
    }
    for line in &current {
        assert!(golden.contains(line), "the bytes of a sample are not the golden ones:\n{line}");
    }
    let tag = |e: &Event| encode_event(e).unwrap().event_type();
    assert_eq!(tag(&samples::events()[0]), codec::TAG_GENESIS_LOADED);
    assert_eq!(tag(&samples::events()[2]), codec::TAG_BLOCK_SEALED);
    let mut kinds = BTreeSet::new();
    for text in &golden {
        let fields: Vec<&str> = text.split(' ').collect();
        let stored = StoredEvent::from_bytes(hex::decode(fields[2]).unwrap()).unwrap();
        stored.decode().expect("every version ever written decodes");
        kinds.insert((stored.event_type(), stored.event_version()));
        assert_eq!(fields[..2], [stored.event_type().to_string(), stored.event_version().to_string()]);
    }
    // What was released stays as it was: lines are only ever added.
    let released = alloy_primitives::keccak256(golden[..RELEASED.0].join("\n"));
    assert_eq!(released.to_string(), RELEASED.1, "a golden line was changed or removed");
    for kind in Event::TAGS {
        assert!(kinds.contains(kind), "no golden bytes of {kind:?}");
    }
    assert_eq!(Event::TAGS.iter().map(|(tag, _)| tag).collect::<BTreeSet<_>>().len(), Event::TAGS.len());
}

#[test]
fn every_sample_round_trips_and_no_prefix_or_extension_does() {
    for event in samples::events() {
        let stored = encode_event(&event).unwrap();
        assert_eq!(stored.decode().unwrap(), event);
        let bytes = stored.as_bytes();
        for end in 0..bytes.len() {
            assert!(matches!(decode_event(&bytes[..end]), Err(CodecError::Truncated { .. })));
        }
        assert_eq!(decode_event(&[bytes, &[0]].concat()), Err(CodecError::Trailing { extra: 1 }));
        // A payload that is longer than its value, with the length made to fit.
        let mut padded = [bytes, &[0]].concat();
        let len = (padded.len() - ENVELOPE_HEADER_BYTES) as u32;
        padded[6..10].copy_from_slice(&len.to_le_bytes());
        assert_eq!(decode_event(&padded), Err(CodecError::Trailing { extra: 1 }));
    }
}

#[test]
fn unknown_types_versions_and_lengths_are_told_apart() {
    let bytes = encode_event(&samples::events()[0]).unwrap().as_bytes().to_vec();
    let mut other = bytes.clone();
    other[0] = 0xff;
    assert_eq!(decode_event(&other), Err(CodecError::UnknownType { tag: 0xff, version: 1 }));
    assert!(StoredEvent::from_bytes(other).is_ok(), "a journal may hold what newer code wrote");
    let mut other = bytes.clone();
    other[4] = 9;
    assert_eq!(decode_event(&other), Err(CodecError::UnknownType { tag: 1, version: 9 }));
    let mut other = bytes;
    other[6..10].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(decode_event(&other), Err(CodecError::TooLong { found: u32::MAX as usize, limit: MAX_EVENT_BYTES }));
    let long = Event::HeartbeatsRecorded { bitmap: vec![0; MAX_EVENT_BYTES] };
    assert!(encode_event(&long).is_err());
}

#[test]
fn hashes_bind_every_byte() {
    let header = samples::header();
    let bytes = codec::to_bytes(&header).unwrap();
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1;
        if let Ok(changed) = codec::from_bytes::<crowdfold_events::BlockHeader>(&other) {
            assert_ne!(changed.hash(), header.hash(), "byte {at}");
        }
    }
    let body = samples::body();
    let mut other = body.clone();
    other.messages[0].signature[64] ^= 1;
    assert_ne!(other.messages_root().unwrap(), body.messages_root().unwrap(), "the root binds signatures");
    let mut other = body.clone();
    other.transactions.swap(0, 1);
    assert_ne!(other.transactions_root(), body.transactions_root());
    let mut other = body.clone();
    other.last_commit.signatures[0].signature[0] ^= 1;
    assert_ne!(other.last_commit.hash().unwrap(), body.last_commit.hash().unwrap());
    let head = hash::chain(&B256::ZERO, b"a");
    assert_ne!(head, hash::chain(&B256::repeat_byte(1), b"a"));
    assert_ne!(head, hash::chain(&B256::ZERO, b"b"));
}

#[test]
fn several_events_split_in_order() {
    let stored: Vec<StoredEvent> = samples::events().iter().map(|e| encode_event(e).unwrap()).collect();
    let bytes: Vec<u8> = stored.iter().flat_map(|s| s.as_bytes().to_vec()).collect();
    let (mut rest, mut found) = (bytes.as_slice(), Vec::new());
    while !rest.is_empty() {
        let (event, after) = StoredEvent::split(rest).unwrap();
        found.push(event);
        rest = after;
    }
    assert_eq!(found, stored);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_decode_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_event(&bytes);
        let _ = StoredEvent::split(&bytes);
        let _ = Envelope::parse(&bytes, 100);
        let _ = codec::from_bytes::<SignedMessage>(&bytes);
        for (tag, version) in Event::TAGS {
            let mut framed = [tag.to_le_bytes().as_slice(), &version.to_le_bytes(), &(bytes.len() as u32).to_le_bytes()].concat();
            framed.extend(&bytes);
            if let Ok(event) = decode_event(&framed) {
                let again = encode_event(&event).unwrap();
                prop_assert_eq!(again.as_bytes(), framed.as_slice());
            }
        }
    }

    #[test]
    fn what_decodes_after_a_change_has_those_bytes(sample in 0..samples::events().len(), at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let mut bytes = encode_event(&samples::events()[sample]).unwrap().as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Ok(event) = decode_event(&bytes) {
            let again = encode_event(&event).unwrap();
            prop_assert_eq!(again.as_bytes(), bytes.as_slice());
        }
    }
}
