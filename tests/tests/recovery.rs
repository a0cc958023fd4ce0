//! What failed leaves nothing behind: the next try finds things as they were, and what was not concerned goes on.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Seek, Write},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use demo_site::{Entry, Fault, Line};
use serde_json::{Value, json};
use tempfile::TempDir;
use wheelfs_tests::{Browser, Filled, HarnessError, Lazy, LineSite, Node, Parts, Site, wheel};
use zip::{CompressionMethod, ZipArchive};

const PYODIDE: &str = "0.27.7";
/// What `wheelfs.mount` asks for: a byte, for the length; and the end, with the directory.
const TO_MOUNT: (Fault, u32) = (Fault::Delay(Duration::ZERO), 2);
const ALWAYS: u32 = 1000;

/// A folder of wheels, served.
struct Wheels {
    parts: Parts,
    folder: TempDir,
    site: LineSite,
}

impl Wheels {
    async fn serve() -> Result<Wheels, HarnessError> {
        let (parts, folder) = (Parts::find()?, tempfile::tempdir()?);
        let site = Site::of(&[("/", folder.path())]).start(Line::new(0, 0)).await?;
        Ok(Wheels { parts, folder, site })
    }

    /// Adds a wheel of one file that does not come with the wheel's directory; returns its URL.
    fn add(&self, wheel_name: &str, file: &str, content: &[u8]) -> Result<String, HarnessError> {
        let name = format!("{wheel_name}-py3-none-any.whl");
        // Behind the file, so that the archive's end does not hold it. Nothing compresses it: it is stored.
        let rest = vec![b'x'; 300_000];
        let members = [(file.to_owned(), content.to_vec()), ("rest.bin".to_owned(), rest)];
        wheel(&self.folder.path().join(&name), &members, CompressionMethod::Stored)?;
        Ok(self.site.url(&format!("/{name}")))
    }

    /// The wheel at `url` can be mounted; the `times` requests after that find it gone.
    fn lose_once_mounted(&self, url: &str, times: u32) {
        let (good, to_mount) = TO_MOUNT;
        self.site.server.inject(&path_of(url), good, to_mount);
        self.site.server.inject(&path_of(url), Fault::Status(404), times);
    }

    async fn run(&self, program: &str, options: Value) -> Result<Lazy, HarnessError> {
        let file = self.folder.path().join("program.py");
        fs::write(&file, program)?;
        Node::new(&self.parts).lazy(PYODIDE, options, &[file]).await
    }
}

fn path_of(url: &str) -> String {
    format!("/{}", url.rsplit('/').next().unwrap_or_default())
}

/// A library of a real wheel.
fn library(parts: &Parts) -> Result<(String, Vec<u8>), HarnessError> {
    let file = parts.pyodide(PYODIDE)?.join("kiwisolver-1.4.5-cp312-cp312-pyodide_2024_0_wasm32.whl");
    let mut archive = ZipArchive::new(fs::File::open(file)?).map_err(std::io::Error::other)?;
    let name = "_cext.cpython-312-wasm32-emscripten.so";
    let mut bytes = Vec::new();
    archive.by_name(&format!("kiwisolver/{name}")).map_err(std::io::Error::other)?.read_to_end(&mut bytes)?;
    Ok((name.to_owned(), bytes))
}

#[tokio::test]
async fn a_library_that_failed_is_imported_the_next_time() -> Result<(), HarnessError> {
    // The library wants names of its own package.
    const PROGRAM: &str = "
import sys, types
own = types.ModuleType('kiwisolver.exceptions')
own.__getattr__ = lambda name: type(name, (Exception,), {})
sys.modules |= {'kiwisolver': types.ModuleType('kiwisolver'), own.__name__: own}
failures = []
while '_cext' not in sys.modules:
    try:
        import _cext
    except ImportError as error:
        failures.append('answered 404' in str(error))
print(len(failures) > 0 and all(failures))
print(_cext.Solver.__name__)
";
    for blocking in [false, true] {
        let wheels = Wheels::serve().await?;
        let (name, bytes) = library(&wheels.parts)?;
        let url = wheels.add("solo-1.0", &name, &bytes)?;
        // Where Python can wait, it does when it opens the file, before it loads it.
        wheels.lose_once_mounted(&url, 2);
        let run = wheels.run(PROGRAM, json!({ "mount": [url], "blocking": blocking })).await?;
        assert_eq!(run.output, "True\nSolver", "blocking: {blocking}; {:?}", run.error);
    }
    Ok(())
}

