//! What went wrong with which file, and its form in JavaScript.

use prefetch_index::format::FormatError;
use prefetch_index::pack::PackError;
use prefetch_index::zip::{DecodeError, ZipError};
use wasm_bindgen::JsValue;

use super::host::WheelfsError;
use crate::response::{Body, ResponseError};
use crate::scheduler::SupplyError;

/// Why bytes cannot be had.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Cause {
    /// No response: unreachable, refused, or forbidden by CORS; scripts are not told which.
    #[error("the request failed before an answer came")]
    Network,
    /// The body broke off, or its `Content-Encoding` does not decode; scripts are not told which.
    #[error("the transfer broke off")]
    Broken,
    /// A connection that brings nothing.
    #[error("no byte came for {seconds} s")]
    Stalled {
        /// How long it was waited for.
        seconds: u32,
    },
    /// The file could not be read (Node).
    #[error("the file cannot be read")]
    Unreadable,
    /// An answer that cannot be used.
    #[error(transparent)]
    Response(#[from] ResponseError),
    /// A body of the wrong length.
    #[error(transparent)]
    Supply(SupplyError),
    /// The archive's structure.
    #[error(transparent)]
    Zip(#[from] ZipError),
    /// A member's content.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The index file.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A pack's content.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// So many bytes cannot be allocated.
    #[error("no memory is left for its {0} bytes")]
    NoMemory(u64),
    /// What a worker said of a pack.
    #[error("{0}")]
    Unpacking(String),
}

impl From<SupplyError> for Cause {
    fn from(error: SupplyError) -> Self {
        match error {
            SupplyError::NoMemory(len) => Self::NoMemory(len),
            error => Self::Supply(error),
        }
    }
}

impl Cause {
    /// A body of the wrong length; `announced` by the server.
    pub(crate) fn of_body(body: Body, error: SupplyError, announced: Option<u64>) -> Self {
        body.changed(error, announced).map_or_else(|| error.into(), Self::Response)
    }

    /// How often the same request may be repeated.
    pub(crate) fn retries(&self) -> u32 {
        match self {
            Self::Network
            | Self::Broken
            | Self::Stalled { .. }
            | Self::Supply(SupplyError::TooShort { .. }) => 3,
            Self::Response(error) => error.retries(),
            _ => 0,
        }
    }

    /// Whether the file may still be had whole, by a request without a range.
    pub(crate) fn is_about_ranges(&self) -> bool {
        match self {
            // A server that compresses ranges sends what Chromium refuses and nobody can decode.
            Self::Network | Self::Broken | Self::Supply(_) => true,
            Self::Response(error) => error.is_about_ranges(),
            _ => false,
        }
    }

    /// Whether what came is not what was asked for, although its headers say so.
    pub(crate) fn is_about_content(&self) -> bool {
        matches!(self, Self::Zip(_) | Self::Decode(_))
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Network | Self::Broken | Self::Stalled { .. } | Self::Unreadable => "unreachable",
            Self::Response(ResponseError::Status(416)) => "range",
            Self::Response(ResponseError::Status(_)) => "status",
            Self::Response(ResponseError::Changed { .. }) => "changed",
            Self::Response(_) | Self::Supply(_) => "range",
            Self::Zip(_) => "archive",
            Self::Decode(_) | Self::Pack(_) | Self::Unpacking(_) | Self::NoMemory(_) => "content",
            Self::Format(_) => "index",
        }
    }

    fn remedy(&self) -> &'static str {
        match self.code() {
            "unreachable" => "check the URL, the connection, and that the server allows this origin (CORS)",
            "status" => "check the URL that the index or pyodide-lock.json gives for this file",
            "changed" => {
                "rebuild the index with `prefetch-index build`, or restore the file it was built from"
            }
            "range" => "check the server or proxy: it does not answer byte ranges as RFC 9110 says",
            "archive" => "check that the URL serves an intact wheel",
            "content" if matches!(self, Self::NoMemory(_)) => "read it in parts, or free memory",
            "content" => {
                "the file changed since the index was built, or was damaged on the way: rebuild the index with \
                          `prefetch-index build`, or upload the wheel again"
            }
            _ => "rebuild the index with `prefetch-index build`",
        }
    }
}

/// A cause, the URL it concerns and, where there is one, the member that was wanted.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{url}{}: {cause}: {}", .member.as_deref().map(|m| [" (", m, ")"].concat()).unwrap_or_default(), .cause.remedy())]
pub(crate) struct Failure {
    pub(crate) url: String,
    pub(crate) member: Option<String>,
    pub(crate) cause: Cause,
}

impl Failure {
    pub(crate) fn new(url: &str, cause: impl Into<Cause>) -> Self {
        Self { url: url.to_owned(), member: None, cause: cause.into() }
    }

    pub(crate) fn of_member(mut self, path: &str) -> Self {
        self.member.get_or_insert_with(|| path.to_owned());
        self
    }
}

impl From<&Failure> for WheelfsError {
    /// The one place where a failure becomes JavaScript.
    fn from(failure: &Failure) -> Self {
        WheelfsError::new(&failure.to_string(), failure.cause.code(), &failure.url, failure.member.as_deref())
    }
}

impl From<Failure> for JsValue {
    fn from(failure: Failure) -> Self {
        WheelfsError::from(&failure).into()
    }
}
