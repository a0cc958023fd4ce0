//! The bench behind `cargo xtask bench` and `cargo xtask demo`: the same page by several strategies, in turn, each time
//! in a fresh browser at the far end of a shaped line. And many of them, as a report.

mod about;
mod figures;
mod limit;
mod markdown;
mod measure;
mod plan;
mod plot;
mod report;
mod run;
mod table;

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use clap::{Args, Parser};
use demo_site::Line;
use figures::{Figures, Run};
use limit::Limit;
use serde::Serialize;
use thiserror::Error;
use wheelfs_tests::{Engine, HarnessError, Parts, Site, bundle};

#[derive(Parser)]
enum Arguments {
    /// One comparison.
    Compare(Comparison),
    /// The page over a line, until Ctrl-C.
    Serve(Place),
    /// All of `tests/benchmarks.toml`, as BENCHMARKS.md.
    Report {
        #[arg(long)]
        quick: bool,
        #[arg(long)]
        resume: bool,
        /// Measure these scenarios only.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// The folder to write BENCHMARKS.md into.
        #[arg(long)]
        out: PathBuf,
    },
}

/// What is at the far end of which line.
#[derive(Args)]
struct Place {
    /// What the page offers; `compare` runs the first.
    #[arg(long, required = true, value_delimiter = ',')]
    app: Vec<String>,
    #[arg(long)]
    pyodide: String,
    #[arg(long)]
    rtt: u64,
    #[arg(long)]
    down: u64,
}

#[derive(Args)]
struct Comparison {
    #[command(flatten)]
    place: Place,
    #[arg(long, value_delimiter = ',', default_value = "eager,ranges")]
    strategies: Vec<String>,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    #[arg(long, value_enum, default_value = "chromium")]
    engine: Engine,
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The file that `--json` names. Figures are medians over the rounds.
#[derive(Serialize)]
struct Compared<'a> {
    app: &'a str,
    pyodide: &'a str,
    rtt_ms: u64,
    down_mbps: u64,
    rounds: u32,
    strategies: BTreeMap<&'a str, Figures>,
    /// Where `pack` and `memfs` ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
}

#[derive(Debug, Error)]
enum BenchError {
    #[error(transparent)]
    Harness(#[from] HarnessError),
    #[error(
        "{strategy} printed something else than {reference}: the figures compare nothing\n--- {reference}\n{wanted}\n--- {strategy}\n{found}"
    )]
    Output { reference: String, wanted: String, strategy: String, found: String },
    #[error("tests/benchmarks.toml has no scenario {0:?} to measure")]
    Scenario(String),
    #[error(
        "the report to resume is of commit {found} or another machine, this is {wanted}: check that out, or leave out \
         --resume to write over it"
    )]
    Resume { wanted: String, found: String },
    #[error("tests/benchmarks.toml: {0}")]
    Plan(#[from] toml::de::Error),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse() {
        Arguments::Compare(comparison) => compare(&comparison).await,
        Arguments::Serve(place) => serve(&place).await,
        Arguments::Report { quick, resume, only, out } => measure::report(quick, resume, &only, &out).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn compare(arguments: &Comparison) -> Result<(), BenchError> {
    let parts = Parts::find()?;
    let Place { app, pyodide, rtt, down } = &arguments.place;
    let app = &app[0];
    let line = Line::new(*rtt, *down);
    let site = Site::new(&parts, pyodide)?.tls();
    for strategy in &arguments.strategies {
        bundle::prepare(&parts, pyodide, app, strategy)?;
    }
    let mut runs: BTreeMap<&str, Vec<Run>> = BTreeMap::new();
    let mut reference: Option<(&str, String)> = None;
    for round in 1..=arguments.rounds {
        for strategy in &arguments.strategies {
            // What the processor alone needs.
            let line = if strategy == "memfs" { Line::new(0, 0) } else { line };
            let page = format!("/run.html?strategy={strategy}&app={app}&pyodide={pyodide}");
            let run = run::run(&parts, arguments.engine, site.clone(), line, &page).await?;
            eprintln!("    round {round}, {strategy}: {:.1} s", run.page.total_ms / 1e3);
            let (first, wanted) = reference.get_or_insert_with(|| (strategy, run.page.output.clone()));
            if *wanted != run.page.output {
                return Err(BenchError::Output {
                    reference: (*first).to_owned(),
                    wanted: wanted.clone(),
                    strategy: strategy.clone(),
                    found: run.page.output,
                });
            }
            runs.entry(strategy).or_default().push(run);
        }
    }
    let strategies: BTreeMap<_, _> =
        runs.iter().map(|(strategy, runs)| (*strategy, Figures::of(runs))).collect();
    let report = Compared {
        app,
        pyodide,
        rtt_ms: *rtt,
        down_mbps: *down,
        rounds: arguments.rounds,
        limit: Limit::of(&strategies, *rtt, *down),
        strategies,
    };
    if let Some((_, output)) = reference {
        println!("{output}\n");
    }
    println!("{}", table::table(&arguments.strategies, &report.strategies));
    if let Some(limit) = report.limit {
        println!("{limit}");
    }
    if let Some(path) = &arguments.json {
        let write = |source| BenchError::Write { path: path.clone(), source };
        let text = serde_json::to_vec_pretty(&report).map_err(|error| write(error.into()))?;
        std::fs::write(path, text).map_err(write)?;
    }
    Ok(())
}

/// Plain HTTP: a person's browser would stop at a certificate it does not know, and 127.0.0.1 is a secure context.
async fn serve(Place { app, pyodide, rtt, down }: &Place) -> Result<(), BenchError> {
    let parts = Parts::find()?;
    for app in app {
        bundle::offer(&parts, pyodide, app)?;
    }
    let site = Site::new(&parts, pyodide)?.start(Line::new(*rtt, *down)).await?;
    println!("{}", site.url("/"));
    tokio::signal::ctrl_c().await.map_err(HarnessError::from)?;
    Ok(())
}
