//! The main job, with declared proofs.

use std::sync::atomic::Ordering;

use crowdfold::{
    actors::assigner::Projection,
    node::{NodeEvent, Snapshot, TaskReports},
};
use crowdfold_events::{BatchIndex, Event, ItemIndex, TaskId};
use crowdfold_kernel::model::TaskStatus;
use crowdfold_prover::Outcome;
use serde_json::json;

use crate::world::{PRICE, call, event, genesis, prover, send, start, transfer, until};

/// Transactions go in by HTTP; two provers register, are admitted, are drawn,
/// prove, aggregate and are paid; a certified batch's file comes out.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_become_a_certified_batch() {
    let (dir, genesis) = (tempfile::tempdir().unwrap(), genesis());
    let node = start(dir.path(), &genesis).await;
    let mut events = node.subscribe();
    let mut seen = node.subscribe();
    let provers = [prover(&node, 1), prover(&node, 2)];
    for p in &provers {
        until(&node, "a prover is active", |s| s.state.plugin(&p.address).is_some_and(|p| p.active)).await;
    }
    for from in 0..3 {
        let answer = send(&node, &transfer(&genesis, from, 0, 1000, PRICE)).await;
        assert!(answer["result"].is_string(), "{answer}");
    }
    let mut items = 0;
    while items < 3 {
        let (batch, path) = event(&mut events, "a batch is written", |event| match event {
            NodeEvent::BatchWritten { batch, path, .. } => Some((*batch, path.clone())),
            _ => None,
        })
        .await;
        assert_eq!(path, node.batch_path(batch));
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("1 signatures"));
        items += node.snapshot().state.batch(batch).unwrap().items;
    }
    let snapshot = node.snapshot();
    let report = snapshot.state.supply_report();
    assert!(report.conserved && report.now == report.genesis);
    let paid: u128 = provers.iter().map(|p| snapshot.state.account_info(&p.address).accrued.0).sum();
    assert!(paid > 0, "provers are paid");
    let status = call(&node, "crowdfold_batch", json!([0])).await;
    assert!(status["result"]["certified"].is_object(), "{status}");
    assert!(node.batch_path(BatchIndex(0)).exists());

    let mut reports = TaskReports::default();
    while let Ok(event) = seen.try_recv() {
        reports.apply(&event);
    }
    let proven: Vec<_> = reports.iter().filter(|(_, r)| r.accepted_at.is_some()).collect();
    assert!(proven.len() >= 6, "two admissions, three items, a node");
    assert!(
        proven.iter().all(|(_, r)| r.prove_ms().is_some() && r.check.as_ref().is_some_and(|c| c.refused.is_none()))
    );

    for mut p in provers {
        p.handle.stop().await;
        assert_eq!((&mut p.task).await.unwrap(), Outcome::Stopped { open: 0 }, "a stop leaves nothing behind");
    }
    let path = node.batch_path(BatchIndex(0));
    node.stop().await.unwrap();

    // A crash between the certificate and its file: the next process makes up for it.
    let before = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let node = start(dir.path(), &genesis).await;
    until(&node, "the file is back", |_| path.exists()).await;
    assert_eq!(std::fs::read(&path).unwrap(), before);
    node.stop().await.unwrap();
}

fn keys(projection: &Projection, plugin: &alloy_primitives::Address) -> Vec<(TaskId, u32)> {
    projection.tasks(plugin).into_iter().map(|(id, a)| (id, a.attempt)).collect()
}

/// A lazy prover misses its deadlines: it is penalised into a negative holding
/// and another proves. What the assigner holds after each block is what it
/// would hold after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn missed_deadlines_are_charged_and_redrawn() {
    let (dir, mut genesis) = (tempfile::tempdir().unwrap(), genesis());
    genesis.params.proving.deadline_base = 10;
    genesis.params.proving.deadline_per_segment = 1;
    genesis.params.proving.inclusion_grace = 3;
    genesis.params.bounty.bump_interval = 5;
    let node = start(dir.path(), &genesis).await;
    let mut events = node.subscribe();
    let (lazy, keen) = (prover(&node, 1), prover(&node, 2));
    for p in [&lazy, &keen] {
        until(&node, "a prover is active", |s| s.state.plugin(&p.address).is_some_and(|p| p.active)).await;
    }
    lazy.work.lazy.store(true, Ordering::SeqCst);
    for nonce in 0..4 {
        send(&node, &transfer(&genesis, 0, nonce, 1000, PRICE)).await;
    }
    let proven = |s: &Snapshot| (0..4).all(|i| s.state.item(ItemIndex(i)).is_some_and(|i| i.accepted.is_some()));
    let end = until(&node, "all are proven", proven).await;
    assert!(end.state.plugin(&lazy.address).unwrap().failed > 0);
    assert!(end.state.account_info(&lazy.address).holding.0 < 0, "the penalty is above what it holds");
    assert!(end.state.supply_report().conserved);
    assert!((0..4).all(|i| end.state.item(ItemIndex(i)).unwrap().accepted.unwrap().worker == keen.address));

    let plugins = [lazy.address, keen.address];
    let mut projection = Projection::default();
    let (mut timeouts, mut begun) = (0, false);
    while let Ok(event) = events.try_recv() {
        let NodeEvent::Committed(committed) = event else { continue };
        let state = &committed.snapshot.state;
        if !begun {
            for plugin in &plugins {
                projection.open(state, *plugin);
            }
            begun = true;
            continue;
        }
        projection.apply(state, &committed.events);
        timeouts += committed.events.iter().filter(|e| matches!(e, Event::AssignmentTimedOut { .. })).count();
        for plugin in &plugins {
            let mut fresh = Projection::default();
            fresh.open(state, *plugin);
            assert_eq!(keys(&projection, plugin), keys(&fresh, plugin), "at height {}", state.height());
        }
    }
    assert!(timeouts > 0);
    lazy.handle.stop().await;
    keen.handle.stop().await;
    node.stop().await.unwrap();
}

