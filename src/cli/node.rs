//! `crowdfold node`.

use std::{net::SocketAddr, num::NonZeroU64, path::PathBuf, sync::Arc};

use alloy_primitives::{Address, address, b256};
use crowdfold_config::Genesis;
use crowdfold_events::Signer;
use serde_json::json;

use super::{Failure, Output, failed, key::read_key, read_genesis, runtime, signal, unusable};
use crate::{
    actors::session::{Origin, Origins},
    node::{DEFAULT_SNAPSHOT_EVERY, Node, NodeConfig, NodeError, PluginAccess},
    params,
    proofs::RealChecker,
};

/// The validator of the presets: the first account of the well-known test mnemonic.
const TEST_VALIDATOR: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
/// Its key, which everybody has.
const TEST_SECRET: [u8; 32] = b256!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80").0;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The chain's genesis file, or `demo` or `local` for a preset.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Journal, proofs and batches; created when it is not there.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Where to listen for JSON-RPC (`/`) and provers (`/plugin`).
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8545")]
    rpc: SocketAddr,
    /// The validator's key; `validator.key` in the data directory if not given.
    #[arg(long, value_name = "FILE")]
    validator_key: Option<PathBuf>,
    /// Blocks from one snapshot of the state to the next.
    #[arg(long, value_name = "BLOCKS", default_value_t = DEFAULT_SNAPSHOT_EVERY)]
    snapshot_every: NonZeroU64,
    /// A browser origin that may connect as a plugin, as `chrome-extension://<id>`; may be repeated. Without it
    /// every extension may, and no web page. Programs of their own always may.
    #[arg(long, value_name = "ORIGIN")]
    plugin_origin: Vec<Origin>,
    /// Do not give the commitment key to plugins: they have to get it elsewhere.
    #[arg(long)]
    no_serve_keys: bool,
}

pub(super) fn run(args: Args, output: Output) -> Result<(), Failure> {
    let genesis = read_genesis(&args.config)?;
    let valid = genesis.clone().validate().map_err(|error| unusable(args.config.display(), error))?;
    let validator = validator(&args, &genesis)?;
    let params = params::verifier(&valid).map_err(|error| unusable("proof parameters", error))?;
    let key = (!args.no_serve_keys).then(|| params::key_file(&valid)).transpose();
    let key = key.map_err(|error| unusable("the commitment key", error))?;
    let config = NodeConfig {
        genesis,
        data_dir: args.data_dir,
        rpc_addr: args.rpc,
        validator,
        checker: Arc::new(RealChecker::new(params)),
        snapshot_every: args.snapshot_every,
        plugins: PluginAccess { origins: Origins::of(args.plugin_origin), key },
    };
    runtime()?.block_on(async {
        let mut node = Node::start(config).await.map_err(classify)?;
        let said = json!({ "rpc": node.rpc_url(), "plugin": node.plugin_url(), "genesis": valid.hash });
        output.result(&said, format!("JSON-RPC {}\nprovers  {}", node.rpc_url(), node.plugin_url()))?;
        tokio::select! {
            true = signal() => {}
            ended = node.failed() => return ended.map_err(classify),
        }
        tracing::info!("stopping");
        node.stop().await.map_err(classify)
    })
}

fn validator(args: &Args, genesis: &Genesis) -> Result<Signer, Failure> {
    let beside = args.data_dir.join("validator.key");
    let expected = genesis.validators.first().map(|v| v.address);
    match &args.validator_key {
        Some(file) => read_key(file),
        None if beside.exists() => read_key(&beside),
        None if expected == Some(TEST_VALIDATOR) => {
            tracing::warn!("this genesis' validator key is public: for development only");
            Signer::from_bytes(&TEST_SECRET).map_err(|error| failed("the test key", error))
        }
        None => Err(unusable(
            beside.display(),
            format!(
                "there is no key of validator {}; give it with --validator-key",
                expected.map(|a| a.to_string()).unwrap_or_default()
            ),
        )),
    }
}

fn classify(error: NodeError) -> Failure {
    match error {
        NodeError::NotValidator { .. }
        | NodeError::Simulated
        | NodeError::OtherShape { .. }
        | NodeError::OtherKey { .. }
        | NodeError::Bind { .. }
        | NodeError::Directory { .. } => Failure::Unusable(error.to_string()),
        error => Failure::Failed(error.to_string()),
    }
}
