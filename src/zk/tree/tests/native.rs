use super::super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

pub(super) fn address(n: u8) -> Address {
    let mut key = [0; 20];
    key[0] = n.wrapping_mul(37);
    key[19] = n;
    key
}

pub(super) fn account(nonce: u64, balance: u128) -> Account {
    Account { nonce, balance }
}

/// The tree's root, from its definition alone.
fn naive_root(leaves: &[Leaf]) -> Scalar {
    let mut digests: Vec<Scalar> = leaves.iter().map(Leaf::hash).collect();
    let mut empty = hash8(Domain::Empty, &[Scalar::ZERO; 8]);
    for _ in 0..DEPTH {
        digests.resize(digests.len().next_multiple_of(4), empty);
        digests = digests.chunks(4).map(|c| hash4(Domain::Node, &[c[0], c[1], c[2], c[3]])).collect();
        empty = hash4(Domain::Node, &[empty; 4]);
    }
    digests[0]
}

#[test]
fn genesis_root_follows_the_definition() {
    let accounts = [5u8, 3, 9, 200, 77].map(|n| (address(n), account(u64::from(n), u128::MAX - u128::from(n))));
    let tree = StateTree::from_accounts(accounts).unwrap();
    let mut sorted: Vec<_> = accounts.to_vec();
    sorted.push(([0; 20], Account::default()));
    sorted.sort_by_key(|(key, _)| *key);
    let leaves: Vec<Leaf> = sorted
        .iter()
        .enumerate()
        .map(|(i, (key, account))| Leaf {
            key: *key,
            next: sorted.get(i + 1).map_or([0; 20], |(k, _)| *k),
            account: *account,
            rest: empty_rest(),
        })
        .collect();
    assert_eq!(tree.tree_root(), naive_root(&leaves));
    assert_eq!(tree.root(), hash4(Domain::Root, &[tree.tree_root(), Scalar::from(6), Scalar::ZERO, Scalar::ZERO]));
    assert_eq!(tree.iter().collect::<Vec<_>>(), sorted);
    assert_eq!((tree.len(), tree.leaf_count()), (6, 6));
    assert_eq!(StateTree::from_accounts(tree.iter()).unwrap().root(), tree.root());
    assert_eq!(StateTree::from_accounts([accounts[0], accounts[0]]).unwrap_err(), TreeError::Exists(accounts[0].0));
}

