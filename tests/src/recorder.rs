//! Indexes made as a user makes them.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    HarnessError, Parts,
    made::{self, Made},
};

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
        let app = Parts::root().join(app);
        let name = Path::new(app.file_stem().unwrap_or_default()).with_extension("trace");
        self.made("record", &[&app], &[], folder, |made| {
            self.run("record", &["-o".as_ref(), made.join(&name).as_ref(), app.as_ref()])
        })?;
        Ok(folder.join(name))
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
        self.made("build", traces, options, folder, |made| {
            self.run("build", &[&arguments[..], &["-o".as_ref(), made.as_os_str()]].concat())
        })?;
        Ok(folder.join("wheelfs.idx"))
    }

    /// Copies what `make` makes of the inputs into `folder`. Made once: a pack of pandas takes half a minute.
    fn made(
        &self,
        command: &str,
        inputs: &[&Path],
        options: &[&str],
        folder: &Path,
        make: impl Fn(&Path) -> Result<(), HarnessError>,
    ) -> Result<(), HarnessError> {
        let lock = self.parts.pyodide(&self.version)?.join("pyodide-lock.json");
        // A file's name becomes the entry point's.
        let made = Made::by(&[command, &self.version, &options.join(" ")])
            .with(&[&self.parts.prefetch_index()?, &lock])?
            .of(inputs)?
            .folder();
        fs::create_dir_all(folder)?;
        let copy = |made: &Path| {
            for entry in fs::read_dir(made)? {
                let entry = entry?;
                fs::copy(entry.path(), folder.join(entry.file_name()))?;
            }
            Ok(())
        };
        while made::read(&made, copy)?.is_none() {
            made::fill(&made, &make)?;
        }
        Ok(())
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
