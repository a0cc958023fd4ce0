//! `cargo xtask demo`: the difference in one table, then the page itself.

use std::{
    fs,
    io::{IsTerminal, stdin, stdout},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    bench::bench_command,
    build, cache,
    setup::{self, Ready, Scope},
    step,
    step::step,
};

/// What demo and page tests run, and on which Pyodide.
pub(crate) const PYODIDE: &str = "0.27.7";
pub(crate) const APP: &str = "pandas";

#[derive(Args)]
pub(crate) struct Options {
    /// Stop after the result instead of serving the page until Ctrl-C.
    #[arg(long)]
    once: bool,
    /// Round trip of the line in milliseconds.
    #[arg(long, default_value = "200")]
    rtt: String,
    /// Downstream rate of the line in Mbit/s.
    #[arg(long, default_value = "20")]
    down: String,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let ready = build::run(Scope::Demo)?;
    index(&ready, APP, PYODIDE)?;
    let line = ["--app", APP, "--pyodide", PYODIDE, "--rtt", &options.rtt, "--down", &options.down];
    step(&format!("the same Python twice, {} ms away at {} Mbit/s", options.rtt, options.down), || {
        step::run(bench_command("dev").args(line).args(["--strategies", "eager,ranges", "--rounds", "1"]))
    })?;
    if options.once || !stdin().is_terminal() || !stdout().is_terminal() {
        return Ok(());
    }
    eprintln!("==> the page, over the same line; Ctrl-C ends it");
    step::run(bench_command("dev").args(line).arg("--serve"))
}

/// Records the app on a stock Pyodide and builds its index, unless that was done with the same inputs; returns the
/// folder that holds `wheelfs.idx`.
pub(crate) fn index(ready: &Ready, app: &str, pyodide: &str) -> Result<PathBuf> {
    let root = cache::root();
    let source = root.join(format!("demo-site/apps/{app}.py"));
    let distribution =
        ready.places.pyodide.get(pyodide).with_context(|| format!("set-up has no Pyodide {pyodide}"))?;
    let tool = root.join("target/release/prefetch-index");
    let folder = root.join(format!("target/site/index/{pyodide}/{app}"));
    let mut inputs = fs::read(&source).with_context(|| format!("no app {}", source.display()))?;
    inputs.extend(fs::read(&tool)?);
    inputs.extend(fs::read(distribution.join("pyodide-lock.json"))?);
    step(&format!("index: what {app}.py reads on Pyodide {pyodide}"), || {
        cache::filled(&folder, &cache::sha256(&inputs), |partial| {
            let trace = partial.join(format!("{app}.trace"));
            let mut record = Command::new(&tool);
            record.env("NODE", &ready.places.node).arg("record").arg("--pyodide").arg(distribution);
            step::run_quietly(record.arg("-o").arg(&trace).arg(&source))?;
            let mut build = Command::new(&tool);
            build.arg("build").arg("--pyodide").arg(distribution).arg("--trace").arg(&trace);
            step::run_quietly(build.arg("-o").arg(partial))?;
            setup::brotli(&[partial.join("wheelfs.idx")])
        })
    })?;
    Ok(folder)
}
