//! `prefetch-index`: records what a Python program reads, and builds the index that brings it in time.

mod args;
mod build;
mod bytecode;
mod inspect;
mod lock;
mod node;
mod packs;
mod progress;
mod record;
mod stdlib;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let result = match args::Args::parse().command {
        args::Command::Record(args) => record::record(&args),
        args::Command::Build(args) => build::build(&args),
        args::Command::Inspect(args) => inspect::inspect(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The whole chain on one line: what was wanted, what was found, what to do.
            eprintln!("prefetch-index: {error:#}");
            ExitCode::FAILURE
        }
    }
}
