//! Many stacks at once, and what may happen to one while it is suspended.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use demo_site::{Fault, Line};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wheelfs_tests::{HarnessError, Lazy, LineSite, Node, Parts, Site};
use zip::CompressionMethod;

/// Path and content of each member.
type Members = Vec<(String, Vec<u8>)>;

/// Wheels in a folder of their own, and an index of them.
fn wheels(name: &str, wheels: &[(&str, Members)]) -> Result<PathBuf, HarnessError> {
    let folder = Parts::root().join("target/test-index/tasks").join(name);
    fs::create_dir_all(&folder)?;
    let file_name = |name: &str| format!("{name}-1.0-py3-none-any.whl");
    for (name, members) in wheels {
        wheelfs_tests::wheel(&folder.join(file_name(name)), members, CompressionMethod::Deflated)?;
    }
    let names: Vec<_> = wheels.iter().map(|(name, _)| file_name(name)).collect();
    wheelfs_tests::index(&folder, &names)?;
    Ok(folder)
}

async fn run(site: &LineSite, version: &str, app: &str) -> Result<Lazy, HarnessError> {
    let parts = Parts::find()?;
    let wheelfs = json!({ "index": site.url("/wheelfs.idx"), "baseUrl": site.url("/") });
    let app = Path::new("tests/apps").join(app);
    Node::new(&parts).lazy(version, json!({ "wheelfs": wheelfs }), &[app]).await
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn two_hundred_tasks(version: &str) -> Result<(), HarnessError> {
    const MEMBERS: usize = 2000;
    // Of different lengths, and no two alike.
    let content = |number: usize| format!("{number} ").repeat(number % 97 + 1).into_bytes();
    let members: Vec<_> =
        (0..MEMBERS).map(|number| (format!("many/{number:04}.txt"), content(number))).collect();
    let lines: String =
        members.iter().map(|(name, bytes)| format!("{} {}\n", &name[5..], hex(bytes))).collect();
    let folder = wheels(version, &[("many", members)])?;
    let site = Site::of(&[("/", &folder)]).start(Line::new(0, 0)).await?;
    // Late by up to 50 ms, in no order; one answer in a hundred fails in one of four ways.
    let mut seed = 1u32;
    let mut random = |below: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) % below
    };
    for _ in 0..2 * MEMBERS {
        let fault = match random(400) {
            0 => Fault::Status(503),
            1 => Fault::Reset { after: 3 },
            2 => Fault::ContentRange { shift: 1 },
            3 => Fault::Short { len: 2 },
            _ => Fault::Delay(Duration::from_millis(random(50).into())),
        };
        site.server.inject("/many-1.0-py3-none-any.whl", fault, 1);
    }
    let lazy = run(&site, version, "many_tasks.py").await?;
    assert_eq!(lazy.error, None);
    assert_eq!(lazy.output, format!("200 {MEMBERS} {}", hex(lines.as_bytes())));
    assert_eq!(lazy.stats["blockingRequests"], 0.0);

    // One fetch for each byte: what was answered rightly and to its end never overlaps.
    let mut requests = site.server.log().take();
    requests.retain(|entry| entry.path.ends_with(".whl"));
    let mut sent: Vec<_> = requests
        .iter()
        .filter(|entry| entry.status == 206 && entry.complete)
        .filter_map(|entry| Some((entry.range.clone()?.start, entry.bytes)))
        .collect();
    sent.sort_unstable();
    let again = sent.windows(2).filter(|pair| pair[0].0 + pair[0].1 > pair[1].0).count();
    let failed = lazy.stats["retries"];
    println!(
        "{} requests, {failed} retries, {again} of them for an answer with a wrong Content-Range",
        requests.len()
    );
    assert!(failed >= 10.0, "{failed} retries: the faults did not happen");
    // A request that draws the wrong Content-Range twice, one run in a hundred, has the wheel fetched whole.
    let whole = requests.iter().filter(|entry| entry.status == 200).count();
    assert!(whole <= 1, "{whole} requests for the whole wheel");
    assert!(again as f64 <= failed && requests.len() as f64 <= (MEMBERS + whole) as f64 + failed);
    Ok(())
}

#[tokio::test]
async fn two_hundred_tasks_read_two_thousand_members() -> Result<(), HarnessError> {
    two_hundred_tasks("0.27.7").await
}

