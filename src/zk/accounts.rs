//! The chain's own accounts.
//!
//! Their addresses are constants of every circuit: `c0f01d`, sixteen zero
//! bytes, a number. Nobody holds a key for them: a key with such an address
//! would be a preimage of 160 bits of Keccak-256.

/// An Ethereum address, big-endian.
pub type Address = [u8; 20];

const fn system(number: u8) -> Address {
    let mut address = [0; 20];
    address[0] = 0xc0;
    address[1] = 0xf0;
    address[2] = 0x1d;
    address[19] = number;
    address
}

/// Receives all fees and pays rewards.
pub const ESCROW: Address = system(1);
/// Filled at genesis and never again; tops bounties up.
pub const ISSUANCE: Address = system(2);
/// Holds the validators' stake.
pub const STAKE: Address = system(3);
/// A transfer to it repays a debt.
pub const REPAY: Address = system(4);

/// Every system account, in ascending order.
pub const ALL: [Address; 4] = [ESCROW, ISSUANCE, STAKE, REPAY];
