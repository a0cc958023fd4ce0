//! What was measured, and its medians.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What the page reports of itself (`demo-site/page/run.mjs`). Times are milliseconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Page {
    /// Not kept in reports.
    #[serde(skip_serializing, default)]
    pub(crate) output: String,
    pub(crate) total_ms: f64,
    pub(crate) boot_ms: f64,
    /// What follows the boot, `load_ms` and `import_ms` included.
    pub(crate) run_ms: f64,
    pub(crate) load_ms: f64,
    pub(crate) import_ms: f64,
    /// Reads that Python waited for.
    pub(crate) waits: u64,
    /// Content of files in JavaScript's memory.
    pub(crate) file_bytes: u64,
    /// The interpreter's memory.
    pub(crate) heap_bytes: u64,
}

/// One run: the page's report, and what server and line saw of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Run {
    #[serde(flatten)]
    pub(crate) page: Page,
    pub(crate) output_sha256: String,
    /// Name and version.
    pub(crate) browser: String,
    pub(crate) package_requests: u64,
    pub(crate) package_bytes: u64,
    /// Bytes that [`is_needed`](crate::limit::is_needed) counts.
    pub(crate) needed_bytes: u64,
    pub(crate) requests: u64,
    pub(crate) wire_bytes: u64,
}

/// Medians over the rounds of one strategy; `spread` is the smallest and the largest `total_ms`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) total_ms: f64,
    pub(crate) boot_ms: f64,
    pub(crate) load_ms: f64,
    pub(crate) import_ms: f64,
    pub(crate) run_ms: f64,
    pub(crate) package_requests: u64,
    pub(crate) package_bytes: u64,
    pub(crate) needed_bytes: u64,
    pub(crate) requests: u64,
    pub(crate) wire_bytes: u64,
    pub(crate) memory_bytes: u64,
    pub(crate) output_sha256: String,
    pub(crate) spread: [f64; 2],
}

/// What is kept of a program's output.
pub(crate) fn sha256(output: &str) -> String {
    Sha256::digest(output).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Figures {
    /// Boot, load, import and what the program does then: milliseconds of each. They sum up to `total_ms` in a run, and
    /// nearly so in medians.
    pub(crate) fn phases(&self) -> [f64; 4] {
        [self.boot_ms, self.load_ms, self.import_ms, self.run_ms - self.load_ms - self.import_ms]
    }

    /// `runs`: at least one, all with the same output.
    pub(crate) fn of(runs: &[Run]) -> Figures {
        let time = |of: fn(&Run) -> f64| median(runs.iter().map(of).collect());
        let count =
            |of: fn(&Run) -> u64| median(runs.iter().map(|run| of(run) as f64).collect()).round() as u64;
        let totals = || runs.iter().map(|run| run.page.total_ms);
        Figures {
            total_ms: time(|run| run.page.total_ms),
            boot_ms: time(|run| run.page.boot_ms),
            load_ms: time(|run| run.page.load_ms),
            import_ms: time(|run| run.page.import_ms),
            run_ms: time(|run| run.page.run_ms),
            package_requests: count(|run| run.package_requests),
            package_bytes: count(|run| run.package_bytes),
            needed_bytes: count(|run| run.needed_bytes),
            requests: count(|run| run.requests),
            wire_bytes: count(|run| run.wire_bytes),
            memory_bytes: count(|run| run.page.file_bytes + run.page.heap_bytes),
            output_sha256: runs.first().map(|run| run.output_sha256.clone()).unwrap_or_default(),
            spread: [totals().fold(f64::INFINITY, f64::min), totals().fold(0.0, f64::max)],
        }
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (None, _) => f64::NAN,
        (Some(upper), 0) => (values[middle - 1] + upper) / 2.0,
        (Some(value), _) => *value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        for (values, expected) in
            [(vec![3.0], 3.0), (vec![9.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0, 2.0, 9.0], 3.0)]
        {
            assert_eq!(median(values), expected);
        }
    }
}
