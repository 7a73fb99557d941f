//! What is no journal, or a damaged one, ends in words and the right exit code:
//! never in a panic, never in a wrong answer.

use std::fs;

use super::fixture::{bytes_of, chain, code, copy, data, err, fails, journal, json, out, path, text};

/// Every command that takes a directory, with arguments that a good one accepts.
fn commands(dir: &str, other: &str, scratch: &str) -> Vec<Vec<String>> {
    let lines = [
        format!("verify|{dir}"),
        format!("show|{dir}"),
        format!("show|{dir}|--height|3..5"),
        format!("tail|{dir}"),
        format!("export|{dir}|{scratch}/export"),
        format!("backup|{dir}|{scratch}/backup"),
        format!("repair|{dir}"),
        format!("diff|{dir}|{other}"),
        format!("diff|{other}|{dir}"),
        format!("prove|{dir}|0"),
        format!("stats|{dir}"),
        format!("prune|{dir}|--before|5"),
        format!("snapshots|{dir}"),
        format!("checkpoint|{dir}|--key|{scratch}/key"),
    ];
    lines.iter().map(|line| line.split('|').map(str::to_owned).collect()).collect()
}

fn run(args: &[String]) -> std::process::Output {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let output = journal(&args);
    assert!(output.status.code().is_some_and(|code| code <= 3), "{args:?}: {}", err(&output));
    assert!(!err(&output).contains("panicked"), "{args:?}: {}", err(&output));
    output
}

#[test]
fn what_is_no_journal_is_said_to_be_none() {
    let good = data();
    let work = tempfile::tempdir().unwrap();
    fs::write(work.path().join("key"), hex::encode(chain().validator_secret())).unwrap();
    let file = work.path().join("file");
    fs::write(&file, "x").unwrap();
    let empty = work.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let text_dir = work.path().join("photos");
    fs::create_dir(&text_dir).unwrap();
    fs::write(text_dir.join("readme"), "x").unwrap();
    for dir in [work.path().join("nothing"), file, empty, text_dir] {
        for args in commands(path(&dir), path(good.path()), path(work.path())) {
            let output = run(&args);
            assert_eq!(code(&output), 2, "{args:?}: {}", err(&output));
            assert!(err(&output).contains(path(&dir)), "{args:?}: {}", err(&output));
            let said = journal(&[&args.iter().map(String::as_str).collect::<Vec<_>>()[..], &["--json"]].concat());
            let error: serde_json::Value = serde_json::from_slice(&said.stderr).unwrap();
            assert_eq!(error["exit_code"], 2);
        }
    }
    // A journal's directory that lost everything but its lock is one, and says what is missing.
    let gone = work.path().join("gone");
    fs::create_dir(&gone).unwrap();
    fs::write(gone.join("LOCK"), "").unwrap();
    for args in commands(path(&gone), path(good.path()), path(work.path())) {
        // There are no snapshots, indeed.
        assert!(code(&run(&args)) != 0 || args[0] == "snapshots", "{args:?}");
    }
}

#[test]
fn without_a_genesis_the_blocks_cannot_be_checked_and_that_is_said() {
    let dir = data();
    fs::remove_file(dir.path().join("genesis.toml")).unwrap();
    assert!(fails(&["verify", path(dir.path())], 2).contains("--genesis"));
    assert_eq!(json(&["verify", path(dir.path()), "--files-only"], 0)["chain"]["state"], "not_checked");
    assert!(text(&["verify", path(dir.path()), "--files-only"]).contains("NOT CHECKED"));
    fails(&["verify", path(dir.path()), "--genesis", "/no/such/file"], 2);
    fails(&["verify", path(dir.path()), "--genesis", path(dir.path())], 2);
    fs::write(dir.path().join("genesis.toml"), "chain_id = 3").unwrap();
    fails(&["verify", path(dir.path())], 2);
    assert_eq!(code(&journal(&["verify", path(dir.path()), "--files-only", "--genesis", "demo"])), 2);
}

