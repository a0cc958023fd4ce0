//! One transfer: a range of a URL or the whole of it, chunk by chunk.

use std::cell::Cell;
use std::ops::Range;

use futures::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use js_sys::{Math, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, ReadableStreamDefaultReader, Request, RequestCache, RequestInit, Response};

use super::error::Cause;
use super::host::Host;
use super::object::{get, set};
use crate::patience::{PATIENCE, Patience};
use crate::response::{self, Body, Received};

thread_local! {
    /// Pieces of bodies that all transfers of this thread have brought.
    static CHUNKS: Cell<u32> = const { Cell::new(0) };
}

#[wasm_bindgen]
extern "C" {
    /// The same in windows, workers and Node.
    #[wasm_bindgen(js_name = fetch)]
    fn global_fetch(request: &Request) -> Promise;
}

/// Wait before the first retry, milliseconds; doubled each time, with a random factor of 0.5 to 1.5.
const FIRST_BACKOFF_MS: f64 = 150.0;

/// How a request is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Python is waiting: ask the browser to put it before other requests.
    pub(crate) urgent: bool,
    /// What caches may do. `Reload` goes past all of them: what one gave was damaged.
    pub(crate) cache: RequestCache,
}

/// A response whose headers were checked; its body is still to come.
pub(crate) enum Incoming {
    /// The body in chunks, as they arrive; and the length of the whole file, where the server tells it: of a whole file that
    /// is `Content-Length`, which is another where the body is encoded.
    Stream(ReadableStreamDefaultReader, Body, Option<u64>),
    /// A file of Node's, read at once.
    Bytes(Uint8Array),
}

/// Asks for `span` of `url`, or for all of it.
pub(crate) async fn request(
    host: Option<&Host>,
    url: &str,
    span: Option<&Range<u64>>,
    archive_len: Option<u64>,
    manner: Manner,
) -> Result<Incoming, Cause> {
    if let (Some(host), Some(span), true) = (host, span, is_file(url)) {
        let promise =
            host.read_file(url, span.start as f64, span.end as f64).map_err(|_| Cause::Unreadable)?;
        let bytes = JsFuture::from(promise).await.map_err(|_| Cause::Unreadable)?;
        return Ok(Incoming::Bytes(bytes.unchecked_into()));
    }
    let response = fetch("GET", url, span, manner).await?;
    let content_range = header(&response, "content-range");
    let mut total =
        content_range.as_deref().and_then(response::parse_content_range).and_then(|(_, total)| total);
    let mut body_len = None;
    if response.status() == 200 {
        total = header(&response, "content-length").and_then(|text| text.parse().ok());
        // Of an encoded body it is another. From another origin scripts see the length, but not whether it is encoded.
        let is_encoded = get(&response, "type").is_some_and(|kind| kind == "cors")
            || header(&response, "content-encoding").is_some();
        body_len = total.filter(|_| !is_encoded);
    }
    let stream = response.body();
    let body = response::check(response.status(), content_range.as_deref(), body_len, span, archive_len);
    if let (Err(_), Some(stream)) = (&body, &stream) {
        // A body that nobody reads keeps its connection, or the room of others in it.
        let _ = stream.cancel();
    }
    let body = body?;
    let reader = stream.ok_or(Cause::Broken)?.get_reader().unchecked_into();
    Ok(Incoming::Stream(reader, body, total))
}

/// The same with its body; and the length of the whole file, where the server tells it.
pub(crate) async fn read(
    host: Option<&Host>,
    url: &str,
    span: Option<&Range<u64>>,
    archive_len: Option<u64>,
    manner: Manner,
) -> Result<(Received, Option<u64>), Cause> {
    let (bytes, body, total) = match request(host, url, span, archive_len, manner).await? {
        Incoming::Bytes(bytes) => (to_vec(&bytes)?, Body::Range, None),
        Incoming::Stream(reader, body, total) => {
            let mut bytes = Vec::new();
            while let Some(chunk) = next_chunk(&reader).await? {
                append(&mut bytes, &chunk)?;
            }
            (bytes, body, total)
        }
    };
    let received = Received::new(body, bytes, span, archive_len);
    Ok((received.map_err(|error| Cause::of_body(body, error, total))?, total))
}

