//! What the server answers, byte by byte, over plain HTTP/1.1. HTTP/2 is tested with a real browser in `tests/`.

#![allow(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use std::{collections::HashMap, fs, time::Duration};

use demo_site::{Caching, Fault, Line, LineSetting, Mount, Running, Server};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

/// One request on a connection of its own. `headers`: whole lines.
async fn request(server: &Running, method: &str, path: &str, headers: &[&str]) -> Answer {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // A reset is an answer too: what arrived before it counts.
    let _ = stream.read_to_end(&mut bytes).await;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    Answer {
        status,
        headers: headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect(),
        body: bytes[end + 4..].to_vec(),
    }
}

fn wheel() -> Vec<u8> {
    (0..100_000_u32).map(|index| (index % 251) as u8).collect()
}

async fn start() -> (TempDir, Running) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.whl"), wheel()).unwrap();
    fs::write(folder.path().join("empty.whl"), b"").unwrap();
    fs::write(folder.path().join("module.mjs"), b"export {};").unwrap();
    fs::write(folder.path().join("module.mjs.br"), b"as brotli").unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    let server = Server::new(vec![Mount::new("/dist/", folder.path())]).start().await.unwrap();
    (folder, server)
}

#[tokio::test]
async fn ranges() {
    let (_folder, server) = start().await;
    let wheel = wheel();
    for (range, status, expected, content_range) in [
        (None, 200, 0..100_000, None),
        (Some("bytes=0-9"), 206, 0..10, Some("bytes 0-9/100000")),
        (Some("bytes=70000-89999"), 206, 70_000..90_000, Some("bytes 70000-89999/100000")),
        (Some("bytes=99999-"), 206, 99_999..100_000, Some("bytes 99999-99999/100000")),
        (Some("bytes=99990-200000"), 206, 99_990..100_000, Some("bytes 99990-99999/100000")),
        (Some("bytes=100000-"), 416, 0..0, Some("bytes */100000")),
        (Some("bytes=-5"), 200, 0..100_000, None),
        (Some("bytes=0-1,5-6"), 200, 0..100_000, None),
    ] {
        let header = range.map(|range| format!("Range: {range}"));
        let headers: Vec<_> = header.as_deref().into_iter().collect();
        let answer = request(&server, "GET", "/dist/a.whl", &headers).await;
        assert_eq!(answer.status, status, "{range:?}");
        assert_eq!(answer.headers.get("content-range").map(String::as_str), content_range, "{range:?}");
        assert_eq!(answer.headers["content-length"], expected.len().to_string(), "{range:?}");
        assert!(answer.body == wheel[expected], "{range:?}: other bytes");
    }
}

#[tokio::test]
async fn headers_and_methods() {
    let (_folder, server) = start().await;
    let answer = request(&server, "GET", "/dist/a.whl?v=1", &[]).await;
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    assert_eq!(answer.headers["accept-ranges"], "bytes");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["content-type"], "application/zip");
    let answer = request(&server, "HEAD", "/dist/a.whl", &[]).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.headers["content-length"], "100000");
    for method in ["OPTIONS", "POST"] {
        assert_eq!(request(&server, method, "/dist/a.whl", &[]).await.status, 405);
    }
    for path in ["/", "/dist/none.whl", "/dist/../a.whl", "/dist/folder", "/dist/folder/"] {
        assert_eq!(request(&server, "GET", path, &[]).await.status, 404, "{path}");
    }
    let answer = request(&server, "GET", "/dist/empty.whl", &[]).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

#[tokio::test]
async fn caching_is_what_was_asked_for() {
    for (caching, expected) in [
        (Caching::NoStore, "no-store"),
        (Caching::NoCache, "no-cache"),
        (Caching::Immutable, "public, max-age=31536000, immutable"),
    ] {
        let server = Server::new(Vec::new()).caching(caching).start().await.unwrap();
        assert_eq!(request(&server, "GET", "/", &[]).await.headers["cache-control"], expected);
    }
}

