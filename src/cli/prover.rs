//! `crowdfold prover`.

use std::{io::IsTerminal, io::stderr, path::PathBuf, sync::Arc, time::Duration};

use crowdfold_events::{B256, wire::Code};
use crowdfold_prover::{ExpectedChain, Outcome, ProverConfig, ProverEvent};
use crowdfold_zk::statement::scalar_to_be;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{Failure, Output, failed, key::read_key, read_genesis, runtime, signal, unusable};
use crate::{
    headless::{HeadlessProver, RealWork, fetch_alone},
    params,
};

/// Longest wait for the commitment key from a node, before it is made.
const KEY_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The node's address for provers.
    #[arg(long, value_name = "URL")]
    node: String,
    /// The prover's key; `crowdfold key new` makes one. What it earns belongs to this key.
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// Threads that prove; all cores if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// The chain's genesis file, or `demo` or `local`: refuse a node of another chain, and use its proof system.
    #[arg(long, value_name = "FILE", default_value = "local")]
    genesis: PathBuf,
    /// Work for whatever chain the node serves, as long as its proof parameters are the same.
    #[arg(long)]
    any_chain: bool,
}

pub(super) fn run(args: Args, output: Output) -> Result<(), Failure> {
    if !args.node.starts_with("ws://") {
        return Err(unusable(&args.node, "only ws:// is spoken; put a proxy in front for TLS"));
    }
    let signer = read_key(&args.key_file)?;
    let genesis = read_genesis(&args.genesis)?.validate().map_err(|error| unusable(args.genesis.display(), error))?;
    if let Some(threads) = args.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(usize::from(threads)).build_global();
        pool.map_err(|error| failed("the thread pool", error))?;
    }
    if let Some(digest) = params::wanted_key(&genesis).map_err(|error| unusable("proof parameters", error))? {
        take_key(&args.node, digest)?;
    }
    tracing::info!("making the proof parameters");
    let params = params::prover(&genesis).map_err(|error| unusable("proof parameters", error))?;
    let params_digest = scalar_to_be(&params.verifier().vk_digest()).into();
    let config = ProverConfig {
        agent: concat!("crowdfold/", env!("CARGO_PKG_VERSION")).to_owned(),
        lanes: 1,
        expected: (!args.any_chain).then_some(ExpectedChain {
            genesis_hash: genesis.hash,
            params_digest: Some(params_digest),
            chain_id: Some(genesis.genesis.chain_id),
        }),
        ms_per_segment: None,
        seed: u64::from(std::process::id()) << 32 | 1,
        registers: true,
    };
    let plugin = signer.address();
    let work = Arc::new(RealWork::new(params));
    let mut show = Show::new(output.json);
    let (prover, handle) =
        HeadlessProver::new(args.node, config, signer, work, Box::new(move |event| show.event(&event)));
    let outcome = runtime()?.block_on(async {
        let signals = tokio::spawn(async move {
            while signal().await {
                tracing::info!("stopping: finishing or handing back what is open; once more to hurry");
                handle.stop().await;
            }
        });
        let outcome = prover.run().await;
        signals.abort();
        outcome
    });
    match outcome {
        Outcome::Stopped { open } => {
            output.result(&json!({ "plugin": plugin, "open": open }), format!("stopped; {open} task(s) left open"))
        }
        Outcome::WrongChain => Err(unusable("the node", "it serves another chain or other proof parameters")),
        Outcome::Refused(code) => Err(refused(code)),
    }
}

/// Takes the commitment key from the node: that is faster than making it, and
/// as good, since its digest is in the genesis. Whatever goes wrong costs time only.
fn take_key(node: &str, digest: B256) -> Result<(), Failure> {
    tracing::info!("taking the commitment key from the node");
    match runtime()?.block_on(fetch_alone(node.to_owned(), digest, KEY_TIMEOUT)) {
        Ok(bytes) if params::keep_key(&bytes) => {}
        Ok(_) => tracing::warn!("the commitment key cannot be kept; making it"),
        Err(code) => tracing::warn!(%code, "the node does not give the commitment key; making it"),
    }
    Ok(())
}

fn refused(code: Code) -> Failure {
    failed("the node refuses this prover", format!("{code:?}"))
}

/// Shows events: a spinner on a terminal, log lines otherwise.
struct Show {
    bar: Option<ProgressBar>,
}

impl Show {
    fn new(json: bool) -> Self {
        let bar = (!json && stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar.set_message("connecting");
            bar
        });
        Self { bar }
    }

    fn event(&mut self, event: &ProverEvent) {
        match &self.bar {
            None => tracing::info!(?event),
            Some(bar) => match event {
                ProverEvent::Offered { task, .. } => bar.set_message(format!("proving task {task}")),
                ProverEvent::Proven { task, elapsed_ms, bytes, .. } => {
                    bar.println(format!("task {task}: proven in {elapsed_ms} ms, {bytes} bytes"));
                    bar.set_message("waiting for work");
                }
                ProverEvent::LoggedIn { plugin, standing, .. } => {
                    bar.println(format!("logged in as {plugin}: {standing:?}"));
                    bar.set_message("waiting for work");
                }
                other => bar.println(format!("{other:?}")),
            },
        }
    }
}
