//! npm's parts: Node with JSPI, binaryen, TypeScript, Pyodide itself. `npm/package-lock.json` pins their hashes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use crate::{cache, step};

/// What build and demo need.
pub(crate) const TOOLS: Parts = Parts {
    name: "npm",
    package: include_str!("../npm/package.json"),
    lock: include_str!("../npm/package-lock.json"),
};

/// What only the tests' sites are made with.
pub(crate) const SITES: Parts = Parts {
    name: "npm-sites",
    package: include_str!("../npm/sites/package.json"),
    lock: include_str!("../npm/sites/package-lock.json"),
};

/// A set of packages and the lock that pins them.
pub(crate) struct Parts {
    name: &'static str,
    package: &'static str,
    lock: &'static str,
}

/// Installs the locked packages into the cache; returns their `node_modules`.
pub(crate) fn install(parts: &Parts, cache: &Path) -> Result<PathBuf> {
    if !step::starts("npm") {
        bail!(
            "npm is not on the PATH: install Node 20 or later with apt-get install nodejs npm, or from nodejs.org"
        );
    }
    let folder = cache.join(parts.name);
    cache::filled(&folder, &cache::sha256(parts.lock.as_bytes()), |partial| {
        fs::write(partial.join("package.json"), parts.package)?;
        fs::write(partial.join("package-lock.json"), parts.lock)?;
        // No package here needs its install script, so none may run one.
        step::run_quietly(Command::new("npm").current_dir(partial).args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ]))?;
        Ok(())
    })?;
    Ok(modules(parts, cache))
}

/// Where the packages are once they are installed.
pub(crate) fn modules(parts: &Parts, cache: &Path) -> PathBuf {
    cache.join(parts.name).join("node_modules")
}

/// Node 26: the `node` package would choose the machine's binary in an install script; its per-machine packages are
/// ordinary ones, and npm installs the one whose `os` and `cpu` fit.
pub(crate) fn node(node_modules: &Path) -> Result<PathBuf> {
    for machine in ["x64", "arm64"] {
        let node = node_modules.join(format!("node-linux-{machine}/bin/node"));
        if node.exists() {
            return Ok(node);
        }
    }
    bail!(
        "npm has no Node 26 for this machine in xtask/npm/package.json: only Linux on x64 and arm64 is supported"
    )
}
