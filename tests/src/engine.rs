//! Engines, and how each is started and told what to do.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use fantoccini::wd::Capabilities;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    net::TcpSocket,
    process::{Child, Command},
};

use crate::{HarnessError, Parts, browser::FAREWELL};

/// No sandbox and no GPU: it also has to start as root in a container. The rest keeps Chromium from using the line for
/// itself, from refusing the demo site's own certificate, and from sampling its heap (for a profile, and for GWP-ASan),
/// which it does in a share of its processes: the stack of a sample is walked by frame pointers, and Chromium 156 walks
/// beyond the end of a JSPI stack, into its guard page.
const CHROMIUM_FLAGS: [&str; 14] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-features=HeapProfilerReporting,GwpAsanMalloc,GwpAsanPartitionAlloc",
    "--disable-sync",
    "--ignore-certificate-errors",
    "--enable-logging=stderr",
];

/// In a driver's folder: what its browser wrote to stderr, if it tells anything of use.
pub(crate) const LOG: &str = "browser.log";

/// Firefox's JSPI, on by default since 153.
const FIREFOX_JSPI: &str = "javascript.options.wasm_js_promise_integration";

/// A browser engine, with JSPI as it ships or without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// Chromium, headless.
    #[default]
    Chromium,
    /// The same, whose pages take JSPI away before anything else: there is no switch for it.
    ChromiumWithoutJspi,
    /// Firefox ESR, headless.
    Firefox,
    /// The same with the preference for JSPI off.
    FirefoxWithoutJspi,
    #[value(name = "webkit")]
    #[serde(rename = "webkit")]
    /// WebKitGTK's MiniBrowser on an X server of its own; 2.50 has no JSPI.
    WebKit,
}

/// A driver that listens, and what must live as long as it does.
pub(crate) struct Driver {
    pub(crate) port: u16,
    /// The request that makes it end its browser, if it is not the end of the session.
    pub(crate) farewell: Option<&'static str>,
    pub(crate) capabilities: Capabilities,
    pub(crate) process: Child,
    /// Where its browser shows itself, if it needs one.
    pub(crate) screen: Option<Screen>,
    /// What driver and browser leave behind, Chromium a folder or two each time.
    pub(crate) folder: TempDir,
}

impl Engine {
    /// All of them.
    pub const ALL: [Engine; 5] = [
        Engine::Chromium,
        Engine::ChromiumWithoutJspi,
        Engine::Firefox,
        Engine::FirefoxWithoutJspi,
        Engine::WebKit,
    ];

    /// Its name in a table.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Chromium => "Chromium",
            Engine::ChromiumWithoutJspi => "Chromium without JSPI",
            Engine::Firefox => "Firefox",
            Engine::FirefoxWithoutJspi => "Firefox without JSPI",
            Engine::WebKit => "WebKit",
        }
    }

    /// Whether reads suspend Python in it.
    pub fn suspends(self) -> bool {
        matches!(self, Engine::Chromium | Engine::Firefox)
    }

    /// What the query of a page of `tests/page` has to hold.
    pub fn query(self) -> &'static str {
        if self == Engine::ChromiumWithoutJspi { "&nojspi" } else { "" }
    }

    /// Starts the engine's driver.
    pub(crate) async fn driver(self, parts: &Parts) -> Result<Driver, HarnessError> {
        match self {
            Engine::Chromium | Engine::ChromiumWithoutJspi => chromium(parts).await,
            Engine::Firefox => firefox(parts, json!({})).await,
            Engine::FirefoxWithoutJspi => firefox(parts, json!({ FIREFOX_JSPI: false })).await,
            Engine::WebKit => webkit(parts).await,
        }
    }
}

