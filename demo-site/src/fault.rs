//! Wrong answers on purpose.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// One way in which a host answers wrongly. All of them are seen on the open web.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// 200 and the whole file, whatever range was asked for.
    IgnoreRange,
    /// 416, though the range lies inside the file. A request for the whole file is answered rightly, as by all faults
    /// that concern ranges.
    NotSatisfiable,
    /// `Content-Range` names bytes this far behind those that were asked for and sent.
    ContentRange {
        /// Bytes.
        shift: u64,
    },
    /// 206 without `Content-Range`.
    NoContentRange,
    /// `Content-Range` is right, the bytes are from this far behind (jsDelivr's edge, jsdelivr#18679).
    Shifted {
        /// Bytes.
        shift: u64,
    },
    /// The range ends after this many bytes, and `Content-Length` says so.
    Short {
        /// Bytes of body.
        len: u64,
    },
    /// More bytes than the range has, and `Content-Length` says so.
    Long {
        /// How many more.
        extra: u64,
    },
    /// No `Content-Length`: the body is chunked.
    NoContentLength,
    /// The range's bytes compressed by gzip for the transfer, and `Content-Encoding` says so: nothing is wrong, but
    /// `Content-Length` is another.
    Gzip,
    /// `Content-Encoding` says gzip, but the bytes are a range out of the middle: no client can decode them.
    BrokenGzip,
    /// Another path or URL (302).
    Redirect(
        /// Where to.
        String,
    ),
    /// The transfer breaks after this many bytes.
    Reset {
        /// Bytes of body.
        after: u64,
    },
    /// Nothing comes after this many bytes, and the connection stays open.
    Stall {
        /// Bytes of body.
        after: u64,
    },
    /// After this many bytes only one a second comes until another path was asked for: enough that no client takes the
    /// connection for dead, and never enough to be of use.
    Until {
        /// Bytes of body.
        after: u64,
        /// The other path.
        asked: String,
    },
    /// The byte at this offset of the file has all its bits flipped.
    Corrupt {
        /// Bytes from the start of the file.
        offset: u64,
    },
    /// This status and an empty body.
    Status(
        /// HTTP status code.
        u16,
    ),
    /// The right answer, this much later.
    Delay(Duration),
}

/// The faults still to come, per path.
#[derive(Default)]
pub(crate) struct Faults(Mutex<HashMap<String, VecDeque<(Fault, u32)>>>);

impl Faults {
    pub(crate) fn inject(&self, path: &str, fault: Fault, times: u32) {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.entry(path.to_owned()).or_default().push_back((fault, times));
    }

    /// The fault for the request being answered now.
    pub(crate) fn next(&self, path: &str) -> Option<Fault> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = faults.get_mut(path)?;
        while queue.front().is_some_and(|(_, times)| *times == 0) {
            queue.pop_front();
        }
        let (fault, times) = queue.front_mut()?;
        *times -= 1;
        Some(fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_in_order_and_end() {
        let faults = Faults::default();
        faults.inject("/a", Fault::IgnoreRange, 2);
        faults.inject("/a", Fault::Status(500), 1);
        let seen: Vec<_> = (0..4).map(|_| faults.next("/a")).collect();
        assert_eq!(
            seen,
            [Some(Fault::IgnoreRange), Some(Fault::IgnoreRange), Some(Fault::Status(500)), None]
        );
        assert_eq!(faults.next("/b"), None);
    }
}
