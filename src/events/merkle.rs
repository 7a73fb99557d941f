//! Binary Merkle trees over lists of byte strings (the shape of RFC 6962).
//!
//! ```text
//! empty = H(kind, 2)      leaf = H(kind, 0, bytes)      node = H(kind, 1, left, right)
//! ```
//!
//! A tree of n > 1 leaves splits at the largest power of two below n. The kind
//! and the role in front of every hash keep one tree's nodes from being taken
//! for another's, and nodes from being taken for leaves.

use alloy_primitives::Keccak256;

use crate::B256;

/// Which list a tree is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tree {
    /// Raw transactions of a block.
    Transactions = 1,
    /// Signed system messages of a block.
    Messages = 2,
    /// Receipts of a block, user lane then system lane.
    Receipts = 3,
    /// Free slots frozen for a draw.
    Slots = 4,
    /// Parts of the market state.
    Market = 5,
}

const LEAF: u8 = 0;
const NODE: u8 = 1;
const EMPTY: u8 = 2;

fn hash(tree: Tree, role: u8, parts: [&[u8]; 2]) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update([tree as u8, role]);
    hasher.update(parts[0]);
    hasher.update(parts[1]);
    hasher.finalize()
}

/// Hash of one leaf.
#[must_use]
pub fn leaf(tree: Tree, bytes: &[u8]) -> B256 {
    hash(tree, LEAF, [bytes, &[]])
}

/// Root over the leaves in their order.
#[must_use]
pub fn root<L: AsRef<[u8]>>(tree: Tree, leaves: &[L]) -> B256 {
    let hashes: Vec<B256> = leaves.iter().map(|bytes| leaf(tree, bytes.as_ref())).collect();
    root_of_hashes(tree, &hashes)
}

fn split(count: usize) -> usize {
    1 << (count - 1).ilog2()
}

fn root_of_hashes(tree: Tree, hashes: &[B256]) -> B256 {
    match hashes {
        [] => hash(tree, EMPTY, [&[], &[]]),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(split(many.len()));
            hash(tree, NODE, [root_of_hashes(tree, left).as_slice(), root_of_hashes(tree, right).as_slice()])
        }
    }
}

/// Siblings from leaf `index` up to the root; `None` past the end.
#[must_use]
pub fn prove<L: AsRef<[u8]>>(tree: Tree, leaves: &[L], index: usize) -> Option<Vec<B256>> {
    if index >= leaves.len() {
        return None;
    }
    let hashes: Vec<B256> = leaves.iter().map(|bytes| leaf(tree, bytes.as_ref())).collect();
    let (mut rest, mut index, mut path) = (hashes.as_slice(), index, Vec::new());
    while rest.len() > 1 {
        let (left, right) = rest.split_at(split(rest.len()));
        if index < left.len() {
            path.push(root_of_hashes(tree, right));
            rest = left;
        } else {
            path.push(root_of_hashes(tree, left));
            index -= left.len();
            rest = right;
        }
    }
    path.reverse();
    Some(path)
}

/// Whether `bytes` is leaf `index` of the `count` leaves below `root`.
#[must_use]
pub fn verify(tree: Tree, root: &B256, bytes: &[u8], index: u64, count: u64, path: &[B256]) -> bool {
    if index >= count {
        return false;
    }
    // Sides from the root down: true where the leaf is in the left part.
    let (mut index, mut count, mut sides) = (index, count, Vec::new());
    while count > 1 {
        let left = 1u64 << (count - 1).ilog2();
        sides.push(index < left);
        if index < left {
            count = left;
        } else {
            index -= left;
            count -= left;
        }
    }
    if sides.len() != path.len() {
        return false;
    }
    let found = path.iter().zip(sides.iter().rev()).fold(leaf(tree, bytes), |node, (sibling, is_left)| {
        let (left, right) = if *is_left { (&node, sibling) } else { (sibling, &node) };
        hash(tree, NODE, [left.as_slice(), right.as_slice()])
    });
    found == *root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|i| vec![i as u8; i % 5]).collect()
    }

    #[test]
    fn every_leaf_is_proven_and_nothing_else() {
        for count in 1..20 {
            let leaves = leaves(count);
            let root = root(Tree::Messages, &leaves);
            for index in 0..count {
                let path = prove(Tree::Messages, &leaves, index).expect("in range");
                let check = |tree, bytes: &[u8], index: usize, path: &[B256]| {
                    verify(tree, &root, bytes, index as u64, count as u64, path)
                };
                assert!(check(Tree::Messages, &leaves[index], index, &path));
                assert!(!check(Tree::Receipts, &leaves[index], index, &path));
                assert!(!check(Tree::Messages, b"other", index, &path));
                assert!(!check(Tree::Messages, &leaves[index], count, &path));
                if count > 1 {
                    assert!(!check(Tree::Messages, &leaves[index], index ^ 1, &path));
                    assert!(!check(Tree::Messages, &leaves[index], index, &path[1..]));
                }
            }
            assert_eq!(prove(Tree::Messages, &leaves, count), None);
        }
    }

    #[test]
    fn a_node_is_not_a_leaf_and_trees_differ() {
        let two = leaves(2);
        let children = [leaf(Tree::Messages, &two[0]), leaf(Tree::Messages, &two[1])].concat();
        assert_ne!(root(Tree::Messages, &two), root(Tree::Messages, &[children]));
        assert_ne!(root(Tree::Messages, &two), root(Tree::Transactions, &two));
        let none: [&[u8]; 0] = [];
        assert_ne!(root(Tree::Messages, &none), root(Tree::Messages, &[b""]));
    }

    #[test]
    fn leaving_out_adding_or_swapping_leaves_changes_the_root() {
        for count in 1..12 {
            let all = leaves(count);
            let expected = root(Tree::Transactions, &all);
            assert_ne!(root(Tree::Transactions, &all[1..]), expected);
            assert_ne!(root(Tree::Transactions, &[all.clone(), vec![all[count - 1].clone()]].concat()), expected);
            if count > 1 {
                let mut swapped = all.clone();
                swapped.swap(0, 1);
                assert_ne!(root(Tree::Transactions, &swapped), expected);
            }
        }
    }
}
