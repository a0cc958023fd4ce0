//! The npm package: the wasm module and the JavaScript edge, as `npm pack` ships them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use crate::{bundle, cache, parts::Places, setup, step, typescript};

/// What a page may download of wheelfs itself, in bytes of brotli: start-up time on every visit.
const WASM_LIMIT: u64 = 150_000;
const JS_LIMIT: u64 = 12_800;

/// What every page loads.
const EVERY_PAGE: [&str; 2] = ["index.js", "wheelfs_bg.wasm"];

/// What only some pages load: the stand-ins for Pyodide's entry, the saving of traces, the worker where a policy wants a file.
const SOME_PAGES: [&str; 5] = ["pyodide.js", "pyodide.mjs", "pyodide.module.js", "record.js", "worker.js"];

/// How the package is made of its sources: with them, what decides whether it has to be made again.
const RECIPE: [&str; 4] = [
    include_str!("package.rs"),
    include_str!("bundle.rs"),
    include_str!("typescript.rs"),
    include_str!("../npm/package-lock.json"),
];

/// Fills `folder` with the package and packs it, unless that was done with the same sources before; returns the tarball.
/// `bound`: what wasm-bindgen wrote.
pub(crate) fn make(places: &Places, bound: &Path, folder: &Path) -> Result<PathBuf> {
    let beside = folder.parent().context("the package's folder has no parent")?;
    let source = beside.join("source");
    gather(bound, &source)?;
    let sources = cache::digest([source.clone(), bound.to_owned()].into_iter().chain(documents()))?;
    let recipe = cache::sha256(RECIPE.concat().as_bytes());
    let tarball = beside.join(format!("wheelfs-{}.tgz", env!("CARGO_PKG_VERSION")));
    if !tarball.exists() {
        cache::remove(folder)?;
    }
    cache::filled(folder, &format!("{sources} {recipe}"), |partial| {
        begin(bound, partial)?;
        typescript::declare(places, &source, partial)?;
        bundle::bundle(places, &source, partial)?;
        pack(partial, beside)
    })?;
    ensure!(tarball.exists(), "npm pack ran, but {} is not there", tarball.display());
    Ok(tarball)
}

/// What stands in the package as it stands in the clone.
fn documents() -> impl Iterator<Item = PathBuf> {
    ["LICENSE-MIT", "LICENSE-APACHE", "README.md"].into_iter().map(|name| cache::root().join(name))
}

/// Gathers the JavaScript edge and wasm-bindgen's part of it, as TypeScript and the bundler read them.
fn gather(bound: &Path, source: &Path) -> Result<()> {
    empty(source)?;
    for file in fs::read_dir(cache::root().join("vfs/js"))? {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".d.mts") || name.ends_with(".mjs") && !name.ends_with(".test.mjs") {
            fs::copy(&path, source.join(name))?;
        }
    }
    if !source.join("index.mjs").exists() {
        bail!("vfs/js/index.mjs, the package's entry, is missing");
    }
    for name in ["wheelfs.js", "wheelfs.d.ts"] {
        fs::copy(bound.join(name), source.join(name))?;
    }
    // Without it TypeScript takes wheelfs.js for CommonJS.
    fs::write(source.join("package.json"), "{ \"type\": \"module\" }\n")?;
    Ok(())
}

/// Begins the package: the wasm module, the manifest, the licences and the README.
fn begin(bound: &Path, folder: &Path) -> Result<()> {
    for name in ["wheelfs_bg.wasm", "wheelfs.d.ts"] {
        fs::copy(bound.join(name), folder.join(name))?;
    }
    let manifest = json!({
        "name": "wheelfs",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "A lazy remote filesystem for Pyodide",
        "license": "MIT OR Apache-2.0",
        "type": "module",
        "main": "./index.js",
        "types": "./index.d.mts",
        "exports": {
            ".": { "types": "./index.d.mts", "default": "./index.js" },
            "./pyodide.mjs": { "types": "./pyodide.d.mts", "default": "./pyodide.mjs" },
            "./pyodide.js": "./pyodide.js",
            "./pyodide.module.js": { "types": "./pyodide.d.mts", "default": "./pyodide.module.js" },
            "./wheelfs_bg.wasm": "./wheelfs_bg.wasm",
            "./package.json": "./package.json"
        },
        // Bundlers for browsers would look for node:fs.
        "browser": { "./node.js": false },
        "keywords": ["pyodide", "python", "wasm", "jspi", "filesystem"]
    });
    fs::write(folder.join("package.json"), format!("{manifest:#}\n"))?;
    for document in documents() {
        fs::copy(&document, folder.join(document.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

/// Packs a folder into a tarball in `beside`.
fn pack(folder: &Path, beside: &Path) -> Result<()> {
    let mut npm = Command::new("npm");
    npm.current_dir(folder).args(["pack", "--ignore-scripts", "--loglevel=error", "--pack-destination"]);
    step::run_quietly(npm.arg(beside))?;
    Ok(())
}

/// Copies what a page downloads into `site`, with `.br` beside it, and says how large it is.
pub(crate) fn publish(folder: &Path, site: &Path) -> Result<()> {
    let names = || EVERY_PAGE.into_iter().chain(SOME_PAGES);
    cache::filled(site, &cache::digest(names().map(|name| folder.join(name)))?, |partial| {
        let copies: Vec<_> = names().map(|name| partial.join(name)).collect();
        for (name, copy) in names().zip(&copies) {
            fs::copy(folder.join(name), copy)?;
        }
        setup::brotli(&copies)
    })?;
    let [wasm, js] = sizes(site)?;
    eprintln!("    wasm {wasm} of {WASM_LIMIT} bytes, JavaScript {js} of {JS_LIMIT} bytes (brotli)");
    Ok(())
}

/// Fails when what every page downloads is larger than it may be. Not when it is built: another Rust than that of the
/// tests may make a few bytes more of it.
pub(crate) fn hold_to_limits(site: &Path) -> Result<()> {
    let [wasm, js] = sizes(site)?;
    ensure!(
        wasm <= WASM_LIMIT && js <= JS_LIMIT,
        "wheelfs itself is too large for a page: wasm {wasm} (limit {WASM_LIMIT}), JavaScript {js} (limit {JS_LIMIT}) \
         bytes of brotli"
    );
    Ok(())
}

/// Bytes of brotli that every page downloads: the module, and JavaScript.
fn sizes(site: &Path) -> Result<[u64; 2]> {
    let mut sizes = [0, 0];
    for name in EVERY_PAGE {
        let bytes = fs::metadata(setup::brotli_name(&site.join(name)))?.len();
        sizes[usize::from(!name.ends_with(".wasm"))] += bytes;
    }
    Ok(sizes)
}

fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    Ok(fs::create_dir_all(folder)?)
}
