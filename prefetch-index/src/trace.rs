//! What a recorded run read, when.
//!
//! As text a trace is JSON lines. The first is the header, the others are events in order of time; `t` is milliseconds
//! since the program's first line:
//!
//! ```text
//! {"wheelfs_trace":1,"pyodide":"0.27.7","python":"3.12.7","app":"app.py","packages":[{"name":"pandas","file_name":"pandas-2.2.3-….whl","sha256":"5502…"}]}
//! {"t":0.4,"import":"pandas"}
//! {"t":12.3,"read":"pandas/__init__.py","offset":0,"len":8658,"archive":"pandas"}
//! {"t":19.8,"read":"lib:libopenblas.so","offset":0,"len":6117466}
//! {"t":2290.1,"imported":"pandas"}
//! ```
//!
//! * `import` / `imported`: an outermost import statement of the program begins and ends; they do not nest.
//! * `read`: `len` bytes from `offset` of an installed file were read. The path is relative to site-packages, or
//!   `lib:` and the path below the folder of shared libraries. `archive`, the lock name of the package, may be left out.
//!   A file read in pieces may appear in pieces; a library that was loaded appears as one read of the whole file. A source
//!   that is read from its first byte once more was opened again: not to be imported, but for its text.
//! * `packages`: what was installed, by lock name. `sha256` (hexadecimal) may be left out.
//! * `stdlib`, in the header, may be left out: modules of the standard library that the program and Pyodide itself had
//!   loaded when the trace was written, as paths in `python_stdlib.zip` (`json/decoder.py`), in the order they were loaded.
//! * `modules`, in the header, may be left out: sources below site-packages of the modules that were loaded when the trace
//!   was written. A source that was read and is not among them was read for its text. Without the field all were imported.
//! * `called`, in the header, may be left out: for a shared library, by its path as in `read`, the numbers of its functions
//!   (imports do not count) that were called from its loading on, in ascending order.
//! * Unknown fields are ignored, so that a recorder can say more.

use std::collections::BTreeMap;

/// Version in a trace's header line.
pub const VERSION: u32 = 1;

/// One recorded run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// Pyodide's version, `"0.27.7"`.
    pub pyodide: String,
    /// Python's version, `"3.12.7"`.
    pub python: String,
    /// File name of the program, for messages.
    pub app: String,
    /// What was installed.
    pub packages: Vec<Package>,
    /// Members of `python_stdlib.zip` that were loaded.
    pub stdlib: Vec<String>,
    /// Sources of the other modules that were loaded, below site-packages. `None`: the recorder did not say.
    pub modules: Option<Vec<String>>,
    /// Functions of shared libraries that were called, by the library's path as in [`EventKind::Read`].
    pub called: BTreeMap<String, Vec<u32>>,
    /// In order of time.
    pub events: Vec<Event>,
}

/// One installed package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(serde::Serialize, serde::Deserialize))]
pub struct Package {
    /// Lock name.
    pub name: String,
    /// The archive's file name, `file_name` of the lock.
    pub file_name: String,
    /// SHA-256 of the archive in hexadecimal, if the recorder knew it.
    #[cfg_attr(feature = "cli", serde(default, skip_serializing_if = "Option::is_none"))]
    pub sha256: Option<String>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Milliseconds since the program's first line.
    pub t: f64,
    /// What it was.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The program began to import a module.
    Import(String),
    /// That import ended.
    Imported(String),
    /// Bytes of an installed file were read.
    Read {
        /// Below site-packages, or `lib:` and below the folder of shared libraries.
        path: String,
        /// First byte, in the decoded file.
        offset: u64,
        /// Bytes.
        len: u64,
        /// Lock name of the package, if the recorder knew it.
        archive: Option<String>,
    },
}

#[cfg(feature = "cli")]
mod json;
#[cfg(feature = "cli")]
pub use json::{TraceError, parse, to_text};
