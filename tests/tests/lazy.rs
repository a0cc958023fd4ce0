//! wheelfs in Node 26: real Pyodide, real wheels, a real server; compared with the eager run of the same program.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use demo_site::Line;
use serde_json::{Value, json};
use wheelfs_tests::{HarnessError, Lazy, LineSite, Node, Parts, Recorder, Site, read_json};

struct Setting {
    parts: Parts,
    node: Node,
    version: &'static str,
}

impl Setting {
    fn new(version: &'static str) -> Result<Setting, HarnessError> {
        let parts = Parts::find()?;
        Ok(Setting { node: Node::new(&parts), parts, version })
    }

    async fn site(&self) -> Result<LineSite, HarnessError> {
        Site::new(&self.parts, self.version)?.start(Line::new(0, 0)).await
    }

    async fn eager(&self, packages: &str, app: &str) -> Result<String, HarnessError> {
        Ok(self.node.eager(self.version, packages, app).await?.output)
    }

    /// `options`: those of `loadPyodide`, and `packages` for `loadPackage` after it.
    async fn lazy(&self, options: Value, app: &str) -> Result<Lazy, HarnessError> {
        self.at_once(options, &[app]).await
    }

    /// Several programs, each by a `runPythonAsync` of its own.
    async fn at_once(&self, options: Value, apps: &[&str]) -> Result<Lazy, HarnessError> {
        self.node.lazy(self.version, options, apps).await
    }

    /// The index of `app`, recorded and built as a user does.
    fn index(&self, app: &str) -> Result<PathBuf, HarnessError> {
        let name = Path::new(app).file_stem().unwrap_or_default();
        let folder = Parts::root().join("target/test-index").join(self.version).join(name);
        Recorder::new(&self.parts, self.version).index(app, &folder)
    }
}

/// Requests for wheels, after checking that none asked for a byte that another had asked for.
fn no_byte_twice(site: &LineSite) -> usize {
    let mut asked: HashMap<String, Vec<std::ops::Range<u64>>> = HashMap::new();
    for entry in site.server.log().take() {
        if entry.method == "GET" && (entry.path.ends_with(".whl") || entry.path.ends_with(".zip")) {
            asked.entry(entry.path).or_default().extend(entry.range);
        }
    }
    for (path, ranges) in &mut asked {
        if ranges.contains(&(0..1)) {
            // Mounted without an index: a byte to learn the length, then the end for the directory, which may hold a
            // part of the last members too.
            let end = ranges.iter().map(|range| range.end).max();
            ranges.retain(|range| *range != (0..1) && Some(range.end) != end);
        }
        ranges.sort_by_key(|range| range.start);
        for pair in ranges.windows(2) {
            assert!(pair[0].end <= pair[1].start, "{path}: {:?} and {:?}", pair[0], pair[1]);
        }
    }
    asked.values().map(Vec::len).sum()
}

#[tokio::test]
async fn pandas_without_an_index() -> Result<(), HarnessError> {
    let setting = Setting::new("0.27.7")?;
    let app = "demo-site/apps/pandas.py";
    let eager = setting.eager("pandas", app).await?;
    let site = setting.site().await?;
    let options = json!({ "packages": ["pandas"], "packageBaseUrl": site.url("/pyodide/") });
    let lazy = setting.lazy(options, app).await?;
    assert_eq!(lazy.error, None);
    assert_eq!(lazy.output, eager);
    let requests = no_byte_twice(&site);
    assert!(requests >= 390, "{requests} requests: nothing predicts here, every member is a round trip");
    assert_eq!(lazy.stats["blockingRequests"], 0.0);
    Ok(())
}

#[tokio::test]
async fn pandas_with_an_index() -> Result<(), HarnessError> {
    let setting = Setting::new("0.27.7")?;
    let app = "demo-site/apps/pandas.py";
    let eager = setting.eager("pandas", app).await?;
    let index = setting.index(app)?;
    let site = setting.site().await?;
    let options = json!({ "wheelfs": { "index": index, "baseUrl": site.url("/pyodide/") } });
    let lazy = setting.lazy(options, app).await?;
    assert_eq!(lazy.error, None);
    assert_eq!(lazy.output, eager);
    let requests = no_byte_twice(&site);
    assert!(requests <= 12, "{requests} requests");
    assert!(lazy.stats["bytes"] <= 8_200_000.0, "{} bytes", lazy.stats["bytes"]);
    assert_eq!(lazy.stats["blockingRequests"], 0.0);
    // Nothing was read that had not been expected from the first byte on.
    let ((_, at_first), (bytes, expected)) = lazy.progress();
    assert_eq!([at_first, bytes, expected], [lazy.stats["bytes"]; 3]);

    // What the page itself recorded is as good a trace as the recorder's.
    let folder = Parts::root().join("target/test-index/from-page");
    std::fs::create_dir_all(&folder)?;
    let trace = folder.join("page.trace");
    std::fs::write(&trace, lazy.trace)?;
    let index = Recorder::new(&setting.parts, setting.version).build(&[trace.as_path()], &folder)?;
    let options = json!({ "wheelfs": { "index": index, "baseUrl": site.url("/pyodide/") } });
    let again = setting.lazy(options, app).await?;
    assert_eq!((again.error, again.output), (None, eager));
    assert!(no_byte_twice(&site) <= 12);
    Ok(())
}

