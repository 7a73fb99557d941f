//! Signs transfers.
//!
//! For the synthetic admission items of a genesis, for the demo's users and
//! for tests. Signatures are deterministic (RFC 6979) with low s. Keys that
//! [`Wallet::derive`] makes are public knowledge by construction: never give
//! one of them anything of worth.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxLegacy, transaction::RlpEcdsaEncodableTx};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use crowdfold_events::known;
use k256::ecdsa::SigningKey;

use crate::transaction::{TransactionKind, compact};

/// The fields of a transfer to be signed.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// The envelope.
    pub kind: TransactionKind,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Number of the sender's transactions before this one.
    pub nonce: u64,
    /// Recipient.
    pub to: Address,
    /// Value in the smallest unit of ZKPoW.
    pub value: u128,
    /// Gas limit.
    pub gas_limit: u64,
    /// Highest price per gas.
    pub max_fee: u128,
    /// Highest price above the base fee; ignored before EIP-1559.
    pub max_priority_fee: u128,
    /// Calldata.
    pub data: Bytes,
}

/// A secp256k1 key and its address.
#[derive(Clone)]
pub struct Wallet {
    key: SigningKey,
    address: Address,
}

impl Wallet {
    /// The key `keccak256(label ‖ index as u64 big-endian)`, hashed again in the (never seen) case that it is no key.
    #[must_use]
    pub fn derive(label: &str, index: u64) -> Self {
        let mut seed = keccak256([label.as_bytes(), &index.to_be_bytes()].concat());
        loop {
            match Self::from_key(seed) {
                Some(wallet) => return wallet,
                None => seed = keccak256(seed),
            }
        }
    }

    /// A wallet from a secret key; `None` when the number is zero or not below the group order.
    #[must_use]
    pub fn from_key(secret: B256) -> Option<Self> {
        let key = SigningKey::from_slice(secret.as_slice()).ok()?;
        let address = Address::from_public_key(key.verifying_key());
        Some(Self { key, address })
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.address
    }

    /// Signs a 32-byte digest.
    #[must_use]
    pub fn sign_hash(&self, hash: &B256) -> Signature {
        let (signature, recovery) =
            self.key.sign_prehash_recoverable(hash.as_slice()).expect("invariant: a 32-byte digest can be signed");
        let signature = Signature::from_signature_and_parity(signature, recovery.is_y_odd());
        known::note(hash, &compact(&signature), || {
            let point = self.key.verifying_key().to_encoded_point(false);
            let key = point.as_bytes()[1..].try_into().expect("invariant: an uncompressed point is 65 bytes");
            known::Known { address: self.address, key }
        });
        signature
    }

    /// Signs a transfer; returns its EIP-2718 bytes.
    #[must_use]
    pub fn sign(&self, transfer: &Transfer) -> Vec<u8> {
        let to = TxKind::Call(transfer.to);
        let value = U256::from(transfer.value);
        let input = transfer.data.clone();
        let Transfer { chain_id, nonce, gas_limit, max_fee, max_priority_fee, .. } = *transfer;
        match transfer.kind {
            TransactionKind::Legacy => self.sign_any(TxLegacy {
                chain_id: Some(chain_id),
                nonce,
                gas_price: max_fee,
                gas_limit,
                to,
                value,
                input,
            }),
            TransactionKind::Eip2930 => self.sign_any(TxEip2930 {
                chain_id,
                nonce,
                gas_price: max_fee,
                gas_limit,
                to,
                value,
                access_list: Default::default(),
                input,
            }),
            TransactionKind::Eip1559 => self.sign_any(TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: max_fee,
                max_priority_fee_per_gas: max_priority_fee,
                to,
                value,
                access_list: Default::default(),
                input,
            }),
        }
    }

    /// Signs a transaction of any kind; returns its EIP-2718 bytes.
    #[must_use]
    pub fn sign_any<T: SignableTransaction<Signature> + RlpEcdsaEncodableTx>(&self, tx: T) -> Vec<u8> {
        let signature = self.sign_hash(&tx.signature_hash());
        let mut raw = Vec::with_capacity(192);
        tx.eip2718_encode(&signature, &mut raw);
        raw
    }
}

impl core::fmt::Debug for Wallet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Wallet").field("address", &self.address).finish_non_exhaustive()
    }
}
