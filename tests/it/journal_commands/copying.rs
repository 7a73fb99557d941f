//! `export`, `import`, `backup`, `repair`, `prune`, `snapshots`, `diff`.

use std::{fs, path::Path, process::Stdio};

use alloy_primitives::B256;
use crowdfold_events::EventSeq;
use crowdfold_journal::{Head, JournalStore, SledJournal, Snapshot, SnapshotMeta};

use super::fixture::{
    bytes_of, chain, code, command, data, err, fails, frames, journal, json, path, seq, text, write_journal,
};

#[test]
fn an_export_is_the_same_bytes_from_every_journal_and_comes_back() {
    let dir = data();
    let work = tempfile::tempdir().unwrap();
    let file = |name: &str| work.path().join(name);
    let said = json(&["export", path(dir.path()), path(&file("a"))], 0);
    assert_eq!(said["bytes"], fs::metadata(file("a")).unwrap().len());
    // Other segments, same events.
    let mut other = SledJournal::open(&file("other")).unwrap();
    for frame in frames(&chain().events) {
        let at = other.head().next;
        other.append(&[frame], at).unwrap();
    }
    // Also while it is open.
    text(&["export", path(&file("other")), path(&file("b"))]);
    let bytes = fs::read(file("a")).unwrap();
    assert!(bytes == fs::read(file("b")).unwrap());
    let piped = command(&["export", path(dir.path()), "-"]).output().unwrap();
    assert!(piped.stdout == bytes, "standard output has the bytes and nothing else");
    assert!(err(&piped).contains("exported"));

    let imported = json(&["import", path(&file("a")), path(&file("c"))], 0);
    assert_eq!(imported["head"], said["head"]);
    text(&["export", path(&file("c")), path(&file("d"))]);
    assert!(bytes == fs::read(file("d")).unwrap());
    let genesis = path(&dir.path().join("genesis.toml")).to_owned();
    assert_eq!(
        json(&["verify", path(&file("c")), "--genesis", &genesis], 0)["chain"]["last_block"]["signed"],
        "nothing"
    );

    // Nothing is overwritten.
    fails(&["export", path(dir.path()), path(&file("a"))], 2);
    fails(&["import", path(&file("a")), path(&file("c"))], 2);
    assert!(bytes == fs::read(file("a")).unwrap());
    fails(&["import", path(&file("nothing")), path(&file("e"))], 2);
    fails(&["export", path(dir.path()), path(&file("no/such/folder"))], 2);
}

#[test]
fn an_altered_or_cut_export_is_never_imported() {
    let dir = data();
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("export");
    text(&["export", path(dir.path()), path(&file)]);
    let good = fs::read(&file).unwrap();
    let to = work.path().join("to");
    let mut bad = vec![Vec::new(), b"garbage".to_vec(), good[..good.len() - 1].to_vec(), [&good[..], b"x"].concat()];
    for at in (0..good.len()).step_by(good.len() / 23) {
        let mut flipped = good.clone();
        flipped[at] ^= 0x10;
        bad.push(flipped);
        bad.push(good[..at].to_vec());
    }
    for bytes in bad {
        fs::write(&file, &bytes).unwrap();
        let said = fails(&["import", path(&file), path(&to)], 3);
        assert!(said.contains(path(&file)), "{said}");
        assert!(!to.exists() || fs::read_dir(&to).unwrap().count() == 0, "nothing is left behind");
    }
    // A damaged journal gives no export at all.
    let segment = bytes_of(&dir.path().join("journal/segments")).remove(0).0;
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let out = work.path().join("out");
    assert!(fails(&["export", path(dir.path()), path(&out)], 1).contains(path(&segment)));
    assert!(!out.exists());
}

