//! The stand-in for `pyodide.mjs`: a site changes one URL.

use std::{fs, path::Path};

use demo_site::Line;
use serde::Deserialize;
use serde_json::{Value, json};
use wheelfs_tests::{Browser, HarnessError, LineSite, Parts, Recorder, Section, Site, stand_in};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    version: String,
    output: String,
    requests: u32,
    blocking_requests: u32,
    loaded: String,
    isolated: bool,
}

fn folders(parts: &Parts, pyodide: &str, shim: &Path) -> Result<Site, HarnessError> {
    Ok(Site::new(parts, pyodide)?.mount("/tests", &Parts::root().join("tests/page")).mount("/lazy", shim))
}

async fn site(parts: &Parts, pyodide: &str, shim: &Path) -> Result<LineSite, HarnessError> {
    folders(parts, pyodide, shim)?.start(Line::new(0, 0)).await
}

fn page(at: &LineSite, shim: &str, how: &str, options: &Value) -> String {
    let options: String = options.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect();
    at.url(&format!("/tests/shim.html?how={how}&shim={shim}&options={options}"))
}

const WAYS: [&str; 5] = ["module", "script", "module-worker", "blob-worker", "classic-worker"];

#[tokio::test]
async fn every_way_to_load_it_and_every_index_url() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let shim = stand_in(&json!({ "pyodide": "../pyodide/pyodide.mjs" }).to_string())?;
    let site = site(&parts, "0.27.7", shim.path()).await?;
    let browser = Browser::start(&parts).await?;
    let own = site.url("/lazy/");
    // PyScript names its folder without the slash, JupyterLite with it, a page not at all.
    let forms = [json!({}), json!({ "indexURL": own.trim_end_matches('/') }), json!({ "indexURL": own })];
    let mut pairs: Vec<_> = WAYS.iter().zip(forms.iter().cycle()).collect();
    pairs.extend([(&"module", &forms[1]), (&"module", &forms[2]), (&"classic-worker", &forms[2])]);
    for (how, options) in pairs {
        let mut options = options.clone();
        options["packages"] = json!(["python-dateutil"]);
        let run: Run = browser.result(&page(&site, &own, how, &options)).await?;
        assert_eq!((run.version.as_str(), run.output.as_str()), ("0.27.7", "2026 1.16.0"), "{how} {options}");
        assert_eq!(run.loaded, "wheelfs", "{how} {options}");
        assert!(run.requests > 10 && run.blocking_requests == 0, "{how} {options}: {run:?}");
    }
    let log = site.server.log().take();
    assert!(log.iter().all(|entry| entry.status < 400), "{:?}", log.iter().find(|entry| entry.status >= 400));
    Ok(())
}

#[tokio::test]
async fn from_another_origin() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let elsewhere = site(&parts, "0.27.7", Path::new("/")).await?;
    let shim = stand_in(&json!({ "pyodide": elsewhere.url("/pyodide/pyodide.mjs") }).to_string())?;
    let other = site(&parts, "0.27.7", shim.path()).await?;
    // Cross-origin isolated, which holds for what it loads and for its workers as well.
    let page_site = folders(&parts, "0.27.7", shim.path())?.isolated().start(Line::new(0, 0)).await?;
    let browser = Browser::start(&parts).await?;
    let options = json!({ "packages": ["python-dateutil"] });
    for how in WAYS {
        let run: Run = browser.result(&page(&page_site, &other.url("/lazy/"), how, &options)).await?;
        // The page makes its module worker of a data: URL, which belongs to no origin and so is never isolated.
        let isolated = how != "module-worker";
        assert_eq!((run.output.as_str(), run.isolated), ("2026 1.16.0", isolated), "{how}");
        assert!(run.requests > 10 && run.blocking_requests == 0, "{how}: {run:?}");
    }
    let log = other.server.log().take();
    assert!(log.iter().all(|entry| entry.method != "OPTIONS"), "a preflight");
    assert!(page_site.server.log().take().iter().all(|entry| !entry.path.starts_with("/pyodide/")));
    Ok(())
}

/// What a page of docs/drop-in.md reports.
#[derive(Debug, Deserialize)]
struct Page {
    version: String,
    output: String,
    requests: u32,
    isolated: bool,
}