#[tokio::test]
async fn scipy_and_scikit_learn() -> Result<(), HarnessError> {
    let setting = Setting::new("0.27.7")?;
    let app = "tests/apps/science.py";
    let eager = setting.eager("scikit-learn", app).await?;
    let lazy = setting.lazy(json!({ "packages": ["scikit-learn"] }), app).await?;
    assert_eq!((lazy.error, lazy.output), (None, eager));
    Ok(())
}

#[tokio::test]
async fn matplotlib_draws_the_same_bytes() -> Result<(), HarnessError> {
    let setting = Setting::new("0.27.7")?;
    let app = "tests/apps/plot.py";
    let eager = setting.eager("matplotlib", app).await?;
    let lazy = setting.lazy(json!({ "packages": ["matplotlib"] }), app).await?;
    assert_eq!((lazy.error, lazy.output), (None, eager));
    Ok(())
}

#[tokio::test]
async fn compiled_and_pure_packages_on_314() -> Result<(), HarnessError> {
    let setting = Setting::new("314.0.7")?;
    let app = "tests/apps/modern.py";
    let eager = setting.eager("sympy,pydantic,msgpack", app).await?;
    let lazy = setting.lazy(json!({ "packages": ["sympy", "pydantic", "msgpack"] }), app).await?;
    assert_eq!((lazy.error, &lazy.output), (None, &eager));
    let index = setting.index(app)?;
    let lazy = setting.lazy(json!({ "wheelfs": { "index": index } }), app).await?;
    assert_eq!((lazy.error, lazy.output), (None, eager));
    assert_eq!(lazy.stats["blockingRequests"], 0.0);
    Ok(())
}

#[tokio::test]
async fn tasks_import_at_once_and_a_callback_reads() -> Result<(), HarnessError> {
    let setting = Setting::new("0.27.7")?;
    let site = setting.site().await?;
    let options = json!({ "packages": ["pandas"], "packageBaseUrl": site.url("/pyodide/") });
    let lazy = setting.lazy(options, "tests/apps/tasks.py").await?;
    assert_eq!(lazy.error, None);
    let mut lines = lazy.output.lines();
    assert_eq!(lines.next(), Some("[6, '2.2.3', 10, 6]"));
    assert_eq!(lines.next(), Some("[('pandas.plotting._core', '[build-system]')]"));
    assert!(lazy.stats["blockingRequests"] >= 1.0, "the callback did not need a blocking read");
    Ok(())
}

#[tokio::test]
async fn tasks_import_at_once_on_314() -> Result<(), HarnessError> {
    let setting = Setting::new("314.0.7")?;
    let lazy = setting.lazy(json!({ "packages": ["sympy", "pydantic"] }), "tests/apps/tasks_314.py").await?;
    assert_eq!(lazy.error, None);
    assert_eq!(lazy.output, "['-cos(x)', '-cos(x)', '-cos(x)', 'pydantic']");
    Ok(())
}

/// Pyodide looks for them beside the lock file from 0.28 on, before that where its runtime is.
#[tokio::test]
async fn packages_are_where_this_pyodide_looks_for_them() -> Result<(), HarnessError> {
    for (version, package, beside_lock, app) in [
        ("0.27.7", "six", false, "tests/apps/tiny.py"),
        ("0.28.3", "mpmath", true, "tests/apps/mpmath_version.py"),
        ("314.0.7", "six", true, "tests/apps/tiny.py"),
    ] {
        let setting = Setting::new(version)?;
        let distribution = setting.parts.pyodide(version)?;
        let elsewhere = Parts::root().join("target/test-index/lock").join(version);
        fs::create_dir_all(&elsewhere)?;
        let lock_file = elsewhere.join("pyodide-lock.json");
        let mut lock: Value = read_json(&distribution.join("pyodide-lock.json"))?;
        let file_name = &mut lock["packages"][package]["file_name"];
        if beside_lock {
            let renamed = format!("{package}-0-py3-none-any.whl");
            let wheel = distribution.join(file_name.as_str().unwrap_or_default());
            fs::copy(wheel, elsewhere.join(&renamed))?;
            *file_name = renamed.into();
        }
        fs::write(&lock_file, lock.to_string())?;
        let options = json!({ "lockFileURL": lock_file, "packages": [package] });
        let lazy = setting.lazy(options, app).await?;
        assert_eq!((lazy.error, lazy.output.starts_with("1.")), (None, true), "{version}: {}", lazy.output);
        assert_eq!(lazy.warnings, [""; 0], "{version}");
    }
    Ok(())
}

