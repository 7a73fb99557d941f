//! The whole path with real proofs: `crowdfold demo`, then its batch file.

use std::process::{Command, Output};

use serde_json::Value;

fn crowdfold(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_crowdfold")).args(args).env_remove("RUST_LOG").output().unwrap()
}

#[test]
fn the_demo_ends_in_a_verified_batch_and_shows_a_penalty() {
    let _alone = crate::ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (data, summary) = (path("data"), path("out/summary.json"));
    let output = crowdfold(&[
        "demo",
        "--transactions",
        "2",
        "--provers",
        "2",
        "--data-dir",
        &data,
        "--summary",
        &summary,
        "--json",
    ]);
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{log}");
    let written: Value = serde_json::from_slice(&std::fs::read(&summary).unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), written);

    let transactions = written["transactions"].as_array().unwrap();
    assert_eq!(transactions.len(), 2);
    for t in transactions {
        assert_eq!(t["status"], "aggregated", "{log}");
        assert_eq!(t["segments"], crowdfold_zk::SEGMENTS_PER_TRANSFER);
        let number = |name: &str| t[name].as_u64().unwrap_or_else(|| panic!("{name}: {t}"));
        assert!(number("prove_ms") > 0 && number("verify_ms") > 0, "{t}");
        assert!((1_000..=20_000).contains(&number("proof_bytes")), "{t}");
        assert!(t["bounty"].as_str().unwrap().parse::<u128>().unwrap() > 0, "{t}");
    }
    // The dropped transaction was drawn again, for somebody else.
    assert!(transactions[0]["attempts"].as_u64().unwrap() >= 2);
    let penalties = written["penalties"].as_array().unwrap();
    let dropped = &penalties[0];
    assert!(dropped["balance_after"].as_str().unwrap().parse::<i128>().unwrap() < 0);
    assert_ne!(dropped["plugin"], transactions[0]["worker"]);
    assert_eq!(written["batch"]["verified"], true);
    assert_eq!(written["batch"]["certified"], true);
    assert!(written["batch"]["items"].as_u64().unwrap() >= 2);
    assert_eq!(written["supply"]["conserved"], true);
    assert_eq!(written["supply"]["genesis"], written["supply"]["now"]);
    assert!(written["journal"]["events"].as_u64().unwrap() > 50);

    let genesis = written["files"]["genesis"].as_str().unwrap();
    let file = written["files"]["batches"][0].as_str().unwrap();
    let verified = crowdfold(&["batch", "verify", file, "--genesis", genesis, "--json"]);
    assert_eq!(verified.status.code(), Some(0));
    let report: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(report["batch"]["pre_root"], written["batch"]["pre_root"]);
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, &bytes).unwrap();
    assert_eq!(crowdfold(&["batch", "verify", file, "--genesis", genesis]).status.code(), Some(3));

    audited(&data, &dir.path().join("changed"));
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

/// The journal of the demonstration passes with its real proofs, is explained, and fails once it is changed.
fn audited(data: &str, changed: &std::path::Path) {
    let good = crowdfold(&["audit", data, "--proofs", "--json"]);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    let report = json(&good);
    let checked = &report["audit"]["checked"];
    assert_eq!(report["audit"]["proofs"]["verified"], checked["proofs_accepted"]);
    assert!(checked["proofs_accepted"].as_u64().unwrap() >= 5, "{checked}");
    assert_eq!(report["audit"]["proofs"]["missing"], 0);

    let replayed = json(&crowdfold(&["replay", data, "--json"]));
    assert_eq!(replayed["state_hash"], report["audit"]["end"]["state_hash"]);
    let height = replayed["height"].as_u64().unwrap().to_string();
    let at = json(&crowdfold(&["replay", data, "--height", &height, "--json"]));
    assert_eq!(at["state_hash"], replayed["state_hash"]);
    let other = json(&crowdfold(&["replay", data, "--set", "timeout_penalty=2 ZKPoW", "--json"]));
    let lines = other["accounts"].as_array().unwrap();
    assert!(lines.iter().any(|l| l["would"]["penalties"] == "2000000000000000000" && l["was"]["penalties"] == "1000000000000000000"));
    let refused = crowdfold(&["replay", data, "--set", "draw_lag=3"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("would change draws or outcomes"));
    let story = json(&crowdfold(&["explain", data, "--task", "2", "--json"]));
    assert!(story["entries"].as_array().unwrap().iter().any(|e| e["draw_holds"] == true), "{story}");
    assert_eq!(crowdfold(&["explain", data, "--task", "99999"]).status.code(), Some(2));

    changed_journals_fail(data, changed);
}

fn changed_journals_fail(data: &str, changed: &std::path::Path) {
    use crate::audit::chains::rehash;
    use crowdfold_events::{Event, EventSeq, StoredEvent};
    use crowdfold_journal::{Frame, JournalStore, Reader, SledJournal};
    let reader = Reader::open(&std::path::Path::new(data).join("journal")).unwrap();
    let events = reader.read(EventSeq(0), usize::MAX).unwrap();
    let genesis_file = format!("{data}/genesis.toml");
    let genesis = crowdfold_config::Genesis::from_toml(&std::fs::read_to_string(&genesis_file).unwrap()).unwrap();
    let find = |wanted: fn(&Event) -> bool| events.iter().position(|e| wanted(&e.decode().unwrap())).unwrap();
    let penalty = find(|e| matches!(e, Event::PenaltyCharged { .. }));
    let mut altered = events.clone();
    let mut bytes = altered[penalty].as_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    altered[penalty] = StoredEvent::from_bytes(bytes).unwrap();
    let mut dropped = events.clone();
    dropped.remove(penalty);
    let mut reordered = events.clone();
    reordered.swap(penalty - 1, penalty);
    let kinds = [("altered", altered, penalty), ("dropped", dropped, penalty), ("reordered", reordered, penalty - 1)];
    for (class, events, place) in kinds {
        for recomputed in [false, true] {
            let events = if recomputed { rehash(genesis.hash(), &events, None) } else { events.clone() };
            let dir = changed.join(format!("{class}-{recomputed}"));
            let mut journal = SledJournal::open(&dir).unwrap();
            let mut frame = Vec::new();
            for event in events {
                let is_end = matches!(event.event_type(), 1 | 3);
                frame.push(event);
                if is_end {
                    let next = journal.head().next;
                    journal.append(&[Frame::new(std::mem::take(&mut frame)).unwrap()], next).unwrap();
                }
            }
            drop(journal);
            let dir = dir.display().to_string();
            let bad = crowdfold(&["audit", &dir, "--genesis", &genesis_file, "--json"]);
            assert_eq!(bad.status.code(), Some(3), "{class} {recomputed}: {bad:?}");
            let found = &json(&bad)["audit"]["divergence"];
            assert_eq!((&found["seq"], &found["reason"]["class"]), (&place.into(), &class.into()), "{found}");
        }
    }
}
