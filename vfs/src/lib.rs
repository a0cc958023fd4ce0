//! The filesystem that runs in the page: every member of every mounted wheel is visible, and its bytes arrive when
//! Python reads them.
//!
//! [`tree`], [`cache`], [`packs`], [`blocks`], [`scheduler`], [`response`], [`patience`] and [`trace`] are pure: they know
//! neither browser nor clock and are tested natively. `web` is the edge: it performs the scheduler's requests with `fetch`, or with a synchronous request where
//! nothing can wait, and exports the whole to the JavaScript in `vfs/js`, which makes Emscripten nodes of it.
//!
//! ```
//! use vfs::scheduler::{Found, Scheduler};
//!
//! let mut scheduler = Scheduler::new(4);
//! let id = scheduler.demand(0, 100..104);
//! assert_eq!(scheduler.next_to_send().map(|send| send.span), Some(100..104));
//! scheduler.supply(id, b"abcd")?;
//! scheduler.finish(id)?;
//! assert_eq!(scheduler.find(0, &(100..104)), Found::Bytes(b"abcd"));
//! # Ok::<(), vfs::scheduler::SupplyError>(())
//! ```

pub mod blocks;
pub mod cache;
pub mod packs;
pub mod patience;
pub mod response;
pub mod scheduler;
pub mod trace;
pub mod tree;

#[cfg(target_arch = "wasm32")]
pub mod web;
