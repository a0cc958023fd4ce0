//! pip's parts. `--require-hashes` makes pip itself refuse any byte that `parts.toml` does not name.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    cache,
    parts::{Bundle, Wheel, Wheels},
    step,
};

/// An environment's Python, in its folder.
pub(crate) const PYTHON: &str = "bin/python";

/// The folder of [`download_pure`], in the cache.
pub(crate) const SITE_WHEELS: &str = "site-wheels";

/// Downloads the wheel that carries a distribution's wheels into `folder`.
pub(crate) fn download_bundle(bundle: &Bundle, folder: &Path) -> Result<()> {
    download(folder, &[(bundle.requirement.clone(), &bundle.sha256)], &[])
}

/// Downloads the pinned wheels for a Pyodide ABI into `folder`.
pub(crate) fn download_wheels(wheels: &Wheels, folder: &Path) -> Result<()> {
    let target = [
        "--implementation=cp".to_owned(),
        format!("--python-version={}", wheels.python),
        format!("--abi={}", wheels.abi),
        format!("--platform={}", wheels.platform),
    ];
    download(folder, &requirements(&wheels.packages), &target)
}

/// Downloads pinned wheels that fit any Python into `cache`; returns their folder.
pub(crate) fn download_pure(wheels: &[Wheel], cache: &Path) -> Result<PathBuf> {
    let folder = cache.join(SITE_WHEELS);
    let key: String = wheels.iter().map(|wheel| wheel.sha256.as_str()).collect();
    cache::filled(&folder, &key, |partial| download(partial, &requirements(wheels), &[]))?;
    Ok(folder)
}

/// A virtual environment with what a requirements file pins; returns its Python. `name`: of the file, and of the folder
/// in `cache`.
pub(crate) fn environment(cache: &Path, name: &str, requirements: &str) -> Result<PathBuf> {
    let folder = cache.join(name);
    cache::filled(&folder, &cache::sha256(requirements.as_bytes()), |partial| {
        let list = partial.join("requirements.txt");
        fs::write(&list, requirements)?;
        step::run_quietly(Command::new("python3").args(["-m", "venv"]).arg(partial))
            .context("python3 -m venv does not work: install it with apt-get install python3-venv")?;
        // The folder is renamed when it is whole: what names it, scripts in bin, is not used.
        let mut pip = Command::new(partial.join(PYTHON));
        pip.args(["-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary=:all:"]);
        // Most of it is never imported.
        pip.arg("--no-compile");
        pip.args(["--disable-pip-version-check", "--no-cache-dir", "--requirement"]).arg(&list);
        step::run_quietly(&mut pip)?;
        Ok(())
    })?;
    Ok(folder.join(PYTHON))
}

fn requirements(wheels: &[Wheel]) -> Vec<(String, &String)> {
    wheels.iter().map(|wheel| (format!("{}=={}", wheel.name, wheel.version), &wheel.sha256)).collect()
}

fn download(folder: &Path, requirements: &[(String, &String)], target: &[String]) -> Result<()> {
    let starts = Command::new("python3").args(["-m", "pip", "--version"]).output();
    if !starts.is_ok_and(|output| output.status.success()) {
        bail!("python3 -m pip does not start: install it with apt-get install python3-pip");
    }
    let list = folder.join("requirements.txt");
    let lines: String =
        requirements.iter().map(|(name, hash)| format!("{name} --hash=sha256:{hash}\n")).collect();
    fs::write(&list, lines)?;
    step::run_quietly(
        Command::new("python3")
            .args([
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
                "--require-hashes",
            ])
            .args(["--disable-pip-version-check", "--no-cache-dir"])
            .args(target)
            .arg("--dest")
            .arg(folder)
            .arg("--requirement")
            .arg(&list),
    )?;
    fs::remove_file(list)?;
    Ok(())
}
