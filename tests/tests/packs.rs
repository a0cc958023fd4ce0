//! Packs: what programs read as one stream, with Python compiled; real Pyodide, real wheels, real sockets.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use demo_site::{Entry, Fault, Line};
use prefetch_index::{
    format,
    index::{Content, Index, PackedFile, bytecode_path},
    pack::{self, Effort, Kind, Packed},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wheelfs_tests::{Filled, HarnessError, Lazy, LineSite, Node, PackReader, Parts, Recorder, Site};

/// What Pyodide boots from.
const STDLIB: &str = "python_stdlib.pack";

/// Checks that one warning was all that was said: which file, and what is wrong with it.
fn assert_warned(lazy: &Lazy, url: &str, says: &str) {
    let [warning] = lazy.warnings.as_slice() else { panic!("{says}: {:?}", lazy.warnings) };
    assert!(warning.contains(url) && warning.contains(says), "{url}: {says}: {warning:?}");
}

/// A folder with the index and the packs of some programs.
struct Packs {
    parts: Parts,
    node: Node,
    version: &'static str,
    folder: PathBuf,
}

impl Packs {
    fn build(
        version: &'static str,
        name: &str,
        apps: &[&str],
        options: &[&str],
    ) -> Result<Packs, HarnessError> {
        let parts = Parts::find()?;
        let folder = Parts::root().join("target/test-index").join(version).join(name);
        let recorder = Recorder::new(&parts, version);
        let traces: Vec<PathBuf> =
            apps.iter().map(|app| recorder.record(app, &folder)).collect::<Result<_, _>>()?;
        let traces: Vec<&Path> = traces.iter().map(PathBuf::as_path).collect();
        recorder.build_with(&traces, &[&["--pack"], options].concat(), &folder)?;
        Ok(Packs { node: Node::new(&parts), parts, version, folder })
    }

    /// Those that demo and bench use: pandas with all of `--pack --stdlib`.
    fn of_demo() -> Result<Packs, HarnessError> {
        let (parts, version) = (Parts::find()?, "0.27.7");
        let folder = Parts::root().join("target/site/index").join(version).join("pandas/pack");
        Ok(Packs { node: Node::new(&parts), parts, version, folder })
    }

    async fn site(&self) -> Result<LineSite, HarnessError> {
        Site::new(&self.parts, self.version)?.mount("/packs", &self.folder).start(Line::new(0, 0)).await
    }

    async fn eager(&self, packages: &str, app: &str) -> Result<String, HarnessError> {
        Ok(self.node.eager(self.version, packages, app).await?.output)
    }

    async fn lazy(&self, site: &LineSite, entry: Option<&str>, app: &str) -> Result<Lazy, HarnessError> {
        self.run("node/lazy.mjs", site, json!({ "entry": entry }), app).await
    }

    async fn run<R: DeserializeOwned>(
        &self,
        script: &str,
        site: &LineSite,
        wheelfs: Value,
        app: &str,
    ) -> Result<R, HarnessError> {
        let options = json!({ "wheelfs": self.settings(site, wheelfs) });
        self.node.with_wheelfs(script, self.version, options, &[app]).await
    }

    /// These settings, with the index and what its archives are relative to.
    fn settings(&self, site: &LineSite, mut wheelfs: Value) -> Value {
        wheelfs["index"] = site.url("/packs/wheelfs.idx").into();
        wheelfs["baseUrl"] = site.url("/pyodide/").into();
        wheelfs
    }

    fn index(&self) -> Result<Index, HarnessError> {
        Ok(format::decode(&fs::read(self.folder.join("wheelfs.idx"))?).map_err(std::io::Error::other)?)
    }

    fn edit(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) -> Result<(), HarnessError> {
        let path = self.folder.join(file);
        let mut bytes = fs::read(&path)?;
        change(&mut bytes);
        Ok(fs::write(path, bytes)?)
    }
}

/// Requests for wheels and for their packs.
fn requests(site: &LineSite) -> (Vec<Entry>, Vec<Entry>) {
    let log = site.server.log().take().into_iter().filter(|entry| entry.method == "GET");
    let of_package = log.filter(|entry| {
        entry.path.ends_with(".whl") || entry.path.ends_with(".pack") && !entry.path.ends_with(STDLIB)
    });
    of_package.partition(|entry| entry.path.ends_with(".whl"))
}

fn bytes(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| entry.bytes).sum()
}

