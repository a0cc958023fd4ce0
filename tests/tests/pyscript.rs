//! PyScript with the stand-in as its interpreter.

use std::time::Duration;

use demo_site::Line;
use serde_json::{Value, json};
use wheelfs_tests::{Browser, HarnessError, Parts, Recorder, Site, stand_in};

/// Visits `page` twice in one browser: the second time PyScript has a frozen lock file in IndexedDB.
async fn visits(page: &str) -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let shim = stand_in(&json!({ "pyodide": "../pyodide/pyodide.mjs", "index": "wheelfs.idx" }))?;
    Recorder::new(&parts, "314.0.7").index("tests/apps/integral.py", shim.path())?;
    let examples = Parts::root().join("demo-site/examples/pyscript");
    let site = Site::of(&[
        ("/", examples.as_path()),
        ("/pyscript", &parts.site_modules.join("@pyscript/core/dist")),
        ("/wheelfs", shim.path()),
        ("/pyodide", parts.pyodide("314.0.7")?),
    ])
    .start(Line::new(0, 0))
    .await?;
    let browser = Browser::start(&parts).await?;
    for visit in ["first", "second"] {
        browser.goto(&site.url(page)).await?;
        let shown = "return document.querySelector('.py-error')?.textContent ?? document.querySelector('#shown').value";
        let text = loop {
            match browser.execute(shown).await? {
                Value::String(text) if text != "…" => break text,
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        assert_eq!(text, "-cos(x)", "{visit} visit");
        let log = site.server.log().take();
        let wheels: Vec<_> = log.iter().filter(|entry| entry.path.ends_with(".whl")).collect();
        println!("{visit}: {} requests for wheels", wheels.len());
        assert!(!wheels.is_empty() && wheels.iter().all(|entry| entry.status == 206), "{visit}: {wheels:?}");
        let micropip = wheels.iter().filter(|entry| entry.path.contains("micropip")).count();
        assert_eq!(micropip > 0, visit == "first", "{visit} visit: {micropip} requests for micropip");
    }
    Ok(())
}

#[tokio::test]
async fn in_the_page() -> Result<(), HarnessError> {
    visits("/index.html").await
}

#[tokio::test]
async fn in_a_worker() -> Result<(), HarnessError> {
    visits("/worker.html").await
}
