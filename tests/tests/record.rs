//! Traces recorded where users are.

use demo_site::Line;
use serde::Deserialize;
use wheelfs_tests::{Browser, HarnessError, Parts, Recorder, Site};

#[derive(Deserialize)]
struct Run {
    output: String,
    stats: std::collections::HashMap<String, f64>,
}

/// A page with `?wheelfs=record` gives a trace to save; together with one of `prefetch-index record` it makes an index
/// that foresees both programs.
#[tokio::test]
async fn a_page_gives_its_trace() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let folder = tempfile::tempdir()?;
    let root = Parts::root();
    let site = Site::new(&parts, "0.27.7")?
        .mount("/tests", &root.join("tests/page"))
        .mount("/tests/apps", &root.join("tests/apps"))
        .mount("/made", folder.path())
        .start(Line::new(0, 0))
        .await?;
    let browser = Browser::start(&parts).await?;
    let page = "/tests/lazy.html?app=dates&packages=python-dateutil";
    let plain: Run = browser.result(&site.url(page)).await?;
    let link = "return document.querySelectorAll('a[download]').length";
    assert_eq!(browser.execute(link).await?, 0, "a page that does not record offers a trace");
    let recorded: Run = browser.result(&site.url(&format!("{page}&wheelfs=record"))).await?;
    assert_eq!(recorded.output, plain.output);
    let save = "const done = arguments[arguments.length - 1], link = document.querySelector('a[download]');
        link.addEventListener('click', (event) => event.preventDefault());
        link.click();
        fetch(link.href).then((response) => response.text()).then((text) => done([link.download, text]));";
    let saved = browser.client().execute_async(save, Vec::new()).await?;
    assert_eq!(saved[0], "wheelfs-a-program-of-the-tests.trace");
    let trace = folder.path().join("page.trace");
    std::fs::write(&trace, saved[1].as_str().unwrap_or_default())?;

    let recorder = Recorder::new(&parts, "0.27.7");
    let tiny = recorder.record("tests/apps/tiny.py", folder.path())?;
    recorder.build(&[trace.as_path(), tiny.as_path()], folder.path())?;
    let foreseen: Run =
        browser.result(&site.url(&format!("{page}&index=/made/wheelfs.idx&entry=page"))).await?;
    assert_eq!(foreseen.output, plain.output);
    let (before, after) = (plain.stats["requests"], foreseen.stats["requests"]);
    assert!(after <= 4.0 && before >= 4.0 * after, "{before} requests without an index, {after} with it");
    Ok(())
}
