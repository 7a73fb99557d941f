//! The main job, with declared proofs.

use crowdfold::node::{NodeEvent, TaskReports};
use crowdfold_events::BatchIndex;
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

    for p in &provers {
        p.handle.stop().await;
    }
    node.stop().await.unwrap();
}