#[test]
fn a_backup_of_a_live_journal_is_a_whole_one() {
    let dir = data();
    let work = tempfile::tempdir().unwrap();
    let to = work.path().join("copy");
    let _live = SledJournal::open(&dir.path().join("journal")).unwrap();
    let said = json(&["backup", path(dir.path()), path(&to)], 0);
    assert_eq!(said["last_commit"], true);
    let verdict = json(&["verify", path(&to)], 0);
    assert_eq!(verdict["verified"], said["head"]);
    assert_eq!(verdict["chain"]["last_block"]["signed"], "events", "genesis and last commit came along");
    assert_eq!(json(&["diff", path(dir.path()), path(&to)], 0)["relation"], "equal");
    // A journal alone becomes a journal alone.
    let bare = work.path().join("bare");
    let alone = work.path().join("alone");
    write_journal(&alone, &chain().events);
    text(&["backup", path(&alone), path(&bare)]);
    assert!(bare.join("segments").is_dir());
    assert_eq!(json(&["verify", path(&bare), "--files-only"], 0)["good"], true);
    fails(&["backup", path(dir.path()), path(&to)], 2);
}

/// Killed at any moment, a backup has its name with all that belongs to it, or not at all.
#[test]
fn a_killed_backup_or_import_can_be_run_again() {
    let dir = data();
    let work = tempfile::tempdir().unwrap();
    let export = work.path().join("export");
    text(&["export", path(dir.path()), path(&export)]);
    let (mut cut_short, runs) = (0, 16);
    for run in 0..runs {
        let (copy, made) = (work.path().join(format!("copy{run}")), work.path().join(format!("made{run}")));
        let attempts = [["backup", path(dir.path()), path(&copy)], ["import", path(&export), path(&made)]];
        for (args, to) in attempts.iter().zip([&copy, &made]) {
            let mut child = command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(run * 6));
            child.kill().unwrap();
            child.wait().unwrap();
            if !to.exists() {
                cut_short += 1;
                text(args);
            }
            assert!(!to.with_extension("unfinished").exists());
        }
        let verdict = json(&["verify", path(&copy)], 0);
        assert_eq!(verdict["chain"]["last_block"]["signed"], "events", "genesis and last commit came along");
        assert_eq!(json(&["diff", path(&copy), path(&made)], 0)["relation"], "equal");
    }
    assert!(cut_short > 0, "no run was cut short");
}

/// What belongs to a journal cannot be copied: nothing has the copy's name.
#[test]
fn a_backup_without_its_genesis_is_none() {
    let dir = data();
    let work = tempfile::tempdir().unwrap();
    let to = work.path().join("copy");
    let genesis = fs::read(dir.path().join("genesis.toml")).unwrap();
    fs::remove_file(dir.path().join("genesis.toml")).unwrap();
    fs::create_dir(dir.path().join("genesis.toml")).unwrap();
    fails(&["backup", path(dir.path()), path(&to)], 1);
    assert_eq!(fs::read_dir(work.path()).unwrap().count(), 0, "nothing is left");
    fs::remove_dir(dir.path().join("genesis.toml")).unwrap();
    fs::write(dir.path().join("genesis.toml"), genesis).unwrap();
    text(&["backup", path(dir.path()), path(&to)]);
}

