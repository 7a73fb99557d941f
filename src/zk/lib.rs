//! Circuits, folding and proofs of the statements that the chain makes.
