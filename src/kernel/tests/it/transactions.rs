//! Signed transfers.

use crowdfold_events::{Address, Signer};

pub fn transfer(from: &Signer, _chain_id: u64, nonce: u64, to: Address, value: u128, max_fee: u128, data: &[u8]) -> Vec<u8> {
    let mut raw = from.address().to_vec();
    raw.extend_from_slice(&u128::from(nonce).to_be_bytes());
    raw.extend_from_slice(to.as_slice());
    raw.extend_from_slice(&value.to_be_bytes());
    raw.extend_from_slice(&max_fee.to_be_bytes());
    raw.resize(96, 0);
    raw.extend_from_slice(data);
    raw
}
