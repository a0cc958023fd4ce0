//! A Rust that can compile for `wasm32-unknown-unknown`.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Result, bail};

use crate::{apt, cache, step};

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Debian 12's Rust for building browsers. Its version follows Firefox's needs, so it is recent.
const DEBIAN: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld"];
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library";

/// Which Rust compiles the wasm module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Toolchain {
    /// The active toolchain has the target.
    Active,
    /// Debian's, which has no wasm target but the source to build one from.
    Debian,
}

/// Finds a toolchain with the target, or adds it: by rustup, else by Debian's packages.
pub(crate) fn install() -> Result<Toolchain> {
    if active_has_target() {
        return Ok(Toolchain::Active);
    }
    if !debian_is_there() && apt::on_path("rustup").is_some() {
        eprintln!("    rustup target add {TARGET}");
        let added = Command::new("rustup")
            .args(["target", "add", TARGET])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if added.is_ok_and(|status| status.success()) && active_has_target() {
            return Ok(Toolchain::Active);
        }
        eprintln!("    rustup could not: taking Debian's Rust instead");
    }
    if !debian_is_there() {
        apt::install(&DEBIAN)?;
    }
    if !debian_is_there() {
        bail!("no Rust here can compile for {TARGET}: run `rustup target add {TARGET}`");
    }
    Ok(Toolchain::Debian)
}

impl Toolchain {
    /// `cargo build` of the wasm module, its profile and target chosen.
    pub(crate) fn cargo_build(self) -> Command {
        let mut command = match self {
            Toolchain::Active => Command::new("cargo"),
            Toolchain::Debian => {
                let mut command = Command::new("/usr/bin/cargo");
                command
                    .env("RUSTC", "/usr/bin/rustc")
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "/usr/bin/wasm-ld")
                    .arg("-Zbuild-std=std,panic_abort");
                command
            }
        };
        command.current_dir(cache::root()).args(["build", "--locked", "--profile=wasm", "--target", TARGET]);
        command.arg("--target-dir").arg(self.target_dir());
        // The module is published: it must not carry this machine's folders in its panic messages.
        let home =
            std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| home + "/.cargo"));
        let mut flags = format!("--remap-path-prefix={}=/wheelfs", cache::root().display());
        if let Ok(home) = home {
            flags += &format!(" --remap-path-prefix={home}=/cargo");
        }
        // Nobody reads where it panicked, or a debug representation; they are a tenth of the module.
        flags += " -Zlocation-detail=none -Zfmt-debug=none";
        // These and -Zbuild-std are unstable, and both toolchains stable releases.
        command.env("RUSTC_BOOTSTRAP", "1");
        command.env("RUSTFLAGS", flags);
        command
    }

    /// `cargo clippy` of the wasm module, whose larger part no other target compiles. `None` where there is none for the
    /// target: Debian's package of it cannot be installed beside rustup.
    pub(crate) fn cargo_clippy(self) -> Option<Command> {
        if self == Toolchain::Debian {
            return None;
        }
        let mut command = Command::new("cargo");
        command.current_dir(cache::root());
        command.args(["clippy", "--quiet", "--locked", "--package", "vfs", "--lib"]);
        command.args(["--target", TARGET, "--target-dir"]).arg(self.target_dir());
        Some(command)
    }

    /// Apart from the host's, and from each other's: two compilers in one folder would rebuild it all each time.
    pub(crate) fn target_dir(self) -> PathBuf {
        cache::root().join(match self {
            Toolchain::Active => "target/wasm",
            Toolchain::Debian => "target/wasm-debian",
        })
    }
}

fn active_has_target() -> bool {
    let folder = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok());
    folder.is_some_and(|folder| Path::new(folder.trim()).is_dir())
}

fn debian_is_there() -> bool {
    Path::new(DEBIAN_SOURCE).is_dir() && step::starts("/usr/bin/cargo") && step::starts("/usr/bin/wasm-ld")
}
