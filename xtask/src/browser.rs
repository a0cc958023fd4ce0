//! Chromium and its driver, from the distribution's own packages.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::apt;

/// The paths of Chromium and chromedriver; installs them if they are missing.
pub(crate) fn install() -> Result<(PathBuf, PathBuf)> {
    if let Some(found) = found() {
        return Ok(found);
    }
    apt::install(&["chromium", "chromium-driver"])?;
    let Some(found) = found() else {
        bail!(
            "apt-get installed chromium and chromium-driver, but they are not on the PATH: add /usr/bin to it"
        );
    };
    Ok(found)
}

fn found() -> Option<(PathBuf, PathBuf)> {
    Some((apt::on_path("chromium")?, apt::on_path("chromedriver")?))
}
