//! What cargo compiles to be run: tests, and programs of the tests' package. It says where they are, since a setting of the
//! caller's (`CARGO_TARGET_DIR`) may have them elsewhere.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{cache, step};

/// A file of tests, compiled.
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) executable: PathBuf,
    package: String,
}

impl Target {
    /// Whether it drives browsers or Node, for minutes.
    pub(crate) fn is_end_to_end(&self) -> bool {
        self.package.contains("#wheelfs-tests@")
    }
}

/// `cargo test` with all members, whichever of their targets are meant: of fewer members cargo unites other features, and
/// compiles half of the dependencies once more.
pub(crate) fn cargo_test(arguments: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(cache::root()).args(["test", "--locked", "--workspace"]).args(arguments);
    cargo
}

/// A program of the tests' package, compiled: as a member among all, for the same reason.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(cache::root()).args(["build", "--quiet", "--locked", "--workspace", "--bin", name]);
    let found = compiled(cargo, "bin")?.into_iter().find(|target| target.name == name);
    Ok(found.with_context(|| format!("cargo names no program {name}"))?.executable)
}

/// The targets of this kind that a command of cargo's compiles.
fn compiled(mut cargo: Command, kind: &str) -> Result<Vec<Target>> {
    let messages = step::run_quietly(cargo.args(["--message-format", "json"]))?;
    let mut targets = Vec::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).context("cargo's messages are not JSON")?;
        let is_meant = message["target"]["kind"].as_array().is_some_and(|kinds| kinds.contains(&kind.into()));
        let [name, package, executable] =
            [&message["target"]["name"], &message["package_id"], &message["executable"]].map(Value::as_str);
        if let (true, Some(name), Some(package), Some(executable)) = (is_meant, name, package, executable) {
            let (name, package) = (name.to_owned(), package.to_owned());
            targets.push(Target { name, package, executable: executable.into() });
        }
    }
    Ok(targets)
}

/// Compiles all tests; returns those that are files of their own, by name.
pub(crate) fn all() -> Result<Vec<Target>> {
    let mut targets = compiled(cargo_test(&["--no-run"]), "test")?;
    targets.sort_by(|a, b| a.name.cmp(&b.name));
    ensure!(targets.iter().any(Target::is_end_to_end), "cargo names no test of wheelfs-tests");
    Ok(targets)
}
