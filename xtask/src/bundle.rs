//! One file of JavaScript for a page: each level of imports between modules would cost it a round trip.

use std::{path::Path, process::Command};

use anyhow::Result;

use crate::{parts::Places, step};

/// Bundles the package's entries from `source` into `package`, with a source map that carries the sources, so that a
/// person who looks sees the modules as written. What only Node or a page that records needs stays a file of its own.
pub(crate) fn bundle(places: &Places, source: &Path, package: &Path) -> Result<()> {
    for entry in ["index.mjs", "node.mjs", "record.mjs", "pyodide.mjs", "shim.mjs"] {
        let file = source.join(entry);
        if !file.exists() {
            continue;
        }
        let mut esbuild = Command::new(&places.node);
        esbuild
            .arg(places.node_modules.join("esbuild/bin/esbuild"))
            .arg(file)
            .args(["--bundle", "--format=esm", "--platform=neutral", "--target=es2022", "--minify"])
            .args(["--external:node:*", "--external:./node.mjs", "--external:./record.mjs"])
            .args(["--sourcemap", "--log-level=warning"])
            .arg(format!("--outfile={}", package.join(entry).display()));
        if entry != "index.mjs" {
            esbuild.arg("--external:./index.mjs");
        }
        step::run_quietly(&mut esbuild)?;
    }
    Ok(())
}
