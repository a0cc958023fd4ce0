//! Parts of a large stored member, read without the rest of it.

use std::{
    fs,
    io::Write,
    ops::Range,
    path::{Path, PathBuf},
};

use demo_site::{Fault, Line};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wheelfs_tests::{Browser, HarnessError, Lazy, LineSite, Node, Parts, Site};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

const WHEEL: &str = "large-1.0-py3-none-any.whl";
const MB: u64 = 1_000_000;
/// Length of `large/data.bin`. The other files are just large enough to be read by parts.
const LEN: u64 = 200 * MB;
const SMALL: u64 = 6 * MB;

/// The file's bytes `range`: every eight are their own position, scrambled, so that no two stretches are alike.
fn content(range: Range<u64>) -> Vec<u8> {
    let words = range.start / 8..range.end.div_ceil(8);
    let bytes: Vec<u8> =
        words.flat_map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect();
    let from = (range.start % 8) as usize;
    bytes[from..from + (range.end - range.start) as usize].to_vec()
}

/// A wheel of a file of `len` bytes and two small ones, all stored, alone in a folder.
fn wheel(folder: &Path, len: u64) -> Result<(), HarnessError> {
    let mut wheel = ZipWriter::new(fs::File::create(folder.join(WHEEL))?);
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, len) in [("large/small.bin", SMALL), ("large/data.bin", len), ("large/other.bin", SMALL)] {
        wheel.start_file(name, stored).map_err(std::io::Error::from)?;
        for start in (0..len).step_by(MB as usize) {
            wheel.write_all(&content(start..(start + MB).min(len)))?;
        }
    }
    wheel.start_file("large/__init__.py", stored).map_err(std::io::Error::from)?;
    wheel.finish().map_err(std::io::Error::from)?;
    Ok(())
}

/// What the program printed of a read: name, offset, length, SHA-256.
fn line(name: &str, range: Range<u64>) -> String {
    let hex: String =
        Sha256::digest(content(range.clone())).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name} {} {} {hex}", range.start, range.end - range.start)
}

fn three_places(len: u64) -> String {
    let places = [len / 3, len / 2 + 5, len - 100_000];
    places.map(|start| line("seek", start..start + 100_000)).join("\n")
}

/// Bytes of the wheel that the server sent, and its requests.
fn moved(site: &LineSite) -> (u64, Vec<Range<u64>>) {
    let mut log = site.server.log().take();
    log.retain(|entry| entry.path.ends_with(WHEEL) && entry.method == "GET");
    let bytes = log.iter().map(|entry| entry.bytes).sum();
    (bytes, log.into_iter().filter_map(|entry| entry.range).collect())
}

struct Setting {
    parts: Parts,
    folder: tempfile::TempDir,
    site: LineSite,
}

impl Setting {
    async fn new(len: u64) -> Result<Setting, HarnessError> {
        let parts = Parts::find()?;
        let folder = tempfile::tempdir_in(Parts::root().join("target"))?;
        wheel(folder.path(), len)?;
        let cases = (0..10).flat_map(|number| [format!("/case/{number}"), format!("/case/{number}b")]);
        let site = Site::new(&parts, "0.27.7")?;
        let site = cases
            .fold(site, |site, at| site.mount(&at, folder.path()))
            .with_tests()
            .mount("/large", folder.path())
            .start(Line::new(0, 0))
            .await?;
        Ok(Setting { parts, folder, site })
    }

    fn index(&self) -> Result<PathBuf, HarnessError> {
        wheelfs_tests::index(self.folder.path(), &[WHEEL.to_owned()])?;
        Ok(self.folder.path().join("wheelfs.idx"))
    }

    async fn node(&self, options: Value, app: &str) -> Result<Lazy, HarnessError> {
        Node::new(&self.parts).lazy("0.27.7", options, &[Path::new("tests/apps").join(app)]).await
    }

    fn with_index(&self) -> Result<Value, HarnessError> {
        Ok(json!({ "wheelfs": { "index": self.index()?, "baseUrl": self.site.url("/large/") } }))
    }
}

