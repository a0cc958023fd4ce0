//! Is this response what was asked for? Decided from status and headers alone, before a byte of the body is believed.
//!
//! Servers, caches and service workers answer range requests in more ways than RFC 9110 allows for: with the whole file,
//! with another range, with the range of a file that has changed since. Each way has its own answer here.

use std::ops::Range;

use crate::scheduler::SupplyError;

/// What the body of an accepted response holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Exactly the bytes asked for.
    Range,
    /// The whole file, although a range was asked for.
    Whole,
}

impl Body {
    /// What a body of the wrong length says, which was not seen to break off. A whole file of another length is another
    /// file than the index was built for, and comes no other way the next time; unless `announced`, the length that the
    /// server told, is the right one: then it was cut off.
    pub fn changed(self, error: SupplyError, announced: Option<u64>) -> Option<ResponseError> {
        match error {
            SupplyError::TooShort { wanted, got } | SupplyError::TooLong { wanted, got }
                if self == Self::Whole && announced != Some(wanted) =>
            {
                Some(ResponseError::Changed { indexed: wanted, found: got })
            }
            _ => None,
        }
    }
}

/// Bytes of a file that may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Exactly the bytes asked for.
    Range(Vec<u8>),
    /// The whole file.
    Whole(Vec<u8>),
}

impl Received {
    /// Holds the body of an accepted response against what was asked for: a range has the length of `wanted`, a whole
    /// file that of the index.
    pub fn new(
        body: Body,
        bytes: Vec<u8>,
        wanted: Option<&Range<u64>>,
        archive_len: Option<u64>,
    ) -> Result<Self, SupplyError> {
        let expected = match body {
            Body::Range => wanted.map(|span| span.end - span.start),
            Body::Whole => archive_len,
        };
        let got = bytes.len() as u64;
        match expected {
            Some(wanted) if got < wanted => Err(SupplyError::TooShort { wanted, got }),
            Some(wanted) if got > wanted => Err(SupplyError::TooLong { wanted, got }),
            _ if body == Body::Whole => Ok(Self::Whole(bytes)),
            _ => Ok(Self::Range(bytes)),
        }
    }
}

/// Why a response is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseError {
    /// No bytes: an HTTP status other than 200 and 206.
    #[error("the server answered {0}")]
    Status(u16),
    /// `Content-Range` names other bytes.
    #[error("bytes {wanted_start}-{wanted_end} were asked for, the server sent {got_start}-{got_end}")]
    OtherRange {
        /// First byte asked for.
        wanted_start: u64,
        /// Last byte asked for, inclusive as in the header.
        wanted_end: u64,
        /// First byte the server says it sent.
        got_start: u64,
        /// Last byte the server says it sent.
        got_end: u64,
    },
    /// The file has another length than when it was indexed.
    #[error("the file is {found} bytes long, the index was built for {indexed}")]
    Changed {
        /// Length in the index.
        indexed: u64,
        /// Length the server reports.
        found: u64,
    },
    /// `Content-Range` cannot be read.
    #[error("the server's Content-Range header is malformed")]
    MalformedContentRange,
}

impl ResponseError {
    /// How often the same request may be repeated: what passes (too many requests, a server's own failure) three times,
    /// a mangled range once, since a cache in between may have made it.
    pub fn retries(&self) -> u32 {
        match self {
            Self::Status(408 | 425 | 429 | 500..=599) => 3,
            Self::OtherRange { .. } | Self::MalformedContentRange => 1,
            Self::Status(_) | Self::Changed { .. } => 0,
        }
    }

    /// Whether the file may still be had whole, by a request without a range.
    pub fn is_about_ranges(&self) -> bool {
        matches!(self, Self::Status(416) | Self::OtherRange { .. } | Self::MalformedContentRange)
    }
}

/// Checks a response to `Range: bytes=wanted`, or without `wanted` to a request for the whole file. `archive_len`: length
/// of the file as indexed. `content_range`: the header, `None` when absent or not exposed to scripts (CORS). `body_len`:
/// length of the body where it is known before, not of its `Content-Encoding`.
pub fn check(
    status: u16,
    content_range: Option<&str>,
    body_len: Option<u64>,
    wanted: Option<&Range<u64>>,
    archive_len: Option<u64>,
) -> Result<Body, ResponseError> {
    let changed = |found: Option<u64>| match (archive_len, found) {
        (Some(indexed), Some(found)) if indexed != found => Err(ResponseError::Changed { indexed, found }),
        _ => Ok(()),
    };
    let wanted = match (status, wanted) {
        (200, _) => return changed(body_len).map(|()| Body::Whole),
        (206, Some(wanted)) => wanted,
        (other, _) => return Err(ResponseError::Status(other)),
    };
    // Without the header the length of the body is checked as it arrives, and the CRC-32 of what it holds.
    let Some(header) = content_range else { return Ok(Body::Range) };
    let (range, total) = parse_content_range(header).ok_or(ResponseError::MalformedContentRange)?;
    changed(total)?;
    if range != *wanted {
        if range.start == 0 && total == Some(range.end) {
            return Ok(Body::Whole);
        }
        return Err(ResponseError::OtherRange {
            wanted_start: wanted.start,
            wanted_end: wanted.end.saturating_sub(1),
            got_start: range.start,
            got_end: range.end.saturating_sub(1),
        });
    }
    Ok(Body::Range)
}

