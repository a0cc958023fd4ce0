//! The demo page in real browsers.

use std::collections::HashMap;

use demo_site::{Fault, Line};
use serde::Deserialize;
use serde_json::Value;
use wheelfs_tests::{Browser, Engine, HarnessError, Parts, Site, bundle};

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
        "no strategy \"hopeful\": one of eager, eager-seq, naive, bundle, ranges, pack, rest, pack-slim, memfs"
    );
    Ok(())
}

/// What the page says once its button can be pressed.
async fn ready(browser: &Browser) -> Result<String, HarnessError> {
    let state = "const button = document.querySelector('form button'); \
                 return button.disabled || button.ariaDisabled === 'true' ? null : document.querySelector('output').value";
    Ok(browser.value(state).await?.as_str().unwrap_or_default().to_owned())
}

/// Presses the button, and returns what the page says when all strategies have run.
async fn compare(browser: &Browser) -> Result<String, HarnessError> {
    ready(browser).await?;
    browser.execute("document.querySelector('form button').click()").await?;
    ready(browser).await
}

/// What a visitor sees: one press of the button runs all, and says whether they agree. What it shows is in the table, the
/// file and the link alike, and the link shows it again.
#[tokio::test]
async fn the_page_compares() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = Site::new(&parts, "0.27.7")?.start(Line::new(0, 0)).await?;
    let browser = Browser::start(&parts).await?;
    browser.goto(&site.url("/")).await?;
    let status = compare(&browser).await?;
    let page = browser.execute("return document.body.innerText").await?;
    assert!(status.starts_with("Equal output. Against eager ("), "{status}\n{page}");
    assert!(status.contains("; pack took "), "{status}");
    let shown = browser.execute("return document.querySelector('.output').textContent").await?;
    assert!(shown.as_str().is_some_and(|output| output.contains("south     60    231.0   Grace")), "{page}");
    let command = browser.execute("return document.querySelector('.command').textContent").await?;
    let expected = "cargo xtask bench --app pandas --pyodide 0.27.7 --rtt 0 --down 0 \
                    --strategies eager,ranges,pack --rounds 1";
    assert_eq!(command, expected);

    let table = "return [...document.querySelectorAll('tbody tr')].map((row) => row.innerText)";
    let rows = browser.execute(table).await?;
    let names: Vec<_> = rows.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let names: Vec<_> = names.iter().filter_map(|row| row.split_whitespace().next()).collect();
    assert_eq!(names, ["eager", "ranges", "pack"]);
    let json = "return document.querySelector('.json').href";
    let blob = browser.execute(json).await?;
    let first = blob.as_str().unwrap_or_default().to_owned();
    let read = format!(
        "const request = new XMLHttpRequest(); request.open('GET', '{first}', false); request.send(); \
         return JSON.parse(request.responseText)"
    );
    let report = browser.execute(&read).await?;
    assert_eq!((&report["app"], &report["line"]["rtt_ms"]), (&"pandas".into(), &0.into()));
    let eager: Run = serde_json::from_value(report["results"][0].clone()).map_err(std::io::Error::other)?;
    assert_eq!(eager.package_requests, 5);
    // The standard library's pack is no package's, though wheelfs brings it.
    let pack =
        std::fs::metadata(Parts::root().join("target/site/index/0.27.7/pandas/pack/pandas.pack"))?.len();
    let packed = &report["results"][2];
    assert_eq!((&packed["package_requests"], &packed["package_bytes"]), (&1.into(), &pack.into()));
    let bars =
        browser.execute("return document.querySelectorAll('article svg rect.receiving').length").await?;
    let listed: usize =
        (0..3).filter_map(|run| Some(report["results"][run]["entries"].as_array()?.len())).sum();
    assert_eq!(bars, listed);

    let link = browser.execute("return document.querySelector('.permalink').href").await?;
    browser.goto("about:blank").await?;
    browser.goto(link.as_str().unwrap_or_default()).await?;
    ready(&browser).await?;
    assert_eq!(browser.execute(table).await?, rows);
    // Where and when a link's figures were measured, this browser cannot know.
    let caveats = browser.execute("return document.querySelector('.caveats').textContent").await?;
    assert!(caveats.as_str().is_some_and(|text| text.starts_with("The line: not shaped.")), "{caveats}");
    let blob = browser.execute(json).await?;
    let linked = browser.execute(&read.replace(&first, blob.as_str().unwrap_or_default())).await?;
    assert_eq!(
        (&linked["app"], &linked["browser"], &linked["date"]),
        (&"pandas".into(), &Value::Null, &Value::Null)
    );
    assert!(report["browser"].is_string() && report["date"].is_string(), "{report}");
    Ok(())
}

