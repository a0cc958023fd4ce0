//! Libraries that a pack brings in two modules: what is called beyond the recorded functions, and what is read of the files.

use std::{collections::HashMap, fs, path::Path};

use demo_site::{Fault, Line};
use prefetch_index::{
    format,
    index::{Content, Index, PackedFile},
    split::with_warm_up,
};
use serde::Deserialize;
use serde_json::json;
use wheelfs_tests::{Browser, Engine, HarnessError, LineSite, Node, PackReader, Parts, Recorder, Site};

const PANDAS: &str = "demo-site/apps/pandas.py";
/// What that does not do.
const BEYOND: &str = "demo-site/apps/beyond.py";

#[derive(Deserialize)]
struct Run {
    outputs: Vec<String>,
    stats: Vec<HashMap<String, f64>>,
    warnings: Vec<String>,
    library: Option<serde_json::Value>,
}

/// A site with the packs of one program.
struct Packed {
    parts: Parts,
    version: &'static str,
    folder: std::path::PathBuf,
}

impl Packed {
    fn build(version: &'static str, name: &str, app: &str) -> Result<Packed, HarnessError> {
        let parts = Parts::find()?;
        let folder = Parts::root().join("target/test-index").join(version).join(name);
        let recorder = Recorder::new(&parts, version);
        let trace = recorder.record(app, &folder)?;
        recorder.build_with(&[&trace], &["--pack", "--quick"], &folder)?;
        Ok(Packed { parts, version, folder })
    }

    fn index(&self) -> Result<Index, HarnessError> {
        Ok(format::decode(&fs::read(self.folder.join("wheelfs.idx"))?).map_err(std::io::Error::other)?)
    }

    async fn site(&self, line: Line) -> Result<LineSite, HarnessError> {
        Site::new(&self.parts, self.version)?.mount("/packs", &self.folder).start(line).await
    }

    /// A site whose pack comes as far as the functions that nobody recorded, and then nothing.
    async fn site_without_the_end(&self) -> Result<LineSite, HarnessError> {
        let site = self.site(Line::new(0, 0)).await?;
        let after = self.called_len()?;
        site.server.inject("/packs/pandas.pack", Fault::Stall { after }, u32::MAX);
        Ok(site)
    }

    /// Bytes of the pack that hold all files but the functions that nobody recorded, and of those at most a few.
    fn called_len(&self) -> Result<u64, HarnessError> {
        let index = self.index()?;
        let [pack] = index.packs.as_slice() else { panic!("{} packs", index.packs.len()) };
        let is_called = |file: &&PackedFile| !is_secondary(&file.content);
        let mut awaited = pack.files.iter().take_while(is_called).count();
        let mut reader = PackReader::new(&index, pack);
        let mut len = 0;
        for piece in fs::read(self.folder.join(&pack.url))?.chunks(4096) {
            len += piece.len() as u64;
            awaited = awaited.saturating_sub(reader.supply(piece)?.len());
            if awaited == 0 {
                break;
            }
        }
        Ok(len)
    }

    /// Runs the programs one after another; from the second on, if `whole`, when all of the pack is here or a warning came.
    async fn run(&self, site: &LineSite, apps: &[&str], whole: bool) -> Result<Run, HarnessError> {
        let wheelfs = json!({ "index": site.url("/packs/wheelfs.idx"), "baseUrl": site.url("/pyodide/") });
        let options = json!({ "wheelfs": wheelfs, "whole": whole });
        Node::new(&self.parts).with_wheelfs("node/beyond.mjs", self.version, options, apps).await
    }

    async fn eager(&self, packages: &str, app: &str) -> Result<String, HarnessError> {
        Ok(Node::new(&self.parts).eager(self.version, packages, app).await?.output)
    }
}

/// How many files of the packs are of a kind.
fn count(index: &Index, is: impl Fn(&Content) -> bool) -> usize {
    index.packs.iter().flat_map(|pack| &pack.files).filter(|file| is(&file.content)).count()
}

fn is_secondary(content: &Content) -> bool {
    matches!(content, Content::Secondary(_))
}

fn wheels(site: &LineSite) -> Vec<String> {
    let log = site.server.log().take().into_iter();
    log.filter(|entry| entry.path.ends_with(".whl") || entry.path.ends_with(".zip"))
        .map(|entry| entry.path)
        .collect()
}

