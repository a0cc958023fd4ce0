//! wheelfs in a real Chromium: the page's strategies, and the main thread where nothing can suspend.

use std::{collections::HashMap, ops::Range};

use demo_site::Line;
use serde::Deserialize;
use wheelfs_tests::{Browser, HarnessError, LineSite, Parts, Site};

#[derive(Deserialize)]
struct PageRun {
    output: String,
}

#[derive(Deserialize)]
struct Run {
    output: String,
    stats: HashMap<String, f64>,
}

async fn site(parts: &Parts, pyodide: &str) -> Result<LineSite, HarnessError> {
    let root = Parts::root();
    Site::new(parts, pyodide)?
        .mount("/tests", &root.join("tests/page"))
        .mount("/tests/apps", &root.join("tests/apps"))
        .start(Line::new(0, 0))
        .await
}

#[tokio::test]
async fn ranges_are_few_and_disjoint_and_the_output_is_the_same() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = site(&parts, "0.27.7").await?;
    let browser = Browser::start(&parts).await?;
    let eager: PageRun = browser.result(&site.url("/run.html?strategy=eager&app=pandas")).await?;
    site.server.log().take();
    let lazy: PageRun = browser.result(&site.url("/run.html?strategy=ranges&app=pandas")).await?;
    assert_eq!(lazy.output, eager.output);

    let mut asked: HashMap<String, Vec<Range<u64>>> = HashMap::new();
    let mut bytes = 0;
    for entry in site.server.log().take() {
        assert_ne!(entry.method, "OPTIONS", "{} caused a preflight", entry.path);
        if entry.path.ends_with(".whl") {
            assert_eq!(entry.status, 206, "{}", entry.path);
            bytes += entry.bytes;
            asked.entry(entry.path).or_default().extend(entry.range);
        }
    }
    let requests: usize = asked.values().map(Vec::len).sum();
    assert!(requests <= 12 && bytes <= 8_200_000, "{requests} requests, {bytes} bytes");
    for (path, ranges) in &mut asked {
        ranges.sort_by_key(|range| range.start);
        assert!(ranges.windows(2).all(|pair| pair[0].end <= pair[1].start), "{path}: {ranges:?}");
    }
    Ok(())
}

#[tokio::test]
async fn tasks_import_at_once_and_a_callback_reads() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = site(&parts, "0.27.7").await?;
    let browser = Browser::start(&parts).await?;
    let run: Run = browser.result(&site.url("/tests/lazy.html?app=tasks&packages=pandas")).await?;
    let mut lines = run.output.lines();
    assert_eq!(lines.next(), Some("[6, '2.2.3', 10, 6]"));
    assert_eq!(lines.next(), Some("[('pandas.plotting._core', '[build-system]')]"));
    assert!(run.stats["blockingRequests"] >= 1.0, "the callback did not need a blocking read");
    Ok(())
}

#[tokio::test]
async fn run_python_reads_without_suspending() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = site(&parts, "0.27.7").await?;
    let browser = Browser::start(&parts).await?;
    let url = site.url("/tests/lazy.html?blocking&app=blocking&packages=numpy,python-dateutil");
    let run: Run = browser.result(&url).await?;
    assert_eq!(run.output, "6 2026");
    assert!(run.stats["blockingRequests"] >= 50.0 && run.stats["waits"] == 0.0, "{:?}", run.stats);
    Ok(())
}

#[tokio::test]
async fn compiled_and_pure_packages_on_314() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = site(&parts, "314.0.7").await?;
    let browser = Browser::start(&parts).await?;
    let url = site.url("/tests/lazy.html?app=modern&packages=sympy,pydantic,msgpack");
    let run: Run = browser.result(&url).await?;
    assert_eq!(run.output, "-cos(x)\n{\"x\":1,\"y\":2}\n{'wheels': [1, 2, 3]}");
    assert!(run.stats["waits"] >= 400.0 && run.stats["blockingRequests"] == 0.0, "{:?}", run.stats);
    Ok(())
}