#[tokio::test]
async fn files_that_failed_leave_no_descriptor() -> Result<(), HarnessError> {
    const PROGRAM: &str = "
import sysconfig
path = sysconfig.get_path('purelib') + '/data.txt'
before = open('/tmp/before', 'w').fileno()
for _ in range(20):
    try:
        open(path)
    except OSError as error:
        assert error.errno == 29, error
print(open('/tmp/after', 'w').fileno() - before <= 1)
";
    let wheels = Wheels::serve().await?;
    let url = wheels.add("data-1.0", "data.txt", b"data")?;
    wheels.lose_once_mounted(&url, ALWAYS);
    let run = wheels.run(PROGRAM, json!({ "mount": [url] })).await?;
    assert_eq!(run.output, "True", "{:?}", run.error);
    Ok(())
}

#[tokio::test]
async fn a_file_without_memory_can_be_read_when_there_is_some() -> Result<(), HarnessError> {
    const PROGRAM: &str = "
import os, sysconfig
from pyodide.code import run_js
path = sysconfig.get_path('purelib') + '/data.txt'
lend = run_js('''
  const all = Uint8Array;
  const refuse = (target, parts) => {
    if (parts[0] === 12345) throw new RangeError('Array buffer allocation failed');
    return new target(...parts);
  };
  globalThis.Uint8Array = new Proxy(all, { construct: refuse });
  () => { globalThis.Uint8Array = all; }
''')
try:
    with open(path) as file:
        file.read()
except OSError as error:
    print(error.errno)
lend()
print(len(open(path).read()))
";
    for blocking in [false, true] {
        let wheels = Wheels::serve().await?;
        let url = wheels.add("data-1.0", "data.txt", &[b'x'; 12345])?;
        let run = wheels.run(PROGRAM, json!({ "mount": [url], "blocking": blocking })).await?;
        assert_eq!(run.output, "29\n12345", "blocking: {blocking}; {:?}", run.error);
        let [line] = run.warnings.as_slice() else { panic!("{:?}", run.warnings) };
        assert!(line.contains("no memory is left for its 12345 bytes"), "{line}");
    }
    Ok(())
}

/// A budget of nothing: the last file stays, and what is open.
#[tokio::test]
async fn what_the_cache_drops_is_read_on_and_fetched_again() -> Result<(), HarnessError> {
    const PROGRAM: &str = "
import sysconfig
folder = sysconfig.get_path('purelib')
first = open(folder + '/first.txt', 'rb', buffering=0)
print(first.read(3), open(folder + '/second.txt').read(), first.read())
print(open(folder + '/first.txt').read())
";
    let wheels = Wheels::serve().await?;
    let (first, second) = (
        wheels.add("first-1.0", "first.txt", b"the first")?,
        wheels.add("second-1.0", "second.txt", b"second")?,
    );
    let options = json!({ "mount": [first, second], "wheelfs": { "cacheBytes": 1 } });
    let run = wheels.run(PROGRAM, options).await?;
    assert_eq!(run.output, "b'the' second b' first'\nthe first", "{:?}", run.error);
    assert_eq!((run.stats["cachedBytes"], run.stats["blockingRequests"]), (9.0, 0.0));
    let log = wheels.site.server.log().take();
    let asked = |url: &str| log.iter().filter(|entry| entry.path == path_of(url)).count() as u32;
    assert_eq!((asked(&first), asked(&second)), (TO_MOUNT.1 + 2, TO_MOUNT.1 + 1));
    Ok(())
}

