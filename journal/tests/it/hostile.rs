//! Files that somebody else wrote: exports, changed in every way, never make
//! another journal than the one that was exported.

use std::{fs, path::Path};

use crowdfold_events::EventSeq;
use crowdfold_journal::{JournalError, JournalStore, SledJournal, export, import};
use proptest::prelude::*;

use crate::{block, genesis, wide_block};

fn exported(dir: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    export(dir, &mut bytes, &mut |_, _| {}).unwrap();
    bytes
}

fn imported(bytes: &[u8]) -> Result<Vec<u8>, JournalError> {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("journal");
    import(&mut &bytes[..], &to, &mut |_, _| {})?;
    // What was taken opens as a journal and is exported as it was.
    drop(SledJournal::open(&to).unwrap());
    Ok(exported(&to))
}

fn sample() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = SledJournal::open(dir.path()).unwrap();
    let frames = [genesis(), block(1, 4), wide_block(2, 3_000), block(3, 1), block(4, 9)];
    journal.append(&frames, EventSeq(0)).unwrap();
    drop(journal);
    exported(dir.path())
}

#[derive(Clone, Debug)]
enum Mutation {
    Flip(prop::sample::Index, u8),
    Claim(prop::sample::Index, u64),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    Cut(prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 0u8..8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (at(), prop_oneof![Just(u64::MAX), Just(1 << 31), any::<u64>()]).prop_map(|(at, n)| Mutation::Claim(at, n)),
        (at(), proptest::collection::vec(any::<u8>(), 1..60)).prop_map(|(at, new)| Mutation::Insert(at, new)),
        (at(), 1usize..200).prop_map(|(at, count)| Mutation::Remove(at, count)),
        at().prop_map(Mutation::Cut),
        (at(), at()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
    ]
}

fn apply(mutation: Mutation, bytes: &mut Vec<u8>) {
    let length = bytes.len();
    if length == 0 {
        return;
    }
    match mutation {
        Mutation::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
        Mutation::Claim(at, claim) => {
            let at = at.index(length);
            let end = length.min(at + 8);
            bytes[at..end].copy_from_slice(&claim.to_le_bytes()[..end - at]);
        }
        Mutation::Insert(at, new) => drop(bytes.splice(at.index(length)..at.index(length), new)),
        Mutation::Remove(at, count) => {
            let at = at.index(length);
            bytes.drain(at..length.min(at + count));
        }
        Mutation::Cut(at) => bytes.truncate(at.index(length)),
        Mutation::Repeat(from, to) => {
            let (from, to) = (from.index(length), to.index(length));
            let again = bytes[from.min(to)..from.max(to)].to_vec();
            bytes.splice(to..to, again);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_export_is_refused(mutations in proptest::collection::vec(mutation(), 1..4)) {
        let good = sample();
        let mut bytes = good.clone();
        mutations.into_iter().for_each(|mutation| apply(mutation, &mut bytes));
        match imported(&bytes) {
            // Nothing was changed in the end.
            Ok(again) => prop_assert!(again == bytes && again == good),
            Err(_) => prop_assert!(bytes != good),
        }
    }
}

#[test]
fn every_byte_and_every_length_of_an_export_counts() {
    let good = sample();
    assert_eq!(imported(&good).unwrap(), good);
    for at in (0..good.len()).step_by(11) {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        assert!(imported(&bad).is_err(), "byte {at}");
        assert!(imported(&good[..at]).is_err(), "length {at}");
    }
    assert!(imported(&[good.as_slice(), &[0]].concat()).is_err());
    assert!(imported(&[good.as_slice(), &good].concat()).is_err());
}

#[test]
fn an_import_that_fails_leaves_nothing_that_opens() {
    let good = sample();
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("journal");
    assert!(import(&mut &good[..good.len() - 1], &to, &mut |_, _| {}).is_err());
    assert!(!to.exists() || fs::read_dir(&to).unwrap().next().is_none(), "{:?}", fs::read_dir(&to).unwrap().next());
    import(&mut &good[..], &to, &mut |_, _| {}).unwrap();
    assert!(matches!(import(&mut &good[..], &to, &mut |_, _| {}), Err(JournalError::NotEmpty { .. })));
    assert_eq!(exported(&to), good);
}
