use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use prefetch_index::index::is_same_package;
use serde::Deserialize;

/// The parts of `pyodide-lock.json` the index needs.
#[derive(Debug, Deserialize)]
pub(crate) struct Lock {
    pub(crate) info: Info,
    pub(crate) packages: BTreeMap<String, LockPackage>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Info {
    pub(crate) python: String,
    /// Pyodide's own version. Lock files from 314 on do not say it; then that of its `package.json`, if it is there.
    #[serde(default)]
    pub(crate) version: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LockPackage {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) file_name: String,
    pub(crate) install_dir: String,
    pub(crate) sha256: String,
    #[serde(default)]
    pub(crate) imports: Vec<String>,
    #[serde(default)]
    pub(crate) depends: Vec<String>,
}

impl Lock {
    /// The package of that name, however it is spelled.
    pub(crate) fn package(&self, name: &str) -> Option<&LockPackage> {
        self.packages
            .get(name)
            .or_else(|| self.packages.values().find(|entry| is_same_package(&entry.name, name)))
    }
}

impl LockPackage {
    /// The archive's name in the folder, also where the lock gives a URL.
    pub(crate) fn local_name(&self) -> &str {
        self.file_name.rsplit('/').next().unwrap_or(&self.file_name)
    }
}

pub(crate) fn read(dir: &Path) -> Result<Lock> {
    let path = dir.join("pyodide-lock.json");
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!("{}: cannot be read; --pyodide must be a folder with Pyodide's files", path.display())
    })?;
    let mut lock: Lock = serde_json::from_str(&text).with_context(|| {
        format!("{}: not a Pyodide lock file; take the one of the same Pyodide release", path.display())
    })?;
    lock.info.version = lock.info.version.or_else(|| released_version(dir));
    Ok(lock)
}

/// The version of Pyodide's npm package, which is in its releases as well. A site may have a package of its own there.
fn released_version(dir: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
    }
    let text = std::fs::read_to_string(dir.join("package.json")).ok()?;
    let package: Package = serde_json::from_str(&text).ok()?;
    // npm spells what comes before a release in another way than Pyodide does: `314.0.0-alpha.1` for `314.0.0a1`.
    (package.name == "pyodide" && !package.version.contains('-')).then_some(package.version)
}
