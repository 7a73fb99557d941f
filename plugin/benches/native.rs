//! The native half of `scripts/bench-browser`: makes the packages that both
//! sides prove, proves them through the door, and judges the browser's proofs.
//!
//! `native prove <directory> <key file>` writes `*.package`, `*.proof` and
//! `native.json`; `native verify <directory> <key file>` reads `*.browser`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use alloy_primitives::Address;
use crowdfold_execution::synthetic::synthetic_item;
use crowdfold_plugin::prover::Prover;
use crowdfold_zk::{
    item::{
        ItemInput, ItemProof,
        aggregate::{AggregateInput, Node, verify_aggregate},
        package::WorkPackage,
        verify,
        work::WorkProgress,
    },
    proof::aggregate::AggregateProof,
    statement::scalar_to_be,
};
use serde_json::{Map, Value, json};

const CHAIN: u64 = 7710;
const WORKER: Address = Address::repeat_byte(0xaa);
const TASK: u64 = 12;

fn input(index: u32) -> ItemInput {
    synthetic_item(CHAIN, index).unwrap().input(Address::ZERO, WORKER, TASK).unwrap()
}

fn peak_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Milliseconds of CPU that this process has used.
fn cpu() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    10 * after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap_or(0)).sum::<u64>()
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

/// Wall and CPU milliseconds by stage, in the order in which stages were seen.
#[derive(Default)]
struct Stages {
    done: [Map<String, Value>; 2],
    running: Option<(&'static str, Instant, u64)>,
}

impl Stages {
    fn next(&mut self, name: Option<&'static str>) {
        if self.running.map(|(running, ..)| running) == name {
            return;
        }
        if let Some((name, since, used)) = self.running.take() {
            self.done[0].insert(name.to_owned(), ms(since.elapsed()).into());
            self.done[1].insert(name.to_owned(), (cpu() - used).into());
        }
        self.running = name.map(|name| (name, Instant::now(), cpu()));
    }
}

/// A proof, its wall times, its CPU times.
fn prove(prover: &Prover, package: &[u8]) -> (Vec<u8>, Value, Value) {
    let mut stages = Stages::default();
    let start = Instant::now();
    let watch = &mut |progress: WorkProgress| {
        stages.next(Some(progress.name()));
        true
    };
    let proof = prover.prove(package.to_vec(), TASK, &WORKER.to_string(), watch).unwrap();
    let all = ms(start.elapsed());
    stages.next(None);
    let [wall, used] = stages.done;
    (proof, json!({"ms": all, "stages": wall}), used.into())
}

/// A prover for this program's own circuits, whatever their digest.
fn prover(key: &Path) -> Prover {
    let bytes = fs::read(key).unwrap();
    let none = format!("0x{}", "00".repeat(32));
    match Prover::new(bytes.clone(), &none) {
        Err(crowdfold_plugin::error::DoorError::Params { found, .. }) => Prover::new(bytes, &found).unwrap(),
        other => other.unwrap(),
    }
}

fn measure(directory: &Path, key: &Path) {
    let bytes = fs::read(key).unwrap();
    let digest = scalar_to_be(&prover(key).params().verifier().vk_digest());
    let digest = format!("0x{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let (start, used) = (Instant::now(), cpu());
    let prover = Prover::new(bytes, &digest).unwrap();
    let (ready, ready_cpu) = (ms(start.elapsed()), cpu() - used);

    let items = [input(1), input(0)];
    let package = |name: &str, package: WorkPackage| {
        let bytes = package.encode().unwrap();
        fs::write(directory.join(format!("{name}.package")), &bytes).unwrap();
        let (proof, wall, used) = prove(&prover, &bytes);
        fs::write(directory.join(format!("{name}.proof")), &proof).unwrap();
        (proof, wall, used)
    };
    let (first, transfer, transfer_cpu) = package("transfer", WorkPackage::Item(items[0].clone()));
    let (second, ..) = package("second", WorkPackage::Item(items[1].clone()));
    let child = |input: &ItemInput, proof| Node::Item { statement: input.statement.clone(), proof };
    let children = vec![child(&items[0], first), child(&items[1], second)];
    let (_, aggregate, aggregate_cpu) =
        package("aggregate", WorkPackage::Aggregate(AggregateInput { children, items: items.to_vec() }));
    let report = json!({
        "params_digest": digest, "worker": WORKER.to_string(), "task": TASK.to_string(),
        "threads": rayon::current_num_threads(), "ready_ms": ready,
        "peak_mb": peak_mb(), "transfer": transfer, "aggregate": aggregate,
        "cpu_ms": {"ready": {"all": ready_cpu}, "transfer": transfer_cpu, "aggregate": aggregate_cpu},
    });
    fs::write(directory.join("native.json"), serde_json::to_vec_pretty(&report).unwrap()).unwrap();
}

/// Panics unless the browser's proofs verify.
fn judge(directory: &Path, key: &Path) {
    let prover = prover(key);
    let verifier = prover.params().verifier();
    let log_size = verifier.dims().log_size;
    let read = |name: &str| fs::read(directory.join(name)).unwrap();
    let item = input(1);
    let bytes = read("transfer.browser");
    let proof = ItemProof::decode(&bytes, item.statement.segments, log_size).unwrap();
    verify(verifier, &item.statement, &proof).unwrap();
    let WorkPackage::Aggregate(aggregate) = WorkPackage::decode(&read("aggregate.package")).unwrap() else {
        panic!("aggregate.package holds another kind of package")
    };
    let proof = AggregateProof::decode(&read("aggregate.browser"), log_size).unwrap();
    verify_aggregate(verifier, &aggregate.children, &proof).unwrap();
    // Proofs are deterministic, so equal programs make equal bytes.
    let is_same =
        ["transfer", "aggregate"].map(|name| read(&format!("{name}.browser")) == read(&format!("{name}.proof")));
    assert_eq!(is_same, [true, true], "the browser's proofs are valid but other bytes than the native ones");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["prove", directory, key] => measure(Path::new(directory), Path::new(key)),
        ["verify", directory, key] => judge(Path::new(directory), Path::new(key)),
        // `cargo bench` and `cargo test --benches` run every bench.
        _ => println!("usage: native (prove|verify) <directory> <key file>"),
    }
}
