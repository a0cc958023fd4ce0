//! The stand-in for `pyodide.mjs`: a site changes one URL.

use std::path::Path;

use demo_site::Line;
use serde::Deserialize;
use serde_json::{Value, json};
use wheelfs_tests::{Browser, HarnessError, LineSite, Parts, Recorder, Site, stand_in};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    version: String,
    output: String,
    requests: u32,
    blocking_requests: u32,
    loaded: String,
}

async fn site(parts: &Parts, pyodide: &str, shim: &Path) -> Result<LineSite, HarnessError> {
    Site::new(parts, pyodide)?
        .mount("/tests", &Parts::root().join("tests/page"))
        .mount("/lazy", shim)
        .start(Line::new(0, 0))
        .await
}

fn page(at: &LineSite, shim: &str, how: &str, options: &Value) -> String {
    let options: String = options.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect();
    at.url(&format!("/tests/shim.html?how={how}&shim={shim}&options={options}"))
}

const WAYS: [&str; 5] = ["module", "script", "module-worker", "blob-worker", "classic-worker"];

#[tokio::test]
async fn every_way_to_load_it_and_every_index_url() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let shim = stand_in(&json!({ "pyodide": "../pyodide/pyodide.mjs" }))?;
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
    let shim = stand_in(&json!({ "pyodide": elsewhere.url("/pyodide/pyodide.mjs") }))?;
    let other = site(&parts, "0.27.7", shim.path()).await?;
    let page_site = site(&parts, "0.27.7", shim.path()).await?;
    let browser = Browser::start(&parts).await?;
    let options = json!({ "packages": ["python-dateutil"] });
    for how in WAYS {
        let run: Run = browser.result(&page(&page_site, &other.url("/lazy/"), how, &options)).await?;
        assert_eq!(run.output, "2026 1.16.0", "{how}");
        assert!(run.requests > 10 && run.blocking_requests == 0, "{how}: {run:?}");
    }
    let log = other.server.log().take();
    assert!(log.iter().all(|entry| entry.method != "OPTIONS"), "a preflight");
    assert!(page_site.server.log().take().iter().all(|entry| !entry.path.starts_with("/pyodide/")));
    Ok(())
}

#[tokio::test]
async fn the_index_of_the_settings_is_used() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let shim = stand_in(&json!({ "pyodide": "../pyodide/pyodide.mjs", "index": "wheelfs.idx" }))?;
    Recorder::new(&parts, "0.27.7").index("tests/apps/dates.py", shim.path())?;
    let site = site(&parts, "0.27.7", shim.path()).await?;
    let browser = Browser::start(&parts).await?;
    let url = page(&site, &site.url("/lazy/"), "module-worker", &json!({ "packages": ["python-dateutil"] }));
    let run: Run = browser.result(&url).await?;
    assert_eq!(run.output, "2026 1.16.0");
    assert!(run.requests <= 3, "{run:?}");
    Ok(())
}

#[tokio::test]
async fn without_settings_it_says_what_to_do() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let shim = stand_in(&json!({}))?;
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
