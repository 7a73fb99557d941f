//! Fetching data before there is a prover.

use std::{sync::Arc, time::Duration};

use crowdfold_events::{B256, Signer, wire::Code};
use crowdfold_prover::{ProverConfig, WorkError};
use rand::RngCore;

use super::{HeadlessProver, Progress, ProveWork, Work};

/// Has nothing to prove with; is never asked, since it is nobody that the chain knows.
struct NoWork;

impl ProveWork for NoWork {
    fn run(&self, _: Work, _: &Progress) -> Result<Vec<u8>, WorkError> {
        Err(WorkError::Failed("there is nothing to prove with".to_owned()))
    }
}

/// Data by its keccak-256 from the node at `url`, checked. Connects as a
/// stranger with a key of its own, so that no work is offered meanwhile.
///
/// # Errors
/// The node's refusal; `Unavailable` when nothing came within `limit`.
pub async fn fetch_alone(url: String, digest: B256, limit: Duration) -> Result<Vec<u8>, Code> {
    let mut secret = [0; 32];
    let signer = loop {
        rand::rngs::OsRng.fill_bytes(&mut secret);
        if let Ok(signer) = Signer::from_bytes(&secret) {
            break signer;
        }
    };
    let config = ProverConfig {
        agent: concat!("crowdfold/", env!("CARGO_PKG_VERSION"), " fetch").to_owned(),
        lanes: 1,
        // What is fetched is checked by its digest, whoever gives it.
        expected: None,
        ms_per_segment: None,
        seed: u64::from_be_bytes([secret[0], secret[1], secret[2], secret[3], 0, 0, 0, 1]),
        registers: false,
    };
    let (prover, handle) = HeadlessProver::new(url, config, signer, Arc::new(NoWork), Box::new(|_| {}));
    let fetching = async {
        let fetched = handle.fetch(digest).await;
        handle.stop().await;
        fetched
    };
    let both = async { tokio::join!(prover.run(), fetching).1 };
    tokio::time::timeout(limit, both).await.unwrap_or(Err(Code::Unavailable))
}