/// A run that cannot begin, or does not end, is no reason to wait for ever.
#[tokio::test]
async fn the_page_waits_for_no_dead_run() -> Result<(), HarnessError> {
    const ALWAYS: u32 = u32::MAX;
    let parts = Parts::find()?;
    let browser = Browser::start(&parts).await?;
    let page = "/#app=own&strategies=eager&rounds=1&source=print(6*7)";
    let gone = Fault::Redirect("http://127.0.0.1:59999/".to_owned());
    for (path, fault, expected) in [
        ("/run.html", Fault::Status(404), "Stopped: run.html did not come: "),
        ("/run.html", gone, "Stopped: run.html did not come: "),
        ("/run.mjs", Fault::Status(404), "Nothing ran. Did not run: eager."),
        ("/requests.mjs", Fault::Status(404), "Nothing ran. Did not run: eager."),
    ] {
        let site = Site::new(&parts, "0.27.7")?.start(Line::new(0, 0)).await?;
        browser.goto(&site.url(page)).await?;
        ready(&browser).await?;
        site.server.inject(path, fault.clone(), ALWAYS);
        let status = compare(&browser).await?;
        assert!(status.starts_with(expected), "{path}, {fault:?}: {status}");
        let frames = browser.execute("return document.querySelectorAll('iframe').length").await?;
        assert_eq!(frames, 0, "{path}, {fault:?}");
    }
    let site = Site::new(&parts, "0.27.7")?.start(Line::new(0, 0)).await?;
    browser.goto(&site.url(page)).await?;
    ready(&browser).await?;
    drop(site);
    let status = compare(&browser).await?;
    assert!(status.starts_with("Stopped: line.json: the server does not answer ("), "{status}");
    Ok(())
}

/// By the keyboard too: the button stands behind the one that began, where the focus is again in the end.
#[tokio::test]
async fn the_page_is_stopped() -> Result<(), HarnessError> {
    const TAB: &str = "\u{e004}";
    let parts = Parts::find()?;
    let site = Site::new(&parts, "0.27.7")?.start(Line::new(0, 0)).await?;
    let browser = Browser::start(&parts).await?;
    browser.goto(&site.url("/#app=own&strategies=eager&rounds=1&source=print(6*7)")).await?;
    ready(&browser).await?;
    let stops = "return document.querySelector('.stop').checkVisibility()";
    assert_eq!(browser.execute(stops).await?, false);
    site.server.inject("/pyodide/pyodide.asm.wasm", Fault::Stall { after: 0 }, 1);
    browser
        .execute("const button = document.querySelector('form button'); button.focus(); button.click()")
        .await?;
    browser.client().active_element().await?.send_keys(TAB).await?;
    let focused = "return document.activeElement.textContent";
    assert_eq!(browser.execute(focused).await?, "Stop");
    browser.client().active_element().await?.send_keys(" ").await?;
    assert_eq!(ready(&browser).await?, "Stopped: Nothing ran.");
    assert_eq!(browser.execute(focused).await?, "Compare");
    assert_eq!(browser.execute(stops).await?, false);
    let status = compare(&browser).await?;
    assert!(status.starts_with("eager took "), "{status}");
    Ok(())
}

/// What `cargo xtask demo` makes besides an index can be chosen as well: the zip of what is read, and the processor alone,
/// which is the limit that the bars show. On a line of the visitor's choice.
#[tokio::test]
async fn the_page_shows_the_limit() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    bundle::offer(&parts, "0.27.7", "pandas")?;
    let site = Site::new(&parts, "0.27.7")?.start(Line::new(0, 0)).await?;
    let browser = Browser::start(&parts).await?;
    browser.goto(&site.url("/#app=pandas&strategies=bundle,pack,memfs&rounds=1")).await?;
    ready(&browser).await?;
    let choose = "const line = document.querySelector('select[name=line]'); line.value = 'fibre'; \
                  line.dispatchEvent(new Event('change', { bubbles: true }))";
    browser.execute(choose).await?;
    let status = compare(&browser).await?;
    assert!(status.starts_with("Equal output. Against bundle ("), "{status}");
    let command = browser.execute("return document.querySelector('.command').textContent").await?;
    assert!(command.as_str().is_some_and(|command| command.contains(" --rtt 10 --down 300 ")), "{command}");
    let limited = "const charts = document.querySelector('.limited'); \
                   return charts && parseFloat(getComputedStyle(charts).getPropertyValue('--limit'))";
    let limit = browser.execute(limited).await?;
    assert!(limit.as_f64().is_some_and(|percent| percent > 0.0 && percent < 100.0), "{limit}");
    // What needs no line left the chosen one.
    let line = "const request = new XMLHttpRequest(); request.open('GET', 'line.json', false); request.send(); \
                return JSON.parse(request.responseText).rtt_ms";
    assert_eq!(browser.execute(line).await?, 10);
    Ok(())
}

/// What a program draws is shown, and the page fits a phone.
#[tokio::test]
async fn the_page_shows_a_picture() -> Result<(), HarnessError> {
    const PNG: &str =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let parts = Parts::find()?;
    let site = Site::new(&parts, "0.27.7")?.start(Line::new(0, 0)).await?;
    let browser = Browser::start(&parts).await?;
    browser.client().set_window_size(390, 844).await?;
    let source =
        format!("import base64, io%0Apng = io.BytesIO(base64.b64decode('{PNG}'))").replace('+', "%2B");
    browser.goto(&site.url(&format!("/#app=own&strategies=eager&rounds=1&source={source}"))).await?;
    let status = compare(&browser).await?;
    assert!(status.starts_with("eager took "), "{status}");
    let shown = "const picture = document.querySelector('.picture'); \
                 return picture.checkVisibility() ? picture.src : null";
    assert_eq!(browser.execute(shown).await?, format!("data:image/png;base64,{PNG}"));
    let width = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert_eq!(browser.execute(width).await?, 0, "it scrolls sideways");
    Ok(())
}