#[tokio::test]
async fn functions_that_nobody_recorded_are_at_the_end_of_the_pack() -> Result<(), HarnessError> {
    for (version, recorded, beyond, packages) in [
        ("0.27.7", PANDAS, BEYOND, "pandas"),
        ("314.0.7", "tests/apps/modern.py", "tests/apps/beyond_314.py", "pydantic,msgpack"),
    ] {
        let packed = Packed::build(version, "split", recorded)?;
        let index = packed.index()?;
        let secondaries = count(&index, is_secondary);
        assert!(secondaries > 0, "{version}");
        let wanted = packed.eager(packages, beyond).await?;
        let site = packed.site(Line::new(0, 0)).await?;
        let run = packed.run(&site, &[recorded, beyond], true).await?;
        assert_eq!(run.outputs[1], wanted);
        // Where the pack lacked a function, it would have come by a request that blocks.
        for (stats, when) in run.stats.iter().zip(["the recorded program", "beyond"]) {
            assert_eq!(stats["blockingRequests"], 0.0, "{version}: {when}");
        }
        // They stay packed until one is called. (In Node they do so for ever.)
        let [first, then] = run.stats.as_slice() else { panic!("{:?}", run.stats) };
        let all = count(&index, |_| true) as f64;
        assert!(first["members"] < all && first["members"] < then["members"], "{all}: {:?}", run.stats);
        assert_eq!(run.warnings, [""; 0]);
    }
    Ok(())
}

/// openblas is loaded before the program begins, and nothing reads it. What f2py makes of Fortran has one type for all of its
/// modules, that of the first which is linked: a function of that one is called for all of them.
#[tokio::test]
async fn what_is_called_depends_on_no_order_but_the_programs() -> Result<(), HarnessError> {
    let app = "tests/apps/science.py";
    let packed = Packed::build("0.27.7", "needed", app)?;
    // Whatever was not called comes for a second or two after what was.
    let site = packed.site(Line::new(20, 20)).await?;
    let run = packed.run(&site, &[app], false).await?;
    assert_eq!(run.outputs, [packed.eager("scikit-learn", app).await?]);
    assert_eq!(run.stats[0]["blockingRequests"], 0.0, "{:?}", run.stats[0]);
    assert_eq!(wheels(&site), [""; 0], "the pack has all that the program calls");
    Ok(())
}

/// What is called sooner freezes the thread, and is right.
#[tokio::test]
async fn a_function_that_is_still_on_its_way_is_fetched() -> Result<(), HarnessError> {
    let packed = Packed::build("0.27.7", "split", PANDAS)?;
    let wanted = packed.eager("pandas", BEYOND).await?;
    let site = packed.site_without_the_end().await?;
    let run = packed.run(&site, &[PANDAS, BEYOND], false).await?;
    assert_eq!(run.outputs[1], wanted);
    assert_eq!(run.stats[0]["blockingRequests"], 0.0, "all that it calls came first");
    assert!(run.stats[1]["blockingRequests"] > 0.0, "{:?}", run.stats[1]);
    Ok(())
}

/// When nothing else is to be done, a worker unpacks them, or the page itself.
#[tokio::test]
async fn functions_that_nobody_recorded_are_unpacked_in_the_end() -> Result<(), HarnessError> {
    let packed = Packed::build("0.27.7", "split", PANDAS)?;
    let all = count(&packed.index()?, |_| true) as f64;
    let site = Site::new(&packed.parts, "0.27.7")?.with_tests().mount("/packs", &packed.folder);
    let site = site.start(Line::new(0, 0)).await?;
    let browser = Browser::start(&packed.parts).await?;
    for how in ["", "&policy='none'"] {
        let page = format!("/tests/lazy.html?app=frame&index=/packs/wheelfs.idx{how}");
        let run = browser.result::<serde_json::Value>(&site.url(&page)).await?;
        assert_eq!(run["output"], "231", "{how}");
        let rest = "const { members, waitingBytes } = window.stats();
            return members < ALL || waitingBytes ? null : members";
        browser.value(&rest.replace("ALL", &all.to_string())).await?;
    }
    Ok(())
}

/// The thread that calls a function first would compile it.
#[tokio::test]
async fn what_is_going_to_be_called_is_compiled_by_the_worker() -> Result<(), HarnessError> {
    let packed = Packed::build("0.27.7", "split", PANDAS)?;
    let index = packed.index()?;
    let [pack] = index.packs.as_slice() else { panic!("{} packs", index.packs.len()) };
    let folder = tempfile::tempdir()?;
    let mut modules = Vec::new();
    for (number, bytes) in PackReader::new(&index, pack).supply(&fs::read(packed.folder.join(&pack.url))?)? {
        let content = pack.files[number as usize].content;
        let warm = with_warm_up(&bytes);
        assert_eq!(warm.is_some(), matches!(content, Content::Primary(_)), "{content:?}");
        if let Some(warm) = warm {
            modules.push(folder.path().join(format!("{number}.wasm")));
            fs::write(&modules[modules.len() - 1], warm)?;
        }
    }
    let [before, after]: [u32; 2] = Node::new(&packed.parts).run("node/warm_up.mjs", &modules).await?;
    assert!(before > 2_000, "{before}");
    assert_eq!(after, 0, "of {before}");
    Ok(())
}

