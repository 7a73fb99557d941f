//! What each kind of slot costs in the universal shape.

use std::collections::BTreeMap;

use nova_snark::frontend::{ConstraintSystem, Index, LinearCombination, SynthesisError, Variable};

use crate::{Scalar, segment};

/// The cost of the slots of one kind, all of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotCost {
    /// Constraints.
    pub constraints: usize,
    /// Non-zero entries of the three matrices.
    pub non_zeros: usize,
}

/// Constraints and non-zeros by kind of slot: `keccak`, `curve`, `tree` (all
/// of its slots), `transfer`, `settlement`, `chain`, `bus`.
///
/// # Errors
/// Those of synthesis without a witness; always a bug.
pub fn cost_by_slot() -> Result<BTreeMap<&'static str, SlotCost>, SynthesisError> {
    let mut cs = Counter::default();
    let vars = segment::slots(&mut cs, None, None)?;
    cs.step = "chain";
    let h_out = segment::chain(&mut cs, &vars, None)?;
    cs.step = "bus";
    segment::balance(&mut cs, &vars, &h_out, None, None)?;
    Ok(cs.costs)
}

/// Names of the slots' namespaces in [`segment::slots`].
const SLOTS: [&str; 5] = ["keccak", "curve", "tree", "transfer", "settlement"];

/// Counts instead of keeping constraints.
struct Counter {
    /// Of the namespaces that are open.
    path: Vec<String>,
    step: &'static str,
    variables: usize,
    inputs: usize,
    costs: BTreeMap<&'static str, SlotCost>,
}

impl Default for Counter {
    fn default() -> Self {
        Self { path: Vec::new(), step: "glue", variables: 0, inputs: 1, costs: BTreeMap::new() }
    }
}

impl ConstraintSystem<Scalar> for Counter {
    type Root = Self;

    fn alloc<F, A, AR>(&mut self, _: A, _: F) -> Result<Variable, SynthesisError>
    where
        F: FnOnce() -> Result<Scalar, SynthesisError>,
        A: FnOnce() -> AR,
        AR: Into<String>,
    {
        self.variables += 1;
        Ok(Variable::new_unchecked(Index::Aux(self.variables - 1)))
    }

    fn alloc_input<F, A, AR>(&mut self, _: A, _: F) -> Result<Variable, SynthesisError>
    where
        F: FnOnce() -> Result<Scalar, SynthesisError>,
        A: FnOnce() -> AR,
        AR: Into<String>,
    {
        self.inputs += 1;
        Ok(Variable::new_unchecked(Index::Input(self.inputs - 1)))
    }

    fn enforce<A, AR, LA, LB, LC>(&mut self, _: A, a: LA, b: LB, c: LC)
    where
        A: FnOnce() -> AR,
        AR: Into<String>,
        LA: FnOnce(LinearCombination<Scalar>) -> LinearCombination<Scalar>,
        LB: FnOnce(LinearCombination<Scalar>) -> LinearCombination<Scalar>,
        LC: FnOnce(LinearCombination<Scalar>) -> LinearCombination<Scalar>,
    {
        let entries = |lc: LinearCombination<Scalar>| lc.iter().filter(|(_, value)| **value != Scalar::zero()).count();
        let zero = LinearCombination::zero;
        let non_zeros = entries(a(zero())) + entries(b(zero())) + entries(c(zero()));
        let slot = self.path.first().and_then(|top| SLOTS.into_iter().find(|slot| slot == top));
        let cost = self.costs.entry(slot.unwrap_or(self.step)).or_default();
        cost.constraints += 1;
        cost.non_zeros += non_zeros;
    }

    fn push_namespace<NR, N>(&mut self, name: N)
    where
        NR: Into<String>,
        N: FnOnce() -> NR,
    {
        self.path.push(name().into());
    }

    fn pop_namespace(&mut self) {
        self.path.pop();
    }

    fn get_root(&mut self) -> &mut Self::Root {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_sum_to_the_shape() {
        let costs = cost_by_slot().unwrap();
        let shape = crate::item::universal_shape().unwrap();
        assert_eq!(costs.values().map(|cost| cost.constraints).sum::<usize>(), shape.num_cons());
        for slot in SLOTS {
            assert!(costs[slot].constraints > 0, "{slot}");
        }
        eprintln!("{costs:#?}");
    }
}
