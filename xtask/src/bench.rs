//! `cargo xtask bench`: builds, then hands over to the bench in `tests/`.

use std::{fs, path::PathBuf, process::Command};

use anyhow::Result;
use clap::Args;
use serde::Deserialize;

use crate::{build, cache, demo, setup::Scope, step, step::step, targets};

#[derive(Args)]
pub(crate) struct Options {
    /// Python file in demo-site/apps, without its extension; demo-site/page/apps.mjs has to name it, with its packages.
    #[arg(long, default_value = "pandas")]
    app: String,
    /// Pyodide version.
    #[arg(long, default_value = "0.27.7")]
    pyodide: String,
    /// chromium, firefox, firefox-without-jspi or webkit.
    #[arg(long, default_value = "chromium")]
    engine: String,
    /// Round trip of the line in milliseconds; 0 leaves the line as it is.
    #[arg(long, default_value = "200")]
    rtt: String,
    /// Downstream rate of the line in Mbit/s; 0 leaves the line as it is.
    #[arg(long, default_value = "20")]
    down: String,
    /// Some of eager, eager-seq, bundle, naive, ranges, pack, pack-slim, rest, memfs; separated by commas, run in turn in every
    /// round.
    #[arg(long, value_delimiter = ',', default_value = "eager,ranges,pack")]
    strategies: Vec<String>,
    #[arg(long, default_value = "3")]
    rounds: String,
    /// Measure a JupyterLite site with and without the addon instead: "0.8" imports sympy on Pyodide 314, "0.6" pandas
    /// on 0.27.
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["app", "pyodide", "strategies"])]
    jupyterlite: Option<String>,
    /// Where to write the figures.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Measure all of tests/benchmarks.toml, in less than an hour, and write BENCHMARKS.md and docs/benchmarks.
    #[arg(long, group = "reports", conflicts_with_all = ["app", "pyodide", "engine", "rtt", "down", "strategies", "rounds", "jupyterlite", "json"])]
    report: bool,
    /// The report in less than five minutes: a few of its scenarios, a round or two.
    #[arg(long, group = "reports", conflicts_with = "jupyterlite")]
    quick: bool,
    /// Take over the runs of an earlier report of this commit that was interrupted.
    #[arg(long, requires = "reports")]
    resume: bool,
    /// Of the report only these scenarios, by their ids in tests/benchmarks.toml.
    #[arg(long, value_delimiter = ',', requires = "reports")]
    only: Vec<String>,
    /// The folder to write the report into; default: the clone.
    #[arg(long, value_name = "DIR", requires = "reports")]
    out: Option<PathBuf>,
}

/// As much of `tests/benchmarks.toml` as tells which indexes have to be there.
#[derive(Deserialize)]
struct Plan {
    scenario: Vec<Scenario>,
}

#[derive(Deserialize)]
struct Scenario {
    id: String,
    app: String,
    index: Option<String>,
    #[serde(default = "pyodide")]
    pyodide: String,
    strategies: Vec<String>,
    quick: Option<Quick>,
}

#[derive(Deserialize)]
struct Quick {
    strategies: Vec<String>,
}

fn pyodide() -> String {
    demo::PYODIDE.to_owned()
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some(version) = &options.jupyterlite {
        return jupyterlite(options, version);
    }
    if options.report || options.quick {
        return report(options);
    }
    let ready = build::run(Scope::Bench)?;
    demo::indexes(&ready, &options.app, &options.pyodide, &options.strategies)?;
    step("bench: browsers over the shaped line", || {
        let mut command = bench_command("compare")?;
        command.args(["--app", &options.app, "--pyodide", &options.pyodide, "--rtt", &options.rtt]);
        command.args(["--engine", &options.engine]);
        command.args([
            "--down",
            &options.down,
            "--strategies",
            &options.strategies.join(","),
            "--rounds",
            &options.rounds,
        ]);
        if let Some(json) = &options.json {
            command.arg("--json").arg(std::path::absolute(json)?);
        }
        step::run(&mut command)
    })
}

fn report(options: &Options) -> Result<()> {
    let ready = build::run(Scope::Bench)?;
    let plan: Plan = toml::from_str(&fs::read_to_string(cache::root().join("tests/benchmarks.toml"))?)?;
    for scenario in plan.scenario {
        let quick = scenario.quick.map(|quick| quick.strategies);
        let wanted = if options.quick { quick } else { Some(scenario.strategies) };
        let Some(strategies) = wanted else { continue };
        if !options.only.is_empty() && !options.only.contains(&scenario.id) {
            continue;
        }
        demo::indexes(
            &ready,
            scenario.index.as_ref().unwrap_or(&scenario.app),
            &scenario.pyodide,
            &strategies,
        )?;
    }
    let out = options.out.as_deref().unwrap_or(cache::root());
    step("bench: browsers over shaped lines", || {
        let mut command = bench_command("report")?;
        command.arg("--out").arg(std::path::absolute(out)?);
        for (wanted, flag) in [(options.quick, "--quick"), (options.resume, "--resume")] {
            if wanted {
                command.arg(flag);
            }
        }
        if !options.only.is_empty() {
            command.arg("--only").arg(options.only.join(","));
        }
        step::run(&mut command)
    })?;
    eprintln!("==> {}", out.join("BENCHMARKS.md").display());
    Ok(())
}

fn jupyterlite(options: &Options, version: &str) -> Result<()> {
    build::run(Scope::Everything)?;
    step("bench: JupyterLite with and without the addon, in Chromium over the shaped line", || {
        let mut command = program("bench-jupyterlite")?;
        command.args(["--jupyterlite", version, "--rtt", &options.rtt, "--down", &options.down]);
        command.args(["--rounds", &options.rounds]);
        if let Some(json) = &options.json {
            command.arg("--json").arg(std::path::absolute(json)?);
        }
        step::run(&mut command)
    })
}

/// The bench, up to its own arguments.
pub(crate) fn bench_command(name: &str) -> Result<Command> {
    let mut command = program("bench")?;
    command.arg(name);
    Ok(command)
}

fn program(name: &str) -> Result<Command> {
    let mut command = Command::new(targets::program(name)?);
    command.current_dir(cache::root());
    Ok(command)
}
