//! The JupyterLite addon, as a wheel: its Python, what a site serves, and `prefetch-index`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{cache, parts::Places, step};

/// Builds the wheel in `target/pypi`. `site`: the folder of files that a page downloads; `tool`: the command line.
pub(crate) fn wheel(places: &Places, site: &Path, tool: &Path) -> Result<PathBuf> {
    let target = cache::root().join("target");
    let (source, wheels) = (target.join("jupyterlite-wheelfs"), target.join("pypi"));
    for folder in [&source, &wheels] {
        cache::remove(folder)?;
    }
    copy(&cache::root().join("demo-site/jupyterlite-wheelfs"), &source)?;
    let package = source.join("jupyterlite_wheelfs");
    // Compressed copies are the server's affair, the stamp is the build's.
    for file in fs::read_dir(site)? {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.ends_with(".br") && !name.starts_with('.') {
            copy(&path, &package.join("site").join(name))?;
        }
    }
    copy(tool, &package.join("bin/prefetch-index"))?;
    let python = places.jupyterlite.values().next().context("set-up has no JupyterLite")?;
    step::run_quietly(
        Command::new(python)
            .args(["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"])
            .args(["--disable-pip-version-check", "--wheel-dir"])
            .arg(&wheels)
            .arg(&source),
    )?;
    let Some(wheel) = fs::read_dir(&wheels)?.next() else {
        bail!("pip wheel ran, but {} is empty", wheels.display())
    };
    Ok(wheel?.path())
}

/// Copies a file, or a folder with all that is in it but what Python left.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            if entry.file_name() != "__pycache__" {
                copy(&entry.path(), &to.join(entry.file_name()))?;
            }
        }
    } else {
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(())
}