#[test]
fn repair_ends_where_the_journal_ended_or_changes_nothing() {
    let work = tempfile::tempdir().unwrap();
    let good = data();
    let backup = work.path().join("backup");
    text(&["backup", path(good.path()), path(&backup)]);
    let export = work.path().join("export");
    text(&["export", path(good.path()), path(&export)]);
    let head = json(&["verify", path(good.path())], 0)["verified"].clone();
    assert_eq!(json(&["repair", path(good.path())], 0)["actions"], serde_json::json!([]), "nothing to mend");

    let spoil = |dir: &Path, nth: usize| {
        let segment = bytes_of(&dir.join("journal/segments")).remove(nth).0;
        let mut bytes = fs::read(&segment).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&segment, bytes).unwrap();
    };
    for from in [&backup, &export] {
        let dir = data();
        spoil(dir.path(), 0);
        let before = bytes_of(dir.path());
        let said = fails(&["repair", path(dir.path())], 1);
        assert!(said.contains("event"), "the oldest segment is in no window: {said}");
        let same = |(path, _): &&(std::path::PathBuf, Vec<u8>)| !path.ends_with("LOCK");
        assert_eq!(
            bytes_of(dir.path()).iter().filter(same).collect::<Vec<_>>(),
            before.iter().filter(same).collect::<Vec<_>>()
        );
        let done = json(&["repair", path(dir.path()), "--from", path(from)], 0);
        assert_eq!(done["head"], head);
        assert_eq!(done["actions"][0]["action"], "rewritten");
        assert_eq!(json(&["verify", path(dir.path())], 0)["verified"], head);
    }
    // The newest segment and HEAD come from the directory itself.
    let dir = data();
    let segments = bytes_of(&dir.path().join("journal/segments")).len();
    spoil(dir.path(), segments - 1);
    fs::remove_file(dir.path().join("journal/HEAD")).unwrap();
    assert_eq!(code(&journal(&["verify", path(dir.path())])), 3);
    assert_eq!(json(&["repair", path(dir.path())], 0)["head"], head);
    assert_eq!(json(&["verify", path(dir.path())], 0)["verified"], head);
    let words = text(&["repair", path(dir.path())]);
    assert!(words.starts_with("good"), "{words}");

    // Not while somebody has it, and not from something else.
    let _live = SledJournal::open(&dir.path().join("journal")).unwrap();
    assert!(fails(&["repair", path(dir.path())], 1).contains("in use"));
    fails(&["repair", path(good.path()), "--from", path(&work.path().join("nothing"))], 2);
    fails(&["repair", path(good.path()), "--from", path(work.path())], 2);
}

/// A snapshot at the end of the block that holds event `at`.
fn snapshot(dir: &Path, at: u64) -> Head {
    let mut journal = SledJournal::open(&dir.join("journal")).unwrap();
    let head = crowdfold_journal::Reader::open(&dir.join("journal")).unwrap().locate(EventSeq(at)).unwrap().after;
    let meta = SnapshotMeta { head, state_root: B256::repeat_byte(7), code_version: 3 };
    journal.put_snapshot(&Snapshot { meta, bytes: vec![1; 1000] }).unwrap();
    head
}

#[test]
fn pruning_keeps_what_remains_verifiable_and_provable() {
    let dir = data();
    let end = chain().events.len() as u64;
    assert_eq!(json(&["snapshots", path(dir.path())], 0)["snapshots"], serde_json::json!([]));
    fails(&["prune", path(dir.path()), "--before", &end.to_string()], 2);
    let head = snapshot(dir.path(), end - 30);
    let listed = json(&["snapshots", path(dir.path())], 0);
    assert_eq!(listed["snapshots"][0]["head"]["next"], head.next.0);
    assert_eq!(listed["snapshots"][0]["code_version"], 3);
    assert!(text(&["snapshots", path(dir.path())]).contains("code version 3"));

    let before = json(&["verify", path(dir.path())], 0);
    let pruned = json(&["prune", path(dir.path()), "--before", "height:40"], 0);
    let floor = seq(&pruned["floor"]["next"]).0;
    assert!(pruned["segments"].as_u64().unwrap() > 0 && floor > 0, "{pruned}");
    let first = super::fixture::lines(&["show", path(dir.path()), "--limit", "1"]).remove(0);
    assert_eq!(first["seq"], floor);
    assert!(first["height"].as_u64().unwrap() <= 40);
    let after = json(&["verify", path(dir.path())], 0);
    assert_eq!(after["verified"], before["verified"]);
    assert_eq!(after["chain"]["last_block"], before["chain"]["last_block"]);
    assert_eq!(after["floor"]["next"], floor);
    fails(&["prune", path(dir.path()), "--before", "x"], 2);
    fails(&["tail", path(dir.path()), "--from", "0"], 2);
    fails(&["prove", path(dir.path()), "0"], 2);
    text(&["prove", path(dir.path()), &floor.to_string()]);
    assert!(err(&journal(&["show", path(dir.path()), "--seq", "0..5"])).contains("are pruned"));
    // Compared with the whole one: what is kept is the same.
    assert_eq!(json(&["diff", path(dir.path()), path(data().path())], 0)["relation"], "equal");
    let stats = json(&["stats", path(dir.path())], 0);
    assert_eq!(stats["floor"]["next"], floor);
    assert_eq!(stats["events"], end - floor);

    // A spoilt snapshot is listed as what it is.
    let file = bytes_of(&dir.path().join("journal/snapshots")).remove(0).0;
    fs::write(&file, b"spoilt").unwrap();
    assert_eq!(json(&["snapshots", path(dir.path())], 0)["snapshots"][0]["good"], false);
    assert!(text(&["snapshots", path(dir.path())]).contains("BAD"));
    assert_eq!(code(&journal(&["verify", path(dir.path())])), 3);
}

