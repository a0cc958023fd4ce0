//! Scripts in Node 26.

use std::{
    ffi::OsStr,
    io::{Read, Seek},
    path::Path,
    process::Stdio,
};

use serde::de::DeserializeOwned;
use tokio::process::Command;

use crate::{HarnessError, Parts};

/// Runs scripts in the Node that set-up installed, which has JSPI without a flag.
#[derive(Clone, Debug)]
pub struct Node {
    parts: Parts,
}

impl Node {
    /// The Node among `parts`.
    pub fn new(parts: &Parts) -> Node {
        Node { parts: parts.clone() }
    }

    /// Runs `script`, a path relative to `tests/`, and returns its result: the last line it prints to stdout, as JSON.
    /// Its earlier lines and its stderr go to the test's output.
    pub async fn run<T: DeserializeOwned>(
        &self,
        script: &str,
        arguments: &[impl AsRef<OsStr>],
    ) -> Result<T, HarnessError> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
        if !script.exists() {
            return Err(HarnessError::Missing(script));
        }
        // A file, not a pipe: what Node has written to a pipe may not have left when the script calls process.exit().
        let mut stdout = tempfile::tempfile()?;
        let output = Command::new(&self.parts.node)
            .arg(&script)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(stdout.try_clone()?)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?
            .wait_with_output()
            .await?;
        let mut printed = String::new();
        stdout.rewind()?;
        stdout.read_to_string(&mut printed)?;
        let (before, line) = printed.trim_end().rsplit_once('\n').unwrap_or(("", printed.trim_end()));
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        println!("{before}");
        if !output.status.success() {
            println!("{line}");
            return Err(HarnessError::Script { script, status: output.status });
        }
        serde_json::from_str(line).map_err(|source| HarnessError::NoResult {
            script,
            begin: line.chars().take(200).collect(),
            source,
        })
    }
}
