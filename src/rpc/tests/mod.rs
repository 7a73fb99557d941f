//! Each method and each error, over a small chain that execution made.

mod fixture;
mod market;
mod transport;
mod wallets;
