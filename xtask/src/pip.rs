//! pip's parts. `--require-hashes` makes pip itself refuse any byte that `parts.toml` does not name.

use std::{fs, path::Path, process::Command};

use anyhow::{Result, bail};

use crate::{
    parts::{Bundle, Wheels},
    step,
};

/// Downloads the wheel that carries a distribution's wheels into `folder`.
pub(crate) fn download_bundle(bundle: &Bundle, folder: &Path) -> Result<()> {
    download(folder, &[(bundle.requirement.clone(), &bundle.sha256)], &[])
}

/// Downloads the pinned wheels for a Pyodide ABI into `folder`.
pub(crate) fn download_wheels(wheels: &Wheels, folder: &Path) -> Result<()> {
    let requirements: Vec<_> = wheels
        .packages
        .iter()
        .map(|wheel| (format!("{}=={}", wheel.name, wheel.version), &wheel.sha256))
        .collect();
    let target = [
        "--implementation=cp".to_owned(),
        format!("--python-version={}", wheels.python),
        format!("--abi={}", wheels.abi),
        format!("--platform={}", wheels.platform),
    ];
    download(folder, &requirements, &target)
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
