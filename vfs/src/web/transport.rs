//! One transfer: a range of a URL, chunk by chunk.

use std::ops::Range;

use gloo_net::http::{Method, Request, Response};
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ReadableStreamDefaultReader, RequestCache, RequestInit};

use super::error::Cause;
use super::host::Host;
use crate::response::{self, Body};

/// How a request is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Python is waiting: ask the browser to put it before other requests.
    pub(crate) urgent: bool,
    /// Go past every cache: what one of them gave was damaged.
    pub(crate) reload: bool,
}

/// A response whose headers were checked; its body is still to come.
pub(crate) enum Incoming {
    /// The body in chunks, as they arrive.
    Stream(ReadableStreamDefaultReader, Body),
    /// A file of Node's, read at once.
    Bytes(Uint8Array),
}

/// Asks for `span` of `url`.
pub(crate) async fn request(
    host: Option<&Host>,
    url: &str,
    span: &Range<u64>,
    archive_len: Option<u64>,
    manner: Manner,
) -> Result<Incoming, Cause> {
    if let (Some(host), true) = (host, is_file(url)) {
        let promise =
            host.read_file(url, span.start as f64, span.end as f64).map_err(|_| Cause::Unreadable)?;
        let bytes = JsFuture::from(promise).await.map_err(|_| Cause::Unreadable)?;
        return Ok(Incoming::Bytes(bytes.unchecked_into()));
    }
    let response = fetch(Method::GET, url, Some(span), manner).await?;
    let content_range = response.headers().get("content-range");
    let body = response::check(response.status(), content_range.as_deref(), span, archive_len)?;
    let stream = response.body().ok_or(Cause::Network)?;
    let reader = stream.get_reader().dyn_into().map_err(|_| Cause::Network)?;
    Ok(Incoming::Stream(reader, body))
}

/// Asks for the whole file at `url`, of `len` bytes. Without a range, so that the server may compress it on the way.
pub(crate) async fn whole(
    host: Option<&Host>,
    url: &str,
    len: u64,
    manner: Manner,
) -> Result<Incoming, Cause> {
    if is_file(url) {
        return request(host, url, &(0..len), None, manner).await;
    }
    let response = fetch(Method::GET, url, None, manner).await?;
    if response.status() != 200 {
        return Err(response::ResponseError::Status(response.status()).into());
    }
    let stream = response.body().ok_or(Cause::Network)?;
    Ok(Incoming::Stream(stream.get_reader().dyn_into().map_err(|_| Cause::Network)?, Body::Whole))
}

/// All bytes of `span`, whatever the server makes of the range.
pub(crate) async fn read(
    host: Option<&Host>,
    url: &str,
    span: &Range<u64>,
    archive_len: Option<u64>,
    manner: Manner,
) -> Result<Vec<u8>, Cause> {
    let (reader, body) = match request(host, url, span, archive_len, manner).await? {
        Incoming::Bytes(bytes) => return exactly(bytes.to_vec(), span),
        Incoming::Stream(reader, body) => (reader, body),
    };
    let mut bytes = Vec::new();
    while let Some(chunk) = next_chunk(&reader).await? {
        bytes.extend_from_slice(&chunk.to_vec());
    }
    match body {
        Body::Range => exactly(bytes, span),
        Body::Whole => {
            let got = bytes.len() as u64;
            let part = (span.end <= got).then(|| bytes[span.start as usize..span.end as usize].to_vec());
            part.ok_or(Cause::Supply(crate::scheduler::SupplyError::TooShort { wanted: span.end, got }))
        }
    }
}

/// Length of the file at `url`. In a browser from `Content-Range` of a one-byte request, and where CORS hides that
/// header from `Content-Length` of a HEAD, which it does not hide. Neither causes a preflight.
pub(crate) async fn length(host: Option<&Host>, url: &str) -> Result<u64, Cause> {
    if let (Some(host), true) = (host, is_file(url)) {
        let promise = host.file_length(url).map_err(|_| Cause::Unreadable)?;
        let length = JsFuture::from(promise).await.map_err(|_| Cause::Unreadable)?;
        return Ok(length.as_f64().unwrap_or_default() as u64);
    }
    let manner = Manner { urgent: true, reload: false };
    let response = fetch(Method::GET, url, Some(&(0..1)), manner).await?;
    let content_range = response.headers().get("content-range");
    response::check(response.status(), None, &(0..1), None)?;
    if let Some((_, Some(total))) = content_range.as_deref().and_then(response::parse_content_range) {
        return Ok(total);
    }
    if let Some(body) = response.body() {
        // The whole file may be coming: its first byte was all that was wanted.
        let _ = body.cancel();
    }
    let head = fetch(Method::HEAD, url, None, manner).await?;
    let length = head.headers().get("content-length").and_then(|text| text.parse().ok());
    length.filter(|_| head.ok()).ok_or(Cause::NoLength)
}

/// The next piece of a body, `None` at its end.
pub(crate) async fn next_chunk(reader: &ReadableStreamDefaultReader) -> Result<Option<Uint8Array>, Cause> {
    let result = JsFuture::from(reader.read()).await.map_err(|_| Cause::Network)?;
    let field = |name: &str| Reflect::get(&result, &name.into()).unwrap_or(JsValue::UNDEFINED);
    Ok((!field("done").is_truthy()).then(|| field("value").unchecked_into()))
}

fn is_file(url: &str) -> bool {
    url.starts_with("file:")
}

fn exactly(bytes: Vec<u8>, span: &Range<u64>) -> Result<Vec<u8>, Cause> {
    use crate::scheduler::SupplyError::{TooLong, TooShort};
    let (wanted, got) = (span.end - span.start, bytes.len() as u64);
    match got.cmp(&wanted) {
        std::cmp::Ordering::Equal => Ok(bytes),
        std::cmp::Ordering::Less => Err(Cause::Supply(TooShort { wanted, got })),
        std::cmp::Ordering::Greater => Err(Cause::Supply(TooLong { wanted, got })),
    }
}

/// `fetch`, with the one header that CORS lets through without a preflight: a single closed or open byte range.
async fn fetch(
    method: Method,
    url: &str,
    span: Option<&Range<u64>>,
    manner: Manner,
) -> Result<Response, Cause> {
    let init = RequestInit::new();
    init.set_method(method.as_ref());
    if manner.reload {
        init.set_cache(RequestCache::Reload);
    }
    // web-sys does not know `priority` yet. Engines without it ignore the property.
    let priority = if manner.urgent { "high" } else { "low" };
    let _ = Reflect::set(&init, &"priority".into(), &priority.into());
    let request = web_sys::Request::new_with_str_and_init(url, &init).map_err(|_| Cause::Network)?;
    if let Some(span) = span {
        let range = format!("bytes={}-{}", span.start, span.end - 1);
        request.headers().set("Range", &range).map_err(|_| Cause::Network)?;
    }
    Request::from(request).send().await.map_err(|_| Cause::Network)
}
