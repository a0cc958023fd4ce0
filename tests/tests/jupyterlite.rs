//! Real JupyterLite sites with the addon, built and used.

use std::{collections::BTreeMap, fs, path::Path};

use demo_site::Line;
use sha2::{Digest, Sha256};
use wheelfs_tests::{Browser, HarnessError, LineSite, Lite, LitePage, Parts, Site};

async fn serve(output: &Path) -> Result<LineSite, HarnessError> {
    Site::of(&[("/", output)]).start(Line::new(0, 0)).await
}

/// SHA-256 of every file.
fn digests(folder: &Path, found: &mut BTreeMap<String, String>) -> Result<(), HarnessError> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            digests(&path, found)?;
        } else {
            let digest = Sha256::digest(fs::read(&path)?);
            found.insert(path.display().to_string(), format!("{digest:x?}"));
        }
    }
    Ok(())
}

/// Boot, a package never loaded before, Tab on it, a wheel by pip, a restart, a second kernel beside the first.
async fn works(output: &Path, import: &str, shown: &str, tab: (&str, &str)) -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = serve(output).await?;
    let browser = Browser::start(&parts).await?;
    let page = LitePage::open(&browser, &site.url("/lab/index.html")).await?;
    page.start("first").await?;
    assert_eq!(page.run("first", "1 + 1").await?, "2");
    assert_eq!(page.run("first", import).await?, shown);
    let offered = page.complete("first", tab.0).await?;
    assert!(offered.iter().any(|name| name.ends_with(tab.1)), "{offered:?}");
    page.run("first", "%pip install cowsay").await?;
    let said = page.run("first", "import cowsay\ncowsay.cow('lazy')").await?;
    assert!(said.contains("| lazy |"), "{said}");
    let stats = "import pyodide_js\nprint(pyodide_js.wheelfs.suspends, pyodide_js.loadedPackages.ipython)";
    assert_eq!(page.run("first", stats).await?, "True wheelfs\n");
    page.restart("first").await?;
    let gone = page.run("first", "cowsay").await?;
    assert!(gone.contains("NameError"), "{gone}");
    page.start("second").await?;
    assert_eq!(page.run_in_all(&["first", "second"], import).await?, [shown, shown]);
    // Nothing was loaded whole.
    let log = site.server.log().take();
    for entry in
        log.iter().filter(|entry| entry.path.starts_with("/static/pyodide/") && entry.path.ends_with(".whl"))
    {
        assert_eq!(entry.status, 206, "{}", entry.path);
    }
    Ok(())
}

#[tokio::test]
async fn version_0_8_with_sympy() -> Result<(), HarnessError> {
    let folder = tempfile::tempdir()?;
    let lite = Lite::new(&Parts::find()?, "0.8", "jupyterlite", "314.0.7", folder.path())?;
    let output = folder.path().join("output");
    lite.lite("build", &output, &[])?;
    lite.lite("check", &output, &[])?;
    let (mut first, mut second) = (BTreeMap::new(), BTreeMap::new());
    digests(&output, &mut first)?;
    lite.lite("build", &output, &[])?;
    digests(&output, &mut second)?;
    assert_eq!(first, second, "a second build changed the site");
    let import = "import sympy\nx = sympy.symbols('x')\nsympy.integrate(sympy.sin(x), x)";
    works(&output, import, "-cos(x)", ("sympy.integr", "integrate")).await?;
    lite.lite("build", &output, &["--no-wheelfs"])?;
    let settings = fs::read_to_string(output.join("jupyter-lite.json"))?;
    assert!(settings.contains("./static/pyodide/pyodide.mjs") && !output.join("static/wheelfs").exists());
    Ok(())
}

#[tokio::test]
async fn version_0_6_with_pandas() -> Result<(), HarnessError> {
    let folder = tempfile::tempdir()?;
    let lite = Lite::new(&Parts::find()?, "0.6", "jupyterlite-0.27", "0.27.7", folder.path())?;
    let output = folder.path().join("output");
    lite.lite("build", &output, &[])?;
    lite.lite("check", &output, &[])?;
    let import = "import pandas\nint(pandas.DataFrame({'age': [36, 85]})['age'].sum())";
    works(&output, import, "121", ("pandas.DataFr", "DataFrame")).await
}
