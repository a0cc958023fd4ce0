//! Debian's nginx in front of the static output: with the configuration it comes with, and tuned.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use demo_site::{Line, Relay};
use serde::Deserialize;
use tempfile::TempDir;
use wheelfs_tests::{Browser, HarnessError, Parts, Recorder, Section, stand_in};

#[derive(Debug, Deserialize)]
struct Run {
    output: String,
    ms: f64,
    requests: u32,
    bytes: u64,
}

struct Nginx {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its workers when it is told to stop; a killed one would leave them.
        let pid = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.process.wait();
    }
}

impl Nginx {
    /// Debian's own nginx.conf and default site, `more` added to its server; only paths, user and port are replaced.
    fn start(parts: &Parts, root: &Path, more: &str) -> Result<Nginx, HarnessError> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name).display().to_string();
        let etc = parts.nginx.join("etc/nginx");
        // Free a moment ago; nginx cannot say which port it took.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
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
        let process = Command::new(parts.nginx.join("usr/sbin/nginx"))
            .arg("-p")
            .arg(folder.path())
            .args(["-c", &at("nginx.conf"), "-g", "daemon off;"])
            .stdin(Stdio::null())
            .spawn()?;
        let mut nginx = Nginx { process, port, _folder: folder };
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert_eq!(nginx.process.try_wait()?, None, "nginx ended; its complaint is above");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(nginx)
    }
}

/// The static output of a site: one Pyodide, wheelfs with an index, a page.
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
    Ok(root)
}

/// A run of pandas through `nginx`, over a line; prints what the documentation's table says.
async fn run(parts: &Parts, nginx: &Nginx, line: Line, entry: &str, code: &str) -> Result<Run, HarnessError> {
    let relay = Relay::start((Ipv4Addr::LOCALHOST, nginx.port).into(), line).await?;
    let browser = Browser::start(parts).await?;
    let code: String = code.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let url = format!("http://{}/hosting.html?entry={entry}&code={code}", relay.address());
    let run: Run = browser.result(&url).await?;
    println!("{:.1} s, {:.1} MB over the line", run.ms / 1e3, relay.downstream_bytes() as f64 / 1e6);
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
    for more in [String::new(), tuned()?] {
        let nginx = Nginx::start(&parts, root.path(), &more)?;
        let run = run(&parts, &nginx, Line::new(200, 20), "index.js", PANDAS).await?;
        assert_eq!(run.output, "121");
        assert!(run.requests <= 20 && run.bytes < 8_300_000, "{run:?}");
    }
    Ok(())
}

/// Of 314 even the runtime is a module.
#[tokio::test]
async fn modules_without_a_type_load_all_the_same() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let root = output(&parts, "314.0.7", "tests/apps/integral.py")?;
    for (more, entry) in [(String::new(), "pyodide.module.js"), (tuned()?, "pyodide.mjs")] {
        let nginx = Nginx::start(&parts, root.path(), &more)?;
        let run = run(&parts, &nginx, Line::new(0, 0), entry, SYMPY).await?;
        assert_eq!(run.output, "-cos(x)");
    }
    Ok(())
}