/// A wheel whose one member is deflated, of so many bytes. They are a hole in the file: nobody is to come as far as that.
fn wheel_of_a_hole(path: &Path, name: &str, len: u32) -> Result<(), HarnessError> {
    let name_len = name.len() as u16;
    // From "version needed" to the name's length: version 2.0, deflated, the first of January 1980 (APPNOTE 4.3.7).
    let mut common = Vec::new();
    [20, 0, 8, 0, 0x21].iter().for_each(|field: &u16| common.extend(field.to_le_bytes()));
    [0, len, len].iter().for_each(|field: &u32| common.extend(field.to_le_bytes()));
    common.extend(name_len.to_le_bytes());
    let local = [&b"PK\x03\x04"[..], &common, &[0; 2], name.as_bytes()].concat();
    let central = [&b"PK\x01\x02\x14\0"[..], &common, &[0; 16], name.as_bytes()].concat();
    let (start, size) = ((local.len() as u32 + len).to_le_bytes(), (central.len() as u32).to_le_bytes());
    let end = [&b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &size, &start, &[0; 2]].concat();
    let mut file = fs::File::create(path)?;
    file.write_all(&local)?;
    file.seek_relative(len.into())?;
    Ok(file.write_all(&[central, end].concat())?)
}

/// 3 GiB, compressed, are more than a WebAssembly memory's half: they are refused when the first of them come.
#[tokio::test]
async fn a_file_that_no_memory_can_hold_is_an_error() -> Result<(), HarnessError> {
    const PROGRAM: &str = "
import sysconfig
folder = sysconfig.get_path('purelib')
try:
    open(folder + '/huge.bin')
except OSError as error:
    print(error.errno, error.filename == folder + '/huge.bin')
print(open(folder + '/data.txt').read())
";
    const HUGE: u32 = 3 << 30;
    let wheels = Wheels::serve().await?;
    let name = "huge-1.0-py3-none-any.whl";
    wheel_of_a_hole(&wheels.folder.path().join(name), "huge.bin", HUGE)?;
    let huge = wheels.site.url(&format!("/{name}"));
    let url = wheels.add("data-1.0", "data.txt", b"data")?;
    let run = wheels.run(PROGRAM, json!({ "mount": [huge, url] })).await?;
    assert_eq!(run.output, "29 True\ndata", "{:?}", run.error);
    let [line] = run.warnings.as_slice() else { panic!("{:?}", run.warnings) };
    assert!(line.contains(&huge) && line.contains("no memory is left"), "{line}");
    Ok(())
}

/// What the option `rest` brings is not only what was there when it began.
#[tokio::test]
async fn the_rest_is_that_of_later_mounts_too() -> Result<(), HarnessError> {
    let wheels = Wheels::serve().await?;
    let url = wheels.add("late-1.0", "late.txt", b"late")?;
    let program = wheels.folder.path().join("program.py");
    fs::write(
        &program,
        format!(
            "import asyncio, pyodide_js\nawait asyncio.sleep(3)\nawait pyodide_js.wheelfs.mount({url:?})\n"
        ),
    )?;
    let options = json!({ "wheelfs": { "rest": true } });
    let run: Filled =
        Node::new(&wheels.parts).with_wheelfs("node/rest.mjs", PYODIDE, options, &[program]).await?;
    assert_eq!(run.output.split(' ').next(), Some("2"), "{}", run.output);
    assert!(run.filled["waitingBytes"] > 0.0, "{:?}", run.filled);
    assert_eq!(run.filled["requests"], run.read["requests"], "all was here: {:?} {:?}", run.filled, run.read);
    Ok(())
}

#[tokio::test]
async fn files_that_cannot_be_mounted_are_named_once() -> Result<(), HarnessError> {
    let wheels = Wheels::serve().await?;
    let good = wheels.add("good-1.0", "good.txt", b"good")?;
    let bad = wheels.add("bad-1.0", "../bad.txt", b"bad")?;
    let run = wheels.run("print(1)", json!({ "mount": [good, bad] })).await?;
    let [line] = run.warnings.as_slice() else { panic!("{:?}", run.warnings) };
    assert!(line.contains(&bad) && line.contains(": 1, first ../bad.txt: unusable name"), "{line}");
    Ok(())
}

