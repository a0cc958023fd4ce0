//! Three engines and their drivers: from the distribution's own packages, Firefox's driver from crates.io.

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context, Result, anyhow};
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

/// Programs and the Debian packages that have them.
const CHROMIUM: [(&str, &str); 2] = [("chromium", "chromium"), ("chromedriver", "chromium-driver")];
const OTHERS: [(&str, &str); 3] =
    [("firefox-esr", "firefox-esr"), ("WebKitWebDriver", "webkit2gtk-driver"), ("Xvfb", "xvfb")];

/// Finds the browsers; installs those that are missing, while their driver is compiled.
pub(crate) fn install(cache: &Path) -> Result<Browsers> {
    let (geckodriver, debian) = thread::scope(|scope| {
        let geckodriver = scope.spawn(|| geckodriver(cache));
        let debian = debian(&[&CHROMIUM[..], &OTHERS].concat());
        (geckodriver.join(), debian)
    });
    debian?;
    Ok(Browsers {
        geckodriver: geckodriver.map_err(|_| anyhow!("compiling geckodriver panicked"))??,
        firefox: found(OTHERS[0])?,
        webkitdriver: found(OTHERS[1])?,
        xvfb: found(OTHERS[2])?,
        ..install_chromium(cache)?
    })
}

/// Finds or installs Chromium; of the others, names what would be there.
pub(crate) fn install_chromium(cache: &Path) -> Result<Browsers> {
    debian(&CHROMIUM)?;
    Ok(Browsers {
        chromium: found(CHROMIUM[0])?,
        chromedriver: found(CHROMIUM[1])?,
        firefox: "firefox-esr".into(),
        geckodriver: cache.join(GECKODRIVER_PROGRAM),
        webkitdriver: "WebKitWebDriver".into(),
        xvfb: "Xvfb".into(),
    })
}

/// Installs the packages whose programs are missing, all at once.
fn debian(wanted: &[(&str, &str)]) -> Result<()> {
    let missing = wanted.iter().filter(|(program, _)| apt::on_path(program).is_none());
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() { Ok(()) } else { apt::install(&packages) }
}

fn found((program, package): (&str, &str)) -> Result<PathBuf> {
    apt::on_path(program).with_context(|| {
        format!("apt-get installed {package}, but {program} is not on the PATH: add /usr/bin to it")
    })
}

/// Compiled once, neither optimised nor to be debugged: it passes on a few commands, and takes half the time to build.
fn geckodriver(cache: &Path) -> Result<PathBuf> {
    let folder = cache.join("geckodriver");
    cache::filled(&folder, GECKODRIVER, |partial| {
        eprintln!("    cargo install geckodriver {GECKODRIVER}");
        let mut cargo = Command::new("cargo");
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "0");
        cargo.args(["install", "geckodriver", "--version", GECKODRIVER, "--locked", "--debug", "--quiet"]);
        step::run_quietly(cargo.arg("--root").arg(partial))?;
        Ok(())
    })?;
    Ok(cache.join(GECKODRIVER_PROGRAM))
}
