//! Servers of Debian in front of the static output: nginx with the configuration it comes with and tuned, and Caddy.

use std::{
    collections::HashMap,
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use demo_site::{Line, Relay};
use serde::Deserialize;
use tempfile::TempDir;
use wheelfs_tests::{Browser, HarnessError, Parts, Port, Recorder, Section, stand_in, terminate};

#[derive(Debug, Deserialize)]
struct Run {
    output: String,
    ms: f64,
    requests: u32,
    bytes: u64,
    /// Bytes of `pyodide.asm.wasm`, as it came.
    runtime: u64,
    /// All bytes that came over the line.
    #[serde(skip)]
    downstream: u64,
}

/// nginx or Caddy, on a port of its own.
struct Server {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx's master ends its workers when it is told to stop; a killed one would leave them.
        terminate(self.process.id());
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts `command`, which listens at the port.
    fn start(command: &mut Command, reserved: &Port, folder: TempDir) -> Result<Server, HarnessError> {
        let port = reserved.number();
        let process = command.stdin(Stdio::null()).spawn()?;
        let mut server = Server { process, port, _folder: folder };
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert_eq!(server.process.try_wait()?, None, "{command:?} ended; its complaint is above");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// Debian's own nginx.conf and default site, `more` added to its server; only paths, user and port are replaced.
    fn nginx(parts: &Parts, root: &Path, more: &str) -> Result<Server, HarnessError> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name).display().to_string();
        let etc = parts.servers.join("etc/nginx");
        let reserved = Port::reserve()?;
        let port = reserved.number();
        let site = fs::read_to_string(etc.join("sites-available/default"))?
            .replace("listen 80 default_server;", &format!("listen 127.0.0.1:{port} default_server;"))
            .replace("listen [::]:80 default_server;", "")
            .replace("root /var/www/html;", &format!("root {};\n{more}", root.display()));
        fs::write(folder.path().join("site"), site)?;
        // Compiled in as /var/lib/nginx, which is there once the package is installed.
        let scratch: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|what| format!("{what}_temp_path {};\n", at(what)))
            .concat();
        let user = Command::new("id").arg("-un").output()?.stdout;
        let user = String::from_utf8_lossy(&user);
        let config = fs::read_to_string(etc.join("nginx.conf"))?
            .replace("user www-data;", &format!("user {};", user.trim()))
            .replace("/run/nginx.pid", &at("pid"))
            .replace("/var/log/nginx", &folder.path().display().to_string())
            .replace("include /etc/nginx/modules-enabled/*.conf;", "")
            .replace("include /etc/nginx/conf.d/*.conf;", "")
            .replace("/etc/nginx/sites-enabled/*", &at("site"))
            .replace("http {", &format!("http {{\n{scratch}"))
            .replace("/etc/nginx", &etc.display().to_string());
        fs::write(folder.path().join("nginx.conf"), config)?;
        let mut command = Command::new(parts.servers.join("usr/sbin/nginx"));
        command.arg("-p").arg(folder.path()).args(["-c", &at("nginx.conf"), "-g", "daemon off;"]);
        Server::start(&mut command, &reserved, folder)
    }

    /// Caddy with what docs/hosting.md says; only the address and the folder are replaced.
    fn caddy(parts: &Parts, root: &Path) -> Result<Server, HarnessError> {
        let folder = tempfile::tempdir()?;
        let reserved = Port::reserve()?;
        let port = reserved.number();
        let documented = Section::read("docs/hosting.md", "Caddy")?.code("")?;
        assert!(documented.contains("example.org {") && documented.contains("root * /srv/site"));
        let site = documented
            .replace("example.org", &format!("http://127.0.0.1:{port}"))
            .replace("/srv/site", &root.display().to_string());
        let config = folder.path().join("Caddyfile");
        fs::write(&config, format!("{{\n\tadmin off\n}}\n{site}"))?;
        let mut command = Command::new(parts.servers.join("usr/bin/caddy"));
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&config);
        command.env("XDG_DATA_HOME", folder.path()).env("XDG_CONFIG_HOME", folder.path());
        Server::start(&mut command, &reserved, folder)
    }
}

