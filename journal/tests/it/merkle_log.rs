//! The RFC 6962 tree: the test vectors of Certificate Transparency, a naive
//! twin, tiles, and every way of changing a proof.

use crowdfold_events::B256;
use crowdfold_journal::{
    CompactRange, ConsistencyProof, InclusionProof, MerkleTiles, ProofError,
    merkle_log::{ProveError, TILE, empty_root, leaf_hash},
    merkle_proof::MAX_PATH,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// Leaves of the test vectors of Certificate Transparency.
const INPUTS: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

/// Root of the tree of the first 1, 2, … 8 of them.
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

const A: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const B: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const C: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
const D: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const E: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const F: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";

/// (leaf from 1, size, path).
const INCLUSION: [(u64, u64, &[&str]); 5] =
    [(1, 1, &[]), (1, 8, &[A, B, C]), (6, 8, &[D, E, ROOTS[3]]), (3, 3, &[ROOTS[1]]), (2, 5, &[ROOTS[0], B, D])];

/// (older size, size, path).
const CONSISTENCY: [(u64, u64, &[&str]); 4] =
    [(1, 1, &[]), (1, 8, &[A, B, C]), (6, 8, &[F, E, ROOTS[3]]), (2, 5, &[B, D])];

fn hash(hex: &str) -> B256 {
    hex.parse().unwrap()
}

fn known(size: u64) -> MerkleTiles {
    let mut tree = MerkleTiles::default();
    INPUTS[..size as usize].iter().for_each(|input| tree.push(leaf_hash(input)));
    tree
}

fn none(_: u64) -> Result<Vec<B256>, ProveError> {
    Ok(Vec::new())
}

#[test]
fn known_roots() {
    let mut range = CompactRange::default();
    assert_eq!(range.root(), hash("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    assert_eq!(MerkleTiles::default().root(), range.root());
    for (size, root) in (1..).zip(ROOTS) {
        range.push(leaf_hash(INPUTS[size as usize - 1]));
        assert_eq!((range.size(), range.root()), (size, hash(root)));
        assert_eq!(known(size).root(), hash(root));
        assert_eq!(known(8).root_at(size, none).unwrap(), hash(root));
    }
}

#[test]
fn known_inclusion_paths() {
    for (leaf, size, path) in INCLUSION {
        let proof = known(8).prove_inclusion(leaf - 1, size, none).unwrap();
        let expected: Vec<B256> = path.iter().map(|h| hash(h)).collect();
        assert_eq!(proof, InclusionProof { index: leaf - 1, size, path: expected });
        proof.verify(&leaf_hash(INPUTS[leaf as usize - 1]), &hash(ROOTS[size as usize - 1])).unwrap();
    }
}

#[test]
fn known_consistency_paths() {
    for (old, size, path) in CONSISTENCY {
        let proof = known(8).prove_consistency(old, size, none).unwrap();
        let expected: Vec<B256> = path.iter().map(|h| hash(h)).collect();
        assert_eq!(proof, ConsistencyProof { old, size, path: expected });
        proof.verify(&hash(ROOTS[old as usize - 1]), &hash(ROOTS[size as usize - 1])).unwrap();
    }
}

/// The definition, word by word.
fn naive(leaves: &[B256]) -> B256 {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let middle = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(middle);
            let bytes = [&[1], naive(left).as_slice(), naive(right).as_slice()].concat();
            B256::new(Sha256::digest(bytes).into())
        }
    }
}

fn leaves(count: u64) -> Vec<B256> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

fn tree(leaves: &[B256]) -> MerkleTiles {
    let mut tree = MerkleTiles::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree
}

/// Gives tiles of these leaves, and remembers which.
fn tiles<'a>(leaves: &'a [B256], asked: &'a mut Vec<u64>) -> impl FnMut(u64) -> Result<Vec<B256>, ProveError> + 'a {
    move |tile| {
        asked.push(tile);
        let from = (tile * TILE) as usize;
        Ok(leaves[from..from + TILE as usize].to_vec())
    }
}

#[test]
fn every_pair_of_small_sizes() {
    let leaves = leaves(40);
    let tree = tree(&leaves);
    for size in 0..=40u64 {
        let root = naive(&leaves[..size as usize]);
        for at in 0..size {
            let proof = tree.prove_inclusion(at, size, none).unwrap();
            proof.verify(&leaves[at as usize], &root).unwrap();
        }
        for old in 0..=size {
            let proof = tree.prove_consistency(old, size, none).unwrap();
            proof.verify(&naive(&leaves[..old as usize]), &root).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tiles_make_the_same_tree(count in 1u64..3000, a in any::<u64>(), b in any::<u64>(), c in any::<u64>()) {
        let leaves = leaves(count);
        let tree = tree(&leaves);
        prop_assert_eq!(tree.size(), count);
        prop_assert_eq!(tree.root(), naive(&leaves));
        let again = MerkleTiles::from_parts(CompactRange::default(), tree.tile_roots().to_vec(), tree.open_leaves()).unwrap();
        prop_assert_eq!(&again, &tree);
        let size = 1 + a % count;
        let (index, old) = (b % size, c % (size + 1));
        let root = naive(&leaves[..size as usize]);
        let mut asked = Vec::new();
        prop_assert_eq!(tree.root_at(size, tiles(&leaves, &mut asked)).unwrap(), root);
        prop_assert!(asked.len() <= 1);
        let mut asked = Vec::new();
        let proof = tree.prove_inclusion(index, size, tiles(&leaves, &mut asked)).unwrap();
        prop_assert!(asked.len() <= 2 && proof.path.len() <= MAX_PATH, "{:?}", asked);
        proof.verify(&leaves[index as usize], &root).unwrap();
        let mut asked = Vec::new();
        let consistent = tree.prove_consistency(old, size, tiles(&leaves, &mut asked)).unwrap();
        prop_assert!(asked.len() <= 2 && consistent.path.len() <= MAX_PATH, "{:?}", asked);
        consistent.verify(&naive(&leaves[..old as usize]), &root).unwrap();
    }

    #[test]
    fn any_path_verifies_or_fails_without_panic(at in any::<u64>(), size in any::<u64>(), byte in any::<u8>(), length in 0usize..140) {
        let path: Vec<B256> = (0..length).map(|n| B256::repeat_byte(byte.wrapping_add(n as u8))).collect();
        let (other, root) = (leaf_hash(b"other"), B256::repeat_byte(byte));
        for (at, size, length) in [(at, size, length), (at % 70, size % 70, length.min(7))] {
            let path = path[..length].to_vec();
            let inclusion = InclusionProof { index: at, size, path: path.clone() };
            prop_assert!(inclusion.verify(&other, &root).is_err());
            let consistency = ConsistencyProof { old: at, size, path };
            prop_assert!(consistency.verify(&other, &root).is_err());
        }
    }
}

/// What is before a floor is known by its peaks alone, and that is enough for
/// every proof about what follows.
#[test]
fn a_pruned_tree_proves_the_same() {
    let leaves = leaves(1100);
    let whole = tree(&leaves);
    for floor in [1, 3, 255, 256, 257, 511, 700, 768, 1000, 1023, 1024, 1099, 1100] {
        let mut range = CompactRange::default();
        leaves[..floor].iter().for_each(|leaf| range.push(*leaf));
        let again = CompactRange::new(floor as u64, range.peaks().to_vec()).unwrap();
        assert_eq!(again, range);
        assert!(CompactRange::new(floor as u64, [range.peaks(), &[B256::ZERO]].concat()).is_none());
        let mut pruned = MerkleTiles::from_floor(range.clone());
        leaves[floor..].iter().for_each(|leaf| pruned.push(*leaf));
        assert_eq!((pruned.size(), pruned.root()), (1100, whole.root()));
        let parts = (pruned.tile_roots().to_vec(), pruned.open_leaves());
        assert_eq!(MerkleTiles::from_parts(range, parts.0, parts.1).unwrap(), pruned);
        let kept = |tile: u64| {
            let (from, to) = ((tile * TILE) as usize, (tile * TILE + TILE) as usize);
            Ok::<_, ProveError>(leaves[from.max(floor)..to].to_vec())
        };
        let all = |tile: u64| Ok::<_, ProveError>(leaves[(tile * TILE) as usize..][..TILE as usize].to_vec());
        for size in (floor as u64..=1100).step_by(13).chain([1100]) {
            assert_eq!(pruned.root_at(size, kept).unwrap(), naive(&leaves[..size as usize]), "{floor} {size}");
            for at in (floor as u64..size).step_by(37) {
                let proof = pruned.prove_inclusion(at, size, kept).unwrap();
                assert_eq!(proof, whole.prove_inclusion(at, size, all).unwrap());
            }
            for old in (floor as u64..=size).step_by(41) {
                let proof = pruned.prove_consistency(old, size, kept).unwrap();
                assert_eq!(proof, whole.prove_consistency(old, size, all).unwrap());
            }
        }
        let last = floor as u64 - 1;
        let asked = pruned.prove_inclusion(last, 1100, kept);
        assert!(asked == whole.prove_inclusion(last, 1100, all) || matches!(asked, Err(ProveError::Pruned { .. })));
        if floor > 2 {
            assert!(matches!(pruned.prove_inclusion(0, 1100, kept), Err(ProveError::Pruned { .. })));
        }
    }
}

#[test]
fn a_changed_inclusion_proof_fails() {
    let leaves = leaves(700);
    let (tree, root) = (tree(&leaves), naive(&leaves));
    for index in [0, 1, 255, 256, 511, 512, 600, 698, 699] {
        let good = tree.prove_inclusion(index, 700, tiles(&leaves, &mut Vec::new())).unwrap();
        let leaf = leaves[index as usize];
        good.verify(&leaf, &root).unwrap();
        let fails = |proof: InclusionProof| assert!(proof.verify(&leaf, &root).is_err(), "{proof:?}");
        for at in 0..good.path.len() {
            let mut bad = good.clone();
            bad.path[at][7] ^= 1;
            fails(bad);
            let mut bad = good.clone();
            bad.path.remove(at);
            fails(bad);
            let mut bad = good.clone();
            bad.path.insert(at, leaf);
            fails(bad);
            let mut bad = good.clone();
            bad.path.swap(at, 0);
            if bad != good {
                fails(bad);
            }
        }
        let mut bad = good.clone();
        bad.path.push(B256::ZERO);
        assert!(matches!(bad.verify(&leaf, &root), Err(ProofError::Length { .. })));
        for other in [index ^ 1, index + 1, index + 256, 700, u64::MAX] {
            fails(InclusionProof { index: other, ..good.clone() });
        }
        // The size belongs to the root; only sizes with another path are told apart.
        for size in [0, index, 256, u64::MAX] {
            fails(InclusionProof { size, ..good.clone() });
        }
        assert!(matches!(good.verify(&B256::ZERO, &root), Err(ProofError::Root { .. })));
        assert!(matches!(good.verify(&leaf, &leaf), Err(ProofError::Root { .. })));
    }
}

#[test]
fn a_changed_consistency_proof_fails() {
    let leaves = leaves(700);
    let (tree, root) = (tree(&leaves), naive(&leaves));
    for old in [1, 2, 255, 256, 257, 512, 513, 699] {
        let good = tree.prove_consistency(old, 700, tiles(&leaves, &mut Vec::new())).unwrap();
        let before = naive(&leaves[..old as usize]);
        good.verify(&before, &root).unwrap();
        let fails = |proof: ConsistencyProof| assert!(proof.verify(&before, &root).is_err(), "{proof:?}");
        for at in 0..good.path.len() {
            let mut bad = good.clone();
            bad.path[at][31] ^= 0x80;
            fails(bad);
            let mut bad = good.clone();
            bad.path.remove(at);
            fails(bad);
        }
        let mut bad = good.clone();
        bad.path.push(B256::ZERO);
        fails(bad);
        fails(ConsistencyProof { old: 0, ..good.clone() });
        fails(ConsistencyProof { old: 700, ..good.clone() });
        fails(ConsistencyProof { old: 701, ..good.clone() });
        assert!(good.verify(&B256::ZERO, &root).is_err());
        assert!(good.verify(&before, &before).is_err());
    }
    // The trivial ones prove only what is trivial.
    let same = ConsistencyProof { old: 5, size: 5, path: vec![] };
    same.verify(&root, &root).unwrap();
    assert!(same.verify(&root, &B256::ZERO).is_err());
    let from_nothing = ConsistencyProof { old: 0, size: 5, path: vec![] };
    from_nothing.verify(&empty_root(), &root).unwrap();
    assert!(from_nothing.verify(&root, &root).is_err());
    assert!(ConsistencyProof { path: vec![root], ..same }.verify(&root, &root).is_err());
    // One root cannot be that of two sizes, whatever is left out of the path.
    for (old, size) in [(512, 700), (1, 2), (8, 5), (3, 2)] {
        let stretched = ConsistencyProof { old, size, path: vec![] };
        assert!(stretched.verify(&root, &root).is_err(), "{old} {size}");
    }
}

#[test]
fn what_is_not_there_or_damaged_is_not_proven() {
    let leaves = leaves(600);
    let tree = tree(&leaves);
    assert_eq!(tree.prove_inclusion(600, 600, none), Err(ProveError::Beyond { at: 600, size: 600 }));
    assert_eq!(tree.prove_inclusion(0, 601, none), Err(ProveError::Beyond { at: 601, size: 600 }));
    assert_eq!(tree.prove_consistency(601, 601, none), Err(ProveError::Beyond { at: 601, size: 600 }));
    assert_eq!(tree.prove_consistency(5, 4, none), Err(ProveError::Beyond { at: 5, size: 4 }));
    assert_eq!(tree.root_at(601, none), Err(ProveError::Beyond { at: 601, size: 600 }));
    let damaged = |tile: u64| {
        let mut given = leaves[(tile * TILE) as usize..][..TILE as usize].to_vec();
        given[9] = B256::ZERO;
        Ok::<_, ProveError>(given)
    };
    assert_eq!(tree.prove_inclusion(300, 600, damaged), Err(ProveError::Tile { tile: 1 }));
    assert_eq!(tree.prove_inclusion(300, 600, none), Err(ProveError::Tile { tile: 1 }));
    // The row above the leaves has the same root.
    let row = |tile: u64| {
        let leaves = &leaves[(tile * TILE) as usize..][..TILE as usize];
        Ok::<_, ProveError>(leaves.chunks(2).map(naive).collect())
    };
    assert_eq!(tree.prove_inclusion(300, 600, row), Err(ProveError::Tile { tile: 1 }));
    assert!(MerkleTiles::from_parts(CompactRange::default(), vec![], &[B256::ZERO; TILE as usize]).is_none());
}
