//! Roots: of the body, of the receipts, of the market state.

use alloy_primitives::Keccak256;
use crowdfold_events::{
    B256, BlockBody, BlockHeader, CodecError, ItemIndex, codec,
    merkle::{self, Tree},
    message::MessageReceipt,
};
use serde::{Deserialize, Serialize};

use crate::{
    faults::{BlockFault, HeaderField},
    state::State,
};

/// The receipt of a user transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionReceipt {
    /// Keccak-256 of the raw transaction.
    pub hash: B256,
    /// Its item.
    pub item: ItemIndex,
    /// Gas used.
    pub gas_used: u64,
    /// Gas used by the block up to and including it.
    pub cumulative_gas_used: u64,
    /// Price per gas paid.
    pub effective_gas_price: u128,
}

/// The receipts of a block, each lane in block order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipts {
    /// Of the user lane.
    pub transactions: Vec<TransactionReceipt>,
    /// Of the system lane.
    pub messages: Vec<MessageReceipt>,
}

impl Receipts {
    /// Merkle root over the user lane's receipts, then the system lane's.
    ///
    /// # Errors
    /// Never for receipts that a kernel made.
    pub fn root(&self) -> Result<B256, CodecError> {
        let mut leaves = self.transactions.iter().map(codec::to_bytes).collect::<Result<Vec<_>, _>>()?;
        leaves.extend(self.messages.iter().map(MessageReceipt::leaf));
        Ok(merkle::root(Tree::Receipts, &leaves))
    }
}

/// Domain of the state hash.
const DOMAIN_STATE: &[u8] = b"crowdfold/state/1";

impl State {
    /// What names everything after a block:
    /// `keccak-256("crowdfold/state/1" ‖ state root ‖ market root ‖ head of the event chain)`.
    ///
    /// Two states with the same hash have the same balances, the same live
    /// market state and the same history. It costs a [`Self::market_root`].
    ///
    /// # Errors
    /// As [`Self::market_root`]: never for a state that a kernel made.
    pub fn hash(&self) -> Result<B256, CodecError> {
        let mut hasher = Keccak256::new();
        hasher.update(DOMAIN_STATE);
        hasher.update(self.state_root());
        hasher.update(self.market_root()?);
        hasher.update(self.events_head);
        Ok(hasher.finalize())
    }

    /// Digest of the part of the market state that later blocks depend on.
    ///
    /// Leaves: sums and counters; then in order accounts, plugins, open tasks,
    /// items from the first uncertified batch on, uncertified batches, frozen
    /// slots, recent header hashes. What is settled for good is left out, so
    /// the cost follows the live part.
    ///
    /// # Errors
    /// A part that cannot be encoded: never for a state that a kernel made.
    pub fn market_root(&self) -> Result<B256, CodecError> {
        let mut leaves = vec![codec::to_bytes(&self.market)?];
        fn all<'a, K: Serialize + 'a, V: Serialize + 'a>(
            leaves: &mut Vec<Vec<u8>>,
            part: u8,
            entries: impl Iterator<Item = (&'a K, &'a V)>,
        ) -> Result<(), CodecError> {
            for (key, value) in entries {
                leaves.push(codec::to_bytes(&(part, key, value))?);
            }
            Ok(())
        }
        all(&mut leaves, 1, self.accounts.iter())?;
        all(&mut leaves, 2, self.plugins.iter())?;
        all(&mut leaves, 3, self.open.iter().filter_map(|id| Some((id, self.tasks.get(id)?))))?;
        let first_batch = self.market.next_certified;
        let first_item = self.batches.get(&first_batch).map_or(self.market.next_batch_item, |b| b.first_item);
        all(&mut leaves, 4, self.items.range(first_item..))?;
        all(&mut leaves, 5, self.batches.range(first_batch..))?;
        all(&mut leaves, 6, self.frozen.iter())?;
        // The newest hash is that of the header which contains this root; the
        // oldest may or may not be forgotten yet. The next block sees what is between.
        let keep = self.params().plugins.registration_recent_blocks.max(2);
        let seen = |height: u64| height < self.chain.height.0 && height + keep > self.chain.height.0;
        all(&mut leaves, 7, self.recent.iter().filter(|(height, _)| seen(height.0)))?;
        Ok(merkle::root(Tree::Market, &leaves))
    }
}

/// Compares a header with what execution gives, field by field.
pub(crate) fn compare(found: &BlockHeader, expected: &BlockHeader) -> Result<(), BlockFault> {
    use HeaderField as F;
    macro_rules! same {
        ($($field:ident => $name:ident),+ $(,)?) => {
            $(if found.$field != expected.$field {
                return Err(BlockFault::Header { field: F::$name, found: format!("{:?}", found.$field), expected: format!("{:?}", expected.$field) });
            })+
        };
    }
    same! {
        chain_id => ChainId, rules_version => RulesVersion, height => Height, parent => Parent, beacon => Beacon,
        transactions_root => TransactionsRoot, messages_root => MessagesRoot, last_commit_hash => LastCommitHash,
        base_fee => BaseFee, gas_limit => GasLimit, gas_used => GasUsed, segments => Segments,
        first_item => FirstItem, items => Items, pre_state_root => PreStateRoot, post_state_root => PostStateRoot,
        receipts_root => ReceiptsRoot, market_root => MarketRoot, validators_hash => ValidatorsHash,
        next_validators_hash => NextValidatorsHash, parent_events_head => ParentEventsHead,
    }
    Ok(())
}

/// Roots that depend on the body alone.
pub(crate) fn fill_body_roots(header: &mut BlockHeader, body: &BlockBody) -> Result<(), CodecError> {
    header.transactions_root = body.transactions_root();
    header.messages_root = body.messages_root()?;
    header.last_commit_hash = body.last_commit.hash()?;
    Ok(())
}
