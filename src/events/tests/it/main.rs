//! The byte encodings and signatures of `crowdfold-events`, from outside.

mod codec;
mod fuzz;
mod samples;
mod signing;
