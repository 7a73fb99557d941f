//! Snapshots: equal states on random chains, and nothing else than the state that was written.

use alloy_primitives::{Keccak256, keccak256};
use crowdfold_events::{Event, Height};
use crowdfold_kernel::{Kernel, SNAPSHOT_LAYOUT, SNAPSHOT_VERSION, SnapshotFault, State};
use proptest::prelude::*;

use crate::{
    acts::{act, chain},
    world::{ALICE, BOB, World, signer},
};

/// The state after block `height` of a log, and how many of its events that takes.
fn replay(world: &World, height: Height) -> (State, usize) {
    let (mut state, opening) = Kernel::genesis(world.state.genesis()).unwrap();
    let mut used = opening.len();
    for event in &world.log[opening.len()..] {
        if state.height() == height && matches!(event, Event::BlockDecided { .. }) {
            break;
        }
        state.apply(event);
        used += 1;
    }
    (state, used)
}

fn load(state: &State, bytes: &[u8]) -> Result<State, SnapshotFault> {
    State::from_snapshot(state.genesis(), bytes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, ..ProptestConfig::default() })]

    /// A snapshot gives the state, and with the events after it the state of a full replay.
    #[test]
    fn a_snapshot_and_the_rest_are_a_full_replay(
        acts in prop::collection::vec(act(), 20..70),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 3),
    ) {
        let world = chain(&acts);
        for cut in cuts {
            let height = Height(cut.index(world.blocks.len() + 1) as u64);
            let (state, used) = replay(&world, height);
            let bytes = state.to_snapshot().unwrap();
            let mut loaded = load(&state, &bytes).unwrap();
            prop_assert_eq!(&loaded, &state);
            prop_assert_eq!(loaded.tree().to_bytes(), state.tree().to_bytes());
            prop_assert_eq!(loaded.hash().unwrap(), state.hash().unwrap());
            prop_assert_eq!(&loaded.to_snapshot().unwrap(), &bytes, "one state, one encoding");
            for event in &world.log[used..] {
                loaded.apply(event);
            }
            prop_assert_eq!(&loaded, &world.state);
            prop_assert_eq!(loaded.hash().unwrap(), world.state.hash().unwrap());
            loaded.audit().unwrap();
        }
    }

    /// Whatever happens to the bytes: refused.
    #[test]
    fn damaged_bytes_are_refused(
        acts in prop::collection::vec(act(), 20..40),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8u8), 60),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 8),
    ) {
        let state = chain(&acts).state;
        let bytes = state.to_snapshot().unwrap();
        for (at, bit) in flips {
            let mut flipped = bytes.clone();
            flipped[at.index(bytes.len())] ^= 1 << bit;
            prop_assert!(load(&state, &flipped).is_err());
        }
        for cut in cuts {
            prop_assert!(load(&state, &bytes[..cut.index(bytes.len())]).is_err());
        }
        prop_assert!(load(&state, &[bytes.as_slice(), &[0]].concat()).is_err());
    }
}

const FRONT: usize = 166;

/// Bytes whose hash was made good again after a change.
fn rehashed(mut bytes: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    bytes.truncate(bytes.len() - 32);
    change(&mut bytes);
    let mut hasher = Keccak256::new();
    hasher.update(b"crowdfold/snapshot/1");
    hasher.update(&bytes);
    let hash = hasher.finalize();
    bytes.extend(hash);
    bytes
}

fn busy() -> World {
    let mut world = World::new();
    world.admit(2);
    for value in 1..5 {
        world.transfer(ALICE, signer(BOB).address(), value);
        world.run(2, 4);
    }
    world
}

/// Every byte of a small state is covered by one check or another, even if the hash is made good again.
#[test]
fn a_forged_state_has_other_roots() {
    let state = busy().state;
    let bytes = state.to_snapshot().unwrap();
    let refused = |at: usize| load(&state, &rehashed(bytes.clone(), |b| b[at] ^= 1)).err();
    assert!(matches!(refused(0), Some(SnapshotFault::NotASnapshot(_))));
    assert!(matches!(refused(8), Some(SnapshotFault::Version { layout: 0, rules: 1 })));
    assert!(matches!(refused(10), Some(SnapshotFault::Version { layout: 1, rules: 0 })));
    assert!(matches!(refused(14), Some(SnapshotFault::OtherChain { .. })));
    assert!(matches!(refused(46), Some(SnapshotFault::Height { .. })));
    assert!(matches!(refused(54), Some(SnapshotFault::Differs { what: "state root", .. })));
    assert!(matches!(refused(86), Some(SnapshotFault::Differs { what: "market root", .. })));
    assert!(matches!(refused(118), Some(SnapshotFault::Differs { what: "head of the events", .. })));
    assert!(matches!(refused(150), Some(SnapshotFault::NotASnapshot(_) | SnapshotFault::Codec(_))));
    // The tree's root digest is the last before the hash.
    let root = bytes.len() - 32 - 32;
    assert!(matches!(refused(root), Some(SnapshotFault::Differs { what: "state root", .. })));
    // The market's sums are behind chain and events' head, and in the market root.
    let balances = state.supply_report().now.0.to_le_bytes();
    let at = bytes[FRONT..].windows(16).position(|w| w == balances).unwrap() + FRONT;
    assert!(matches!(refused(at), Some(SnapshotFault::Differs { what: "market root", .. })));
}

#[test]
fn another_chains_snapshot_is_refused() {
    let world = World::new();
    let other = World::with(|g| g.time_ms += 1).state;
    let bytes = world.state.to_snapshot().unwrap();
    assert!(matches!(load(&other, &bytes), Err(SnapshotFault::OtherChain { .. })));
    assert_eq!(load(&world.state, &bytes).unwrap(), world.state);
}

/// A change of the layout turns this red: then [`SNAPSHOT_LAYOUT`] must be another, so that older files are not read.
#[test]
fn the_layout_is_pinned() {
    assert_eq!((SNAPSHOT_LAYOUT, SNAPSHOT_VERSION), (1, 0x1_0001));
    let bytes = busy().state.to_snapshot().unwrap();
    assert_eq!(hex::encode(keccak256(&bytes)), "6b1337c16a9e3cd70f240fa5ace19248b6a796a5ed6216ec1f82cd211985dad6");
}
