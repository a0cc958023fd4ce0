//! Real JupyterLite sites with the addon, built once and used in every engine.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use demo_site::{Entry, Line};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wheelfs_tests::{
    Browser, Commands, Engine, HarnessError, LineSite, Lite, LitePage, Parts, Recorder, Section, Site,
    read_json,
};

/// Packs in seconds instead of a minute.
const QUICK: &str = "--WheelfsAddon.build_options=--quick";

/// Of a tenth of a second each, for what is to come by itself: not how fast it has to be, but the end of a test that would
/// never end.
const ROUNDS: u32 = 3000;

/// A site, and what is done with it.
struct Example {
    pyodide: &'static str,
    output: PathBuf,
    /// A cell that imports a package which a notebook of the site imports too, and what it shows.
    import: (&'static str, &'static str),
    /// What is typed before Tab, and the end of something it has to offer.
    tab: (&'static str, &'static str),
    /// The same as `import` with a package that no notebook imports.
    unforeseen: (&'static str, &'static str),
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

/// A folder of this name for a site: empty, but for what the addon keeps of earlier builds by what it was made of.
fn folder(name: &str) -> Result<PathBuf, HarnessError> {
    let sites = Parts::root().join("target/test-site");
    let (folder, kept) = (sites.join(name), sites.join(format!("{name}.kept")));
    let cache = folder.join("site/.cache/wheelfs");
    if cache.exists() && !kept.exists() {
        fs::rename(&cache, &kept)?;
    }
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    if kept.exists() {
        fs::create_dir_all(folder.join("site/.cache"))?;
        fs::rename(kept, cache)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// JupyterLite 0.8 with Pyodide 314 by `--pyodide`, a lock file of its own as `--pyodide-lock` leaves it, and a wheel by
/// `--piplite-wheels`. Built twice, switched off and on again.
fn sympy_on_0_8() -> Result<Example, HarnessError> {
    let parts = Parts::find()?;
    let folder = folder("jupyterlite-0.8")?;
    let (lite, output) =
        (Lite::new(&parts, "0.8", "jupyterlite", Commands::of_readme()?, &folder)?, folder.join("output"));
    let distribution = parts.pyodide("314.0.7")?;
    fs::create_dir_all(folder.join("given/pyodide"))?;
    std::os::unix::fs::symlink(distribution, folder.join("given/pyodide/pyodide"))?;
    let lock_url = "./files/pyodide-lock.json";
    let lock_file = lite.source().join(lock_url);
    let mut lock: Value = read_json(&distribution.join("pyodide-lock.json"))?;
    for package in lock["packages"].as_object_mut().into_iter().flat_map(|packages| packages.values_mut()) {
        package["file_name"] =
            format!("../static/pyodide/{}", package["file_name"].as_str().unwrap_or("")).into();
    }
    fs::write(&lock_file, lock.to_string())?;
    lite.configure(json!({ "loadPyodideOptions": { "lockFileURL": lock_url, "packages": ["ipython"] } }))?;
    let wheels = parts.site_wheels.to_string_lossy();
    let given = folder.join("given/pyodide");
    let options = [QUICK, "--pyodide", &given.to_string_lossy(), "--piplite-wheels", &wheels];
    let build = |more: &[&str]| lite.build(&output, &[&options, more].concat());

    build(&[])?;
    let (mut first, mut second, mut third) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    digests(&output, &mut first)?;
    // It builds once more, and then looks.
    lite.check(&output, &options)?;
    digests(&output, &mut second)?;
    assert_eq!(first, second, "a second build changed the site");
    let settings = lite.kernel_settings(&output)?;
    assert_eq!(settings["pyodideUrl"], "./static/wheelfs/pyodide.module.js");
    assert_eq!(settings["loadPyodideOptions"]["lockFileURL"], lock_url);
    assert!(
        settings["pipliteUrls"][0].as_str().is_some_and(|url| url.contains("pypi/all.json")),
        "{settings}"
    );
    build(&["--no-wheelfs"])?;
    assert_eq!(lite.kernel_settings(&output)?["pyodideUrl"], "./static/pyodide/pyodide.mjs");
    assert!(!output.join("static/wheelfs").exists());
    build(&[])?;
    digests(&output, &mut third)?;
    assert_eq!(first, third, "switching it off and on again changed the site");
    Ok(Example {
        pyodide: "314.0.7",
        output,
        import: ("import sympy\nx = sympy.symbols('x')\nsympy.integrate(sympy.sin(x), x)", "-cos(x)"),
        tab: ("sympy.integr", "integrate"),
        unforeseen: ("import msgpack\nmsgpack.unpackb(msgpack.packb([1, 2]))", "[1, 2]"),
    })
}

/// JupyterLite 0.6 with Pyodide 0.27 in the site's own `static/pyodide`, and a wheel in its `pypi`.
fn pandas_on_0_6() -> Result<Example, HarnessError> {
    let parts = Parts::find()?;
    let folder = folder("jupyterlite-0.6")?;
    let (lite, output) = (
        Lite::new(&parts, "0.6", "jupyterlite-0.27", Commands::of_drop_in()?, &folder)?,
        folder.join("output"),
    );
    lite.add_pyodide(parts.pyodide("0.27.7")?)?;
    lite.add_wheels(&parts)?;
    lite.configure(json!({}))?;
    lite.build(&output, &[QUICK])?;
    // An index made elsewhere is taken as it is, but only if it is whole.
    let given = folder.join("given");
    fs::create_dir_all(&given)?;
    let index = format!("--wheelfs-index={}", given.display());
    for file in ["wheelfs.idx", "empty.zip", "python_stdlib.pack", "kernel.pack", "micropip.pack"] {
        fs::copy(output.join("static/wheelfs").join(file), given.join(file))?;
    }
    assert!(lite.build(&output, &[&index]).is_err(), "a pack is missing");
    fs::copy(output.join("static/wheelfs/notebook-ages.pack"), given.join("notebook-ages.pack"))?;
    let (mut recorded, mut taken) = (BTreeMap::new(), BTreeMap::new());
    digests(&output, &mut recorded)?;
    lite.build(&output, &[&index])?;
    digests(&output, &mut taken)?;
    assert_eq!(recorded, taken, "the site's own index was taken otherwise than the same from elsewhere");
    lite.check(&output, &[&index])?;
    Ok(Example {
        pyodide: "0.27.7",
        output,
        import: ("import pandas\nint(pandas.DataFrame({'age': [36, 85]})['age'].sum())", "121"),
        tab: ("pandas.DataFr", "DataFrame"),
        unforeseen: ("import pyparsing\npyparsing.Word('ab').parse_string('abc')[0]", "'ab'"),
    })
}

/// Sites are built when the first engine wants them.
static SYMPY_ON_0_8: OnceLock<Example> = OnceLock::new();
static PANDAS_ON_0_6: OnceLock<Example> = OnceLock::new();

/// Whether there is more to see than one kernel.
#[derive(PartialEq)]
enum More {
    /// It is restarted, and a second runs beside it.
    Kernels,
    Nothing,
}

/// Whether a request is for the pack of one of the site's notebooks.
fn is_of_notebook(entry: &Entry) -> bool {
    entry.path.starts_with("/static/wheelfs/notebook-") && entry.path.ends_with(".pack")
}

/// What the addon's index foresees is asked for without a cell that imports it: of the kernel before Python runs, of the
/// notebooks once it does.
async fn comes_by_itself(site: &LineSite) {
    let mut log = site.server.log().entries();
    for _ in 0..ROUNDS {
        if log.iter().any(is_of_notebook) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        log = site.server.log().entries();
    }
    let asked = |what: &str, is: &dyn Fn(&Entry) -> bool| {
        let first = log.iter().filter(|entry| is(entry)).map(|entry| entry.start_ms).reduce(f64::min);
        let paths = || log.iter().map(|entry| entry.path.as_str()).collect::<Vec<_>>();
        first.unwrap_or_else(|| panic!("{what} was not asked for: {:?}", paths()))
    };
    let kernel = asked("the kernel's pack", &|entry| entry.path == "/static/wheelfs/kernel.pack");
    // What the kernel installs first.
    let running = asked("piplite", &|entry| entry.path.contains("/piplite-"));
    let notebook = asked("a notebook's pack", &is_of_notebook);
    assert!(kernel < running && kernel < notebook, "{kernel} {running} {notebook}");
}

/// Boot, packages never loaded before, Tab on one, a wheel by pip.
async fn works(engine: Engine, example: &Example, more: More) -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = Site::of(&[("/", example.output.as_path())]).start(Line::new(0, 0)).await?;
    let browser = Browser::of(&parts, engine).await?;
    let folder = tempfile::tempdir()?;
    let page = LitePage::open(&browser, &site.url("/lab/index.html")).await?;
    let (import, shown) = example.import;
    page.start("first").await?;
    assert_eq!(page.run("first", "1 + 1").await?, "2");
    comes_by_itself(&site).await;
    assert_eq!(page.run("first", import).await?, shown);
    let offered = page.complete("first", example.tab.0).await?;
    assert!(offered.iter().any(|name| name.ends_with(example.tab.1)), "{offered:?}");
    assert_eq!(page.run("first", example.unforeseen.0).await?, example.unforeseen.1);
    page.run("first", "%pip install cowsay").await?;
    let said = page.run("first", "import cowsay\ncowsay.cow('lazy')").await?;
    assert!(said.contains("| lazy |"), "{said}");
    let stats = "import pyodide_js\nprint(pyodide_js.wheelfs.suspends, pyodide_js.loadedPackages.ipython)";
    let suspends = if engine.suspends() { "True" } else { "False" };
    assert_eq!(page.run("first", stats).await?, format!("{suspends} wheelfs\n"));
    if more == More::Kernels {
        let record = Section::read("docs/drop-in.md", "Recording where users are")?.code("python")?;
        // `write` says how much, and a cell shows its value.
        let written = page.run("first", &record).await?;
        let trace = folder.path().join("session.trace");
        let saved = page.file("session.trace").await?;
        assert_eq!(written, saved.chars().count().to_string());
        fs::write(&trace, saved)?;
        Recorder::new(&parts, example.pyodide).build(&[&trace], folder.path())?;
        page.restart("first").await?;
        let gone = page.run("first", "cowsay").await?;
        assert!(gone.contains("NameError"), "{gone}");
        page.start("second").await?;
        assert_eq!(page.run_in_all(&["first", "second"], import).await?, [shown, shown]);
    }
    let log = site.server.log().take();
    let of_pyodide = |path: &str| path.starts_with("/static/pyodide/");
    let mut wheels =
        log.iter().filter(|entry| of_pyodide(&entry.path) && entry.path.ends_with(".whl")).peekable();
    assert!(wheels.peek().is_some(), "nothing came from a wheel");
    let whole = wheels.find(|entry| entry.status != 206);
    assert!(whole.is_none(), "loaded whole: {whole:?}");
    assert!(log.iter().any(|entry| entry.path.ends_with(".pack")), "no pack was asked for");
    Ok(())
}

/// With what `WheelfsAddon.background = False` writes into `wheelfs.json`.
#[tokio::test]
async fn in_chromium_0_8_without_background() -> Result<(), HarnessError> {
    let example = SYMPY_ON_0_8.get_or_init(|| sympy_on_0_8().expect("the site is built"));
    let folder = tempfile::tempdir()?;
    for file in fs::read_dir(example.output.join("static/wheelfs"))? {
        let file = file?;
        fs::copy(file.path(), folder.path().join(file.file_name()))?;
    }
    let path = folder.path().join("wheelfs.json");
    let mut settings: Value = read_json(&path)?;
    settings["background"] = json!([]);
    fs::write(&path, settings.to_string())?;
    let mounts = [("/", example.output.as_path()), ("/static/wheelfs", folder.path())];
    let site = Site::of(&mounts).start(Line::new(0, 0)).await?;
    let browser = Browser::start(&Parts::find()?).await?;
    let page = LitePage::open(&browser, &site.url("/lab/index.html")).await?;
    page.start("first").await?;
    assert_eq!(page.run("first", "1 + 1").await?, "2");
    site.bytes_in_the_end().await;
    let before = site.server.log().take();
    assert!(!before.iter().any(is_of_notebook), "{before:?}");
    assert_eq!(page.run("first", example.import.0).await?, example.import.1);
    site.bytes_in_the_end().await;
    let log = site.server.log().take();
    assert!(log.iter().any(is_of_notebook), "{log:?}");
    Ok(())
}

/// What goes wrong, and sites that are not like those above: `tests/python/addon.py` prints a line for each.
#[test]
fn of_the_addon_nothing_is_left_behind() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let script = Parts::root().join("tests/python/addon.py");
    let done = Command::new(parts.jupyterlite("0.8")?)
        .arg(&script)
        .args([&parts.prefetch_index()?, parts.pyodide("0.27.7")?])
        .env("PYTHONPATH", Parts::root().join("demo-site/jupyterlite-wheelfs"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NODE", &parts.node)
        .stderr(Stdio::inherit())
        .output()?;
    let printed = "\
ended: True 0
refused: True False
built twice: ../../own/pyodide.mjs ../../own/pyodide.mjs ./own/pyodide.mjs
set anew: ../../other/pyodide.mjs ../../other/pyodide.mjs ./other/pyodide.mjs
emptied: ../../own/pyodide.mjs ./own/pyodide.mjs
never set: None
brings: kernel ['notebook-x', 'package-y']
brings: kernel []
brings: None ['app']
brings: None []
named: notebook-data-x notebook-ages 3 True
read: {'mark': ['import this'], 'empty': True, 'pointer': True, 'list': True, 'text': True}
5 s: 3 ran, not again: False, warned: True 2
5 s: 0 ran, not again: True, warned: True 2
4 s: 0 ran, not again: True, warned: True 2
6 s: 1 ran, not again: False, warned: True 2
no trace: 1 True
not fetched: True 1 True False
fetched: True 0 False False
kept: True 1 False True
the same: 0.27.7 True
upgraded: None False
older: ../../own/
newer: ../../locks/
at the root: /own/pyodide.mjs True 0
below it: /elsewhere/pyodide.mjs 1 /elsewhere/pyodide.mjs
not there: 1 True True
";
    assert_eq!(String::from_utf8_lossy(&done.stdout), printed);
    Ok(())
}

async fn works_on_0_8(engine: Engine) -> Result<(), HarnessError> {
    let site = SYMPY_ON_0_8.get_or_init(|| sympy_on_0_8().expect("the site is built"));
    works(engine, site, More::Kernels).await
}

async fn works_on_0_6(engine: Engine, more: More) -> Result<(), HarnessError> {
    let site = PANDAS_ON_0_6.get_or_init(|| pandas_on_0_6().expect("the site is built"));
    works(engine, site, more).await
}

// In the order of their names, so that the two sites are built side by side.

#[tokio::test]
async fn in_chromium_0_6_with_pandas() -> Result<(), HarnessError> {
    works_on_0_6(Engine::Chromium, More::Kernels).await
}

#[tokio::test]
async fn in_chromium_0_8_with_sympy() -> Result<(), HarnessError> {
    works_on_0_8(Engine::Chromium).await
}

#[tokio::test]
async fn in_firefox_0_6_with_pandas() -> Result<(), HarnessError> {
    works_on_0_6(Engine::Firefox, More::Nothing).await
}

#[tokio::test]
async fn in_firefox_0_8_with_sympy() -> Result<(), HarnessError> {
    works_on_0_8(Engine::Firefox).await
}

#[tokio::test]
async fn in_webkit_0_6_with_pandas() -> Result<(), HarnessError> {
    works_on_0_6(Engine::WebKit, More::Nothing).await
}

#[tokio::test]
async fn in_webkit_0_8_with_sympy() -> Result<(), HarnessError> {
    works_on_0_8(Engine::WebKit).await
}
