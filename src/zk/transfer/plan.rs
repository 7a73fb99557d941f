//! The native planner: checks every rule of a transfer, computes what the
//! circuit will say to the other slots, and collects the circuit's witness.
//!
//! It agrees with [`super::rlp`] and [`super::logic`] rule by rule; a transfer
//! that it accepts is provable and one that it refuses is not. It does not know
//! market state (debt) and does not check the signature.

use ff::{Field, PrimeField};

use super::{
    env::{ENV_FIELDS, EnvFields, env_digest},
    hash::{halves, integer},
    logic::{FLOOR_GAS_PER_TOKEN, MAX_GAS_LIMIT, TRANSFER_GAS},
    payload::{Layout, MARKS, MAX_PAYLOAD_BYTES, Payload, PayloadError},
};
use crate::{
    Scalar,
    accounts::{Address, ESCROW},
    keccak::{KeccakBlock, State, keccak256_block, pack_state},
    tree::{Account, StateOp},
};

/// An account as the state tree has it before the transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// The account has a leaf.
    pub exists: bool,
    /// Transactions sent; 0 if missing.
    pub nonce: u64,
    /// Wei; 0 if missing.
    pub balance: u128,
    /// For a missing account: the `next` of the low leaf, the account with the
    /// greatest smaller key. Ignored otherwise.
    pub next: Address,
}

/// Why a transfer is not valid or not provable. The sender is at fault, except
/// for [`Self::EscrowMissing`] and the overflows, which a valid genesis excludes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// The payload is malformed or outside the provable subset.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// Signed for another chain.
    #[error("signed for chain {signed}, this is chain {chain}")]
    ChainId {
        /// In the payload.
        signed: u64,
        /// In the environment.
        chain: u64,
    },
    /// EIP-7623 floor (which is at least the intrinsic gas).
    #[error("gas limit {limit} is below the {needed} that the transfer uses")]
    GasBelowUsed {
        /// In the payload.
        limit: u64,
        /// Gas used.
        needed: u64,
    },
    /// EIP-7825.
    #[error("gas limit {limit} exceeds the cap of {MAX_GAS_LIMIT}")]
    GasAboveCap {
        /// In the payload.
        limit: u64,
    },
    /// More than a block holds.
    #[error("gas limit {limit} exceeds the block's {block}")]
    GasAboveBlock {
        /// In the payload.
        limit: u64,
        /// In the environment.
        block: u64,
    },
    /// EIP-1559.
    #[error("maximum fee {max_fee} is below the base fee {base_fee}")]
    FeeBelowBase {
        /// In the payload.
        max_fee: u128,
        /// In the environment.
        base_fee: u128,
    },
    /// EIP-1559.
    #[error("priority fee {priority} exceeds the maximum fee {max_fee}")]
    PriorityAboveMax {
        /// In the payload.
        priority: u128,
        /// In the payload.
        max_fee: u128,
    },
    /// The sender has no leaf in the state tree.
    #[error("the sender's account does not exist")]
    SenderMissing,
    /// Not the account's next transaction.
    #[error("nonce {signed}, the account's is {account}")]
    Nonce {
        /// In the payload.
        signed: u64,
        /// In the state.
        account: u64,
    },
    /// EIP-2681.
    #[error("the account's nonces are used up")]
    NonceExhausted,
    /// Value and the most that gas may cost.
    #[error("balance {balance} does not cover value {value} and {gas_limit} gas at {max_fee}")]
    InsufficientBalance {
        /// In the state.
        balance: u128,
        /// In the payload.
        value: u128,
        /// In the payload.
        gas_limit: u64,
        /// In the payload.
        max_fee: u128,
    },
    /// The recipient would hold 2^128 or more.
    #[error("the recipient's balance overflows")]
    RecipientOverflow,
    /// The escrow would hold 2^128 or more.
    #[error("the escrow's balance overflows")]
    EscrowOverflow,
    /// Genesis has no escrow account.
    #[error("the escrow account does not exist")]
    EscrowMissing,
}

