//! The program as it is called: results, errors, exit codes.

use std::process::{Command, Output};

use serde_json::Value;

fn crowdfold(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_crowdfold")).args(args).env_remove("RUST_LOG").output().unwrap()
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn keys_and_genesis_are_made_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let key = json(&crowdfold(&["key", "new", &path("key"), "--json"]));
    assert_eq!(json(&crowdfold(&["key", "show", &path("key"), "--json"]))["address"], key["address"]);
    let validator = key["address"].as_str().unwrap();
    let new = [
        "genesis",
        "new",
        "--json",
        "--preset",
        "demo",
        "--validator",
        validator,
        "--chain-id",
        "4242",
        "--out",
        &path("g.toml"),
    ];
    let made = json(&crowdfold(&new));
    assert_eq!(made["chain_id"], 4242);
    let shown = json(&crowdfold(&["genesis", "show", &path("g.toml"), "--json"]));
    assert_eq!(shown["hash"], made["hash"]);
    assert_eq!(shown["validators"][0], key["address"]);
    assert_eq!(crowdfold(&new).status.code(), Some(2), "an existing file is not overwritten");
}

#[test]
fn what_cannot_be_used_is_two_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("genesis.toml");
    std::fs::write(&file, crowdfold_config::DEMO.replace("draw_lag", "draw_lagg")).unwrap();
    let file = file.display().to_string();
    let output = crowdfold(&["genesis", "show", &file]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("draw_lagg"));
    for args in [
        &["genesis", "show", "no such file"][..],
        &["key", "show", "no such file"],
        &["batch", "verify", "no such file", "--genesis", "demo"],
        &["prover", "--node", "wss://localhost", "--key-file", "no such file"],
        &["demo", "--provers", "1"],
        &["--log", "not=a=filter", "genesis", "show", "demo"],
        &["no such command"],
    ] {
        assert_eq!(crowdfold(args).status.code(), Some(2), "{args:?}");
    }
    let used = dir.path().display().to_string();
    assert_eq!(crowdfold(&["demo", "--data-dir", &used]).status.code(), Some(2), "the directory is not empty");
    let said = crowdfold(&["key", "show", "no such file", "--json"]);
    let error: Value = serde_json::from_slice(&said.stderr).unwrap();
    assert_eq!(error["exit_code"], 2);
}

#[test]
fn help_says_the_exit_codes() {
    for args in [&["--help"][..], &["node", "--help"], &["batch", "verify", "--help"], &["demo", "--help"]] {
        let output = crowdfold(args);
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stdout).contains("Exit codes"), "{args:?}");
    }
}
