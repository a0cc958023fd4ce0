//! `cargo xtask test`: all that must pass.

use std::process::Command;

use anyhow::Result;

use crate::{build, cache, demo, setup::Scope, step, step::step, typescript};

pub(crate) fn run() -> Result<()> {
    let ready = build::run(Scope::Everything)?;
    demo::index(&ready, demo::APP, demo::PYODIDE)?;
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new("cargo");
        command.current_dir(cache::root()).args(arguments);
        step::run(&mut command)
    };
    step("format: cargo fmt --check", || cargo(&["fmt", "--all", "--check"]))?;
    step("lint: cargo clippy, host", || {
        cargo(&["clippy", "--quiet", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"])
    })?;
    step("types: tsc over the clone's JavaScript", || typescript::check(&ready.places))?;
    step("test: native and end to end", || cargo(&["test", "--quiet", "--locked", "--workspace"]))?;
    eprintln!("==> all passed");
    Ok(())
}
