//! Stopping, crashing and starting again.

use std::sync::atomic::Ordering;

use crowdfold_events::{Height, ItemIndex};
use crowdfold_kernel::{State, model::TaskStatus};

use crate::world::{PRICE, genesis, prover, send, signer, start, transfer, until, wallet};

fn accounts(state: &State) -> Vec<String> {
    let plugins: Vec<String> = state.plugins().map(|(a, p)| format!("{a} {p:?}")).collect();
    let tasks: Vec<String> = state.open_tasks().map(|(id, t)| format!("{id} {t:?}")).collect();
    [plugins, tasks, vec![format!("{:?} {:?}", state.supply_report(), state.account_info(&wallet(0).address()))]]
        .concat()
}

/// What the journal holds is the state: after a graceful stop and after a
/// crash, the state that the next process has is the one that was published.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_has_the_same_state_and_goes_on() {
    let (dir, genesis) = (tempfile::tempdir().unwrap(), genesis());
    let node = start(dir.path(), &genesis).await;
    let one = prover(&node, 1);
    until(&node, "a prover is active", |s| s.state.plugin(&one.address).is_some_and(|p| p.active)).await;
    send(&node, &transfer(&genesis, 0, 0, 1000, PRICE)).await;
    until(&node, "it is proven", |s| s.state.item(ItemIndex(0)).is_some_and(|i| i.stages.proven.is_some())).await;
    let watching = node.snapshots();
    node.stop().await.unwrap();
    let published = watching.borrow().clone();

    let node = start(dir.path(), &genesis).await;
    let replayed = node.snapshot();
    // A block may be published between start and look; its parent is what was replayed.
    assert!(replayed.height() >= published.height());
    assert!(replayed.index.height_of(&published.state.head()) == Some(published.height()));
    until(&node, "blocks go on", |s| s.height() > Height(published.height().0 + 3)).await;
    send(&node, &transfer(&genesis, 0, 1, 1000, PRICE)).await;
    until(&node, "a second transfer", |s| s.state.item_count() >= 2).await;
    let watching = node.snapshots();
    node.abandon().await.unwrap();
    let published = watching.borrow().clone();

    // Without a node: replay alone gives the published state, byte for byte.
    let journal = crowdfold_journal::SledJournal::open(&dir.path().join("journal")).unwrap();
    let ledger = crowdfold::actors::ledger::LedgerCore::open(&genesis, Box::new(journal)).unwrap();
    let replayed = ledger.snapshot();
    assert_eq!(replayed.height(), published.height());
    assert_eq!(replayed.event_count(), published.event_count());
    assert_eq!(replayed.state, published.state);
    assert_eq!(replayed.state.market_root().unwrap(), published.state.market_root().unwrap());
    assert_eq!(accounts(&replayed.state), accounts(&published.state));
    one.handle.stop().await;
}

/// A graceful stop leaves a snapshot of the last block: the next start applies
/// no event; after a crash it applies those since the last snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn a_graceful_stop_leaves_nothing_to_replay() {
    use crowdfold::actors::ledger::{Keeping, LedgerCore, TakenUp};
    let (dir, genesis) = (tempfile::tempdir().unwrap(), genesis());
    let taken_up = || {
        let journal = crowdfold_journal::SledJournal::open(&dir.path().join("journal")).unwrap();
        let keeping = Keeping { dir: dir.path().join("index"), every: crate::world::EVERY };
        let core = LedgerCore::open_keeping(&genesis, Box::new(journal), keeping).unwrap();
        (core.taken_up(), core.snapshot().height())
    };
    for _ in 0..2 {
        let node = start(dir.path(), &genesis).await;
        let begun = node.snapshot().height();
        send(
            &node,
            &transfer(&genesis, 0, node.snapshot().state.account_info(&wallet(0).address()).nonce, 1000, PRICE),
        )
        .await;
        until(&node, "a block", |s| s.height() > begun).await;
        node.stop().await.unwrap();
        let (found, height) = taken_up();
        assert_eq!(found, TakenUp { from: height, replayed: 0 });
        assert!(height > begun);
    }
    let node = start(dir.path(), &genesis).await;
    let begun = node.snapshot().height();
    until(&node, "blocks", |s| s.height() > Height(begun.0 + 1)).await;
    node.abandon().await.unwrap();
    let (found, height) = taken_up();
    assert!(found.from < height && found.replayed > 0, "{found:?}");
}