/// What the circuit is told about the recipient.
#[derive(Clone, Debug)]
pub(super) struct Recipient {
    pub(super) is_new: bool,
    pub(super) next: Address,
    pub(super) nonce: u64,
    pub(super) balance: u128,
}

/// Everything that the circuit's witness is computed from.
#[derive(Clone, Debug)]
pub(super) struct Advice {
    /// The payload, then zeros.
    pub(super) bytes: [u8; MAX_PAYLOAD_BYTES],
    pub(super) layout: Layout,
    /// Qx ‖ Qy, big-endian.
    pub(super) key: [u8; 64],
    /// See [`EnvFields::elements`].
    pub(super) env: [Scalar; ENV_FIELDS],
    /// Permuted states behind the signing hash and the sender's address.
    pub(super) outputs: [State; 2],
    pub(super) sender_balance: u128,
    pub(super) recipient: Recipient,
    pub(super) escrow_nonce: u64,
    pub(super) escrow_balance: u128,
    /// The price is the maximum fee.
    pub(super) capped: bool,
}

/// The public values of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Upper 128 bits of the payload's Keccak-256.
    pub data_hi: Scalar,
    /// Lower 128 bits.
    pub data_lo: Scalar,
    /// The sender's address as an integer.
    pub sender: Scalar,
    /// Digest of the environment.
    pub env: Scalar,
}

/// A selector and the eight elements of a TREE message.
pub type TreeMessage = (bool, [Scalar; 8]);

/// A valid transfer: the circuit's witness and what it says to other slots.
#[derive(Clone, Debug)]
pub struct TransferWitness {
    pub(super) advice: Advice,
    /// The block that it runs in.
    pub env: EnvFields,
    /// The parsed payload.
    pub payload: Payload,
    /// The signer's address.
    pub sender: Address,
    /// Gas used.
    pub gas_used: u64,
    /// Wei per gas.
    pub price: u128,
    /// Wei moved to the escrow.
    pub fee: u128,
    blocks: [KeccakBlock; 2],
    tree: [TreeMessage; 4],
    ops: Vec<StateOp>,
}

impl Advice {
    /// The all-zero witness of a slot that is not in use.
    pub(super) fn idle() -> Self {
        Self {
            bytes: [0; MAX_PAYLOAD_BYTES],
            layout: Layout { kind: None, long_list: false, starts: [None; MARKS] },
            key: [0; 64],
            env: [Scalar::ZERO; ENV_FIELDS],
            outputs: [[0; 25]; 2],
            sender_balance: 0,
            recipient: Recipient { is_new: false, next: [0; 20], nonce: 0, balance: 0 },
            escrow_nonce: 0,
            escrow_balance: 0,
            capped: false,
        }
    }
}

impl TransferWitness {
    /// The public values.
    pub fn statement(&self) -> Statement {
        let [data_hi, data_lo] = halves(&self.blocks[0].digest);
        Statement { data_hi, data_lo, sender: integer(&self.sender), env: env_digest(&self.env) }
    }

    /// The states that Keccak-f permutes: payload, then public key.
    pub fn keccak_inputs(&self) -> [State; 2] {
        [self.blocks[0].input, self.blocks[1].input]
    }

    /// The KECCAK messages: input and output state, packed.
    pub fn keccak_messages(&self) -> [[Scalar; 18]; 2] {
        self.blocks.each_ref().map(|block| {
            let states = [pack_state(&block.input), pack_state(&block.output)];
            std::array::from_fn(|i| states[i / 9][i % 9])
        })
    }

    /// The SIG message: signing hash, Qx, Qy, each as upper and lower half.
    pub fn sig_message(&self) -> [Scalar; 6] {
        let words = [
            self.blocks[0].digest,
            std::array::from_fn(|i| self.advice.key[i]),
            std::array::from_fn(|i| self.advice.key[32 + i]),
        ];
        let words = words.each_ref().map(halves);
        std::array::from_fn(|i| words[i / 2][i % 2])
    }