/// A program that nobody has recorded runs as well, eagerly and file by file.
#[tokio::test]
async fn the_page_runs_a_program_of_the_visitor() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = Site::new(&parts, "0.27.7")?.start(Line::new(0, 0)).await?;
    let browser = Browser::start(&parts).await?;
    let source = "import%20six%0Aprint(six.__name__,%206*7)";
    let choice = format!("/#app=own&strategies=eager,naive&rounds=1&packages=six&source={source}");
    browser.goto(&site.url(&choice)).await?;
    let status = compare(&browser).await?;
    assert!(status.starts_with("Equal output. Against eager ("), "{status}");
    let shown = browser.execute("return document.querySelector('.output').textContent").await?;
    assert_eq!(shown, "six 42");
    Ok(())
}

/// The engine with JSPI that is not Chromium, and one without: the page says there what it says in Chromium.
#[tokio::test]
async fn the_page_compares_in_other_engines() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = Site::new(&parts, "0.27.7")?.start(Line::new(0, 0)).await?;
    for engine in [Engine::Firefox, Engine::WebKit] {
        let browser = Browser::of(&parts, engine).await?;
        browser.goto(&site.url("/#app=pandas&strategies=eager,pack&rounds=1")).await?;
        let status = compare(&browser).await?;
        assert!(status.starts_with("Equal output. Against eager ("), "{engine:?}: {status}");
        let bars = "return [...document.querySelectorAll('.bar')].map((bar) => bar.ariaLabel)";
        let bars = browser.execute(bars).await?;
        assert!(bars[1].as_str().is_some_and(|bar| bar.contains(" for imports, ")), "{engine:?}: {bars}");
    }
    Ok(())
}

/// All that can be done is done with the keyboard, in the order in which it stands there, and the focus stays.
#[tokio::test]
async fn the_page_needs_no_mouse() -> Result<(), HarnessError> {
    const TAB: &str = "\u{e004}";
    let parts = Parts::find()?;
    let site = Site::new(&parts, "0.27.7")?.start(Line::new(0, 0)).await?;
    let browser = Browser::start(&parts).await?;
    browser.goto(&site.url("/#app=own&strategies=eager&rounds=1&packages=six&source=print(6*7)")).await?;
    ready(&browser).await?;
    let focused = "const { name, value, localName } = document.activeElement; \
                   return name === 'strategy' ? value : name || localName";
    let mut order = Vec::new();
    loop {
        browser.client().active_element().await?.send_keys(TAB).await?;
        let Value::String(name) = browser.execute(focused).await? else { panic!("nothing has the focus") };
        order.push(name);
        if order.last().is_some_and(|name| name == "button") {
            break;
        }
        assert!(order.len() < 20, "{order:?}");
    }
    let expected = ["app", "line", "rounds", "packages", "source", "eager", "eager-seq", "naive", "button"];
    assert_eq!(order, expected);

    browser.client().active_element().await?.send_keys(" ").await?;
    let status = ready(&browser).await?;
    assert!(status.starts_with("eager took "), "{status}");
    assert_eq!(browser.execute(focused).await?, "button", "it keeps the focus");
    // What a screen reader would say of each thing that can be reached: everything has a name.
    let nameless = "const reachable = [...document.querySelectorAll('select, input, textarea, button, a[href], [tabindex]')]; \
        return reachable.filter((one) => one.checkVisibility() && !one.labels?.length && !one.textContent.trim() \
          && !one.ariaLabel && !one.hasAttribute('aria-labelledby')).map((one) => one.outerHTML)";
    assert_eq!(browser.execute(nameless).await?, Value::Array(Vec::new()));
    Ok(())
}

/// A frame is told which Pyodide it runs, so that it asks early for files that are there.
#[tokio::test]
async fn the_page_knows_its_pyodide() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = Site::new(&parts, "314.0.7")?.start(Line::new(0, 0)).await?;
    let browser = Browser::start(&parts).await?;
    let choice =
        "/#app=own&strategies=eager&rounds=1&packages=sympy&source=import%20sympy%0Aprint(sympy.sin(0))";
    browser.goto(&site.url(choice)).await?;
    let status = compare(&browser).await?;
    assert!(status.starts_with("eager took "), "{status}");
    let log = site.server.log().take();
    assert!(log.iter().any(|entry| entry.path == "/pyodide/pyodide.asm.mjs" && entry.status == 200));
    let missing: Vec<_> = log.iter().filter(|entry| entry.path.ends_with("/pyodide.asm.js")).collect();
    assert!(missing.is_empty(), "{missing:?}");
    Ok(())
}
