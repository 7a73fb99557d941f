//! Tests of the whole program: a node in this process, independent tools beside it.

mod cli;
mod wallets;
