//! What a Python program reads from which wheels, in which order, and the requests that bring it in time.
//!
//! The modules follow the data's path: a wheel's central directory ([`zip`]) and its libraries' needs ([`dylink`])
//! become an [`index`], stored by [`format`]; a recorded run ([`trace`]) gives the access order ([`group`]), and
//! [`plan`] turns order into requests. Nothing here does I/O, reads a clock or starts a thread: callers bring bytes,
//! and the same code runs in the browser and in the `prefetch-index` command, which is the only part that opens files.
//!
//! Offsets and lengths are bytes in `u64`, ranges are half-open, and every length read from a file is checked before
//! anything is allocated for it.

pub mod zip;

pub mod dylink;

pub mod index;

pub mod format;

pub mod trace;

pub mod group;

pub mod plan;
