//! Trees and deltas as bytes.

use super::{
    super::*,
    native::{account, address, changes},
};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Picks = Vec<(u8, u64, u128)>;

fn same(a: &StateTree, b: &StateTree) -> Result<(), TestCaseError> {
    prop_assert_eq!(a.root(), b.root());
    prop_assert_eq!(a.iter().collect::<Vec<_>>(), b.iter().collect::<Vec<_>>());
    prop_assert_eq!(a.to_bytes(), b.to_bytes());
    a.verify().unwrap();
    Ok(())
}

/// The versions of a tree, the oldest first.
fn versions(start: &Picks, items: &[Picks]) -> Vec<StateTree> {
    let mut map: BTreeMap<Address, Account> = start.iter().map(|(n, a, b)| (address(*n), account(*a, *b))).collect();
    let mut tree = StateTree::from_accounts(map.clone()).unwrap();
    map.entry([0; 20]).or_default();
    let mut versions = vec![tree.clone()];
    for item in items {
        let ops = changes(&map, item);
        tree.apply(&ops).unwrap();
        for op in &ops {
            let (StateOp::Set { address, account } | StateOp::Create { address, account }) = *op;
            map.insert(address, account);
        }
        versions.push(tree.clone());
    }
    versions
}

fn picks() -> impl Strategy<Value = Picks> {
    proptest::collection::vec((any::<u8>(), any::<u64>(), any::<u128>()), 0..9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Bytes give the same tree, which goes on as the first would; deltas give
    /// every earlier version, one after the other and in one step.
    #[test]
    fn bytes_and_deltas_give_the_tree(
        start in proptest::collection::vec((1u8.., any::<u64>(), any::<u128>()), 0..40),
        items in proptest::collection::vec(picks(), 1..6),
        more in picks(),
    ) {
        let versions = versions(&start, &items);
        let newest = versions.last().unwrap();
        let mut loaded = StateTree::from_bytes(&newest.to_bytes()).unwrap();
        same(&loaded, newest)?;
        let mut walking = newest.clone();
        for pair in versions.windows(2).rev() {
            let delta = TreeDelta::from_bytes(&pair[1].delta_to(&pair[0]).to_bytes()).unwrap();
            walking.rewind(&delta).unwrap();
            same(&walking, &pair[0])?;
            // A tree that was loaded shares nothing with what it is compared with.
            let mut jumped = loaded.clone();
            jumped.rewind(&newest.delta_to(&pair[0])).unwrap();
            same(&jumped, &pair[0])?;
        }
        let map: BTreeMap<Address, Account> = newest.iter().collect();
        let ops = changes(&map, &more);
        prop_assert_eq!(loaded.apply(&ops).unwrap(), newest.clone().apply(&ops).unwrap());
        // An earlier version goes on, too.
        let map: BTreeMap<Address, Account> = walking.iter().collect();
        let ops = changes(&map, &more);
        walking.apply(&ops).unwrap();
        walking.verify().unwrap();
    }

    /// A delta costs what changed, not what is there.
    #[test]
    fn a_delta_is_as_long_as_the_change(extra in 0u8..200) {
        let accounts = (1..=255u8).map(|n| (address(n), account(0, u128::from(n))));
        let before = StateTree::from_accounts(accounts).unwrap();
        let mut after = before.clone();
        after.apply(&[StateOp::Set { address: address(1 + extra), account: account(1, 9) }]).unwrap();
        let delta = after.delta_to(&before).to_bytes();
        prop_assert_eq!(delta.len(), 12 + 48 + (DEPTH + 1) * 37);
    }

    /// Cut or longer bytes are refused, and so is whatever says another number of leaves.
    #[test]
    fn other_lengths_are_refused(cut in any::<proptest::sample::Index>(), extra in any::<u8>()) {
        let versions = versions(&vec![(3, 1, 1), (4, 2, 2)], &[vec![(9, 9, 9)]]);
        let (tree, delta) = (versions[1].to_bytes(), versions[1].delta_to(&versions[0]).to_bytes());
        let refused = |bytes: &[u8], of_tree: bool| {
            let fault = if of_tree { StateTree::from_bytes(bytes).err() } else { TreeDelta::from_bytes(bytes).err() };
            matches!(fault, Some(TreeError::Bytes(MalformedTree::Length { .. })))
        };
        for (bytes, of_tree) in [(&tree, true), (&delta, false)] {
            prop_assert!(refused(&bytes[..cut.index(bytes.len())], of_tree));
            prop_assert!(refused(&[bytes.as_slice(), &[extra]].concat(), of_tree));
            let mut other = bytes.clone();
            other[0] += 1;
            prop_assert!(!of_tree || refused(&other, of_tree));
        }
    }
}

fn fault(bytes: &[u8]) -> MalformedTree {
    match StateTree::from_bytes(bytes) {
        Err(TreeError::Bytes(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bytes_that_are_no_tree_are_refused() {
    let tree = StateTree::from_accounts([(address(1), account(0, 5)), (address(2), account(0, 6))]).unwrap();
    let good = tree.to_bytes();
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    assert_eq!(fault(&with(0, &[0])), MalformedTree::Leaves(0));
    assert_eq!(fault(&with(4 + 19, &[1])), MalformedTree::Head);
    let leaf = good[4 + 76..4 + 76 + 20].to_vec();
    assert_eq!(fault(&with(4 + 2 * 76, &leaf)), MalformedTree::TwiceKey(2));
    assert_eq!(fault(&with(4 + 44, &[0xff; 32])), MalformedTree::Scalar(48));
    let digests = 4 + 3 * 76;
    assert_eq!(fault(&with(digests, &[0xff; 32])), MalformedTree::Scalar(digests));
}

/// Loading takes digests as they stand; `verify` names the first that is wrong.
#[test]
fn a_wrong_digest_is_found_by_verify() {
    let tree = StateTree::from_accounts((1..20).map(|n| (address(n), account(0, 5)))).unwrap();
    tree.verify().unwrap();
    let good = tree.to_bytes();
    let digests = 4 + 20 * 76;
    for (at, level, position) in [(digests, 0, 0), (digests + 32 * 7, 0, 7), (digests + 32 * 21, 1, 1)] {
        let mut changed = good.clone();
        changed[at] ^= 1;
        let loaded = StateTree::from_bytes(&changed).unwrap();
        assert_eq!(loaded.verify(), Err(TreeError::Bytes(MalformedTree::Digest { level, position })));
    }
    let mut changed = good.clone();
    changed[4 + 20] ^= 1;
    let fault = StateTree::from_bytes(&changed).unwrap().verify();
    assert_eq!(fault, Err(TreeError::Bytes(MalformedTree::Digest { level: 0, position: 0 })));
}

#[test]
fn a_delta_of_another_tree_is_refused_and_changes_nothing() {
    let versions = versions(&vec![(3, 1, 1), (4, 2, 2)], &[vec![(9, 9, 9)], vec![(10, 1, 1), (11, 1, 1)]]);
    let delta = versions[2].delta_to(&versions[1]);
    let mut tree = versions[0].clone();
    let fault = MalformedTree::Outside { entry: 0, leaves: versions[1].leaf_count() };
    assert_eq!(tree.rewind(&delta), Err(TreeError::Bytes(fault)));
    let mut bytes = delta.to_bytes();
    bytes[12] = 77;
    let outside = TreeDelta::from_bytes(&bytes).unwrap();
    let mut tree = versions[2].clone();
    let fault = MalformedTree::Outside { entry: 1, leaves: versions[1].leaf_count() };
    assert_eq!(tree.rewind(&outside), Err(TreeError::Bytes(fault)));
    assert_eq!(tree.to_bytes(), versions[2].to_bytes());
}
