//! From access order to requests.

use std::ops::Range;

/// The line between server and reader.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Round trip, milliseconds.
    pub rtt_ms: f64,
    /// Bytes per millisecond of the whole line (20 Mbit/s are 2500).
    pub bytes_per_ms: f64,
}

impl Default for Line {
    /// 200 ms and 20 Mbit/s: the line the project is measured on. Slow enough that hiding round trips matters; on a faster one
    /// the same plan is still good.
    fn default() -> Line {
        Line { rtt_ms: 200.0, bytes_per_ms: 2500.0 }
    }
}

/// Bytes of an archive that will be needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Position of the archive in the index.
    pub archive: u32,
    /// Bytes of the archive.
    pub span: Range<u64>,
}

/// One range request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Position of the archive in the index.
    pub archive: u32,
    /// Bytes of the archive.
    pub span: Range<u64>,
    /// Positions of the wants it brings, ascending.
    pub wants: Vec<u32>,
}

/// What a plan may cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Most requests. Each archive takes at least one, even if there are more archives than this.
    pub max_requests: usize,
    /// Most bytes fetched that no want asks for, as a share of the wanted ones.
    pub max_waste: f64,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { max_requests: 10, max_waste: 0.04 }
    }
}

mod merge;

pub use merge::plan;