#[tokio::test]
async fn the_line_is_told_and_changed_by_its_own_pages_only() {
    let line = LineSetting::from(Line::new(200, 20));
    let server = Server::new(Vec::new()).line(line.clone()).start().await.unwrap();
    let is = |answer: &Answer, json: &str| {
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!((answer.status, String::from_utf8_lossy(&answer.body).as_ref()), (200, json));
    };
    is(&request(&server, "GET", "/line.json", &[]).await, r#"{"rtt_ms":200,"down_mbps":20}"#);
    let own = ["Sec-Fetch-Site: same-origin"];
    let answer = request(&server, "POST", "/line.json?rtt_ms=40&down_mbps=0", &own).await;
    is(&answer, r#"{"rtt_ms":40,"down_mbps":0}"#);
    assert_eq!(line.get(), Line::new(40, 0));
    for (query, headers, status) in [
        ("rtt_ms=1&down_mbps=1", &["Sec-Fetch-Site: cross-site"][..], 403),
        ("rtt_ms=1", &own[..], 400),
        ("rtt_ms=-1&down_mbps=1", &own[..], 400),
        ("rtt_ms=10001&down_mbps=1", &own[..], 400),
    ] {
        let path = format!("/line.json?{query}");
        assert_eq!(request(&server, "POST", &path, headers).await.status, status, "{query}");
    }
    assert_eq!(line.get(), Line::new(40, 0));
    let other = Server::new(Vec::new()).start().await.unwrap();
    assert_eq!(request(&other, "GET", "/line.json", &[]).await.status, 404);
}

#[tokio::test]
async fn brotli_for_those_who_take_it_and_never_for_a_range() {
    let (_folder, server) = start().await;
    for (headers, encoding, body) in [
        (&["Accept-Encoding: gzip, br;q=0.9"][..], Some("br"), "as brotli"),
        (&["Accept-Encoding: gzip"][..], None, "export {};"),
        (&[][..], None, "export {};"),
        (&["Accept-Encoding: br", "Range: bytes=0-5"][..], None, "export"),
    ] {
        let answer = request(&server, "GET", "/dist/module.mjs", headers).await;
        assert_eq!(answer.headers.get("content-encoding").map(String::as_str), encoding, "{headers:?}");
        assert_eq!(String::from_utf8(answer.body).unwrap(), body, "{headers:?}");
        assert_eq!(answer.headers["content-type"], "text/javascript; charset=utf-8");
    }
}

#[tokio::test]
async fn faults() {
    let (_folder, server) = start().await;
    let wheel = wheel();
    let ask = async || request(&server, "GET", "/dist/a.whl", &["Range: bytes=1000-1999"]).await;
    let inject = |fault| server.inject("/dist/a.whl", fault, 1);

    inject(Fault::IgnoreRange);
    let answer = ask().await;
    assert!(answer.status == 200 && answer.body == wheel && !answer.headers.contains_key("content-range"));

    inject(Fault::NotSatisfiable);
    assert_eq!(ask().await.status, 416);

    inject(Fault::ContentRange { shift: 7 });
    let answer = ask().await;
    assert_eq!(answer.headers["content-range"], "bytes 1007-2006/100000");
    assert!(answer.body == wheel[1000..2000]);

    inject(Fault::Shifted { shift: 7 });
    let answer = ask().await;
    assert_eq!(answer.headers["content-range"], "bytes 1000-1999/100000");
    assert!(answer.body == wheel[1007..2007]);

    inject(Fault::Short { len: 10 });
    let answer = ask().await;
    assert_eq!((answer.status, answer.headers["content-length"].as_str()), (206, "10"));
    assert!(answer.body == wheel[1000..1010]);

    inject(Fault::Long { extra: 2 });
    let answer = ask().await;
    assert!(answer.status == 206 && answer.body.len() == 1002 && answer.body.starts_with(&wheel[1000..2000]));

    inject(Fault::NoContentRange);
    let answer = ask().await;
    assert!(answer.status == 206 && !answer.headers.contains_key("content-range"));

    inject(Fault::NoContentLength);
    assert!(!ask().await.headers.contains_key("content-length"));

    inject(Fault::Gzip);
    let answer = ask().await;
    assert_eq!(answer.headers["content-encoding"], "gzip");
    assert!(answer.body.starts_with(&[0x1f, 0x8b]));

    inject(Fault::BrokenGzip);
    let answer = ask().await;
    assert_eq!(answer.headers["content-encoding"], "gzip");
    assert!(answer.body == wheel[1000..2000]);

    inject(Fault::Redirect("/elsewhere".to_owned()));
    let answer = ask().await;
    assert_eq!((answer.status, answer.headers["location"].as_str()), (302, "/elsewhere"));

    inject(Fault::Reset { after: 300 });
    let answer = ask().await;
    assert_eq!(answer.headers["content-length"], "1000");
    assert!(answer.body == wheel[1000..1300]);

    inject(Fault::Until { after: 300, asked: "/other".to_owned() });
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(b"GET /dist/a.whl HTTP/1.0\r\nRange: bytes=1000-1999\r\n\r\n").await.unwrap();
    let mut bytes = Vec::with_capacity(10_000);
    let of_body = |bytes: &[u8]| bytes.windows(4).position(|end| end == b"\r\n\r\n").map(|end| end + 4);
    // A sign of life comes after what was to come.
    while of_body(&bytes).is_none_or(|start| bytes.len() <= start + 300) {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
    }
    assert!(bytes.len() < of_body(&bytes).unwrap() + 1000);
    request(&server, "GET", "/other", &[]).await;
    stream.read_to_end(&mut bytes).await.unwrap();
    assert!(bytes[of_body(&bytes).unwrap()..] == wheel[1000..2000]);

    inject(Fault::Corrupt { offset: 1500 });
    let answer = ask().await;
    assert_eq!(answer.body[500], !wheel[1500]);
    assert!(answer.body[..500] == wheel[1000..1500] && answer.body[501..] == wheel[1501..2000]);

    inject(Fault::Status(503));
    assert_eq!(ask().await.status, 503);

    inject(Fault::Delay(Duration::from_millis(30)));
    let start = std::time::Instant::now();
    assert!(ask().await.body == wheel[1000..2000]);
    assert!(start.elapsed() >= Duration::from_millis(30));

    assert!(ask().await.body == wheel[1000..2000], "all faults are used up");
}

#[tokio::test]
async fn the_log_says_what_was_asked_and_sent() {
    let (_folder, server) = start().await;
    let mut events = server.log().subscribe();
    request(&server, "GET", "/dist/a.whl", &["Range: bytes=5-9"]).await;
    server.inject("/dist/a.whl", Fault::Reset { after: 20_000 }, 1);
    request(&server, "GET", "/dist/a.whl", &[]).await;
    request(&server, "GET", "/none", &[]).await;
    // An answer is logged when its body has been dropped, which may be a moment after the client has it all.
    for expected in [
        ("/dist/a.whl", Some(5..10), 206, 5, true),
        ("/dist/a.whl", None, 200, 20_000, false),
        ("/none", None, 404, 0, true),
    ] {
        let entry = events.recv().await.unwrap();
        assert!(entry.end_ms >= entry.start_ms);
        assert_eq!((entry.path.as_str(), entry.range, entry.status, entry.bytes, entry.complete), expected);
    }
    assert_eq!(server.log().entries().len(), 3);
    assert_eq!(server.log().take().len(), 3);
    assert_eq!(server.log().entries().len(), 0);
}
