//! The demonstration's chain and its people: fresh keys, a genesis, transfers.

use alloy_primitives::{Address, B256, Bytes};
use crowdfold_config::{Allocation, Amount, DEMO, Genesis, GenesisError};
use crowdfold_events::{Signer, Zkpow};
use crowdfold_execution::{
    TransactionKind,
    wallet::{Transfer, Wallet},
};
use rand::RngCore;

use super::DemoOptions;

/// What each wallet owns at genesis: 1,000 ZKPoW.
const BALANCE: u128 = 1_000 * 10u128.pow(18);
/// Added to every deadline for each prover beyond two: about one proof.
const BLOCKS_PER_PROVER: u64 = 20;
/// Added to every deadline when a browser proves: it takes several times as long.
const BLOCKS_FOR_BROWSER: u64 = 160;
/// Most wallets; further transactions come from the same ones.
const MAX_WALLETS: u32 = 16;

/// A chain that nobody else has.
pub(super) struct DemoChain {
    pub(super) genesis: Genesis,
    pub(super) validator: Signer,
    pub(super) wallets: Vec<Wallet>,
}

/// A secret key that nobody knows.
pub(super) fn secret() -> [u8; 32] {
    loop {
        let mut bytes = [0; 32];
        rand::rngs::OsRng.fill_bytes(&mut bytes);
        if Signer::from_bytes(&bytes).is_ok() {
            return bytes;
        }
    }
}

fn signer() -> Signer {
    Signer::from_bytes(&secret()).expect("invariant: secret() gives keys")
}

impl DemoChain {
    /// The preset with a validator and wallets of its own, starting at `time_ms`.
    ///
    /// All provers share this machine's cores, so a proof may wait for one of
    /// each other prover: deadlines leave room for that.
    pub(super) fn new(options: &DemoOptions, time_ms: u64) -> Result<Self, GenesisError> {
        let validator = signer();
        let wallet = |_| Wallet::from_key(B256::from(secret())).expect("invariant: secret() gives keys");
        let mut wallets: Vec<Wallet> = (0..options.transactions.clamp(1, MAX_WALLETS)).map(wallet).collect();
        wallets.sort_by_key(Wallet::address);
        let mut genesis = Genesis::from_toml(DEMO)?;
        genesis.time_ms = time_ms;
        let proving = &mut genesis.params.proving;
        proving.deadline_base += BLOCKS_PER_PROVER * u64::from(options.provers.saturating_sub(2));
        proving.deadline_base += if options.browser { BLOCKS_FOR_BROWSER } else { 0 };
        genesis.validators[0].address = validator.address();
        let balance = Amount(Zkpow(BALANCE));
        genesis.allocations = wallets.iter().map(|w| Allocation { account: w.address(), balance }).collect();
        Ok(Self { genesis, validator, wallets })
    }

    /// Who sends transaction `index`.
    pub(super) fn sender(&self, index: u32) -> &Wallet {
        &self.wallets[index as usize % self.wallets.len()]
    }

    /// Transaction `index`: in turn each envelope, to new, existing and the own account.
    pub(super) fn transaction(&self, index: u32, nonce: u64, gas_price: u128) -> Vec<u8> {
        let kinds = [TransactionKind::Eip1559, TransactionKind::Legacy, TransactionKind::Eip2930];
        let sender = self.sender(index);
        let to = match index % 3 {
            0 => Address::from_slice(&secret()[..20]),
            1 => self.sender(index + 1).address(),
            _ => sender.address(),
        };
        sender.sign(&Transfer {
            kind: kinds[index as usize % kinds.len()],
            chain_id: self.genesis.chain_id,
            nonce,
            to,
            value: u128::from(index + 1) * 10u128.pow(18),
            gas_limit: 21_000,
            max_fee: gas_price.saturating_mul(2),
            max_priority_fee: gas_price / 10,
            data: Bytes::new(),
        })
    }
}