fn len(path: &Path) -> Result<u64, HarnessError> {
    Ok(fs::metadata(path)?.len())
}

#[tokio::test]
async fn pandas_comes_as_one_pack_and_a_traceback_fetches_its_sources() -> Result<(), HarnessError> {
    let app = "demo-site/apps/pandas.py";
    let packs = Packs::of_demo()?;
    let site = packs.site().await?;
    let eager = packs.eager("pandas", app).await?;
    let lazy = packs.lazy(&site, None, app).await?;
    let ((_, at_first), (_, expected)) = lazy.progress();
    assert_eq!((lazy.error, lazy.output), (None, eager));
    assert_eq!(lazy.stats["blockingRequests"], 0.0);
    let (wheels, packed) = requests(&site);
    assert_eq!((wheels.len(), packed.len()), (0, 1), "{wheels:?}");
    assert!(bytes(&packed) <= 4_900_000, "{} bytes", bytes(&packed));
    // The standard library's pack, which comes first, has all its bytes; so has the other, which has not begun.
    let boot = len(&packs.folder.join("python_stdlib.pack"))?;
    assert_eq!([at_first, expected], [(bytes(&packed) + boot) as f64; 2]);

    // The standard library's modules lie in a folder, Pyodide's own in an archive.
    let eager = packs.eager("pandas", "tests/apps/traceback.py").await?;
    let lazy = packs.lazy(&site, None, "tests/apps/traceback.py").await?;
    assert_eq!((lazy.error, &lazy.output), (None, &eager));
    let shown: BTreeSet<&str> = eager
        .lines()
        .filter_map(|line| line.trim().strip_prefix("File \"/lib/")?.split('"').next())
        .collect();
    let (wheels, _) = requests(&site);
    assert!(!shown.is_empty() && wheels.len() == shown.len(), "{shown:?}: {wheels:?}");
    assert!(bytes(&wheels) < 200_000, "{wheels:?}");
    Ok(())
}

/// Every file of site-packages is read in the end: from what came in the background, and hardly more than the wheels.
#[tokio::test]
async fn the_rest_comes_in_the_background() -> Result<(), HarnessError> {
    let app = "demo-site/apps/pandas.py";
    let packs = Packs::build("0.27.7", "rest", &[app], &["--quick"])?;
    let site = packs.site().await?;
    let run: Filled = packs.run("node/rest.mjs", &site, json!({ "rest": true }), app).await?;
    let eager = packs.eager("pandas", app).await?;
    assert!(run.output.starts_with(&eager), "{}", run.output);
    assert_eq!(run.filled["requests"], run.read["requests"], "all was here: {:?} {:?}", run.filled, run.read);
    assert_eq!(run.read["waitingBytes"], 0.0, "all was read");
    let (wheels, packed) = requests(&site);
    let whole: u64 = packs.index()?.archives.iter().map(|archive| archive.len).sum();
    let moved = bytes(&wheels) + bytes(&packed);
    assert!(moved as f64 <= whole as f64 * 1.1, "{moved} bytes for wheels of {whole}");
    println!("{} requests, {moved} bytes for wheels of {whole}", wheels.len() + packed.len());
    Ok(())
}

#[tokio::test]
async fn sources_that_the_recorded_program_read_come_with_its_pack() -> Result<(), HarnessError> {
    let app = "tests/apps/sources.py";
    let packs = Packs::build("0.27.7", "sources", &[app], &["--quick"])?;
    let site = packs.site().await?;
    let lazy = packs.lazy(&site, None, app).await?;
    assert_eq!((lazy.error, lazy.output), (None, packs.eager("python-dateutil", app).await?));
    let (wheels, packed) = requests(&site);
    assert_eq!((wheels.len(), packed.len()), (0, 1), "{wheels:?}");
    let index = packs.index()?;
    let files = &index.packs[0].files;
    let twice = |member| files.iter().filter(|file| (file.archive, file.member) == member).count() == 2;
    let (again, once): (Vec<&PackedFile>, Vec<_>) =
        files.iter().partition(|file| twice((file.archive, file.member)));
    assert_eq!(again.len(), 2, "of a module that was imported and read: bytecode and source");
    assert!(once.iter().any(|file| file.content == Content::Member), "a source that was only read");

    // What a page records of a run with packs says the same.
    let folder = tempfile::tempdir()?;
    let trace = folder.path().join("sources.trace");
    fs::write(&trace, lazy.trace)?;
    Recorder::new(&packs.parts, packs.version).build_with(
        &[&trace],
        &["--pack", "--quick"],
        folder.path(),
    )?;
    let recorded = Packs { folder: folder.path().to_owned(), ..packs }.index()?;
    let kinds = |files: &[PackedFile]| -> BTreeSet<(u32, bool)> {
        files.iter().map(|file| (file.member, file.content != Content::Member)).collect()
    };
    assert_eq!(kinds(&recorded.packs[0].files), kinds(files));
    Ok(())
}

