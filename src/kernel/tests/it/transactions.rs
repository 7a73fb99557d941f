//! Signed transfers.

use alloy_primitives::Bytes;
use crowdfold_events::{Address, B256};
use crowdfold_execution::{
    TransactionKind,
    gas::transfer_gas,
    wallet::{Transfer, Wallet},
};

pub fn transfer(
    from: &Wallet,
    chain_id: u64,
    nonce: u64,
    to: Address,
    value: u128,
    max_fee: u128,
    data: &[u8],
) -> Vec<u8> {
    from.sign(&Transfer {
        kind: TransactionKind::Eip1559,
        chain_id,
        nonce,
        to,
        value,
        gas_limit: transfer_gas(data),
        max_fee,
        max_priority_fee: 0,
        data: Bytes::copy_from_slice(data),
    })
}

/// The wallet with the key of [`crate::world::signer`].
pub fn wallet(n: u8) -> Wallet {
    let mut key = B256::repeat_byte(0x11);
    key[31] = n;
    Wallet::from_key(key).unwrap()
}
