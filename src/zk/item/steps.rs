//! How a tree of nodes travels: flat, in post-order.
//!
//! A tree that decodes by recursion lets its sender choose the depth of the
//! receiver's stack. Here a fold takes the `children` nodes before it, and no
//! tree is higher than what proofs allow.

use serde::{Deserialize, Serialize};

use crate::{item::aggregate::Node, proof::fold::HEIGHT_MAX, statement::ItemStatement};

/// One node, after its children.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant)] // Nearly all steps are items.
pub(super) enum Step {
    Item { statement: ItemStatement, proof: Vec<u8> },
    Fold { children: u32, proof: Vec<u8> },
}

/// Steps that are not one tree; their sender is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum StepsError {
    #[error("a fold of {wanted} nodes where {there} are left")]
    Children { wanted: u32, there: usize },
    #[error("a tree higher than {HEIGHT_MAX}")]
    Height,
    #[error("{0} trees instead of one")]
    Trees(usize),
}

impl From<Node> for Vec<Step> {
    fn from(node: Node) -> Self {
        fn walk(node: Node, steps: &mut Vec<Step>) {
            match node {
                Node::Item { statement, proof } => steps.push(Step::Item { statement, proof }),
                Node::Aggregate { children, proof } => {
                    let count = u32::try_from(children.len()).unwrap_or(u32::MAX);
                    children.into_iter().for_each(|child| walk(child, steps));
                    steps.push(Step::Fold { children: count, proof });
                }
            }
        }
        let mut steps = Self::new();
        walk(node, &mut steps);
        steps
    }
}

impl TryFrom<Vec<Step>> for Node {
    type Error = StepsError;

    fn try_from(steps: Vec<Step>) -> Result<Self, StepsError> {
        let mut trees: Vec<(Self, u32)> = Vec::new();
        for step in steps {
            match step {
                Step::Item { statement, proof } => trees.push((Self::Item { statement, proof }, 0)),
                Step::Fold { children, proof } => {
                    let there = trees.len();
                    let at = usize::try_from(children)
                        .ok()
                        .filter(|count| *count > 0)
                        .and_then(|count| there.checked_sub(count))
                        .ok_or(StepsError::Children { wanted: children, there })?;
                    let below = trees.split_off(at);
                    let height = 1 + below.iter().map(|(_, height)| *height).max().unwrap_or(0);
                    if height > HEIGHT_MAX {
                        return Err(StepsError::Height);
                    }
                    let children = below.into_iter().map(|(node, _)| node).collect();
                    trees.push((Self::Aggregate { children, proof }, height));
                }
            }
        }
        match (trees.pop(), trees.len()) {
            (Some((node, _)), 0) => Ok(node),
            (top, left) => Err(StepsError::Trees(left + usize::from(top.is_some()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(task: u64) -> Step {
        let statement = ItemStatement {
            chain_id: 1,
            contract: [0; 20],
            position: task,
            pre_root: [0; 32],
            post_root: [0; 32],
            data_hi: [0; 32],
            data_lo: [0; 32],
            sender: [0; 20],
            env: [0; 32],
            worker: [0; 20],
            task,
            segments: 1,
        };
        Step::Item { statement, proof: vec![task as u8] }
    }

    fn fold(children: u32) -> Step {
        Step::Fold { children, proof: vec![0xff] }
    }

    #[test]
    fn trees_travel_flat_and_come_back() {
        let steps = vec![item(1), item(2), fold(2), item(3), fold(1), fold(2)];
        let node = Node::try_from(steps.clone()).unwrap();
        assert_eq!(node.items(), 3);
        assert_eq!(Vec::<Step>::from(node), steps);
    }

    #[test]
    fn steps_that_are_no_tree_are_refused() {
        let refused = |steps: Vec<Step>| Node::try_from(steps).unwrap_err();
        assert_eq!(refused(vec![]), StepsError::Trees(0));
        assert_eq!(refused(vec![item(1), item(2)]), StepsError::Trees(2));
        assert_eq!(refused(vec![item(1), fold(2)]), StepsError::Children { wanted: 2, there: 1 });
        assert_eq!(refused(vec![item(1), fold(0)]), StepsError::Children { wanted: 0, there: 1 });
    }

    #[test]
    fn trap_a_deep_tree_is_refused_before_anything_recurses() {
        let mut steps = vec![item(1)];
        steps.extend((0..1_000_000).map(|_| fold(1)));
        assert_eq!(Node::try_from(steps).unwrap_err(), StepsError::Height);
    }
}
