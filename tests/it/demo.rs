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
}
