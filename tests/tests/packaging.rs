//! The npm package as its users get it: from the tarball, into an empty folder.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use demo_site::Line;
use tempfile::TempDir;
use wheelfs_tests::{Browser, HarnessError, LineSite, Parts, Recorder, Site};

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
    let output = output(&browser, &site).await?;
    let log = site.server.log().take();
    let wheels: Vec<_> = log.iter().filter(|entry| entry.path.ends_with(".whl")).collect();
    assert!(!wheels.is_empty() && wheels.iter().all(|entry| entry.status == 206), "{wheels:?}");
    assert!(log.iter().all(|entry| entry.status < 400), "{log:?}");
    Ok(output)
}

async fn output(browser: &Browser, site: &LineSite) -> Result<String, HarnessError> {
    browser.goto(&site.url("/")).await?;
    let shown = "const { value } = document.querySelector('output'); return value === '…' ? null : value";
    Ok(browser.value(shown).await?.as_str().unwrap_or_default().to_owned())
}

/// Builds the example in `folder`; returns the folder to serve.
fn by_vite(parts: &Parts, folder: &Path) -> Result<PathBuf, HarnessError> {
    let vite = module(parts, "vite/bin/vite.js");
    run(folder, &parts.node, &[vite.as_os_str()], &["build".as_ref()])?;
    Ok(folder.join("dist"))
}

fn by_esbuild(parts: &Parts, folder: &Path, more: &[&str]) -> Result<PathBuf, HarnessError> {
    let esbuild = module(parts, "esbuild/bin/esbuild");
    let mut options = vec!["main.mjs", "--bundle", "--format=esm", "--outdir=out"];
    options.extend(more);
    let options: Vec<_> = options.into_iter().map(OsStr::new).collect();
    run(folder, &parts.node, &[esbuild.as_os_str()], &options)?;
    let wasm = "wheelfs_bg.wasm";
    fs::copy(folder.join("node_modules/wheelfs").join(wasm), folder.join("out").join(wasm))?;
    Ok(folder.to_owned())
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
    let built = by_vite(&parts, folder.path())?;
    assert_eq!(shown(&parts, &built, "0.27.7").await?, "2026");
    Ok(())
}

#[tokio::test]
async fn a_site_built_by_esbuild() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let folder = installed(&parts, "esbuild")?;
    let built = by_esbuild(&parts, folder.path(), &[])?;
    assert_eq!(shown(&parts, &built, "0.27.7").await?, "2026");
    Ok(())
}

/// The worker that unpacks runs the package's own code, read back from the page: a bundler may change it, but must not
/// tear it apart. Where the page's policy forbids that, it runs a file, which Vite finds by itself.
#[tokio::test]
async fn packs_are_unpacked_in_a_worker_whatever_bundled_the_page() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let packs = Parts::root().join("target/test-index/0.27.7/bundled");
    let recorder = Recorder::new(&parts, "0.27.7");
    let trace = recorder.record("tests/apps/dates.py", &packs)?;
    recorder.build_with(&[&trace], &["--pack", "--quick"], &packs)?;
    let browser = Browser::start(&parts).await?;
    for (bundler, policy, of_file) in
        [("vite", "", 1), ("vite", "; worker-src blob:", 0), ("esbuild", "; worker-src blob:", 0)]
    {
        let folder = installed(&parts, bundler)?;
        let change = |name: &str, from: &str, to: &str| -> Result<(), HarnessError> {
            let file = folder.path().join(name);
            let text = fs::read_to_string(&file)?;
            assert!(text.contains(from), "{name}: {text}");
            Ok(fs::write(&file, text.replace(from, to))?)
        };
        let with_packs = "indexURL: \"/pyodide/\", wheelfs: { index: \"/packs/wheelfs.idx\" }";
        change("main.mjs", "indexURL: \"/pyodide/\"", with_packs)?;
        change("index.html", "'wasm-unsafe-eval'", &format!("'wasm-unsafe-eval'{policy}"))?;
        let built = match bundler {
            "vite" => by_vite(&parts, folder.path())?,
            _ => by_esbuild(&parts, folder.path(), &["--minify"])?,
        };
        let folders = [("/", built.as_path()), ("/pyodide", parts.pyodide("0.27.7")?), ("/packs", &packs)];
        let site = Site::of(&folders).start(Line::new(0, 0)).await?;
        assert_eq!(output(&browser, &site).await?, "2026", "{bundler}");
        let asked: Vec<_> = site.server.log().take().into_iter().map(|entry| entry.path).collect();
        let count = |part: &str| asked.iter().filter(|path| path.contains(part)).count();
        let counts = (count(".pack"), count(".whl"), count("/worker"));
        assert_eq!(counts, (1, 0, of_file), "{bundler}{policy}: {asked:?}");
        let of_page = browser.requested().await?;
        assert!(!of_page.iter().any(|name| name.ends_with(".pack")), "{bundler}{policy}: {of_page:?}");
    }
    Ok(())
}
