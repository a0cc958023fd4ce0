//! The pinned parts (`parts.toml`), and where set-up has put them (`target/parts.json`, read by `wheelfs-tests`).

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{browser::Browsers, cache};

/// The text of `parts.toml`; hashed into the stamps, so that a changed pin is fetched again.
pub(crate) const PINS: &str = include_str!("../parts.toml");

#[derive(Deserialize)]
pub(crate) struct Pins {
    pub(crate) bundle: Bundle,
    pub(crate) wheels: Vec<Wheels>,
    pub(crate) site_wheels: Vec<Wheel>,
}

/// A wheel that carries a distribution's wheels.
#[derive(Deserialize)]
pub(crate) struct Bundle {
    pub(crate) pyodide: String,
    pub(crate) requirement: String,
    pub(crate) sha256: String,
    pub(crate) folder: String,
}

/// Wheels that PyPI itself has for a Pyodide ABI.
#[derive(Deserialize)]
pub(crate) struct Wheels {
    pub(crate) pyodide: String,
    /// Whether the runtime is compressed when it is set up: brotli 11 takes most of a minute for it, and what nobody measures
    /// is served as it is.
    #[serde(default)]
    pub(crate) compressed: bool,
    pub(crate) python: String,
    pub(crate) abi: String,
    pub(crate) platform: String,
    pub(crate) packages: Vec<Wheel>,
}

#[derive(Deserialize)]
pub(crate) struct Wheel {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) file_name: String,
    pub(crate) sha256: String,
    /// For the lock file, where it has no such package.
    #[serde(default)]
    pub(crate) depends: Vec<String>,
}

pub(crate) fn pins() -> Result<Pins> {
    toml::from_str(PINS).context("xtask/parts.toml does not parse")
}

/// Where everything is on this machine.
#[derive(Serialize)]
pub(crate) struct Places {
    /// Node 26, which has JSPI.
    pub(crate) node: PathBuf,
    /// The folder of npm packages: binaryen, typescript, …
    pub(crate) node_modules: PathBuf,
    #[serde(flatten)]
    pub(crate) browsers: Browsers,
    /// Pyodide version → a folder as a site serves it: runtime, lock file, wheels, and `.br` beside what compresses, where
    /// it is measured.
    pub(crate) pyodide: BTreeMap<String, PathBuf>,
    /// The folder of npm packages that the tests' sites are made with: vite, @pyscript/core.
    pub(crate) site_modules: PathBuf,
    /// Debian's nginx and Caddy, unpacked: `usr/sbin/nginx`, `etc/nginx`, `usr/bin/caddy`.
    pub(crate) servers: PathBuf,
    /// JupyterLite version → a Python environment that has it.
    pub(crate) jupyterlite: BTreeMap<String, PathBuf>,
    /// Folder of the wheels that a JupyterLite site carries itself.
    pub(crate) site_wheels: PathBuf,
}

impl Places {
    /// Hands the places over to the test harness.
    pub(crate) fn write(&self) -> Result<()> {
        cache::write(&cache::root().join("target/parts.json"), &serde_json::to_vec_pretty(self)?)
    }
}
