//! The README's table of speed and memory, measured in one run:
//! `cargo bench --bench table`, or one part of it: `… -- slots|proofs|sequencer`.
//!
//! Wall time on whatever machine this is; figures of different runs or
//! machines cannot be compared. Every size is read from the code.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use alloy_primitives::Address;
use crowdfold_config::{Allocation, Genesis};
use crowdfold_events::{B256, Commit, EventSeq, StoredEvent, codec, signing::Signer};
use crowdfold_execution::{
    TransactionKind,
    synthetic::synthetic_item,
    wallet::{Transfer, Wallet},
};
use crowdfold_journal::{Frame, JournalStore, SledJournal};
use crowdfold_kernel::{AggregateNode, Kernel, ProofFault, ProofOracle, ProposalInput, commit::sign_commit};
use crowdfold_zk::{
    ItemStatement,
    item::{
        ItemInput, ItemProof, LOG_SIZE, ProveStage,
        aggregate::{AggregateInput, Node, prove_aggregate, verify_aggregate},
        canonical, cost_by_slot, prove, universal_shape, verify,
    },
    proof::{item::Stage, params::ProofParams, shape::PaddedShape},
};

const CHAIN: u64 = 7_117;
const RUNS: usize = 3;
const BLOCK: usize = 1_000;

/// The blocks of this bench carry no proofs.
struct NoProofs;

impl ProofOracle for NoProofs {
    fn item(&self, _: &ItemStatement, _: B256) -> Result<(), ProofFault> {
        Err(ProofFault::Missing)
    }

    fn aggregate(&self, _: &AggregateNode, _: B256) -> Result<(), ProofFault> {
        Err(ProofFault::Missing)
    }
}

fn main() {
    println!("| what | measured |\n|---|---|");
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let parts: [(&str, fn()); 3] = [("slots", slots), ("proofs", proofs), ("sequencer", sequencer)];
    for (name, part) in parts {
        if wanted.as_deref().is_none_or(|wanted| wanted == name) {
            part();
        }
    }
}

fn row(what: &str, measured: &str) {
    println!("| {what} | {measured} |");
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort();
    values[values.len() / 2]
}

/// Highest resident memory of this process so far, where the system says it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kilobytes.map_or("unknown".to_string(), |kb| format!("{} MB", kb / 1024))
}

fn slots() {
    let costs = cost_by_slot().unwrap();
    let (mut constraints, mut non_zeros) = (0, 0);
    for (slot, cost) in &costs {
        constraints += cost.constraints;
        non_zeros += cost.non_zeros;
        row(&format!("slot `{slot}`: constraints, non-zeros"), &format!("{}, {}", cost.constraints, cost.non_zeros));
    }
    row("universal shape: constraints of 2^18, non-zeros", &format!("{constraints}, {non_zeros}"));
}

fn proofs() {
    let start = Instant::now();
    let shape = PaddedShape::new(&universal_shape().unwrap(), LOG_SIZE).unwrap();
    let params = ProofParams::development(shape).unwrap();
    row("parameters made from nothing", &seconds(start.elapsed()));
    let inputs: Vec<ItemInput> = (0..4)
        .map(|i| synthetic_item(CHAIN, i).unwrap().input(Address::ZERO, Address::repeat_byte(1), u64::from(i)).unwrap())
        .collect();
    let mut stages: BTreeMap<&'static str, Vec<Duration>> = BTreeMap::new();
    let mut totals = Vec::new();
    let mut proofs: Vec<ItemProof> = Vec::new();
    for input in inputs.iter().cycle().take(inputs.len().max(RUNS)) {
        let mut times: BTreeMap<&'static str, Duration> = BTreeMap::new();
        let (begin, mut last, mut stage) = (Instant::now(), Instant::now(), "witness");
        let proof = prove(&params, input, &mut |next| {
            *times.entry(stage).or_default() += last.elapsed();
            last = Instant::now();
            stage = match next {
                ProveStage::Witness => "witness",
                ProveStage::Proof(Stage::Commit { .. }) => "commit",
                ProveStage::Proof(Stage::Fold { .. }) => "fold",
                ProveStage::Proof(_) => "Spartan",
            };
            ControlFlow::Continue(())
        })
        .unwrap();
        totals.push(begin.elapsed());
        for (stage, time) in times {
            stages.entry(stage).or_default().push(time);
        }
        proofs.push(proof);
    }
    let parts: Vec<String> = ["witness", "commit", "fold", "Spartan"]
        .iter()
        .map(|stage| format!("{stage} {}", seconds(median(stages[stage].clone()))))
        .collect();
    row("transfer: proof, wall", &format!("{} ({})", seconds(median(totals)), parts.join(", ")));
    row(
        "transfer: segments, proof size",
        &format!("{}, {} bytes", inputs[0].statement.segments, proofs[0].encode().len()),
    );
    row("peak memory of the prover", &peak_memory());

    let verifier = params.verifier();
    let (mut verifications, mut canonicals) = (Vec::new(), Vec::new());
    for (input, proof) in inputs.iter().zip(&proofs) {
        let start = Instant::now();
        let node = verify(verifier, &input.statement, proof).unwrap();
        verifications.push(start.elapsed());
        let start = Instant::now();
        canonical(verifier, input, &node).unwrap();
        canonicals.push(start.elapsed());
    }
    row("verification", &format!("{} ms", median(verifications).as_millis()));
    row("canonical-witness check", &format!("{} ms", median(canonicals).as_millis()));

    let aggregate = |count: usize| {
        let children: Vec<Node> = inputs[..count]
            .iter()
            .zip(&proofs)
            .map(|(input, proof)| Node::Item { statement: input.statement.clone(), proof: proof.encode() })
            .collect();
        let input = AggregateInput { children: children.clone(), items: inputs[..count].to_vec() };
        let start = Instant::now();
        let proof = prove_aggregate(&params, &input, &mut |_| ControlFlow::Continue(())).unwrap();
        let time = start.elapsed();
        verify_aggregate(verifier, &children, &proof).unwrap();
        time
    };
    let two = median((0..RUNS).map(|_| aggregate(2)).collect());
    let four = median((0..RUNS).map(|_| aggregate(4)).collect());
    row("aggregate of 2 items", &seconds(two));
    row("aggregate: one more item", &seconds(four.saturating_sub(two) / 2));
}