/// With a worker that unpacks, and where nothing can suspend; on a line that makes some of it late.
#[tokio::test]
async fn every_engine_calls_what_nobody_recorded() -> Result<(), HarnessError> {
    let packed = Packed::build("0.27.7", "split", PANDAS)?;
    let wanted = packed.eager("pandas", BEYOND).await?;
    for engine in Engine::ALL {
        let site = Site::new(&packed.parts, "0.27.7")?.with_tests().mount("/packs", &packed.folder);
        let site = site.start(Line::new(20, 20)).await?;
        let browser = Browser::of(&packed.parts, engine).await?;
        let page =
            format!("/tests/lazy.html?app=../../apps/beyond&index=/packs/wheelfs.idx{}", engine.query());
        let result = browser.result::<serde_json::Value>(&site.url(&page)).await?;
        assert_eq!(result["output"], wanted, "{engine:?}: {}", result["stats"]);
    }
    Ok(())
}

#[tokio::test]
async fn a_pack_that_breaks_off_behind_the_called_functions_leaves_the_wheels() -> Result<(), HarnessError> {
    let packed = Packed::build("0.27.7", "split-short", PANDAS)?;
    let pack = packed.folder.join("pandas.pack");
    let whole = fs::read(&pack)?;
    fs::write(&pack, &whole[..whole.len() * 9 / 10])?;
    let site = packed.site(Line::new(0, 0)).await?;
    let run = packed.run(&site, &[PANDAS, BEYOND], true).await?;
    let wanted = [packed.eager("pandas", PANDAS).await?, packed.eager("pandas", BEYOND).await?];
    assert_eq!(run.outputs, wanted);
    let [warning] = run.warnings.as_slice() else { panic!("{:?}", run.warnings) };
    assert!(warning.contains("the wheels are read instead"), "{warning}");
    Ok(())
}

/// Before the second modules are here they come from the wheel, afterwards they are put together.
#[tokio::test]
async fn a_split_library_reads_as_the_file_it_is() -> Result<(), HarnessError> {
    let packed = Packed::build("0.27.7", "split", PANDAS)?;
    let app = "tests/apps/library_bytes.py";
    let wanted = packed.eager("pandas", app).await?;
    for (site, whole) in
        [(packed.site(Line::new(0, 0)).await?, true), (packed.site_without_the_end().await?, false)]
    {
        let run = packed.run(&site, &[PANDAS, app], whole).await?;
        assert_eq!(run.outputs[1], wanted);
        let library = run.library.unwrap_or_default();
        let read_by_python = wanted.split('\'').find(|part| part.len() == 16).unwrap_or_default();
        assert!(library.as_str().is_some_and(|digest| digest.starts_with(read_by_python)), "{library}");
        assert_eq!(wheels(&site).is_empty(), whole, "{whole}");
    }
    Ok(())
}

#[tokio::test]
async fn libraries_stay_whole_where_that_is_wanted_or_nothing_was_recorded() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let recorder = Recorder::new(&parts, "0.27.7");
    let folder = tempfile::tempdir()?;
    let trace = recorder.record(PANDAS, folder.path())?;
    // As a browser writes it.
    let text = fs::read_to_string(&trace)?;
    let (header, events) = text.split_once('\n').unwrap_or_default();
    let mut header: serde_json::Value = serde_json::from_str(header).map_err(std::io::Error::other)?;
    let called = header.as_object_mut().and_then(|header| header.remove("called"));
    assert!(called.is_some_and(|called| {
        called["numpy/_core/_multiarray_umath.cpython-312-wasm32-emscripten.so"].is_array()
    }));
    let browsers = folder.path().join("browser.trace");
    fs::write(&browsers, format!("{header}\n{events}"))?;
    let built = |trace: &Path, options: &[&str]| -> Result<Index, HarnessError> {
        let made = tempfile::tempdir()?;
        recorder.build_with(&[trace], &[&["--pack", "--quick"], options].concat(), made.path())?;
        Ok(format::decode(&fs::read(made.path().join("wheelfs.idx"))?).map_err(std::io::Error::other)?)
    };
    let split = |index: &Index| count(index, |content| matches!(content, Content::Primary(_)));
    assert!(split(&built(&trace, &[])?) > 40);
    assert_eq!(split(&built(&trace, &["--whole-libraries"])?), 0);
    assert_eq!(split(&built(&browsers, &[])?), 0);
    Ok(())
}
