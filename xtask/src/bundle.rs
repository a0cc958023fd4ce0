//! One file of JavaScript for a page: each level of imports between modules would cost it a round trip.

use std::{fs, path::Path, process::Command};

use anyhow::Result;

use crate::{parts::Places, step};

/// Around the body of `index.js`, which is a function so that the page can start a worker from its source.
const BEFORE: &str = "const wheelfs = (place) => {";
/// Bundlers look for `new URL(name, import.meta.url)` as it stands here.
const AFTER: &str = r#"return place; };
export const { WheelfsError, importModule, loadPyodide, unpackInWorker } = wheelfs({
  url: import.meta.url,
  wasm: new URL("./wheelfs_bg.wasm", import.meta.url),
  source: () => String(wheelfs),
  worker: () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }),
});"#;

/// Bundles the package's entries from `source` into `package`, with source maps that carry the sources, so that a
/// person who looks sees the modules as written. What only Node, a page that records or a stand-in needs, or a worker,
/// stays a file of its own. Names end in `.js`: some servers have no type for `.mjs`, and browsers refuse a module without one.
pub(crate) fn bundle(places: &Places, source: &Path, package: &Path) -> Result<()> {
    for (entry, name, format) in [
        ("bundle.mjs", "index.js", "esm"),
        ("node.mjs", "node.js", "esm"),
        ("record.mjs", "record.js", "esm"),
        ("worker.mjs", "worker.js", "esm"),
        ("pyodide.mjs", "pyodide.mjs", "esm"),
        ("pyodide.mjs", "pyodide.module.js", "esm"),
        ("pyodide.classic.mjs", "pyodide.js", "iife"),
    ] {
        let bundle = package.join(name);
        let particular = match entry {
            "bundle.mjs" => vec![
                "--define:import.meta.url=place.url".to_owned(),
                format!("--banner:js={BEFORE}"),
                format!("--footer:js={AFTER}"),
            ],
            _ => vec!["--external:./index.mjs".to_owned()],
        };
        step::run_quietly(
            Command::new(&places.node)
                .arg(places.node_modules.join("esbuild/bin/esbuild"))
                .arg(source.join(entry))
                .args(particular)
                .arg(format!("--format={format}"))
                .args(["--bundle", "--platform=neutral", "--target=es2022", "--minify"])
                .args(["--external:node:*", "--external:./node.mjs", "--external:./record.mjs"])
                .args(["--sourcemap", "--log-level=warning"])
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