/// Length of the file at `url` as the server tells it without sending the file, if it does: by `Content-Length` of a
/// HEAD, which CORS does not hide.
pub(crate) async fn length(host: Option<&Host>, url: &str) -> Result<Option<u64>, Cause> {
    if let (Some(host), true) = (host, is_file(url)) {
        let promise = host.file_length(url).map_err(|_| Cause::Unreadable)?;
        let length = JsFuture::from(promise).await.map_err(|_| Cause::Unreadable)?;
        return Ok(length.as_f64().map(|length| length as u64));
    }
    let head = fetch("HEAD", url, None, Manner { urgent: true, cache: RequestCache::Default }).await?;
    Ok(header(&head, "content-length").and_then(|text| text.parse().ok()).filter(|_| head.ok()))
}

/// The next piece of a body, `None` at its end.
pub(crate) async fn next_chunk(reader: &ReadableStreamDefaultReader) -> Result<Option<Uint8Array>, Cause> {
    let Some(result) = patiently(JsFuture::from(reader.read())).await else {
        // Not waiting for the cancellation: it has a connection to close that does not answer.
        let _ = reader.cancel();
        return Err(Cause::Stalled { seconds: PATIENCE });
    };
    let result = result.map_err(|_| Cause::Broken)?;
    let is_done = get(&result, "done").is_some_and(|done| done.is_truthy());
    let chunk: Option<Uint8Array> = get(&result, "value").filter(|_| !is_done).map(JsCast::unchecked_into);
    CHUNKS.set(CHUNKS.get().wrapping_add(u32::from(chunk.is_some())));
    Ok(chunk)
}

/// Waits before a request is repeated for the first time (`attempt` 0), the second, and so on.
pub(crate) async fn back_off(attempt: u32) {
    let wait = FIRST_BACKOFF_MS * f64::from(1 << attempt) * (0.5 + Math::random());
    TimeoutFuture::new(wait as u32).await;
}

/// The bytes in this module's memory, unless it has none left for them.
pub(crate) fn to_vec(array: &Uint8Array) -> Result<Vec<u8>, Cause> {
    let mut bytes = Vec::new();
    append(&mut bytes, array)?;
    Ok(bytes)
}

fn append(bytes: &mut Vec<u8>, array: &Uint8Array) -> Result<(), Cause> {
    let (start, len) = (bytes.len(), array.length());
    bytes.try_reserve(len as usize).map_err(|_| Cause::NoMemory(start as u64 + u64::from(len)))?;
    bytes.resize(start + len as usize, 0);
    array.copy_to(&mut bytes[start..]);
    Ok(())
}

/// Whether `url` is a file of Node's.
pub(crate) fn is_file(url: &str) -> bool {
    url.starts_with("file:")
}

fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).ok().flatten()
}

/// `fetch`, with the one header that CORS lets through without a preflight: a single closed byte range.
async fn fetch(
    method: &str,
    url: &str,
    span: Option<&Range<u64>>,
    manner: Manner,
) -> Result<Response, Cause> {
    let init = RequestInit::new();
    init.set_method(method);
    init.set_cache(manner.cache);
    // web-sys does not know `priority` yet. Engines without it ignore the property.
    let priority = if manner.urgent { "high" } else { "low" };
    set(&init, "priority", &priority.into());
    let abort = AbortController::new().map_err(|_| Cause::Network)?;
    init.set_signal(Some(&abort.signal()));
    let request = Request::new_with_str_and_init(url, &init).map_err(|_| Cause::Network)?;
    if let Some(span) = span {
        let range = format!("bytes={}-{}", span.start, span.end - 1);
        request.headers().set("Range", &range).map_err(|_| Cause::Network)?;
    }
    match patiently(JsFuture::from(global_fetch(&request))).await {
        Some(response) => Ok(response.map_err(|_| Cause::Network)?.unchecked_into()),
        None => {
            abort.abort();
            Err(Cause::Stalled { seconds: PATIENCE })
        }
    }
}

/// What `future` resolves to, or nothing when there is no [`Patience`] left.
async fn patiently(mut future: JsFuture) -> Option<Result<JsValue, JsValue>> {
    let mut patience = Patience::new(CHUNKS.get());
    loop {
        match select(future, TimeoutFuture::new(1000)).await {
            Either::Left((value, _)) => return Some(value),
            Either::Right((_, pending)) => future = pending,
        }
        if !patience.goes_on(CHUNKS.get()) {
            return None;
        }
    }
}