/// One damage in each file, of each kind: `verify` names it, or it is harmless
/// and the export is the same; no other command panics or changes the export.
#[test]
fn damage_in_any_file_is_named_or_harmless() {
    let original = data();
    let work = tempfile::tempdir().unwrap();
    let good = work.path().join("good");
    text(&["export", path(original.path()), path(&good)]);
    let good = fs::read(&good).unwrap();
    fs::write(work.path().join("key"), hex::encode(chain().validator_secret())).unwrap();
    let files: Vec<_> = bytes_of(original.path())
        .into_iter()
        .map(|(file, bytes)| (file.strip_prefix(original.path()).unwrap().to_owned(), bytes))
        .collect();
    assert!(files.len() > 8);
    let mut found = 0;
    for (nth, (name, bytes)) in files.iter().enumerate() {
        let mut flipped = bytes.clone();
        if let Some(byte) = flipped.get_mut(bytes.len() * 2 / 3) {
            *byte ^= 0x08;
        }
        let half = bytes[..bytes.len() / 2].to_vec();
        for (kind, damaged) in
            [("flipped", Some(flipped)), ("cut", Some(half)), ("emptied", Some(Vec::new())), ("gone", None)]
        {
            if damaged.as_ref() == Some(bytes) {
                continue;
            }
            let dir = work.path().join("dir");
            fs::remove_dir_all(&dir).unwrap_or_default();
            copy(original.path(), &dir);
            match &damaged {
                Some(damaged) => fs::write(dir.join(name), damaged).unwrap(),
                None => fs::remove_file(dir.join(name)).unwrap(),
            }
            let said = format!("{kind} {}", name.display());
            let verdict = run(&["verify".to_owned(), path(&dir).to_owned()]);
            let export = work.path().join(format!("export{nth}{kind}"));
            let exported = run(&["export".to_owned(), path(&dir).to_owned(), path(&export).to_owned()]);
            if code(&exported) == 0 {
                assert!(fs::read(&export).unwrap() == good, "{said}: another export");
            }
            match code(&verdict) {
                0 => assert_eq!(code(&exported), 0, "{said}: called good and not exported: {}", err(&exported)),
                3 => {
                    found += 1;
                    assert!(out(&verdict).contains("BAD"), "{said}");
                }
                // The genesis file is the operator's own.
                other => assert!(other == 2 && name.ends_with("genesis.toml"), "{said}: {}", err(&verdict)),
            }
        }
    }
    assert!(found > 12, "{found}");
    // The others on one damaged directory.
    let scratch = work.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    fs::copy(work.path().join("key"), scratch.join("key")).unwrap();
    for name in ["journal/HEAD", "journal/segments"] {
        let dir = work.path().join("dir");
        for args in commands(path(&dir), path(original.path()), path(&scratch)) {
            fs::remove_dir_all(&dir).unwrap();
            copy(original.path(), &dir);
            let gone = dir.join(name);
            if gone.is_dir() {
                fs::remove_dir_all(gone).unwrap()
            } else {
                fs::remove_file(gone).unwrap()
            }
            let output = run(&args);
            // The newest frames are in the window, too.
            let may_work = args[0] == "repair" || args[0] == "snapshots";
            assert!(code(&output) != 0 || may_work, "{name} {args:?}: {}", out(&output));
        }
    }
}

#[test]
fn help_says_what_each_command_is_for_and_its_exit_codes() {
    for name in [
        "verify",
        "show",
        "tail",
        "export",
        "import",
        "backup",
        "repair",
        "diff",
        "prove",
        "check-proof",
        "checkpoint",
        "stats",
        "prune",
        "snapshots",
    ] {
        let output = journal(&[name, "--help"]);
        assert_eq!(code(&output), 0);
        assert!(out(&output).contains("Exit codes"), "{name}");
        assert_eq!(code(&journal(&[name])), 2, "{name} needs arguments");
        assert_eq!(code(&journal(&[name, "--no-such-argument"])), 2);
    }
    assert_eq!(code(&journal(&["no-such-command"])), 2);
}
