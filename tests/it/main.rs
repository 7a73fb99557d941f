//! The node from outside: HTTP, WebSockets, files, restarts.

#![allow(unreachable_pub)]

mod mempool;
mod path;
mod world;
