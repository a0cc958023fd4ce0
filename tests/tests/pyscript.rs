//! PyScript with the stand-in as its interpreter, with the lines that the documents give.

use std::fs;

use demo_site::Line;
use wheelfs_tests::{Browser, HarnessError, Parts, Recorder, Section, Site, stand_in};

/// Visits `page` twice in one browser: the second time PyScript has a frozen lock file in IndexedDB. `settings` and `tag`
/// stand in the documents; the page has the tag, with `more` in it.
async fn visits(page: &str, settings: &Section, tag: &Section, more: &str) -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let tag = tag.code("html")?.trim_end().replacen("<script", &format!("<script{more}"), 1);
    let shim = stand_in(&settings.code("json")?)?;
    Recorder::new(&parts, "314.0.7").index("tests/apps/integral.py", shim.path())?;
    let examples = Parts::root().join("demo-site/examples/pyscript");
    let example = fs::read_to_string(examples.join(page.trim_start_matches('/')))?;
    assert!(example.contains(&tag), "{page} has no {tag}");
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
        let shown = "const text = document.querySelector('.py-error')?.textContent ?? document.querySelector('#shown').value; \
                     return text === '…' ? null : text";
        assert_eq!(browser.value(shown).await?, "-cos(x)", "{visit} visit");
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
    let document = "docs/drop-in.md";
    visits("/index.html", &Section::read(document, "")?, &Section::read(document, "PyScript")?, "").await
}

#[tokio::test]
async fn in_a_worker() -> Result<(), HarnessError> {
    let section = Section::read("README.md", "In JupyterLite, PyScript, or wherever Pyodide is a URL")?;
    visits("/worker.html", &section, &section, " src=\"worker.py\" worker").await
}
