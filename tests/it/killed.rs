//! SIGKILL at arbitrary moments: the process that starts next goes on where
//! the journal ends, and what was acknowledged is there.

use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crowdfold::actors::ledger::LedgerCore;
use crowdfold_config::{DEMO, Genesis};
use crowdfold_journal::SledJournal;
use serde_json::Value;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().map(|_| ()).unwrap_or_default();
    }
}

/// The demonstration's preset for whatever circuits this program has.
fn preset() -> String {
    let unpinned =
        |line: &str| if line.starts_with("shape = ") { "shape = \"unset\"".to_owned() } else { line.to_owned() };
    DEMO.lines().map(unpinned).collect::<Vec<_>>().join("\n")
}

/// Starts the program's node; returns it with its RPC address.
fn start(dir: &std::path::Path) -> (Killed, String) {
    let config = dir.join("genesis.toml");
    std::fs::write(&config, preset()).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_crowdfold"))
        .args(["node", "--rpc", "127.0.0.1:0", "--json", "--config"])
        .arg(config)
        .arg("--data-dir")
        .arg(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let said = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>().next().unwrap().unwrap();
    let addr = said["rpc"].as_str().unwrap().trim_start_matches("http://").trim_end_matches('/').to_owned();
    (Killed(child), addr)
}

fn height(addr: &str) -> u64 {
    let Ok(mut stream) = std::net::TcpStream::connect(addr) else { return 0 };
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    serde_json::from_str::<Value>(body).unwrap()["height"].as_u64().unwrap()
}

#[test]
fn a_killed_node_goes_on_where_its_journal_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..3u64 {
        let (node, addr) = start(dir.path());
        let begun = Instant::now();
        while height(&addr) < acknowledged + 3 {
            assert!(begun.elapsed() < Duration::from_secs(60), "blocks go on");
            std::thread::sleep(Duration::from_millis(20));
        }
        // Another moment of a block's life in each round.
        std::thread::sleep(Duration::from_millis(7 * round));
        acknowledged = height(&addr);
        drop(node);
        let journal = SledJournal::open(&dir.path().join("journal")).unwrap();
        let ledger = LedgerCore::open(&Genesis::from_toml(&preset()).unwrap(), Box::new(journal)).unwrap();
        assert!(ledger.snapshot().height().0 >= acknowledged, "what was shown is durable");
    }
}
