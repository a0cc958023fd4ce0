use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Event, EventKind, Package, Trace, VERSION};

/// Why a text is not a trace.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The first line is not a trace's header.
    #[error("line 1 is not the header of a trace")]
    Header(#[source] Option<serde_json::Error>),
    /// Written by another version of the format.
    #[error("trace format {found}; this is format {wanted}")]
    Version {
        /// [`VERSION`].
        wanted: u32,
        /// In the header.
        found: u32,
    },
    /// A line is not an event.
    #[error("line {line} is not an event")]
    Event {
        /// Counted from 1.
        line: usize,
        /// What the JSON parser said.
        source: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    wheelfs_trace: u32,
    #[serde(borrow)]
    pyodide: Cow<'a, str>,
    python: Cow<'a, str>,
    #[serde(default)]
    app: Cow<'a, str>,
    packages: Cow<'a, [Package]>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    stdlib: Cow<'a, [String]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modules: Option<Cow<'a, [String]>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    called: Cow<'a, BTreeMap<String, Vec<u32>>>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    t: f64,
    #[serde(flatten)]
    kind: LineKind,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum LineKind {
    Import {
        import: String,
    },
    Imported {
        imported: String,
    },
    Read {
        read: String,
        offset: u64,
        len: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        archive: Option<String>,
    },
}

/// Reads a trace's text. Blank lines are skipped.
pub fn parse(text: &str) -> Result<Trace, TraceError> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let (_, first) = lines.next().ok_or(TraceError::Header(None))?;
    let header: Header = serde_json::from_str(first).map_err(|error| TraceError::Header(Some(error)))?;
    if header.wheelfs_trace != VERSION {
        return Err(TraceError::Version { wanted: VERSION, found: header.wheelfs_trace });
    }
    let mut trace = Trace {
        pyodide: header.pyodide.into_owned(),
        python: header.python.into_owned(),
        app: header.app.into_owned(),
        packages: header.packages.into_owned(),
        stdlib: header.stdlib.into_owned(),
        modules: header.modules.map(Cow::into_owned),
        called: header.called.into_owned(),
        events: Vec::new(),
    };
    for (i, line) in lines {
        let Line { t, kind } =
            serde_json::from_str(line).map_err(|source| TraceError::Event { line: i + 1, source })?;
        let kind = match kind {
            LineKind::Import { import } => EventKind::Import(import),
            LineKind::Imported { imported } => EventKind::Imported(imported),
            LineKind::Read { read, offset, len, archive } => {
                EventKind::Read { path: read, offset, len, archive }
            }
        };
        trace.events.push(Event { t, kind });
    }
    Ok(trace)
}

/// A trace's text.
pub fn to_text(trace: &Trace) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string(&Header {
        wheelfs_trace: VERSION,
        pyodide: trace.pyodide.as_str().into(),
        python: trace.python.as_str().into(),
        app: trace.app.as_str().into(),
        packages: trace.packages.as_slice().into(),
        stdlib: trace.stdlib.as_slice().into(),
        modules: trace.modules.as_deref().map(Into::into),
        called: Cow::Borrowed(&trace.called),
    })?;
    text.push('\n');
    for event in &trace.events {
        let kind = match event.kind.clone() {
            EventKind::Import(import) => LineKind::Import { import },
            EventKind::Imported(imported) => LineKind::Imported { imported },
            EventKind::Read { path, offset, len, archive } => {
                LineKind::Read { read: path, offset, len, archive }
            }
        };
        text.push_str(&serde_json::to_string(&Line { t: event.t, kind })?);
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"wheelfs_trace":1,"pyodide":"0.27.7","python":"3.12.7","app":"app.py","packages":[{"name":"pandas","file_name":"pandas.whl","sha256":"5502"}],"stdlib":["json/decoder.py"],"modules":["pandas/__init__.py"],"called":{"lib:libopenblas.so":[0,7]}}"#;

    #[test]
    fn round_trip() {
        let lines = [
            HEADER,
            r#"{"t":0.4,"import":"pandas"}"#,
            r#"{"t":12.3,"read":"pandas/__init__.py","offset":0,"len":8658,"archive":"pandas"}"#,
            r#"{"t":19.8,"read":"lib:libopenblas.so","offset":18446744073709551615,"len":0}"#,
            r#"{"t":2290.1,"imported":"pandas"}"#,
        ];
        let text = lines.join("\n") + "\n";
        let trace = parse(&text).unwrap();
        assert_eq!(trace.events.len(), 4);
        assert_eq!(trace.packages[0].sha256.as_deref(), Some("5502"));
        assert_eq!(to_text(&trace).unwrap(), text);
    }

    #[test]
    fn what_recorders_may_do() {
        let least = r#"{"wheelfs_trace":1,"pyodide":"","python":"","packages":[{"name":"a","file_name":"a.whl"}],"agent":"x"}"#;
        let text = format!("{least}\r\n\r\n{}\r\n", r#"{"t":1,"import":"a","depth":0}"#);
        let trace = parse(&text).unwrap();
        assert_eq!(trace.events[0].kind, EventKind::Import("a".to_owned()));
        assert_eq!(trace.modules, None);
    }

    #[test]
    fn what_is_not_a_trace() {
        assert!(matches!(parse(""), Err(TraceError::Header(None))));
        assert!(matches!(parse("<html>"), Err(TraceError::Header(Some(_)))));
        let newer = HEADER.replace("\"wheelfs_trace\":1", "\"wheelfs_trace\":2");
        assert!(matches!(parse(&newer), Err(TraceError::Version { wanted: 1, found: 2 })));
        for bad in
            [r#"{"t":1}"#, r#"{"import":"a"}"#, r#"{"t":1,"read":"a","offset":-1,"len":1}"#, "{\"t\":1,\"imp"]
        {
            let text = format!("{HEADER}\n\n{bad}\n");
            assert!(matches!(parse(&text), Err(TraceError::Event { line: 3, .. })), "{bad}");
        }
    }
}