/// The later archive's file has its own length: Python was told another one before.
#[tokio::test]
async fn a_file_that_was_seen_is_replaced_by_a_later_mount() -> Result<(), HarnessError> {
    let wheels = Wheels::serve().await?;
    let long = wheels.add("data-1.0", "data.txt", b"a long first content")?;
    let short = wheels.add("data-2.0", "data.txt", b"second")?;
    let longer = wheels.add("data-3.0", "data.txt", b"a third that is longer than both")?;
    let program = format!(
        "
import os, sysconfig, pyodide_js
path = sysconfig.get_path('purelib') + '/data.txt'
for url in ['{long}', '{short}', '{longer}']:
    await pyodide_js.wheelfs.mount(url)
    with open(path, 'rb') as file:
        print(os.path.getsize(path), file.read())
"
    );
    let run = wheels.run(&program, json!({})).await?;
    let expected = "20 b'a long first content'\n6 b'second'\n32 b'a third that is longer than both'";
    assert_eq!(run.output, expected, "{:?}", run.error);
    Ok(())
}

/// Of several packages those that can be had are there.
#[tokio::test]
async fn one_wheel_that_is_missing_hides_no_other() -> Result<(), HarnessError> {
    const PROGRAM: &str = "
import pyodide_js
try:
    await pyodide_js.loadPackage(['six', 'cycler'])
except Exception as error:
    print('answered 404' in str(error))
import six
print(six.__version__)
";
    let wheels = Wheels::serve().await?;
    let six = "six-1.16.0-py2.py3-none-any.whl";
    fs::copy(wheels.parts.pyodide(PYODIDE)?.join(six), wheels.folder.path().join(six))?;
    let run = wheels.run(PROGRAM, json!({ "packageBaseUrl": wheels.site.url("/") })).await?;
    assert_eq!(run.output, "True\n1.16.0", "{:?}", run.error);
    Ok(())
}

/// What was under way when the server went away is asked for again when it is back, and not only as Python reads it.
#[tokio::test]
async fn what_failed_comes_again_once_the_server_is_back() -> Result<(), HarnessError> {
    /// Of one request: the first, and those that repeat it.
    const ATTEMPTS: u32 = 4;
    const PROGRAM: &str = "
import sysconfig
path = sysconfig.get_path('purelib') + '/pandas/__init__.py'
failures = 0
while True:
    try:
        open(path).close()
        break
    except OSError:
        failures += 1
print(failures > 0)
import pandas
print(pandas.DataFrame({'a': [1, 2]}).a.sum())
";
    let (parts, folder) = (Parts::find()?, tempfile::tempdir()?);
    let site = Site::new(&parts, PYODIDE)?.start(Line::new(0, 0)).await?;
    let wheels = Wheels { parts, folder, site };
    let options = |prefetch: bool| {
        json!({
            "prefetch": prefetch, "packageBaseUrl": wheels.site.url("/pyodide/"),
            "wheelfs": { "index": wheels.site.url("/index/pandas/wheelfs.idx") },
        })
    };
    let requests = |log: Vec<Entry>| -> BTreeMap<String, u32> {
        let mut requests = BTreeMap::new();
        for entry in log.into_iter().filter(|entry| entry.path.ends_with(".whl")) {
            *requests.entry(entry.path).or_default() += 1;
        }
        requests
    };
    wheels.run("", options(true)).await?;
    let planned = requests(wheels.site.server.log().take());
    for (path, times) in &planned {
        let more = u32::from(path.contains("/pandas-"));
        wheels.site.server.inject(path, Fault::Status(503), ATTEMPTS * (times + more));
    }
    let run = wheels.run(PROGRAM, options(false)).await?;
    assert_eq!(run.output, "True\n3", "{:?}", run.error);
    let all: u32 = requests(wheels.site.server.log().take()).values().sum();
    let planned: u32 = planned.values().sum();
    assert!(all < ATTEMPTS * (planned + 1) + 2 * planned, "{all} requests where {planned} were planned");
    Ok(())
}

