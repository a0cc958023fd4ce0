//! What servers do wrong, each on a real socket: Python gets the right bytes, or an error; and the console one line.

use std::{fs, path::PathBuf, time::Duration};

use demo_site::{Entry, Fault, Line};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wheelfs_tests::{Browser, Engine, HarnessError, LineSite, Node, Parts, Site};
use zip::CompressionMethod;

/// More than a server is asked in one case.
const ALWAYS: u32 = 1000;

/// How a case may end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ends {
    /// The right bytes, nothing logged.
    Quietly,
    /// The right bytes; the whole wheel was downloaded, once, and one warning names it.
    Whole,
    /// An error of this code; in Python an `OSError`.
    Failing(&'static str),
}

struct Case {
    name: &'static str,
    faults: Vec<(Fault, u32)>,
    ends: Ends,
}

fn case(name: &'static str, fault: Fault, times: u32, ends: Ends) -> Case {
    Case { name, faults: vec![(fault, times)], ends }
}

fn table() -> Vec<Case> {
    use Ends::{Failing, Quietly, Whole};
    let mut cases = vec![
        Case { name: "good", faults: Vec::new(), ends: Quietly },
        case("no_ranges", Fault::IgnoreRange, ALWAYS, Whole),
        case("not_satisfiable", Fault::NotSatisfiable, ALWAYS, Whole),
        case("other_content_range", Fault::ContentRange { shift: 1 }, ALWAYS, Whole),
        case("other_content_range_once", Fault::ContentRange { shift: 1 }, 1, Quietly),
        case("no_content_range", Fault::NoContentRange, ALWAYS, Quietly),
        case("shifted", Fault::Shifted { shift: 3 }, ALWAYS, Whole),
        case("short", Fault::Short { len: 100 }, ALWAYS, Whole),
        case("long", Fault::Long { extra: 5 }, ALWAYS, Whole),
        case("no_content_length", Fault::NoContentLength, ALWAYS, Quietly),
        case("gzip", Fault::Gzip, ALWAYS, Quietly),
        case("broken_gzip", Fault::BrokenGzip, ALWAYS, Whole),
        case("redirect", Fault::Redirect("/moved/redirect-1.0-py3-none-any.whl".to_owned()), ALWAYS, Quietly),
        case("not_found", Fault::Status(404), ALWAYS, Failing("status")),
        case("forbidden", Fault::Status(403), ALWAYS, Failing("status")),
        case("too_many_requests", Fault::Status(429), ALWAYS, Failing("status")),
        case("too_many_requests_once", Fault::Status(429), 1, Quietly),
        case("unavailable", Fault::Status(503), ALWAYS, Failing("status")),
        case("unavailable_once", Fault::Status(503), 1, Quietly),
        case("reset", Fault::Reset { after: 0 }, ALWAYS, Failing("unreachable")),
        case("reset_once", Fault::Reset { after: 5000 }, 1, Quietly),
        case("corrupt", Fault::Corrupt { offset: 20_000 }, ALWAYS, Failing("content")),
        case("corrupt_once", Fault::Corrupt { offset: 20_000 }, 1, Quietly),
    ];
    // The length needs one request, the directory another: only the third brings the member.
    let good = (Fault::Delay(Duration::ZERO), 2);
    cases.push(Case {
        name: "shifted_later",
        faults: vec![good, (Fault::Shifted { shift: 3 }, ALWAYS)],
        ends: Whole,
    });
    cases
}