#[tokio::test]
async fn three_places_of_200_mb_move_three_mb_at_most() -> Result<(), HarnessError> {
    let setting = Setting::new(LEN).await?;
    let lazy = setting.node(setting.with_index()?, "random_access.py").await?;
    assert_eq!((lazy.error, lazy.output), (None, three_places(LEN)));
    let (bytes, ranges) = moved(&setting.site);
    println!("with an index: {bytes} bytes in {} requests {ranges:?}", ranges.len());
    assert!(bytes <= 3 * MB && ranges.len() <= 4, "{bytes} bytes, {ranges:?}");
    assert_eq!(lazy.stats["blockingRequests"], 0.0);

    let url = setting.site.url(&format!("/large/{WHEEL}"));
    let lazy = setting.node(json!({ "mount": [url] }), "random_access.py").await?;
    assert_eq!((lazy.error, lazy.output), (None, three_places(LEN)));
    let (bytes, ranges) = moved(&setting.site);
    println!("mounted: {bytes} bytes in {} requests {ranges:?}", ranges.len());
    assert!(bytes <= 3 * MB, "{bytes} bytes, {ranges:?}");
    assert_eq!(lazy.stats["blockingRequests"], 0.0);
    Ok(())
}

/// A member that has to be inflated comes whole, and only JavaScript's memory ever holds it decoded.
#[tokio::test]
async fn a_deflated_member_of_50_mb_is_never_there_twice() -> Result<(), HarnessError> {
    const LEN: u64 = 50 * MB;
    let setting = Setting::new(SMALL).await?;
    let mut wheel = ZipWriter::new(fs::File::create(setting.folder.path().join(WHEEL))?);
    let deflated = SimpleFileOptions::default().compression_level(Some(1));
    wheel.start_file("large/data.bin", deflated).map_err(std::io::Error::from)?;
    // Half of it is noise, so that it deflates to a good deal.
    let data: Vec<u8> = content(0..LEN).iter().map(|byte| byte & 0x0f).collect();
    wheel.write_all(&data)?;
    wheel.finish().map_err(std::io::Error::from)?;
    let compressed = fs::metadata(setting.folder.path().join(WHEEL))?.len();
    let lazy = setting.node(setting.with_index()?, "random_access.py").await?;
    let places = [LEN / 3, LEN / 2 + 5, LEN - 100_000].map(|start| {
        let hex: String = Sha256::digest(&data[start as usize..start as usize + 100_000])
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("seek {start} 100000 {hex}")
    });
    assert_eq!((lazy.error, lazy.output), (None, places.join("\n")));
    assert_eq!((lazy.stats["requests"], lazy.stats["decodedBytes"]), (1.0, LEN as f64));
    println!("{compressed} bytes compressed, {} bytes of the module's memory", lazy.stats["moduleBytes"]);
    assert!(lazy.stats["moduleBytes"] < compressed as f64 * 1.2 + 3e6, "{:?}", lazy.stats);
    assert_eq!(lazy.stats["waitingBytes"], 0.0, "its compressed bytes are let go of");
    Ok(())
}

#[tokio::test]
async fn every_other_way_to_read() -> Result<(), HarnessError> {
    let setting = Setting::new(LEN).await?;
    let mut options = setting.with_index()?;
    let numpy = "numpy-2.0.2-cp312-cp312-pyodide_2024_0_wasm32.whl";
    options["mount"] = json!([setting.site.url(&format!("/pyodide/{numpy}"))]);
    let lazy = setting.node(options, "random_access_more.py").await?;
    let mut written = content(4_400_000..4_600_000);
    written[100_000..100_007].copy_from_slice(b"written");
    let hex: String = Sha256::digest(&written).iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = [
        line("pread", 50_000_001..50_300_001),
        line("at the end", LEN - 7..LEN),
        line("past the end", LEN..LEN),
        line("far past it", LEN + 1..LEN + 1),
        line("numpy", 64_000_000..64_800_000),
        line("on and on", 100_000_000..100_000_000 + 128 * 65_536),
        line("tasks", 150_000_000..150_001_500),
        line("whole", 0..SMALL),
        line("mapped", 5_000_000..5_000_100),
        format!("written 4400000 200000 {hex}"),
    ];
    assert_eq!((lazy.error, lazy.output), (None, expected.join("\n")));
    assert_eq!(lazy.stats["blockingRequests"], 0.0);

    // 8 MiB read on and on: each request is twice as long as the one before, up to 2 MiB.
    let (bytes, ranges) = moved(&setting.site);
    println!("{bytes} bytes, {ranges:?}");
    assert!(bytes < 30 * MB, "{bytes} bytes");
    let on_and_on =
        ranges.iter().filter(|range| range.start > SMALL + 99 * MB && range.end < SMALL + 120 * MB);
    let lens: Vec<u64> = on_and_on.map(|range| (range.end - range.start) >> 18).collect();
    assert_eq!(lens[..4], [1, 2, 4, 8]);
    assert!(lens[4..].iter().all(|len| *len == 8) && lens.len() <= 8, "{lens:?}");
    Ok(())
}

