//! The tests of `tests/`: each drives real browsers for minutes, so one that passed is run again only when something it
//! uses has changed, as `go test` does.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{cache, step, step::step};

/// What the tests read of the clone, beside what is compiled into them. Folders with all that is in them.
const READ: [&str; 11] = [
    "README.md",
    "demo-site",
    "docs",
    "tests",
    "target/npm/wheelfs",
    "target/parts.json",
    "target/pypi",
    "target/release/prefetch-index",
    "xtask/npm",
    "xtask/parts.toml",
    "xtask/src",
];

struct Target {
    name: String,
    executable: PathBuf,
}

/// Runs them, with `environment` set; those that passed with the same inputs only if they are to run `again`.
pub(crate) fn run(again: bool, environment: &[(&str, &str)]) -> Result<()> {
    let inputs = inputs()?;
    let mut failed = Vec::new();
    for Target { name, executable } in targets()? {
        let key = cache::sha256(format!("{inputs} {} {environment:?}", digest(&executable)?).as_bytes());
        let stamp = cache::root().join("target/passed").join(&name);
        if !again && fs::read_to_string(&stamp).is_ok_and(|found| found == key) {
            eprintln!("==> test: {name}: passed before, and nothing that it uses has changed");
            continue;
        }
        let outcome = step(&format!("test: {name}"), || {
            let mut cargo = cargo(&["--quiet", "--test", &name]);
            step::run(cargo.envs(environment.iter().copied()))
        });
        match outcome {
            Ok(()) => cache::write(&stamp, key.as_bytes())?,
            Err(_) => failed.push(name),
        }
    }
    ensure!(
        failed.is_empty(),
        "tests failed: {}; `cargo test --package wheelfs-tests --test NAME` repeats one",
        failed.join(", ")
    );
    Ok(())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(cache::root()).args(["test", "--locked", "--package", "wheelfs-tests"]).args(arguments);
    cargo
}

/// The test targets, compiled.
fn targets() -> Result<Vec<Target>> {
    let messages = step::run_quietly(&mut cargo(&["--no-run", "--test", "*", "--message-format", "json"]))?;
    let mut targets = Vec::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).context("cargo's messages are not JSON")?;
        let is_test =
            message["target"]["kind"].as_array().is_some_and(|kinds| kinds.contains(&"test".into()));
        if let (true, Some(name), Some(executable)) =
            (is_test, message["target"]["name"].as_str(), message["executable"].as_str())
        {
            targets.push(Target { name: name.to_owned(), executable: executable.into() });
        }
    }
    targets.sort_by(|a, b| a.name.cmp(&b.name));
    ensure!(!targets.is_empty(), "cargo names no test of wheelfs-tests");
    Ok(targets)
}

/// One digest of all that the tests read.
fn inputs() -> Result<String> {
    let mut files = Vec::new();
    for path in READ {
        gather(&cache::root().join(path), &mut files)?;
    }
    files.sort();
    let mut text = installed();
    for file in files {
        text += &format!("{} {}\n", digest(&file)?, file.display());
    }
    Ok(cache::sha256(text.as_bytes()))
}

/// Debian's versions of what the tests drive.
fn installed() -> String {
    const PACKAGES: [&str; 5] = ["chromium", "chromium-driver", "firefox-esr", "webkit2gtk-driver", "xvfb"];
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${Package} ${Version}\n"])
        .args(PACKAGES)
        .output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

fn gather(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // What Python leaves behind.
        if entry.file_name() != "__pycache__" {
            gather(&entry.path(), files)?;
        }
    }
    Ok(())
}

fn digest(file: &Path) -> Result<String> {
    Ok(cache::sha256(&fs::read(file).with_context(|| format!("cannot read {}", file.display()))?))
}
