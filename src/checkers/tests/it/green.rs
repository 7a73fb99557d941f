//! Without a planted bug no checker says anything, and every kind of event was seen.

use std::collections::BTreeMap;

use crate::chain::{Chain, Finding};

const BLOCKS: u64 = 400;

#[test]
fn honest_kernels_pass_every_check() {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..6 {
        let mut chain = Chain::new(seed);
        match chain.run(BLOCKS) {
            Ok(()) => {}
            Err(Finding::Checkers(found)) => {
                let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
                panic!("seed {seed}:\n{}", lines.join("\n"));
            }
            Err(other) => panic!("seed {seed} block {}: {other:?}", chain.state.height()),
        }
        for (kind, n) in chain.counts {
            *counts.entry(kind).or_default() += n;
        }
    }
    println!("{counts:#?}");
    // All but the genesis event.
    assert_eq!(counts.len(), 32, "every kind of event: {counts:?}");
}
