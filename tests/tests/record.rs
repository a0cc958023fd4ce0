//! Traces recorded where users are, and of programs that end by themselves.

use std::process::{Command, Output};

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
    let site = Site::new(&parts, "0.27.7")?
        .with_tests()
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
    // Two for each of two wheels.
    assert!(after <= 4.0 && before >= 3.0 * after, "{before} requests without an index, {after} with it");
    Ok(())
}

/// The output of `prefetch-index record`, and what it left.
fn recorded(parts: &Parts, program: &str) -> Result<(Output, Option<String>), HarnessError> {
    let folder = tempfile::tempdir()?;
    let [app, trace] = ["app.py", "app.trace"].map(|name| folder.path().join(name));
    std::fs::write(&app, program)?;
    let mut record = Command::new(parts.prefetch_index()?);
    record.env("NODE", &parts.node).arg("record").arg("--pyodide").arg(parts.pyodide("0.27.7")?);
    let output = record.arg("-o").arg(&trace).arg(&app).output()?;
    Ok((output, std::fs::read_to_string(&trace).ok()))
}

#[test]
fn a_program_that_exits_well_is_recorded() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let in_a_task = "import asyncio\nasync def end(): raise SystemExit\nawait asyncio.create_task(end())";
    for end in ["sys.exit()", "sys.exit(0)", "sys.exit(None)", in_a_task] {
        let (output, trace) = recorded(&parts, &format!("import six, sys\n{end}\n"))?;
        assert!(output.status.success(), "{end}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(trace.is_some_and(|trace| trace.contains(r#""read":"six.py""#)), "{end}");
    }
    for (end, expected) in [("sys.exit(3)", "code 3;"), ("sys.exit('no input')", "code 1;")] {
        let (output, trace) = recorded(&parts, &format!("import six, sys\n{end}\n"))?;
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(&format!("the program exited with {expected}")), "{end}: {told}");
        assert!(!output.status.success() && trace.is_none(), "{end}: {told}");
        assert!(end.contains('3') || told.contains("no input"), "{end}: {told}");
    }
    Ok(())
}
