//! What a Python program reads from which wheels, in which order, and the requests that bring it in time.
//!
//! The modules follow the data's path: a wheel's central directory ([`zip`]) and its libraries' needs ([`dylink`])
//! become an [`index`], stored by [`mod@format`]; a recorded run ([`trace`]) gives the access order ([`group`]), and
//! [`plan`] turns order into requests, [`packing`] into [`pack`]s that hold the same members compressed together. Nothing
//! here does I/O, reads a clock or starts a thread: callers bring bytes,
//! and the same code runs in the browser and in the `prefetch-index` command, which is the only part that opens files.
//!
//! Offsets and lengths are bytes in `u64`, ranges are half-open, and every length read from a file is checked before
//! anything is allocated for it.
//!
//! ```
//! use prefetch_index::index::Index;
//! use prefetch_index::plan::{Budget, Line, Want, plan};
//! use prefetch_index::{format, zip::CentralDirectoryReader};
//!
//! // A reader says which bytes it wants; here the shortest archive there is answers.
//! let archive = [b"PK\x05\x06".as_slice(), &[0; 18]].concat();
//! let mut reader = CentralDirectoryReader::new(archive.len() as u64);
//! while let Some(range) = reader.wants() {
//!     reader.supply(range.start, &archive[range.start as usize..range.end as usize])?;
//! }
//! assert!(reader.finish()?.entries.is_empty());
//!
//! // An index survives its file.
//! let index = Index { pyodide: "0.27.7".to_owned(), ..Index::default() };
//! assert_eq!(format::decode(&format::encode(&index)?)?, index);
//!
//! // Two members with a small gap between them: one request, in the order they are first needed.
//! let wants = [5_000..9_000, 100..4_900].map(|span| Want { archive: 0, span, work_us: 0 });
//! let requests = plan(&wants, &[10_000], &Line::default(), &Budget::default());
//! assert_eq!(requests.len(), 1);
//! assert_eq!((requests[0].span.clone(), requests[0].wants.as_slice()), (100..9_000, [0, 1].as_slice()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod crc32;

pub mod order;

pub mod zip;

pub mod dylink;

pub mod split;

pub mod index;

pub mod format;

pub mod trace;

pub mod group;

pub mod plan;

pub mod packing;

pub mod pack;
