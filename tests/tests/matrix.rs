//! Every engine, on the page and in a worker, on every Pyodide: the same program prints the same, by whatever path.
//!
//! `cargo xtask test --matrix` runs every row, and makes README.md's table of what they leave in `target/matrix/`. Without it
//! some are left out: every engine runs with and without an index, on the page and in a worker; each Pyodide in some engine.

use std::{collections::HashMap, fs};

use demo_site::Line;
use serde::Deserialize;
use wheelfs_tests::{Browser, Engine, HarnessError, LineSite, Parts, Site};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    output: String,
    stats: HashMap<String, f64>,
    suspends: bool,
    isolated: bool,
    loaded: HashMap<String, String>,
}

/// What each Pyodide can run with the wheels that set-up found for it.
struct Program {
    pyodide: &'static str,
    app: &'static str,
    packages: &'static str,
    /// Known from an index, or mounted by `loadPackage`.
    index: &'static str,
    prints: &'static str,
}

const SYMPY: Program =
    Program { pyodide: "", app: "integral", packages: "sympy", index: "", prints: "-cos(x)" };

const PROGRAMS: [Program; 5] = [
    Program {
        pyodide: "0.27.7",
        app: "../../apps/pandas",
        packages: "pandas",
        index: "/index/pandas/wheelfs.idx",
        prints: " south     60    231.0   Grace",
    },
    Program { pyodide: "0.27.7", app: "frame", packages: "pandas", index: "", prints: "231" },
    Program { pyodide: "0.29.5", ..SYMPY },
    Program { pyodide: "314.0.7", ..SYMPY },
    Program { pyodide: "315.0.0-alpha.2", ..SYMPY },
];

#[derive(Clone, Copy)]
struct Context {
    name: &'static str,
    query: &'static str,
    isolated: bool,
}

const CONTEXTS: [Context; 4] = [
    Context { name: "page", query: "", isolated: false },
    Context { name: "page, isolated", query: "", isolated: true },
    Context { name: "worker", query: "&worker", isolated: false },
    Context { name: "worker, isolated", query: "&worker", isolated: true },
];

/// Whether a short run has this row. `number`: the program's.
fn is_in_every_run(engine: Engine, number: usize, context: Context) -> bool {
    let in_worker = !context.query.is_empty();
    match number {
        0 => true,
        1 => context.isolated && in_worker,
        number => number - 2 == engine as usize % 3 && in_worker == (engine as usize).is_multiple_of(2),
    }
}

async fn site(parts: &Parts, pyodide: &str, isolated: bool) -> Result<LineSite, HarnessError> {
    let site = Site::new(parts, pyodide)?.with_tests();
    let site = if isolated { site.isolated() } else { site };
    site.start(Line::new(0, 0)).await
}

/// How the bytes came: as Python asked for them, or before it could.
fn path(run: &Run, packages: &str) -> &'static str {
    let mounted =
        packages.split(',').all(|name| run.loaded.get(name).is_some_and(|channel| channel == "wheelfs"));
    match (mounted, run.stats["waits"] > 0.0, run.stats["blockingRequests"] > 0.0) {
        (true, true, false) => "jspi",
        (true, false, true) => "sync",
        (true, true, true) => "jspi and sync",
        (true, false, false) => "ahead",
        (false, ..) => "whole wheel",
    }
}

fn matrix_row(engine: Engine, name: &str, program: &Program, run: &Run) -> String {
    let works = if run.output.contains(program.prints) { "yes" } else { "NO" };
    let index = if program.index.is_empty() { "" } else { ", index" };
    let (app, path) = (program.packages, path(run, program.packages));
    let engine = engine.name();
    format!("| {engine} | {name} | {} | {app}{index} | {path} | {works} |\n", program.pyodide)
}

async fn the_same_program_everywhere(engine: Engine) -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let browser = Browser::of(&parts, engine).await?;
    let mut rows = String::new();
    // Of which README's table is made.
    let all_rows = std::env::var_os("WHEELFS_MATRIX").is_some();
    let told = fs::read_to_string(Parts::root().join("README.md"))?;
    for (number, program) in PROGRAMS.iter().enumerate() {
        for context in CONTEXTS {
            // Isolation changes nothing that depends on Pyodide's version.
            if context.isolated && !program.app.starts_with("frame") {
                continue;
            }
            if !all_rows && !is_in_every_run(engine, number, context) {
                continue;
            }
            let site = site(&parts, program.pyodide, context.isolated).await?;
            let packages = if program.index.is_empty() { program.packages } else { "" };
            let (app, index, query) = (program.app, program.index, context.query);
            let query = format!("app={app}&packages={packages}&index={index}{query}{}", engine.query());
            let url = site.url(&format!("/tests/lazy.html?{query}"));
            let run: Run = browser.result(&url).await?;
            let row = matrix_row(engine, context.name, program, &run);
            print!("{row}");
            assert!(run.output.contains(program.prints), "{row}{}", run.output);
            if !program.index.is_empty() && !engine.suspends() {
                assert!(run.stats["blockingRequests"] <= 3.0, "{row}{:?}", run.stats);
            }
            // With an index, whether a read has to wait is a matter of time.
            assert!(all_rows || !program.index.is_empty() || told.contains(&row), "not in README.md: {row}");
            assert_eq!((run.suspends, run.isolated), (engine.suspends(), context.isolated), "{row}");
            rows += &row;
        }
    }
    let folder = Parts::root().join("target/matrix");
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(format!("{engine:?}.md")), rows)?)
}

#[tokio::test]
async fn in_chromium() -> Result<(), HarnessError> {
    the_same_program_everywhere(Engine::Chromium).await
}

#[tokio::test]
async fn in_chromium_without_jspi() -> Result<(), HarnessError> {
    the_same_program_everywhere(Engine::ChromiumWithoutJspi).await
}

#[tokio::test]
async fn in_firefox() -> Result<(), HarnessError> {
    the_same_program_everywhere(Engine::Firefox).await
}

#[tokio::test]
async fn in_firefox_without_jspi() -> Result<(), HarnessError> {
    the_same_program_everywhere(Engine::FirefoxWithoutJspi).await
}

#[tokio::test]
async fn in_webkit() -> Result<(), HarnessError> {
    the_same_program_everywhere(Engine::WebKit).await
}
