//! Random chains: replay gives the live state, execution repeats, money is conserved after every block.
//!
//! [`crate::world::World::step`] checks all of it for each block, with every running total recomputed from its parts.

use proptest::prelude::*;

use crate::acts::{act, chain};

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn replay_is_live_and_money_is_conserved(acts in prop::collection::vec(act(), 20..70)) {
        prop_assert!(chain(&acts).state.supply_report().conserved);
    }
}
