//! Modules in the folders that wheelfs shows: found where importlib would find them, and loaded from a pack's bytecode.

use std::fs;

use demo_site::Line;
use serde_json::json;
use wheelfs_tests::{HarnessError, Node, Parts, Recorder, Site};

#[tokio::test]
async fn modules_are_found_where_importlib_finds_them() -> Result<(), HarnessError> {
    let node = Node::new(&Parts::find()?);
    for (version, package) in [("0.27.7", "pandas"), ("314.0.7", "sympy")] {
        let options = json!({ "packages": [package] });
        let run = node.lazy(version, options, &["tests/apps/found.py"]).await?;
        assert_eq!((run.output.lines().last(), run.error), (Some("found"), None), "{version}");
    }
    Ok(())
}

#[tokio::test]
async fn bytecode_of_a_pack_is_loaded_and_a_replaced_source_is_not() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let folder = Parts::root().join("target/test-index/0.27.7/bytecode");
    let recorder = Recorder::new(&parts, "0.27.7");
    let trace = recorder.record("demo-site/apps/pandas.py", &folder)?;
    recorder.build_with(&[&trace], &["--pack", "--quick"], &folder)?;
    let site = Site::new(&parts, "0.27.7")?.mount("/packs", &folder).start(Line::new(0, 0)).await?;
    let wheelfs = json!({ "index": site.url("/packs/wheelfs.idx"), "baseUrl": site.url("/pyodide/") });
    let options = json!({ "wheelfs": wheelfs, "prefetch": true });
    let run = Node::new(&parts).lazy("0.27.7", options, &["tests/apps/bytecode.py"]).await?;
    assert_eq!(run.error, None);
    let opened = "['util/__init__', 'util/__pycache__/__init__']";
    assert_eq!(run.output.lines().collect::<Vec<_>>(), [opened, "1 3 True", "[]", "2"]);
    Ok(())
}

/// A wheel's own bytecode is compared with its source, as ever.
#[tokio::test]
async fn bytecode_of_a_wheel_is_checked() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let node = Node::new(&parts);
    let wheel = node.eager("0.27.7", "", "tests/apps/stale_wheel.py").await?.output;
    let bytes: Vec<u8> = wheel.as_bytes().chunks(2).filter_map(hex).collect();
    let folder = tempfile::tempdir()?;
    let name = "stale-1.0-py3-none-any.whl";
    fs::write(folder.path().join(name), bytes)?;
    let site = Site::of(&[("/", folder.path())]).start(Line::new(0, 0)).await?;
    let options = json!({ "mount": [site.url(&format!("/{name}"))] });
    let run = node.lazy("0.27.7", options, &["tests/apps/stale.py"]).await?;
    assert_eq!((run.output.as_str(), run.error), ("1", None));
    Ok(())
}

fn hex(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
