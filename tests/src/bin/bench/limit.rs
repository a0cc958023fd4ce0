//! What no page of this line and this processor could undercut.

use std::collections::BTreeMap;

use demo_site::Entry;
use serde::Serialize;

use crate::figures::Figures;

/// Connecting, TLS 1.3, the document, what the document names: each waits for the one before.
const ROUND_TRIPS: u64 = 4;

/// The larger of `line_ms` and `cpu_ms` is the limit. Milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Limit {
    /// Runtime, standard library and pack at the line's rate, and the round trips before the first of their bytes.
    pub(crate) line_ms: f64,
    /// Boot and program with every byte in memory: the strategy `memfs`.
    pub(crate) cpu_ms: f64,
    /// `pack`'s time as a multiple of the limit.
    pub(crate) pack: f64,
}

impl Limit {
    /// `None` unless both `pack` and `memfs` ran. `rtt`: ms; `down`: Mbit/s, 0 where the line is as it is.
    pub(crate) fn of(figures: &BTreeMap<&str, Figures>, rtt: u64, down: u64) -> Option<Limit> {
        let pack = figures.get("pack")?;
        let cpu_ms = figures.get("memfs")?.total_ms;
        let transfer_ms = if down == 0 { 0.0 } else { pack.needed_bytes as f64 * 8.0 / (down as f64 * 1e3) };
        let line_ms = transfer_ms + (ROUND_TRIPS * rtt) as f64;
        Some(Limit { line_ms, cpu_ms, pack: pack.total_ms / line_ms.max(cpu_ms) })
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Limit { line_ms, cpu_ms, pack } = self;
        let limit = line_ms.max(*cpu_ms) / 1e3;
        write!(
            f,
            "limit: {limit:.1} s, the larger of {:.1} s of line and {:.1} s of processor; pack takes {pack:.2} of it",
            line_ms / 1e3,
            cpu_ms / 1e3,
        )
    }
}

/// Whether the limit counts a request: Pyodide's runtime and standard library, and the packs.
pub(crate) fn is_needed(entry: &Entry) -> bool {
    let path = &entry.path;
    path.starts_with("/pyodide/") && !path.ends_with(".whl") || path.ends_with(".pack")
}
