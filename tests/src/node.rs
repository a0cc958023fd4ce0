//! Scripts in Node 26.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{Read, Seek},
    path::{Path, PathBuf},
    process::Stdio,
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::{process::Command, time::timeout};

use crate::{
    HarnessError, Parts,
    browser::PATIENCE,
    made::{self, Made},
};

/// Runs scripts in the Node that set-up installed, which has JSPI without a flag.
#[derive(Clone, Debug)]
pub struct Node {
    parts: Parts,
}

/// What came of programs that ran through wheelfs, in Node or in a page of the tests.
#[derive(Debug, Deserialize)]
pub struct Lazy {
    /// What they printed.
    pub output: String,
    /// `pyodide.wheelfs.stats()` after them; empty if Pyodide did not start.
    #[serde(default)]
    pub stats: HashMap<String, f64>,
    /// What failed: `name`, `code`, `message`, `url`, `member`.
    pub error: Option<HashMap<String, String>>,
    /// `pyodide.wheelfs.trace()` after them; only in Node.
    #[serde(default)]
    pub trace: String,
    /// What the option `progress` was told, `bytes` and `expectedBytes` each, of an index.
    #[serde(default)]
    pub progress: Vec<(f64, f64)>,
    /// What the console was told.
    pub warnings: Vec<String>,
}

impl Lazy {
    /// What the option `progress` was told first and last. Panics unless it was told of ever more bytes, and never of more
    /// than it had been told to expect.
    pub fn progress(&self) -> ((f64, f64), (f64, f64)) {
        assert!(self.progress.is_sorted_by_key(|(bytes, _)| *bytes), "{:?}", self.progress);
        assert!(self.progress.iter().all(|(bytes, expected)| bytes <= expected), "{:?}", self.progress);
        match self.progress[..] {
            [first, .., last] => (first, last),
            _ => panic!("nobody was told of any progress"),
        }
    }
}

/// What `tests/node/rest.mjs` tells of a program with the option `rest`.
#[derive(Debug, Deserialize)]
pub struct Filled {
    /// What it printed; then the number of files and of their bytes.
    pub output: String,
    /// `pyodide.wheelfs.stats()` when all had come.
    pub filled: HashMap<String, f64>,
    /// The same after every file was read.
    pub read: HashMap<String, f64>,
}

/// What came of a program that ran on a stock Pyodide.
#[derive(Debug, Deserialize)]
pub struct Eager {
    /// What it printed.
    pub output: String,
    /// Pyodide's own word for its version.
    pub version: String,
}

impl Node {
    /// The Node among `parts`.
    pub fn new(parts: &Parts) -> Node {
        Node { parts: parts.clone() }
    }

    /// Runs programs through wheelfs, all at once. `options` are those of `tests/node/lazy.mjs`; unless they name another
    /// `indexURL`, Pyodide is that of `version`. Programs by their paths from the clone's root.
    pub async fn lazy(
        &self,
        version: &str,
        options: Value,
        programs: &[impl AsRef<Path>],
    ) -> Result<Lazy, HarnessError> {
        self.with_wheelfs("node/lazy.mjs", version, options, programs).await
    }

    /// The same by another script that takes such options, and programs after them.
    pub async fn with_wheelfs<T: DeserializeOwned>(
        &self,
        script: &str,
        version: &str,
        mut options: Value,
        programs: &[impl AsRef<Path>],
    ) -> Result<T, HarnessError> {
        options["package"] = json!(self.parts.package()?);
        if options["indexURL"].is_null() {
            options["indexURL"] = json!(self.parts.pyodide(version)?);
        }
        let programs = programs.iter().map(|program| Parts::root().join(program).into_os_string());
        let arguments: Vec<OsString> = std::iter::once(options.to_string().into()).chain(programs).collect();
        self.run(script, &arguments).await
    }

    /// Runs a program on a stock Pyodide after loading the packages, whose names commas separate. Once: many tests compare
    /// with the same.
    pub async fn eager(&self, version: &str, packages: &str, program: &str) -> Result<Eager, HarnessError> {
        const SCRIPT: &str = "node/eager.mjs";
        let (program, distribution) = (Parts::root().join(program), self.parts.pyodide(version)?);
        let made = Made::by(&["eager", version, packages])
            .with(&[&self.parts.node, &distribution.join("pyodide-lock.json")])?
            .of(&[&script(SCRIPT)?, &program])?
            .folder();
        let file = |folder: &Path| folder.join("eager.json");
        let text = loop {
            if let Some(text) = made::read(&made, |folder| fs::read(file(folder)))? {
                break text;
            }
            let arguments = [distribution.as_os_str(), packages.as_ref(), program.as_os_str()];
            let eager: Value = self.run(SCRIPT, &arguments).await?;
            made::fill(&made, |folder| Ok(fs::write(file(folder), eager.to_string())?))?;
        };
        serde_json::from_slice(&text).map_err(|source| HarnessError::Json { path: file(&made), source })
    }

    /// Runs the script `name`, a path relative to `tests/`, and returns its result: the last line it prints to stdout, as JSON.
    /// Its earlier lines and its stderr go to the test's output.
    pub async fn run<T: DeserializeOwned>(
        &self,
        name: &str,
        arguments: &[impl AsRef<OsStr>],
    ) -> Result<T, HarnessError> {
        let script = script(name)?;
        // A file, not a pipe: what Node has written to a pipe may not have left when the script calls process.exit().
        let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
        let mut node = Command::new(&self.parts.node)
            .arg(&script)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(stdout.try_clone()?)
            .stderr(stderr.try_clone()?)
            .kill_on_drop(true)
            .spawn()?;
        let ended = timeout(PATIENCE, node.wait()).await;
        if ended.is_err() {
            node.kill().await?;
        }
        let (printed, complaints) = (text(&mut stdout)?, text(&mut stderr)?);
        eprint!("{complaints}");
        let Ok(status) = ended else {
            println!("{printed}");
            return Err(HarnessError::NoEnd { script, seconds: PATIENCE.as_secs() });
        };
        let status = status?;
        let (before, line) = printed.trim_end().rsplit_once('\n').unwrap_or(("", printed.trim_end()));
        println!("{before}");
        if !status.success() {
            println!("{line}");
            return Err(HarnessError::Script { script, status });
        }
        serde_json::from_str(line).map_err(|source| HarnessError::NoResult {
            script,
            begin: line.chars().take(200).collect(),
            source,
        })
    }
}

/// All that was written to a file.
fn text(file: &mut File) -> Result<String, HarnessError> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A script by its path relative to `tests/`.
fn script(name: &str) -> Result<PathBuf, HarnessError> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if script.exists() { Ok(script) } else { Err(HarnessError::Missing(script)) }
}
