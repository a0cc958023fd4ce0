//! `cargo xtask setup`: everything the other commands need, fetched, verified and found again.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    apt, browser, cache, distribution, npm,
    parts::{self, Places},
    step::{self, step},
    toolchain::{self, Toolchain},
};

pub(crate) struct Ready {
    pub(crate) places: Places,
    pub(crate) toolchain: Toolchain,
}

pub(crate) fn run() -> Result<Ready> {
    let cache = cache::folder()?;
    let pins = parts::pins()?;
    let toolchain = step("wasm toolchain: a Rust with wasm32-unknown-unknown", toolchain::install)?;
    let node_modules =
        step("npm: Node 26, binaryen, TypeScript, Pyodide's runtimes", || npm::install(&cache))?;
    let browsers =
        step("browsers: Chromium, Firefox, WebKitGTK and their drivers", || browser::install(&cache))?;
    let mut pyodide = BTreeMap::new();
    let version = pins.bundle.pyodide.clone();
    pyodide.insert(
        version.clone(),
        step(&format!("Pyodide {version}: wheels, checked against the official lock; brotli"), || {
            distribution::from_bundle(&cache, &node_modules, &pins.bundle)
        })?,
    );
    for wheels in &pins.wheels {
        let version = wheels.pyodide.clone();
        pyodide.insert(
            version.clone(),
            step(&format!("Pyodide {version}: wheels from PyPI; brotli"), || {
                distribution::from_wheels(&cache, &node_modules, wheels)
            })?,
        );
    }
    let places = Places { node: npm::node(&node_modules)?, node_modules, browsers, pyodide };
    places.write()?;
    Ok(Ready { places, toolchain })
}

/// Compresses each file with brotli 11, beside it as `.br`. Node's zlib is the encoder: it is already here, and a
/// debug build of a Rust one takes minutes over Pyodide's 10 MB.
pub(crate) fn brotli(files: &[PathBuf]) -> Result<()> {
    const SCRIPT: &str = "
        const { readFileSync, writeFileSync } = require('node:fs');
        const { brotliCompressSync, constants } = require('node:zlib');
        for (const file of process.argv.slice(1)) {
            const bytes = readFileSync(file);
            const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24,
                             [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
            writeFileSync(file + '.br', brotliCompressSync(bytes, { params }));
        }";
    if files.is_empty() {
        return Ok(());
    }
    let node = apt::on_path("node").context("node is not on the PATH: install Node 20 or later")?;
    step::run_quietly(Command::new(node).args(["-e", SCRIPT, "--"]).args(files))?;
    Ok(())
}

/// `FILE.br`, as [`brotli`] names it.
pub(crate) fn brotli_name(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".br");
    PathBuf::from(name)
}
