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
mod object;
pub mod pack;
mod parts;
mod settings;
mod state;
mod stats;
mod transport;
