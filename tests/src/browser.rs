//! Real browsers, each time with a profile of its own.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpStream},
    pin::Pin,
    time::{Duration, Instant},
};

use fantoccini::{
    Client, ClientBuilder,
    error::{CmdError, NewSessionError},
    wd::Capabilities,
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    process::Child,
    time::{sleep, timeout},
};

use crate::{
    Engine, HarnessError, Parts,
    engine::{LOG, Screen},
};

/// How often a page is asked whether it has finished. The page itself takes the times.
const POLL: Duration = Duration::from_millis(100);

/// How long a page or a script may take to give its result: no measure of its speed, but the end of a test that would never
/// end. The slowest of them needs a minute and a half where five browsers share two cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);

/// What a page can say of a result that does not come.
const WHEREABOUTS: &str = "return { now: performance.now(), at: window.at, stats: window.stats?.() }";

/// How long a browser may take to end before it is left behind.
pub(crate) const FAREWELL: Duration = Duration::from_secs(10);

/// Lines of its log that are shown when it fails.
const SHOWN: usize = 60;

/// A browser with a fresh profile and a driver of its own; both end when this is dropped.
pub struct Browser {
    client: Client,
    /// The request that makes the driver end its browser.
    farewell: String,
    port: u16,
    _process: Child,
    _screen: Option<Screen>,
    folder: TempDir,
}

impl Browser {
    /// Starts Chromium.
    pub async fn start(parts: &Parts) -> Result<Browser, HarnessError> {
        Browser::of(parts, Engine::Chromium).await
    }

    /// Starts the browser of an engine.
    pub async fn of(parts: &Parts, engine: Engine) -> Result<Browser, HarnessError> {
        let driver = engine.driver(parts).await?;
        let client = connect(driver.port, driver.capabilities).await?;
        let session = client.session_id().await?.unwrap_or_default();
        let farewell = driver.farewell.map_or_else(|| format!("DELETE /session/{session}"), str::to_owned);
        Ok(Browser {
            client,
            farewell,
            port: driver.port,
            _process: driver.process,
            _screen: driver.screen,
            folder: driver.folder,
        })
    }

    /// The WebDriver session, for what this harness has no word for.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Name and version, as the driver tells them.
    pub fn version(&self) -> String {
        let told = |name| self.client.capabilities()?.get(name)?.as_str();
        format!("{} {}", told("browserName").unwrap_or("?"), told("browserVersion").unwrap_or("?"))
    }

    /// Navigates and waits for the load event.
    pub async fn goto(&self, url: &str) -> Result<(), HarnessError> {
        self.client.goto(url).await.map_err(|error| self.failed(error))
    }

    /// Runs the body of a function in the page and returns its value.
    pub async fn execute(&self, body: &str) -> Result<Value, HarnessError> {
        self.client.execute(body, Vec::new()).await.map_err(|error| self.failed(error))
    }

    /// A browser that crashes tells the driver nothing more; why stands in its log.
    fn failed(&self, error: CmdError) -> HarnessError {
        let log = std::fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default();
        // There is no message bus here, and Chromium says so again and again.
        let lines: Vec<_> = log.lines().filter(|line| !line.contains("dbus/")).collect();
        lines[lines.len().saturating_sub(SHOWN)..].iter().for_each(|line| eprintln!("{line}"));
        error.into()
    }

    /// Navigates to a page that leaves an object in `window.result` when it is done, and returns it. `{error}` in it is
    /// an error here, and so is a page that does not come to its end.
    pub async fn result<T: DeserializeOwned>(&self, url: &str) -> Result<T, HarnessError> {
        let failed = |message: &str| HarnessError::Page { url: url.to_owned(), message: message.to_owned() };
        self.goto(url).await?;
        let result = self.value("return window.result ?? null").await?;
        match result["error"].as_str() {
            Some(message) => Err(failed(message)),
            None => serde_json::from_value(result).map_err(|error| failed(&error.to_string())),
        }
    }

    /// What the body of a function returns in the page, as soon as that is not null. A page in which it stays null is an
    /// error.
    pub async fn value(&self, body: &str) -> Result<Value, HarnessError> {
        if let Ok(value) = timeout(PATIENCE, self.poll(body)).await {
            return value;
        }
        // A thread that never comes back to its event loop does not answer this either.
        let whereabouts = timeout(FAREWELL, self.execute(WHEREABOUTS)).await;
        let whereabouts = whereabouts.unwrap_or_else(|_| Ok("its thread is busy".into()))?;
        let url = timeout(FAREWELL, self.client.current_url()).await;
        let url = url.map_or("?".to_owned(), |url| url.map_or_else(|error| error.to_string(), String::from));
        let message = format!("`{body}` gave nothing in {} s; {whereabouts}", PATIENCE.as_secs());
        Err(HarnessError::Page { url, message })
    }

    async fn poll(&self, body: &str) -> Result<Value, HarnessError> {
        loop {
            let value = self.execute(body).await?;
            if !value.is_null() {
                return Ok(value);
            }
            sleep(POLL).await;
        }
    }

    /// URLs that the page itself has asked for. A worker's requests are not among them.
    pub async fn requested(&self) -> Result<Vec<String>, HarnessError> {
        let names = "return performance.getEntriesByType('resource').map(({ name }) => name)";
        Ok(serde_json::from_value(self.execute(names).await?).map_err(std::io::Error::from)?)
    }
}

impl Drop for Browser {
    /// A killed driver leaves its browser behind, so it is asked to end it first.
    fn drop(&mut self) {
        let asked = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(FAREWELL))?;
            stream.write_all(
                format!(
                    "{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
                    self.farewell, self.port
                )
                .as_bytes(),
            )?;
            stream.read_to_end(&mut Vec::new())
        });
        if let Err(error) = asked {
            eprintln!("the driver did not end its browser: {error}");
        }
        // Its processes write until they have ended, and what they write while the folder is removed stays.
        let began = Instant::now();
        while fs::remove_dir_all(self.folder.path()).is_err_and(|error| error.kind() != ErrorKind::NotFound)
            && began.elapsed() < FAREWELL
        {
            std::thread::sleep(POLL);
        }
    }
}

/// A session of the driver at `port`. Boxed, so that WebDriver's HTTP is compiled here, and not once more into each test.
fn connect(
    port: u16,
    capabilities: Capabilities,
) -> Pin<Box<dyn Future<Output = Result<Client, NewSessionError>> + Send>> {
    Box::pin(async move {
        ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
    })
}
