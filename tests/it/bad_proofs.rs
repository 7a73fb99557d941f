//! Proofs that must not pass: at the gate, before a message could name them.

use std::sync::{Arc, atomic::Ordering};

use actix::Actor;
use alloy_primitives::{B256, Bytes, keccak256};
use crowdfold::{
    actors::{
        gate::{Gate, PER_PLUGIN},
        session::messages::ProofReceived,
    },
    node::{NodeHandle, Snapshot},
    proofs::{ProofStore, Verifier, Witnesses},
};
use crowdfold_config::Genesis;
use crowdfold_events::{Address, TaskId, wire::Code};
use crowdfold_kernel::{ProofFault, ProofOracle, Work, model::TaskStatus};
use crowdfold_zk::item::package::WorkPackage;

use crate::world::{Declared, PRICE, Prover, declared_item, genesis, prover, send, signer, start, transfer, until};

fn mine(snapshot: &Snapshot, plugin: Address) -> Option<TaskId> {
    let is_mine = |s: &TaskStatus| matches!(s, TaskStatus::Assigned(a) if a.plugin == plugin);
    snapshot.state.open_tasks().find(|(_, t)| is_mine(&t.status)).map(|(id, _)| id)
}

/// A gate of its own over a node's snapshots, with a store of its own.
struct Bench {
    node: NodeHandle,
    checker: Arc<Declared>,
    verifier: Verifier,
    store: ProofStore,
    _dir: tempfile::TempDir,
    plugin: Address,
    other: Address,
    task: TaskId,
    others_task: TaskId,
    _provers: [Prover; 2],
}

async fn bench(change: impl FnOnce(&mut Genesis)) -> Bench {
    let (dir, mut genesis) = (tempfile::tempdir().unwrap(), genesis());
    change(&mut genesis);
    let node = start(&dir.path().join("node"), &genesis).await;
    let (one, two) = (prover(&node, 1), prover(&node, 2));
    for p in [&one, &two] {
        until(&node, "a prover is active", |s| s.state.plugin(&p.address).is_some_and(|p| p.active)).await;
        p.work.lazy.store(true, Ordering::SeqCst);
    }
    for from in 0..2 {
        send(&node, &transfer(&genesis, from, 0, 1000, PRICE)).await;
    }
    let both = |s: &Snapshot| mine(s, one.address).is_some() && mine(s, two.address).is_some();
    let snapshot = until(&node, "both have a task", both).await;
    let store = ProofStore::open(dir.path().join("proofs")).unwrap();
    let checker = Arc::new(Declared::default());
    let verifier = Verifier::new(checker.clone(), Witnesses::new(store.clone()), node.snapshots());
    let (plugin, other) = (one.address, two.address);
    let (task, others_task) = (mine(&snapshot, plugin).unwrap(), mine(&snapshot, other).unwrap());
    Bench { node, checker, verifier, store, _dir: dir, plugin, other, task, others_task, _provers: [one, two] }
}

impl Bench {
    fn proof(&self, task: TaskId, worker: Address) -> Vec<u8> {
        let snapshot = self.node.snapshot();
        let work = snapshot.state.work(task, worker).unwrap();
        match Witnesses::new(self.store.clone()).package(&snapshot, &work).unwrap() {
            WorkPackage::Item(input) => declared_item(&input),
            WorkPackage::Aggregate(_) => panic!("an item"),
        }
    }

    fn work(&self, task: TaskId, worker: Address) -> Work {
        self.node.snapshot().state.work(task, worker).unwrap()
    }

    fn gate(&self) -> actix::Addr<Gate> {
        let (events, _) = tokio::sync::broadcast::channel(64);
        Gate::new(self.verifier.clone(), self.node.snapshots(), events).start()
    }

    fn upload(&self, task: TaskId, plugin: Address, bytes: Vec<u8>) -> ProofReceived {
        ProofReceived { plugin, task, proof_hash: keccak256(&bytes), bytes: Bytes::from(bytes) }
    }
}

/// Runs the test inside an actix system beside the tokio runtime of the node's provers.
fn with_bench(test: impl AsyncFnOnce(Bench)) {
    with_changed(|_| {}, test);
}

fn with_changed(change: impl FnOnce(&mut Genesis), test: impl AsyncFnOnce(Bench)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(bench(change));
    actix::System::new().block_on(test(bench));
    runtime.shutdown_background();
}

#[test]
fn each_bad_proof_is_refused_with_its_code() {
    with_bench(async |b| {
        let good = b.proof(b.task, b.plugin);
        let mut changed = good.clone();
        *changed.last_mut().unwrap() ^= 1;
        let cases: [(&str, ProofReceived, Code); 6] = [
            ("malformed", b.upload(b.task, b.plugin, b"nonsense".to_vec()), Code::ProofInvalid),
            ("one byte changed", b.upload(b.task, b.plugin, changed), Code::ProofInvalid),
            ("of another task", b.upload(b.task, b.plugin, b.proof(b.others_task, b.plugin)), Code::ProofInvalid),
            ("by another worker", b.upload(b.task, b.plugin, b.proof(b.task, b.other)), Code::ProofInvalid),
            ("for somebody else's task", b.upload(b.others_task, b.plugin, good.clone()), Code::TaskNotOpen),
            ("for no task", b.upload(TaskId(999), b.plugin, good.clone()), Code::TaskNotOpen),
        ];
        for (name, upload, code) in cases {
            // A new gate each: the pause after an invalid proof is another rule.
            let answer = b.gate().send(upload.clone()).await.unwrap();
            assert_eq!(answer, Err(code), "{name}");
            assert!(b.store.get(upload.proof_hash).unwrap().is_none(), "{name}: nothing is stored");
        }
        let long = b.upload(b.task, b.plugin, vec![0; crowdfold::proofs::MAX_PROOF_BYTES + 1]);
        assert_eq!(b.gate().send(long).await.unwrap(), Err(Code::ProofTooLong));
        let gate = b.gate();
        assert_eq!(gate.send(b.upload(b.task, b.plugin, good.clone())).await.unwrap(), Ok(()));
        assert_eq!(b.store.get(keccak256(&good)).unwrap().unwrap(), good, "it is durable before it is answered");
        b.node.stop().await.unwrap();
    });
}