/// A prover whose node crashes under it finishes its work with the next process.
#[tokio::test(flavor = "multi_thread")]
async fn work_in_flight_survives_a_crash_of_the_node() {
    let (dir, genesis) = (tempfile::tempdir().unwrap(), genesis());
    let node = start(dir.path(), &genesis).await;
    let one = prover(&node, 1);
    until(&node, "a prover is active", |s| s.state.plugin(&one.address).is_some_and(|p| p.active)).await;
    one.work.lazy.store(true, Ordering::SeqCst);
    send(&node, &transfer(&genesis, 0, 0, 1000, PRICE)).await;
    let assigned = |s: &crowdfold::node::Snapshot| {
        s.state
            .open_tasks()
            .any(|(_, t)| matches!(&t.status, TaskStatus::Assigned(a) if a.plugin == signer(1).address()))
    };
    until(&node, "it is assigned", assigned).await;
    let addr = node.addr();
    node.abandon().await.unwrap();

    // The same address, so that the prover finds the node again.
    let config = crowdfold::node::NodeConfig {
        genesis: genesis.clone(),
        data_dir: dir.path().to_owned(),
        rpc_addr: addr,
        validator: signer(crate::world::VALIDATOR),
        checker: std::sync::Arc::new(crate::world::Declared::default()),
        snapshot_every: crate::world::EVERY,
        plugins: crowdfold::node::PluginAccess::default(),
    };
    let node = crowdfold::node::Node::start(config).await.unwrap();
    assert!(assigned(&node.snapshot()), "the assignment still stands");
    one.work.lazy.store(false, Ordering::SeqCst);
    let done =
        until(&node, "the same plugin proves it", |s| s.state.item(ItemIndex(0)).is_some_and(|i| i.accepted.is_some()))
            .await;
    assert_eq!(done.state.item(ItemIndex(0)).unwrap().accepted.unwrap().worker, one.address);
    assert_eq!(done.state.plugin(&one.address).unwrap().failed, 0, "nobody is penalised");
    one.handle.stop().await;
    node.stop().await.unwrap();
}

/// The key, the chain and the directory have to fit.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_another_chain_and_a_used_directory_are_refused() {
    use crowdfold::node::{Node, NodeConfig, NodeError};
    let (dir, genesis) = (tempfile::tempdir().unwrap(), genesis());
    let config = |genesis: &crowdfold_config::Genesis, key| NodeConfig {
        genesis: genesis.clone(),
        data_dir: dir.path().to_owned(),
        rpc_addr: ([127, 0, 0, 1], 0).into(),
        validator: signer(key),
        checker: std::sync::Arc::new(crate::world::Declared::default()),
        snapshot_every: crate::world::EVERY,
        plugins: crowdfold::node::PluginAccess::default(),
    };
    let refused = Node::start(config(&genesis, 7)).await;
    assert!(matches!(refused, Err(NodeError::NotValidator { .. })));
    let node = start(dir.path(), &genesis).await;
    let refused = Node::start(config(&genesis, crate::world::VALIDATOR)).await;
    assert!(matches!(refused, Err(NodeError::Journal(_))), "{refused:?}");
    node.stop().await.unwrap();
    let mut other = genesis.clone();
    other.time_ms += 1;
    let refused = Node::start(config(&other, crate::world::VALIDATOR)).await;
    assert!(refused.is_err(), "the journal is of another chain");
}