#[tokio::test]
async fn two_hundred_tasks_on_314() -> Result<(), HarnessError> {
    two_hundred_tasks("314.0.7").await
}

async fn suspended(version: &str) -> Result<(), HarnessError> {
    let wheel = |name: &'static str| (name, vec![(format!("{name}/data.bin"), vec![b'x'; 1000])]);
    let folder = wheels(&format!("suspended-{version}"), &[wheel("slow"), wheel("quick"), wheel("gone")])?;
    let site = Site::of(&[("/", &folder)]).start(Line::new(0, 0)).await?;
    site.server.inject("/slow-1.0-py3-none-any.whl", Fault::Delay(Duration::from_millis(300)), 100);
    site.server.inject("/gone-1.0-py3-none-any.whl", Fault::Status(404), 100);
    let lazy = run(&site, version, "suspended.py").await?;
    assert_eq!(lazy.error, None);
    assert_eq!(
        lazy.output,
        "['other 1000', 'read 1000', 'cancelled', 'failing 29 /gone/data.bin'] \
         [\"ValueError('after the read')\", '1000', \"'29 /gone/data.bin'\"]"
    );
    Ok(())
}

#[tokio::test]
async fn cancelled_and_failing_while_suspended() -> Result<(), HarnessError> {
    suspended("0.27.7").await
}

#[tokio::test]
async fn cancelled_and_failing_while_suspended_on_314() -> Result<(), HarnessError> {
    suspended("314.0.7").await
}

/// Each waits for the module that the other is making. One of them is let in, as importlib lets threads in.
async fn circle(version: &str) -> Result<(), HarnessError> {
    let module = |name: &'static str, other: &str| {
        let source = format!("import {other}\nNAME = {name:?}\n").into_bytes();
        (name, vec![(format!("{name}.py"), source)])
    };
    let folder = wheels(&format!("circle-{version}"), &[module("ping", "pong"), module("pong", "ping")])?;
    let site = Site::of(&[("/", &folder)]).start(Line::new(20, 0)).await?;
    let lazy = run(&site, version, "circle.py").await?;
    assert_eq!((lazy.error, lazy.output.as_str()), (None, "['ping', 'pong']"), "{version}");
    assert_eq!(lazy.stats["waits"], 2.0, "{version}");
    Ok(())
}

#[tokio::test]
async fn imports_that_wait_for_each_other() -> Result<(), HarnessError> {
    circle("0.27.7").await
}

#[tokio::test]
async fn imports_that_wait_for_each_other_on_314() -> Result<(), HarnessError> {
    circle("314.0.7").await
}

async fn half(version: &str) -> Result<(), HarnessError> {
    let module = |name: &str, source: &str| (format!("half/{name}.py"), source.as_bytes().to_vec());
    let members = vec![
        module("__init__", "import half.first\nLATE = 'late'\nfrom half.needs import NAME\n"),
        module("first", "import half.second\n"),
        module("second", ""),
        module("needs", "from half import LATE\nNAME = 'needs'\n"),
    ];
    let folder = wheels(&format!("half-{version}"), &[("half", members)])?;
    let site = Site::of(&[("/", &folder)]).start(Line::new(20, 0)).await?;
    let lazy = run(&site, version, "half.py").await?;
    assert_eq!((lazy.error, lazy.output.as_str()), (None, "['needs', 'needs']"), "{version}");
    Ok(())
}

#[tokio::test]
async fn a_package_and_a_module_of_it() -> Result<(), HarnessError> {
    half("0.27.7").await
}

#[tokio::test]
async fn a_package_and_a_module_of_it_on_314() -> Result<(), HarnessError> {
    half("314.0.7").await
}