    /// The changes of the state, in order; they give the TREE messages that are
    /// sent.
    pub fn state_ops(&self) -> &[StateOp] {
        &self.ops
    }

    /// The TREE messages in their order, those not sent included.
    pub fn tree_messages(&self) -> [TreeMessage; 4] {
        self.tree
    }
}

/// Gas that a transfer with so many calldata tokens uses.
pub fn gas_used(tokens: u64) -> u64 {
    TRANSFER_GAS + FLOOR_GAS_PER_TOKEN * tokens
}

/// The last 20 bytes of the Keccak-256 of Qx ‖ Qy.
fn address_of(block: &KeccakBlock) -> Address {
    std::array::from_fn(|i| block.digest[12 + i])
}

/// The rules that need no state; returns gas used and price.
fn check_against_env(payload: &Payload, env: &EnvFields) -> Result<(u64, u128), TransferError> {
    let limit = payload.gas_limit;
    if payload.chain_id != env.chain_id {
        return Err(TransferError::ChainId { signed: payload.chain_id, chain: env.chain_id });
    }
    if limit > MAX_GAS_LIMIT {
        return Err(TransferError::GasAboveCap { limit });
    }
    if limit > env.block_gas_limit {
        let block = env.block_gas_limit;
        return Err(TransferError::GasAboveBlock { limit, block });
    }
    let needed = gas_used(payload.tokens());
    if limit < needed {
        return Err(TransferError::GasBelowUsed { limit, needed });
    }
    let (max_fee, priority) = (payload.max_fee, payload.max_priority_fee);
    if priority > max_fee {
        return Err(TransferError::PriorityAboveMax { priority, max_fee });
    }
    let base_fee = env.base_fee;
    if max_fee < base_fee {
        return Err(TransferError::FeeBelowBase { max_fee, base_fee });
    }
    if payload.nonce == u64::MAX {
        return Err(TransferError::NonceExhausted);
    }
    // The sum exceeds the maximum where it overflows.
    let price = base_fee.saturating_add(priority).min(max_fee);
    Ok((needed, price))
}

/// Accounts as the operations so far have left them.
struct Overlay<'a> {
    below: &'a dyn Fn([u8; 20]) -> AccountView,
    written: Vec<(Address, AccountView)>,
}

impl Overlay<'_> {
    fn get(&self, address: Address) -> AccountView {
        let written = self.written.iter().rev().find(|(a, _)| *a == address);
        written.map_or_else(|| (self.below)(address), |(_, view)| *view)
    }

    fn put(&mut self, address: Address, account: Account) -> StateOp {
        let Account { nonce, balance } = account;
        let existed = self.get(address).exists;
        let view = AccountView { exists: true, nonce, balance, next: [0; 20] };
        self.written.push((address, view));
        match existed {
            true => StateOp::Set { address, account },
            false => StateOp::Create { address, account },
        }
    }
}