/// Locks of 0.28.0 to 0.29.3 all have the same version, that of none of them.
#[tokio::test]
async fn a_pyodide_whose_lock_file_says_that_it_is_another() -> Result<(), HarnessError> {
    let setting = Setting::new("0.28.3")?;
    let folder = Parts::root().join("target/test-index/0.28.3/version");
    let (recorder, app) = (Recorder::new(&setting.parts, "0.28.3"), "tests/apps/mpmath_version.py");
    let trace = recorder.record(app, &folder)?;
    let index = recorder.build_with(&[&trace], &["--pack", "--stdlib"], &folder)?;
    let lazy = setting.lazy(json!({ "wheelfs": { "index": index } }), app).await?;
    assert_eq!((lazy.error, lazy.output.as_str()), (None, "1.4.1"));
    assert_eq!((lazy.stats["requests"], lazy.stats["blockingRequests"]), (2.0, 0.0), "two packs");
    Ok(())
}

/// It pauses while a stack is suspended, and Python must not notice.
#[tokio::test]
async fn the_collector_can_be_switched_while_a_stack_is_suspended() -> Result<(), HarnessError> {
    let lazy = Setting::new("314.0.7")?.lazy(json!({}), "tests/apps/collector.py").await?;
    let expected = "(True, False) False\n(False, True) True";
    assert_eq!((lazy.error, lazy.output.as_str()), (None, expected));
    Ok(())
}

#[tokio::test]
async fn an_interpreter_that_nobody_uses_does_not_stay_in_memory() -> Result<(), HarnessError> {
    let node = Node::new(&Parts::find()?);
    for version in ["0.27.7", "314.0.7"] {
        let there: [bool; 2] = node.with_wheelfs("node/released.mjs", version, json!({}), &[""; 0]).await?;
        assert_eq!(there, [false, false], "{version}");
    }
    Ok(())
}

#[tokio::test]
async fn programs_run_at_once() -> Result<(), HarnessError> {
    let tasks = "['-cos(x)', '-cos(x)', '-cos(x)', 'pydantic']";
    for (version, packages, apps, prints) in [
        ("0.27.7", json!(["pandas"]), ["frame", "dates", "tiny"], ["1.16.0", "2026-04-05", "231"]),
        (
            "314.0.7",
            json!(["sympy", "pydantic", "six"]),
            ["integral", "tasks_314", "tiny"],
            ["-cos(x)", "1.17.0", tasks],
        ),
    ] {
        let apps = apps.map(|app| format!("tests/apps/{app}.py"));
        let options = json!({ "packages": packages });
        let lazy = Setting::new(version)?.at_once(options, &apps.each_ref().map(String::as_str)).await?;
        let mut lines: Vec<_> = lazy.output.lines().collect();
        lines.sort_unstable();
        assert_eq!((lazy.error, lines.as_slice()), (None, prints.as_slice()), "{version}");
        assert_eq!(lazy.stats["blockingRequests"], 0.0, "{version}");
    }
    Ok(())
}

#[tokio::test]
async fn a_timer_and_an_event_handler_read() -> Result<(), HarnessError> {
    for version in ["0.27.7", "314.0.7"] {
        let setting = Setting::new(version)?;
        let lazy = setting.lazy(json!({ "packages": ["pygments"] }), "tests/apps/callback.py").await?;
        assert_eq!(lazy.error, None, "{version}");
        assert_eq!(lazy.output, "{'pygments/util.py': True, 'pygments/style.py': True}", "{version}");
        assert_eq!(lazy.stats["blockingRequests"], 2.0, "{version}: {:?}", lazy.stats);
    }
    Ok(())
}

#[tokio::test]
async fn site_packages_stays_writable() -> Result<(), HarnessError> {
    // The folder of 314 has none, and any Python runs it.
    let dateutil = Parts::find()?.pyodide("0.27.7")?.join("python_dateutil-2.9.0.post0-py2.py3-none-any.whl");
    for version in ["0.27.7", "314.0.7"] {
        let options = json!({ "packages": ["six"], "mount": [dateutil] });
        let lazy = Setting::new(version)?.lazy(options, "tests/apps/overlay.py").await?;
        assert_eq!((lazy.error, lazy.output.as_str()), (None, "True"), "{version}");
    }
    Ok(())
}

#[tokio::test]
async fn the_standard_library_finds_lazy_packages() -> Result<(), HarnessError> {
    let setting = Setting::new("0.27.7")?;
    let app = "tests/apps/packages.py";
    let eager = setting.eager("pandas", app).await?;
    let lazy = setting.lazy(json!({ "packages": ["pandas"] }), app).await?;
    assert_eq!((lazy.error, lazy.output), (None, eager));
    Ok(())
}