/// What a server says of a file to a client that takes gzip: its status line, and headers by their names in lower case.
fn asked(server: &Server, path: &str, more: &str) -> Result<(String, HashMap<String, String>), HarnessError> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port))?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n{more}\r\n",
        server.port
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let mut lines = answer.split("\r\n\r\n").next().unwrap_or_default().lines();
    let status = lines.next().unwrap_or_default().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    Ok((status, headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect()))
}

/// The path of the first file in a folder of `root` whose name has this end.
fn first(root: &Path, folder: &str, end: &str) -> Result<String, HarnessError> {
    let mut names = Vec::new();
    for file in fs::read_dir(root.join(folder))? {
        names.push(file?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| name.ends_with(end));
    names.sort();
    let name = names.first().unwrap_or_else(|| panic!("{folder} has no file that ends in {end}"));
    Ok(format!("/{folder}/{name}"))
}

/// A file, and what is said of it: `Content-Encoding`, `Cache-Control`, `Access-Control-Allow-Origin`.
type Told<'a> = (&'a str, [Option<&'a str>; 3]);

/// Holds a server to what it is to say, and to byte ranges where it says no `Content-Encoding`.
fn says(server: &Server, expected: &[Told]) -> Result<(), HarnessError> {
    for (path, told) in expected {
        let (status, headers) = asked(server, path, "")?;
        let value = |name: &str| headers.get(name).map(String::as_str);
        assert_eq!(status, "HTTP/1.1 200 OK", "{path}");
        let found = ["content-encoding", "cache-control", "access-control-allow-origin"].map(value);
        assert_eq!(found, *told, "{path}: {headers:?}");
        if told[0].is_some() {
            // Else a cache in between hands what is compressed to a client that does not take it.
            let varies = value("vary").is_some_and(|names| names.eq_ignore_ascii_case("accept-encoding"));
            assert!(varies, "{path}: {headers:?}");
            continue;
        }
        let (status, headers) = asked(server, path, "Range: bytes=1-2\r\n")?;
        assert_eq!(status, "HTTP/1.1 206 Partial Content", "{path}: {headers:?}");
    }
    Ok(())
}

/// The static output of a site: one Pyodide, wheelfs with an index, a page, and a pack that no page asks for.
fn output(parts: &Parts, pyodide: &str, app: &str) -> Result<TempDir, HarnessError> {
    let wheelfs = stand_in(&Section::read("docs/drop-in.md", "")?.code("json")?)?;
    Recorder::new(parts, pyodide).index(app, wheelfs.path())?;
    let root = tempfile::tempdir()?;
    std::os::unix::fs::symlink(parts.pyodide(pyodide)?, root.path().join("pyodide"))?;
    fs::create_dir(root.path().join("wheelfs"))?;
    for file in fs::read_dir(wheelfs.path())? {
        let file = file?;
        fs::copy(file.path(), root.path().join("wheelfs").join(file.file_name()))?;
    }
    fs::copy(Parts::root().join("tests/page/hosting.html"), root.path().join("hosting.html"))?;
    let packed = root.path().join("packed");
    let recorder = Recorder::new(parts, pyodide);
    let trace = recorder.record("tests/apps/tiny.py", &packed)?;
    recorder.build_with(&[&trace], &["--pack", "--quick"], &packed)?;
    Ok(root)
}

/// A run of a program through `server`, over a line; prints what the documentation's table says.
async fn run(
    parts: &Parts,
    server: &Server,
    line: Line,
    entry: &str,
    code: &str,
) -> Result<Run, HarnessError> {
    let relay = Relay::start((Ipv4Addr::LOCALHOST, server.port).into(), line).await?;
    let browser = Browser::start(parts).await?;
    let code: String = code.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let url = format!("http://{}/hosting.html?entry={entry}&code={code}", relay.address());
    let mut run: Run = browser.result(&url).await?;
    run.downstream = relay.downstream_bytes();
    println!("{:.1} s, {:.1} MB over the line", run.ms / 1e3, run.downstream as f64 / 1e6);
    Ok(run)
}

fn tuned() -> Result<String, HarnessError> {
    Ok(fs::read_to_string(Parts::root().join("demo-site/examples/hosting/nginx.conf"))?)
}

const PANDAS: &str = "import pandas\nint(pandas.DataFrame({'age': [36, 85]})['age'].sum())";
const SYMPY: &str = "import sympy\nx = sympy.symbols('x')\nstr(sympy.integrate(sympy.sin(x), x))";

#[tokio::test]
async fn nginx_as_debian_ships_it_and_tuned() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let root = output(&parts, "0.27.7", "demo-site/apps/pandas.py")?;
    let wheel = first(root.path(), "pyodide", ".whl")?;
    let whole = fs::metadata(root.path().join("pyodide/pyodide.asm.wasm"))?.len();

    let plain = Server::nginx(&parts, root.path(), "")?;
    let as_shipped = run(&parts, &plain, Line::new(200, 20), "index.js", PANDAS).await?;
    assert_eq!(as_shipped.output, "121");
    assert!(as_shipped.requests <= 20 && as_shipped.bytes < 8_300_000, "{as_shipped:?}");
    assert_eq!(as_shipped.runtime, whole);
    let nothing = [None; 3];
    says(
        &plain,
        &[
            ("/pyodide/pyodide.asm.wasm", nothing),
            ("/wheelfs/index.js", nothing),
            (&wheel, nothing),
            ("/packed/tiny.pack", nothing),
            ("/packed/wheelfs.idx", nothing),
        ],
    )?;

    let nginx = Server::nginx(&parts, root.path(), &tuned()?)?;
    let run = run(&parts, &nginx, Line::new(200, 20), "index.js", PANDAS).await?;
    assert_eq!(run.output, "121");
    assert!(run.requests <= 20 && run.bytes < 8_300_000, "{run:?}");
    assert!(run.runtime < 4_000_000, "the runtime was not compressed: {run:?}");
    // What is compressed besides is small.
    assert!(as_shipped.downstream - whole > run.downstream - run.runtime, "{as_shipped:?} {run:?}");
    let forever = Some("public, max-age=31536000, immutable");
    let (gzip, anyone) = (Some("gzip"), Some("*"));
    says(
        &nginx,
        &[
            ("/pyodide/pyodide.asm.wasm", [gzip, None, anyone]),
            ("/pyodide/pyodide-lock.json", [gzip, None, anyone]),
            ("/wheelfs/index.js", [gzip, None, anyone]),
            // Of a `location` that has types of its own.
            ("/pyodide/pyodide.mjs", [gzip, None, anyone]),
            (&wheel, [None, forever, anyone]),
            ("/pyodide/python_stdlib.zip", [None, None, anyone]),
            ("/packed/tiny.pack", [None, Some("no-cache"), anyone]),
            ("/packed/wheelfs.idx", [None, Some("no-cache"), anyone]),
        ],
    )?;
    let (_, headers) = asked(&nginx, "/pyodide/pyodide.mjs", "")?;
    assert_eq!(headers["content-type"], "text/javascript");
    Ok(())
}

#[tokio::test]
async fn caddy_as_documented() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let root = output(&parts, "0.27.7", "demo-site/apps/pandas.py")?;
    let caddy = Server::caddy(&parts, root.path())?;
    let run = run(&parts, &caddy, Line::new(0, 0), "index.js", PANDAS).await?;
    assert_eq!(run.output, "121");
    assert!(run.requests <= 20 && run.bytes < 8_300_000, "{run:?}");
    assert!(run.runtime < 4_000_000, "the runtime was not compressed: {run:?}");
    let (gzip, anyone) = (Some("gzip"), Some("*"));
    says(
        &caddy,
        &[
            ("/pyodide/pyodide.asm.wasm", [gzip, None, anyone]),
            ("/pyodide/pyodide-lock.json", [gzip, None, anyone]),
            ("/wheelfs/index.js", [gzip, None, anyone]),
            ("/pyodide/pyodide.mjs", [gzip, None, anyone]),
            (&first(root.path(), "pyodide", ".whl")?, [None, None, anyone]),
            ("/packed/tiny.pack", [None, None, anyone]),
            ("/packed/wheelfs.idx", [None, None, anyone]),
        ],
    )
}

/// Of 314 even the runtime is a module.
#[tokio::test]
async fn modules_without_a_type_load_all_the_same() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let root = output(&parts, "314.0.7", "tests/apps/integral.py")?;
    for (more, entry) in [(String::new(), "pyodide.module.js"), (tuned()?, "pyodide.mjs")] {
        let nginx = Server::nginx(&parts, root.path(), &more)?;
        let run = run(&parts, &nginx, Line::new(0, 0), entry, SYMPY).await?;
        assert_eq!(run.output, "-cos(x)");
    }
    Ok(())
}
