//! `crowdfold genesis`: show and make genesis files.

use std::path::PathBuf;

use alloy_primitives::Address;
use crowdfold_config::{Allocation, Amount, DEMO, Genesis, LOCAL};
use serde_json::json;

use super::{Failure, Output, failed, read_genesis, unusable, write_new};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check a genesis and show what it is.
    Show {
        /// The file, or `demo` or `local` for a preset.
        file: PathBuf,
    },
    /// Make a genesis from a preset.
    New(New),
}

#[derive(Debug, clap::Args)]
pub(super) struct New {
    /// Where every other number comes from.
    #[arg(long, value_enum, default_value = "local")]
    preset: Preset,
    /// Address of the validator; its key runs the node.
    #[arg(long)]
    validator: Address,
    /// EIP-155 chain id; the preset's if not given.
    #[arg(long)]
    chain_id: Option<u64>,
    /// A balance, as `ADDRESS=AMOUNT`, for instance `0x…=1000 ZKPoW`. May be repeated; replaces the preset's.
    #[arg(long = "allocate", value_name = "ADDRESS=AMOUNT", value_parser = allocation)]
    allocations: Vec<Allocation>,
    /// The file to write; it must not exist.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Preset {
    Demo,
    Local,
}

fn allocation(text: &str) -> Result<Allocation, String> {
    let (account, balance) = text.split_once('=').ok_or("write ADDRESS=AMOUNT")?;
    Ok(Allocation {
        account: account.parse().map_err(|_| format!("`{account}` is not an address"))?,
        balance: balance.parse().map_err(|error: crowdfold_config::AmountError| error.to_string())?,
    })
}

pub(super) fn run(command: Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Show { file } => {
            let genesis = read_genesis(&file)?;
            show(&genesis, file, output)
        }
        Command::New(new) => {
            let text = match new.preset {
                Preset::Demo => DEMO,
                Preset::Local => LOCAL,
            };
            let mut genesis = Genesis::from_toml(text).map_err(|error| failed("the preset", error))?;
            genesis.validators[0].address = new.validator;
            genesis.chain_id = new.chain_id.unwrap_or(genesis.chain_id);
            if !new.allocations.is_empty() {
                genesis.allocations = new.allocations;
                genesis.allocations.sort_by_key(|a| a.account);
            }
            genesis.clone().validate().map_err(|error| unusable("the genesis", error))?;
            let text = genesis.to_toml().map_err(|error| unusable("the genesis", error))?;
            let file = write_new(&new.out, text.as_bytes(), false)?;
            show(&genesis, file, output)
        }
    }
}

fn show(genesis: &Genesis, file: PathBuf, output: Output) -> Result<(), Failure> {
    let valid = genesis.clone().validate().map_err(|error| unusable(file.display(), error))?;
    let supply = Amount(crowdfold_events::Zkpow(genesis.supply().unwrap_or_default()));
    let validators: Vec<Address> = genesis.validators.iter().map(|v| v.address).collect();
    let value = json!({
        "file": file,
        "hash": valid.hash,
        "chain_id": genesis.chain_id,
        "rules_version": genesis.rules_version,
        "supply": supply.units().to_string(),
        "validators": validators,
        "l1": genesis.l1,
        "proof_system": genesis.proof_system,
        "params": genesis.params,
    });
    let text = format!(
        "genesis    {}\nfile       {}\nchain id   {}\nrules      {}\nsupply     {supply}\nvalidator  {}",
        valid.hash,
        file.display(),
        genesis.chain_id,
        genesis.rules_version,
        validators.iter().map(Address::to_string).collect::<Vec<_>>().join(", "),
    );
    output.result(&value, text)
}