async fn locks(version: &str) -> Result<(), HarnessError> {
    let data = |name: &str| (format!("slow/{name}"), vec![b'x'; 1000]);
    let module = |name: &str, source: &str| (format!("slow/{name}.py"), source.as_bytes().to_vec());
    let members = vec![
        data("a.bin"),
        data("b.bin"),
        data("c.bin"),
        data("d.bin"),
        module("outer", "import slow.inner\nNAME = 'outer'\n"),
        module("inner", ""),
    ];
    let folder = wheels(&format!("locks-{version}"), &[("slow", members)])?;
    let site = Site::of(&[("/", &folder)]).start(Line::new(0, 0)).await?;
    site.server.inject("/slow-1.0-py3-none-any.whl", Fault::Delay(Duration::from_millis(200)), 100);
    let lazy = run(&site, version, "locks.py").await?;
    assert_eq!(lazy.error, None, "{version}: {}", lazy.output);
    let lines: Vec<_> = lazy.output.lines().collect();
    let expected = [
        "['a.bin enters', 'a.bin leaves', 'b.bin enters', 'b.bin leaves']",
        "(False, True, None)",
        "('first', True, 'second')",
        "[False, 1000] [1000, False]",
        "['ValueError', 'ValueError', 'RuntimeError', 'TypeError'] True True",
        "True",
        "looping",
        "['outer', [False]]",
    ];
    assert_eq!(lines, expected, "{version}");
    assert_eq!(lazy.stats["blockingRequests"], 0.0, "{version}");
    Ok(())
}

#[tokio::test]
async fn locks_that_are_held_while_a_read_waits() -> Result<(), HarnessError> {
    locks("0.27.7").await
}

#[tokio::test]
async fn locks_that_are_held_while_a_read_waits_on_314() -> Result<(), HarnessError> {
    locks("314.0.7").await
}

/// An interrupt while suspended; files read, written, unpacked and installed from JavaScript beside lazy ones.
async fn javascript_beside(version: &str) -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let wheel = |name: &'static str| {
        (name, ["data.bin", "other.bin"].map(|file| (format!("{name}/{file}"), vec![b'x'; 1000])).to_vec())
    };
    let folder = wheels(&format!("interplay-{version}"), &[wheel("slow"), wheel("quick")])?;
    let member = |name: &str, content: &str| (name.to_owned(), content.as_bytes().to_vec());
    let plain = [
        member("plain.py", "NAME = 'plain'\n"),
        member("plain-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: plain\nVersion: 1.0\n"),
        member("plain-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        member("plain-1.0.dist-info/RECORD", "plain.py,,\n"),
    ];
    wheelfs_tests::wheel(&folder.join("plain-1.0-py3-none-any.whl"), &plain, CompressionMethod::Deflated)?;
    let newer = ["data.bin", "other.bin"].map(|file| (format!("slow/{file}"), vec![b'y'; 2000]));
    wheelfs_tests::wheel(&folder.join("slow-2.0-py3-none-any.whl"), &newer, CompressionMethod::Deflated)?;
    let archive = [member("quick/unpacked.txt", "unpacked"), member("quick/data.bin", "replaced")];
    wheelfs_tests::wheel(&folder.join("archive.zip"), &archive, CompressionMethod::Deflated)?;
    for file in fs::read_dir(parts.pyodide(version)?)? {
        let file = file?;
        let name = file.file_name();
        if ["micropip-", "packaging-"].iter().any(|package| name.to_string_lossy().starts_with(package)) {
            fs::copy(file.path(), folder.join(name))?;
        }
    }
    let site = Site::of(&[("/", &folder)]).start(Line::new(0, 0)).await?;
    site.server.inject("/slow-1.0-py3-none-any.whl", Fault::Delay(Duration::from_millis(500)), 1);
    let options = json!({
        "wheelfs": { "index": site.url("/wheelfs.idx"), "baseUrl": site.url("/") },
        "zip": site.url("/archive.zip"), "wheel": site.url("/plain-1.0-py3-none-any.whl"),
    });
    let seen: Value =
        Node::new(&parts).with_wheelfs("node/interplay.mjs", version, options, &[""; 0]).await?;
    let expected = json!({
        "interrupted": "KeyboardInterrupt", "afterInterrupt": 1000,
        "interruptedLock": "KeyboardInterrupt", "readFile": 1000,
        "writeFile": [1, "overwritten"], "unpacked": ["unpacked", 8], "micropip": ["plain", "1.0", true],
        "removed": false, "mountedAgain": [["data.bin", "other.bin"], 1000, 2_000_000_000],
        "upgraded": ["x", 996, "y", 2000, 2000, "x", 1000, "mine"],
        "movedAway": [["data.bin", "other.bin"], 2000],
    });
    assert_eq!(seen, expected);
    Ok(())
}

#[tokio::test]
async fn javascript_beside_a_lazy_program() -> Result<(), HarnessError> {
    javascript_beside("0.27.7").await
}

#[tokio::test]
async fn javascript_beside_a_lazy_program_on_314() -> Result<(), HarnessError> {
    javascript_beside("314.0.7").await
}
