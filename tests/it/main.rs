//! The node from outside: HTTP, WebSockets, files, restarts.

mod mempool;
mod path;
mod world;
