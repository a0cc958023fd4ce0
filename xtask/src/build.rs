//! `cargo xtask build`: the npm package, the command line and the JupyterLite addon.

use std::{path::Path, process::Command, thread};

use anyhow::{Result, anyhow};

use crate::{
    addon, cache, package, setup,
    setup::{Ready, Scope},
    step,
    step::step,
    wasm,
};

/// The npm package and the command line; with [`Scope::Package`] and [`Scope::Everything`], the addon too.
pub(crate) fn run(scope: Scope) -> Result<Ready> {
    let ready = setup::run(scope)?;
    let target = cache::root().join("target");
    let folder = target.join("npm/wheelfs");
    let bound = target.join("npm/bound");
    let what =
        "vfs: compile for wasm32-unknown-unknown, wasm-bindgen, wasm-opt; target/release/prefetch-index";
    step(what, || both(|| wasm::make(&ready, &bound), || command_line(&target)))?;
    step("npm package: types from JSDoc, one file of JavaScript, tarball", || {
        let tarball = package::make(&ready.places, &bound, &folder)?;
        eprintln!("    {}", tarball.strip_prefix(cache::root()).unwrap_or(&tarball).display());
        Ok(())
    })?;
    step("site: what a page downloads, and its size", || {
        package::publish(&folder, &target.join("site/wheelfs"))
    })?;
    if matches!(scope, Scope::Demo | Scope::Bench) {
        return Ok(ready);
    }
    step("JupyterLite addon: a wheel", || {
        let wheel = addon::wheel(
            &ready.places,
            &target.join("site/wheelfs"),
            &target.join("release/prefetch-index"),
        )?;
        eprintln!("    {}", wheel.strip_prefix(cache::root()).unwrap_or(&wheel).display());
        Ok(())
    })?;
    Ok(ready)
}

/// Both at once: each ends with half a minute of one thread.
fn both(one: impl FnOnce() -> Result<()>, other: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    thread::scope(|scope| {
        let other = scope.spawn(other);
        one()?;
        other.join().map_err(|_| anyhow!("the build panicked"))?
    })
}

fn command_line(target: &Path) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(cache::root()).args(["build", "--quiet", "--locked", "--release"]);
    // Scripts rely on this path, so a CARGO_TARGET_DIR of the caller does not move it.
    step::run(cargo.args(["--package", "prefetch-index", "--target-dir"]).arg(target))
}
