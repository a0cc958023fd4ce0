//! The same bytes without returning to the event loop, for reads behind a JavaScript frame, where nothing can suspend.
//!
//! Slow and, on a page's main thread, freezing: the last resort that keeps Python correct.

use std::ops::Range;

use js_sys::{JsString, Reflect, Uint8Array};
use wasm_bindgen::JsCast;
use web_sys::{XmlHttpRequest, XmlHttpRequestResponseType};

use super::error::Cause;
use super::host::Host;
use super::transport::{is_file, to_vec};
use crate::response::{self, Body, Received};
use crate::scheduler::SupplyError;

/// How many bytes before the wanted ones are asked for when a decoder took the first for a byte order mark. Three
/// suffice: no mark is longer.
const MARK: u64 = 3;

/// Longest wait for one request, milliseconds, where an engine lets one be set: not in a window.
const TIMEOUT: u32 = 120_000;

/// Bytes `span` of `url`, or all of them. One request, or up to three more where a body begins like a byte order mark.
pub(crate) fn read(
    host: Option<&Host>,
    url: &str,
    span: Option<&Range<u64>>,
    archive_len: Option<u64>,
) -> Result<Received, Cause> {
    let mut before = 0;
    loop {
        let asked = span.map(|span| span.start - before..span.end);
        let (body, mut bytes) = match host {
            Some(host) => by_host(host, url, asked.as_ref(), archive_len)?,
            None => by_xhr(url, asked.as_ref(), archive_len)?,
        };
        match Received::new(body, bytes.split_off(0), asked.as_ref(), archive_len) {
            Ok(Received::Range(mut bytes)) => return Ok(Received::Range(bytes.split_off(before as usize))),
            Ok(whole) => return Ok(whole),
            Err(SupplyError::TooShort { .. })
                if body == Body::Range
                    && before < MARK
                    && asked.is_some_and(|asked| asked.start > 0)
                    && on_window() =>
            {
                before += 1;
            }
            Err(error) => return Err(Cause::of_body(body, error, None)),
        }
    }
}

fn by_host(
    host: &Host,
    url: &str,
    span: Option<&Range<u64>>,
    archive_len: Option<u64>,
) -> Result<(Body, Vec<u8>), Cause> {
    let [start, end] = span.map_or([None, None], |span| [Some(span.start as f64), Some(span.end as f64)]);
    let answer = host
        .read_blocking(url, start, end)
        .map_err(|_| if is_file(url) { Cause::Unreadable } else { Cause::Network })?;
    let bytes = to_vec(&answer.body())?;
    let body_len = Some(bytes.len() as u64);
    let body =
        response::check(answer.status(), answer.content_range().as_deref(), body_len, span, archive_len)?;
    Ok((body, bytes))
}

fn by_xhr(url: &str, span: Option<&Range<u64>>, archive_len: Option<u64>) -> Result<(Body, Vec<u8>), Cause> {
    let request = XmlHttpRequest::new().map_err(|_| Cause::Network)?;
    request.open_with_async("GET", url, false).map_err(|_| Cause::Network)?;
    if let Some(span) = span {
        let range = format!("bytes={}-{}", span.start, span.end - 1);
        request.set_request_header("Range", &range).map_err(|_| Cause::Network)?;
    }
    // A window may not choose the type of a synchronous response: there every byte comes as a character.
    if on_window() {
        request.override_mime_type("text/plain; charset=x-user-defined").map_err(|_| Cause::Network)?;
    } else {
        request.set_response_type(XmlHttpRequestResponseType::Arraybuffer);
        request.set_timeout(TIMEOUT);
    }
    request.send().map_err(|_| Cause::Network)?;
    let status = request.status().map_err(|_| Cause::Network)?;
    let content_range = request.get_response_header("content-range").ok().flatten();
    let body = response::check(status, content_range.as_deref(), None, span, archive_len)?;
    let content = request.response().map_err(|_| Cause::Broken)?;
    let bytes = if on_window() {
        // x-user-defined maps 0x80-0xFF to U+F780-U+F7FF: the low byte is the byte. A whole archive begins "PK", which is
        // no byte order mark.
        let text: JsString = content.unchecked_into();
        text.iter().map(|unit| unit as u8).collect()
    } else {
        to_vec(&Uint8Array::new(&content))?
    };
    Ok((body, bytes))
}

fn on_window() -> bool {
    Reflect::has(&js_sys::global(), &"document".into()).unwrap_or(false)
}
