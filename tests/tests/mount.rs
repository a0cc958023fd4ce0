//! Mounting costs no request beyond the central directory, however many members there are.

use std::io::Write;

use demo_site::Line;
use serde::Deserialize;
use wheelfs_tests::{HarnessError, Node, Parts, Site};

const MEMBERS: u32 = 10_000;

#[derive(Deserialize)]
struct Mounted {
    members: u32,
    listed: u32,
    mount_ms: f64,
    list_ms: f64,
}

#[tokio::test]
async fn ten_thousand_members() -> Result<(), HarnessError> {
    let parts = Parts::find()?;
    let folder = tempfile::tempdir()?;
    let name = "many-1.0-py3-none-any.whl";
    let mut wheel = zip::ZipWriter::new(std::fs::File::create(folder.path().join(name))?);
    for number in 0..MEMBERS {
        let path = format!("many/part{:02}/module{number:05}.py", number % 50);
        wheel.start_file(path, zip::write::SimpleFileOptions::default()).map_err(std::io::Error::from)?;
        writeln!(wheel, "NUMBER = {number}")?;
    }
    wheel.finish().map_err(std::io::Error::from)?;

    let site = Site::of(&[("/", folder.path())]).start(Line::new(0, 0)).await?;
    let url = site.url(&format!("/{name}"));
    let arguments = [parts.package()?.into_os_string(), parts.pyodide("0.27.7")?.into(), url.into()];
    let mounted: Mounted = Node::new(&parts).run("node/mount.mjs", &arguments).await?;
    println!("mounted in {:.1} ms with its requests, listed in {:.1} ms", mounted.mount_ms, mounted.list_ms);
    assert_eq!((mounted.members, mounted.listed), (MEMBERS, MEMBERS));
    let requests = site.server.log().take();
    assert!(requests.len() <= 3, "{requests:?}");
    Ok(())
}
