//! What `verify` says of good, damaged and forged journals.

use std::{fs, path::Path};

use crowdfold::node::tip;
use crowdfold_events::{Event, Signer, StoredEvent, encode_event};
use serde_json::Value;

use super::fixture::{
    bytes_of, chain, code, copy, data, err, fails, journal, json, out, path, seq, text, world, write_journal,
};
use crate::audit::chains::rehash;

#[test]
fn a_good_journal_is_good_and_stays_as_it_was() {
    let dir = data();
    let before = bytes_of(dir.path());
    let chain = chain();
    let said = json(&["verify", path(dir.path())], 0);
    assert_eq!(said["good"], true);
    assert_eq!(said["events"], chain.events.len());
    assert_eq!(said["verified"], said["acknowledged"]);
    assert_eq!(said["readable"][0]["last"], chain.events.len() - 1);
    assert_eq!(said["chain"]["state"], "good");
    assert_eq!(said["chain"]["blocks"], chain.height);
    assert_eq!(said["chain"]["signatures"], chain.height, "each block's, the last one's from the file");
    assert_eq!(said["chain"]["last_block"]["signed"], "events");
    assert_eq!(said["chain"]["bound"], said["verified"]);
    assert_eq!(said["chain"]["genesis"], serde_json::to_value(chain.genesis_hash).unwrap());
    let words = text(&["verify", path(dir.path())]);
    assert!(words.starts_with("good"), "{words}");
    assert!(words.contains("by the word of validator"), "{words}");
    // The journal's own directory is as good.
    assert_eq!(json(&["verify", path(&dir.path().join("journal"))], 0)["chain"]["state"], "good");
    assert_eq!(bytes_of(dir.path()), before, "nothing is written, not even by sled");
    assert!(fs::metadata(dir.path().join("journal/segments")).unwrap().is_dir());
    assert!(fs::read_dir(dir.path().join("journal/segments")).unwrap().count() > 3, "the tests need several segments");
}

#[test]
fn without_a_signature_of_the_last_block_it_says_so() {
    let dir = data();
    let file = dir.path().join(tip::FILE);
    let good = fs::read_to_string(&file).unwrap();
    let unsigned = |word: &str| {
        let said = json(&["verify", path(dir.path())], 0);
        assert_eq!(said["chain"]["last_block"]["signed"], word);
        assert_ne!(said["chain"]["bound"], said["verified"], "the last block's events are not bound");
        let words = text(&["verify", path(dir.path())]);
        assert!(words.contains("NO signature"), "{words}");
        said["chain"]["last_block"]["why"].as_str().unwrap().to_owned()
    };
    fs::remove_file(&file).unwrap();
    assert_eq!(unsigned("nothing"), "there is no last-commit");
    fs::write(&file, good.replace("header", "heade")).unwrap();
    assert!(unsigned("nothing").contains("line 3"));
    let height = chain().height;
    fs::write(&file, good.replace(&format!("height {height}"), &format!("height {}", height - 1))).unwrap();
    assert!(unsigned("nothing").contains("bad signature"));
    // Another's word on the events counts nothing.
    let liar = Signer::from_bytes(&[9; 32]).unwrap();
    let stated = good.lines().find(|l| l.starts_with("stated ")).unwrap();
    let other = stated.replace(&stated[7..49], &format!("0x{}", hex::encode(liar.address())));
    fs::write(&file, good.replace(stated, &other)).unwrap();
    assert!(unsigned("header").contains("no validator's word"));
}

/// A journal of other events with every hash of the files made anew.
fn forged(events: &[StoredEvent], change: impl FnOnce(&Path)) -> Value {
    let dir = data();
    fs::remove_dir_all(dir.path().join("journal")).unwrap();
    write_journal(&dir.path().join("journal"), events);
    change(dir.path());
    let said = json(&["verify", path(dir.path())], 3);
    assert_eq!(said["good"], false);
    assert_eq!(said["findings"], serde_json::json!([]), "every byte fits its hashes");
    assert_eq!(said["chain"]["state"], "bad");
    said["chain"].clone()
}

/// The same, only checked by its files.
fn files_are_good(events: &[StoredEvent]) {
    let dir = tempfile::tempdir().unwrap();
    write_journal(dir.path(), events);
    let said = json(&["verify", path(dir.path()), "--files-only"], 0);
    assert_eq!(said["chain"]["state"], "not_checked");
}

#[test]
fn a_journal_whose_later_hashes_were_all_made_anew_still_fails() {
    let chain = chain();
    let height_of = |at: usize| chain.events[..=at].iter().filter(|e| e.event_type() == 2).count() as u64;
    // An amount in the middle of the chain.
    let at = chain.events.iter().rposition(|e| e.event_type() == 42).unwrap();
    let mut events = chain.events.clone();
    let Ok(Event::RewardAccrued { plugin, task, mut amount, from_fees, from_issuance, to_debt }) = events[at].decode()
    else {
        panic!("a reward");
    };
    amount.0 += 1;
    events[at] =
        encode_event(&Event::RewardAccrued { plugin, task, amount, from_fees, from_issuance, to_debt }).unwrap();
    let block = height_of(at);
    assert!(block + 3 < chain.height);

    files_are_good(&events);
    let found = forged(&events, |_| {});
    assert_eq!(found["height"], block, "the next header names another head");
    assert!(found["error"].as_str().unwrap().contains("the next header names"), "{found}");
    assert!(seq(&found["bound"]["next"]).0 <= at as u64);

    let world = world();
    // Headers made to fit, commits not signed again: the next block is not what was signed.
    let events = rehash(world.state.genesis_hash(), &events, None);
    let found = forged(&events, |_| {});
    assert_eq!(found["height"], block + 1);
    assert!(found["error"].as_str().unwrap().contains("bad signature"), "{found}");
    assert!(seq(&found["bound"]["next"]).0 <= at as u64, "what was altered is not said to be signed for");

    // With the validator's key only execution finds it.
    let events = rehash(world.state.genesis_hash(), &events, Some(&world.validator));
    let dir = data();
    fs::remove_dir_all(dir.path().join("journal")).unwrap();
    fs::remove_file(dir.path().join(tip::FILE)).unwrap();
    write_journal(&dir.path().join("journal"), &events);
    assert_eq!(json(&["verify", path(dir.path())], 0)["chain"]["state"], "good");
}