#[test]
fn an_invalid_proof_costs_one_verification_and_a_pause() {
    with_bench(async |b| {
        let gate = b.gate();
        let bad = b.upload(b.task, b.plugin, b"declared nonsense".to_vec());
        assert_eq!(gate.send(bad.clone()).await.unwrap(), Err(Code::ProofInvalid));
        let asked = b.checker.asked.load(Ordering::SeqCst);
        assert_eq!(gate.send(bad.clone()).await.unwrap(), Err(Code::UploadBackoff));
        let good = b.upload(b.task, b.plugin, b.proof(b.task, b.plugin));
        assert_eq!(gate.send(good).await.unwrap(), Err(Code::UploadBackoff));
        assert_eq!(b.gate().send(bad).await.unwrap(), Err(Code::ProofInvalid), "remembered for the pair");
        assert_eq!(b.checker.asked.load(Ordering::SeqCst), asked, "nothing was verified again");
        let others = b.upload(b.others_task, b.other, b.proof(b.others_task, b.other));
        assert_eq!(gate.send(others).await.unwrap(), Ok(()), "others are not held up");
        b.node.stop().await.unwrap();
    });
}

#[test]
fn the_oracle_verifies_stored_bytes_and_believes_no_other_pair() {
    with_bench(async |b| {
        let good = b.proof(b.task, b.plugin);
        let hash = keccak256(&good);
        let ask = |work: Work, hash: B256| match work {
            Work::Item(statement) => b.verifier.item(&statement, hash),
            Work::Aggregate(node) => b.verifier.aggregate(&node, hash),
        };
        assert_eq!(ask(b.work(b.task, b.plugin), hash), Err(ProofFault::Missing));
        b.store.put(&good).unwrap();
        assert_eq!(ask(b.work(b.task, b.plugin), hash), Ok(()), "a missing verdict is made up for from the store");
        let asked = b.checker.asked.load(Ordering::SeqCst);
        assert_eq!(ask(b.work(b.task, b.plugin), hash), Ok(()));
        assert_eq!(b.checker.asked.load(Ordering::SeqCst), asked, "once");
        assert_eq!(ask(b.work(b.task, b.other), hash), Err(ProofFault::Rejected));
        assert_eq!(ask(b.work(b.others_task, b.plugin), hash), Err(ProofFault::Rejected));
        b.node.stop().await.unwrap();
    });
}

/// Accepted work is over: the same proof again, or another, is late.
#[test]
fn a_replayed_proof_is_late() {
    with_bench(async |b| {
        let snapshot = b.node.snapshot();
        let admission = snapshot.state.plugin(&signer(1).address()).unwrap().admission;
        let again = b.upload(admission, b.plugin, b.proof(admission, b.plugin));
        assert_eq!(b.gate().send(again).await.unwrap(), Err(Code::Late));
        b.node.stop().await.unwrap();
    });
}

/// A task that was missed is not the plugin's any more, whoever has it now.
#[test]
fn a_late_proof_is_late() {
    let short = |genesis: &mut Genesis| {
        genesis.params.proving.deadline_base = 10;
        genesis.params.proving.deadline_per_segment = 1;
        genesis.params.proving.inclusion_grace = 3;
        genesis.params.bounty.bump_interval = 5;
    };
    with_changed(short, async |b| {
        let late = b.upload(b.task, b.plugin, b.proof(b.task, b.plugin));
        until(&b.node, "it is missed", |s| s.state.task(b.task).unwrap().failed.contains(&b.plugin)).await;
        assert_eq!(b.gate().send(late).await.unwrap(), Err(Code::Late));
        b.node.stop().await.unwrap();
    });
}

/// However fast somebody uploads, few proofs wait, and nobody else waits for them.
#[test]
fn a_flood_of_proofs_is_busy_not_queued() {
    with_bench(async |b| {
        let gate = b.gate();
        b.checker.holds.store(true, Ordering::SeqCst);
        let upload = |n: u32| b.upload(b.task, b.plugin, format!("declared {n}").into_bytes());
        let waiting: Vec<_> = (0..PER_PLUGIN as u32).map(|n| tokio::task::spawn_local(gate.send(upload(n)))).collect();
        tokio::task::yield_now().await;
        for n in 0..20 {
            assert_eq!(gate.send(upload(100 + n)).await.unwrap(), Err(Code::Busy));
        }
        let others = b.upload(b.others_task, b.other, b.proof(b.others_task, b.other));
        let other = tokio::task::spawn_local(gate.send(others));
        b.checker.holds.store(false, Ordering::SeqCst);
        for answer in waiting {
            assert_eq!(answer.await.unwrap().unwrap(), Err(Code::ProofInvalid));
        }
        assert_eq!(other.await.unwrap().unwrap(), Ok(()));
        assert!(b.checker.asked.load(Ordering::SeqCst) <= PER_PLUGIN as u64 + 1);
        b.node.stop().await.unwrap();
    });
}
