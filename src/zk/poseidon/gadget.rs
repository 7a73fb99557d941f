//! Poseidon in a circuit.
