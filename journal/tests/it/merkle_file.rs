//! The tree of a journal on disk: from the file, from the events, after
//! pruning, and with a file that nobody should believe.

use std::{cell::Cell, fs, path::Path, sync::Arc};

use crowdfold_events::{B256, EventSeq};
use crowdfold_journal::{
    CompactRange, Head, JournalError, JournalStore, JournalTree, MerkleError, Options, Reader, RealDisk, SledJournal,
    Snapshot, SnapshotMeta,
    merkle_log::{ProveError, leaf_hash},
};

use crate::{block, genesis};

/// Small segments, so that pruning has something to remove.
fn journal(dir: &Path) -> SledJournal {
    let options = Options { segment_bytes: 20_000, sled_segment_bytes: 1 << 20, ..Options::default() };
    SledJournal::open_with(dir, options, Arc::new(RealDisk)).unwrap()
}

fn extend(dir: &Path, heights: std::ops::Range<u64>) -> Head {
    let mut journal = journal(dir);
    if journal.head() == Head::EMPTY {
        journal.append(&[genesis()], EventSeq(0)).unwrap();
    }
    for height in heights {
        let end = journal.head().next;
        journal.append(&[block(height, 1 + (height % 13) as usize)], end).unwrap();
    }
    journal.head()
}

/// The tree, and whether events had to be read for it.
fn tree(reader: &Reader) -> (JournalTree, bool) {
    let read = Cell::new(false);
    let tree = JournalTree::of(reader, &mut |_, _| read.set(true)).unwrap();
    (tree, read.get())
}

fn leaves(reader: &Reader) -> Vec<B256> {
    let events = reader.read(reader.floor().head.next, usize::MAX).unwrap();
    events.iter().map(|event| leaf_hash(event.as_bytes())).collect()
}

fn root(leaves: &[B256]) -> B256 {
    let mut range = CompactRange::default();
    leaves.iter().for_each(|leaf| range.push(*leaf));
    range.root()
}

#[test]
fn the_file_is_used_and_continued() {
    let dir = tempfile::tempdir().unwrap();
    let head = extend(dir.path(), 1..900);
    let reader = Reader::open(dir.path()).unwrap();
    let (first, scanned) = tree(&reader);
    assert!(scanned && first.head() == head);
    first.save(dir.path()).unwrap();
    let (again, scanned) = tree(&reader);
    assert!(!scanned && again == first, "from the file alone");
    let head = extend(dir.path(), 900..1000);
    let reader = Reader::open(dir.path()).unwrap();
    let (more, _) = tree(&reader);
    let all = leaves(&reader);
    assert_eq!((more.head(), more.root()), (head, root(&all)));
    // An older reader is not given what it cannot see.
    more.save(dir.path()).unwrap();
    for size in [1, 255, 256, 257, 5000, all.len()] {
        let expected = root(&all[..size]);
        assert_eq!(more.root_at(&reader, size as u64).unwrap(), expected);
        for at in [0, size / 3, size - 1] {
            let proof = more.prove_inclusion(&reader, EventSeq(at as u64), size as u64).unwrap();
            proof.verify(&all[at], &expected).unwrap();
        }
        let proof = more.prove_consistency(&reader, size as u64, all.len() as u64).unwrap();
        proof.verify(&expected, &more.root()).unwrap();
    }
    let beyond = more.prove_inclusion(&reader, head.next, head.next.0);
    assert!(matches!(beyond, Err(MerkleError::Prove(ProveError::Beyond { .. }))));
}

#[test]
fn a_file_that_is_damaged_or_of_another_chain_is_made_again() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    extend(dir.path(), 1..300);
    extend(other.path(), 3..290);
    let reader = Reader::open(dir.path()).unwrap();
    let (good, _) = tree(&reader);
    let foreign = Reader::open(other.path()).unwrap();
    let path = dir.path().join("merkle");
    good.save(dir.path()).unwrap();
    let bytes = fs::read(&path).unwrap();
    tree(&foreign).0.save(dir.path()).unwrap();
    let foreign = fs::read(&path).unwrap();
    let flipped = [&bytes[..100], &[bytes[100] ^ 1], &bytes[101..]].concat();
    for bad in [foreign, flipped, bytes[..50].to_vec(), Vec::new()] {
        fs::write(&path, bad).unwrap();
        let (again, scanned) = tree(&reader);
        assert!(scanned && again == good);
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(tree(&reader).0, good);
    // Longer than the journal that it is asked about.
    extend(dir.path(), 300..310);
    let longer = tree(&Reader::open(dir.path()).unwrap()).0;
    longer.save(dir.path()).unwrap();
    assert_eq!(tree(&reader).0, good);
}

#[test]
fn a_pruned_journal_proves_the_same_roots() {
    let dir = tempfile::tempdir().unwrap();
    let head = extend(dir.path(), 1..1500);
    let reader = Reader::open(dir.path()).unwrap();
    let (whole, _) = tree(&reader);
    let all = leaves(&reader);
    whole.save(dir.path()).unwrap();
    let mut writer = journal(dir.path());
    let meta = SnapshotMeta { head, state_root: B256::ZERO, code_version: 1 };
    writer.put_snapshot(&Snapshot { meta, bytes: vec![1] }).unwrap();
    let floor = writer.prune(EventSeq(head.next.0 * 2 / 3)).unwrap().floor.head.next.0;
    drop(writer);
    assert!(floor > 1000, "{floor}");
    let reader = Reader::open(dir.path()).unwrap();
    let (pruned, scanned) = tree(&reader);
    assert!(scanned, "the file begins at another floor");
    assert_eq!((pruned.head(), pruned.root()), (whole.head(), whole.root()));
    pruned.save(dir.path()).unwrap();
    assert_eq!(tree(&reader), (pruned.clone(), false));
    let size = head.next.0;
    for at in [floor, floor + 1, floor + 255, (floor + size) / 2, size - 1] {
        pruned.prove_inclusion(&reader, EventSeq(at), size).unwrap().verify(&all[at as usize], &whole.root()).unwrap();
        let old = root(&all[..at as usize]);
        assert_eq!(pruned.root_at(&reader, at).unwrap(), old);
        pruned.prove_consistency(&reader, at, size).unwrap().verify(&old, &whole.root()).unwrap();
    }
    let gone = pruned.prove_inclusion(&reader, EventSeq(3), size).unwrap_err();
    assert!(
        matches!(
            gone,
            MerkleError::Prove(ProveError::Pruned { .. }) | MerkleError::Journal(JournalError::Pruned { .. })
        ),
        "{gone}"
    );
}
