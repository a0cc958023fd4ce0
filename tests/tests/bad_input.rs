//! What does not work says so in one line: which file, what was found, what to do. Python never sees wrong bytes.

use std::{fs, path::PathBuf};

use demo_site::{Fault, Line};
use prefetch_index::format;
use serde_json::{Value, json};
use wheelfs_tests::{HarnessError, Lazy, LineSite, Node, Parts, Recorder, Site};

const WHEEL: &str = "six-1.16.0-py2.py3-none-any.whl";
/// As an entry point: none.
const NOTHING: &str = "";
const OS_ERROR: &str = "OSError 29 /lib/python3.12/site-packages/six.py";

/// A folder like a site's with one wheel in it, and the index of `apps/tiny.py`.
struct Tiny {
    parts: Parts,
    folder: PathBuf,
}

impl Tiny {
    fn new(name: &str) -> Result<Tiny, HarnessError> {
        let parts = Parts::find()?;
        let folder = Parts::root().join("target/test-index/bad-input").join(name);
        fs::create_dir_all(&folder)?;
        let tiny = Tiny { parts, folder };
        fs::copy(tiny.parts.pyodide("0.27.7")?.join(WHEEL), tiny.folder.join(WHEEL))?;
        Recorder::new(&tiny.parts, "0.27.7").index("tests/apps/tiny.py", &tiny.folder)?;
        Ok(tiny)
    }

    /// Serves the folder as it is now.
    async fn serve(&self) -> Result<LineSite, HarnessError> {
        Site::of(&[("/", &self.folder)]).start(Line::new(0, 0)).await
    }

    async fn run(&self, options: Value) -> Result<Lazy, HarnessError> {
        Node::new(&self.parts).lazy("0.27.7", options, &["tests/apps/tiny.py"]).await
    }

    async fn with_index(&self, site: &LineSite) -> Result<Lazy, HarnessError> {
        self.ahead(site, "tiny", false).await
    }

    /// `entry`: what is fetched ahead. `prefetch`: whether JavaScript waits for it before Python runs.
    async fn ahead(&self, site: &LineSite, entry: &str, prefetch: bool) -> Result<Lazy, HarnessError> {
        let wheelfs = json!({ "index": site.url("/wheelfs.idx"), "baseUrl": site.url("/"), "entry": entry });
        self.run(json!({ "wheelfs": wheelfs, "prefetch": prefetch })).await
    }

    async fn without_index(&self, site: &LineSite) -> Result<Lazy, HarnessError> {
        self.run(json!({ "packages": ["six"], "packageBaseUrl": site.url("/") })).await
    }

    fn edit(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) -> Result<(), HarnessError> {
        let path = self.folder.join(file);
        let mut bytes = fs::read(&path)?;
        change(&mut bytes);
        Ok(fs::write(path, bytes)?)
    }
}

/// A rejection of `loadPyodide` or `loadPackage`: typed, one line, naming the file and the remedy.
fn assert_refused(run: Lazy, code: &str, file: &str, says: &[&str]) {
    let error =
        run.error.unwrap_or_else(|| panic!("nothing was refused; the program printed {:?}", run.output));
    assert_eq!((error["name"].as_str(), error["code"].as_str()), ("WheelfsError", code), "{error:?}");
    assert!(error["url"].contains(file) && error["message"].contains(file), "{error:?}");
    for part in says {
        assert!(error["message"].contains(part), "{part:?} is not in {:?}", error["message"]);
    }
    assert!(!error["message"].contains('\n'), "{error:?}");
}

