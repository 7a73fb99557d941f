//! Wall and CPU times of the proof layer at the production size: one shape of
//! 2^18 with about 3.5 million non-zeros and a witness of mostly bits.
//!
//! `cargo bench -p crowdfold-zk --bench proof`. One run of each step, no
//! statistics: they take seconds.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, unreachable_pub)]

use crowdfold_zk::{
    Scalar,
    proof::{
        aggregate::{prove_aggregate, verify_aggregate},
        canonical::{check_canonical, check_recommitted},
        item::{Stage, prove_item, verify_item},
        key::{Key, Setup},
        params::{ProofParams, VerifierParams},
        shape::PaddedShape,
        witness::{LeafWitness, NodeWitness},
    },
};
use std::{fs, ops::ControlFlow, time::Instant};

#[path = "../proof/synthetic.rs"]
mod synthetic;
use synthetic::{Plan, Synthetic};

const LOG_SIZE: u32 = 18;
const PLAN: Plan = Plan { vars: 250_000, free: 160_000, bits: 150_000, io: 40, width: 36 };

/// Seconds of CPU that this process used so far.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 =
        after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap_or(0.0)).sum();
    ticks / 100.0
}

fn peak_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kb = line.and_then(|line| line.split_whitespace().nth(1));
    kb.and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn timed<T>(name: &str, run: impl FnOnce() -> T) -> T {
    let (wall, used) = (Instant::now(), cpu());
    let result = run();
    let (wall, used) = (wall.elapsed().as_secs_f64(), cpu() - used);
    println!("{name:<42} {wall:8.3} s wall {used:8.2} s cpu  peak {:5} MB", peak_mb());
    result
}

fn keep_going(_: Stage) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn main() {
    let synthetic = timed("generate the shape", || Synthetic::new(PLAN, 1));
    let nonzeros = [synthetic.shape.A(), synthetic.shape.B(), synthetic.shape.C()].map(|matrix| matrix.len());
    println!("constraints {} non-zeros {nonzeros:?}", synthetic.shape.num_cons());
    let item = |seed: u64| -> Vec<LeafWitness> {
        (0..3)
            .map(|leaf| {
                let x: Vec<_> = (0..PLAN.io as u64).map(|i| Scalar::from(seed + leaf + i)).collect();
                LeafWitness { w: synthetic.witness(&x, Some(seed + leaf)), x }
            })
            .collect()
    };
    let (first, second) = (item(10), item(20));

    let key = timed("development key", || Key::development(LOG_SIZE).unwrap());
    let bytes = timed("key to bytes", || key.to_bytes());
    drop(key);
    let key = timed("key from bytes", || Key::from_bytes(&bytes).unwrap());
    timed("check all powers of the key", || key.check_powers().unwrap());
    let setup = Setup::Development { digest: key.digest() };
    let shape = timed("pad the shape", || PaddedShape::new(&synthetic.shape, LOG_SIZE).unwrap());
    timed("shape digest", || shape.digest());
    let verifier = timed("verifier's parameters", || VerifierParams::new(&shape, key.header(), &setup).unwrap());
    drop(verifier);
    let params = timed("prover's parameters", || ProofParams::new(shape, key, &setup).unwrap());

    timed("commit one bit-heavy witness", || first[0].commit(&params, 0).unwrap());
    let prove = |leaves: &[LeafWitness]| {
        let mut last = (Instant::now(), cpu());
        let mut name = None;
        prove_item(&params, leaves, &mut |stage| {
            let now = (Instant::now(), cpu());
            if let Some(name) = name.replace(stage) {
                let (wall, used) = ((now.0 - last.0).as_secs_f64(), now.1 - last.1);
                println!("  {:<40} {wall:8.3} s wall {used:8.2} s cpu", format!("{name:?}"));
            }
            last = now;
            ControlFlow::Continue(())
        })
        .unwrap()
    };
    let proof = timed("prove an item of 3 leaves", || prove(&first));
    println!("bytes of the item's proof: {}", proof.encode().len());
    let inputs: Vec<_> = first.iter().map(|leaf| leaf.x.clone()).collect();
    let accepted = timed("verify the item", || verify_item(params.verifier(), &inputs, &proof).unwrap());
    timed("canonical check by evaluation", || {
        check_canonical(params.verifier(), &first, &accepted).unwrap();
    });
    timed("canonical check by committing", || check_recommitted(&params, &first, &proof).unwrap());
    let other = timed("prove a second item", || prove(&second));
    let inputs: Vec<_> = second.iter().map(|leaf| leaf.x.clone()).collect();
    let other = verify_item(params.verifier(), &inputs, &other).unwrap();
    let a = timed("recompute a node's witness", || NodeWitness::from_leaves(&params, &accepted, &first).unwrap());
    let b = NodeWitness::from_leaves(&params, &other, &second).unwrap();
    let proof =
        timed("aggregate 2 items (1 fold, Spartan)", || prove_aggregate(&params, vec![a, b], &mut keep_going).unwrap());
    println!("bytes of the aggregate's proof: {}", proof.encode().len());
    timed("verify the aggregate", || {
        verify_aggregate(params.verifier(), &[accepted.node(), other.node()], &proof).unwrap()
    });
}
