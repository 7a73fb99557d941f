//! Execution of one item by the EVM over the project's own state.
