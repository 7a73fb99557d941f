//! The commands beside a node that runs.

use crowdfold::node::{NodeError, tip};

use super::fixture::{code, journal, json, lines, path, text};
use crate::world::{PRICE, VALIDATOR, genesis, prover, send, signer, start, transfer, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nodes_journal_is_looked_at_while_it_runs_and_signed_when_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (chain, data) = (genesis(), dir.path());
    let node = start(data, &chain).await;
    let plugin = prover(&node, 1);
    send(&node, &transfer(&chain, 0, 0, 5, PRICE)).await;
    until(&node, "some blocks", |s| s.height().0 >= 12).await;

    let verdict = json(&["verify", path(data)], 0);
    assert_eq!((&verdict["live"], &verdict["chain"]["state"]), (&true.into(), &"good".into()));
    assert!(text(&["verify", path(data)]).contains("a node is writing"));
    assert!(lines(&["show", path(data), "--type", "TransactionExecuted"]).len() == 1);
    assert!(!lines(&["tail", path(data)]).is_empty());
    assert!(json(&["stats", path(data)], 0)["span"]["last_height"].as_u64().unwrap() >= 12);
    let backup = dir.path().join("backup");
    text(&["backup", path(data), path(&backup)]);
    json(&["verify", path(&backup)], 0);
    let repaired = journal(&["repair", path(data)]);
    assert_eq!(code(&repaired), 1, "not while the node runs");

    plugin.handle.stop().await;
    let snapshot = node.snapshot();
    node.stop().await.unwrap();
    let verdict = json(&["verify", path(data)], 0);
    assert_eq!(verdict["chain"]["last_block"]["signed"], "events");
    assert_eq!(verdict["chain"]["bound"], verdict["verified"]);
    assert!(verdict["chain"]["last"].as_u64().unwrap() >= snapshot.height().0);
    let by = verdict["chain"]["last_block"]["by"].as_str().unwrap().to_lowercase();
    assert_eq!(by, format!("0x{}", hex::encode(signer(VALIDATOR).address())));
    let common = json(&["diff", path(data), path(&backup), "--prefix"], 0);
    assert!(common["relation"].as_str().unwrap().contains("b_is_the_beginning"), "{common}");

    // What is lost is made again by the next start.
    std::fs::remove_file(data.join(tip::FILE)).unwrap();
    std::fs::remove_file(data.join("genesis.toml")).unwrap();
    start(data, &chain).await.stop().await.unwrap();
    assert_eq!(json(&["verify", path(data)], 0)["chain"]["last_block"]["signed"], "events");

    // A genesis of another chain beside the journal stops the node in words.
    std::fs::write(data.join("genesis.toml"), "x").unwrap();
    let config = crowdfold::node::NodeConfig {
        genesis: chain.clone(),
        data_dir: data.to_owned(),
        rpc_addr: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
        validator: signer(VALIDATOR),
        checker: std::sync::Arc::new(crate::world::Declared::default()),
        snapshot_every: crate::world::EVERY,
        plugins: crowdfold::node::PluginAccess::default(),
    };
    let refused = crowdfold::node::Node::start(config).await;
    assert!(matches!(refused, Err(NodeError::OtherGenesis { found: None, .. })));
}
