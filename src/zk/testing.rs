//! The test kit of the circuits: satisfaction, mutation sweeps and pins.
//!
//! [`Instance::of`] runs a circuit closure twice, once for the shape (value
//! closures are never called, every witness is `None`) and once for the
//! assignment, with nova's own `ShapeCS` and `SatisfyingAssignment` behind
//! [`KitCS`], so that gadgets that branch on `is_witness_generator` are tested
//! as they run. Az, Bz and Cz are computed once; changing a variable then costs
//! only the rows that contain it, so that a sweep over 10^5 variables takes
//! well under a second.
//!
//! What a sweep does not establish: it changes one variable at a time. A pair
//! of variables that move together (a wrong decomposition, say) needs a test of
//! its own that synthesizes from a dishonest witness.
//!
//! ```ignore
//! let instance = Instance::of(|cs| {
//!     let a = AllocatedNum::alloc(&mut *cs, || Ok(Scalar::from(3)))?;
//!     let given = cs.given(&witness); // None while the shape is built
//!     my_gadget(cs, &a, given)
//! });
//! instance.assert_satisfied();
//! instance.assert_determined(1, |_| false);
//! assert_eq!(instance.pin(), Pin { constraints: 7, .. });
//! ```

#![allow(clippy::panic)] // A failed expectation of a test panics.

use std::{collections::BTreeSet, ops::Range};

use ff::Field;
use nova_snark::frontend::{
    ConstraintSystem, Index, LinearCombination, SynthesisError, Variable, shape_cs::ShapeCS,
    solver::SatisfyingAssignment,
};
use rand_chacha::{ChaCha12Rng, rand_core::SeedableRng};
use sha3::{Digest, Sha3_256};

use crate::{Engine, Scalar};

/// Nova's shape builder or witness generator, chosen at run time, so that a
/// plain closure can be a circuit.
pub(crate) enum KitCS {
    /// Builds constraints; `names` and `path` keep what the rows are called.
    Shape { inner: ShapeCS<Engine>, names: Vec<String>, path: Vec<String> },
    /// Builds the assignment.
    Witness(SatisfyingAssignment<Engine>),
}

impl KitCS {
    /// `Some(value)` while the assignment is built, `None` while the shape is.
    pub(crate) fn given<T>(&self, value: T) -> Option<T> {
        self.is_witness_generator().then_some(value)
    }
}

impl ConstraintSystem<Scalar> for KitCS {
    type Root = Self;

    fn alloc<F, A, AR>(&mut self, annotation: A, f: F) -> Result<Variable, SynthesisError>
    where
        F: FnOnce() -> Result<Scalar, SynthesisError>,
        A: FnOnce() -> AR,
        AR: Into<String>,
    {
        match self {
            Self::Shape { inner, .. } => inner.alloc(annotation, f),
            Self::Witness(inner) => inner.alloc(annotation, f),
        }
    }

    fn alloc_input<F, A, AR>(&mut self, annotation: A, f: F) -> Result<Variable, SynthesisError>
    where
        F: FnOnce() -> Result<Scalar, SynthesisError>,
        A: FnOnce() -> AR,
        AR: Into<String>,
    {
        match self {
            Self::Shape { inner, .. } => inner.alloc_input(annotation, f),
            Self::Witness(inner) => inner.alloc_input(annotation, f),
        }
    }

    fn enforce<A, AR, LA, LB, LC>(&mut self, annotation: A, a: LA, b: LB, c: LC)
    where
        A: FnOnce() -> AR,
        AR: Into<String>,
        LA: FnOnce(LinearCombination<Scalar>) -> LinearCombination<Scalar>,
        LB: FnOnce(LinearCombination<Scalar>) -> LinearCombination<Scalar>,
        LC: FnOnce(LinearCombination<Scalar>) -> LinearCombination<Scalar>,
    {
        match self {
            Self::Shape { inner, names, path } => {
                let name: String = annotation().into();
                names.push(if path.is_empty() { name } else { format!("{}/{name}", path.join("/")) });
                inner.enforce(|| "", a, b, c);
            }
            Self::Witness(inner) => inner.enforce(annotation, a, b, c),
        }
    }

    fn push_namespace<NR, N>(&mut self, name_fn: N)
    where
        NR: Into<String>,
        N: FnOnce() -> NR,
    {
        if let Self::Shape { path, .. } = self {
            path.push(name_fn().into());
        }
    }