impl Case {
    /// What an engine, and where the program read, changes.
    fn ends(&self, how: &str, engine: Option<Engine>) -> Ends {
        match (self.name, engine) {
            // Mounting needs two requests; otherwise the first brings the member.
            ("shifted_later", _) if how != "mount" => Ends::Quietly,
            // CORS hides the header, and the bytes are right.
            ("other_content_range", Some(_)) => Ends::Quietly,
            // Neither header tells the length.
            ("no_content_length", Some(_)) if how == "mount" => Ends::Whole,
            // Chromium refuses any Content-Encoding of a range, WebKitGTK ignores it where the bytes are not encoded.
            ("gzip", Some(Engine::Chromium)) => Ends::Whole,
            ("broken_gzip", Some(Engine::WebKit)) => Ends::Quietly,
            _ => self.ends,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Outcome {
    name: String,
    result: String,
    logged: Vec<String>,
}

/// A folder with a wheel for each case and their index.
struct Wheels {
    parts: Parts,
    folder: PathBuf,
    hash: String,
}

fn file_name(name: &str) -> String {
    format!("{name}-1.0-py3-none-any.whl")
}

impl Wheels {
    fn new(folder: &str, cases: &[Case]) -> Result<Wheels, HarnessError> {
        let folder = Parts::root().join("target/test-index/fallback").join(folder);
        fs::create_dir_all(&folder)?;
        // 60 kB that do not compress: xorshift.
        let mut x = 88_172_645_463_325_252_u64;
        let data: Vec<u8> = std::iter::repeat_with(|| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x as u8
        })
        .take(60_000)
        .collect();
        for case in cases {
            let members =
                [("a.py", vec![b'#'; 100]), ("data.bin", data.clone()), ("padding.bin", data.repeat(4))];
            let members = members.map(|(file, content)| (format!("{}/{file}", case.name), content));
            wheelfs_tests::wheel(&folder.join(file_name(case.name)), &members, CompressionMethod::Deflated)?;
        }
        let mut names: Vec<_> = cases.iter().map(|case| file_name(case.name)).collect();
        // A case may be followed by another read of its wheel.
        names.dedup();
        wheelfs_tests::index(&folder, &names)?;
        let hash = Sha256::digest(&data).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Wheels { parts: Parts::find()?, folder, hash })
    }

    /// Serves the wheels, and again at `/moved`, with the faults of the cases.
    async fn serve(&self, cases: &[Case]) -> Result<LineSite, HarnessError> {
        let site = Site::of(&[("/", &self.folder), ("/moved", &self.folder)]).start(Line::new(0, 0)).await?;
        for case in cases {
            for (fault, times) in &case.faults {
                site.server.inject(&format!("/{}", file_name(case.name)), fault.clone(), *times);
            }
        }
        Ok(site)
    }

    fn cases(&self, site: &LineSite, cases: &[Case]) -> Value {
        let cases = cases.iter().map(|case| {
            let file = file_name(case.name);
            json!({ "name": case.name, "url": site.url(&format!("/{file}")) })
        });
        cases.collect()
    }

    async fn in_node(
        &self,
        site: &LineSite,
        cases: &[Case],
        how: &str,
    ) -> Result<Vec<Outcome>, HarnessError> {
        let wheelfs = match how {
            "mount" => json!({}),
            _ => json!({ "index": site.url("/wheelfs.idx"), "baseUrl": site.url("/") }),
        };
        let options = json!({ "wheelfs": wheelfs, "cases": self.cases(site, cases), "how": how });
        Node::new(&self.parts).with_wheelfs("node/fallback.mjs", "0.27.7", options, &[""; 0]).await
    }

    fn check(
        &self,
        how: &str,
        engine: Option<Engine>,
        cases: &[Case],
        outcomes: &[Outcome],
        requests: &[Entry],
    ) {
        let mut wrong = Vec::new();
        for (case, outcome) in cases.iter().zip(outcomes) {
            let Outcome { name, result, logged } = outcome;
            println!("{how} {name}: {result} {logged:?}");
            let path = format!("/{}", file_name(name));
            let warnings =
                logged.iter().filter(|line| line.contains(&path) && line.contains("whole file")).count();
            let len = fs::metadata(self.folder.join(&path[1..])).map_or(0, |metadata| metadata.len());
            let whole = requests.iter().filter(|entry| entry.path == path && entry.bytes >= len).count();
            let ends = case.ends(how, engine);
            let fits = match ends {
                Ends::Quietly => (result, logged.len()) == (&self.hash, 0),
                Ends::Whole => (result, logged.len(), warnings, whole) == (&self.hash, 1, 1, 1),
                Ends::Failing(code) => {
                    let named = logged.iter().any(|line| line.contains(&path)) || how == "mount";
                    named
                        && warnings <= 1
                        && (result == "OSError 29" || *result == format!("WheelfsError {code}"))
                }
            };
            if !fits {
                wrong.push(format!("{how} {name}: {ends:?}, but {result}, {logged:#?}, {whole} whole"));
            }
        }
        assert_eq!(outcomes.len(), cases.len());
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let preflights: Vec<_> = requests.iter().filter(|entry| entry.method == "OPTIONS").collect();
        assert!(preflights.is_empty(), "{preflights:?}");
    }
}

/// Checks the cases, and returns what was asked for meanwhile.
async fn in_node(how: &str, cases: &[Case]) -> Result<Vec<Entry>, HarnessError> {
    let wheels = Wheels::new(&format!("{how}-{}", cases[0].name), cases)?;
    let site = wheels.serve(cases).await?;
    let outcomes = wheels.in_node(&site, cases, how).await?;
    let requests = site.server.log().take();
    wheels.check(how, None, cases, &outcomes, &requests);
    Ok(requests)
}

#[tokio::test]
async fn mounted_from_the_central_directory() -> Result<(), HarnessError> {
    in_node("mount", &table()).await.map(drop)
}

#[tokio::test]
async fn known_from_an_index() -> Result<(), HarnessError> {
    in_node("index", &table()).await.map(drop)
}

#[tokio::test]
async fn where_nothing_can_suspend() -> Result<(), HarnessError> {
    in_node("blocking", &table()).await.map(drop)
}

/// What a server refuses is not asked for again by itself, and the failure is forgotten once Python knows: the same read
/// succeeds when the server does.
#[tokio::test]
async fn the_next_read_tries_again() -> Result<(), HarnessError> {
    let refused = [("not_found_once", 404), ("forbidden_once", 403)];
    let twice = |(name, status)| {
        let again = Case { name, faults: Vec::new(), ends: Ends::Quietly };
        [case(name, Fault::Status(status), 1, Ends::Failing("status")), again]
    };
    let reads: Vec<Case> = refused.into_iter().flat_map(twice).collect();
    // To mount a wheel takes its length and its directory.
    for (how, needed) in [("mount", 3), ("index", 1), ("blocking", 1)] {
        let requests = in_node(how, &reads).await?;
        for (name, status) in refused {
            let of_case = requests.iter().filter(|entry| entry.path == format!("/{}", file_name(name)));
            let statuses: Vec<_> = of_case.map(|entry| entry.status).collect();
            assert_eq!(statuses, [vec![status], vec![206; needed]].concat(), "{how} {name}");
        }
    }
    Ok(())
}

fn stall() -> [Case; 1] {
    [case("stall", Fault::Stall { after: 5000 }, 1, Ends::Quietly)]
}

/// A connection that falls silent is given up after 20 s and the rest asked for again.
fn assert_resumed(requests: Vec<Entry>) {
    let mut ranges: Vec<_> = requests.into_iter().filter_map(|entry| entry.range).collect();
    ranges.sort_by_key(|range| range.start);
    assert_eq!(
        ranges[1].start - ranges[0].start,
        5000,
        "{ranges:?}: not from the first byte that had not come"
    );
}

#[tokio::test]
async fn a_stall() -> Result<(), HarnessError> {
    assert_resumed(in_node("index", &stall()).await?);
    Ok(())
}

#[tokio::test]
async fn a_stall_in_a_page() -> Result<(), HarnessError> {
    assert_resumed(in_browser(Engine::Chromium, "", "index", &stall()).await?);
    Ok(())
}

/// The same in a page, on its main thread and in a worker; the wheels are another origin's, which exposes no header and
/// refuses every preflight.
async fn in_browser(
    engine: Engine,
    query: &str,
    how: &str,
    cases: &[Case],
) -> Result<Vec<Entry>, HarnessError> {
    let wheels = Wheels::new(&format!("{engine:?}{query}{how}-{}", cases[0].name), cases)?;
    let elsewhere = wheels.serve(cases).await?;
    let site = Site::new(&wheels.parts, "0.27.7")?
        .mount("/tests", &Parts::root().join("tests/page"))
        .start(Line::new(0, 0))
        .await?;
    let browser = Browser::of(&wheels.parts, engine).await?;
    let options = json!({
        "index": elsewhere.url("/wheelfs.idx"), "base": elsewhere.url("/"), "how": how,
        "cases": wheels.cases(&elsewhere, cases),
    });
    let url = format!("/tests/lazy.html?fallback={}{query}{}", escaped(&options.to_string()), engine.query());
    let outcomes: Vec<Outcome> = browser.result(&site.url(&url)).await?;
    let requests = elsewhere.server.log().take();
    wheels.check(how, Some(engine), cases, &outcomes, &requests);
    Ok(requests)
}

/// For a query (RFC 3986, 2.1).
fn escaped(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

#[tokio::test]
async fn in_a_page_of_another_origin() -> Result<(), HarnessError> {
    in_browser(Engine::Chromium, "", "index", &table()).await.map(drop)
}

#[tokio::test]
async fn mounted_in_a_page_of_another_origin() -> Result<(), HarnessError> {
    in_browser(Engine::Chromium, "", "mount", &table()).await.map(drop)
}

#[tokio::test]
async fn in_a_page_without_suspending() -> Result<(), HarnessError> {
    in_browser(Engine::Chromium, "", "blocking", &table()).await.map(drop)
}

#[tokio::test]
async fn in_a_worker_without_suspending() -> Result<(), HarnessError> {
    in_browser(Engine::WebKit, "&worker", "blocking", &table()).await.map(drop)
}

/// A window reads synchronous answers as text, where a byte order mark is not text.
#[tokio::test]
async fn byte_order_marks_are_bytes() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let folder = Parts::root().join("target/test-index/fallback/marks");
    fs::create_dir_all(&folder)?;
    let marks: [(&str, &[u8]); 5] = [
        ("utf8", b"\xEF\xBB\xBF"),
        ("utf16be", b"\xFE\xFF"),
        ("utf16le", b"\xFF\xFE"),
        ("twice", b"\xEF\xBB\xBF\xEF\xBB\xBF"),
        ("alone", b""),
    ];
    let every_byte: Vec<u8> = (0..=255).collect();
    let mut hashes = Vec::new();
    for (name, mark) in marks {
        let data = if mark.is_empty() { b"\xFF\xFE".to_vec() } else { [mark, &every_byte].concat() };
        hashes
            .push((name, Sha256::digest(&data).iter().map(|byte| format!("{byte:02x}")).collect::<String>()));
        let members = [(format!("{name}/data.bin"), data)];
        wheelfs_tests::wheel(&folder.join(file_name(name)), &members, CompressionMethod::Stored)?;
    }
    wheelfs_tests::index(&folder, &marks.map(|(name, _)| file_name(name)))?;
    let site = Site::new(&parts, "0.27.7")?
        .mount("/tests", &Parts::root().join("tests/page"))
        .mount("/marks", &folder)
        .start(Line::new(0, 0))
        .await?;
    let cases: Vec<_> = marks.iter().map(|(name, _)| json!({ "name": name, "url": "" })).collect();
    let options =
        json!({ "index": "/marks/wheelfs.idx", "base": "/marks/", "how": "blocking", "cases": cases });
    for engine in [Engine::Chromium, Engine::Firefox, Engine::WebKit] {
        let browser = Browser::of(&parts, engine).await?;
        for context in ["", "&worker"] {
            let url = format!("/tests/lazy.html?fallback={}{context}", escaped(&options.to_string()));
            let outcomes: Vec<Outcome> = browser.result(&site.url(&url)).await?;
            let read: Vec<_> =
                outcomes.iter().map(|outcome| (&*outcome.name, outcome.result.clone())).collect();
            assert_eq!(read, hashes, "{engine:?}{context}");
        }
    }
    Ok(())
}
