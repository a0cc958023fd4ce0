//! wheelfs in a real Chromium: the page's strategies, and the main thread where nothing can suspend.

use std::{collections::HashMap, ops::Range};

use demo_site::{Fault, Line};
use serde::Deserialize;
use wheelfs_tests::{Browser, Engine, HarnessError, Lazy, LineSite, Parts, Recorder, Site};

#[derive(Deserialize)]
struct PageRun {
    output: String,
}

async fn site(parts: &Parts, pyodide: &str) -> Result<LineSite, HarnessError> {
    Site::new(parts, pyodide)?.with_tests().start(Line::new(0, 0)).await
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
    let run: Lazy = browser.result(&site.url("/tests/lazy.html?app=tasks&packages=pandas")).await?;
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
    let run: Lazy = browser.result(&url).await?;
    assert_eq!(run.output, "6 2026");
    assert!(run.stats["blockingRequests"] >= 50.0 && run.stats["waits"] == 0.0, "{:?}", run.stats);
    Ok(())
}

#[tokio::test]
async fn a_timer_and_an_event_handler_read() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = site(&parts, "0.27.7").await?;
    let browser = Browser::start(&parts).await?;
    let run: Lazy = browser.result(&site.url("/tests/lazy.html?app=callback&packages=pygments")).await?;
    assert_eq!(run.output, "{'pygments/util.py': True, 'pygments/style.py': True}");
    assert_eq!(run.stats["blockingRequests"], 2.0, "{:?}", run.stats);
    Ok(())
}

/// The index has two programs, so nothing is under way when the page is here: what the call does not wait for, `runPython`
/// has to ask for itself.
#[tokio::test]
async fn without_jspi_each_way_to_load_waits_for_what_is_foreseen() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let folder = Parts::root().join("target/test-index/0.27.7/ahead");
    let recorder = Recorder::new(&parts, "0.27.7");
    let traces = ["blocking", "tiny"].map(|app| recorder.record(&format!("tests/apps/{app}.py"), &folder));
    let [blocking, tiny] = traces;
    recorder.build(&[&blocking?, &tiny?], &folder)?;
    let site =
        Site::new(&parts, "0.27.7")?.with_tests().mount("/ahead", &folder).start(Line::new(0, 0)).await?;
    let browser = Browser::of(&parts, Engine::ChromiumWithoutJspi).await?;
    for (call, waits) in
        [("", false), ("&packages=numpy,python-dateutil", true), ("&imports", true), ("&prefetch", true)]
    {
        let query = format!("blocking&app=blocking&index=/ahead/wheelfs.idx{call}");
        let url = format!("/tests/lazy.html?{query}{}", Engine::ChromiumWithoutJspi.query());
        let run: Lazy = browser.result(&site.url(&url)).await?;
        assert_eq!(run.output, "6 2026", "{call}");
        assert_eq!(run.stats["blockingRequests"] == 0.0, waits, "{call}: {:?}", run.stats);
    }
    Ok(())
}

#[tokio::test]
async fn programs_run_at_once() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = site(&parts, "0.27.7").await?;
    for (engine, query) in [
        (Engine::Chromium, "packages=pandas"),
        (Engine::ChromiumWithoutJspi, "index=/index/pandas/wheelfs.idx"),
    ] {
        let browser = Browser::of(&parts, engine).await?;
        let url = format!("/tests/lazy.html?app=frame&app=dates&app=tiny&{query}{}", engine.query());
        let run: Lazy = browser.result(&site.url(&url)).await?;
        let mut lines: Vec<_> = run.output.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["1.16.0", "2026-04-05", "231"], "{engine:?}");
    }
    Ok(())
}

#[tokio::test]
async fn compiled_and_pure_packages_on_314() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = site(&parts, "314.0.7").await?;
    let browser = Browser::start(&parts).await?;
    let url = site.url("/tests/lazy.html?app=modern&packages=sympy,pydantic,msgpack");
    let run: Lazy = browser.result(&url).await?;
    assert_eq!(run.output, "-cos(x)\n{\"x\":1,\"y\":2}\n{'wheels': [1, 2, 3]}");
    assert!(run.stats["waits"] >= 400.0 && run.stats["blockingRequests"] == 0.0, "{:?}", run.stats);
    Ok(())
}