async fn chromium(parts: &Parts) -> Result<Driver, HarnessError> {
    let folder = tempfile::tempdir()?;
    // Port 0: chromedriver takes a free one of IPv4 and says which. It ends where the same port of IPv6 is taken.
    let mut attempts = 0;
    let (driver, port) = loop {
        let log = File::create(folder.path().join(LOG))?;
        let mut driver =
            spawn(&parts.chromedriver, &["--port=0", "--enable-chrome-logs"], folder.path(), |command| {
                command.stderr(log);
            })?;
        let port = said(driver.stdout.take(), "chromedriver", |line| {
            line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        match port.await {
            Err(error) if attempts < 5 && error.to_string().contains("port not available") => attempts += 1,
            port => break (driver, port?),
        }
    };
    let options = json!({ "binary": parts.chromium, "args": CHROMIUM_FLAGS });
    let capabilities = capabilities(&[("goog:chromeOptions", options)]);
    Ok(Driver { port, farewell: Some("GET /shutdown"), capabilities, process: driver, screen: None, folder })
}

async fn firefox(parts: &Parts, preferences: Value) -> Result<Driver, HarnessError> {
    let folder = tempfile::tempdir()?;
    let mut driver = spawn(&parts.geckodriver, &["--port=0", "--log=info"], folder.path(), |_| {})?;
    let port = said(driver.stdout.take(), "geckodriver", |line| {
        line.split_once("Listening on 127.0.0.1:")?.1.trim().parse().ok()
    });
    let options = json!({ "binary": parts.firefox, "args": ["-headless"], "prefs": preferences });
    let capabilities = capabilities(&[("moz:firefoxOptions", options)]);
    Ok(Driver { port: port.await?, farewell: None, capabilities, process: driver, screen: None, folder })
}

async fn webkit(parts: &Parts) -> Result<Driver, HarnessError> {
    let folder = tempfile::tempdir()?;
    let screen = Screen::start(parts, folder.path()).await?;
    // It cannot choose a free port itself.
    let reserved = Port::reserve()?;
    let port = reserved.number();
    let mut driver = spawn(
        &parts.webkitdriver,
        &["--host=127.0.0.1", &format!("--port={port}")],
        folder.path(),
        |command| {
            command.env("DISPLAY", format!(":{}", screen.display));
            // Its sandbox cannot be set up in a container.
            command.env("WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS", "1");
        },
    )?;
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        if let Some(status) = driver.try_wait()? {
            return Err(HarnessError::Script { script: parts.webkitdriver.clone(), status });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(Driver {
        port,
        farewell: None,
        capabilities: capabilities(&[]),
        process: driver,
        screen: Some(screen),
        folder,
    })
}

/// An X server.
pub(crate) struct Screen {
    process: Child,
    display: u32,
}

impl Screen {
    /// `folder`: for temporary files.
    async fn start(parts: &Parts, folder: &Path) -> Result<Screen, HarnessError> {
        // It writes the number of the display it took to descriptor 1.
        let arguments = ["-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"];
        let mut process = spawn(&parts.xvfb, &arguments, folder, |_| {})?;
        let display = said(process.stdout.take(), "Xvfb", |line| line.trim().parse().ok()).await?;
        Ok(Screen { process, display })
    }
}

impl Drop for Screen {
    /// It removes its socket from /tmp when it is told to stop. A killed one leaves it.
    fn drop(&mut self) {
        let Some(pid) = self.process.id() else { return };
        terminate(pid);
        let began = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) && began.elapsed() < FAREWELL {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Tells a process to stop, so that it can clear away what it would leave if it were killed.
pub fn terminate(pid: u32) {
    let _ = std::process::Command::new("kill").args(["-TERM", &pid.to_string()]).status();
}

/// A port that nobody is given meanwhile, for a server that cannot choose a free one itself.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _socket: TcpSocket,
}

impl Port {
    /// A socket that is bound and does not listen holds the port against all who want any, and against a connection's other
    /// end; a server that asks for this one, with `SO_REUSEADDR` as they do, gets it.
    pub fn reserve() -> Result<Port, HarnessError> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        Ok(Port { number: socket.local_addr()?.port(), _socket: socket })
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

fn capabilities(of_engine: &[(&str, Value)]) -> Capabilities {
    let mut capabilities = Capabilities::new();
    capabilities.insert("acceptInsecureCerts".to_owned(), Value::Bool(true));
    capabilities.insert("timeouts".to_owned(), json!({ "pageLoad": 3_600_000, "script": 3_600_000 }));
    capabilities.extend(of_engine.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    capabilities
}

/// `folder`: for temporary files.
fn spawn(
    program: &Path,
    arguments: &[&str],
    folder: &Path,
    more: impl FnOnce(&mut Command),
) -> Result<Child, HarnessError> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    more(&mut command);
    Ok(command.spawn()?)
}

/// What `find` makes of the first line it accepts.
async fn said<T>(
    stdout: Option<impl AsyncRead + Unpin + Send + 'static>,
    program: &str,
    find: impl Fn(&str) -> Option<T>,
) -> Result<T, HarnessError> {
    let unexpected = |last: &str| {
        std::io::Error::other(format!(
            "{program} ended without saying where it listens; its last word: {last:?}"
        ))
    };
    let mut lines = BufReader::new(stdout.ok_or_else(|| unexpected(""))?).lines();
    let mut last = String::new();
    while let Some(line) = lines.next_line().await? {
        if let Some(value) = find(&line) {
            // A pipe that nobody reads would stop the driver when it is full.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(value);
        }
        last = line;
    }
    Err(unexpected(&last).into())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[tokio::test]
    async fn an_x_server_leaves_nothing_behind() -> Result<(), HarnessError> {
        let folder = tempfile::tempdir()?;
        let screen = Screen::start(&Parts::find()?, folder.path()).await?;
        let socket = PathBuf::from(format!("/tmp/.X11-unix/X{}", screen.display));
        assert!(socket.exists());
        drop(screen);
        assert!(!socket.exists());
        Ok(())
    }

    #[tokio::test]
    async fn a_reserved_port_is_for_who_asks_for_it() -> Result<(), HarnessError> {
        let port = Port::reserve()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        assert!(TcpSocket::new_v4()?.bind(address).is_err());
        // The standard library's sets SO_REUSEADDR.
        std::net::TcpListener::bind(address)?;
        Ok(())
    }
}
