//! The tests of `tests/`: each drives real browsers for minutes, so one that passed is run again only when something it
//! uses has changed, as `go test` does.

use std::{fs, process::Command};

use anyhow::{Result, ensure};

use crate::{
    cache, step,
    step::step,
    targets::{Target, cargo_test},
};

/// What the tests read of the clone, beside what is compiled into them. Folders with all that is in them.
const READ: [&str; 9] = [
    "README.md",
    "demo-site",
    "docs",
    "tests",
    "target/npm/wheelfs",
    "target/parts.json",
    "target/pypi",
    "target/release/prefetch-index",
    "xtask",
];

/// Runs them, with `environment` set; those that passed with the same inputs only if they are to run `again`.
pub(crate) fn run(targets: Vec<Target>, again: bool, environment: &[(&str, &str)]) -> Result<()> {
    let inputs = inputs()?;
    let mut failed = Vec::new();
    for Target { name, executable, .. } in targets {
        let key =
            cache::sha256(format!("{inputs} {} {environment:?}", cache::digest([executable])?).as_bytes());
        let stamp = cache::root().join("target/passed").join(&name);
        if !again && fs::read_to_string(&stamp).is_ok_and(|found| found == key) {
            eprintln!("==> test: {name}: passed before, and nothing that it uses has changed");
            continue;
        }
        let outcome = step(&format!("test: {name}"), || {
            let mut cargo = cargo_test(&["--quiet", "--test", &name]);
            step::run(cargo.envs(environment.iter().copied()))
        });
        match outcome {
            Ok(()) => cache::write(&stamp, key.as_bytes())?,
            Err(_) => failed.push(name),
        }
    }
    ensure!(
        failed.is_empty(),
        "tests failed: {}; `cargo test --workspace --test NAME` repeats one",
        failed.join(", ")
    );
    Ok(())
}

/// One digest of all that the tests read.
fn inputs() -> Result<String> {
    Ok(installed() + &cache::digest(READ.map(|path| cache::root().join(path)))?)
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