/// Plans the transfer that `bytes` asks for, signed by the key `pubkey`
/// (Qx ‖ Qy, big-endian), on the state that `accounts` shows.
///
/// # Errors
/// The first rule that the transfer breaks.
pub fn plan_transfer(
    bytes: &[u8],
    pubkey: &[u8; 64],
    env: &EnvFields,
    accounts: &dyn Fn([u8; 20]) -> AccountView,
) -> Result<TransferWitness, TransferError> {
    let (payload, layout) = Payload::parse_with_layout(bytes)?;
    let too_long = PayloadError::TooLong { bytes: bytes.len() };
    let blocks = [keccak256_block(bytes).ok_or(too_long)?, keccak256_block(pubkey).ok_or(too_long)?];
    let sender = address_of(&blocks[1]);
    let (gas_used, price) = check_against_env(&payload, env)?;

    let mut state = Overlay { below: accounts, written: Vec::new() };
    let from = state.get(sender);
    if !from.exists {
        return Err(TransferError::SenderMissing);
    }
    if from.nonce != payload.nonce {
        return Err(TransferError::Nonce { signed: payload.nonce, account: from.nonce });
    }
    let worst =
        u128::from(payload.gas_limit).checked_mul(payload.max_fee).and_then(|gas| gas.checked_add(payload.value));
    if worst.is_none_or(|worst| worst > from.balance) {
        return Err(TransferError::InsufficientBalance {
            balance: from.balance,
            value: payload.value,
            gas_limit: payload.gas_limit,
            max_fee: payload.max_fee,
        });
    }
    // At most the worst case, which is covered.
    let fee = u128::from(gas_used) * price;
    let paid = from.balance - payload.value - fee;
    let nonce = from.nonce + 1;
    let mut ops = Vec::with_capacity(3);
    ops.push(state.put(sender, Account { nonce, balance: paid }));

    let sends = payload.value > 0;
    let mut recipient = Advice::idle().recipient;
    if sends {
        let to = state.get(payload.to);
        recipient.is_new = !to.exists;
        if to.exists {
            recipient.nonce = to.nonce;
            recipient.balance = to.balance;
        } else {
            recipient.next = to.next;
        }
        let credited = recipient.balance.checked_add(payload.value);
        let nonce = recipient.nonce;
        let balance = credited.ok_or(TransferError::RecipientOverflow)?;
        ops.push(state.put(payload.to, Account { nonce, balance }));
    }
    let escrow = state.get(ESCROW);
    if !escrow.exists {
        return Err(TransferError::EscrowMissing);
    }
    let escrow_after = escrow.balance.checked_add(fee).ok_or(TransferError::EscrowOverflow)?;
    let account = Account { nonce: escrow.nonce, balance: escrow_after };
    ops.push(state.put(ESCROW, account));

    let message = |seq: u64, mode: u64, key: &Address, next, nonces: [u64; 2], balances: [u128; 2]| {
        [
            Scalar::from(seq),
            Scalar::from(mode),
            integer(key),
            next,
            Scalar::from(nonces[0]),
            Scalar::from_u128(balances[0]),
            Scalar::from(nonces[1]),
            Scalar::from_u128(balances[1]),
        ]
    };
    let (to, next, new) = (&payload.to, integer(&recipient.next), u64::from(recipient.is_new));
    let credit = if recipient.is_new { 0 } else { payload.value };
    let before = recipient.balance;
    let created = payload.value - credit;
    let last = 1 + u64::from(sends) + new;
    let (zero, nonces) = (Scalar::ZERO, [from.nonce, from.nonce + 1]);
    let tree = [
        (true, message(0, 0, &sender, zero, nonces, [from.balance, paid])),
        (sends, message(u64::from(sends), new, to, next, [recipient.nonce; 2], [before, before + credit])),
        (recipient.is_new, message(2 * new, 2 * new, to, next, [0, 0], [0, created])),
        (true, message(last, 0, &ESCROW, zero, [escrow.nonce; 2], [escrow.balance, escrow_after])),
    ];
    let mut padded = [0; MAX_PAYLOAD_BYTES];
    padded[..bytes.len()].copy_from_slice(bytes);
    let over = env.base_fee.checked_add(payload.max_priority_fee);
    let advice = Advice {
        bytes: padded,
        layout,
        key: *pubkey,
        env: env.elements(),
        outputs: [blocks[0].output, blocks[1].output],
        sender_balance: from.balance,
        recipient,
        escrow_nonce: escrow.nonce,
        escrow_balance: escrow.balance,
        capped: over.is_none_or(|over| over >= payload.max_fee),
    };
    Ok(TransferWitness { advice, env: *env, ops, payload, sender, gas_used, price, fee, blocks, tree })
}
