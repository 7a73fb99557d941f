//! Random sparse shapes with known satisfying witnesses, for tests and benches.
//!
//! Variables are: `free` ones (a third of them further constrained to be bits),
//! then one per remaining constraint, `w_i = ⟨a, z⟩·⟨b, z⟩`, with a and b over
//! earlier variables, the public inputs and, for a few rows, u. Without a
//! constant in the first factor all-zero witnesses with X = 0 are satisfied.
//! Every public input occurs in some row.

use ff::Field;
use nova_snark::{
    provider::Bn256EngineKZG,
    r1cs::{R1CSShape, SparseMatrix},
    traits::Engine,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

type Scalar = <Bn256EngineKZG as Engine>::Scalar;
type Row = Vec<(usize, Scalar)>;

/// What to generate.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Private variables; there are `vars - free + bits` constraints.
    pub vars: usize,
    /// Variables that the witness may choose.
    pub free: usize,
    /// How many of the free ones are constrained to be bits.
    pub bits: usize,
    /// Public inputs.
    pub io: usize,
    /// Entries per row and matrix (A and B), at most.
    pub width: usize,
}

/// A shape and the rows that generate its witnesses.
pub struct Synthetic {
    /// The unpadded shape.
    pub shape: R1CSShape<Bn256EngineKZG>,
    plan: Plan,
    rows: Vec<(Row, Row)>,
}

impl Synthetic {
    /// The shape of `plan` with entries drawn from `seed`.
    pub fn new(plan: Plan, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let one = plan.vars;
        let mut rows = Vec::new();
        for variable in plan.free..plan.vars {
            let mut combination = |with_input: Option<usize>| {
                let mut row: Row = Vec::new();
                // Mostly recent variables and inputs, mostly coefficients ±1.
                for _ in 0..rng.gen_range(1..=plan.width) {
                    let column = rng.gen_range(0..variable);
                    let coefficient = match rng.gen_range(0..8) {
                        0 => Scalar::random(&mut rng),
                        1 | 2 => -Scalar::ONE,
                        _ => Scalar::ONE,
                    };
                    row.push((column, coefficient));
                }
                if let Some(input) = with_input {
                    row.push((one + 1 + input, Scalar::ONE));
                }
                row.sort_by_key(|entry| entry.0);
                row.dedup_by_key(|entry| entry.0);
                row
            };
            let index = variable - plan.free;
            let input = (index < plan.io).then_some(index);
            let a = combination(input);
            // A quarter of the rows are linear: b is the constant.
            let b = if index % 4 == 3 { vec![(one, Scalar::ONE)] } else { combination(input) };
            rows.push((a, b));
        }
        let mut matrices = [Vec::new(), Vec::new(), Vec::new()];
        let mut constraint = 0;
        let mut enforce = |a: &Row, b: &Row, c: &Row| {
            for (matrix, row) in matrices.iter_mut().zip([a, b, c]) {
                matrix.extend(row.iter().map(|(column, value)| (constraint, *column, *value)));
            }
            constraint += 1;
        };
        for (index, (a, b)) in rows.iter().enumerate() {
            enforce(a, b, &vec![(plan.free + index, Scalar::ONE)]);
        }
        for bit in 0..plan.bits {
            let bit = vec![(bit, Scalar::ONE)];
            enforce(&bit, &bit, &bit);
        }
        let cons = constraint;
        let columns = plan.vars + 1 + plan.io;
        let [a, b, c] = matrices.map(|entries| SparseMatrix::new(&entries, cons, columns));
        let shape = R1CSShape::new(cons, plan.vars, plan.io, a, b, c).unwrap();
        Self { shape, plan, rows }
    }

    /// The witness of these public inputs with free variables drawn from `seed`;
    /// `None` leaves them 0.
    pub fn witness(&self, x: &[Scalar], seed: Option<u64>) -> Vec<Scalar> {
        let mut z = vec![Scalar::ZERO; self.plan.vars + 1 + x.len()];
        z[self.plan.vars] = Scalar::ONE;
        z[self.plan.vars + 1..].copy_from_slice(x);
        if let Some(seed) = seed {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            for (index, value) in z[..self.plan.free].iter_mut().enumerate() {
                *value = if index < self.plan.bits {
                    Scalar::from(u64::from(rng.r#gen::<bool>()))
                } else {
                    Scalar::random(&mut rng)
                };
            }
        }
        for (index, (a, b)) in self.rows.iter().enumerate() {
            let sum = |row: &Row| row.iter().map(|(column, value)| z[*column] * value).sum::<Scalar>();
            z[self.plan.free + index] = sum(a) * sum(b);
        }
        z.truncate(self.plan.vars);
        z
    }
}
