//! The demo site, as tests and bench use it.

use std::{fs, path::Path};

use demo_site::{Caching, Line, LineSetting, Mount, Relay, Running, Server};

use tempfile::TempDir;

use crate::{HarnessError, Parts, Section};

/// How the stand-ins for Pyodide's entry are used.
const DROP_IN: &str = "docs/drop-in.md";

/// What the site serves: the page at `/`, its apps, one Pyodide, and wheelfs where it is built.
#[derive(Clone, Debug)]
pub struct Site {
    server: Server,
}

impl Site {
    /// `pyodide`: the version to serve at `/pyodide/`.
    pub fn new(parts: &Parts, pyodide: &str) -> Result<Site, HarnessError> {
        let root = Parts::root();
        let mut mounts = vec![
            Mount::new("/", root.join("demo-site/page")),
            Mount::new("/apps", root.join("demo-site/apps")),
            Mount::new("/pyodide", parts.pyodide(pyodide)?),
        ];
        mounts.push(Mount::new("/wheelfs", root.join("target/site/wheelfs")));
        mounts.push(Mount::new("/index", root.join("target/site/index").join(pyodide)));
        Ok(Site { server: Server::new(mounts) })
    }

    /// A site with other folders only.
    pub fn of(mounts: &[(&str, &Path)]) -> Site {
        Site { server: Server::new(mounts.iter().map(|(at, folder)| Mount::new(at, *folder)).collect()) }
    }

    /// Serves the tests' own pages at `/tests` and their programs at `/tests/apps` as well.
    pub fn with_tests(self) -> Site {
        let tests = Parts::root().join("tests");
        self.mount("/tests", &tests.join("page")).mount("/tests/apps", &tests.join("apps"))
    }

    /// Serves `folder` at `at` as well.
    pub fn mount(self, at: &str, folder: &Path) -> Site {
        Site { server: self.server.mount(Mount::new(at, folder)) }
    }

    /// Over TLS, and so by HTTP/2 in browsers.
    pub fn tls(self) -> Site {
        Site { server: self.server.tls() }
    }

    /// As files that a browser may keep, for a year.
    pub fn cacheable(self) -> Site {
        Site { server: self.server.caching(Caching::Immutable) }
    }

    /// As documents that are cross-origin isolated, which have `SharedArrayBuffer`.
    pub fn isolated(self) -> Site {
        Site { server: self.server.isolated() }
    }

    /// Starts it at the far end of a line; `Line::new(0, 0)` is no distance at all.
    pub async fn start(self, line: Line) -> Result<LineSite, HarnessError> {
        let line = LineSetting::from(line);
        let server = self.server.line(line.clone()).start().await?;
        let relay = Relay::start(server.address(), line).await?;
        Ok(LineSite { server, relay })
    }
}

/// A running site and the line to it; both end when this is dropped.
pub struct LineSite {
    /// The server: its log, and wrong answers on request.
    pub server: Running,
    /// The line: bytes that went over it.
    pub relay: Relay,
}

impl LineSite {
    /// The URL of a path, through the line. `path` starts with `/`.
    pub fn url(&self, path: &str) -> String {
        self.server.origin_at(self.relay.address()) + path
    }

    /// Bytes that came over the line, once it has been quiet for a second: functions that nobody called come after a result.
    pub async fn bytes_in_the_end(&self) -> u64 {
        let mut before = None;
        loop {
            let bytes = self.relay.downstream_bytes();
            if before.replace(bytes) == Some(bytes) {
                return bytes;
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }
}

/// A folder as a site puts it on its server in place of Pyodide, with `settings` as its `wheelfs.json`: of the npm
/// package's files those that docs/drop-in.md tells its readers to copy.
pub fn stand_in(settings: &str) -> Result<TempDir, HarnessError> {
    let folder = tempfile::tempdir()?;
    for name in Section::read(DROP_IN, "")?.first_column()? {
        fs::copy(Parts::root().join("target/site/wheelfs").join(&name), folder.path().join(name))?;
    }
    fs::write(folder.path().join("wheelfs.json"), settings)?;
    Ok(folder)
}