    fn pop_namespace(&mut self) {
        if let Self::Shape { path, .. } = self {
            path.pop();
        }
    }

    fn get_root(&mut self) -> &mut Self::Root {
        self
    }

    fn is_witness_generator(&self) -> bool {
        matches!(self, Self::Witness(_))
    }

    fn extend_inputs(&mut self, new_inputs: &[Scalar]) {
        self.witness().extend_inputs(new_inputs);
    }

    fn extend_aux(&mut self, new_aux: &[Scalar]) {
        self.witness().extend_aux(new_aux);
    }

    fn allocate_empty(&mut self, aux_n: usize, inputs_n: usize) -> (&mut [Scalar], &mut [Scalar]) {
        self.witness().allocate_empty(aux_n, inputs_n)
    }

    fn inputs_slice(&self) -> &[Scalar] {
        match self {
            Self::Witness(inner) => inner.inputs_slice(),
            Self::Shape { .. } => panic!("a shape has no values"),
        }
    }

    fn aux_slice(&self) -> &[Scalar] {
        match self {
            Self::Witness(inner) => inner.aux_slice(),
            Self::Shape { .. } => panic!("a shape has no values"),
        }
    }
}

impl KitCS {
    fn witness(&mut self) -> &mut SatisfyingAssignment<Engine> {
        match self {
            Self::Witness(inner) => inner,
            Self::Shape { .. } => panic!("a shape has no values"),
        }
    }
}

/// What a circuit costs and a digest of its matrices.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    /// Rows.
    pub(crate) constraints: usize,
    /// Private variables.
    pub(crate) variables: usize,
    /// Non-zero entries of A, B and C together.
    pub(crate) non_zeros: usize,
    /// First 8 bytes (hex) of SHA3-256 over the matrices, row by row.
    pub(crate) digest: String,
}

/// One non-zero entry as seen from its column.
#[derive(Clone, Copy)]
struct Entry {
    row: u32,
    /// 0, 1, 2 for A, B, C.
    matrix: u8,
    coefficient: Scalar,
}

/// A circuit's matrices with one assignment.
///
/// Column `i < variables` is private variable `i`; then the constant one, then
/// the public inputs.
pub(crate) struct Instance<T> {
    /// What the closure returned while the assignment was built.
    pub(crate) output: T,
    variables: usize,
    names: Vec<String>,
    /// Entries sorted by column, with the range of each column.
    entries: Vec<Entry>,
    columns: Vec<Range<usize>>,
    /// Per row: Az, Bz, Cz.
    products: Vec<[Scalar; 3]>,
    z: Vec<Scalar>,
    pin: Pin,
}

impl<T> Instance<T> {
    /// Synthesizes shape and assignment.
    ///
    /// Panics if synthesis fails or the two disagree on the number of variables.
    pub(crate) fn of<F>(circuit: F) -> Self
    where
        F: Fn(&mut KitCS) -> Result<T, SynthesisError>,
    {
        let mut shape = KitCS::Shape { inner: ShapeCS::new(), names: Vec::new(), path: Vec::new() };
        circuit(&mut shape).expect("the shape synthesizes without a witness");
        let KitCS::Shape { inner, names, .. } = shape else { panic!("the circuit replaced its constraint system") };
        let mut witness = KitCS::Witness(SatisfyingAssignment::<Engine>::new());
        let output = circuit(&mut witness).expect("the assignment synthesizes");
        let variables = inner.num_aux();
        assert_eq!(witness.aux_slice().len(), variables, "private variables");
        assert_eq!(witness.inputs_slice().len(), inner.num_inputs(), "public inputs");
        let z: Vec<Scalar> = [witness.aux_slice(), witness.inputs_slice()].concat();

        let mut by_column: Vec<Vec<Entry>> = vec![Vec::new(); z.len()];
        let mut products = Vec::with_capacity(inner.num_constraints());
        let mut hasher = Sha3_256::new();
        let mut non_zeros = 0;
        for (row, (a, b, c)) in inner.constraints.iter().enumerate() {
            let mut product = [Scalar::ZERO; 3];
            for (matrix, lc) in [a, b, c].into_iter().enumerate() {
                hasher.update([matrix as u8]);
                for (variable, coefficient) in lc.iter() {
                    if *coefficient == Scalar::ZERO {
                        continue;
                    }
                    let column = match variable.get_unchecked() {
                        Index::Aux(i) => i,
                        Index::Input(i) => variables + i,
                    };
                    hasher.update((column as u64).to_le_bytes());
                    hasher.update(coefficient.to_bytes());
                    non_zeros += 1;
                    product[matrix] += *coefficient * z[column];
                    by_column[column].push(Entry {
                        row: u32::try_from(row).expect("rows fit 32 bits"),
                        matrix: matrix as u8,
                        coefficient: *coefficient,
                    });
                }
            }
            products.push(product);
        }
        let pin =
            Pin { constraints: products.len(), variables, non_zeros, digest: hex::encode(&hasher.finalize()[..8]) };
        let mut entries = Vec::with_capacity(non_zeros);
        let mut columns = Vec::with_capacity(z.len());
        for mut column in by_column {
            column.sort_by_key(|entry| entry.row);
            let start = entries.len();
            entries.append(&mut column);
            columns.push(start..entries.len());
        }
        Self { output, variables, names, entries, columns, products, z, pin }
    }

