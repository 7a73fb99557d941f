//! Files whose checksums are right and whose content is not: each check that
//! stands behind the checksums has a case here that nothing else refuses.

use std::{
    fs,
    path::{Path, PathBuf},
};

use alloy_primitives::keccak256;
use crowdfold_events::{B256, EventSeq};
use crowdfold_journal::{Damage, FileKind, JournalError, JournalStore, Reader, VerifyReport, verify};

use crate::{
    damage::{exported, fill, open, snapshot},
    scratch,
};

/// Changes part of a file's bytes and writes the checksum behind that part anew.
fn forge(path: &Path, from: usize, to: usize, change: impl FnOnce(&mut [u8])) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes[from..to - 4]);
    let checksum = crc32c::crc32c(&bytes[from..to - 4]);
    bytes[to - 4..to].copy_from_slice(&checksum.to_le_bytes());
    fs::write(path, bytes).unwrap();
}

/// The sealed segments, ascending.
fn sealed(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("segments")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.pop();
    assert!(paths.len() > 2);
    paths
}

fn forge_footer(path: &Path, change: impl FnOnce(&mut [u8])) {
    let bytes = fs::read(path).unwrap();
    let length = bytes.len();
    let footer = u32::from_le_bytes(bytes[length - 8..length - 4].try_into().unwrap()) as usize;
    forge(path, length - footer, length, change);
}

/// Changes the newer slot of HEAD.
fn forge_head(dir: &Path, change: impl FnOnce(&mut [u8])) {
    let path = dir.join("HEAD");
    let bytes = fs::read(&path).unwrap();
    let generation = |slot: usize| u64::from_le_bytes(bytes[slot * 512 + 8..][..8].try_into().unwrap());
    let newer = usize::from(generation(1) > generation(0));
    forge(&path, newer * 512, (newer + 1) * 512, change);
}

fn checked(dir: &Path) -> VerifyReport {
    verify(dir, &mut |_, _| ()).unwrap()
}

#[test]
fn a_footer_that_begins_elsewhere_than_its_header_is_refused() {
    let dir = scratch();
    drop(fill(dir.path(), 60));
    let path = &sealed(dir.path())[1];
    // The head before the first frame.
    forge_footer(path, |footer| footer[48] ^= 1);
    let is_it = |error: &JournalError| matches!(error, JournalError::BadFile { file, detail: Damage::Chain { .. }, .. } if file == path);
    assert!(open(dir.path()).is_err_and(|error| is_it(&error)));
    assert!(exported(dir.path()).is_err_and(|error| is_it(&error)));
    assert!(checked(dir.path()).findings.iter().any(|finding| is_it(&finding.error)));
}

#[test]
fn a_footer_that_stands_elsewhere_than_it_says_is_refused() {
    let dir = scratch();
    drop(fill(dir.path(), 60));
    let path = &sealed(dir.path())[1];
    // Where the last frame ends.
    forge_footer(path, |footer| footer[40] ^= 1);
    let is_it =
        |error: &JournalError| matches!(error, JournalError::BadFile { file, what: "the footer", .. } if file == path);
    assert!(open(dir.path()).is_err_and(|error| is_it(&error)));
    assert!(exported(dir.path()).is_err_and(|error| is_it(&error)));
}

/// The last frame does not end its block; its hash and HEAD say so as well.
#[test]
fn a_frame_that_is_cut_elsewhere_than_at_a_block_is_refused() {
    let dir = scratch();
    let head = fill(dir.path(), 3).head();
    let last = Reader::open(dir.path()).unwrap().locate(EventSeq(head.next.0 - 1)).unwrap();
    let events = last.frame.events();
    let seal = events.last().unwrap().as_bytes().to_vec();
    // A type that nobody has: the journal does not know what events mean.
    let other = [&u32::MAX.to_le_bytes(), &seal[4..]].concat();
    let before = events[..events.len() - 1].iter().fold(last.before.hash, |hash, event| event.chain(&hash));
    assert_eq!(crowdfold_events::hash::chain(&before, &seal), head.hash);
    let after = crowdfold_events::hash::chain(&before, &other);
    let (from, to) = (last.offset as usize, (last.offset + last.bytes) as usize);
    forge(&last.file, from, to, |frame| {
        let end = frame.len() - 32;
        frame[end - other.len()..end].copy_from_slice(&other);
        frame[end..].copy_from_slice(after.as_slice());
    });
    forge_head(dir.path(), |slot| slot[24..56].copy_from_slice(after.as_slice()));
    let is_it = |error: &JournalError| matches!(error, JournalError::Damaged { detail: Damage::Cut(_), .. });
    assert!(exported(dir.path()).is_err_and(|error| is_it(&error)));
    let report = checked(dir.path());
    let finding = report.findings.iter().find(|finding| is_it(&finding.error)).unwrap();
    assert_eq!(
        (finding.kind, finding.offset, finding.at),
        (FileKind::Segment, Some(last.offset), Some(last.before.next))
    );
    assert_eq!(report.verified, last.before);
    assert!(open(dir.path()).is_err_and(|error| is_it(&error)));
}

/// Segments, footers and windows agree with each other and not with HEAD.
#[test]
fn a_head_with_another_hash_is_found_by_verify() {
    let dir = scratch();
    let head = fill(dir.path(), 60).head();
    let other = keccak256(b"other");
    forge_head(dir.path(), |slot| slot[24..56].copy_from_slice(other.as_slice()));
    let found = |at: EventSeq, acknowledged: B256| {
        checked(dir.path()).findings.iter().any(|finding| {
            let expected =
                &JournalError::OtherHistory { file: finding.file.clone(), at, acknowledged, found: head.hash };
            finding.kind == FileKind::Segment && finding.error == *expected
        })
    };
    assert!(found(head.next, other));
    assert!(exported(dir.path()).is_err() && open(dir.path()).is_err());
}

/// The same with a number that is not reached.
#[test]
fn a_head_beyond_the_last_frame_is_found_by_verify() {
    let dir = scratch();
    let head = fill(dir.path(), 60).head();
    forge_head(dir.path(), |slot| slot[16..24].copy_from_slice(&(head.next.0 + 5).to_le_bytes()));
    let report = checked(dir.path());
    let behind = |error: &JournalError| matches!(error, JournalError::Behind { found, .. } if *found == head.next);
    assert!(report.findings.iter().any(|f| f.kind == FileKind::Segment && behind(&f.error)), "{:?}", report.findings);
}

/// Pruning takes the new floor from a footer, so it reads the frames first.
#[test]
fn a_footer_that_lies_about_its_end_does_not_become_the_floor() {
    let dir = scratch();
    let mut journal = fill(dir.path(), 60);
    snapshot(&mut journal, 50);
    let paths = sealed(dir.path());
    let end: u64 = paths[2].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    // The second segment's, which is the last one to go: the head after it.
    forge_footer(&paths[1], |footer| footer[80] ^= 1);
    let error = journal.prune(EventSeq(end)).unwrap_err();
    assert!(matches!(&error, JournalError::BadFile { file, what: "the footer", .. } if *file == paths[1]), "{error}");
    assert!(!dir.path().join("FLOOR").exists() && paths[0].exists());
}
