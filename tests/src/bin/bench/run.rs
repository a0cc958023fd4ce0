//! One run: one strategy, one fresh browser.

use demo_site::{Entry, Line};
use wheelfs_tests::{Browser, Engine, HarnessError, Parts, Site};

use crate::{
    figures::{Page, Run, sha256},
    limit::is_needed,
};

/// `page`: path and query.
pub(crate) async fn run(
    parts: &Parts,
    engine: Engine,
    site: Site,
    line: Line,
    page: &str,
) -> Result<Run, HarnessError> {
    let site = site.start(line).await?;
    let browser = Browser::of(parts, engine).await?;
    let url = site.url(page);
    let page: Page = browser.result(&url).await?;
    let version = browser.version();
    // The log has a request when its body has ended; without a client, all have.
    drop(browser);
    let log = site.server.log().take();
    let packages: Vec<_> = log.iter().filter(|entry| of_package(entry)).collect();
    Ok(Run {
        output_sha256: sha256(&page.output),
        page,
        package_requests: packages.len() as u64,
        package_bytes: packages.iter().map(|entry| entry.bytes).sum(),
        needed_bytes: log.iter().filter(|entry| is_needed(entry)).map(|entry| entry.bytes).sum(),
        requests: log.len() as u64,
        browser: version,
        wire_bytes: site.relay.downstream_bytes(),
    })
}

/// Whether a request is for a wheel, a shared library's archive or a pack. The standard library is not a package's.
fn of_package(entry: &Entry) -> bool {
    let name = entry.path.rsplit('/').next().unwrap_or_default();
    let is_package = [".whl", ".pack", ".zip"].iter().any(|extension| name.ends_with(extension));
    is_package && !name.starts_with("python_stdlib.") && name != "empty.zip"
}