#[tokio::test]
async fn stripped_bytecode_is_smaller_and_does_the_same() -> Result<(), HarnessError> {
    let app = "demo-site/apps/pandas.py";
    let packs = Packs::build("0.27.7", "stripped", &[app], &["--strip", "docstrings,columns"])?;
    let site = packs.site().await?;
    let lazy = packs.lazy(&site, None, app).await?;
    assert_eq!((lazy.error, lazy.output), (None, packs.eager("pandas", app).await?));
    let (wheels, packed) = requests(&site);
    assert!(wheels.is_empty() && bytes(&packed) <= 4_200_000, "{wheels:?} {packed:?}");
    Ok(())
}

#[tokio::test]
async fn compiled_and_pure_packages_on_314() -> Result<(), HarnessError> {
    let app = "tests/apps/modern.py";
    let packs = Packs::build("314.0.7", "packed", &[app], &["--stdlib", "--quick"])?;
    let site = packs.site().await?;
    let lazy = packs.lazy(&site, None, app).await?;
    assert_eq!((lazy.error, lazy.output), (None, packs.eager("sympy,pydantic,msgpack", app).await?));
    let (wheels, packed) = requests(&site);
    assert_eq!((wheels.len(), packed.len()), (0, 1), "{wheels:?}");
    Ok(())
}

#[tokio::test]
async fn every_module_of_the_standard_library_still_imports() -> Result<(), HarnessError> {
    for (version, app, packages) in
        [("0.27.7", "tests/apps/tiny.py", "six"), ("314.0.7", "tests/apps/modern.py", "msgpack")]
    {
        let packs = Packs::build(version, "stdlib", &[app], &["--stdlib", "--quick"])?;
        let whole = len(&packs.parts.pyodide(version)?.join("python_stdlib.zip"))?;
        assert!(len(&packs.folder.join(STDLIB))? < whole * 7 / 20);
        let site = packs.site().await?;
        let lazy = packs.lazy(&site, None, "tests/apps/stdlib.py").await?;
        assert_eq!((lazy.error, lazy.output), (None, packs.eager(packages, "tests/apps/stdlib.py").await?));
    }
    Ok(())
}

#[tokio::test]
async fn a_pack_that_cannot_be_used_leaves_the_wheels() -> Result<(), HarnessError> {
    let app = "tests/apps/tiny.py";
    type Spoil = fn(&mut Vec<u8>);
    /// What the warning says, and what was done to the pack.
    const CASES: [(&str, Option<Spoil>); 6] = [
        ("made for the index 2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a", Some(|bytes| *bytes = of_another_build())),
        ("of the header", Some(|bytes| bytes[12] ^= 1)),
        (
            "damaged after",
            Some(|bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 0x10;
            }),
        ),
        ("the file ends after", Some(|bytes| bytes.truncate(bytes.len() / 2))),
        ("not a wheelfs pack", Some(|bytes| *bytes = b"<!doctype html><title>Not found</title>".to_vec())),
        ("the server answered 404", None),
    ];
    let packs = Packs::build("0.27.7", "spoilt", &[app], &[])?;
    let good = fs::read(packs.folder.join("tiny.pack"))?;
    for (says, spoil) in CASES {
        match spoil {
            Some(spoil) => {
                fs::write(packs.folder.join("tiny.pack"), &good)?;
                packs.edit("tiny.pack", spoil)?;
            }
            None => fs::remove_file(packs.folder.join("tiny.pack"))?,
        }
        let site = packs.site().await?;
        let lazy = packs.lazy(&site, None, app).await?;
        assert_eq!((&lazy.error, lazy.output.as_str()), (&None, "1.16.0"), "{says}");
        assert_warned(&lazy, &site.url("/packs/tiny.pack"), says);
        let (wheels, packed) = requests(&site);
        assert!(!wheels.is_empty() && !packed.is_empty(), "{says}: {wheels:?} {packed:?}");
    }
    Ok(())
}

