//! What blocks did to plugins lately, so that one that was away learns of it.
//!
//! Kept in memory since the node's start, for whoever has a session or not:
//! what a plugin misses most is the deadline that passed while it was gone.
//! Bounded per plugin and in plugins; the plugin that heard nothing for
//! longest is forgotten first.

use std::collections::{BTreeMap, VecDeque};

use crowdfold_events::{
    Address, Height,
    wire::{Happened, Notice},
};

use crate::actors::session::{is_kept, keep_recent};

/// Plugins of which anything is kept.
const PLUGINS: usize = 4096;

/// See the module's header.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    by_plugin: BTreeMap<Address, VecDeque<Happened>>,
}

impl Recent {
    /// A block did something to a plugin.
    pub fn push(&mut self, plugin: Address, height: Height, notice: &Notice) {
        if !is_kept(notice) {
            return;
        }
        if self.by_plugin.len() >= PLUGINS && !self.by_plugin.contains_key(&plugin) {
            let newest = |of: &VecDeque<Happened>| of.back().map(|h| h.height);
            let quietest = self.by_plugin.iter().min_by_key(|(_, of)| newest(of)).map(|(plugin, _)| *plugin);
            quietest.map(|plugin| self.by_plugin.remove(&plugin));
        }
        keep_recent(self.by_plugin.entry(plugin).or_default(), height, notice);
    }

    /// What is kept of a plugin, oldest first.
    #[must_use]
    pub fn of(&self, plugin: &Address) -> Vec<Happened> {
        self.by_plugin.get(plugin).into_iter().flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use crowdfold_events::{TaskId, Zkpow, wire::MAX_RECENT};

    use super::*;

    fn refunded(task: u64) -> Notice {
        Notice::Refunded { task: TaskId(task), amount: Zkpow(1) }
    }

    #[test]
    fn the_newest_of_each_plugin_are_kept_in_order() {
        let (mut recent, plugin) = (Recent::default(), Address::repeat_byte(1));
        assert!(recent.of(&plugin).is_empty());
        let count = MAX_RECENT as u64 + 3;
        for n in 0..count {
            recent.push(plugin, Height(n), &refunded(n));
            recent.push(plugin, Height(n), &Notice::TrustChanged { consecutive_valid: 1, slots: 1 });
        }
        let kept: Vec<u64> = recent.of(&plugin).iter().map(|h| h.height.0).collect();
        assert_eq!(kept, (3..count).collect::<Vec<_>>());
        assert!(recent.of(&plugin).iter().all(|h| h.notice == refunded(h.height.0)));
    }

    #[test]
    fn the_quietest_plugin_is_forgotten_first() {
        let mut recent = Recent::default();
        let address = |n: usize| Address::left_padding_from(&(n as u64).to_be_bytes());
        for n in 0..PLUGINS {
            recent.push(address(n), Height(n as u64), &refunded(1));
        }
        recent.push(address(0), Height(PLUGINS as u64), &refunded(2));
        recent.push(address(PLUGINS), Height(PLUGINS as u64 + 1), &refunded(1));
        assert_eq!(recent.by_plugin.len(), PLUGINS);
        assert!(recent.of(&address(1)).is_empty());
        assert_eq!((recent.of(&address(0)).len(), recent.of(&address(PLUGINS)).len()), (2, 1));
    }
}
