//! Tests of the transfer slot.
//!
//! [`world`] plans transfers on a small state and lets a prover lie; `native`
//! checks the parser and planner, `accepted` that honest transfers satisfy the
//! circuit and say what the planner says, `refused` that each rule has a row
//! that refuses its breach alone, `pins` the shape and the mutation sweep.

mod accepted;
mod native;
mod pins;
mod refused;
mod world;
