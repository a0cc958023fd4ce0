//! Sources that arrive before they are imported are compiled ahead, in a worker and while Python waits; what the import does
//! is the same.

use std::{collections::BTreeSet, fs, path::Path};

use demo_site::Line;
use prefetch_index::{
    format,
    index::{Group, Index, Read},
};
use serde_json::{Value, json};
use wheelfs_tests::{HarnessError, Lazy, LineSite, Node, Parts, Recorder, Site, index, wheel};
use zip::CompressionMethod;

/// Each has a main module of its own.
const VERSIONS: [&str; 4] = ["0.27.7", "0.28.3", "0.29.5", "314.0.7"];
const WHEEL: &str = "made-1.0-py3-none-any.whl";

/// A comment that compression makes half as long.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut digit = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b"0123456789abcdef"[(state >> 28) as usize]
    };
    std::iter::once(b'#').chain((0..len).map(|_| digit())).collect()
}

/// A wheel of this package with these sources, the last of them of two megabytes, and an index with a group that reads all,
/// but nothing that starts it before Python waits.
fn site(folder: &Path, package: &str, sources: &[(&str, &[u8])]) -> Result<(), HarnessError> {
    let last = noise(2_000_000);
    let sources = sources.iter().copied().chain([("last.py", &last[..])]);
    let members: Vec<(String, Vec<u8>)> =
        sources.map(|(name, content)| (format!("{package}/{name}"), content.to_vec())).collect();
    wheel(&folder.join(WHEEL), &members, CompressionMethod::Deflated)?;
    index(folder, &[WHEEL.to_owned()])?;
    let file = folder.join("wheelfs.idx");
    let index = format::decode(&fs::read(&file)?).map_err(std::io::Error::other)?;
    let reads = index.archives[0].members.iter().zip(0..);
    let reads =
        reads.map(|(member, number)| Read { archive: 0, member: number, range: 0..member.len }).collect();
    let group = Group { name: package.to_owned(), parents: Vec::new(), reads, packs: Vec::new() };
    let index = Index { groups: vec![group], ..index };
    Ok(fs::write(file, format::encode(&index).map_err(std::io::Error::other)?)?)
}

/// Boots while hardly anything comes, however long that takes here; then runs the program on a line of `down_mbps`.
async fn run(
    parts: &Parts,
    version: &str,
    site: &LineSite,
    wheelfs: Value,
    down_mbps: u64,
    app: &str,
) -> Result<Lazy, HarnessError> {
    let line = site.url(&format!("/line.json?rtt_ms=20&down_mbps={down_mbps}"));
    Node::new(parts).lazy(version, json!({ "wheelfs": wheelfs, "line": line }), &[app]).await
}

#[tokio::test]
async fn an_import_finds_what_it_would_have_made() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let folder = tempfile::tempdir()?;
    let sources: [(&str, &[u8]); 6] = [
        ("__init__.py", b""),
        ("plain.py", b"VALUE = 'plain'\n\ndef fail():\n    raise ValueError\n"),
        ("warns.py", br"PATTERN = '\d'"),
        ("broken.py", b"x = 1\nx =\n"),
        ("replaced.py", b"VALUE = 'old'\n"),
        ("unlinked.py", b"VALUE = 'old'\n"),
    ];
    site(folder.path(), "late", &sources)?;
    let site = Site::of(&[("/wheels", folder.path())]).start(Line::new(20, 4)).await?;
    for version in ["0.27.7", "314.0.7"] {
        let wheelfs = json!({ "index": folder.path().join("wheelfs.idx"), "baseUrl": site.url("/wheels/") });
        let lazy = run(&parts, version, &site, wheelfs, 4, "tests/apps/precompiled.py").await?;
        let expected = [
            // What warns or is wrong is left to the import that says so.
            "compiled: plain replaced unlinked",
            "SyntaxWarning",
            "line 2",
            "ModuleNotFoundError",
            "plain new True",
            "4",
            // Nobody has read it.
            "left: unlinked",
        ];
        assert_eq!(
            (lazy.error, lazy.output.lines().collect::<Vec<_>>()),
            (None, expected.to_vec()),
            "{version}"
        );
        assert_eq!(lazy.stats["requests"], 2.0, "{version}: {:?}", lazy.stats);
        // Importlib read the bytecode; what was read is the source that it stands for.
        assert!(
            lazy.trace.contains("\"late/plain.py\"") && !lazy.trace.contains("__pycache__"),
            "{}",
            lazy.trace
        );
    }
    Ok(())
}

