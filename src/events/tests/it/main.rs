//! The byte encodings and signatures of `crowdfold-events`, from outside.

mod codec;
mod samples;
mod signing;
