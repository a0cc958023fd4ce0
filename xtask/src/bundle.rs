//! One file of JavaScript for a page: each level of imports between modules would cost it a round trip.

use std::{fs, path::Path, process::Command};

use anyhow::Result;

use crate::{parts::Places, step};

/// Bundles the package's entries from `source` into `package`, with source maps that carry the sources, so that a
/// person who looks sees the modules as written. What only Node, a worker, a page that records or a stand-in needs
/// stays a file of its own. Names end in `.js`: some servers have no type for `.mjs`, and browsers refuse a module without one.
pub(crate) fn bundle(places: &Places, source: &Path, package: &Path) -> Result<()> {
    for (entry, name, format) in [
        ("index.mjs", "index.js", "esm"),
        ("node.mjs", "node.js", "esm"),
        ("record.mjs", "record.js", "esm"),
        ("worker.mjs", "worker.js", "esm"),
        ("pyodide.mjs", "pyodide.mjs", "esm"),
        ("pyodide.mjs", "pyodide.module.js", "esm"),
        ("pyodide.classic.mjs", "pyodide.js", "iife"),
    ] {
        let bundle = package.join(name);
        step::run_quietly(
            Command::new(&places.node)
                .arg(places.node_modules.join("esbuild/bin/esbuild"))
                .arg(source.join(entry))
                .arg(format!("--format={format}"))
                .args(["--bundle", "--platform=neutral", "--target=es2022", "--minify"])
                .args(["--external:node:*", "--external:./node.mjs", "--external:./record.mjs"])
                .args(["--external:./index.mjs", "--sourcemap", "--log-level=warning"])
                .arg(format!("--outfile={}", bundle.display())),
        )?;
        let mut text = fs::read_to_string(&bundle)?;
        for module in ["index", "node", "record"] {
            for before in ["import(", "from"] {
                text = text
                    .replace(&format!("{before}\"./{module}.mjs\""), &format!("{before}\"./{module}.js\""));
            }
        }
        fs::write(bundle, text)?;
    }
    Ok(())
}
