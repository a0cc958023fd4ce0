//! The commands of README that are not `cargo xtask test`, which is running.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
};

use serde::Deserialize;
use wheelfs_tests::{HarnessError, Parts, Section, read_json};

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
    demo_takes_options()?;
    bench_writes_figures()?;
    report_is_written()?;
    jupyterlite_is_measured()
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

/// README names them one by one.
fn demo_takes_options() -> Result<(), HarnessError> {
    let section = Section::read("README.md", "Try it")?;
    let once = section.quoted("cargo xtask demo --once")?;
    let [rtt, down, app] = ["--rtt", "--down", "--app"].map(|option| section.quoted(option));
    let (rtt, down, app) = (rtt?, down?, app?.replace("matplotlib,sklearn,pandas", "six"));
    let printed = typed(&format!("{once} {rtt} 0 {down} 0 {app}"))?;
    assert!(printed.contains("WHEELFS True") && printed.contains("pack"), "{printed}");
    Ok(())
}

/// As quick as can be: one scenario of the quick report, into a folder of its own.
fn report_is_written() -> Result<(), HarnessError> {
    let section = Section::read("README.md", "Measuring")?;
    section.quoted("cargo xtask bench --report")?;
    let [quick, only, out] = ["--quick", "--only", "--out"].map(|option| section.quoted(option));
    let folder = tempfile::tempdir()?;
    typed(&format!("cargo xtask bench {} {} six {} {}", quick?, only?, out?, folder.path().display()))?;
    let report = std::fs::read_to_string(folder.path().join("BENCHMARKS.md"))?;
    assert!(report.contains("## A tiny pure wheel") && report.contains("| `pack` |"), "{report}");
    assert!(folder.path().join("docs/benchmarks/runs.json").exists());
    Ok(())
}

fn jupyterlite_is_measured() -> Result<(), HarnessError> {
    let section = Section::read("README.md", "In JupyterLite, PyScript, or wherever Pyodide is a URL")?;
    let line = section.quoted("cargo xtask bench --jupyterlite")?;
    let printed = typed(&format!("{line} --rtt 0 --down 0 --rounds 1"))?;
    assert!(printed.contains("first import, s: unmodified "), "{printed}");
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
    assert!(line.contains(" --json FILE") && line.contains(" --rounds 3"), "{line}");
    typed(&line.replace("FILE", &file.to_string_lossy()).replace("--rounds 3", "--rounds 1"))?;
    let report: Report = read_json(&file)?;
    assert_eq!((report.app.as_str(), report.rounds), ("pandas", 1));
    let [eager, ranges] = ["eager", "ranges"].map(|name| &report.strategies[name]);
    assert_eq!(eager.output_sha256, ranges.output_sha256);
    assert!(eager.total_ms > 0.0 && ranges.total_ms > 0.0);
    assert_eq!((eager.package_requests, ranges.package_requests), (5, 12));
    Ok(())
}