/// No more sources than the worker takes at once: the thread, which compiles what is left while it waits, leaves all to it.
#[tokio::test]
async fn a_copy_of_the_interpreter_compiles_what_the_interpreter_would() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let folder = tempfile::tempdir()?;
    let types = "from __future__ import annotations\n\nclass A[T]:\n    \"Doc.\"\n    x: list[T] = []\n";
    let sources: [(&str, &[u8]); 9] = [
        ("__init__.py", b""),
        // What these need of Python the copy does not have.
        ("a_letters.py", "ª = 1\n".as_bytes()),
        ("a_warns.py", br"PATTERN = '\d'"),
        ("coding.py", b"# -*- coding: latin-1 -*-\nTEXT = '\xe9'\n"),
        ("constants.py", b"SET = 1 in {3, 'a', b'b', 2.5, None, 1j}\nBIG = 2 ** 70\nCUT = [1][0:1]\n"),
        ("null.py", b"x = 1\0\ny = 2\n"),
        ("syntax.py", b"x = 1\nx =\n"),
        ("types.py", types.as_bytes()),
        ("utf8.py", b"x = '\xff'\n"),
    ];
    site(folder.path(), "made", &sources)?;
    let site = Site::of(&[("/wheels", folder.path())]).start(Line::new(20, 4)).await?;
    for version in VERSIONS {
        let wheelfs = json!({ "index": folder.path().join("wheelfs.idx"), "baseUrl": site.url("/wheels/") });
        let lazy = run(&parts, version, &site, wheelfs, 4, "tests/apps/compiled.py").await?;
        let expected = [
            "a_letters: imported, here",
            "a_warns: imported, here",
            "coding: imported, elsewhere, the same",
            "constants: imported, elsewhere, the same",
            "null: SyntaxError, here",
            "syntax: SyntaxError, here",
            "types: imported, elsewhere, the same",
            "utf8: SyntaxError, here",
        ];
        let output: Vec<&str> = lazy.output.lines().collect();
        assert_eq!((lazy.error, output), (None, expected.to_vec()), "{version}");
    }
    Ok(())
}

/// What a trace says was read, sources in the place of their bytecode.
fn reads(trace: &str) -> BTreeSet<String> {
    let events = trace.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let reads = events.filter_map(|event| Some(event["read"].as_str()?.to_owned()));
    reads.map(|path| prefetch_index::index::source_path(&path).unwrap_or(path)).collect()
}

#[tokio::test]
async fn pandas_is_compiled_while_it_arrives() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let app = "demo-site/apps/pandas.py";
    let folder = Parts::root().join("target/test-index/precompiled");
    let recorder = Recorder::new(&parts, "0.27.7");
    let trace = fs::read_to_string(recorder.record(app, &folder)?)?;
    let index = recorder.index(app, &folder)?;
    let site = Site::new(&parts, "0.27.7")?.start(Line::new(20, 1)).await?;
    let wheelfs = json!({ "index": index, "baseUrl": site.url("/pyodide/") });
    let lazy = run(&parts, "0.27.7", &site, wheelfs, 4, app).await?;
    assert_eq!(lazy.error, None);
    assert!(lazy.output.contains("south     60    231.0   Grace"), "{}", lazy.output);
    assert_eq!(lazy.stats["requests"], 12.0);
    assert_eq!(lazy.stats["blockingRequests"], 0.0);
    // On a line so slow that Python waits most of the time.
    assert!(lazy.stats["prepared"] > 200.0, "{:?}", lazy.stats);
    // A trace of it is as good as any.
    assert_eq!(reads(&lazy.trace), reads(&trace));
    Ok(())
}

#[tokio::test]
async fn a_library_waits_for_those_it_needs() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let app = "demo-site/apps/sklearn.py";
    let folder = Parts::root().join("target/test-index/precompiled-sklearn");
    let index = Recorder::new(&parts, "0.27.7").index(app, &folder)?;
    // scipy's libraries need that of openblas, which is large and an archive of its own.
    let site = Site::new(&parts, "0.27.7")?.start(Line::new(20, 1)).await?;
    let wheelfs = json!({ "index": index, "baseUrl": site.url("/pyodide/") });
    let lazy = run(&parts, "0.27.7", &site, wheelfs, 16, app).await?;
    assert_eq!(lazy.error, None);
    assert_eq!(lazy.stats["blockingRequests"], 0.0, "{:?}", lazy.stats);
    assert!(lazy.stats["prepared"] > 100.0, "{:?}", lazy.stats);
    Ok(())
}