/// Pyodide alone would wait for ever.
#[tokio::test]
async fn a_runtime_that_is_cut_short_is_refused() -> Result<(), HarnessError> {
    const RUNTIME: &str = "pyodide.asm.wasm";
    let wheels = Wheels::serve().await?;
    let cut = folder_with(&wheels.parts, RUNTIME, |bytes| bytes.truncate(bytes.len() / 2))?;
    let run = wheels.run("", json!({ "indexURL": cut.path() })).await?;
    let error = run.error.unwrap_or_default();
    let [name, code, message] = ["name", "code", "message"].map(|field| error[field].as_str());
    assert_eq!((name, code, message.contains(RUNTIME)), ("WheelfsError", "pyodide", true), "{message}");

    // And where it is compiled while it comes.
    let site = Site::new(&wheels.parts, PYODIDE)?.start(Line::new(0, 0)).await?;
    site.server.inject(&format!("/pyodide/{RUNTIME}"), Fault::Reset { after: 100_000 }, ALWAYS);
    let browser = Browser::start(&wheels.parts).await?;
    let failed = browser.result::<Value>(&site.url("/run.html?strategy=pack&app=pandas")).await;
    let Err(HarnessError::Page { message, .. }) = failed else { panic!("{failed:?}") };
    assert!(message.contains(RUNTIME), "{message}");
    Ok(())
}

/// A folder like Pyodide's in which one file is another.
fn folder_with(parts: &Parts, name: &str, change: impl Fn(&mut Vec<u8>)) -> Result<TempDir, HarnessError> {
    let folder = tempfile::tempdir()?;
    for file in fs::read_dir(parts.pyodide(PYODIDE)?)? {
        let path: PathBuf = file?.path();
        let target: PathBuf = folder.path().join(path.file_name().unwrap_or_default());
        if path.ends_with(name) {
            let mut bytes = fs::read(&path)?;
            change(&mut bytes);
            fs::write(target, bytes)?;
        } else {
            symlink(Path::new(&path), target)?;
        }
    }
    Ok(folder)
}

/// A worker that runs the page's code, one from a file where the page's policy wants that, and the page itself where no
/// worker is allowed or none says anything.
#[tokio::test]
async fn packs_are_unpacked_where_that_is_possible() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = Site::new(&parts, PYODIDE)?.with_tests().start(Line::new(0, 0)).await?;
    let browser = Browser::start(&parts).await?;
    let (own, of_file, page) = ((0, 0), (1, 0), (0, 1));
    for (how, expected) in [
        ("", own),
        ("&policy=blob:", own),
        ("&policy='self'", of_file),
        ("&policy='none'", page),
        ("&silent", page),
    ] {
        let page = format!("/tests/lazy.html?app=frame&index=/index/pandas/pack/wheelfs.idx{how}");
        let run: Lazy = browser.result(&site.url(&page)).await?;
        assert_eq!((run.output.as_str(), run.warnings.as_slice()), ("231", [].as_slice()), "{how}");
        let log = site.server.log().take();
        let asked = |name| log.iter().filter(|entry| entry.path.ends_with(name)).count();
        assert_eq!(asked("/pandas.pack"), 1, "{how}");
        // A page lists a request when it has ended.
        site.bytes_in_the_end().await;
        let of_page = browser.requested().await?;
        let unpacked = of_page.iter().filter(|name| name.ends_with("/pandas.pack")).count();
        assert_eq!((asked("/worker.js"), unpacked), expected, "{how}");
    }
    Ok(())
}

/// A worker compiles sources that have arrived, and the page itself where no worker is allowed or none says anything.
#[tokio::test]
async fn sources_are_compiled_where_that_is_possible() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let site = Site::new(&parts, PYODIDE)?.with_tests().start(Line::new(0, 0)).await?;
    let browser = Browser::start(&parts).await?;
    for (how, of_page) in [("", "False"), ("&policy='none'", "True"), ("&silent", "True")] {
        let page = format!("/tests/lazy.html?app=who_compiles&index=/index/pandas/wheelfs.idx{how}");
        let run: Lazy = browser.result(&site.url(&page)).await?;
        let expected = format!("3 True {of_page}");
        assert_eq!((run.output, run.warnings.as_slice()), (expected, [].as_slice()), "{how}");
        assert_eq!(run.stats["blockingRequests"], 0.0, "{how}: {:?}", run.stats);
    }
    Ok(())
}
