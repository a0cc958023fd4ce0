//! The edge to the browser (and Node): requests, synchronous requests, and what JavaScript may call.

mod ahead;
mod blocking;
mod blocks;
mod error;
pub mod exports;
mod host;
mod libraries;
mod loader;
mod mount;
pub mod pack;
mod state;
mod transport;
