//! Indexes made as a user makes them.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{HarnessError, Parts};

/// `prefetch-index` over one distribution.
#[derive(Clone, Debug)]
pub struct Recorder {
    parts: Parts,
    version: String,
}

impl Recorder {
    /// For the distribution of that version of Pyodide.
    pub fn new(parts: &Parts, version: &str) -> Recorder {
        Recorder { parts: parts.clone(), version: version.to_owned() }
    }

    /// Records `app` (a path in the clone) and builds its index in `folder`; returns the index.
    pub fn index(&self, app: &str, folder: &Path) -> Result<PathBuf, HarnessError> {
        let trace = self.record(app, folder)?;
        self.build(&[&trace], folder)
    }

    /// Records `app` (a path in the clone); returns its trace in `folder`.
    pub fn record(&self, app: &str, folder: &Path) -> Result<PathBuf, HarnessError> {
        std::fs::create_dir_all(folder)?;
        let app = Parts::root().join(app);
        let trace = folder.join(app.file_stem().unwrap_or_default()).with_extension("trace");
        self.run("record", &["-o".as_ref(), trace.as_ref(), app.as_ref()])?;
        Ok(trace)
    }

    /// Builds the index of these traces in `folder`; returns the index.
    pub fn build(&self, traces: &[&Path], folder: &Path) -> Result<PathBuf, HarnessError> {
        self.build_with(traces, &[], folder)
    }

    /// Builds the index of some traces by these options.
    pub fn build_with(
        &self,
        traces: &[&Path],
        options: &[&str],
        folder: &Path,
    ) -> Result<PathBuf, HarnessError> {
        let mut arguments: Vec<&OsStr> = options.iter().map(OsStr::new).collect();
        for trace in traces {
            arguments.extend(["--trace".as_ref(), trace.as_os_str()]);
        }
        arguments.extend(["-o".as_ref(), folder.as_os_str()]);
        self.run("build", &arguments)?;
        Ok(folder.join("wheelfs.idx"))
    }

    fn run(&self, command: &str, arguments: &[&OsStr]) -> Result<(), HarnessError> {
        let script = self.parts.prefetch_index()?;
        let output = Command::new(&script)
            .env("NODE", &self.parts.node)
            .arg(command)
            .arg("--pyodide")
            .arg(self.parts.pyodide(&self.version)?)
            .args(arguments)
            .output()?;
        print!("{}", String::from_utf8_lossy(&output.stderr));
        if output.status.success() {
            Ok(())
        } else {
            Err(HarnessError::Script { script, status: output.status })
        }
    }
}