    /// Counts and digest of the shape.
    pub(crate) fn pin(&self) -> &Pin {
        &self.pin
    }

    /// The first row that does not hold: its index and name.
    pub(crate) fn first_unsatisfied(&self) -> Option<(usize, &str)> {
        let row = self.products.iter().position(|[a, b, c]| *a * *b != *c)?;
        Some((row, self.names[row].as_str()))
    }

    /// Names of all rows that do not hold.
    pub(crate) fn unsatisfied(&self) -> Vec<&str> {
        let rows = self.products.iter().zip(&self.names);
        rows.filter(|([a, b, c], _)| *a * *b != *c).map(|(_, name)| name.as_str()).collect()
    }

    /// The private variables on the right of the rows whose name ends in `row`.
    pub(crate) fn outputs_of(&self, row: &str) -> Vec<Variable> {
        let output = |entry: &Entry| entry.matrix == 2 && self.names[entry.row as usize].ends_with(row);
        (0..self.variables)
            .filter(|column| self.entries[self.columns[*column].clone()].iter().any(output))
            .map(|column| Variable::new_unchecked(Index::Aux(column)))
            .collect()
    }

    /// Names of the rows that do not hold.
    pub(crate) fn failing(&self) -> BTreeSet<&str> {
        let rows = self.products.iter().zip(&self.names);
        rows.filter(|([a, b, c], _)| *a * *b != *c).map(|(_, name)| name.as_str()).collect()
    }

    /// Whether every row holds.
    pub(crate) fn is_satisfied(&self) -> bool {
        self.first_unsatisfied().is_none()
    }

    /// Panics and names the first row that does not hold.
    pub(crate) fn assert_satisfied(&self) {
        if let Some((row, name)) = self.first_unsatisfied() {
            panic!("row {row} ({name}) is not satisfied");
        }
    }

    /// Panics unless some row whose name contains `row` is the first that fails.
    pub(crate) fn assert_refused_by(&self, row: &str) {
        match self.first_unsatisfied() {
            None => panic!("satisfied, although `{row}` should refuse"),
            Some((_, name)) => assert!(name.contains(row), "refused by `{name}`, expected `{row}`"),
        }
    }

    /// The value of a variable.
    pub(crate) fn value(&self, variable: Variable) -> Scalar {
        self.z[self.column(variable)]
    }

    /// Replaces the value of one variable, public inputs included.
    pub(crate) fn set(&mut self, variable: Variable, value: Scalar) {
        let column = self.column(variable);
        let delta = value - self.z[column];
        self.z[column] = value;
        for entry in &self.entries[self.columns[column].clone()] {
            self.products[entry.row as usize][usize::from(entry.matrix)] += entry.coefficient * delta;
        }
    }

    /// How many private variables are not zero.
    pub(crate) fn non_zero_values(&self) -> usize {
        let zero = |value: &&Scalar| **value != Scalar::ZERO;
        self.z[..self.variables].iter().filter(zero).count()
    }

    /// Changes every `stride`-th private variable (by +1, by -1, and by a random
    /// value) and lists those of which some change leaves every row satisfied.
    /// Variables for which `allow` holds are passed over. The instance must be
    /// satisfied to begin with.
    pub(crate) fn mutation_sweep(&self, stride: usize, allow: impl Fn(usize) -> bool) -> Vec<usize> {
        self.assert_satisfied();
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        (0..self.variables)
            .step_by(stride)
            .filter(|column| !allow(*column))
            .filter(|column| {
                [Scalar::ONE, -Scalar::ONE, Scalar::random(&mut rng)].iter().any(|delta| self.survives(*column, *delta))
            })
            .collect()
    }

