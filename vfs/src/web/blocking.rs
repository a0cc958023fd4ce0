//! The same bytes without returning to the event loop, for reads behind a JavaScript frame, where nothing can suspend.
//!
//! Slow and, on a page's main thread, freezing: the last resort that keeps Python correct.

use std::ops::Range;

use js_sys::{JsString, Reflect, Uint8Array};
use wasm_bindgen::JsCast;
use web_sys::{XmlHttpRequest, XmlHttpRequestResponseType};

use super::error::Cause;
use super::host::Host;
use crate::response::{self, Body};
use crate::scheduler::SupplyError;

/// How many bytes before the wanted ones are asked for when a decoder took the first for a byte order mark. Three
/// suffice: no mark is longer.
const MARK: u64 = 3;

/// Bytes `span` of `url`.
pub(crate) fn read(
    host: Option<&Host>,
    url: &str,
    span: &Range<u64>,
    archive_len: Option<u64>,
) -> Result<Vec<u8>, Cause> {
    let wanted = span.end - span.start;
    if let Some(host) = host {
        let bytes =
            host.read_blocking(url, span.start as f64, span.end as f64).map_err(|_| Cause::Network)?;
        let got = u64::from(bytes.length());
        return if got == wanted {
            Ok(bytes.to_vec())
        } else {
            Err(Cause::Supply(SupplyError::TooShort { wanted, got }))
        };
    }
    let mut asked = span.clone();
    loop {
        let bytes = xhr(url, &asked, archive_len)?;
        let got = bytes.len() as u64;
        if got == asked.end - asked.start {
            return Ok(bytes[(span.start - asked.start) as usize..].to_vec());
        }
        if span.start - asked.start >= MARK || asked.start == 0 {
            return Err(Cause::Supply(SupplyError::TooShort { wanted, got }));
        }
        asked.start -= 1;
    }
}

fn xhr(url: &str, span: &Range<u64>, archive_len: Option<u64>) -> Result<Vec<u8>, Cause> {
    let request = XmlHttpRequest::new().map_err(|_| Cause::Network)?;
    request.open_with_async("GET", url, false).map_err(|_| Cause::Network)?;
    let range = format!("bytes={}-{}", span.start, span.end - 1);
    request.set_request_header("Range", &range).map_err(|_| Cause::Network)?;
    // A window may not choose the type of a synchronous response: there every byte comes as a character.
    let on_window = Reflect::has(&js_sys::global(), &"document".into()).unwrap_or(false);
    if on_window {
        request.override_mime_type("text/plain; charset=x-user-defined").map_err(|_| Cause::Network)?;
    } else {
        request.set_response_type(XmlHttpRequestResponseType::Arraybuffer);
    }
    request.send().map_err(|_| Cause::Network)?;
    let status = request.status().map_err(|_| Cause::Network)?;
    let content_range = request.get_response_header("content-range").ok().flatten();
    let body = response::check(status, content_range.as_deref(), span, archive_len)?;
    let content = request.response().map_err(|_| Cause::Network)?;
    let bytes = if on_window {
        // x-user-defined maps 0x80-0xFF to U+F780-U+F7FF: the low byte is the byte.
        let text: JsString = content.unchecked_into();
        text.iter().map(|unit| unit as u8).collect()
    } else {
        Uint8Array::new(&content).to_vec()
    };
    match body {
        Body::Range => Ok(bytes),
        Body::Whole => {
            // A byte order mark at the start of the whole file would shift every byte; a zip has none.
            let got = bytes.len() as u64;
            let part = bytes.get(span.start as usize..span.end as usize).map(<[u8]>::to_vec);
            part.ok_or(Cause::Supply(SupplyError::TooShort { wanted: span.end, got }))
        }
    }
}
