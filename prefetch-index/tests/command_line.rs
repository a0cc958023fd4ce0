//! The commands on a small folder made here: what they write, and what they say when something is wrong.
#![allow(clippy::unwrap_used, reason = "a test that fails here fails as it should")]
#![cfg(feature = "cli")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use prefetch_index::format;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_prefetch-index")).args(args).output().unwrap()
}

/// The last line on stderr of a command that must fail with status 1.
fn refusal(args: &[&str]) -> String {
    let output = run(args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    stderr.lines().last().unwrap().to_owned()
}

/// A folder as a site serves it: two wheels and their lock file.
struct Site {
    dir: TempDir,
}

const PYTHON: &[u8] = b"print('a module that is long enough to be compressed, compressed, compressed')\n";

/// `dylink.0` of a library that needs `libdep.so`.
const LIBRARY: &[u8] = b"\0asm\x01\0\0\0\0\x16\x08dylink.0\x02\x0b\x01\x09libdep.so";

impl Site {
    fn new() -> Site {
        let site = Site { dir: tempfile::tempdir().unwrap() };
        let one =
            wheel(&[("one/__init__.py", PYTHON), ("one/_fast.so", LIBRARY), ("one/unread.py", &[b'#'; 500])]);
        let dep = wheel(&[("libdep.so", b"\0asm\x01\0\0\0\0\x0c\x08dylink.0\x01\x00")]);
        std::fs::write(site.path("one-1.0-py3-none-any.whl"), &one).unwrap();
        std::fs::write(site.path("dep-2.0.zip"), &dep).unwrap();
        let sha256 =
            |bytes: &[u8]| Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
        let package = |name: &str, file: &str, dir: &str, depends: &[&str], bytes: &[u8]| {
            serde_json::json!({
                "name": name, "version": "1.0", "file_name": file, "install_dir": dir, "sha256": sha256(bytes),
                "imports": [name], "depends": depends, "package_type": "package", "unvendored_tests": false,
            })
        };
        let lock = serde_json::json!({
            "info": { "python": "3.12.7", "version": "0.27.7" },
            "packages": {
                "one": package("One", "one-1.0-py3-none-any.whl", "site", &["dep"], &one),
                "dep": package("dep", "dep-2.0.zip", "dynlib", &[], &dep),
            },
        });
        std::fs::write(site.path("pyodide-lock.json"), lock.to_string()).unwrap();
        site.write_trace("app.trace", "0.27.7");
        site
    }

    /// With files of the names that Pyodide's have, and a program.
    fn runnable() -> Site {
        let site = Site::new();
        for name in ["pyodide.mjs", "python_stdlib.zip", "pyodide.asm.wasm", "app.py"] {
            std::fs::write(site.path(name), "").unwrap();
        }
        site
    }

    /// The command in this folder, with a shell script in the place of Node.
    fn with_node(&self, script: &str) -> Command {
        use std::os::unix::fs::PermissionsExt;
        let node = self.path("node.sh");
        std::fs::write(&node, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&node, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_prefetch-index"));
        command.current_dir(self.dir.path()).env("NODE", node);
        command
    }

    fn write_trace(&self, name: &str, pyodide: &str) {
        let lines = [
            format!(
                r#"{{"wheelfs_trace":1,"pyodide":"{pyodide}","python":"3.12.7","app":"app.py","packages":[{{"name":"dep","file_name":"dep-2.0.zip"}},{{"name":"one","file_name":"one-1.0-py3-none-any.whl"}}]}}"#
            ),
            r#"{"t":1,"import":"one"}"#.to_owned(),
            r#"{"t":2,"read":"one/__init__.py","offset":0,"len":9999}"#.to_owned(),
            r#"{"t":3,"read":"one/_fast.so","offset":0,"len":32}"#.to_owned(),
            r#"{"t":4,"imported":"one"}"#.to_owned(),
        ];
        std::fs::write(self.path(name), lines.join("\n")).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn build_args(&self) -> [String; 7] {
        let (dir, out) = (self.dir.path().to_str().unwrap().to_owned(), self.name("out"));
        let [build, pyodide, trace, output] = ["build", "--pyodide", "--trace", "-o"].map(str::to_owned);
        [build, pyodide, dir, trace, self.name("app.trace"), output, out]
    }

    fn build_refusal(&self) -> String {
        let args = self.build_args();
        refusal(&args.each_ref().map(String::as_str))
    }

    fn built(&self, more: &[&str]) -> prefetch_index::index::Index {
        let args = self.build_args();
        let output = run(&[&args.each_ref().map(String::as_str), more].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        format::decode(&std::fs::read(self.path("out/wheelfs.idx")).unwrap()).unwrap()
    }
}

fn wheel(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, data) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(data).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn build_ties_a_trace_to_its_wheels() {
    let index = Site::new().built(&[]);
    assert_eq!((index.pyodide.as_str(), index.python.as_str()), ("0.27.7", "3.12"));
    let archives: Vec<_> = index.archives.iter().map(|a| (a.name.as_str(), a.url.as_str())).collect();
    assert_eq!(archives, [("dep", "dep-2.0.zip"), ("One", "one-1.0-py3-none-any.whl")]);
    assert!(
        index
            .archives
            .iter()
            .all(|a| a.sha256.is_some() && a.members.iter().all(|m| m.data_offset.is_some()))
    );
    let order = index.access_order(&index.entry("app").unwrap().groups);
    let paths: Vec<_> = order.iter().map(|read| index.member(read).unwrap().path.as_str()).collect();
    assert_eq!(paths, ["one/__init__.py", "libdep.so", "one/_fast.so"]);
    assert_eq!(order[0].range, 0..PYTHON.len() as u64);
    assert_eq!(index.archives[1].members[1].needed, ["libdep.so"]);
}

/// What a site serves stays of one build, whatever becomes of the next.
#[test]
fn build_replaces_nothing_before_all_is_written() {
    let site = Site::runnable();
    // The one source does not compile.
    let runner = r#"printf '\0\0\0\0' > "$(printf %s "$2" | sed 's/.*"out":"\([^"]*\)".*/\1/')""#;
    let build =
        || site.with_node(runner).args(site.build_args()).args(["--pack", "--quick"]).output().unwrap();
    let served = || {
        let files = std::fs::read_dir(site.path("out")).unwrap().map(|file| file.unwrap().path());
        let served = files.filter(|path| path.extension().is_some_and(|kind| kind != "partial"));
        let mut served: Vec<_> = served.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
        served.sort();
        served
    };
    let output = build();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let before = served();
    assert_eq!(before.len(), 2, "app.pack, wheelfs.idx");

    // The next one has another pack, and its index cannot be written.
    let trace = std::fs::read_to_string(site.path("app.trace")).unwrap();
    let fewer: Vec<_> = trace.lines().filter(|line| !line.contains("_fast.so")).collect();
    std::fs::write(site.path("app.trace"), fewer.join("\n")).unwrap();
    std::fs::create_dir(site.path("out/wheelfs.idx.partial")).unwrap();
    let output = build();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("wheelfs.idx: cannot be written"), "{stderr}");
    assert!(served() == before);

    std::fs::remove_dir(site.path("out/wheelfs.idx.partial")).unwrap();
    assert!(build().status.success());
    let changed = served().iter().zip(&before).filter(|(after, before)| after != before).count();
    assert_eq!(changed, 2);
}

#[test]
fn base_url_goes_before_every_archive() {
    let index = Site::new().built(&["--base-url", "https://example.org/wheels/"]);
    assert_eq!(index.archives[0].url, "https://example.org/wheels/dep-2.0.zip");
}

#[test]
fn inspect_shows_what_build_wrote() {
    let site = Site::new();
    site.built(&[]);
    let index = site.name("out/wheelfs.idx");
    let json = run(&["inspect", &index, "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["format"], format::VERSION);
    assert_eq!(report["archives"][1]["members"], 3);
    assert_eq!(report["groups"][0]["name"], "one");
    assert_eq!(report["groups"][0]["reads"], 3);
    assert_eq!(report["groups"][0]["shared_libraries"], 2);
    assert_eq!(report["entries"][0]["requests"], 2);

    let table = String::from_utf8(run(&["inspect", &index]).stdout).unwrap();
    for word in ["Pyodide 0.27.7", "one-1.0-py3-none-any.whl", "group", "app"] {
        assert!(table.contains(word), "{word} in\n{table}");
    }
}

#[test]
fn build_says_what_is_wrong_with_an_archive() {
    let wheel = "one-1.0-py3-none-any.whl";
    type Case = (fn(&Path), &'static str);
    let cases: [Case; 4] = [
        (|path| edit(path, |bytes| bytes.truncate(300)), "truncated or damaged at 300 bytes"),
        (|path| std::fs::write(path, "<!doctype html>").unwrap(), "not a zip"),
        (|path| edit(path, |bytes| bytes[40] ^= 1), "instead of the lock file's"),
        (|path| std::fs::remove_file(path).unwrap(), "put the archive of package One there"),
    ];
    for (spoil, expected) in cases {
        let site = Site::new();
        spoil(&site.path(wheel));
        let message = site.build_refusal();
        assert!(message.contains(wheel) && message.contains(expected), "{message}");
        assert!(!site.path("out/wheelfs.idx").exists());
    }
}

#[test]
fn build_says_what_is_wrong_with_a_trace_or_folder() {
    let site = Site::new();
    site.write_trace("app.trace", "314.0.7");
    let message = site.build_refusal();
    assert!(message.contains("app.trace: recorded on Pyodide 314.0.7, the folder's is 0.27.7"), "{message}");

    std::fs::write(site.path("app.trace"), "{}").unwrap();
    assert!(site.build_refusal().contains("app.trace: not a trace"));
    std::fs::remove_file(site.path("app.trace")).unwrap();
    assert!(site.build_refusal().contains("make it with prefetch-index record"));

    let site = Site::new();
    std::fs::write(site.path("pyodide-lock.json"), "[]").unwrap();
    assert!(site.build_refusal().contains("pyodide-lock.json: not a Pyodide lock file"));
    std::fs::remove_file(site.path("pyodide-lock.json")).unwrap();
    assert!(site.build_refusal().contains("--pyodide must be a folder with Pyodide's files"));
}

/// As from Pyodide 314 on.
#[test]
fn where_the_lock_is_silent_pyodides_package_says_its_version() {
    let site = Site::new();
    let lock = std::fs::read_to_string(site.path("pyodide-lock.json")).unwrap();
    std::fs::write(site.path("pyodide-lock.json"), lock.replace(r#","version":"0.27.7""#, "")).unwrap();
    site.write_trace("app.trace", "314.0.6");
    let refused = "recorded on Pyodide 314.0.6, the folder's is 314.0.7; record it again";
    let cases = [
        (r#"{"name":"pyodide","version":"314.0.7"}"#, Some(refused)),
        (r#"{"name":"pyodide","version":"314.0.6"}"#, None),
        (r#"{"name":"pyodide","version":"314.0.7-alpha.1"}"#, None),
        (r#"{"name":"a-site","version":"1.0.0"}"#, None),
        ("{", None),
    ];
    assert_eq!(site.built(&[]).pyodide, "314.0.6");
    for (package, refused) in cases {
        std::fs::write(site.path("package.json"), package).unwrap();
        match refused {
            Some(refused) => assert!(site.build_refusal().contains(refused), "{package}"),
            None => assert_eq!(site.built(&[]).pyodide, "314.0.6", "{package}"),
        }
    }
}

/// As in `inspect INDEX | head`.
#[test]
fn inspect_ends_quietly_when_nobody_reads_on() {
    let site = Site::new();
    site.built(&[]);
    let index = site.name("out/wheelfs.idx");
    for options in [&["--json"][..], &[]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let inspect = Command::new(env!("CARGO_BIN_EXE_prefetch-index"))
            .args(["inspect", &index])
            .args(options)
            .stdout(writer)
            .output()
            .unwrap();
        assert!(inspect.status.success() && inspect.stderr.is_empty(), "{inspect:?}");
    }
}

#[test]
fn inspect_says_what_is_wrong_with_an_index() {
    let site = Site::new();
    site.built(&[]);
    let path = site.path("out/wheelfs.idx");
    let index = site.name("out/wheelfs.idx");
    let (own, next) = (format::VERSION, format::VERSION + 1);
    edit(&path, |bytes| bytes[8] = next as u8);
    let message = refusal(&["inspect", &index]);
    let expected = format!(
        "written by wheelfs format {next}; this is format {own}: rebuild it with prefetch-index build"
    );
    assert!(message.contains("wheelfs.idx") && message.contains(&expected), "{message}");
    edit(&path, |bytes| *bytes = b"PK\x03\x04".to_vec());
    assert!(refusal(&["inspect", &index]).contains("not a wheelfs index"));
    assert!(refusal(&["inspect", &site.name("none.idx")]).contains("none.idx: cannot be read"));
}

#[test]
fn record_says_what_is_missing() {
    let site = Site::new();
    let (dir, out) = (site.name(""), site.name("x.trace"));
    let args = |app| ["record", "--pyodide", &dir, "-o", &out, app].map(str::to_owned);
    let refused = |args: [String; 6]| refusal(&args.each_ref().map(String::as_str));
    assert!(refused(args("none.py")).contains("pyodide.mjs is missing"));
    for name in ["pyodide.mjs", "python_stdlib.zip", "pyodide.asm.wasm"] {
        std::fs::write(site.path(name), "").unwrap();
    }
    assert!(refused(args("none.py")).contains("none.py: no such file"));

    std::fs::write(site.path("app.py"), "").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_prefetch-index"))
        .args(args(&site.name("app.py")))
        .env("NODE", site.name("no-node"))
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("no-node: Node cannot be started; install Node 18 or newer"), "{stderr}");
}

#[test]
fn record_says_where_the_trace_cannot_go_before_it_runs_anything() {
    let site = Site::runnable();
    let (dir, app) = (site.name(""), site.name("app.py"));
    let file = site.name("pyodide-lock.json/app.trace");
    let cases = [
        (site.name("missing/app.trace"), "there is no folder"),
        (file, "there is no folder"),
        (site.name(""), "a folder; give the file"),
    ];
    for (out, expected) in cases {
        let args = ["record", "--pyodide", &dir, "-o", &out, &app];
        let output = site.with_node("touch ran").args(args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && stderr.contains(expected), "{stderr}");
        assert!(!site.path("ran").exists(), "{out}");
    }
}

#[test]
fn record_replaces_a_trace_in_one_step() {
    let site = Site::runnable();
    let (old, dir, app, out) =
        (site.path("old.trace"), site.name(""), site.name("app.py"), site.name("app.trace"));
    let before = std::fs::read(site.path("app.trace")).unwrap();
    // Who has the old one open reads on in it.
    std::fs::hard_link(site.path("app.trace"), &old).unwrap();
    let runner = r#"head -n 2 old.trace > "$(printf %s "$2" | sed 's/.*"out":"\([^"]*\)".*/\1/')""#;
    let record = ["record", "--pyodide", &dir, "-o", &out, &app];
    let output = site.with_node(runner).args(record).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read(&old).unwrap(), before);
    assert!(std::fs::read(site.path("app.trace")).unwrap().len() < before.len());
}

#[test]
fn a_path_that_node_cannot_be_told_of_is_named() {
    use std::os::unix::ffi::OsStrExt;
    let site = Site::runnable();
    let odd = site.path("").join(std::ffi::OsStr::from_bytes(b"\xff.py"));
    std::fs::write(&odd, "").unwrap();
    let (dir, out) = (site.name(""), site.name("x.trace"));
    let record = ["record", "--pyodide", &dir, "-o", &out].map(std::ffi::OsStr::new);
    let recorded = site.with_node("exit 1").args(record).arg(&odd).output().unwrap();

    std::fs::remove_file(&odd).unwrap();
    std::fs::create_dir(&odd).unwrap();
    for file in std::fs::read_dir(site.path("")).unwrap().map(Result::unwrap) {
        if file.path().is_file() {
            std::fs::copy(file.path(), odd.join(file.file_name())).unwrap();
        }
    }
    let trace = site.name("app.trace");
    let build = ["build", "--pack", "--trace", &trace, "-o", &out, "--pyodide"].map(std::ffi::OsStr::new);
    let built = site.with_node("exit 1").args(build).arg(&odd).output().unwrap();
    for output in [recorded, built] {
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("not UTF-8"), "{stderr}");
    }
}

#[test]
fn options_of_packs_are_refused_where_none_is_written() {
    for option in ["--quick", "--strip=docstrings"] {
        let args = ["build", "--pyodide", "x", "--trace", "x.trace", "-o", "out", option];
        let output = run(&args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("--pack") && stderr.contains("--stdlib"), "{stderr}");
        for written in ["--pack", "--stdlib"] {
            assert_eq!(run(&[&args[..], &[written]].concat()).status.code(), Some(1), "{option} {written}");
        }
    }
}

#[test]
fn usage_errors_have_their_own_status() {
    assert_eq!(run(&["build", "--pyodide", "x"]).status.code(), Some(2));
    let help = run(&["--help"]);
    assert!(
        help.status.success()
            && String::from_utf8_lossy(&help.stdout).contains("prefetch-index record --pyodide site")
    );
}
