//! `cargo xtask`: set-up, build, demo, test and bench of wheelfs.
//!
//! The only place in the project that installs or downloads anything. Everything it fetches comes from a package
//! registry through that registry's own client, is checked against a pinned hash, and is kept in a cache outside the
//! clone, so that a second run starts in seconds.

mod addon;
mod apt;
mod bench;
mod browser;
mod build;
mod bundle;
mod cache;
mod demo;
mod distribution;
mod end_to_end;
mod npm;
mod package;
mod parts;
mod pip;
mod setup;
mod step;
mod targets;
mod test;
mod toolchain;
mod typescript;
mod wasm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Set-up, build, demo, test and bench of wheelfs", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetch and verify everything the other commands need.
    Setup,
    /// Write target/npm/wheelfs-VERSION.tgz, target/release/prefetch-index and JupyterLite's addon in target/pypi.
    Build,
    /// Run the same Python eagerly and lazily over a slow line, print both, and serve the page.
    Demo(demo::Options),
    /// Everything that must pass before a change is merged.
    Test(test::Options),
    /// Measure strategies against each other in headless Chromium over a shaped line.
    Bench(Box<bench::Options>),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Setup => setup::run(setup::Scope::Everything).map(|_| ()),
        Command::Build => build::run(setup::Scope::Package).map(|_| ()),
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Bench(options) => bench::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