#[tokio::test]
async fn an_index_that_cannot_be_used() -> Result<(), HarnessError> {
    let tiny = Tiny::new("index")?;
    let site = tiny.serve().await?;
    let index = |url: String| json!({ "wheelfs": { "index": url } });

    let run = tiny.run(index(site.url("/nothing.idx"))).await?;
    assert_refused(run, "status", "/nothing.idx", &["answered 404", "check the URL"]);
    let run = tiny.run(index("http://127.0.0.1:9/wheelfs.idx".to_owned())).await?;
    assert_refused(run, "unreachable", "/wheelfs.idx", &["check the URL"]);
    let run = tiny.run(index(site.url(&format!("/{WHEEL}")))).await?;
    assert_refused(run, "index", WHEEL, &["prefetch-index build"]);

    let entry = json!({ "wheelfs": { "index": site.url("/wheelfs.idx"), "entry": "small" } });
    assert_refused(tiny.run(entry).await?, "index", "/wheelfs.idx", &["\"small\"", "may be one of: tiny"]);

    let other = Node::new(&tiny.parts);
    let run = other.lazy("314.0.7", index(site.url("/wheelfs.idx")), &["tests/apps/tiny.py"]).await?;
    assert_refused(run, "index", "/wheelfs.idx", &["built for Pyodide 0.27.7", "this is 314.0.7"]);

    let mut names = index(site.url("/wheelfs.idx"));
    names["prefetch"] = json!(["tiny", "small"]);
    assert_refused(tiny.run(names).await?, "index", "", &["\"small\"", "prefetch-index inspect"]);

    let line = json!({ "wheelfs": { "index": site.url("/wheelfs.idx"), "line": { "rtt": "200 ms" } } });
    assert_refused(tiny.run(line).await?, "option", "", &["\"rtt\"", "a number"]);
    let progress = json!({ "wheelfs": { "index": site.url("/wheelfs.idx"), "progress": true } });
    assert_refused(tiny.run(progress).await?, "option", "", &["\"progress\"", "a function"]);

    // What it throws is said, and no transfer ends for it.
    let throwing = json!({ "wheelfs": { "index": site.url("/wheelfs.idx") }, "throws": "no bar here" });
    let run = tiny.run(throwing).await?;
    assert_eq!((run.error.as_ref(), run.output.as_str()), (None, "1.16.0"));
    assert!(run.warnings.iter().any(|told| told.contains("no bar here")), "{:?}", run.warnings);

    // Magic, then the format's version.
    tiny.edit("wheelfs.idx", |bytes| bytes[8] += 1)?;
    let run = tiny.run(index(site.url("/wheelfs.idx"))).await?;
    assert_refused(
        run,
        "index",
        "/wheelfs.idx",
        &[&format!("this is format {}", format::VERSION), "prefetch-index build"],
    );
    tiny.edit("wheelfs.idx", |bytes| bytes[8] -= 1)?;
    tiny.edit("wheelfs.idx", |bytes| bytes.truncate(bytes.len() - 1))?;
    let run = tiny.run(index(site.url("/wheelfs.idx"))).await?;
    assert_refused(run, "index", "/wheelfs.idx", &["prefetch-index build"]);
    Ok(())
}

#[tokio::test]
async fn a_wheel_that_cannot_be_mounted() -> Result<(), HarnessError> {
    let tiny = Tiny::new("mount")?;
    let site = tiny.serve().await?;
    assert_eq!(tiny.without_index(&site).await?.output, "1.16.0");

    site.server.inject(&format!("/{WHEEL}"), Fault::Status(404), 100);
    assert_refused(tiny.without_index(&site).await?, "status", WHEEL, &["answered 404"]);
    let site = tiny.serve().await?;
    tiny.edit(WHEEL, |bytes| bytes.truncate(bytes.len() / 2))?;
    assert_refused(tiny.without_index(&site).await?, "archive", WHEEL, &["intact wheel"]);
    tiny.edit(WHEEL, |bytes| bytes.fill(b'x'))?;
    assert_refused(tiny.without_index(&site).await?, "archive", WHEEL, &["intact wheel"]);
    Ok(())
}

#[tokio::test]
async fn a_wheel_that_changed_since_the_index() -> Result<(), HarnessError> {
    let tiny = Tiny::new("changed")?;
    let site = tiny.serve().await?;
    assert_eq!(tiny.with_index(&site).await?.output, "1.16.0");

    // Another byte in the module's data: the CRC-32 does not fit, and fetching it again does not help.
    tiny.edit(WHEEL, |bytes| bytes[2000] ^= 1)?;
    assert_eq!(tiny.with_index(&site).await?.output, OS_ERROR);
    tiny.edit(WHEEL, |bytes| bytes[2000] ^= 1)?;
    // Another length: refused before a byte of it is used.
    tiny.edit(WHEEL, |bytes| bytes.push(0))?;
    assert_eq!(tiny.with_index(&site).await?.output, OS_ERROR);

    // Asked for once, and said once: on the console where Python asks, to JavaScript where that does.
    let wheel = format!("/{WHEEL}");
    let requests = || site.server.log().take().into_iter().filter(|entry| entry.path == wheel).count();
    requests();
    let run = tiny.ahead(&site, NOTHING, false).await?;
    assert_eq!((run.output.as_str(), requests()), (OS_ERROR, 1));
    let [line] = run.warnings.as_slice() else { panic!("{:?}", run.warnings) };
    assert!(line.contains(&site.url(&wheel)) && line.contains("rebuild the index"), "{line}");

    let run = tiny.ahead(&site, NOTHING, true).await?;
    assert_eq!((run.warnings.as_slice(), requests()), ([].as_slice(), 1));
    assert_refused(run, "changed", WHEEL, &["11054", "11053", "rebuild the index"]);

    // The same where the server has no ranges.
    site.server.inject(&wheel, Fault::IgnoreRange, 100);
    let run = tiny.ahead(&site, NOTHING, true).await?;
    assert_eq!((run.warnings.as_slice(), requests()), ([].as_slice(), 1));
    assert_refused(run, "changed", WHEEL, &["11054", "11053", "rebuild the index"]);
    Ok(())
}

