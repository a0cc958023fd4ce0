//! Headless Chromium, each time with a profile of its own.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::Stdio,
    time::Duration,
};

use fantoccini::{Client, ClientBuilder, wd::Capabilities};
use hyper_util::client::legacy::connect::HttpConnector;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{HarnessError, Parts};

/// No sandbox and no GPU: it also has to start as root in a container. The rest keeps Chromium from using the line for
/// itself, and from refusing the demo site's own certificate.
const FLAGS: [&str; 12] = [
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
    "--disable-sync",
    "--ignore-certificate-errors",
];

/// How often a page is asked whether it has finished. The page itself takes the times.
const POLL: Duration = Duration::from_millis(100);

/// How long a browser may take to end before it is left behind.
const FAREWELL: Duration = Duration::from_secs(10);

/// A Chromium with a fresh profile and a chromedriver of its own; both end when this is dropped.
pub struct Browser {
    client: Client,
    port: u16,
    _driver: Child,
}

impl Browser {
    /// Starts it.
    pub async fn start(parts: &Parts) -> Result<Browser, HarnessError> {
        // Port 0: chromedriver takes a free one and says which.
        let mut driver = Command::new(&parts.chromedriver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let port = port(&mut driver).await?;
        let options = json!({ "binary": parts.chromium, "args": FLAGS });
        let mut capabilities = Capabilities::new();
        capabilities.insert("goog:chromeOptions".to_owned(), options);
        capabilities.insert("acceptInsecureCerts".to_owned(), Value::Bool(true));
        capabilities.insert("timeouts".to_owned(), json!({ "pageLoad": 3_600_000, "script": 3_600_000 }));
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await?;
        Ok(Browser { client, port, _driver: driver })
    }

    /// The WebDriver session, for what this harness has no word for.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Navigates and waits for the load event.
    pub async fn goto(&self, url: &str) -> Result<(), HarnessError> {
        Ok(self.client.goto(url).await?)
    }

    /// Runs the body of a function in the page and returns its value.
    pub async fn execute(&self, body: &str) -> Result<Value, HarnessError> {
        Ok(self.client.execute(body, Vec::new()).await?)
    }

    /// Navigates to a page that leaves an object in `window.result` when it is done, and returns it. `{error}` in it is
    /// an error here.
    pub async fn result<T: DeserializeOwned>(&self, url: &str) -> Result<T, HarnessError> {
        let failed = |message: &str| HarnessError::Page { url: url.to_owned(), message: message.to_owned() };
        self.goto(url).await?;
        loop {
            let result = self.execute("return window.result ?? null").await?;
            if let Some(message) = result["error"].as_str() {
                return Err(failed(message));
            }
            if !result.is_null() {
                return serde_json::from_value(result).map_err(|error| failed(&error.to_string()));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Writes what is on the screen as a PNG.
    pub async fn screenshot(&self, file: &Path) -> Result<(), HarnessError> {
        Ok(tokio::fs::write(file, self.client.screenshot().await?).await?)
    }
}

impl Drop for Browser {
    /// A killed chromedriver leaves its Chromium behind, so it is asked to end both.
    fn drop(&mut self) {
        let asked = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(FAREWELL))?;
            stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
            stream.read_to_end(&mut Vec::new())
        });
        if let Err(error) = asked {
            eprintln!("chromedriver did not end Chromium: {error}");
        }
    }
}

/// Reads "… started successfully on port N." from chromedriver's stdout.
async fn port(driver: &mut Child) -> Result<u16, HarnessError> {
    let unexpected = || std::io::Error::other("chromedriver ended without naming its port");
    let stdout = driver.stdout.take().ok_or_else(unexpected)?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        let port = line
            .split_once("started successfully on port ")
            .and_then(|(_, port)| port.trim_end_matches('.').parse().ok());
        if let Some(port) = port {
            // A pipe that nobody reads would stop chromedriver when it is full.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(port);
        }
    }
    Err(unexpected().into())
}
