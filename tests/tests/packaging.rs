//! The npm package as its users get it: from the tarball, into an empty folder.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use demo_site::Line;
use serde_json::Value;
use tempfile::TempDir;
use wheelfs_tests::{Browser, HarnessError, Parts, Site};

/// An example of `demo-site/examples` with the package installed.
fn installed(parts: &Parts, example: &str) -> Result<TempDir, HarnessError> {
    let folder = tempfile::tempdir()?;
    let source = Parts::root().join("demo-site/examples").join(example);
    for file in fs::read_dir(source)? {
        let file = file?;
        fs::copy(file.path(), folder.path().join(file.file_name()))?;
    }
    let tarball = parts.tarball()?;
    // Without it npm would look for a package.json further up.
    fs::write(folder.path().join("package.json"), "{}")?;
    let npm = ["install", "--offline", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
    run(folder.path(), "npm".as_ref(), &npm.map(OsStr::new), &[tarball.as_os_str()])?;
    Ok(folder)
}

/// Runs a program in `folder`; returns what it printed.
fn run(folder: &Path, program: &Path, fixed: &[&OsStr], more: &[&OsStr]) -> Result<String, HarnessError> {
    let output =
        Command::new(program).args(fixed).args(more).current_dir(folder).stdin(Stdio::null()).output()?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{printed}{}", String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        Ok(printed)
    } else {
        Err(HarnessError::Script { script: program.to_owned(), status: output.status })
    }
}

/// Serves `folder` beside a Pyodide and waits for what the page shows. Nothing may have been loaded whole.
async fn shown(parts: &Parts, folder: &Path, pyodide: &str) -> Result<String, HarnessError> {
    let site =
        Site::of(&[("/", folder), ("/pyodide", parts.pyodide(pyodide)?)]).start(Line::new(0, 0)).await?;
    let browser = Browser::start(parts).await?;
    browser.goto(&site.url("/")).await?;
    let output = loop {
        match browser.execute("return document.querySelector('output').value").await? {
            Value::String(text) if text != "…" => break text,
            _ => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let log = site.server.log().take();
    let wheels: Vec<_> = log.iter().filter(|entry| entry.path.ends_with(".whl")).collect();
    assert!(!wheels.is_empty() && wheels.iter().all(|entry| entry.status == 206), "{wheels:?}");
    assert!(log.iter().all(|entry| entry.status < 400), "{log:?}");
    Ok(output)
}

fn module(parts: &Parts, name: &str) -> PathBuf {
    let mut folders = [&parts.node_modules, &parts.site_modules].into_iter().map(|folder| folder.join(name));
    folders.find(|file| file.exists()).unwrap_or_else(|| panic!("set-up has no {name}"))
}

#[tokio::test]
async fn node() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let folder = installed(&parts, "node")?;
    let distribution = parts.pyodide("0.27.7")?;
    let printed = run(folder.path(), &parts.node, &["main.mjs".as_ref()], &[distribution.as_os_str()])?;
    assert_eq!(printed.trim_end().lines().last(), Some("2026"));
    Ok(())
}

#[tokio::test]
async fn a_plain_page() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let folder = installed(&parts, "html")?;
    assert_eq!(shown(&parts, folder.path(), "0.27.7").await?, "2026");
    Ok(())
}

#[tokio::test]
async fn a_module_worker() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let folder = installed(&parts, "worker")?;
    assert_eq!(shown(&parts, folder.path(), "0.27.7").await?, "2026");
    Ok(())
}

#[tokio::test]
async fn a_site_built_by_vite() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let folder = installed(&parts, "vite")?;
    let vite = module(&parts, "vite/bin/vite.js");
    run(folder.path(), &parts.node, &[vite.as_os_str()], &["build".as_ref()])?;
    assert_eq!(shown(&parts, &folder.path().join("dist"), "0.27.7").await?, "2026");
    Ok(())
}

#[tokio::test]
async fn a_site_built_by_esbuild() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let folder = installed(&parts, "esbuild")?;
    let esbuild = module(&parts, "esbuild/bin/esbuild");
    let options = ["main.mjs", "--bundle", "--format=esm", "--outdir=out"].map(OsStr::new);
    run(folder.path(), &parts.node, &[esbuild.as_os_str()], &options)?;
    let wasm = "wheelfs_bg.wasm";
    fs::copy(folder.path().join("node_modules/wheelfs").join(wasm), folder.path().join("out").join(wasm))?;
    assert_eq!(shown(&parts, folder.path(), "0.27.7").await?, "2026");
    Ok(())
}