#[test]
fn dropped_reordered_and_cut_events_are_found() {
    let chain = chain();
    let blocks: Vec<&[StoredEvent]> = chain.events.split_inclusive(|e| matches!(e.event_type(), 1 | 3)).collect();
    let middle = blocks.len() / 2;

    let mut without = blocks.clone();
    without.remove(middle);
    let found = forged(&without.concat(), |_| {});
    assert!(found["error"].as_str().unwrap().contains("the height is"), "{found}");
    assert_eq!(found["height"], middle + 1);

    let mut swapped = blocks.clone();
    swapped.swap(middle, middle + 1);
    assert_eq!(forged(&swapped.concat(), |_| {})["height"], middle + 1);

    let long = blocks.iter().position(|b| b.len() > 6).unwrap();
    let mut dropped = blocks.clone();
    let short = [&blocks[long][..2], &blocks[long][3..]].concat();
    dropped[long] = &short;
    assert_eq!(forged(&dropped.concat(), |_| {})["height"], long);
    let mut reordered = blocks.clone();
    let mut other = blocks[long].to_vec();
    other.swap(2, 3);
    reordered[long] = &other;
    assert_eq!(forged(&reordered.concat(), |_| {})["height"], long);

    // A journal that ends early is found by the file of the last block's commit alone.
    let cut = blocks[..blocks.len() - 3].concat();
    let found = forged(&cut, |_| {});
    assert!(found["error"].as_str().unwrap().contains("but the journal ends here"), "{found}");
    assert_eq!(found["height"], chain.height - 3);

    // The last block's events, with everything made to fit: only the validator's word binds them.
    let last = blocks.len() - 1;
    let mut altered = blocks.clone();
    let end = blocks[last].to_vec();
    let without = [&end[..1], &end[2..]].concat();
    assert!(end.len() > 2, "the last block has an event between its first and its last");
    altered[last] = &without;
    let found = forged(&altered.concat(), |_| {});
    assert_eq!(found["height"], chain.height);
    assert!(found["error"].as_str().unwrap().contains("stated"), "{found}");
}

#[test]
fn another_chains_genesis_is_named() {
    let dir = data();
    let said = json(&["verify", path(dir.path()), "--genesis", "demo"], 3);
    assert!(said["chain"]["error"].as_str().unwrap().contains("begins with genesis"), "{said}");
    // The same genesis but for the opening event.
    let chain = chain();
    let mut events = chain.events.clone();
    let Ok(Event::GenesisLoaded { genesis_hash, chain_id, rules_version, state_root, mut supply, time_ms }) =
        events[0].decode()
    else {
        panic!("the genesis");
    };
    supply.0 += 1;
    events[0] =
        encode_event(&Event::GenesisLoaded { genesis_hash, chain_id, rules_version, state_root, supply, time_ms })
            .unwrap();
    let found = forged(&events, |_| {});
    assert_eq!((&found["height"], &found["event"]), (&0.into(), &0.into()));
}

#[test]
fn the_first_bad_frame_and_what_is_left_are_named() {
    let original = data();
    let segments = original.path().join("journal/segments");
    let mut names: Vec<_> = fs::read_dir(&segments).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    let name = names[2].to_str().unwrap();
    let first: u64 = name.trim_end_matches(".cfs").parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    copy(original.path(), dir.path());
    let file = dir.path().join("journal/segments").join(name);
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 4;
    fs::write(&file, &bytes).unwrap();
    let before = bytes_of(dir.path());
    let said = json(&["verify", path(dir.path())], 3);
    let bad = &said["first_bad"];
    assert_eq!(bad["file"].as_str().unwrap(), file.to_str().unwrap());
    let (event, offset) = (seq(&bad["event"]).0, bad["offset"].as_u64().unwrap());
    assert!(event >= first && offset <= at as u64 && offset > 0, "{bad}");
    // The rest is readable, before and after.
    assert_eq!(said["readable"][0]["first"], 0);
    assert_eq!(said["readable"][0]["last"], event - 1);
    let ranges = said["readable"].as_array().unwrap();
    assert_eq!(ranges.last().unwrap()["last"], chain().events.len() - 1);
    for range in ranges {
        let span = format!("{}..{}", range["first"], range["last"]);
        let shown = journal(&["show", path(dir.path()), "--seq", &span]);
        assert_eq!(code(&shown), 0, "{span} of {ranges:?}: {}", err(&shown));
    }
    let output = journal(&["verify", path(dir.path())]);
    assert_eq!(code(&output), 3);
    assert!(out(&output).starts_with("BAD"), "{}", out(&output));
    assert!(out(&output).contains("readable"));
    assert!(err(&output).contains(&format!("event {event}")), "{}", err(&output));
    assert_eq!(bytes_of(dir.path()), before);
    // Reading across the damage fails and names it, too.
    assert!(fails(&["show", path(dir.path())], 1).contains(name));
}
