//! Values of the slot: entries, the digest, chunk witnesses and what the ports say.

use ff::{Field, PrimeField};

use crate::{
    Scalar,
    accounts::{Address, ESCROW, ISSUANCE, STAKE},
    gadgets::bit_scalar,
    poseidon::{Domain, hash4},
    statement::{SETTLEMENT_ENTRIES_PER_SEGMENT, scalar_from_address},
};

/// The accounts that a settlement may debit: escrow, issuance and stake.
pub const DEBITABLE: [Address; 3] = [ESCROW, ISSUANCE, STAKE];

/// Entries of one chunk.
pub const CHUNK_ENTRIES: usize = SETTLEMENT_ENTRIES_PER_SEGMENT as usize;
/// TREE ports of one chunk: update or link, and insert, for each entry.
pub const CHUNK_TREE_PORTS: usize = 2 * CHUNK_ENTRIES;
/// Elements of a SETTLE message: chunk, digest, count, sum, seq.
pub const SETTLE_ELEMENTS: usize = 5;
/// Elements of a TREE message: seq, mode, key, next, old nonce and balance, new nonce and balance.
pub const TREE_ELEMENTS: usize = 8;

/// One line of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettlementEntry {
    /// Whose balance changes.
    pub address: Address,
    /// By how much; not zero.
    pub amount: u128,
    /// Credit (the balance grows) or debit.
    pub credit: bool,
}

/// The digest of the empty list, which no list hashes to.
pub fn start() -> Scalar {
    scalar_from_address(b"crowdfold settlement")
}

/// One step of the digest.
pub(super) fn absorb_entry(digest: Scalar, address: Scalar, amount: Scalar, credit: bool) -> Scalar {
    hash4(Domain::Settlement, &[digest, address, amount, bit_scalar(credit)])
}

/// The statement's `data_lo` for a list; its `data_hi` is the list's length.
pub fn settlement_digest(entries: &[SettlementEntry]) -> Scalar {
    entries.iter().fold(start(), |digest, entry| {
        absorb_entry(digest, scalar_from_address(&entry.address), Scalar::from_u128(entry.amount), entry.credit)
    })
}

/// What moves from one chunk to the next, in the order of a SETTLE message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettlementState {
    /// Chunks done.
    pub chunk: Scalar,
    /// Digest of the entries done.
    pub digest: Scalar,
    /// Entries done.
    pub count: Scalar,
    /// Credits minus debits so far.
    pub sum: Scalar,
    /// Tree operations done, which is the next one's number.
    pub seq: Scalar,
}

impl SettlementState {
    /// The state before the first chunk.
    pub fn initial() -> Self {
        Self { digest: start(), ..Self::default() }
    }

    /// The payload of a SETTLE message.
    pub fn payload(&self) -> [Scalar; SETTLE_ELEMENTS] {
        [self.chunk, self.digest, self.count, self.sum, self.seq]
    }
}

/// The private values of one entry; all zero where the entry's place is unused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryWitness {
    /// Below 2^160.
    pub address: Scalar,
    /// In (0, 2^128).
    pub amount: Scalar,
    /// Credit or debit.
    pub credit: bool,
    /// The account does not exist yet: link and insert instead of update.
    pub is_new: bool,
    /// For a new account, what the low leaf pointed to; else zero.
    pub next: Scalar,
    /// The account's nonce; zero for a new one.
    pub nonce: Scalar,
    /// The account's balance before; zero for a new one.
    pub balance_old: Scalar,
}

/// The witness of one chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettlementChunkWitness {
    /// The settlement begins here.
    pub is_first: bool,
    /// The settlement ends here.
    pub is_final: bool,
    /// The state before the chunk.
    pub state: SettlementState,
    /// The first entry is always there; the second may lack in the final chunk.
    pub entries: [Option<EntryWitness>; CHUNK_ENTRIES],
}

/// What the slot's ports say: selector and payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementPortValues {
    /// Received from the chunk before.
    pub settle_in: (bool, [Scalar; SETTLE_ELEMENTS]),
    /// Sent to the chunk after.
    pub settle_out: (bool, [Scalar; SETTLE_ELEMENTS]),
    /// Sent to the tree slots.
    pub tree: [(bool, [Scalar; TREE_ELEMENTS]); CHUNK_TREE_PORTS],
}

impl EntryWitness {
    /// The balance after the entry.
    pub(super) fn balance_new(&self) -> Scalar {
        if self.credit { self.balance_old + self.amount } else { self.balance_old - self.amount }
    }
}

impl SettlementChunkWitness {
    /// The state after the chunk.
    pub fn after(&self) -> SettlementState {
        let mut state = self.state;
        state.chunk += Scalar::ONE;
        for entry in self.entries.iter().flatten() {
            state.digest = absorb_entry(state.digest, entry.address, entry.amount, entry.credit);
            state.count += Scalar::ONE;
            state.sum += entry.balance_new() - entry.balance_old;
            state.seq += Scalar::ONE + bit_scalar(entry.is_new);
        }
        state
    }

    /// What the ports of an active slot with this witness say. Payloads of
    /// ports that say nothing are included: the bus absorbs them.
    pub fn ports(&self) -> SettlementPortValues {
        let mut tree = Vec::with_capacity(CHUNK_TREE_PORTS);
        let mut seq = self.state.seq;
        for entry in &self.entries {
            let used = entry.is_some();
            let entry = entry.unwrap_or_default();
            let new = bit_scalar(entry.is_new);
            let (updated, inserted) = match entry.is_new {
                true => (Scalar::ZERO, entry.amount),
                false => (entry.balance_new(), Scalar::ZERO),
            };
            let (nonce, old) = (entry.nonce, entry.balance_old);
            let zero = Scalar::ZERO;
            tree.push((used, [seq, new, entry.address, entry.next, nonce, old, nonce, updated]));
            tree.push((entry.is_new, [seq + new, new.double(), entry.address, entry.next, zero, zero, zero, inserted]));
            seq += bit_scalar(used) + new;
        }
        SettlementPortValues {
            settle_in: (!self.is_first, self.state.payload()),
            settle_out: (!self.is_final, self.after().payload()),
            tree: tree.try_into().expect("invariant: two ports for each entry"),
        }
    }
}
