//! Three engines and their drivers: from the distribution's own packages, Firefox's driver from crates.io.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::{apt, cache, step};

/// Firefox's driver, which no Debian package carries.
const GECKODRIVER: &str = "0.37.1";
/// Where it is, in the cache.
const GECKODRIVER_PROGRAM: &str = "geckodriver/bin/geckodriver";

/// Where the browsers and their drivers are on this machine.
#[derive(Serialize)]
pub(crate) struct Browsers {
    chromium: PathBuf,
    chromedriver: PathBuf,
    firefox: PathBuf,
    geckodriver: PathBuf,
    /// WebKitGTK's driver, which starts the browser that comes with it.
    webkitdriver: PathBuf,
    /// An X server without a screen: WebKitGTK's browser has no headless mode.
    xvfb: PathBuf,
}

/// Finds the browsers; installs those that are missing.
pub(crate) fn install(cache: &Path) -> Result<Browsers> {
    Ok(Browsers {
        firefox: debian("firefox-esr", "firefox-esr")?,
        geckodriver: geckodriver(cache)?,
        webkitdriver: debian("WebKitWebDriver", "webkit2gtk-driver")?,
        xvfb: debian("Xvfb", "xvfb")?,
        ..install_chromium(cache)?
    })
}

/// Finds or installs Chromium; of the others, names what would be there.
pub(crate) fn install_chromium(cache: &Path) -> Result<Browsers> {
    Ok(Browsers {
        chromium: debian("chromium", "chromium")?,
        chromedriver: debian("chromedriver", "chromium-driver")?,
        firefox: "firefox-esr".into(),
        geckodriver: cache.join(GECKODRIVER_PROGRAM),
        webkitdriver: "WebKitWebDriver".into(),
        xvfb: "Xvfb".into(),
    })
}

fn debian(program: &str, package: &str) -> Result<PathBuf> {
    if let Some(found) = apt::on_path(program) {
        return Ok(found);
    }
    apt::install(&[package])?;
    apt::on_path(program).with_context(|| {
        format!("apt-get installed {package}, but {program} is not on the PATH: add /usr/bin to it")
    })
}

/// Compiled once, without optimisation: it passes on a few commands, and takes half the time to build.
fn geckodriver(cache: &Path) -> Result<PathBuf> {
    let folder = cache.join("geckodriver");
    cache::filled(&folder, GECKODRIVER, |partial| {
        eprintln!("    cargo install geckodriver {GECKODRIVER}");
        let mut cargo = Command::new("cargo");
        cargo.args(["install", "geckodriver", "--version", GECKODRIVER, "--locked", "--debug", "--quiet"]);
        step::run_quietly(cargo.arg("--root").arg(partial))?;
        Ok(())
    })?;
    Ok(cache.join(GECKODRIVER_PROGRAM))
}
