//! What each slot of each segment of an item does.
//!
//! Everything in an [`ItemInput`] is checked here natively; what passes is
//! provable. The layout: a transfer's logic and tree operations are in segment
//! 0, its two permutations in segments 0 and 1, its signature's chunks in
//! segments 0 and 1; each chunk of a settlement is a segment with its own tree
//! operations.

use std::collections::BTreeMap;

use nova_snark::frontend::SynthesisError;

use crate::{
    Scalar,
    accounts::Address,
    item::{ItemData, ItemInput, settlement_entries},
    secp256k1::{EcdsaPlan, SignatureError},
    segment::{Logic, SegmentSlots},
    settlement::{self, CHUNK_ENTRIES, plan_settlement, settlement_digest},
    statement::{SEGMENTS_PER_TRANSFER, StatementError, scalar_from_be, scalar_to_be, settlement_segments},
    transfer::{AccountView, TransferError, env_digest, plan_transfer},
    tree::{Account, OpMode, OpWitness, TreeError},
};

/// An input that does not fit its statement or breaks a rule. Whoever made the
/// input (for a prover: the node) is at fault.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The statement is malformed.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The transfer breaks a rule.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// The signature is not valid.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The settlement breaks a rule.
    #[error(transparent)]
    Settlement(#[from] settlement::PlanError),
    /// A tree operation is not proven by its path, or they do not follow each other.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A field element of the environment is not canonical.
    #[error("the environment is not canonical")]
    Environment,
    /// There is no tree operation.
    #[error("an item without tree operations")]
    NoOperations,
    /// The tree operations are not those that the item asks for.
    #[error("the tree operations are not those of the item")]
    Operations,
    /// A value of the statement is not the one that the data gives.
    #[error("the statement's {0} is not that of the item")]
    Mismatch(&'static str),
    /// A gadget asked for a value that the plan does not give; a bug.
    #[error("synthesis failed")]
    Synthesis(#[from] SynthesisError),
}

pub(super) fn plan(input: &ItemInput) -> Result<Vec<SegmentSlots>, PlanError> {
    OpWitness::verify_all(&input.ops)?;
    let (first, last) = input.ops.first().zip(input.ops.last()).ok_or(PlanError::NoOperations)?;
    let root = |tree, count| scalar_to_be(&crate::tree::state_root(tree, count));
    let same = |name, ok: bool| if ok { Ok(()) } else { Err(PlanError::Mismatch(name)) };
    same("pre-state root", root(first.root_before, first.leaf_count_before) == input.statement.pre_root)?;
    same("post-state root", root(last.root_after, last.leaf_count_after()) == input.statement.post_root)?;
    let env = input.env.fields().ok_or(PlanError::Environment)?;
    same("environment", scalar_to_be(&env_digest(&env)) == input.statement.env)?;
    match &input.data {
        ItemData::Transfer { payload, r, s, public_key_x, public_key_y } => {
            plan_transfer_item(input, payload, [r, s, public_key_x, public_key_y])
        }
        ItemData::Settlement { entries } => plan_settlement_item(input, entries),
    }
}

fn plan_transfer_item(
    input: &ItemInput,
    payload: &[u8],
    [r, s, x, y]: [&[u8; 32]; 4],
) -> Result<Vec<SegmentSlots>, PlanError> {
    let statement = &input.statement;
    let same = |name, ok: bool| if ok { Ok(()) } else { Err(PlanError::Mismatch(name)) };
    same("segment count", statement.segments == SEGMENTS_PER_TRANSFER)?;
    let env = input.env.fields().ok_or(PlanError::Environment)?;
    let mut key = [0u8; 64];
    key[..32].copy_from_slice(x);
    key[32..].copy_from_slice(y);
    let views = views(&input.ops);
    let missing = AccountView { exists: false, nonce: 0, balance: 0, next: [0; 20] };
    let planned =
        plan_transfer(payload, &key, &env, &|address| views.get(&address).map_or(missing, View::of_transfer))?;
    let values = planned.statement();
    same("data", scalar_from_be(&statement.data_hi) == Some(values.data_hi))?;
    same("data", scalar_from_be(&statement.data_lo) == Some(values.data_lo))?;
    same("sender", statement.sender == planned.sender)?;
    same("chain id", statement.chain_id == planned.payload.chain_id)?;
    let messages: Vec<[Scalar; 8]> =
        planned.tree_messages().iter().filter(|(used, _)| *used).map(|(_, message)| *message).collect();
    if messages != input.ops.iter().map(OpWitness::message).collect::<Vec<_>>() {
        return Err(PlanError::Operations);
    }
    let mut hash = [0u8; 32];
    hash[..16].copy_from_slice(&statement.data_hi[16..]);
    hash[16..].copy_from_slice(&statement.data_lo[16..]);
    let signature = EcdsaPlan::new(hash, *r, *s, (*x, *y))?;

    let mut segments = vec![SegmentSlots::default(); SEGMENTS_PER_TRANSFER as usize];
    for (segment, chunk) in segments.iter_mut().zip(signature.chunks()) {
        segment.curve = Some(chunk);
    }
    for (segment, state) in segments.iter_mut().zip(planned.keccak_inputs()) {
        segment.keccak = Some(state);
    }
    segments[0].tree = input.ops.clone();
    segments[0].logic = Logic::Transfer(Box::new(planned));
    Ok(segments)
}

fn plan_settlement_item(input: &ItemInput, entries: &[(Address, u128, bool)]) -> Result<Vec<SegmentSlots>, PlanError> {
    let statement = &input.statement;
    let entries = settlement_entries(entries);
    let same = |name, ok: bool| if ok { Ok(()) } else { Err(PlanError::Mismatch(name)) };
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    same("segment count", statement.segments == settlement_segments(count))?;
    same("data", scalar_from_be(&statement.data_hi) == Some(Scalar::from(u64::from(count))))?;
    same("data", statement.data_lo == scalar_to_be(&settlement_digest(&entries)))?;
    same("sender", statement.sender == [0; 20])?;
    let views = views(&input.ops);
    let plan = plan_settlement(
        &entries,
        |address| match views.get(address) {
            Some(View::Present(account)) => {
                Some(settlement::AccountView { nonce: account.nonce, balance: account.balance })
            }
            _ => None,
        },
        |address| match views.get(address) {
            Some(View::Missing(next)) if *next != [0; 20] => Some(*next),
            _ => None,
        },
    )?;
    let mut ops = input.ops.iter();
    let mut segments = Vec::with_capacity(plan.chunks.len());
    for chunk in plan.chunks {
        let mut slots = SegmentSlots::default();
        for (_, message) in chunk.ports().tree.iter().filter(|(used, _)| *used) {
            let op = ops.next().filter(|op| op.message() == *message).ok_or(PlanError::Operations)?;
            slots.tree.push(op.clone());
        }
        debug_assert!(slots.tree.len() <= 2 * CHUNK_ENTRIES);
        slots.logic = Logic::Settlement(Box::new(chunk));
        segments.push(slots);
    }
    if ops.next().is_some() {
        return Err(PlanError::Operations);
    }
    Ok(segments)
}

/// An account as it was before the item.
enum View {
    Present(Account),
    /// Absent; the key that follows it in the tree's list, zero at the end.
    Missing(Address),
}

impl View {
    fn of_transfer(&self) -> AccountView {
        match self {
            Self::Present(account) => {
                AccountView { exists: true, nonce: account.nonce, balance: account.balance, next: [0; 20] }
            }
            Self::Missing(next) => AccountView { exists: false, nonce: 0, balance: 0, next: *next },
        }
    }
}

/// What verified operations say about the accounts before the item: the first
/// one that names an account decides.
fn views(ops: &[OpWitness]) -> BTreeMap<Address, View> {
    let mut views = BTreeMap::new();
    for op in ops {
        match op.mode {
            OpMode::Update => {
                views.entry(op.old.key).or_insert(View::Present(op.old.account));
            }
            OpMode::Link => {
                views.entry(op.new.next).or_insert(View::Missing(op.old.next));
            }
            OpMode::Insert => {}
        }
    }
    views
}
