//! One request, one answer.

use std::{
    io::{self, SeekFrom, Write},
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body::{Frame, SizeHint};
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
    time::{Instant, Sleep, sleep},
};

use crate::{
    fault::{Fault, Faults},
    line::{self, LineSetting},
    log::{Entry, Log},
    mount::{self, Mount},
    range::{self, Asked},
    server::Caching,
};

/// Bytes per frame of a body: small enough that streams of one connection take turns on a slow line.
const FRAME: usize = 16 << 10;

/// Before a transfer breaks, what was handed over has to leave: HTTP/1 and HTTP/2 both drop what is still queued.
const LAST_GASP: Duration = Duration::from_millis(50);

/// Between bytes that only show that the connection lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// What every answer depends on.
pub(crate) struct Site {
    pub(crate) mounts: Vec<Mount>,
    pub(crate) caching: Caching,
    pub(crate) isolated: bool,
    pub(crate) line: Option<LineSetting>,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
}

pub(crate) async fn respond(site: Arc<Site>, request: Request<Body>) -> Response<Body> {
    let start_ms = site.log.now_ms();
    let path = request.uri().path().to_owned();
    let fault = site.faults.next(&path);
    if let Some(Fault::Delay(time)) = fault {
        tokio::time::sleep(time).await;
    }
    let setting = site.line.as_ref().filter(|_| path == line::PATH);
    let mut answer = match (setting, request.method().clone()) {
        (Some(setting), _) => line_answer(setting, &request),
        (None, Method::GET | Method::HEAD) => match mount::find(&site.mounts, &path) {
            Some(file) => file_answer(&file, request.headers(), fault).await.unwrap_or_else(|error| {
                match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::IsADirectory => {
                        Answer::empty(StatusCode::NOT_FOUND)
                    }
                    _ => Answer::empty(StatusCode::INTERNAL_SERVER_ERROR),
                }
            }),
            None => Answer::empty(StatusCode::NOT_FOUND),
        },
        // OPTIONS too: as on many static hosts a CORS preflight fails, so whatever would cause one fails.
        _ => Answer::empty(StatusCode::METHOD_NOT_ALLOWED),
    };
    let headers = &mut answer.headers;
    // A wildcard does for requests without credentials. No header is exposed beyond those that CORS always shows.
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert("timing-allow-origin", HeaderValue::from_static("*"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    if site.isolated {
        headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
        headers.insert("cross-origin-embedder-policy", HeaderValue::from_static("require-corp"));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(site.caching.header()));
    let len = answer.body.len();
    if answer.tells_length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    }
    if request.method() == Method::HEAD {
        answer.body = Bytes::new();
    }
    let entry = Entry {
        method: request.method().to_string(),
        path,
        range: answer.range,
        status: answer.status.as_u16(),
        bytes: 0,
        complete: answer.body.is_empty(),
        start_ms,
        end_ms: start_ms,
    };
    let sending = Sending {
        rest: answer.body,
        stop_at: answer.stop_at,
        tells_length: answer.tells_length,
        timer: Box::pin(sleep(LAST_GASP)),
        entry,
        log: site.log.clone(),
    };
    let mut response = Response::new(Body::new(sending));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

fn line_answer(setting: &LineSetting, request: &Request<Body>) -> Answer {
    let query = request.uri().query().unwrap_or_default();
    let (status, json) = setting.answer(request.method(), query, request.headers());
    let mut answer = Answer::empty(status);
    answer.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.body = json.into();
    answer
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    range: Option<std::ops::Range<u64>>,
    body: Bytes,
    stop_at: Option<(u64, Stop)>,
    tells_length: bool,
}

/// What happens after so many bytes of body.
enum Stop {
    Break,
    Stall,
    /// A byte now and then, until this path was asked for.
    Until(String),
}

impl Answer {
    fn empty(status: StatusCode) -> Answer {
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Answer { status, headers, range: None, body, stop_at: None, tells_length: true }
    }
}

async fn file_answer(file: &Path, request: &HeaderMap, fault: Option<Fault>) -> io::Result<Answer> {
    if let Some(Fault::Status(code)) = fault {
        return Ok(Answer::empty(StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)));
    }
    if let Some(Fault::Redirect(to)) = &fault {
        let mut answer = Answer::empty(StatusCode::FOUND);
        answer.headers.extend(HeaderValue::from_str(to).ok().map(|to| (header::LOCATION, to)));
        return Ok(answer);
    }
    let asked_range = request.get(header::RANGE).and_then(|value| value.to_str().ok());
    let range_header = asked_range.filter(|_| fault != Some(Fault::IgnoreRange));
    let (source, encoding) = match precompressed(file, request).await {
        Some(source) if range_header.is_none() => (source, Some("br")),
        _ => (file.to_owned(), None),
    };
    let metadata = tokio::fs::metadata(&source).await?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let len = metadata.len();
    let asked = match fault {
        Some(Fault::NotSatisfiable) if range_header.is_some() => Asked::NotSatisfiable,
        _ => range::asked(range_header, len),
    };

    let mut answer = Answer::empty(StatusCode::OK);
    if let Asked::Part(range) = range::asked(asked_range, len) {
        answer.range = Some(range);
    }
    let mut span = match asked {
        Asked::Whole => 0..len,
        Asked::Part(range) => {
            answer.status = StatusCode::PARTIAL_CONTENT;
            let shift = if let Some(Fault::ContentRange { shift }) = fault { shift } else { 0 };
            if fault != Some(Fault::NoContentRange) {
                content_range(
                    &mut answer,
                    &format!("bytes {}-{}/{len}", range.start + shift, range.end - 1 + shift),
                );
            }
            range
        }
        Asked::NotSatisfiable => {
            answer.status = StatusCode::RANGE_NOT_SATISFIABLE;
            content_range(&mut answer, &format!("bytes */{len}"));
            return Ok(answer);
        }
    };
    let is_range = answer.status == StatusCode::PARTIAL_CONTENT;
    if let Some(Fault::Shifted { shift }) = fault {
        let size = span.end - span.start;
        span.start = span.start.saturating_add(shift).min(len.saturating_sub(size));
        span.end = span.start + size;
    }
    let mut body = read(&source, span.clone()).await?;
    match fault {
        Some(Fault::Short { len }) if is_range => body.truncate(usize::try_from(len).unwrap_or(usize::MAX)),
        Some(Fault::Long { extra }) if is_range => {
            body.extend(std::iter::repeat_n(0, usize::try_from(extra).unwrap_or_default()));
        }
        Some(Fault::NoContentLength) => answer.tells_length = false,
        Some(Fault::Gzip) => {
            body = gzip(&body)?;
            answer.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Some(Fault::BrokenGzip) if is_range => {
            answer.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Some(Fault::Reset { after }) => answer.stop_at = Some((after, Stop::Break)),
        Some(Fault::Stall { after }) => answer.stop_at = Some((after, Stop::Stall)),
        Some(Fault::Until { after, asked }) => answer.stop_at = Some((after, Stop::Until(asked))),
        Some(Fault::Corrupt { offset }) if span.contains(&offset) => {
            if let Some(byte) = usize::try_from(offset - span.start).ok().and_then(|at| body.get_mut(at)) {
                *byte = !*byte;
            }
        }
        _ => {}
    }
    answer.body = body.into();
    answer.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(mount::content_type(file)));
    answer.headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    answer.headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        answer.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Ok(answer)
}

/// `FILE.br` beside the file, when the client takes brotli.
async fn precompressed(file: &Path, request: &HeaderMap) -> Option<PathBuf> {
    let accepted = request.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
    let takes_brotli =
        accepted.split(',').any(|coding| coding.split(';').next().is_some_and(|name| name.trim() == "br"));
    let mut name = file.as_os_str().to_owned();
    name.push(".br");
    (takes_brotli && tokio::fs::try_exists(&name).await.unwrap_or(false)).then(|| name.into())
}

async fn read(file: &Path, span: std::ops::Range<u64>) -> io::Result<Vec<u8>> {
    let mut file = File::open(file).await?;
    file.seek(SeekFrom::Start(span.start)).await?;
    let mut bytes = Vec::new();
    file.take(span.end - span.start).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn content_range(answer: &mut Answer, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers.insert(header::CONTENT_RANGE, value);
    }
}

/// A body that logs its request when it has been sent, or dropped because the client went away.
struct Sending {
    rest: Bytes,
    stop_at: Option<(u64, Stop)>,
    tells_length: bool,
    timer: Pin<Box<Sleep>>,
    entry: Entry,
    log: Log,
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let mut size = self.rest.len().min(FRAME);
        let sending = &mut *self;
        if let Some((at, stop)) = &sending.stop_at {
            let left = usize::try_from(at.saturating_sub(sending.entry.bytes)).unwrap_or(usize::MAX);
            let wait = if let Stop::Until(_) = stop { SIGN_OF_LIFE } else { LAST_GASP };
            match stop {
                _ if left > 0 => size = size.min(left),
                // Nobody wakes this: it ends when the client goes away.
                Stop::Stall => return Poll::Pending,
                Stop::Break => {
                    ready!(sending.timer.as_mut().poll(context));
                    return Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())));
                }
                Stop::Until(path) if !sending.log.has(path) => {
                    ready!(sending.timer.as_mut().poll(context));
                    size = 1;
                }
                Stop::Until(_) => {}
            }
            sending.timer.as_mut().reset(Instant::now() + wait);
        }
        let frame = self.rest.split_to(size);
        self.entry.bytes += frame.len() as u64;
        self.entry.complete = self.rest.is_empty();
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.tells_length { SizeHint::with_exact(self.rest.len() as u64) } else { SizeHint::default() }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.entry.end_ms = self.log.now_ms();
        self.log.add(self.entry.clone());
    }
}