/// What had arrived when a pack broke off is used, and its sources are not asked for.
#[tokio::test]
async fn what_came_of_a_pack_that_is_cut_off_is_used() -> Result<(), HarnessError> {
    let app = "tests/apps/bytecode_here.py";
    let packs = Packs::build("0.27.7", "cut", &[app], &[])?;
    let index = packs.index()?;
    let [pack] = index.packs.as_slice() else { panic!("one program has one pack") };
    packs.edit(&pack.url, |bytes| bytes.truncate(bytes.len() / 2))?;
    let half = fs::read(packs.folder.join(&pack.url))?;
    let mut arrived = BTreeSet::new();
    for (number, _) in PackReader::new(&index, pack).supply(&half)? {
        let PackedFile { archive, member, content } = pack.files[number as usize];
        if matches!(content, Content::Bytecode(_)) {
            let source = &index.archives[archive as usize].members[member as usize].path;
            arrived.extend(bytecode_path(source, &index.python));
        }
    }
    assert!(!arrived.is_empty() && arrived.len() + 3 < pack.files.len(), "{arrived:?}");

    let site = packs.site().await?;
    let lazy = packs.lazy(&site, None, app).await?;
    let found: BTreeSet<String> = lazy.output.lines().map(str::to_owned).collect();
    assert_eq!((lazy.error, found), (None, arrived));
    assert!(!requests(&site).0.is_empty(), "the others came from the wheels");
    assert_eq!(lazy.stats["waitingBytes"], 0.0, "bytes that nobody read: {:?}", lazy.stats);
    Ok(())
}

/// A server that cannot answer is given time.
#[tokio::test]
async fn a_pack_is_asked_for_again_later() -> Result<(), HarnessError> {
    let app = "tests/apps/tiny.py";
    let packs = Packs::build("0.27.7", "again", &[app], &[])?;
    let site = packs.site().await?;
    site.server.inject("/packs/tiny.pack", Fault::Status(503), 3);
    let lazy = packs.lazy(&site, None, app).await?;
    assert_eq!((&lazy.error, lazy.output.as_str()), (&None, "1.16.0"));
    assert_eq!(lazy.warnings, [""; 0]);
    let (wheels, packed) = requests(&site);
    assert_eq!((wheels.len(), packed.len()), (0, 4), "{wheels:?}");
    // At least half of 150, 300 and 600 ms.
    let waited = packed[3].start_ms - packed[0].start_ms;
    assert!(waited > 500.0, "{packed:?}");
    Ok(())
}

/// A good pack, but of no index here.
fn of_another_build() -> Vec<u8> {
    let member = Packed { kind: Kind::Plain, bytes: b"__version__ = 'another'\n" };
    pack::encode([b'*'; 16], &[member], &[], Effort::Quick, &mut |_| ()).unwrap_or_default()
}

/// What is needed of Pyodide's own archive is read instead, before Python starts.
#[tokio::test]
async fn a_standard_library_that_cannot_be_used_leaves_pyodides_own() -> Result<(), HarnessError> {
    let app = "tests/apps/tiny.py";
    let packs = Packs::build("0.27.7", "spoilt-stdlib", &[app], &["--stdlib", "--quick"])?;
    let good = fs::read(packs.folder.join(STDLIB))?;
    let damaged = [&good[..good.len() / 2], b"?", &good[good.len() / 2 + 1..]].concat();
    let cases: [(&str, Option<&[u8]>, bool); 4] = [
        ("good", Some(&good), true),
        ("cut short", Some(&good[..good.len() / 2]), false),
        ("damaged", Some(&damaged), false),
        ("missing", None, false),
    ];
    let mut whole = 0.0;
    for (what, content, used) in cases {
        match content {
            Some(bytes) => fs::write(packs.folder.join(STDLIB), bytes)?,
            None => fs::remove_file(packs.folder.join(STDLIB))?,
        }
        let site = packs.site().await?;
        let lazy = packs.lazy(&site, None, app).await?;
        assert_eq!((&lazy.error, lazy.output.as_str()), (&None, "1.16.0"), "{what}");
        assert_eq!(lazy.stats["blockingRequests"], 0.0, "{what}");
        if used {
            whole = lazy.stats["requests"];
            assert_eq!(lazy.warnings, [""; 0], "{what}");
        } else {
            assert_warned(&lazy, &site.url(&format!("/packs/{STDLIB}")), "the wheels are read instead");
        }
        assert_eq!(lazy.stats["requests"] == whole, used, "{what}: {:?}", lazy.stats);
    }
    Ok(())
}