    /// Panics and lists the variables that [`Self::mutation_sweep`] finds.
    pub(crate) fn assert_determined(&self, stride: usize, allow: impl Fn(usize) -> bool) {
        let free = self.mutation_sweep(stride, allow);
        assert!(
            free.is_empty(),
            "{} undetermined variables, in rows {:?}",
            free.len(),
            free.iter().take(10).map(|column| (*column, self.rows_of(*column))).collect::<Vec<_>>()
        );
    }

    /// Names of (at most four of) the rows that contain private variable `column`.
    pub(crate) fn rows_of(&self, column: usize) -> Vec<&str> {
        let entries = &self.entries[self.columns[column].clone()];
        let mut rows: Vec<u32> = entries.iter().map(|entry| entry.row).collect();
        rows.dedup();
        rows.truncate(4);
        let name = |row: u32| self.names[row as usize].as_str();
        rows.into_iter().map(name).collect()
    }

    /// Whether every row still holds when `column` changes by `delta`.
    fn survives(&self, column: usize, delta: Scalar) -> bool {
        let entries = &self.entries[self.columns[column].clone()];
        entries.chunk_by(|x, y| x.row == y.row).all(|row| {
            let [mut a, mut b, mut c] = self.products[row[0].row as usize];
            for entry in row {
                let target = [&mut a, &mut b, &mut c];
                let [a, b, c] = target;
                let slot = match entry.matrix {
                    0 => a,
                    1 => b,
                    _ => c,
                };
                *slot += entry.coefficient * delta;
            }
            a * b == c
        })
    }

    fn column(&self, variable: Variable) -> usize {
        match variable.get_unchecked() {
            Index::Aux(i) => i,
            Index::Input(i) => self.variables + i,
        }
    }
}

mod tests {
    use nova_snark::frontend::num::AllocatedNum;

    use super::*;

    /// x * x = y, y + free = y + free: `free` is undetermined.
    fn square(cs: &mut KitCS, x: u64, y: u64) -> Result<[Variable; 3], SynthesisError> {
        let alloc = |cs: &mut KitCS, v: u64| AllocatedNum::alloc(cs, || Ok(Scalar::from(v)));
        let x = alloc(cs, x)?.get_variable();
        let y = alloc(cs, y)?.get_variable();
        let free = alloc(cs, 5)?.get_variable();
        cs.enforce(|| "square", |lc| lc + x, |lc| lc + x, |lc| lc + y);
        cs.enforce(|| "nothing", |lc| lc + y + free, |lc| lc + KitCS::one(), |lc| lc + y + free);
        Ok([x, y, free])
    }

    #[test]
    fn names_the_first_row_that_fails() {
        Instance::of(|cs| square(cs, 3, 9)).assert_satisfied();
        let wrong = Instance::of(|cs| square(cs, 3, 8));
        assert_eq!(wrong.first_unsatisfied(), Some((0, "square")));
        wrong.assert_refused_by("square");
    }

    #[test]
    fn a_sweep_finds_the_free_variable_only() {
        let instance = Instance::of(|cs| square(cs, 3, 9));
        assert_eq!(instance.mutation_sweep(1, |_| false), vec![2]);
        instance.assert_determined(1, |column| column == 2);
    }

    #[test]
    fn setting_a_value_moves_its_rows() {
        let mut instance = Instance::of(|cs| square(cs, 3, 9));
        let [x, y, _] = instance.output;
        instance.set(y, Scalar::from(16));
        assert!(!instance.is_satisfied());
        instance.set(x, Scalar::from(4));
        instance.assert_satisfied();
        assert_eq!(instance.value(x), Scalar::from(4));
        assert_eq!(instance.non_zero_values(), 3);
    }

    #[test]
    fn a_pin_depends_on_the_matrices_alone() {
        let one = Instance::of(|cs| square(cs, 3, 9));
        let two = Instance::of(|cs| square(cs, 5, 24));
        assert_eq!(one.pin(), two.pin());
        assert_eq!(one.pin().constraints, 2);
        assert_eq!(one.pin().variables, 3);
        assert_eq!(one.pin().non_zeros, 8);
        let other = Instance::of(|cs| {
            let [x, y, free] = square(cs, 3, 9)?;
            cs.enforce(|| "", |lc| lc + x, |lc| lc + free, |lc| lc + y + y);
            Ok(())
        });
        assert_ne!(one.pin().digest, other.pin().digest);
    }
}