#[test]
fn two_journals_part_where_they_part() {
    let chain = chain();
    let a = data();
    let blocks = frames(&chain.events);
    let work = tempfile::tempdir().unwrap();
    let write = |name: &str, events: &[crowdfold_events::StoredEvent]| {
        let dir = work.path().join(name);
        write_journal(&dir, events);
        dir
    };
    let same = json(&["diff", path(a.path()), path(a.path())], 0);
    assert_eq!((&same["relation"], &same["a"]["frames_read"]), (&"equal".into(), &1.into()));

    // One is the beginning of the other.
    let short: Vec<_> = blocks[..50].iter().flat_map(|f| f.events().to_vec()).collect();
    let prefix = write("prefix", &short);
    for (args, relation) in [
        ([path(&prefix), path(a.path())], "a_is_the_beginning_of_b"),
        ([path(a.path()), path(&prefix)], "b_is_the_beginning_of_a"),
    ] {
        let said = json(&["diff", args[0], args[1]], 3);
        assert_eq!((&said["relation"], &said["common"]["next"]), (&relation.into(), &short.len().into()));
        json(&["diff", args[0], args[1], "--prefix"], 0);
    }

    // Every block in turn has one event less, or more, or another.
    for nth in (1..blocks.len()).step_by(7) {
        let first: usize = blocks[..nth].iter().map(|f| f.events().len()).sum();
        let mut events = chain.events.clone();
        let inside = events[first..].iter().position(|e| e.event_type() == 3).unwrap();
        let at = if inside > 1 {
            events.remove(first + 1);
            first + 1
        } else {
            events.insert(first + 1, events[1].clone());
            events[first + 1] = events.iter().find(|e| e.event_type() == 20).unwrap().clone();
            first + 1
        };
        let b = write(&nth.to_string(), &events);
        let said = json(&["diff", path(a.path()), path(&b)], 3);
        assert_eq!((&said["relation"], &said["block"], &said["seq"]), (&"differ".into(), &nth.into(), &at.into()));
        assert_eq!(said["common"]["next"], first);
        assert_ne!(said["a_event"], said["b_event"]);
        let read = said["a"]["frames_read"].as_u64().unwrap() + said["b"]["frames_read"].as_u64().unwrap();
        assert!(read < 50, "{read} frames of {} are a full scan", blocks.len());
        let back = json(&["diff", path(&b), path(a.path())], 3);
        assert_eq!((&back["a_event"], &back["b_event"]), (&said["b_event"], &said["a_event"]));
    }
    let words = journal(&["diff", path(a.path()), path(&work.path().join("8"))]);
    let words = super::fixture::out(&words);
    assert!(words.contains("DIFFERENT  in block 8"), "{words}");

    // Nothing in common at all.
    let mut genesis = chain.genesis.clone();
    genesis.time_ms += 1;
    let (_, opening) = crowdfold_kernel::Kernel::genesis(&genesis).unwrap();
    let other = write("other", &crate::audit::chains::stored(&opening));
    let said = json(&["diff", path(a.path()), path(&other)], 3);
    assert_eq!((&said["relation"], &said["seq"]), (&"differ".into(), &0.into()));
}