/// Every refusal of a transaction reaches the wallet as a typed error, and the node goes on.
#[tokio::test(flavor = "multi_thread")]
async fn refused_transactions_say_why() {
    let (dir, genesis) = (tempfile::tempdir().unwrap(), genesis());
    let node = start(dir.path(), &genesis).await;
    let good = transfer(&genesis, 0, 0, 1000, PRICE);
    let mut other_chain = genesis.clone();
    other_chain.chain_id += 1;
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("cut", good[..good.len() - 1].to_vec(), "malformed transaction"),
        ("other chain", transfer(&other_chain, 0, 0, 1000, PRICE), "invalid chain id"),
        ("poor", transfer(&genesis, 9, 0, 1000, PRICE), "insufficient funds"),
        ("cheap", transfer(&genesis, 0, 0, 1000, 1), "max fee per gas less than block base fee"),
        ("empty", Vec::new(), "malformed transaction"),
        ("type", vec![0x7f; 100], "transaction type not supported"),
    ];
    for (name, raw, words) in cases {
        let answer = send(&node, &raw).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(words), "{name}: {answer}");
    }
    let hash = send(&node, &good).await["result"].clone();
    assert!(hash.is_string());
    until(&node, "it is in a block", |s| s.state.item_count() == 1).await;
    let again = send(&node, &good).await;
    let message = again["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("already known") || message.contains("nonce too low"), "{again}");
    let receipt = call(&node, "eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!(receipt["result"]["status"], "0x1", "{receipt}");
    node.stop().await.unwrap();
}

/// A batch of many items: its package is fetched piece by piece, its tree has
/// two levels; afterwards the chain comes to rest.
#[tokio::test(flavor = "multi_thread")]
async fn many_transfers_are_aggregated_and_the_chain_comes_to_rest() {
    let (dir, mut genesis) = (tempfile::tempdir().unwrap(), genesis());
    genesis.params.batches.aggregation_arity = 4;
    genesis.params.batches.max_age = 60;
    genesis.params.settlement.interval = 20;
    let node = start(dir.path(), &genesis).await;
    let mut events = node.subscribe();
    let provers = [prover(&node, 1), prover(&node, 2), prover(&node, 3)];
    for p in &provers {
        until(&node, "a prover is active", |s| s.state.plugin(&p.address).is_some_and(|p| p.active)).await;
    }
    for (from, nonce) in (0..16).map(|i| (i % 4, i / 4)) {
        let answer = send(&node, &transfer(&genesis, from, nonce, 1000, PRICE)).await;
        assert!(answer["result"].is_string(), "{answer}");
    }
    let rests = |s: &Snapshot| s.state.item_count() >= 16 && !s.state.has_work();
    let end = until(&node, "everything is certified and settled", rests).await;
    assert!(end.state.batches().any(|(_, b)| b.nodes.len() > 1), "a tree of two levels");
    assert!(end.state.batches().all(|(_, b)| b.certified.is_some()));
    assert!(end.state.supply_report().conserved);
    let mut longest = 0;
    while let Ok(event) = events.try_recv() {
        if let NodeEvent::Offered { package_bytes, .. } = event {
            longest = longest.max(package_bytes);
        }
    }
    println!("the longest package had {longest} bytes");
    let before = node.snapshot();
    let later = until(&node, "an idle block", |s| s.height().0 >= before.height().0 + 2).await;
    let idle = genesis.params.block.idle_interval_ms;
    assert!(later.state.time_ms() - before.state.time_ms() >= idle + idle / 2, "idle blocks come slowly");
    assert_eq!(later.state.item_count(), before.state.item_count(), "an idle chain adds no item");
    for p in &provers {
        p.handle.stop().await;
    }
    node.stop().await.unwrap();
}

/// A task that somebody failed is open to everybody: whoever is there proves it.
#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_task_is_offered_to_everybody() {
    let (dir, mut genesis) = (tempfile::tempdir().unwrap(), genesis());
    genesis.params.proving.deadline_base = 10;
    genesis.params.proving.deadline_per_segment = 1;
    genesis.params.proving.inclusion_grace = 3;
    genesis.params.proving.quarantine_attempts = 1;
    genesis.params.bounty.bump_interval = 5;
    let node = start(dir.path(), &genesis).await;
    let lazy = prover(&node, 1);
    until(&node, "a prover is active", |s| s.state.plugin(&lazy.address).is_some_and(|p| p.active)).await;
    lazy.work.lazy.store(true, Ordering::SeqCst);
    // Three tasks, two places for open tasks: the third is offered when one is free.
    for nonce in 0..3 {
        send(&node, &transfer(&genesis, 0, nonce, 1000, PRICE)).await;
    }
    let open = |s: &Snapshot| s.state.open_tasks().any(|(_, t)| matches!(t.status, TaskStatus::Quarantined { .. }));
    until(&node, "a task is open to everybody", open).await;
    let keen = prover(&node, 2);
    until(&node, "the other is active", |s| s.state.plugin(&keen.address).is_some_and(|p| p.active)).await;
    let worker = |s: &Snapshot, i: u64| s.state.item(ItemIndex(i)).and_then(|item| item.accepted).map(|a| a.worker);
    let end = until(&node, "all are proven", |s| (0..3).all(|i| worker(s, i).is_some())).await;
    assert!((0..3).all(|i| worker(&end, i) == Some(keen.address)));
    lazy.handle.stop().await;
    keen.handle.stop().await;
    node.stop().await.unwrap();
}
