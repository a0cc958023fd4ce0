//! The end-to-end harness: the parts that set-up has put on this machine, Node with JSPI, real browsers of three engines, and the demo
//! site behind a slow line.
//!
//! Tests are in `tests/`. They need `cargo xtask build` to have run once, and fail with that advice if it has not.

mod browser;
pub mod bundle;
mod document;
mod engine;
mod error;
mod json;
mod jupyterlite;
mod made;
mod node;
mod pack;
mod parts;
mod recorder;
mod site;
mod wheel;

pub use browser::Browser;
pub use document::Section;
pub use engine::{Engine, Port, terminate};
pub use error::HarnessError;
pub use json::read_json;
pub use jupyterlite::{Commands, Lite, LitePage};
pub use node::{Eager, Filled, Lazy, Node};
pub use pack::PackReader;
pub use parts::Parts;
pub use recorder::Recorder;
pub use site::{LineSite, Site, stand_in};
pub use wheel::{index, wheel};
