//! Golden bytes, mutated: the decoders never panic, never allocate what bytes
//! merely claim, and what they accept has exactly those bytes.

use crowdfold_events::{
    BlockBody, BlockHeader, CodecError, Event, SignedMessage, StoredEvent,
    codec::{self, ENVELOPE_HEADER_BYTES, Envelope, MAX_EVENT_BYTES},
    decode_event, encode_event,
};
use proptest::prelude::*;

fn golden() -> Vec<Vec<u8>> {
    let text = include_str!("../golden/events.txt");
    text.lines().map(|line| hex::decode(line.rsplit(' ').next().unwrap()).unwrap()).collect()
}

#[derive(Clone, Debug)]
enum Mutation {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    /// A length that lies, over eight bytes.
    Claim(prop::sample::Index, u64),
    Cut(prop::sample::Index),
    Append(Vec<u8>),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = || any::<prop::sample::Index>();
    let claim = prop_oneof![Just(u64::MAX), Just(1 << 40), Just(1 << 31), 0u64..70_000, any::<u64>()];
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, to)| Mutation::Set(at, to)),
        (at(), 0u8..8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (at(), any::<u8>()).prop_map(|(at, new)| Mutation::Insert(at, new)),
        at().prop_map(Mutation::Remove),
        (at(), claim).prop_map(|(at, claim)| Mutation::Claim(at, claim)),
        at().prop_map(Mutation::Cut),
        proptest::collection::vec(any::<u8>(), 1..40).prop_map(Mutation::Append),
    ]
}

impl Mutation {
    fn apply(self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Self::Set(at, to) => bytes[at.index(length)] = to,
            Self::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Self::Insert(at, new) => bytes.insert(at.index(length), new),
            Self::Remove(at) => drop(bytes.remove(at.index(length))),
            Self::Claim(at, claim) => {
                let at = at.index(length);
                let end = length.min(at + 8);
                bytes[at..end].copy_from_slice(&claim.to_le_bytes()[..end - at]);
            }
            Self::Cut(at) => bytes.truncate(at.index(length)),
            Self::Append(more) => bytes.extend(more),
        }
    }
}

/// Makes the envelope's length fit, so that the payload's decoder is reached.
fn fit(bytes: &mut [u8]) {
    if bytes.len() >= ENVELOPE_HEADER_BYTES {
        let length = (bytes.len() - ENVELOPE_HEADER_BYTES) as u32;
        bytes[6..10].copy_from_slice(&length.to_le_bytes());
    }
}

fn is_today(stored: &StoredEvent) -> bool {
    Event::TAGS.contains(&(stored.event_type(), stored.event_version()))
}

/// What every decoder promises of any bytes.
fn check(bytes: &[u8]) {
    if let Ok(stored) = StoredEvent::from_bytes(bytes.to_vec()) {
        assert_eq!(stored.as_bytes(), bytes);
        match stored.decode() {
            Ok(event) if is_today(&stored) => {
                assert_eq!(encode_event(&event).unwrap(), stored, "another encoding of the same event");
            }
            Ok(event) => assert_eq!(encode_event(&event).unwrap().decode().unwrap(), event),
            Err(CodecError::UnknownType { .. }) => assert!(!is_today(&stored)),
            Err(_) => {}
        }
    } else {
        assert!(decode_event(bytes).is_err());
    }
    if let Ok((event, rest)) = StoredEvent::split(bytes) {
        assert_eq!([event.as_bytes(), rest].concat(), bytes);
    }
    let payload = bytes.get(ENVELOPE_HEADER_BYTES..).unwrap_or_default();
    same::<BlockHeader>(payload);
    same::<BlockBody>(payload);
    same::<SignedMessage>(payload);
    same::<SignedMessage>(bytes);
}

fn same<T: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) {
    if let Ok(value) = codec::from_bytes::<T>(bytes) {
        assert_eq!(codec::to_bytes(&value).unwrap(), bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_events_never_panic_and_keep_their_bytes(
        sample in any::<prop::sample::Index>(),
        mutations in proptest::collection::vec(mutation(), 1..5),
        fits in any::<bool>(),
    ) {
        let mut all = golden();
        let mut bytes = all.swap_remove(sample.index(all.len()));
        mutations.into_iter().for_each(|mutation| mutation.apply(&mut bytes));
        if fits {
            fit(&mut bytes);
        }
        check(&bytes);
    }

    #[test]
    fn spliced_events_never_panic_and_keep_their_bytes(
        a in any::<prop::sample::Index>(),
        b in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
    ) {
        let all = golden();
        let (a, b) = (&all[a.index(all.len())], &all[b.index(all.len())]);
        let mut bytes = [&a[..from.index(a.len())], &b[to.index(b.len())..]].concat();
        check(&bytes);
        fit(&mut bytes);
        check(&bytes);
    }
}

/// Every eight bytes of every golden event replaced by a length of a gigabyte
/// and more: an allocation of that size would end a process that may have 256
/// MiB. Run by the test below.
fn claims() {
    for bytes in golden() {
        for at in ENVELOPE_HEADER_BYTES..bytes.len() {
            for claim in [1u64 << 30, 1 << 34, 1 << 62, u64::MAX] {
                let mut bytes = bytes.clone();
                let end = bytes.len().min(at + 8);
                bytes[at..end].copy_from_slice(&claim.to_le_bytes()[..end - at]);
                check(&bytes);
            }
        }
        let mut long = bytes.clone();
        long[6..10].copy_from_slice(&(MAX_EVENT_BYTES as u32).to_le_bytes());
        assert!(matches!(Envelope::split(&long, MAX_EVENT_BYTES), Err(CodecError::Truncated { .. })));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_claimed_length_is_not_allocated() {
    if std::env::var_os("CROWDFOLD_FEW_BYTES").is_some() {
        return claims();
    }
    let me = std::env::current_exe().unwrap();
    let run = format!(
        "ulimit -v {}; exec \"$0\" --exact fuzz::a_claimed_length_is_not_allocated --test-threads 1",
        256 << 10
    );
    let output =
        std::process::Command::new("sh").args(["-c", &run]).arg(me).env("CROWDFOLD_FEW_BYTES", "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}