/// `runPython` cannot suspend: the same blocks by synchronous requests, in Node and on a page's main thread.
#[tokio::test]
async fn parts_where_nothing_can_suspend() -> Result<(), HarnessError> {
    let setting = Setting::new(LEN).await?;
    let mut options = setting.with_index()?;
    options["blocking"] = json!(true);
    let lazy = setting.node(options, "random_access.py").await?;
    assert_eq!((lazy.error, lazy.output), (None, three_places(LEN)));
    let (bytes, ranges) = moved(&setting.site);
    println!("blocking, Node: {bytes} bytes in {} requests", ranges.len());
    assert!(
        bytes <= 3 * MB && lazy.stats["blockingRequests"] == ranges.len() as f64,
        "{bytes} bytes, {ranges:?}"
    );

    setting.index()?;
    let browser = Browser::start(&setting.parts).await?;
    for blocking in ["", "&blocking", "&nojspi&blocking"] {
        let query = "app=random_access&index=/large/wheelfs.idx&base=/large/";
        let page = setting.site.url(&format!("/tests/lazy.html?{query}{blocking}"));
        let lazy: Lazy = browser.result(&page).await?;
        assert_eq!(lazy.output, three_places(LEN), "{blocking}");
        let (bytes, ranges) = moved(&setting.site);
        println!("Chromium {blocking}: {bytes} bytes in {} requests", ranges.len());
        assert!(bytes <= 3 * MB, "{blocking}: {bytes} bytes, {ranges:?}");
        assert_eq!(
            lazy.stats["blockingRequests"] > 0.0,
            !blocking.is_empty(),
            "{blocking}: {:?}",
            lazy.stats
        );
    }
    Ok(())
}

/// What the wrong answers of a server are found out by: the local header in front of a member, `Content-Range`, the
/// length, the status. The bytes are right all the same, in as far as they can be had.
#[tokio::test]
async fn servers_that_do_not_do_as_they_say() -> Result<(), HarnessError> {
    let setting = Setting::new(SMALL).await?;
    let index = setting.index()?;
    let cases = [
        ("ranges ignored", Fault::IgnoreRange, 1000),
        ("other bytes than it says", Fault::Shifted { shift: 3 }, 1000),
        ("a wrong Content-Range", Fault::ContentRange { shift: 1 }, 1000),
        ("no Content-Range", Fault::NoContentRange, 1000),
        ("broken off", Fault::Reset { after: 1000 }, 2),
        ("too short", Fault::Short { len: 1000 }, 2),
        ("busy", Fault::Status(503), 2),
    ];
    for (number, (name, fault, times)) in cases.iter().enumerate() {
        for blocking in [false, true] {
            // A folder of its own for each, so that no fault is left over for the next.
            let base = format!("/case/{number}{}/", if blocking { "b" } else { "" });
            let times = if blocking { u32::div_ceil(*times, 2) } else { *times };
            setting.site.server.inject(&format!("{base}{WHEEL}"), fault.clone(), times);
            let base_url = setting.site.url(&base);
            let options = json!({ "wheelfs": { "index": index, "baseUrl": base_url }, "blocking": blocking });
            let lazy = setting.node(options, "random_access.py").await?;
            assert_eq!(
                (lazy.error, lazy.output),
                (None, three_places(SMALL)),
                "{name}, blocking: {blocking}"
            );
            let (bytes, ranges) = moved(&setting.site);
            println!("{name}, blocking {blocking}: {bytes} bytes, {ranges:?}");
        }
    }
    Ok(())
}
