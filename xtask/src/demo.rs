//! `cargo xtask demo`: the difference in one table, then the page itself.

use std::{
    fs,
    io::{IsTerminal, stdin, stdout},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use clap::Args;

use crate::{
    bench::bench_command,
    build, cache,
    distribution::compress,
    setup::{self, Ready, Scope},
    step,
    step::step,
};

/// What demo and page tests run, and on which Pyodide.
pub(crate) const PYODIDE: &str = "0.27.7";
pub(crate) const APP: &str = "pandas";

#[derive(Args)]
pub(crate) struct Options {
    /// What to run, of demo-site/apps: pandas, matplotlib, sklearn, six; sympy with --pyodide 314.0.7. Of several,
    /// separated by commas, the first is run, and the page offers all.
    #[arg(long, value_delimiter = ',', default_value = APP)]
    app: Vec<String>,
    /// Pyodide version. Another one than the default needs what `cargo xtask bench` needs.
    #[arg(long, default_value = PYODIDE)]
    pyodide: String,
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
    let scope = if options.pyodide == PYODIDE { Scope::Demo } else { Scope::Bench };
    let ready = build::run(scope)?;
    let strategies = ["eager".to_owned(), "ranges".to_owned(), "pack".to_owned()];
    for app in &options.app {
        indexes(&ready, app, &options.pyodide, &strategies)?;
    }
    let line = ["--pyodide", &options.pyodide, "--rtt", &options.rtt, "--down", &options.down];
    step(
        &format!("the same Python three times, {} ms away at {} Mbit/s", options.rtt, options.down),
        || {
            let mut compare = bench_command("compare")?;
            compare.args(line).args(["--app", &options.app[0], "--strategies", &strategies.join(",")]);
            step::run(&mut compare)
        },
    )?;
    if options.once || !stdin().is_terminal() || !stdout().is_terminal() {
        return Ok(());
    }
    eprintln!("==> the page, over the same line; Ctrl-C ends it");
    step::run(bench_command("serve")?.args(line).args(["--app", &options.app.join(",")]))
}

/// Makes what these strategies need of indexes and packs, and compresses the runtime.
pub(crate) fn indexes(ready: &Ready, app: &str, pyodide: &str, strategies: &[String]) -> Result<()> {
    step(&format!("Pyodide {pyodide}: brotli"), || compress(distribution(ready, pyodide)?))?;
    let plain = index(ready, app, pyodide)?;
    let wants = |names: &[&str]| strategies.iter().any(|strategy| names.contains(&strategy.as_str()));
    let full: &[&str] = &["--pack", "--stdlib"];
    let slim: &[&str] = &["--pack", "--stdlib", "--strip", "docstrings,columns"];
    if wants(&["pack", "memfs"]) {
        packs(ready, app, pyodide, &plain, "pack", full)?;
    }
    if wants(&["pack-slim"]) {
        packs(ready, app, pyodide, &plain, "slim", slim)?;
    }
    Ok(())
}

/// Records the app on a stock Pyodide and builds its index, unless that was done with the same inputs; returns the
/// folder that holds `wheelfs.idx` and the trace.
pub(crate) fn index(ready: &Ready, app: &str, pyodide: &str) -> Result<PathBuf> {
    let root = cache::root();
    let source = root.join(format!("demo-site/apps/{app}.py"));
    let distribution = distribution(ready, pyodide)?;
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
            build_index(ready, distribution, &trace, &["--stdlib"], partial)
        })
    })?;
    Ok(folder)
}

/// Builds the index of the trace in `plain` once more, in its folder `name`, by other options.
fn packs(ready: &Ready, app: &str, pyodide: &str, plain: &Path, name: &str, options: &[&str]) -> Result<()> {
    let distribution = distribution(ready, pyodide)?;
    let trace = plain.join(format!("{app}.trace"));
    let mut inputs = fs::read(plain.join("wheelfs.idx"))?;
    inputs.extend(fs::read(cache::root().join("target/release/prefetch-index"))?);
    inputs.extend(options.concat().bytes());
    step(&format!("pack: {app}, {}", options.join(" ")), || {
        cache::filled(&plain.join(name), &cache::sha256(&inputs), |partial| {
            build_index(ready, distribution, &trace, options, partial)
        })
    })
}

fn distribution<'a>(ready: &'a Ready, pyodide: &str) -> Result<&'a PathBuf> {
    ready.places.pyodide.get(pyodide).with_context(|| format!("set-up has no Pyodide {pyodide}"))
}

fn build_index(
    ready: &Ready,
    distribution: &Path,
    trace: &Path,
    options: &[&str],
    folder: &Path,
) -> Result<()> {
    let mut build = Command::new(cache::root().join("target/release/prefetch-index"));
    build.env("NODE", &ready.places.node).arg("build").arg("--pyodide").arg(distribution);
    step::run_quietly(build.arg("--trace").arg(trace).args(options).arg("-o").arg(folder))?;
    setup::brotli(&[folder.join("wheelfs.idx")])
}