/// Random changes: `create` decides for unknown addresses only.
pub(super) fn changes(known: &BTreeMap<Address, Account>, picks: &[(u8, u64, u128)]) -> Vec<StateOp> {
    let mut known: std::collections::BTreeSet<Address> = known.keys().copied().collect();
    picks
        .iter()
        .map(|(n, nonce, balance)| {
            let (address, account) = (address(*n), account(*nonce, *balance));
            match known.insert(address) {
                true => StateOp::Create { address, account },
                false => StateOp::Set { address, account },
            }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Both ways agree with each other and with a plain map, every witness
    /// verifies, and earlier clones stay as they were.
    #[test]
    fn apply_and_prove_agree(
        start in proptest::collection::vec((1u8.., any::<u64>(), any::<u128>()), 0..20),
        items in proptest::collection::vec(proptest::collection::vec((any::<u8>(), any::<u64>(), any::<u128>()), 0..5), 0..5),
    ) {
        let mut map: BTreeMap<Address, Account> = start.iter().map(|(n, a, b)| (address(*n), account(*a, *b))).collect();
        let mut tree = StateTree::from_accounts(map.clone()).unwrap();
        map.entry([0; 20]).or_default();
        for item in &items {
            let ops = changes(&map, item);
            let before = tree.clone();
            let (witnesses, after) = before.prove_ops(&ops).unwrap();
            prop_assert_eq!(tree.apply(&ops).unwrap(), after.root());
            OpWitness::verify_all(&witnesses).unwrap();
            if let (Some(first), Some(last)) = (witnesses.first(), witnesses.last()) {
                prop_assert_eq!(first.root_before, before.tree_root());
                prop_assert_eq!(last.root_after, tree.tree_root());
                prop_assert_eq!(last.leaf_count_after(), tree.leaf_count());
            }
            for op in &ops {
                let (StateOp::Set { address, account } | StateOp::Create { address, account }) = *op;
                map.insert(address, account);
            }
            prop_assert_eq!(before.root(), state_root(before.tree_root(), before.leaf_count()));
            for tree in [&tree, &after] {
                prop_assert_eq!(tree.iter().collect::<Vec<_>>(), map.iter().map(|(k, a)| (*k, *a)).collect::<Vec<_>>());
                let mut leaves: Vec<Leaf> = (0..tree.leaf_count()).map(|_| Leaf::ZERO).collect();
                let keys: Vec<Address> = map.keys().copied().collect();
                for (i, key) in keys.iter().enumerate() {
                    let at = tree.leaf_position(key).unwrap();
                    leaves[at as usize] = Leaf {
                        key: *key,
                        next: keys.get(i + 1).copied().unwrap_or([0; 20]),
                        account: map[key],
                        rest: empty_rest(),
                    };
                }
                prop_assert_eq!(tree.tree_root(), naive_root(&leaves));
            }
        }
    }
}

#[test]
fn a_wrong_change_leaves_the_tree_alone() {
    let mut tree = StateTree::from_accounts([(address(1), account(0, 5))]).unwrap();
    let root = tree.root();
    let good = StateOp::Set { address: address(1), account: account(1, 4) };
    let new = StateOp::Create { address: address(2), account: account(0, 1) };
    for (ops, error) in [
        (vec![good, StateOp::Set { address: address(2), account: account(0, 0) }], TreeError::Missing(address(2))),
        (vec![good, StateOp::Create { address: address(1), account: account(0, 0) }], TreeError::Exists(address(1))),
        (vec![new, new], TreeError::Exists(address(2))),
        (vec![StateOp::Create { address: [0; 20], account: account(0, 0) }], TreeError::Exists([0; 20])),
    ] {
        assert_eq!(tree.apply(&ops).unwrap_err(), error);
        assert_eq!(tree.prove_ops(&ops).unwrap_err(), error);
        assert_eq!((tree.root(), tree.len(), tree.get(&address(1))), (root, 2, Some(account(0, 5))));
    }
    assert_eq!(tree.apply(&[]).unwrap(), root);
}

/// Operations of one update and one creation.
fn some_ops() -> Vec<OpWitness> {
    let tree = StateTree::from_accounts([(address(1), account(3, 5))]).unwrap();
    let ops = [
        StateOp::Set { address: address(1), account: account(u64::MAX, u128::MAX) },
        StateOp::Create { address: address(2), account: account(0, 1) },
    ];
    tree.prove_ops(&ops).unwrap().0
}

#[test]
fn encoding_is_one_to_one() {
    for op in some_ops() {
        let bytes = op.to_bytes();
        assert_eq!(bytes.len(), OpWitness::ENCODED_LEN);
        assert_eq!(OpWitness::from_bytes(&bytes).unwrap(), op);
        // Every byte counts, and what is read is what is written.
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 0x40;
            if let Ok(read) = OpWitness::from_bytes(&other) {
                assert_ne!(read, op);
                assert_eq!(read.to_bytes(), other);
            }
        }
        for len in [0, bytes.len() - 1] {
            assert_eq!(OpWitness::from_bytes(&bytes[..len]), Err(TreeError::Malformed(Malformed::Length(len))));
        }
        let long = [&bytes[..], &[0]].concat();
        assert_eq!(OpWitness::from_bytes(&long), Err(TreeError::Malformed(Malformed::Length(long.len()))));

        let codec = bincode::config::standard();
        let wrapped = bincode::serde::encode_to_vec(&op, codec).unwrap();
        assert_eq!(bincode::serde::decode_from_slice::<OpWitness, _>(&wrapped, codec).unwrap().0, op);
        let long = bincode::serde::encode_to_vec(long, codec).unwrap();
        assert!(bincode::serde::decode_from_slice::<OpWitness, _>(&long, codec).is_err());
    }
}

#[test]
fn field_elements_must_be_canonical() {
    let bytes = some_ops()[0].to_bytes();
    // Old rest, new rest, both roots, every sibling.
    let starts = [17 + 64, 17 + 96 + 64].into_iter().chain((17 + 192..bytes.len()).step_by(32));
    let mut modulus = (-Scalar::ONE).to_repr();
    modulus.as_mut()[0] += 1;
    let mut seen = 0;
    for at in starts {
        let mut other = bytes.clone();
        other[at..at + 32].copy_from_slice(modulus.as_ref());
        assert_eq!(OpWitness::from_bytes(&other), Err(TreeError::Malformed(Malformed::Scalar(at))));
        seen += 1;
    }
    assert_eq!(seen, 2 + 2 + 3 * DEPTH);
    let mut mode = bytes;
    mode[0] = 3;
    assert_eq!(OpWitness::from_bytes(&mode), Err(TreeError::Malformed(Malformed::Mode(3))));
}

#[test]
fn paths_are_checked() {
    for op in some_ops() {
        for level in 0..DEPTH {
            for at in 0..3 {
                let mut other = op.clone();
                other.siblings[level][at] += Scalar::ONE;
                assert_eq!(other.verify(), Err(TreeError::Path { index: op.index, which: Side::Before }));
            }
        }
        let mut other = op.clone();
        other.root_after += Scalar::ONE;
        assert_eq!(other.verify(), Err(TreeError::Path { index: op.index, which: Side::After }));
    }
}

/// A link alone, an insert alone, and an insert of another key.
#[test]
fn link_and_insert_come_in_pairs() {
    let [update, link, insert]: [OpWitness; 3] = some_ops().try_into().unwrap();
    let renumbered = |ops: &[&OpWitness]| -> Vec<OpWitness> {
        let number = |(seq, op): (u32, &&OpWitness)| OpWitness { seq, ..(*op).clone() };
        (0..).zip(ops).map(number).collect()
    };
    OpWitness::verify_all(&renumbered(&[&update, &link, &insert])).unwrap();
    OpWitness::verify_all(&renumbered(&[&link, &insert])).unwrap();
    for (ops, position) in [(vec![&insert], 0), (vec![&update, &link], 1), (vec![&link, &link, &insert], 1)] {
        assert_eq!(OpWitness::verify_all(&renumbered(&ops)), Err(TreeError::Chain { position }));
    }
    let mut other = insert.clone();
    other.new.key[19] ^= 1;
    assert_eq!(OpWitness::verify_all(&renumbered(&[&link, &other])), Err(TreeError::Chain { position: 1 }));
    let mut gap = renumbered(&[&link, &insert]);
    gap[1].seq = 2;
    assert_eq!(OpWitness::verify_all(&gap), Err(TreeError::Chain { position: 1 }));
}
