//! The demo page in a real Chromium.

use std::{collections::HashMap, time::Duration};

use demo_site::Line;
use serde::Deserialize;
use serde_json::Value;
use wheelfs_tests::{Browser, HarnessError, Parts, Site};

#[derive(Deserialize)]
struct Run {
    output: String,
    total_ms: f64,
    boot_ms: f64,
    run_ms: f64,
    package_requests: u64,
    package_bytes: u64,
}

/// The eager page is what everything is compared with: it must be as good as a page can be. HTTP/2, the runtime
/// compressed, and each file asked for once, though it is preloaded.
#[tokio::test]
async fn the_eager_page_is_honest() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = Site::new(&parts, "0.27.7")?.tls().start(Line::new(0, 0)).await?;
    let browser = Browser::start(&parts).await?;
    let run: Run = browser.result(&site.url("/run.html?strategy=eager&app=pandas")).await?;
    assert!(run.output.contains(" south     60    231.0   Grace"), "{}", run.output);
    assert!(run.boot_ms > 0.0 && (run.boot_ms + run.run_ms - run.total_ms).abs() < 1.0);

    let protocols = browser
        .execute("return performance.getEntriesByType('resource').map((entry) => entry.nextHopProtocol)")
        .await?;
    let protocols: Vec<_> = protocols.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(protocols.len() >= 12 && protocols.iter().all(|protocol| *protocol == "h2"), "{protocols:?}");
    drop(browser);

    let mut sent: HashMap<String, Vec<u64>> = HashMap::new();
    for entry in site.server.log().take() {
        assert_eq!((entry.method.as_str(), entry.status), ("GET", 200), "{}", entry.path);
        sent.entry(entry.path).or_default().push(entry.bytes);
    }
    for (path, bytes) in &sent {
        assert_eq!(bytes.len(), 1, "{path} was asked for {} times", bytes.len());
    }
    for (path, whole) in [("/pyodide/pyodide.asm.wasm", 10_105_545), ("/pyodide/pyodide.asm.js", 1_255_688)] {
        assert!(sent[path][0] < whole / 4, "{path} was not compressed: {} bytes", sent[path][0]);
    }
    let wheels: Vec<_> = sent.iter().filter(|(path, _)| path.ends_with(".whl")).collect();
    assert_eq!(wheels.len(), 5);
    assert_eq!(run.package_requests, 5);
    assert_eq!(run.package_bytes, wheels.iter().map(|(_, bytes)| bytes[0]).sum::<u64>());
    Ok(())
}

#[tokio::test]
async fn a_run_that_fails_says_why() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = Site::new(&parts, "0.27.7")?.start(Line::new(0, 0)).await?;
    let browser = Browser::start(&parts).await?;
    let failed = browser.result::<Run>(&site.url("/run.html?strategy=hopeful&app=pandas")).await;
    let Err(HarnessError::Page { message, .. }) = failed else { panic!("the page reported no failure") };
    assert_eq!(
        message,
        "no strategy \"hopeful\": one of eager, eager-seq, naive, bundle, ranges, pack, pack-slim, memfs"
    );
    Ok(())
}

/// What a visitor sees: one press of the button runs both, and says whether they agree.
#[tokio::test]
async fn the_page_compares_both() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = Site::new(&parts, "0.27.7")?.start(Line::new(0, 0)).await?;
    let browser = Browser::start(&parts).await?;
    browser.goto(&site.url("/")).await?;
    browser.execute("document.querySelector('button').click()").await?;
    let status = loop {
        let state = "return document.querySelector('button').disabled ? null : document.querySelector('output').value";
        if let Value::String(status) = browser.execute(state).await? {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let page = browser.execute("return document.body.innerText").await?;
    assert!(status.starts_with("Equal output."), "{status}\n{page}");
    let shown = browser.execute("return document.querySelector('pre').textContent").await?;
    assert!(shown.as_str().is_some_and(|output| output.contains("south     60    231.0   Grace")), "{page}");
    Ok(())
}
