//! A line that the page may change, at `/line.json`.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::http::{HeaderMap, Method, StatusCode};

use crate::relay::Line;

/// Where a server tells its line, and takes another.
pub(crate) const PATH: &str = "/line.json";

/// Further away than anybody is; a mistyped number would make the page look dead.
const LONGEST_RTT_MS: u64 = 10_000;

/// Bytes per second of 1 Mbit/s.
const MBIT: u64 = 125_000;

/// A line that can be changed while bytes are on it. Clones are the same line.
#[derive(Clone, Debug)]
pub struct LineSetting(Arc<RwLock<Line>>);

impl LineSetting {
    /// What it is now.
    pub fn get(&self) -> Line {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it for all connections, also those that are open.
    pub fn set(&self, line: Line) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = line;
    }

    /// Answers a request for [`PATH`]: GET tells it; POST with the query `rtt_ms=200&down_mbps=20` changes it, if it comes
    /// from a page of this server.
    pub(crate) fn answer(&self, method: &Method, query: &str, headers: &HeaderMap) -> (StatusCode, String) {
        let elsewhere = headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin");
        match *method {
            Method::GET | Method::HEAD => {}
            Method::POST if elsewhere => return (StatusCode::FORBIDDEN, String::new()),
            Method::POST => match parse(query) {
                Some(line) => self.set(line),
                None => return (StatusCode::BAD_REQUEST, String::new()),
            },
            _ => return (StatusCode::METHOD_NOT_ALLOWED, String::new()),
        }
        (StatusCode::OK, json(self.get()))
    }
}

impl From<Line> for LineSetting {
    fn from(line: Line) -> LineSetting {
        LineSetting(Arc::new(RwLock::new(line)))
    }
}

fn json(line: Line) -> String {
    let down = line.downstream.map_or(0, |bytes| bytes / MBIT);
    format!(r#"{{"rtt_ms":{},"down_mbps":{down}}}"#, line.round_trip.as_millis())
}

fn parse(query: &str) -> Option<Line> {
    let value = |name: &str| {
        let (_, value) =
            query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?;
        value.parse::<u64>().ok()
    };
    let line = Line::new(value("rtt_ms")?, value("down_mbps")?);
    (line.round_trip <= Duration::from_millis(LONGEST_RTT_MS)).then_some(line)
}
