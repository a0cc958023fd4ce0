//! The commands of README that are not `cargo xtask test`, which is running.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
};

use serde::Deserialize;
use wheelfs_tests::{HarnessError, Parts, Section};

/// Runs a line as a reader types it in the clone, without a terminal; returns what it printed.
fn typed(line: &str) -> Result<String, HarnessError> {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap_or_default())
        .args(words)
        .current_dir(Parts::root())
        // What the running cargo sets for tests is not a reader's.
        .env_remove("LD_LIBRARY_PATH")
        .stdin(Stdio::null())
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {told}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// One after the other, as a reader types them: both build.
#[test]
fn demo_and_bench() -> Result<(), HarnessError> {
    demo_prints_a_result()?;
    bench_writes_figures()
}

/// Without a terminal it stops after the result.
fn demo_prints_a_result() -> Result<(), HarnessError> {
    let block = Section::read("README.md", "Try it")?.code("")?;
    let line = block.lines().find(|line| line.starts_with("cargo xtask demo")).unwrap_or_default();
    let printed = typed(line.split('#').next().unwrap_or_default())?;
    for expected in ["eager", "ranges", "pack", "south     60    231.0   Grace"] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    Ok(())
}

#[derive(Deserialize)]
struct Report {
    app: String,
    rounds: u32,
    strategies: BTreeMap<String, Figures>,
}

#[derive(Deserialize)]
struct Figures {
    total_ms: f64,
    package_requests: u32,
    output_sha256: String,
}

fn bench_writes_figures() -> Result<(), HarnessError> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("figures.json");
    let line = Section::read("README.md", "Measuring")?.code("")?;
    assert!(line.contains(" --json FILE"), "{line}");
    typed(&line.replace("FILE", &file.to_string_lossy()))?;
    let report: Report = serde_json::from_slice(&std::fs::read(&file)?)
        .map_err(|source| HarnessError::Json { path: file, source })?;
    assert_eq!((report.app.as_str(), report.rounds), ("pandas", 3));
    let [eager, ranges] = ["eager", "ranges"].map(|name| &report.strategies[name]);
    assert_eq!(eager.output_sha256, ranges.output_sha256);
    assert!(eager.total_ms > 0.0 && ranges.total_ms > 0.0);
    assert_eq!((eager.package_requests, ranges.package_requests), (5, 12));
    Ok(())
}
