//! README's lines, as they stand there: an index is made, inspected, and a page uses it.

use std::{fs, path::Path, process::Command};

use demo_site::Line;
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;
use wheelfs_tests::{Browser, HarnessError, Parts, Section, Site};

/// Pyodide's folder as a site has it, which an index can be written into.
fn pyodide(parts: &Parts) -> Result<TempDir, HarnessError> {
    let folder = tempfile::tempdir()?;
    for file in fs::read_dir(parts.pyodide("0.27.7")?)? {
        let file = file?;
        std::os::unix::fs::symlink(file.path(), folder.path().join(file.file_name()))?;
    }
    Ok(folder)
}

/// The command lines under "Making an index", with their options or without; `folder` is Pyodide's, and where the
/// index goes.
fn commands(folder: &Path, options: bool) -> Result<Vec<Vec<String>>, HarnessError> {
    let block = Section::read("README.md", "Making an index")?.code("")?;
    let folder = folder.to_string_lossy();
    // What does not begin at the margin belongs to the line before.
    let lines = block.replace("\n ", " ");
    Ok(lines.lines().map(|line| words(line, options, &folder)).collect())
}

/// The words of a line. Those in brackets, which may nest, are optional.
fn words(line: &str, options: bool, folder: &str) -> Vec<String> {
    let mut depth = 0;
    let mut kept = String::new();
    for character in line.chars() {
        match character {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ if depth == 0 || options => kept.push(character),
            _ => {}
        }
    }
    let given = |word: &str| match word {
        "DIR" => folder.to_owned(),
        "a,b" => "six,python-dateutil".to_owned(),
        "URL" => "/pyodide/".to_owned(),
        _ => word.replace("OUT/", &format!("{folder}/")),
    };
    kept.split_whitespace().map(given).collect()
}

/// Runs what a reader types in a folder with `source` as its `app.py`; returns what the last line printed.
fn follow(parts: &Parts, folder: &Path, options: bool, source: &str) -> Result<String, HarnessError> {
    let work = tempfile::tempdir()?;
    fs::write(work.path().join("app.py"), source)?;
    let mut printed = String::new();
    for command in commands(folder, options)? {
        assert_eq!(command[0], "prefetch-index", "{command:?}");
        let run = Command::new(parts.prefetch_index()?)
            .args(&command[1..])
            .env("NODE", &parts.node)
            .current_dir(work.path())
            .output()?;
        assert!(run.status.success(), "{command:?}: {}", String::from_utf8_lossy(&run.stderr));
        printed = String::from_utf8_lossy(&run.stdout).into_owned();
        if command[1] == "record" {
            // A second program, for those who have one.
            fs::copy(work.path().join("app.trace"), work.path().join("more.trace"))?;
        }
    }
    Ok(printed)
}

#[derive(Debug, Deserialize)]
struct Run {
    version: String,
    requests: u32,
}

#[tokio::test]
async fn an_index_and_a_page_that_uses_it() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let (folder, pages) = (pyodide(&parts)?, tempfile::tempdir()?);
    let table = follow(&parts, folder.path(), false, "import pandas\n")?;
    assert!(table.contains("python-dateutil"), "{table}");

    let code = Section::read("README.md", "In a page")?.code("js")?;
    let page = format!(
        r#"<!doctype html>
<script type="importmap">{{ "imports": {{ "wheelfs": "/wheelfs/index.js" }} }}</script>
<script>
  const failed = (reason) => (window.result = {{ error: String(reason?.message ?? reason) }});
  addEventListener("error", (event) => failed(event.error ?? event.message));
  addEventListener("unhandledrejection", (event) => failed(event.reason));
</script>
<script type="module">
{code}
  const version = await pyodide.runPythonAsync("pandas.__version__");
  window.result = {{ version, requests: pyodide.wheelfs.stats().requests }};
</script>"#
    );
    fs::write(pages.path().join("page.html"), page)?;
    let package = parts.package()?;
    let site = Site::of(&[("/", pages.path()), ("/wheelfs", package.as_path()), ("/pyodide", folder.path())]);
    let site = site.start(Line::new(0, 0)).await?;
    let run: Run = Browser::start(&parts).await?.result(&site.url("/page.html")).await?;
    assert_eq!(run.version, "2.2.3");
    assert!(run.requests <= 20, "the index foresaw all of it: {run:?}");
    Ok(())
}

#[tokio::test]
async fn an_index_with_all_options() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let folder = pyodide(&parts)?;
    let told = follow(&parts, folder.path(), true, "import six\n")?;
    let index: Value = serde_json::from_str(&told).map_err(std::io::Error::other)?;
    let entries: Vec<_> = index["entries"].as_array().into_iter().flatten().collect();
    assert_eq!(entries.len(), 2, "{told}");
    for file in ["wheelfs.idx", "python_stdlib.pack"] {
        assert!(folder.path().join(file).exists(), "{file}");
    }
    Ok(())
}