/// `bytes 0-4/10` → (`0..5`, `Some(10)`); the total may be `*` (RFC 9110, 14.4).
pub fn parse_content_range(header: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (range, total) = header.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse::<u64>().ok()?);
    let total = match total.trim() {
        "*" => None,
        digits => Some(digits.parse().ok()?),
    };
    (first <= last && total.is_none_or(|total| last < total)).then(|| (first..last.saturating_add(1), total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_range() {
        let cases = [
            ("bytes 0-4/10", Some((0..5, Some(10)))),
            ("bytes 5-9/*", Some((5..10, None))),
            ("bytes 5-10/10", None),
            ("bytes 5-4/10", None),
            ("bytes */10", None),
            ("items 0-4/10", None),
            ("bytes 0-4", None),
            ("bytes -4-4/9", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(parse_content_range(header), expected, "{header}");
        }
    }

    #[test]
    fn responses() {
        let check = |status, header| check(status, header, None, Some(&(5..9)), Some(100));
        assert_eq!(check(206, Some("bytes 5-8/100")), Ok(Body::Range));
        assert_eq!(check(206, Some("bytes 5-8/*")), Ok(Body::Range));
        assert_eq!(check(206, None), Ok(Body::Range));
        assert_eq!(check(206, Some("bytes 0-99/100")), Ok(Body::Whole));
        assert_eq!(check(200, None), Ok(Body::Whole));
        assert_eq!(check(404, None), Err(ResponseError::Status(404)));
        assert_eq!(check(416, Some("bytes */100")), Err(ResponseError::Status(416)));
        assert_eq!(check(206, Some("bytes 5-8/99")), Err(ResponseError::Changed { indexed: 100, found: 99 }));
        assert_eq!(
            check(206, Some("bytes 4-8/100")),
            Err(ResponseError::OtherRange { wanted_start: 5, wanted_end: 8, got_start: 4, got_end: 8 })
        );
        assert_eq!(check(206, Some("bytes what")), Err(ResponseError::MalformedContentRange));
        assert_eq!(super::check(200, None, None, None, None), Ok(Body::Whole));
        assert_eq!(super::check(206, None, None, None, None), Err(ResponseError::Status(206)));
        let changed = Err(ResponseError::Changed { indexed: 100, found: 99 });
        for (body_len, expected) in
            [(Some(99), changed), (Some(100), Ok(Body::Whole)), (None, Ok(Body::Whole))]
        {
            assert_eq!(super::check(200, None, body_len, Some(&(5..9)), Some(100)), expected);
        }
        assert_eq!(super::check(200, None, Some(99), None, None), Ok(Body::Whole));
        for (status, retries, about_ranges) in [(503, 3, false), (404, 0, false), (416, 0, true)] {
            let error = check(status, None).unwrap_err();
            assert_eq!((error.retries(), error.is_about_ranges()), (retries, about_ranges), "{status}");
        }
    }

    #[test]
    fn a_whole_body_of_another_length_is_another_file() {
        let short = SupplyError::TooShort { wanted: 8, got: 7 };
        let changed = |found| Some(ResponseError::Changed { indexed: 8, found });
        let cases = [
            (Body::Whole, short, None, changed(7)),
            (Body::Whole, short, Some(7), changed(7)),
            (Body::Whole, short, Some(8), None),
            (Body::Whole, SupplyError::TooLong { wanted: 8, got: 9 }, Some(5), changed(9)),
            (Body::Whole, SupplyError::Gone, None, None),
            (Body::Range, short, Some(8), None),
            (Body::Range, short, None, None),
        ];
        for (body, error, announced, expected) in cases {
            assert_eq!(body.changed(error, announced), expected, "{body:?} {error} {announced:?}");
        }
        assert_eq!(ResponseError::Changed { indexed: 8, found: 7 }.retries(), 0);
    }

    #[test]
    fn bodies() {
        let received =
            |body, len: usize, archive_len| Received::new(body, vec![0; len], Some(&(5..9)), archive_len);
        assert_eq!(received(Body::Range, 4, Some(100)), Ok(Received::Range(vec![0; 4])));
        assert_eq!(received(Body::Range, 3, None), Err(SupplyError::TooShort { wanted: 4, got: 3 }));
        assert_eq!(received(Body::Range, 5, None), Err(SupplyError::TooLong { wanted: 4, got: 5 }));
        assert_eq!(received(Body::Whole, 7, None), Ok(Received::Whole(vec![0; 7])));
        assert_eq!(received(Body::Whole, 7, Some(8)), Err(SupplyError::TooShort { wanted: 8, got: 7 }));
    }
}
