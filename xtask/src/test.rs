//! `cargo xtask test`: all that must pass.

use std::{fs, process::Command};

use anyhow::{Context, Result};
use clap::Args;

use crate::{build, cache, demo, end_to_end, package, setup::Scope, step, step::step, targets, typescript};

/// README's table of engines stands between these lines.
const MATRIX: [&str; 2] =
    ["<!-- matrix: written by `cargo xtask test --matrix` -->\n", "<!-- matrix: end -->\n"];

#[derive(Args)]
pub(crate) struct Options {
    /// Run the program in every engine on every Pyodide (8 minutes more), and put what came of it into README.md's table.
    #[arg(long)]
    matrix: bool,
    /// Run every test, also those that passed before and use nothing that has changed.
    #[arg(long)]
    again: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let ready = build::run(Scope::Everything)?;
    demo::indexes(&ready, demo::APP, demo::PYODIDE, &["pack".to_owned()])?;
    let cargo =
        |arguments: &[&str]| step::run(Command::new("cargo").current_dir(cache::root()).args(arguments));
    step("format: cargo fmt --check", || cargo(&["fmt", "--all", "--check"]))?;
    step("size: what a page downloads of wheelfs", || {
        package::hold_to_limits(&cache::root().join("target/site/wheelfs"))
    })?;
    step("lint: cargo clippy, host", || {
        cargo(&["clippy", "--quiet", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])
    })?;
    if let Some(mut clippy) = ready.toolchain.cargo_clippy() {
        step("lint: cargo clippy, wasm", || step::run(clippy.args(["--", "-D", "warnings"])))?;
    }
    step("documentation: cargo doc, every link", || {
        let mut doc = Command::new("cargo");
        doc.current_dir(cache::root()).env("RUSTDOCFLAGS", "-D warnings");
        step::run(doc.args(["doc", "--quiet", "--locked", "--workspace", "--lib", "--no-deps"]))
    })?;
    step("types: tsc over the clone's JavaScript", || typescript::check(&ready.places))?;
    let (end_to_end, native): (Vec<_>, Vec<_>) =
        step("test: compile", targets::all)?.into_iter().partition(targets::Target::is_end_to_end);
    step("test: native", || {
        let names = native.iter().flat_map(|target| ["--test", &target.name]);
        step::run(targets::cargo_test(&["--quiet", "--lib", "--bins"]).args(names))?;
        step::run(&mut targets::cargo_test(&["--quiet", "--doc"]))
    })?;
    let environment: &[_] = if options.matrix { &[("WHEELFS_MATRIX", "all")] } else { &[] };
    end_to_end::run(end_to_end, options.again, environment)?;
    if options.matrix {
        step("README.md: the matrix", write_matrix)?;
    }
    eprintln!("==> all passed");
    Ok(())
}

/// Joins the rows that `tests/tests/matrix.rs` left, engine by engine.
fn write_matrix() -> Result<()> {
    let folder = cache::root().join("target/matrix");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .context("the test run left no rows in target/matrix")?
        .map(|file| file.map(|file| file.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let mut table =
        String::from("| engine | context | Pyodide | program | path | works |\n|---|---|---|---|---|---|\n");
    for file in files {
        table += &fs::read_to_string(file)?;
    }
    let readme = cache::root().join("README.md");
    let text = fs::read_to_string(&readme)?;
    let [begin, end] = MATRIX;
    let around = text.split_once(begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    let (before, after) = around.with_context(|| format!("README.md has no lines {begin:?} and {end:?}"))?;
    cache::write(&readme, [before, begin, &table, end, after].concat().as_bytes())
}