#[tokio::test]
async fn bytecode_of_another_python_or_another_source_is_not_used() -> Result<(), HarnessError> {
    let app = "tests/apps/tiny.py";
    let packs = Packs::build("0.27.7", "bytecode", &[app], &[])?;
    let site = packs.site().await?;
    let mine = json!({ "six.py": "__version__ = 'mine'\n" });
    for (app, written) in [("tests/apps/replaced.py", None), ("tests/apps/moved.py", None), (app, Some(mine))]
    {
        let options = json!({ "wheelfs": packs.settings(&site, json!({})), "written": written });
        let lazy: Lazy = packs.node.with_wheelfs("node/lazy.mjs", packs.version, options, &[app]).await?;
        assert_eq!((lazy.error, lazy.output.as_str()), (None, "mine"), "{app}");
    }
    site.server.log().take();

    // The same pack again, its bytecode marked as of a Python that does not exist.
    let index = packs.index()?;
    let [pack] = index.packs.as_slice() else { panic!("one program has one pack") };
    let whole = fs::read(packs.folder.join(&pack.url))?;
    let mut files = Vec::new();
    for (number, mut bytes) in PackReader::new(&index, pack).supply(&whole)? {
        let bytecode = pack.files[number as usize].content != Content::Member;
        if bytecode {
            bytes[0] ^= 0xff;
        }
        files.push((bytecode, bytes));
    }
    assert!(files.iter().any(|(bytecode, _)| *bytecode));
    let packed: Vec<Packed<'_>> =
        files.iter().map(|(_, bytes)| Packed { kind: Kind::Plain, bytes }).collect();
    let bytes =
        pack::encode(pack.id, &packed, &[], Effort::Quick, &mut |_| ()).map_err(std::io::Error::other)?;
    fs::write(packs.folder.join(&pack.url), bytes)?;
    let lazy = packs.lazy(&site, None, app).await?;
    assert_eq!((lazy.error, lazy.output.as_str()), (None, "1.16.0"));
    let (wheels, packed) = requests(&site);
    assert_eq!((wheels.len(), packed.len()), (1, 1), "the source is what is left: {wheels:?}");
    Ok(())
}

#[tokio::test]
async fn what_two_programs_share_is_packed_once() -> Result<(), HarnessError> {
    let apps = ["tests/apps/tiny.py", "tests/apps/dates.py"];
    let packs = Packs::build("0.27.7", "shared", &apps, &[])?;
    let index = packs.index()?;
    let mut members: Vec<(u32, u32)> =
        index.packs.iter().flat_map(|pack| &pack.files).map(|file| (file.archive, file.member)).collect();
    let all = members.len();
    members.sort_unstable();
    members.dedup();
    assert_eq!(members.len(), all, "a member lies in two packs");
    for (entry, app, output) in [("tiny", apps[0], "1.16.0"), ("dates", apps[1], "2026-04-05")] {
        let site = packs.site().await?;
        let lazy = packs.lazy(&site, Some(entry), app).await?;
        assert_eq!((lazy.error, lazy.output.as_str()), (None, output));
        let (wheels, packed) = requests(&site);
        assert!(wheels.is_empty(), "{wheels:?}");
        let names: std::collections::BTreeSet<&str> =
            packed.iter().filter_map(|entry| entry.path.rsplit('/').next()).collect();
        assert_eq!(names.len(), packed.len(), "a pack came twice");
        assert_eq!(names.contains("dates.pack"), entry == "dates", "{names:?}");
    }
    Ok(())
}
