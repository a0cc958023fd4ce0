//! Debian's packages: the browser, web servers, and a Rust that carries the source of its standard library.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::{cache, step};

/// Installs packages, or says in one line how a person can.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let advice = format!("install them with: apt-get install {}", packages.join(" "));
    let privilege = privilege(packages, &advice)?;
    eprintln!("    apt-get install {}", packages.join(" "));
    step::run_quietly(&mut apt_get(privilege, &["update", "-qq"])).context(advice.clone())?;
    let install = ["install", "-qq", "-y", "--no-install-recommends"];
    step::run_quietly(apt_get(privilege, &install).args(packages)).context(advice)?;
    Ok(())
}

/// Unpacks packages into `folder` without installing them: a server's package would start it.
pub(crate) fn unpack(packages: &[&str], folder: &Path) -> Result<()> {
    cache::filled(folder, &packages.join(" "), |partial| {
        let advice = format!("get them with: apt-get update; apt-get download {}", packages.join(" "));
        let download = || {
            let mut apt = Command::new("apt-get");
            step::run_quietly(apt.current_dir(partial).args(["download", "-qq"]).args(packages))
        };
        // A machine that has its browsers may never have fetched the lists of packages, or long ago.
        if download().is_err() {
            step::run_quietly(&mut apt_get(privilege(packages, &advice)?, &["update", "-qq"]))
                .context(advice.clone())?;
            download().context(advice)?;
        }
        for file in fs::read_dir(partial)? {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                step::run_quietly(Command::new("dpkg-deb").arg("--extract").arg(&path).arg(partial))?;
                fs::remove_file(path)?;
            }
        }
        Ok(())
    })
}

/// The words before `apt-get` that let it change the system.
fn privilege(packages: &[&str], advice: &str) -> Result<&'static [&'static str]> {
    let missing = packages.join(", ");
    if on_path("apt-get").is_none() {
        bail!("{missing} are missing and there is no apt-get here: install them your system's way");
    }
    if is_root() {
        Ok(&[])
    } else if may_sudo() {
        Ok(&["sudo", "-n"])
    } else {
        bail!("{missing} are missing, and this user is neither root nor may sudo: {advice}")
    }
}

/// The full path of a program that the PATH knows.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn apt_get(privilege: &[&str], arguments: &[&str]) -> Command {
    let words: Vec<_> =
        privilege.iter().chain(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(arguments);
    command
}

fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status.lines().any(|line| {
            line.strip_prefix("Uid:").is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"))
        })
    })
}

fn may_sudo() -> bool {
    Command::new("sudo")
        .args(["-n", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