/// What failed before Python ran is neither forgotten nor taken for what is here.
#[tokio::test]
async fn prefetch_asks_again_for_what_failed() -> Result<(), HarnessError> {
    let tiny = Tiny::new("again")?;
    let site = tiny.serve().await?;
    site.server.inject(&format!("/{WHEEL}"), Fault::Status(404), 100);
    assert_refused(tiny.ahead(&site, "tiny", true).await?, "status", WHEEL, &["answered 404"]);
    let site = tiny.serve().await?;
    site.server.inject(&format!("/{WHEEL}"), Fault::Status(404), 1);
    let run = tiny.ahead(&site, "tiny", true).await?;
    assert_eq!((run.error, run.output.as_str()), (None, "1.16.0"));
    assert_eq!(run.stats["waits"], 0.0, "Python had to wait: {:?}", run.stats);
    Ok(())
}

#[tokio::test]
async fn servers_that_fail_for_a_while_or_for_good() -> Result<(), HarnessError> {
    let tiny = Tiny::new("server")?;
    let wheel = format!("/{WHEEL}");
    let works = [
        (Fault::Status(503), 2),
        (Fault::Reset { after: 1000 }, 2),
        (Fault::Corrupt { offset: 2000 }, 1),
        (Fault::ContentRange { shift: 1 }, 1),
        (Fault::Shifted { shift: 3 }, 1),
        (Fault::IgnoreRange, 100),
        (Fault::Short { len: 100 }, 100),
    ];
    for (fault, times) in works {
        let site = tiny.serve().await?;
        site.server.inject(&wheel, fault.clone(), times);
        let run = tiny.with_index(&site).await?;
        assert_eq!((run.output.as_str(), &run.error), ("1.16.0", &None), "{fault:?}");
    }
    let fails = [Fault::Status(404), Fault::Status(500), Fault::Corrupt { offset: 2000 }];
    for fault in fails {
        let site = tiny.serve().await?;
        site.server.inject(&wheel, fault.clone(), 100);
        assert_eq!(tiny.with_index(&site).await?.output, OS_ERROR, "{fault:?}");
    }
    Ok(())
}

/// A Pyodide that has renamed what the bridge stands on.
#[tokio::test]
async fn a_pyodide_that_does_not_fit() -> Result<(), HarnessError> {
    const IMPORT: &str = "no import \"syncifyHandler\"";
    const EXPORT: &str = "no export \"PyGILState_Ensure\"";
    // In the runtime: length, name, and that it is a function.
    let [ensure, renamed] = ["\x11PyGILState_Ensure\0", "\x11PyGILState_Other_\0"];
    for (version, part, name, renamed, says) in [
        ("0.27.7", "pyodide.asm.js", ",syncifyHandler:syncifyHandler,", ",renamed:syncifyHandler,", IMPORT),
        ("314.0.7", "pyodide.asm.mjs", ",syncifyHandler,", ",renamed:syncifyHandler,", IMPORT),
        ("0.27.7", "pyodide.asm.wasm", ensure, renamed, EXPORT),
        ("314.0.7", "pyodide.asm.wasm", ensure, renamed, EXPORT),
        // As 0.27.4.
        ("0.27.7", "pyodide.mjs", ".fsInit", ".noInit", "does not call fsInit"),
    ] {
        let tiny = Tiny::new(&format!("pyodide-{version}"))?;
        let folder = tempfile::tempdir()?;
        for file in fs::read_dir(tiny.parts.pyodide(version)?)? {
            let file = file?;
            if !file.file_name().to_string_lossy().ends_with(".whl") {
                std::os::unix::fs::symlink(file.path(), folder.path().join(file.file_name()))?;
            }
        }
        let path = folder.path().join(part);
        let mut bytes = fs::read(&path)?;
        fs::remove_file(&path)?;
        let found = bytes.windows(name.len()).position(|bytes| bytes == name.as_bytes());
        let at = found.unwrap_or_else(|| panic!("{name:?} is not in {part} of {version}"));
        bytes.splice(at..at + name.len(), renamed.bytes());
        fs::write(&path, bytes)?;
        let run = tiny.run(json!({ "indexURL": folder.path() })).await?;
        assert_refused(run, "pyodide", version, &[says, "use a version of Pyodide"]);
    }
    Ok(())
}
