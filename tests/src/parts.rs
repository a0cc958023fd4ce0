//! Where `cargo xtask setup` and `build` have put things.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::HarnessError;

/// The parts on this machine, read from `target/parts.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Parts {
    /// Node 26, which has JSPI.
    pub node: PathBuf,
    /// The folder of npm packages: binaryen, typescript, `pyodide-VERSION`.
    pub node_modules: PathBuf,
    /// Google's engine.
    pub chromium: PathBuf,
    /// Its driver.
    pub chromedriver: PathBuf,
    /// Mozilla's engine.
    pub firefox: PathBuf,
    /// Its driver.
    pub geckodriver: PathBuf,
    /// The driver of Apple's engine, which starts the browser that comes with it.
    pub webkitdriver: PathBuf,
    /// The X server that browser draws on.
    pub xvfb: PathBuf,
    /// Pyodide version → a folder as a site serves it.
    pub pyodide: BTreeMap<String, PathBuf>,
    /// The folder of npm packages that the tests' sites are made with: vite, @pyscript/core.
    pub site_modules: PathBuf,
    /// Debian's nginx and Caddy, unpacked: `usr/sbin/nginx`, `etc/nginx`, `usr/bin/caddy`.
    pub servers: PathBuf,
    /// JupyterLite version → a Python that has it.
    pub jupyterlite: BTreeMap<String, PathBuf>,
    /// Folder of wheels that a JupyterLite site carries itself.
    pub site_wheels: PathBuf,
}

impl Parts {
    /// Reads what set-up wrote.
    pub fn find() -> Result<Parts, HarnessError> {
        let path = Parts::root().join("target/parts.json");
        let text = fs::read(&path).map_err(|_| HarnessError::Missing(path.clone()))?;
        serde_json::from_slice(&text).map_err(|source| HarnessError::Json { path, source })
    }

    /// The clone's root.
    pub fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
    }

    /// The distribution folder of one version, `0.27.7` for example.
    pub fn pyodide(&self, version: &str) -> Result<&Path, HarnessError> {
        self.pyodide
            .get(version)
            .map(PathBuf::as_path)
            .ok_or_else(|| HarnessError::NoPyodide(version.to_owned()))
    }

    /// A Python with JupyterLite 0.8 or 0.6.
    pub fn jupyterlite(&self, version: &str) -> Result<&Path, HarnessError> {
        self.jupyterlite
            .get(version)
            .map(PathBuf::as_path)
            .ok_or_else(|| HarnessError::NoJupyterLite(version.to_owned()))
    }

    /// The wheel of the JupyterLite addon.
    pub fn addon(&self) -> Result<PathBuf, HarnessError> {
        let folder = built("target/pypi")?;
        let first = fs::read_dir(&folder)?.next().transpose()?;
        first.map(|entry| entry.path()).ok_or(HarnessError::Missing(folder))
    }

    /// The npm package as built: `index.js`, `wheelfs_bg.wasm`, …
    pub fn package(&self) -> Result<PathBuf, HarnessError> {
        built("target/npm/wheelfs")
    }

    /// The npm package as `npm install` takes it.
    pub fn tarball(&self) -> Result<PathBuf, HarnessError> {
        built(concat!("target/npm/wheelfs-", env!("CARGO_PKG_VERSION"), ".tgz"))
    }

    /// The recorder and index builder.
    pub fn prefetch_index(&self) -> Result<PathBuf, HarnessError> {
        built("target/release/prefetch-index")
    }
}

fn built(path: &str) -> Result<PathBuf, HarnessError> {
    let path = Parts::root().join(path);
    if path.exists() { Ok(path) } else { Err(HarnessError::Missing(path)) }
}
