//! `cargo xtask build`: the npm package, the command line and the JupyterLite addon.

use std::process::Command;

use anyhow::Result;

use crate::{
    addon, bundle, cache, package, setup,
    setup::{Ready, Scope},
    step,
    step::step,
    typescript, wasm,
};

/// The npm package and the command line; with [`Scope::Package`] and [`Scope::Everything`], the addon too.
pub(crate) fn run(scope: Scope) -> Result<Ready> {
    let ready = setup::run(scope)?;
    let target = cache::root().join("target");
    let folder = target.join("npm/wheelfs");
    let module = step("vfs: compile for wasm32-unknown-unknown", || wasm::compile(ready.toolchain))?;
    let bound = target.join("npm/bound");
    step("vfs: wasm-bindgen and wasm-opt", || wasm::bound(&ready.places, &module, &bound))?;
    step("npm package: types from JSDoc, one file of JavaScript, tarball", || {
        let source = target.join("npm/source");
        package::gather(&bound, &source)?;
        package::begin(&bound, &folder)?;
        typescript::declare(&ready.places, &source, &folder)?;
        bundle::bundle(&ready.places, &source, &folder)?;
        let tarball = package::pack(&folder)?;
        eprintln!("    {}", tarball.strip_prefix(cache::root()).unwrap_or(&tarball).display());
        Ok(())
    })?;
    step("site: what a page downloads, and its size", || {
        package::publish(&folder, &target.join("site/wheelfs"))
    })?;
    step("prefetch-index: target/release/prefetch-index", || {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(cache::root()).args(["build", "--quiet", "--locked", "--release"]);
        // Scripts rely on this path, so a CARGO_TARGET_DIR of the caller does not move it.
        cargo.args(["--package", "prefetch-index", "--target-dir"]).arg(&target);
        step::run(&mut cargo)
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