fn sequencer() {
    for accounts in [1_000usize, 100_000, 1_000_000] {
        let mut genesis = Genesis::from_toml(include_str!("../config/demo.toml")).unwrap();
        let senders: Vec<Wallet> = (0..BLOCK as u64).map(|i| Wallet::derive("crowdfold bench", i)).collect();
        let mut allocations: BTreeMap<Address, Allocation> = BTreeMap::new();
        let balance = |text: &str| text.parse().unwrap();
        for sender in &senders {
            allocations
                .insert(sender.address(), Allocation { account: sender.address(), balance: balance("10 ZKPoW") });
        }
        let filler = (0u64..).map(|i| Address::from_slice(&alloy_primitives::keccak256(i.to_be_bytes())[12..]));
        for account in filler {
            if allocations.len() >= accounts {
                break;
            }
            allocations.insert(account, Allocation { account, balance: balance("1 ZKPoW") });
        }
        let validator = Signer::from_bytes(&[0x11; 32]).unwrap();
        let mut last_commit = Commit::default();
        genesis.validators[0].address = validator.address();
        genesis.chain_id = CHAIN;
        genesis.allocations = allocations.into_values().collect();
        genesis.params.block.gas_limit = 60_000_000;
        genesis.params.block.max_segments = 10_000;
        genesis.params.block.max_unproven_segments = 1_000_000;
        let recipients: Vec<Address> = genesis.allocations.iter().rev().take(BLOCK).map(|a| a.account).collect();
        let (mut state, events) = Kernel::genesis(&genesis).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut journal = SledJournal::open(directory.path()).unwrap();
        let mut next = append(&mut journal, &events, EventSeq(0));
        let mut rates = Vec::new();
        for block in 0..RUNS as u64 {
            let fee = 4 * state.next_base_fee();
            let transactions: Vec<Vec<u8>> = senders
                .iter()
                .zip(&recipients)
                .map(|(sender, to)| {
                    sender.sign(&Transfer {
                        kind: TransactionKind::Eip1559,
                        chain_id: CHAIN,
                        nonce: block,
                        to: *to,
                        value: 1,
                        gas_limit: 21_000,
                        max_fee: fee,
                        max_priority_fee: 0,
                        data: Default::default(),
                    })
                })
                .collect();
            let input = ProposalInput {
                time_ms: state.time_ms() + 10_000,
                proposer: genesis.validators[0].address,
                transactions,
                messages: Vec::new(),
                last_commit: last_commit.clone(),
            };
            let start = Instant::now();
            let outcome = match Kernel::propose(&state, input, &NoProofs) {
                Ok(outcome) => outcome,
                Err(fault) => return row("sequencer", &format!("not measured: {fault}")),
            };
            assert_eq!(outcome.block.body.transactions.len(), BLOCK, "dropped: {:?}", outcome.dropped.first());
            next = append(&mut journal, &outcome.events, next);
            rates.push(start.elapsed());
            let header = &outcome.block.header;
            last_commit = sign_commit(&validator, &state.genesis_hash(), header.height, header.hash());
            state = outcome.state;
        }
        let time = median(rates);
        row(
            &format!("sequencer, {accounts} accounts: {BLOCK} transfers executed, a root each, journaled"),
            &format!("{} ({:.0} transfers/s)", seconds(time), BLOCK as f64 / time.as_secs_f64()),
        );
    }
}

fn append(journal: &mut SledJournal, events: &[crowdfold_events::Event], at: EventSeq) -> EventSeq {
    let stored: Vec<StoredEvent> = events.iter().map(|event| codec::encode_event(event).unwrap()).collect();
    let frame = Frame::new(stored).unwrap();
    journal.append(&[frame], at).unwrap();
    EventSeq(at.0 + events.len() as u64)
}
