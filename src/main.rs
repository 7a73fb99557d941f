//! Crowdfold.
fn main() {}