/// A page with `links` in its head.
fn preloading(links: &str) -> String {
    format!(
        r#"<!doctype html>
<meta charset="utf-8">
<title>a program of the tests</title>
<link rel="icon" href="data:,">
{links}
<script type="module">
  try {{
    const {{ loadPyodide, version }} = await import("/wheelfs/pyodide.mjs");
    const pyodide = await loadPyodide({{ packages: ["python-dateutil"] }});
    const output = await pyodide.runPythonAsync("import dateutil.parser\nstr(dateutil.parser.parse('2 Jan 2026').year)");
    window.result = {{ version, output, requests: pyodide.wheelfs.stats().requests, isolated: window.crossOriginIsolated }};
  }} catch (error) {{
    window.result = {{ error: String(error?.message ?? error) }};
  }}
</script>"#
    )
}

/// docs/drop-in.md's settings and links, on pages that are cross-origin isolated: index, settings and pack are asked for
/// once, by the HTML; without the links by the stand-in, and without an index the wheels are mounted.
#[tokio::test]
async fn settings_and_preloads_as_documented() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let document = Section::read("docs/drop-in.md", "")?;
    let (settings, links) = (document.code("json")?, document.code("html")?);
    let mut without_index: Value = serde_json::from_str(&settings).expect("the document's settings are JSON");
    without_index.as_object_mut().expect("an object").remove("index").expect("with an index");
    let scratch = tempfile::tempdir()?;
    let app = scratch.path().join("app.py");
    fs::copy(Parts::root().join("tests/apps/dates.py"), &app)?;
    let recorder = Recorder::new(&parts, "0.27.7");
    let trace = recorder.record(&app.to_string_lossy(), scratch.path())?;
    let browser = Browser::start(&parts).await?;
    let names = ["wheelfs.json", "wheelfs.idx", "app.pack"];
    // Settings, links; how often each name is asked for, and the most requests of wheelfs itself.
    let cases = [
        (settings.clone(), links.as_str(), [1, 1, 1], 2),
        (without_index.to_string(), links.as_str(), [1, 1, 1], 2),
        (settings, "", [1, 1, 1], 2),
        (without_index.to_string(), "", [1, 0, 0], u32::MAX),
    ];
    for (settings, links, asked, most) in cases {
        let (shim, pages) = (stand_in(&settings)?, tempfile::tempdir()?);
        recorder.build_with(&[&trace], &["--pack", "--quick"], shim.path())?;
        fs::write(pages.path().join("page.html"), preloading(links))?;
        let site = Site::of(&[
            ("/", pages.path()),
            ("/wheelfs", shim.path()),
            ("/pyodide", parts.pyodide("0.27.7")?),
        ]);
        let site = site.cacheable().isolated().start(Line::new(0, 0)).await?;
        let page: Page = browser.result(&site.url("/page.html")).await?;
        let told = format!("{settings} {links} {page:?}");
        assert_eq!((page.version.as_str(), page.output.as_str(), page.isolated), ("0.27.7", "2026", true));
        assert!(page.requests <= most && (most < u32::MAX || page.requests > 10), "{told}");
        let log = site.server.log().take();
        assert!(log.iter().all(|entry| entry.status < 400), "{told} {log:?}");
        let count = |name: &str| log.iter().filter(|entry| entry.path == format!("/wheelfs/{name}")).count();
        assert_eq!(names.map(count), asked, "{told}");
    }
    Ok(())
}

#[tokio::test]
async fn without_settings_it_says_what_to_do() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let shim = stand_in("{}")?;
    let site = site(&parts, "0.27.7", shim.path()).await?;
    let browser = Browser::start(&parts).await?;
    let failed = browser.result::<Run>(&page(&site, &site.url("/lazy/"), "module", &json!({}))).await;
    let Err(HarnessError::Page { message, .. }) = failed else { panic!("the page reported no failure") };
    assert!(
        message.contains("nothing says where Pyodide is") && message.contains("wheelfs.json"),
        "{message}"
    );
    let options = json!({ "indexURL": "/pyodide/", "packages": ["python-dateutil"] });
    let run: Run = browser.result(&page(&site, &site.url("/lazy/"), "module", &options)).await?;
    assert_eq!(run.output, "2026 1.16.0");
    Ok(())
}
