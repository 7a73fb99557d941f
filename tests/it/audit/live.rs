//! The journal of a node that ran: the audit ends in the state that the node had.

use std::{path::Path, sync::Arc};

use crowdfold::{
    audit::{
        Options, Proofs, Reason, Report, audit, from_reader,
        replay::{Until, state_at},
        report::Tip,
    },
    node::tip,
    proofs::{AssembleError, BatchParts, CheckTimes, ProofChecker, ProofStore},
};
use crowdfold_config::Genesis;
use crowdfold_events::{B256, Event, EventSeq};
use crowdfold_journal::Reader;
use crowdfold_kernel::ProofFault;
use crowdfold_zk::item::{ItemInput, aggregate::Node as Child};
use serde_json::json;

use crate::world::{Declared, PRICE, call, genesis, prover, send, start, transfer, until};

/// Refuses every proof of an aggregate.
struct Strict(Declared);

impl ProofChecker for Strict {
    fn params_digest(&self) -> B256 {
        self.0.params_digest()
    }

    fn item(&self, input: &ItemInput, proof: &[u8]) -> Result<CheckTimes, ProofFault> {
        self.0.item(input, proof)
    }

    fn aggregate(&self, _: &[Child], _: &[u8]) -> Result<CheckTimes, ProofFault> {
        Err(ProofFault::Rejected)
    }

    fn batch_file(&self, parts: BatchParts) -> Result<Vec<u8>, AssembleError> {
        self.0.batch_file(parts)
    }
}

fn run(dir: &Path, genesis: &Genesis, options: Options) -> Report {
    let reader = Reader::open(&dir.join("journal")).unwrap();
    let events = from_reader(&reader, EventSeq(0));
    let options = Options { stated_end: Some(reader.head()), ..options };
    audit(genesis, events, options, &mut |_| {}).unwrap()
}

fn with(dir: &Path, checker: impl ProofChecker) -> Options {
    let store = ProofStore::open(dir.join("proofs")).unwrap();
    Options { proofs: Some(Proofs { store, checker: Arc::new(checker) }), ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nodes_journal_replays_to_the_state_that_the_node_had() {
    let (dir, genesis) = (tempfile::tempdir().unwrap(), genesis());
    let node = start(dir.path(), &genesis).await;
    let provers = [prover(&node, 1), prover(&node, 2)];
    for p in &provers {
        until(&node, "a prover is active", |s| s.state.plugin(&p.address).is_some_and(|p| p.active)).await;
    }
    for from in 0..2 {
        send(&node, &transfer(&genesis, from, 0, 1000, PRICE)).await;
    }
    until(&node, "two items are certified", |s| {
        s.state.batches().filter(|(_, b)| b.certified.is_some()).map(|(_, b)| b.items).sum::<u32>() >= 2
    })
    .await;
    for p in &provers {
        p.handle.stop().await;
    }
    // What the node says of itself while it runs, at some block.
    let said = call(&node, "crowdfold_stateHash", json!([])).await["result"].clone();
    let watching = node.snapshots();
    node.stop().await.unwrap();
    let published = watching.borrow().clone();

    let dir = dir.path();
    let tip = tip::read(dir).unwrap().map(|tip| tip.commit);
    let report = run(dir, &genesis, Options { tip_commit: tip.clone(), ..with(dir, Declared::default()) });
    assert_eq!(report.divergence, None);
    assert!(report.good);
    assert_eq!(report.end.state_hash, published.state.hash().unwrap(), "the audit ends where the node ended");
    assert_eq!(report.end.height, published.height());
    if tip.is_some() {
        assert_eq!(report.tip, Tip::Signed);
    }
    let proofs = report.proofs.unwrap();
    assert_eq!((proofs.verified, proofs.missing), (report.checked.proofs_accepted, 0));
    assert!(proofs.verified >= 5, "two admissions, two items, a node");

    let reader = Reader::open(&dir.join("journal")).unwrap();
    let events = || from_reader(&reader, EventSeq(0));
    let replayed = state_at(&genesis, events(), Until::End, &mut |_| {}).unwrap();
    assert_eq!(replayed.state, published.state);
    let height = crowdfold_events::Height(said["height"].as_u64().unwrap());
    let then = state_at(&genesis, events(), Until::Height(height), &mut |_| {}).unwrap();
    assert_eq!(said["stateHash"], json!(then.state.hash().unwrap()));
    assert_eq!(said["marketRoot"], json!(then.state.market_root().unwrap()));

    // A proof that does not verify is named with its block and event.
    let report = run(dir, &genesis, with(dir, Strict(Declared::default())));
    let found = report.divergence.unwrap();
    assert!(matches!(found.reason, Reason::Proof { .. }), "{found:?}");
    assert_eq!(found.found.unwrap().kind, "AggregateAccepted");

    // One that is gone is counted, with what needs it; the journal itself is good.
    let accepted = reader.read(EventSeq(0), usize::MAX).unwrap();
    let proof = accepted.iter().find_map(|e| match e.decode().unwrap() {
        Event::ProofAccepted { proof_hash, .. } => Some(proof_hash),
        _ => None,
    });
    let file = dir.join("proofs").join(hex::encode(proof.unwrap()));
    std::fs::write(&file, b"another").unwrap();
    assert_eq!(run(dir, &genesis, with(dir, Declared::default())).proofs.unwrap().missing, 1);
    std::fs::remove_file(file).unwrap();
    let report = run(dir, &genesis, with(dir, Declared::default()));
    assert!(!report.good && report.divergence.is_none());
    let proofs = report.proofs.unwrap();
    assert_eq!((proofs.missing, proofs.first_missing[0].proof), (1, proof.unwrap()));

    damaged_frames_are_named_by_their_event(dir, &genesis, &reader);
}

/// A byte of an event on the disk: the checksum tells that the frame is damaged, the audit which event it is.
fn damaged_frames_are_named_by_their_event(dir: &Path, genesis: &Genesis, reader: &Reader) {
    let events = reader.read(EventSeq(0), usize::MAX).unwrap();
    let last = events.len() as u64 - 1;
    for seq in [last / 3, last / 2, last - 1, last].map(EventSeq) {
        let place = reader.locate(seq).unwrap();
        let in_frame = (seq.0 - place.before.next.0) as usize;
        let before: usize = place.frame.events()[..in_frame].iter().map(|e| e.as_bytes().len()).sum();
        let at = place.offset as usize + 54 + before + events[seq.0 as usize].as_bytes().len() - 1;
        let whole = std::fs::read(&place.file).unwrap();
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        std::fs::write(&place.file, &bytes).unwrap();
        let found = run(dir, genesis, Options::default()).divergence.unwrap();
        std::fs::write(&place.file, &whole).unwrap();
        assert_eq!(found.seq, seq, "{found:?}");
        assert!(found.found.is_some());
    }
    assert!(run(dir, genesis, Options::default()).good);
}
