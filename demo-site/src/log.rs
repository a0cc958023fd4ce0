//! What was asked for and what was sent.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use serde::Serialize;
use tokio::sync::broadcast;

/// One request and its answer. Times are milliseconds since the server started.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// `GET`, `HEAD`, `OPTIONS` (a CORS preflight), …
    pub method: String,
    /// Path as sent, without the query.
    pub path: String,
    /// The bytes of the file that were asked for; `None`: the whole.
    pub range: Option<Range<u64>>,
    /// HTTP status code.
    pub status: u16,
    /// Bytes of body handed to the connection, after any `Content-Encoding`; headers and framing are not counted.
    pub bytes: u64,
    /// Whether the body was sent to its end.
    pub complete: bool,
    /// When the request's head had arrived.
    pub start_ms: f64,
    /// When the last byte of the body was handed to the connection, or the client went away.
    pub end_ms: f64,
}

/// The server's log, shared by everyone who holds a clone of it.
#[derive(Clone)]
pub struct Log(Arc<Inner>);

struct Inner {
    start: Instant,
    entries: Mutex<Vec<Entry>>,
    subscribers: broadcast::Sender<Entry>,
}

impl Log {
    pub(crate) fn new() -> Log {
        let (subscribers, _) = broadcast::channel(4096);
        Log(Arc::new(Inner { start: Instant::now(), entries: Mutex::default(), subscribers }))
    }

    /// All requests answered since the start or the last [`Log::take`], in the order in which their answers ended.
    pub fn entries(&self) -> Vec<Entry> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same, and forgets them.
    pub fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut self.0.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a request for `path` is among them.
    pub(crate) fn has(&self, path: &str) -> bool {
        let entries = self.0.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().any(|entry| entry.path == path)
    }

    /// Every request from now on, as its answer ends. A receiver more than 4096 entries behind loses the oldest.
    pub fn subscribe(&self) -> broadcast::Receiver<Entry> {
        self.0.subscribers.subscribe()
    }

    pub(crate) fn now_ms(&self) -> f64 {
        self.0.start.elapsed().as_secs_f64() * 1e3
    }

    pub(crate) fn add(&self, entry: Entry) {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry.clone());
        // No subscriber is the ordinary case.
        let _ = self.0.subscribers.send(entry);
    }
}
