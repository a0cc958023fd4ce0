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
    /// Pyodide's own version. Lock files of 0.28.0 to 0.29.3 all say `0.28.0.dev0`, later ones nothing; then that of its
    /// `package.json`, if it is there.
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
    let released = lock.info.version.filter(|version| !version.contains(".dev"));
    lock.info.version = released.or_else(|| released_version(dir));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_the_lock_file_does_not_have_is_that_of_the_release() {
        let folder = tempfile::tempdir().unwrap();
        let version = |locked: &str, package: Option<&str>| {
            let info = format!(r#"{{"python": "3.13.2"{locked}}}"#);
            std::fs::write(
                folder.path().join("pyodide-lock.json"),
                format!(r#"{{"info": {info}, "packages": {{}}}}"#),
            )
            .unwrap();
            let release = folder.path().join("package.json");
            match package {
                Some(text) => std::fs::write(release, text).unwrap(),
                None => drop(std::fs::remove_file(release)),
            }
            read(folder.path()).unwrap().info.version
        };
        let (unsaid, stale) = ("", r#", "version": "0.28.0.dev0""#);
        let released = r#"{"name": "pyodide", "version": "0.29.3"}"#;
        for locked in [unsaid, stale] {
            assert_eq!(version(locked, Some(released)).as_deref(), Some("0.29.3"));
            assert_eq!(version(locked, None), None);
            assert_eq!(version(locked, Some(r#"{"name": "site", "version": "1.0.0"}"#)), None);
            assert_eq!(version(locked, Some(r#"{"name": "pyodide", "version": "314.0.0-alpha.1"}"#)), None);
        }
        assert_eq!(version(r#", "version": "0.27.7""#, Some(released)).as_deref(), Some("0.27.7"));
    }
}
