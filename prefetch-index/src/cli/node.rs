use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

/// Files of the npm package `pyodide` without which it does not start.
const RUNTIME: [&str; 3] = ["pyodide.mjs", "python_stdlib.zip", "pyodide.asm.wasm"];

/// Fails when the folder cannot run Pyodide.
pub(crate) fn check_runtime(dir: &Path) -> Result<()> {
    for name in RUNTIME {
        if !dir.join(name).is_file() {
            bail!(
                "{}: {name} is missing; copy all files of the npm package pyodide into the folder",
                dir.display()
            );
        }
    }
    Ok(())
}

/// A path as the options have it, which are JSON.
pub(crate) fn option(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{}: not UTF-8, so Node cannot be told of it; rename it", path.display()))
}

/// Runs a script in Node: `$NODE`, else `node` on PATH. `work` is a folder for its files, names and texts, the script first;
/// `options` its argument.
pub(crate) fn run(work: &Path, files: &[(&str, &str)], options: &serde_json::Value) -> Result<ExitStatus> {
    for (name, text) in files {
        let file = work.join(name);
        std::fs::write(&file, text).with_context(|| format!("{}: cannot be written", file.display()))?;
    }
    let file = work.join(files.first().map_or("", |(name, _)| name));
    let node = std::env::var_os("NODE").unwrap_or_else(|| OsString::from("node"));
    let status = Command::new(&node).arg(&file).arg(options.to_string()).stdin(Stdio::null()).status();
    status.with_context(|| {
        let shown = node.display();
        format!("{shown}: Node cannot be started; install Node 18 or newer, or set NODE to its path")
    })
}