/// The server keeps the second half of the pack back until the first line of pandas has run, however long that takes.
#[tokio::test]
async fn python_runs_while_its_pack_arrives() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let folder = Parts::root().join("target/test-index/0.27.7/first-line");
    let recorder = Recorder::new(&parts, "0.27.7");
    let trace = recorder.record("demo-site/apps/pandas.py", &folder)?;
    recorder.build_with(&[&trace], &["--pack", "--stdlib"], &folder)?;
    let len = std::fs::metadata(folder.join("pandas.pack"))?.len();
    let site =
        Site::new(&parts, "0.27.7")?.with_tests().mount("/packs", &folder).start(Line::new(0, 0)).await?;
    let half = Fault::Until { after: len / 2, asked: "/first-line".to_owned() };
    site.server.inject("/packs/pandas.pack", half, u32::MAX);
    let browser = Browser::start(&parts).await?;
    let run: Lazy =
        browser.result(&site.url("/tests/lazy.html?app=first_line&index=/packs/wheelfs.idx")).await?;
    assert_eq!((run.output.as_str(), run.stats["blockingRequests"]), ("2.2.3", 0.0));
    site.bytes_in_the_end().await;
    let log = site.server.log().take();
    let asked = |end: &str| -> Vec<_> { log.iter().filter(|entry| entry.path.ends_with(end)).collect() };
    let [pack] = asked("pandas.pack")[..] else { panic!("{:?}", asked("pandas.pack")) };
    assert!(pack.complete, "{pack:?}");
    // Nothing came by another way meanwhile.
    assert!(asked(".whl").is_empty(), "{:?}", asked(".whl"));
    Ok(())
}

/// The page fetches `python_stdlib.pack` for its worker, which asks for it itself when that fails, and then knows why.
#[tokio::test]
async fn a_standard_library_that_breaks_off_is_asked_for_again() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let folder = Parts::root().join("target/test-index/0.27.7/broken-off");
    let recorder = Recorder::new(&parts, "0.27.7");
    let trace = recorder.record("tests/apps/tiny.py", &folder)?;
    recorder.build_with(&[&trace], &["--pack", "--stdlib", "--quick"], &folder)?;
    let name = "/packs/python_stdlib.pack";
    let len = std::fs::metadata(folder.join("python_stdlib.pack"))?.len();
    let once = |fault| vec![(fault, 1)];
    /// What goes wrong, the faults, how often it is asked for, and whether it is used in the end.
    type Case = (&'static str, Vec<(Fault, u32)>, usize, bool);
    let cases: [Case; 6] = [
        ("good", Vec::new(), 1, true),
        ("not there once", once(Fault::Status(503)), 2, true),
        ("reset once", once(Fault::Reset { after: len / 2 }), 2, true),
        ("reset twice", vec![(Fault::Reset { after: len / 2 }, 2)], 3, true),
        ("never there", vec![(Fault::Status(404), 2)], 2, false),
        ("damaged", vec![(Fault::Corrupt { offset: len / 2 }, 2)], 2, false),
    ];
    let browser = Browser::start(&parts).await?;
    for (what, faults, asked, used) in cases {
        let site =
            Site::new(&parts, "0.27.7")?.with_tests().mount("/packs", &folder).start(Line::new(0, 0)).await?;
        for (fault, times) in faults {
            site.server.inject(name, fault, times);
        }
        let run: Lazy =
            browser.result(&site.url("/tests/lazy.html?app=tiny&index=/packs/wheelfs.idx")).await?;
        assert_eq!((run.output.as_str(), run.stats["blockingRequests"]), ("1.16.0", 0.0), "{what}");
        let ((_, at_first), (bytes, expected)) = run.progress();
        assert!(at_first >= len as f64 && bytes > 0.0 && expected > 0.0, "{what}: {:?}", run.progress);
        let log = site.server.log().take();
        assert_eq!(log.iter().filter(|entry| entry.path == name).count(), asked, "{what}");
        let own = log.iter().filter(|entry| entry.path.ends_with("python_stdlib.zip")).count();
        assert_eq!(own == 0, used, "{what}: {own} requests for Pyodide's own");
        let warned: Vec<_> = run.warnings.iter().filter(|line| line.contains("python_stdlib.pack")).collect();
        assert_eq!(warned.len(), usize::from(!used), "{what}: {warned:?}");
    }
    Ok(())
}
