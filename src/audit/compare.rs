//! The first event at which two lists of events differ, and how.

use crowdfold_events::StoredEvent;

use super::report::Reason;

/// Where a block's events differ from what execution gives.
pub(crate) struct Difference {
    /// Index in the block.
    pub(crate) index: usize,
    /// [`Reason::Altered`], `Dropped`, `Inserted` or `Reordered`.
    pub(crate) reason: Reason,
}

/// The first difference of two lists; `None` when they are equal.
///
/// One missing or additional run of events, and any change of order, is told
/// from a change of content by what follows it.
pub(crate) fn first(expected: &[StoredEvent], found: &[StoredEvent]) -> Option<Difference> {
    let index = expected.iter().zip(found).take_while(|(e, f)| e == f).count();
    if index == expected.len() && index == found.len() {
        return None;
    }
    let (e, f) = (&expected[index..], &found[index..]);
    let reason = if f.is_empty() {
        Reason::Dropped
    } else if e.is_empty() {
        Reason::Inserted
    } else if same_content(e, f) {
        Reason::Reordered
    } else if e.len() > f.len() && (e[e.len() - f.len()..] == *f || e[1] == f[0]) {
        Reason::Dropped
    } else if f.len() > e.len() && (f[f.len() - e.len()..] == *e || f[1] == e[0]) {
        Reason::Inserted
    } else {
        Reason::Altered
    };
    Some(Difference { index, reason })
}

fn same_content(a: &[StoredEvent], b: &[StoredEvent]) -> bool {
    let sorted = |events: &[StoredEvent]| {
        let mut bytes: Vec<Vec<u8>> = events.iter().map(|e| e.as_bytes().to_vec()).collect();
        bytes.sort_unstable();
        bytes
    };
    a.len() == b.len() && sorted(a) == sorted(b)
}

#[cfg(test)]
mod tests {
    use crowdfold_events::{Event, TaskId, Zkpow, encode_event};

    use super::*;

    fn event(n: u64) -> StoredEvent {
        encode_event(&Event::BountyBumped { task: TaskId(n), bounty: Zkpow(0) }).unwrap()
    }

    fn found(list: &[u64]) -> Option<(usize, Reason)> {
        let events = |of: &[u64]| of.iter().map(|n| event(*n)).collect::<Vec<_>>();
        first(&events(&[0, 1, 2, 3, 4]), &events(list)).map(|d| (d.index, d.reason))
    }

    #[test]
    fn each_way_to_differ_has_its_name_and_place() {
        assert_eq!(found(&[0, 1, 2, 3, 4]), None);
        assert_eq!(found(&[0, 1, 9, 3, 4]), Some((2, Reason::Altered)));
        assert_eq!(found(&[0, 1, 3, 4]), Some((2, Reason::Dropped)));
        assert_eq!(found(&[0, 1, 2, 3]), Some((4, Reason::Dropped)));
        assert_eq!(found(&[0, 4]), Some((1, Reason::Dropped)));
        assert_eq!(found(&[0, 1, 9, 2, 3, 4]), Some((2, Reason::Inserted)));
        assert_eq!(found(&[0, 1, 2, 3, 4, 4]), Some((5, Reason::Inserted)));
        assert_eq!(found(&[0, 1, 1, 2, 3, 4]), Some((2, Reason::Inserted)));
        assert_eq!(found(&[0, 2, 1, 3, 4]), Some((1, Reason::Reordered)));
        assert_eq!(found(&[4, 1, 2, 3, 0]), Some((0, Reason::Reordered)));
        assert_eq!(found(&[]), Some((0, Reason::Dropped)));
    }
}
