//! `cargo xtask setup`: everything the other commands need, fetched, verified and found again.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    thread::{self, ScopedJoinHandle},
};

use anyhow::{Context, Result, anyhow};

use crate::{
    apt, browser, cache, distribution, npm,
    parts::{self, Places},
    pip,
    step::{self, step},
    toolchain::{self, Toolchain},
};

/// JupyterLite for Pyodide 314 and for 0.27, and what each needs, by SHA-256.
const JUPYTERLITE: [(&str, &str); 2] = [
    ("0.8", include_str!("../python/jupyterlite-0.8.txt")),
    ("0.6", include_str!("../python/jupyterlite-0.6.txt")),
];

/// Where Debian's web servers are unpacked, in the cache.
const SERVERS: &str = "servers";

pub(crate) struct Ready {
    pub(crate) places: Places,
    pub(crate) toolchain: Toolchain,
}

/// How much is wanted: a newcomer's demo does not wait for what it does not use. What an earlier set-up has left is found
/// again in any case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// Chromium, and the Pyodide of the demo.
    Demo,
    /// And the JupyterLite that the addon's wheel is made with.
    Package,
    /// Every browser and every Pyodide.
    Bench,
    /// And what the tests' sites are made with.
    Everything,
}

pub(crate) fn run(scope: Scope) -> Result<Ready> {
    let cache = cache::folder()?;
    let pins = parts::pins()?;
    let toolchain = step("wasm toolchain: a Rust with wasm32-unknown-unknown", toolchain::install)?;
    let node_modules =
        step("npm: Node 26, binaryen, TypeScript, Pyodide's runtimes", || npm::install(&npm::TOOLS, &cache))?;
    let browsers = if scope < Scope::Bench {
        step("browser: Chromium and its driver", || browser::install_chromium(&cache))?
    } else {
        step("browsers: Chromium, Firefox, WebKitGTK and their drivers", || browser::install(&cache))?
    };
    let pyodide = distributions(&cache, &node_modules, &pins, scope)?;
    let extra = match scope {
        Scope::Demo | Scope::Bench => Extra::found(&cache),
        Scope::Package => {
            let jupyterlite = environments(&cache, &JUPYTERLITE[..1])?;
            Extra { jupyterlite, ..Extra::found(&cache) }
        }
        Scope::Everything => extra(&cache, &pins)?,
    };
    let node = npm::node(&node_modules)?;
    let Extra { site_modules, servers, jupyterlite, site_wheels } = extra;
    let places =
        Places { node, node_modules, browsers, pyodide, site_modules, servers, jupyterlite, site_wheels };
    places.write()?;
    Ok(Ready { places, toolchain })
}

/// Each Pyodide with its wheels. Where all are wanted, all at once: brotli 11 has one thread for a file, and most of a runtime
/// is one file.
fn distributions(
    cache: &Path,
    node_modules: &Path,
    pins: &parts::Pins,
    scope: Scope,
) -> Result<BTreeMap<String, PathBuf>> {
    let first = &pins.bundle.pyodide;
    let from_bundle = || distribution::from_bundle(cache, node_modules, &pins.bundle);
    let others = pins.wheels.iter().map(|wheels| &wheels.pyodide);
    if scope < Scope::Bench {
        let made = step(
            &format!("Pyodide {first}: wheels, checked against the official lock; brotli"),
            from_bundle,
        )?;
        let found = |version: &String| Some((version.clone(), distribution::found(cache, version)?));
        return Ok(others.filter_map(found).chain([(first.clone(), made)]).collect());
    }
    let versions: Vec<&str> = std::iter::once(first).chain(others).map(String::as_str).collect();
    step(&format!("Pyodide {}: wheels, each by its SHA-256; brotli", versions.join(", ")), || {
        thread::scope(|scope| {
            let mut at_work = vec![(first.clone(), scope.spawn(from_bundle))];
            at_work.extend(pins.wheels.iter().map(|wheels| {
                let from_wheels = || distribution::from_wheels(cache, node_modules, wheels);
                (wheels.pyodide.clone(), scope.spawn(from_wheels))
            }));
            joined(at_work)
        })
    })
}

/// What threads made, by name.
fn joined(
    at_work: Vec<(String, ScopedJoinHandle<'_, Result<PathBuf>>)>,
) -> Result<BTreeMap<String, PathBuf>> {
    let made = at_work.into_iter().map(|(name, made)| {
        let made = made.join().map_err(|_| anyhow!("making {name} panicked"))?;
        Ok((name, made?))
    });
    made.collect()
}

/// What only tests and the addon's wheel need.
struct Extra {
    site_modules: PathBuf,
    servers: PathBuf,
    jupyterlite: BTreeMap<String, PathBuf>,
    site_wheels: PathBuf,
}

fn extra(cache: &Path, pins: &parts::Pins) -> Result<Extra> {
    let site_modules =
        step("npm: Vite and PyScript, for the tests' sites", || npm::install(&npm::SITES, cache))?;
    let servers = cache.join(SERVERS);
    step("nginx, Caddy: Debian's, unpacked", || apt::unpack(&["nginx", "nginx-common", "caddy"], &servers))?;
    let site_wheels =
        step("JupyterLite: wheels for its sites", || pip::download_pure(&pins.site_wheels, cache))?;
    let jupyterlite = environments(cache, &JUPYTERLITE)?;
    Ok(Extra { site_modules, servers, jupyterlite, site_wheels })
}

fn environments(cache: &Path, wanted: &[(&str, &str)]) -> Result<BTreeMap<String, PathBuf>> {
    let versions: Vec<_> = wanted.iter().map(|(version, _)| *version).collect();
    step(&format!("JupyterLite: {}", versions.join(" and ")), || {
        thread::scope(|scope| {
            let at_work = wanted.iter().map(|(version, pins)| {
                let made = scope.spawn(move || pip::environment(cache, &environment(version), pins));
                ((*version).to_owned(), made)
            });
            joined(at_work.collect())
        })
    })
}

impl Extra {
    /// What an earlier set-up has left.
    fn found(cache: &Path) -> Extra {
        let pythons = JUPYTERLITE
            .iter()
            .map(|(version, _)| ((*version).to_owned(), cache.join(environment(version)).join(pip::PYTHON)));
        Extra {
            site_modules: npm::modules(&npm::SITES, cache),
            servers: cache.join(SERVERS),
            jupyterlite: pythons.filter(|(_, python)| python.exists()).collect(),
            site_wheels: cache.join(pip::SITE_WHEELS),
        }
    }
}

fn environment(jupyterlite: &str) -> String {
    format!("jupyterlite-{jupyterlite}")
}

/// Compresses each file with brotli 11, beside it as `.br`. Node's zlib is the encoder: it is already here, and a
/// debug build of a Rust one takes minutes over Pyodide's 10 MB.
pub(crate) fn brotli(files: &[PathBuf]) -> Result<()> {
    const SCRIPT: &str = "
        const { readFileSync, renameSync, writeFileSync } = require('node:fs');
        const { brotliCompressSync, constants } = require('node:zlib');
        for (const file of process.argv.slice(1)) {
            const bytes = readFileSync(file);
            const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24,
                             [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
            writeFileSync(file + '.partial', brotliCompressSync(bytes, { params }));
            renameSync(file + '.partial', file + '.br');
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
